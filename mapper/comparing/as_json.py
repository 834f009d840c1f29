"""A comparison as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from mapper.comparing.lines import Context, Line
from mapper.comparing.request import Request
from mapper.comparing.results import Comparison, Culprit, Difference, Run
from mapper.comparing.results import Failure as SideFailure


def as_json(request: Request, result: Comparison, contexts: Sequence[Context] = ()) -> str:
    """Return everything that was compared, for machines (`contexts`: as for `as_text`)."""
    known = [*contexts, *[Context()] * len(result.runs)]
    value = {
        "expression": request.expression,
        "agrees": result.agrees,
        "first": _first_of(result, known),
        "weights": {
            "matched": len(result.names.pairs),
            "problems": [
                {"kind": str(one.trouble), "name": one.name, "candidates": list(one.candidates),
                 "message": one.message}
                for one in result.names.problems
            ],
        },
        "runs": [_run_as_json(*both) for both in zip(result.runs, known, strict=False)],
        "notes": list(result.notes),
    }  # fmt: skip
    return json.dumps(value, indent=2, allow_nan=False)


def _run_as_json(run: Run, context: Context) -> dict[str, Any]:
    """Return one run as plain values."""
    return {
        "mode": run.mode,
        "train": run.train,
        "tolerance": run.tolerance,
        "agrees": run.agrees,
        "first": _first(run.first, context),
        "failure": _failure(run.failure),
        "layers": [
            {"path": one.path, "call": one.call, "class": one.cls, "source": one.source,
             "mindspore_class": one.mindspore_cls, "mindspore_source": one.mindspore_source,
             "called": one.ran, "agrees": one.agrees, "tolerance": one.tolerance,
             "outputs": [_difference(output) for output in one.outputs]}
            for one in run.calls
        ],
        "outputs": [_difference(one) for one in run.outputs],
        "statistics": {name: _difference(one) for name, one in run.statistics},
        "gradients": {name: _difference(one) for name, one in run.gradients},
        "losses": None if run.losses is None else [_finite(one) for one in run.losses],
        "rounding": None if run.rounding is None else {
            "step": run.rounding.step, "apart": run.rounding.apart, "own": run.rounding.own,
        },
        "notes": list(run.notes),
    }  # fmt: skip


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "at": one.at,
        "largest": _finite(one.largest),
        "mean": _finite(one.mean),
        "scale": one.scale,
        "shapes": [list(one.torch_shape), list(one.mindspore_shape)],
        "dtypes": [one.torch_dtype, one.mindspore_dtype],
    }


def _finite(value: float) -> float | None:
    """Return a number, or null for what JSON has no word for."""
    return value if math.isfinite(value) else None


def _first_of(result: Comparison, contexts: Sequence[Context]) -> dict[str, Any] | None:
    both = zip(result.runs, contexts, strict=False)
    return next((_first(run.first, one) for run, one in both if run.first is not None), None)


def _line(line: Line | None, place: str | None) -> dict[str, Any] | None:
    if line is None:
        return None if place is None else {"place": place, "text": ""}
    return {"place": line.place, "text": line.text}


def _first(first: Culprit | None, context: Context) -> dict[str, Any] | None:
    """Return the first layer that differs, as plain values."""
    if first is None:
        return None
    return {
        "path": first.path,
        "before": first.before,
        "class": first.cls,
        "source": first.source,
        "mindspore_class": first.mindspore_cls,
        "mindspore_source": first.mindspore_source,
        "line": _line(context.torch, first.source),
        "mindspore_line": _line(context.mindspore, first.mindspore_source),
        "migration": list(context.done),
        "findings": [{"kind": str(one.kind), "message": one.message} for one in first.findings],
    }


def _failure(failure: SideFailure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "side": failure.side,
        "message": failure.message,
        "traceback": list(failure.traceback),
    }
