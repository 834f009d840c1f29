"""Run recorded cases in whatever MindSpore is installed here; prints one line of JSON.

    python replay.py RECORDING

Alone on purpose: it imports nothing of the project, and runs on Python 3.9. `run.py` calls it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("GLOG_v", "4")

import mindspore
import numpy as np
from mindspore import nn

TOLERANCE, HALF = 1e-4, 5e-3  # of the output's largest value, in float32 and in float16
FRESH = 20_000  # values drawn of each fresh parameter


def main(folder: Path) -> None:
    """Run everything, and print the counts and what went wrong."""
    recording = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
    arrays = np.load(folder / "arrays.npz")
    _forbid_torch()
    modules = [_import(folder, index, text) for index, text in enumerate(recording["modules"])]
    counts: dict[str, dict[str, int]] = {}
    findings = []
    for index, case in enumerate(recording["cases"]):
        key, outcome = f"{index}", ""
        try:
            if case["kind"] == "fresh":
                outcome = _fresh(case, modules[case["module"]])
            elif case["kind"] == "refused":
                outcome = _refused(case, arrays[f"{key}.x0"])
            else:
                outcome = next(_differences(case, modules[case["module"]], arrays, key), "")
        except Exception as error:
            if case.get("may_raise") and isinstance(error, ValueError):
                _count(counts, case["row"], "function raises")
                continue
            outcome = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        _count(counts, case["row"], f"{case['kind']} {'wrong' if outcome else 'right'}")
        if outcome:
            findings.append(f"{case['before']}\n    -> {case.get('after')}\n    {outcome}")
    found = {"mindspore": mindspore.__version__, "counts": counts, "findings": findings}
    print("\n" + json.dumps(found))


def _count(counts: dict[str, dict[str, int]], row: str, column: str) -> None:
    cells = counts.setdefault(row, {})
    cells[column] = cells.get(column, 0) + 1


def _forbid_torch() -> None:
    """Let torch be imported where it is not installed; some modules still do. Calling fails."""
    for name in ("torch", "torch.nn", "torch.nn.modules", "torch.nn.functional"):
        stub = ModuleType(name)
        stub.__dict__["__getattr__"] = lambda wanted: None
        sys.modules[name] = stub
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, stub)


def _import(folder: Path, index: int, text: str) -> dict[str, Any]:
    path = folder / f"module_{index}.py"
    path.write_text(text, encoding="utf-8")
    space: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text, str(path), "exec"), space)
    return space


def _differences(case: Any, module: Any, arrays: Any, key: str) -> Iterator[str]:
    made = module["LAYERS"][case["index"]]
    if case["kind"] == "layer":
        layer = made()
        parameters = dict(layer.parameters_and_names())
        if set(parameters) != {path for path, _ in case["parameters"].values()}:
            yield f"parameters {sorted(parameters)} instead of {case['parameters']}"
        for name, (path, shape) in case["parameters"].items():
            if tuple(parameters[path].shape) != tuple(shape):
                yield f"{path} has shape {parameters[path].shape} instead of {shape}"
            value = arrays[f"{key}.{name}"].reshape(shape)
            parameters[path].set_data(mindspore.Tensor(value, parameters[path].dtype))
    for i in range(case["inputs"]):
        x = mindspore.Tensor(arrays[f"{key}.x{i}"])
        if case["kind"] == "layer":
            y = layer(x.astype(mindspore.float16) if case["half"] else x)
        else:
            y = made(x, *(mindspore.Tensor(arrays[f"{key}.{name}"]) for name in "wb"))
        tolerance = HALF if case["half"] else TOLERANCE
        yield from _disagreement(
            arrays[f"{key}.y{i}"], y.astype(mindspore.float32).asnumpy(), tolerance
        )


def _disagreement(expected: Any, found: Any, tolerance: float) -> Iterator[str]:
    if expected.shape != found.shape:
        yield f"shape {found.shape} instead of {expected.shape}"
        return
    worst = float(np.abs(expected.astype(np.float64) - found).max())
    if not worst <= tolerance * max(1.0, float(np.abs(expected).max())):
        yield f"values differ by up to {worst:.3g}"


def _refused(case: Any, x: Any) -> str:
    """Say so if MindSpore takes what a person would write for a call that the tool leaves."""
    name, arguments = case["obvious"]
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    try:
        if "dtype" in given:
            given["dtype"] = getattr(mindspore, str(given["dtype"]))
            x = x.astype(np.float64)
        getattr(nn, name)(**given)(mindspore.Tensor(x)).asnumpy()
    except (TypeError, ValueError, RuntimeError):
        return ""
    return "MindSpore computes the obvious rewrite"


def _fresh(case: Any, module: Any) -> str:
    """Compare fresh parameters with torch's uniform distribution between -bound and bound."""
    make, bound = module["LAYERS"][case["index"]], case["bound"]
    for path, _ in case["parameters"].values():
        values: list[Any] = []
        while sum(map(len, values)) < FRESH:
            values.append(_values(dict(make().parameters_and_names())[path]))
        share = np.concatenate(values) / bound
        largest, variance = float(np.abs(share).max()), float(share.var() * 3)
        if not (0.98 < largest < 1.001 and abs(variance - 1) < 0.05 and abs(share.mean()) < 0.05):
            return f"{path}: largest {largest:.4f} bounds, variance {variance:.4f} of torch's"
    return ""


def _values(parameter: Any) -> Any:
    if getattr(parameter, "has_init", False):
        parameter = parameter.init_data()
    return parameter.asnumpy().astype(np.float64).ravel()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
