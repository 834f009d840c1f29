"""One comparison from its request to its result."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mapper.comparing.judging import (
    Judge,
    Models,
    Record,
    is_rounding_perhaps,
    moved_by_noise,
    noise_of,
)
from mapper.comparing.measure import Array
from mapper.comparing.process import TIMEOUT, Side
from mapper.comparing.request import InputError, Interpreters, Request, place
from mapper.comparing.results import Comparison, Failure, Run, SideError
from mapper.weights.convert import convert
from mapper.weights.exact import match, ties
from mapper.weights.networks import Network, network

DRAWS = 4  # an activation near its kink is turned by one of them in fifteen cases of sixteen
ROWS = 10  # what integers are drawn below where the model has no embedding


def compare(request: Request, interpreters: Interpreters | None = None) -> Comparison:
    """Run both versions of a model and return where they differ. This executes the user's code.

    Raises:
        InputError: the request names places or inputs that do not exist.
        SideError: a side cannot build its model, or torch's cannot run.
    """
    with Frameworks(interpreters or Interpreters()) as frameworks:
        return frameworks.compare(request)


class Frameworks:
    """Both programs, running; a context manager for several comparisons."""

    def __init__(self, interpreters: Interpreters, timeout: float = TIMEOUT) -> None:
        self._torch = Side("torch", interpreters.torch, "side_torch.py", timeout)
        self._mindspore = Side("MindSpore", interpreters.mindspore, "side_mindspore.py", timeout)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start both.

        Raises:
            SideError: an interpreter cannot be started.
        """
        with ExitStack() as stack:
            stack.enter_context(self._torch)
            stack.enter_context(self._mindspore)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End both."""
        self._stack.__exit__(kind, error, trace)

    def compare(self, request: Request) -> Comparison:
        """Return where the two models of a request differ (see `compare`)."""
        with tempfile.TemporaryDirectory(prefix="tm2ms-") as directory:
            return _Comparing(request, self._torch, self._mindspore, Path(directory)).result()


class _Comparing:
    """One request, with its files in one directory."""

    def __init__(self, request: Request, torch: Side, mindspore: Side, files: Path) -> None:
        self.request, self.torch, self.mindspore, self.files = request, torch, mindspore, files
        self.before = self._place(request.before)
        self.after = self._place(request.after)
        self.inputs: dict[str, str] = {}

    def _place(self, path: Path) -> dict[str, Any]:
        directory, module, expression = place(path, self.request.expression)
        return {
            "directory": directory,
            "module": module,
            "expression": expression,
            "seed": self.request.seed,
        }

    def result(self) -> Comparison:
        here = network(self.torch.ask("build", **self.before))
        there = network(self.mindspore.ask("build", **self.after))
        self._write_inputs(here)
        names = match(here, there, self.request.renames, self.request.paths)
        state = self._weights()
        converted = convert(state, names).values
        self.weights = self._written("weights", dict(converted))
        models = Models(here, there, names, self.request.paths)
        runs = [run for train in self._trainings() for run in self._runs(models, train)]
        apart = ties(here, there, names)
        notes = [f"{' and '.join(group)} are one parameter in torch alone" for group in apart]
        return Comparison(names, tuple(runs), tuple(notes))

    def _trainings(self) -> tuple[bool, ...]:
        return (False, True) if self.request.trains else (False,)

    def _write_inputs(self, model: Network) -> None:
        rows = [one.shape[0] for one in model.entries
                if model.api(one.owner) == "torch.nn.Embedding"]  # fmt: skip
        random = np.random.default_rng(self.request.seed)
        arrays = {}
        for index, one in enumerate(self.request.inputs):
            name = one.name or str(index)
            if name in arrays:
                raise InputError(f"two inputs are named {name}")
            arrays[name] = one.drawn(random, min(rows, default=ROWS))
        self.inputs = self._written("inputs", arrays)

    def _weights(self) -> dict[str, Array]:
        """Return torch's state, as drawn or given."""
        given = self._written("given", dict(self.request.weights or {}))
        out = self.files / "state"
        files = self.torch.ask(
            "weights",
            given=given,
            directory_of_given=str(self.files / "given"),
            stir=self.request.stir and self.request.weights is None,
            out=str(out),
            **self._with_inputs(),
            **self.before,
        )
        return {name: np.load(out / file, mmap_mode="r") for name, file in files.items()}

    def _with_inputs(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "directory_of_inputs": str(self.files / "inputs")}

    def _written(self, what: str, arrays: Mapping[str, Array]) -> dict[str, str]:
        """Write arrays and return their files by name."""
        directory = self.files / what
        directory.mkdir()
        files = {}
        for index, (name, array) in enumerate(arrays.items()):
            files[name] = f"{index}.npy"
            np.save(directory / files[name], array, allow_pickle=False)
        return files

    def _runs(self, models: Models, train: bool) -> list[Run]:
        common = {
            "train": train,
            "as_built": train and self.request.as_built,
            "layers": True,
            **self._with_inputs(),
        }
        out = self.files / f"torch-{train}"
        torch = Record(out, self.torch.ask("run", out=str(out), **common, **self.before))
        runs = []
        allowed: dict[str, float] = {}
        for mode in self.request.modes:
            judge = Judge(models, mode, train, self.request.tolerance)
            mindspore = self._run_mindspore(mode, common, torch)
            run = judge.run(torch, mindspore)
            if is_rounding_perhaps(run):
                allowed = allowed or self._sensitivity(run, models, common, torch)
                run = judge.run(torch, mindspore, allowed)
            runs.append(run)
        return runs

    def _sensitivity(
        self, run: Run, models: Models, common: Mapping[str, Any], torch: Record
    ) -> dict[str, float]:
        """Return how far torch's gradients move under errors as those between the two models."""
        noise = noise_of(run, models.torch)
        shaken = []
        for draw in range(DRAWS):
            out = self.files / f"torch-shaken-{draw}"
            request = {**common, "layers": False, "noise": noise, "draw": draw, **self.before}
            shaken.append(Record(out, self.torch.ask("run", out=str(out), **request)))
        return moved_by_noise(torch, shaken)

    def _run_mindspore(
        self, mode: str, common: Mapping[str, Any], torch: Record
    ) -> Record | Failure:
        out = self.files / f"mindspore-{mode}-{common['train']}"
        request = {
            **common,
            "layers": mode == "pynative",
            "mode": mode,
            "weights": str(self.files / "weights"),
            "names": self.weights,
            "outputs": torch.answer["outputs"],
            "out": str(out),
            **self.after,
        }
        try:
            return Record(out, self.mindspore.ask("run", **request))
        except SideError as error:
            return error.failure
