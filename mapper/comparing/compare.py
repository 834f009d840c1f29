"""Compares two versions of a model: from a request to its result.

Both programs build their model; torch's draws the weights, which are converted for MindSpore's;
each runs on the same inputs and records what its layers return; the judge finds the first layer
that differs. Where values differ, torch runs again in float64 to tell rounding from a difference.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mapper.comparing.judging import Allowed, Judge, Models, Record
from mapper.comparing.measure import Array
from mapper.comparing.process import TIMEOUT, Side
from mapper.comparing.request import InputError, Interpreters, Request, place
from mapper.comparing.results import Comparison, Failure, Kind, Run, SideError
from mapper.comparing.rounding import (
    NUDGES,
    allowed,
    forced,
    gradients_alone,
    is_rounding_perhaps,
    own_rounding,
    rounding,
    without_gradients,
)
from mapper.weights.checkpoint import without_prefix
from mapper.weights.convert import convert
from mapper.weights.exact import match, ties
from mapper.weights.networks import Network, network
from mapper.weights.reverse import COUNT
from mapper.weights.weight_norm import Parts, whole, with_whole

ROWS = 10  # what integers are drawn below where the model has no embedding
NAMED = 5  # of the weights that a checkpoint lacks


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
    """The state of one comparison; arrays pass between the processes as files in `files`."""

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
        """Return the result of all runs that are asked for.

        Raises:
            InputError, SideError: as of `compare`.
        """
        built = network(self.torch.ask("build", **self.before))
        there = network(self.mindspore.ask("build", **self.after))
        self._write_inputs(built)
        here, joined = with_whole(built, there)
        names = match(here, there, self.request.renames, self.request.paths)
        given = without_prefix(self.request.weights or {}, built.entry)
        state = self._weights(given)
        for one in joined:
            state[one.weight] = whole(state.pop(one.magnitude), state.pop(one.direction))
        converted = convert(state, names).values
        self.weights = self._written("weights", dict(converted))
        models = Models(here, there, names, self.request.paths)
        runs = [run for train in self._trainings() for run in self._runs(models, train)]
        notes = [*self._lacking(built, given), *_told(ties(here, there, names), joined)]
        return Comparison(names, tuple(runs), tuple(notes))

    def _lacking(self, model: Network, given: Mapping[str, Array]) -> Iterator[str]:
        """Say which weights a checkpoint has no value for; counts of batches are not needed."""
        if self.request.weights is None:
            return
        known = {model.entry[name].identity for name in given if name in model.entry}
        lacking = [one.name for one in model.entries
                   if one.identity not in known and one.last != COUNT]  # fmt: skip
        if lacking:
            names = ", ".join(lacking[:NAMED]) + (", …" if len(lacking) > NAMED else "")
            yield f"{len(lacking)} weights are not in the checkpoint, and stay as drawn: {names}"

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

    def _weights(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Return the state that torch's model has now: drawn, or as it is given."""
        given = self._written("given", weights)
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
        """Return the run of each mode of MindSpore; torch runs once for all of them."""
        common = {
            "train": train,
            "as_built": train and self.request.as_built,
            "layers": True,
            **self._with_inputs(),
        }
        out = self.files / f"torch-{train}"
        torch = Record(out, self.torch.ask("run", out=str(out), **common, **self.before))
        runs = []
        answers: dict[str, Record | Failure] = {}

        def answer(mode: str) -> Record | Failure:
            if mode not in answers:
                answers[mode] = self._run_mindspore(mode, common, torch)
            return answers[mode]

        check = _RoundingCheck(self.torch, self.before, self.files, common)
        for mode in self.request.modes:
            judge = Judge(models, mode, train, self.request.tolerance)
            mindspore = answer(mode)
            run = judge.run(torch, mindspore)
            # with other random numbers than torch's, no difference is rounding
            same_draws = mode == "pynative" or not torch.answer["draws"]
            if isinstance(mindspore, Record) and same_draws and is_rounding_perhaps(run):
                run = check.judged(run, judge, torch, mindspore, answer("pynative"))
            runs.append(run)
        return runs

    def _run_mindspore(
        self, mode: str, common: Mapping[str, Any], torch: Record
    ) -> Record | Failure:
        """Return the record of MindSpore's run in one mode, or why it failed."""
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


def _told(tied: Iterable[Iterable[str]], joined: Iterable[Parts]) -> Iterator[str]:
    """Say which weights are not the same on both sides, though their values are."""
    for group in tied:
        yield f"{' and '.join(group)} are one parameter in torch alone"
    for one in joined:
        yield (
            f"{one.weight} is one weight in MindSpore; in torch weight_norm makes it of "
            f"{one.magnitude} and {one.direction}, whose gradients are not compared"
        )


class _RoundingCheck:
    """Runs torch again, in float64 and with other roundings, to tell rounding from a difference."""

    def __init__(
        self, torch: Side, before: Mapping[str, Any], files: Path, common: Mapping[str, Any]
    ) -> None:
        self.torch, self.before, self.files, self.common = torch, before, files, common
        self.forced: Record | None = None
        self.own: Allowed | None = None

    def judged(
        self, run: Run, judge: Judge, torch: Record, mindspore: Record, layers: Record | Failure
    ) -> Run:
        """Return the run with the first layer that differs by more than rounding, if one does.

        `layers` is MindSpore's run in PyNative mode, which has the values of all layers.
        """
        try:
            steps = self._steps(judge, torch, mindspore, layers)
            if steps is not None and steps.first is not None and judge.mode == "pynative":
                return replace(run, findings=steps.findings, first=steps.first)
            exact, own = self._whole(torch)
        except SideError as error:
            note = f"torch cannot run in float64 to show rounding: {error.failure.message}"
            return replace(run, notes=(*run.notes, note))
        may_differ = allowed(own)
        if steps is not None and steps.first is None:
            may_differ = without_gradients(may_differ)
        whole = judge.run(exact, mindspore, may_differ)
        found = rounding(whole, steps, own)
        if whole.first is not None:
            note = f"farther from torch in float64 than rounding: {found}"
            notes = (*run.notes, note)
            return replace(run, findings=whole.findings, first=whole.first, notes=notes)
        return replace(run, findings=(), first=None, rounding=found)

    def _steps(
        self, judge: Judge, torch: Record, mindspore: Record, layers: Record | Failure
    ) -> Run | None:
        """Return the run in which torch's layers start from MindSpore's values.

        Gradients add up what each layer rounds all the same, so where one is beyond the tolerance,
        torch's own from these values in float32 say how far it may be.

        GRAPH_MODE shows the values of no layer, so they are PyNative's there: where its own lie on
        another side of a kink, its gradients differ. None where PyNative cannot run.
        """
        if isinstance(layers, Failure) or "failure" in layers.answer:
            return None
        given = forced(torch, layers, judge.models)
        if self.forced is None:
            self.forced = self._run("steps", dtype="float64", forced=given)
        run = judge.run(self.forced, mindspore)
        if run.first is None or not judge.train or judge.mode != "pynative":
            return run
        if self.own is None:
            again = [self._run("steps", forced=given, nudge=draw) for draw in (0, 1)]
            self.own = gradients_alone(allowed(own_rounding(self.forced, again)))
        return judge.run(self.forced, mindspore, self.own)

    def _whole(self, torch: Record) -> tuple[Record, dict[tuple[Kind, str], float]]:
        """Return torch's run in float64, and how far its runs in float32 are from that."""
        exact = self._run("exact", dtype="float64", layers=False)
        nudged = [self._run("nudged", nudge=draw, layers=False) for draw in NUDGES]
        return exact, own_rounding(exact, [torch, *nudged])

    def _run(self, what: str, **more: Any) -> Record:
        out = Path(tempfile.mkdtemp(prefix=f"{what}-", dir=self.files))
        answer = self.torch.ask("run", **{**self.common, **more}, out=str(out), **self.before)
        return Record(out, answer, is_exact=more.get("dtype") == "float64")
