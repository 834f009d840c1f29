"""Executes a program before and after its migration, and compares what the two compute.

Compared are the results, what became of the Tensors that the caller gave, and of a model also the
gradients of its parameters and inputs and its state after two steps of training. What is neither
equal nor raises nor was left to torch is silently different.
"""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from mapper.model.options import Options
from mapper.model.results import FileResult
from mapper.running.file import Task, process
from tests.oracle.frameworks import Array

TOLERANCE = 2e-4
"""Of the largest value, in float32; of a gradient, of the largest one in the program."""
ROUGH = 5e-3
"""The same where there is a `tanh`, which MindSpore approximates on the CPU: a known limit."""
ROUNDING = 1e-6
"""What inputs are changed by, of their size, to see whether rounding decides what comes out."""
SECONDS = 60
"""For one program, that a hang ends."""


Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Program:
    """Files, of which `main` has `run` or `build`; `only`: the files that are migrated, or all.

    `run` is called with the inputs. `build` returns a model, which is executed in evaluation; where
    it `trains`, also twice in training, and in evaluation again. With `gradients` both are
    differentiated; `graph`: MindSpore compiles them.
    """

    files: Mapping[str, str]
    inputs: tuple[Array, ...]
    select: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    trains: bool = False
    gradients: bool = False
    graph: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """`equal`, `raises`, `left`, `refused`, `different` or `broken`; the reason, and the story.

    `unstable`: different, and with torch alone rounding of the inputs makes it as different.
    """

    word: str
    reason: str = ""
    story: str = ""


@dataclass(slots=True)
class Known:
    """What the program with torch has to tell the one after it."""

    weights: dict[str, Array] = field(default_factory=dict)
    differentiable: list[bool] = field(default_factory=list)
    """For each call that is differentiated, whether torch can do it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a program computed, or what it raised."""

    known: Known
    values: Values = ()
    error: str = ""


def judged(made: Program, folder: Path) -> Outcome:
    """Execute the program before and after, and say how they compare."""
    for name, text in {".git/HEAD": "", **made.files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with _limited(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            before = _executed(folder, made, Torch(made, Known()))
            if before.error:
                return Outcome("refused", before.error)
            results = _migrated(folder, made)
            bad = [one.message for one in results.values() if one.message]
            if bad:
                return Outcome("broken", bad[0], _story(made, results, bad[0]))
            changed = {n: r for n, r in results.items() if r.after not in (None, r.before)}
            if not changed:
                return Outcome("left", _why(results))
            for name, result in changed.items():
                (folder / name).write_text(result.after or "")
            return _compared(made, folder, before, results)
        except TimeoutError:
            return Outcome("raises", "takes too long")


def _migrated(folder: Path, made: Program) -> dict[str, FileResult]:
    results = {}
    names = made.only or [n for n in made.files if n.endswith((".py", ".ipynb"))]
    named = frozenset(str((folder / name).resolve()) for name in names)
    options = Options(select=made.select, named=named)
    for name in names:
        path = folder / name
        results[name] = process(Task(str(path), path.read_bytes()), options)
    return results


def _compared(
    made: Program, folder: Path, before: Result, results: Mapping[str, FileResult]
) -> Outcome:
    """Execute what was written, with torch's Tensors where torch is left, and MindSpore's."""
    texts = [(folder / n).read_text() for n in made.files if n.endswith((".py", ".ipynb"))]
    is_rough = any("tanh" in text.lower() or "gelu" in text.lower() for text in made.files.values())
    tolerance = ROUGH if is_rough else TOLERANCE
    has_torch = any(re.search(r"(?:import|from) torch\b", text) for text in texts)
    errors, differences = [], []
    for framework in ("torch", "mindspore") if has_torch else ("mindspore",):
        side = Torch if framework == "torch" else MindSpore
        after = _executed(folder, made, side(made, before.known))
        if after.error:
            errors.append(after.error)
            continue
        words = difference(before.values, after.values, tolerance)
        if words is None and framework == "torch":
            return Outcome("left", "in torch: " + _why(results))
        if words is None:
            return Outcome("equal")
        differences.append(f"{framework}: {words}")
    if differences and _is_unstable(made, folder, before, tolerance):
        return Outcome("unstable", differences[0])
    if differences:
        return Outcome("different", differences[0], _story(made, results, "; ".join(differences)))
    return Outcome("raises", errors[-1], _story(made, results, errors[-1]))


def _is_unstable(made: Program, folder: Path, before: Result, tolerance: float) -> bool:
    """Say whether torch itself computes something else, rounded otherwise or in float64."""
    for name, text in made.files.items():
        (folder / name).write_text(text)
    random = np.random.default_rng(5)
    rounded = [one * (1 + ROUNDING * random.standard_normal(one.shape)) for one in made.inputs]
    for inputs, is_exact in ((rounded, False), (made.inputs, True)):
        floats = np.float64 if is_exact else np.float32
        given = tuple(
            one.astype(floats) if old.dtype.kind == "f" else old
            for one, old in zip(inputs, made.inputs, strict=True)
        )
        known = Known(before.known.weights, before.known.differentiable)
        after = _executed(folder, made, Torch(replace(made, inputs=given), known))
        if not after.error and difference(before.values, after.values, tolerance / 2) is not None:
            return True
    return False


def _why(results: Mapping[str, FileResult]) -> str:
    """Return the first reason for which something was left."""
    for result in results.values():
        for site in result.sites:
            if site.message and not re.search("stays torch's|this import stays", site.message):
                return f"{site.api}: {site.message}"
    return ""


def _story(made: Program, results: Mapping[str, FileResult], words: str) -> str:
    parts = [words]
    for name, text in made.files.items():
        after = results[name].after if name in results else None
        parts.append(f"--- {name}\n{text}" + (f"--- after\n{after}" if after else ""))
    return "\n".join(parts)


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TimeoutError in what takes too long."""

    def strike(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, strike)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


# --- running --------------------------------------------------------------------------------------


def _executed(folder: Path, made: Program, side: Side) -> Result:
    try:
        module = _loaded(folder, made)
        if hasattr(module, "build"):
            return Result(side.known, side.model_values(module.build))
        return Result(side.known, side.function_values(module.run))
    except TimeoutError:
        raise
    except BaseException as error:  # whatever a program raises
        first = str(error).strip().partition("\n")[0]
        return Result(side.known, error=f"{type(error).__name__}: {first}")
    finally:
        _forget(made)


def _forget(made: Program) -> None:
    """Take a program's modules out of those that are imported: others have the same names."""
    names = {Path(n).parts[0].removesuffix(".py") for n in made.files}
    for name in [n for n in sys.modules if n.partition(".")[0] in names]:
        del sys.modules[name]


def _loaded(folder: Path, made: Program) -> ModuleType:
    """Import the program's main module, or execute its notebook's cells as one."""
    _forget(made)
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        if "main.ipynb" not in made.files:
            return importlib.import_module("main")
        cells = json.loads((folder / "main.ipynb").read_text())["cells"]
        module = ModuleType("main")
        exec("\n".join("".join(c["source"]) for c in cells), module.__dict__)
        return module
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(folder))


class Side(ABC):
    """Runs a program with one of the frameworks."""

    def __init__(self, made: Program, known: Known) -> None:
        self.made = made
        self.known = known

    def function_values(self, run: Callable[..., Any]) -> Values:
        """Return what the function gives, what became of its arguments, and the gradients."""
        values = [self._called(run)]
        if self.made.gradients:
            values.append(self._differentiated(run, [], 0))
        return values

    def model_values(self, build: Callable[[], Any]) -> Values:
        """Return what the model gives in evaluation and in training, and its state."""
        model = self._built(build)
        values: list[Any] = []
        for training in (False, True, True, False) if self.made.trains else (False,):
            self._set(model, training)
            if training and self.made.gradients:
                parameters = sorted(self._parameters(model), key=lambda named: named[0])
                values.append(self._differentiated(model, parameters, len(values) - 1))
            else:
                values.append(self._called(model))
        return [*values, sorted(self._state(model))]

    def _called(self, run: Callable[..., Any]) -> Values:
        inputs = [self._tensor(one) for one in self.made.inputs]
        return [plain(run(*inputs)), plain(inputs)]

    @abstractmethod
    def _tensor(self, array: Array) -> Any:
        """Return an array as a Tensor."""

    @abstractmethod
    def _built(self, build: Callable[[], Any]) -> Any:
        """Return the model with its weights: those that are known, or new ones."""

    @abstractmethod
    def _set(self, model: Any, training: bool) -> None:
        """Set the model's mode."""

    @abstractmethod
    def _parameters(self, model: Any) -> Iterator[tuple[str, Any]]:
        """Yield the parameters that are trained, by torch's names."""

    @abstractmethod
    def _state(self, model: Any) -> Iterator[tuple[str, Array]]:
        """Yield the parameters and buffers, by torch's names."""

    @abstractmethod
    def _differentiated(
        self, run: Callable[..., Any], parameters: list[tuple[str, Any]], number: int
    ) -> Values:
        """Return what a call gives, what became of its arguments, and the gradients."""


class Torch(Side):
    """Runs a program with torch."""

    def _called(self, run: Callable[..., Any]) -> Values:
        import torch

        with torch.no_grad():
            return super()._called(run)

    def _tensor(self, array: Array) -> Any:
        import torch

        return torch.from_numpy(array.copy()) if array.ndim else torch.tensor(array.item())

    def _built(self, build: Callable[[], Any]) -> Any:
        import torch

        torch.manual_seed(1)
        model = build()
        if not isinstance(model, torch.nn.Module):
            raise TypeError("the model is MindSpore's")
        random = np.random.default_rng(3)
        weights = self.known.weights
        given = bool(weights)
        for name, value in model.state_dict(keep_vars=True).items():
            is_own = isinstance(value, torch.nn.Parameter) or "running" in name
            if given and name in weights:
                value.data.copy_(torch.from_numpy(weights[name]))
            elif value.dtype == torch.float32 and not given and is_own:
                drawn = random.standard_normal(tuple(value.shape)).astype(np.float32) * 0.5
                drawn = np.abs(drawn) + 0.5 if name.endswith("running_var") else drawn
                value.data.copy_(torch.from_numpy(np.asarray(drawn)).reshape(value.shape))
        if any(one.dtype == np.float64 for one in self.made.inputs):
            return model.double()
        for name, value in model.state_dict().items():  # shared ones have their last value
            weights[name] = value.detach().numpy().copy()
        return model

    def _set(self, model: Any, training: bool) -> None:
        model.train(training)

    def _parameters(self, model: Any) -> Iterator[tuple[str, Any]]:
        for name, one in model.named_parameters():
            if one.requires_grad:
                yield name, one

    def _state(self, model: Any) -> Iterator[tuple[str, Array]]:
        for name, value in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                yield name, value.detach().numpy().copy()

    def _differentiated(
        self, run: Callable[..., Any], parameters: list[tuple[str, Any]], number: int
    ) -> Values:

        given = [self._tensor(one) for one in self.made.inputs]
        leaves = [one.requires_grad_() for one in given if one.is_floating_point()]
        given = [one.clone() if one.requires_grad else one for one in given]
        for _, one in parameters:
            one.grad = None
        result = run(*given)
        values = [plain(result), plain(given)]
        try:
            _loss(result).backward()
        except (AttributeError, RuntimeError):  # not a number, or something changed in place
            is_differentiable = False
        else:
            is_differentiable = True
        if number == len(self.known.differentiable):
            self.known.differentiable.append(is_differentiable)
        if not is_differentiable:
            return values
        names = [name for name, _ in parameters]
        wanted = [*(one for _, one in parameters), *leaves]
        found = [one * 0 if one.grad is None else one.grad for one in wanted]
        return [*values, names, Gradients(plain(found))]


class MindSpore(Side):
    """Runs a program with MindSpore."""

    def __init__(self, made: Program, known: Known) -> None:
        super().__init__(made, known)
        self._names: dict[str, str] = {}

    def _called(self, run: Callable[..., Any]) -> Values:
        self._set_mode()
        return super()._called(run)

    def function_values(self, run: Callable[..., Any]) -> Values:
        """Return what the function gives, compiled in graph mode."""
        import mindspore

        return super().function_values(mindspore.jit(run) if self.made.graph else run)

    def _set_mode(self) -> None:
        import mindspore

        mode = mindspore.GRAPH_MODE if self.made.graph else mindspore.PYNATIVE_MODE
        mindspore.set_context(mode=mode)

    def _tensor(self, array: Array) -> Any:
        import mindspore

        return mindspore.Tensor(array.copy())

    def _built(self, build: Callable[[], Any]) -> Any:
        import mindspore

        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        model = build()
        if not isinstance(model, mindspore.nn.Cell):
            raise TypeError("the model is torch's")
        for path, parameter in model.parameters_and_names():
            name = self._named(path)
            is_frozen = path.rpartition(".")[2] in _FROZEN
            if name is None or (is_frozen and self.known.weights[name].size != parameter.size):
                if is_frozen:
                    continue  # a norm without weights keeps frozen ones
                raise LookupError(f"no weight for {path}")
            value = self.known.weights[name]
            if value.size != parameter.size:
                raise LookupError(f"{path} has shape {parameter.shape} instead of {value.shape}")
            parameter.set_data(mindspore.Tensor(value.reshape(parameter.shape), parameter.dtype))
            self._names[path] = name
        return model

    def _named(self, path: str) -> str | None:
        """Return torch's name of a parameter or buffer."""
        head, _, last = path.rpartition(".")
        parts = [re.sub(r"^dense(?=\d)", "linear", one) for one in head.split(".") if one]
        heads = [parts] + [parts[:i] + parts[i + 1 :] for i in range(len(parts) - 1, -1, -1)]
        for one in heads:
            for word in (last, _NAMES.get(last, last)):
                if ".".join([*one, word]) in self.known.weights:
                    return ".".join([*one, word])
        return None

    def _set(self, model: Any, training: bool) -> None:
        model.set_train(training)

    def _parameters(self, model: Any) -> Iterator[tuple[str, Any]]:
        for path, one in model.parameters_and_names():
            if one.requires_grad:
                yield self._names[path], one

    def _state(self, model: Any) -> Iterator[tuple[str, Array]]:
        for path, value in model.state_dict().items():
            name = self._names.get(path) or self._named(path)
            if name is not None:
                yield name, value.asnumpy().reshape(self.known.weights[name].shape)

    def _differentiated(
        self, run: Callable[..., Any], parameters: list[tuple[str, Any]], number: int
    ) -> Values:
        if not self.known.differentiable[number]:
            return self._called(run)
        import mindspore

        self._set_mode()
        given = [self._tensor(one) for one in self.made.inputs]
        at = tuple(i for i, one in enumerate(self.made.inputs) if one.dtype.kind == "f")
        seen: list[Any] = []

        def forward(*inputs: Any) -> Any:
            result = run(*inputs)
            seen.append(result)
            return _loss(result)

        def forward_in_graph(*inputs: Any) -> Any:
            result = run(*inputs)
            return _loss(result), result

        names = [name for name, _ in parameters]
        weights = [one for _, one in parameters]
        function, is_graph = (forward_in_graph, True) if self.made.graph else (forward, False)
        step = mindspore.value_and_grad(function, at or None, weights or None, has_aux=is_graph)
        first, gradients = step(*given)
        result = first[1] if is_graph else seen[-1]
        of_inputs, of_weights = (
            gradients if at and weights else (gradients, ()) if at else ((), gradients)
        )
        if len(at) == 1 and not isinstance(of_inputs, tuple):
            of_inputs = (of_inputs,)
        arrays = [
            plain(one).reshape(self.known.weights[name].shape)  # 1-d weights have one more axis
            for name, one in zip(names, of_weights, strict=True)
        ]
        return [plain(result), plain(given), names, Gradients([*arrays, *plain(of_inputs)])]


_FROZEN = ("gamma", "beta", "moving_mean", "moving_variance")
_NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "w": "weight",
          "moving_variance": "running_var", "embedding_table": "weight"}  # fmt: skip


def _flat(value: Any) -> Any:
    """Return what nested lists, tuples and dicts hold, in a form that MindSpore compiles."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        found: list[Any] = []
        for one in value:
            found = found + _flat(one)
        return found
    return [value]


def _loss(value: Any) -> Any:
    """Return a number that depends on every number in the outputs."""
    loss: Any = 0.0
    for one in _flat(value):
        if hasattr(one, "dtype") and str(one.dtype).lower().replace("torch.", "")[:5] == "float":
            loss = loss + (one * one).sum() / 2 + one.sum()
    return loss


# --- comparing ------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return arrays and Python values in lists, of whatever framework."""
    if hasattr(value, "asnumpy"):
        return np.array(value.asnumpy())
    if hasattr(value, "detach"):
        return np.array(value.detach().numpy())
    if isinstance(value, dict):
        return [[str(key), plain(one)] for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bool | int | float | str | type(None)):
        return value
    return type(value).__name__


@dataclass(frozen=True, slots=True)
class Gradients:
    """Gradients, whose accuracy is that of the largest one."""

    arrays: list[Array]

    @property
    def scale(self) -> float:
        """Return the size that differences are measured by."""
        return max([1.0, *(float(np.abs(one).max(initial=0)) for one in self.arrays)])


def difference(before: Any, after: Any, tolerance: float, scale: float = 1e-3) -> str | None:
    """Say in what two results differ; None where they are equal.

    `scale` is what the differences of small numbers are measured by.
    """
    if isinstance(before, Gradients) and isinstance(after, Gradients):
        words = difference(before.arrays, after.arrays, tolerance, before.scale)
        return f"gradients: {words}" if words else None
    if isinstance(before, list | tuple):
        if not isinstance(after, list | tuple) or len(before) != len(after):
            return f"a sequence: {_shown(before)} and {_shown(after)}"
        found = (difference(a, b, tolerance, scale) for a, b in zip(before, after, strict=True))
        return next((f"[{i}] {one}" for i, one in enumerate(found) if one), None)
    if isinstance(before, np.ndarray):
        return _difference_of_arrays(before, after, tolerance, scale)
    if isinstance(before, float) and isinstance(after, float):
        is_close = np.isclose(before, after, rtol=tolerance, atol=tolerance, equal_nan=True)
        return None if is_close else f"{after} instead of {before}"
    is_same = type(before) is type(after) and before == after
    return None if is_same else f"{after!r} instead of {before!r}"


def _difference_of_arrays(before: Array, after: Any, tolerance: float, scale: float) -> str | None:
    if not isinstance(after, np.ndarray):
        return f"{type(after).__name__} instead of an array"
    if before.shape != after.shape:
        return f"shape {after.shape} instead of {before.shape}"
    if before.dtype.kind != after.dtype.kind:
        return f"dtype {after.dtype} instead of {before.dtype}"
    a, b = before.astype(np.float64), after.astype(np.float64)
    size = max(scale, float(np.abs(a[np.isfinite(a)]).max(initial=0)))
    same = np.isclose(a, b, rtol=tolerance, atol=tolerance * size, equal_nan=True)
    return None if same.all() else f"values {b[~same][:3]} instead of {a[~same][:3]}"


def _shown(value: Any) -> str:
    return repr(value)[:60] if not isinstance(value, list | tuple) else f"{len(value)} values"
