"""Executes a generated program before and after its migration, and compares what it computes."""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from mapper.model.options import Options
from mapper.running.file import Task, process

TOLERANCE = 2e-4  # of the largest value, in float32
SECONDS = 40

Inputs = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Files, of which `main` has `run` or `build`; `only`: the files that are migrated, or all."""

    files: Mapping[str, str]
    inputs: Inputs
    select: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    trains: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """`equal`, `raises`, `left`, `different` or `broken`, and the story."""

    word: str
    reason: str = ""
    words: str = ""


@dataclass(slots=True)
class Result:
    """What a program computed, or what it raised."""

    values: list[Any] = field(default_factory=list)
    error: str = ""
    framework: str = ""


def load() -> None:
    """Import both frameworks, before any time is bounded."""
    import mindspore  # noqa: F401
    import torch

    torch.set_num_threads(1)


def judged(made: Program, folder: Path) -> Outcome:
    """Execute the program before and after, and say how they compare."""
    for name, text in {".git/HEAD": "", **made.files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with limited(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            weights: dict[str, Any] = {}
            before = _executed(folder, made, "torch", weights)
            if before.error:
                return Outcome("refused", before.error)
            results = {}
            for name in made.only or [n for n in made.files if n.endswith((".py", ".ipynb"))]:
                path = folder / name
                results[name] = process(
                    Task(str(path), path.read_bytes()), Options(select=made.select)
                )
            bad = [r.message for r in results.values() if r.message]
            if bad:
                return Outcome("broken", bad[0], _story(made, results, bad[0]))
            changed = {n: r for n, r in results.items() if r.after not in (None, r.before)}
            if not changed:
                return Outcome("left", _why(results))
            for name, result in changed.items():
                (folder / name).write_text(result.after or "")
            return _compared(made, folder, before, weights, results)
        except TimeoutError:
            return Outcome("raises", "takes too long")


def _compared(
    made: Program, folder: Path, before: Result, weights: dict[str, Any], results: Mapping[str, Any]
) -> Outcome:
    errors = []
    texts = [(folder / n).read_text() for n in made.files if n.endswith((".py", ".ipynb"))]
    has_torch = any(re.search(r"(?:import|from) torch\b", text) for text in texts)
    for framework in ("torch", "mindspore") if has_torch else ("mindspore",):
        after = _executed(folder, made, framework, dict(weights))
        if after.error:
            errors.append(after.error)
            continue
        words = _difference(before.values, after.values)
        if words is None:
            if framework == "torch":
                return Outcome("left", "in torch: " + _why(results))
            return Outcome("equal")
        if framework == "torch":  # perhaps it is MindSpore's now, and is not fed so
            continue
        return Outcome("different", words, _story(made, results, words))
    return Outcome("raises", errors[0] if errors else "")


def _why(results: Mapping[str, Any]) -> str:
    for result in results.values():
        for site in result.sites:
            if site.message and "stays torch's" not in site.message:
                return f"{site.api}: {site.message}"
    return ""


def _story(made: Program, results: Mapping[str, Any], words: str) -> str:
    parts = [words]
    for name, text in made.files.items():
        after = getattr(results.get(name), "after", None)
        parts.append(f"--- {name}\n{text}" + (f"--- after\n{after}" if after else ""))
    return "\n".join(parts)


@contextmanager
def limited() -> Iterator[None]:
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


def _loaded(folder: Path, made: Program) -> ModuleType:
    """Import the program's main module, or execute its notebook's cells as one."""
    names = {Path(n).parts[0].removesuffix(".py") for n in made.files}
    for name in [n for n in sys.modules if n.partition(".")[0] in names]:
        del sys.modules[name]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        if "main.ipynb" not in made.files:
            return importlib.import_module("main")
        cells = json.loads((folder / "main.ipynb").read_text())["cells"]
        module = ModuleType("main")
        exec("\n".join("".join(c["source"]) for c in cells), module.__dict__)
        return module
    finally:
        sys.path.remove(str(folder))


def _executed(folder: Path, made: Program, framework: str, weights: dict[str, Any]) -> Result:
    try:
        module = _loaded(folder, made)
        if hasattr(module, "build"):
            return Result(_model_values(module.build, made, framework, weights))
        tensors = [_tensor(one, framework) for one in made.inputs]
        values = module.run(*tensors)
        return Result(_plain([values, tensors]))
    except TimeoutError:
        raise
    except BaseException as error:
        first = str(error).strip().partition("\n")[0]
        return Result(error=f"{type(error).__name__}: {first}")


def _tensor(array: np.ndarray[Any, Any], framework: str) -> Any:
    if framework == "torch":
        import torch

        return torch.from_numpy(array.copy()) if array.ndim else torch.tensor(array.item())
    import mindspore

    return mindspore.Tensor(array.copy())


def _model_values(build: Any, made: Program, framework: str, weights: dict[str, Any]) -> list[Any]:
    import torch

    torch.manual_seed(1)
    model = build()
    is_torch = isinstance(model, torch.nn.Module)
    if is_torch != (framework == "torch"):
        raise TypeError(f"the model is {'torch' if is_torch else 'MindSpore'}'s")
    if is_torch:
        _fill_torch(model, weights)
    else:
        _fill_mindspore(model, weights)
    values = []
    for training in (False, True, True, False) if made.trains else (False,):
        inputs = [_tensor(one, framework) for one in made.inputs]
        if is_torch:
            model.train(training)
            with torch.no_grad():
                values.append(_plain(model(*inputs)))
        else:
            model.set_train(training)
            values.append(_plain(model(*inputs)))
    return values  # what a first layer does to the caller's Tensor in place is a known limit


def _fill_torch(model: Any, weights: dict[str, Any]) -> None:
    import torch

    random = np.random.default_rng(3)
    given = bool(weights)
    with torch.no_grad():
        for name, value in model.state_dict(keep_vars=True).items():
            is_own = isinstance(value, torch.nn.Parameter) or "running" in name
            if value.dtype == torch.float32 and not given and is_own:
                drawn = random.standard_normal(tuple(value.shape)).astype(np.float32) * 0.5
                drawn = np.abs(drawn) + 0.5 if name.endswith("running_var") else drawn
                value.data.copy_(torch.from_numpy(np.asarray(drawn)).reshape(value.shape))
            elif given and name in weights:
                value.data.copy_(torch.from_numpy(weights[name]))
        for name, value in model.state_dict().items():  # shared ones have their last value
            weights[name] = value.detach().numpy().copy()


_NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "w": "weight",
          "moving_variance": "running_var", "embedding_table": "weight"}  # fmt: skip


def _fill_mindspore(model: Any, weights: dict[str, Any]) -> None:
    import mindspore

    for path, parameter in model.parameters_and_names():
        head, _, last = path.rpartition(".")
        value = _found(weights, head, [last, _NAMES.get(last, last)])
        if value is None:
            if last in ("gamma", "beta", "moving_mean", "moving_variance"):
                continue  # a BatchNorm without weights keeps frozen ones
            raise LookupError(f"no weight for {path}")
        if value.size != parameter.size:
            raise LookupError(f"{path} has shape {parameter.shape} instead of {value.shape}")
        parameter.set_data(mindspore.Tensor(value.reshape(parameter.shape), parameter.dtype))


def _found(weights: dict[str, Any], head: str, lasts: list[str]) -> Any:
    parts = [re.sub(r"^dense(?=\d)", "linear", one) for one in head.split(".") if one]
    heads = [parts] + [parts[:i] + parts[i + 1 :] for i in range(len(parts) - 1, -1, -1)]
    for one in heads:
        for last in lasts:
            if ".".join([*one, last]) in weights:
                return weights[".".join([*one, last])]
    return None


# --- comparing ------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Return arrays and Python values in lists, of whatever framework."""
    if hasattr(value, "asnumpy"):
        return np.array(value.asnumpy())
    if hasattr(value, "detach"):
        return np.array(value.detach().numpy())
    if isinstance(value, dict):
        return [[str(key), _plain(one)] for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool | int | float | str | type(None)):
        return value
    return type(value).__name__


def _difference(before: Any, after: Any) -> str | None:
    if isinstance(before, list):
        if not isinstance(after, list) or len(before) != len(after):
            return f"a sequence: {_shown(before)} and {_shown(after)}"
        found = (_difference(a, b) for a, b in zip(before, after, strict=True))
        return next((f"[{i}] {one}" for i, one in enumerate(found) if one), None)
    if isinstance(before, np.ndarray):
        if not isinstance(after, np.ndarray):
            return f"{type(after).__name__} instead of an array"
        if before.shape != after.shape:
            return f"shape {after.shape} instead of {before.shape}"
        if before.dtype.kind != after.dtype.kind:
            return f"dtype {after.dtype} instead of {before.dtype}"
        a, b = before.astype(np.float64), after.astype(np.float64)
        size = max(1e-3, float(np.abs(a[np.isfinite(a)]).max(initial=0)))
        same = np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
        if not same.all():
            return f"values {b[~same][:3]} instead of {a[~same][:3]}"
        return None
    if isinstance(before, float) and isinstance(after, float):
        return (
            None
            if np.isclose(before, after, rtol=TOLERANCE, atol=1e-4, equal_nan=True)
            else (f"{after} instead of {before}")
        )
    same_kind = type(before) is type(after)
    return None if same_kind and before == after else f"{after!r} instead of {before!r}"


def _shown(value: Any) -> str:
    return repr(value)[:60] if not isinstance(value, list) else f"a list of {len(value)}"
