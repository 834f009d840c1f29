"""Tells the rounding of float32, which adds up from layer to layer, from a difference of models.

A difference counts as rounding if both of these hold:

1. Step by step: torch runs in float64, and each of its layers returns what MindSpore's returned
   there. So every layer, and the code between two layers, starts from MindSpore's own values and
   no rounding adds up: the tolerance must hold for each step. ReLU and the like are on the same
   side of zero in both runs, so gradients must be within the tolerance, too, or within a small
   factor of what torch's own in float32 miss from the same values: on the way back rounding adds
   up as before.
2. As a whole: outputs and statistics of MindSpore are no farther from torch in float64 than those
   of torch itself in float32, times a small factor; of torch's float32, the worst of a few runs
   with other roundings counts.

The first finds a layer that computes something else. The second finds what is within the tolerance
in each step, but is there in all of them. Gradients that are right step by step need not pass the
second: where an input of ReLU is 1e-8 in one run and -1e-8 in the other, they differ by far more
than any rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mapper.comparing.judging import (
    Allowed,
    Models,
    Record,
    scales_of_gradients,
    scales_of_statistics,
)
from mapper.comparing.measure import Array, difference
from mapper.comparing.results import Difference, Kind, Rounding, Run

NUDGES = (1, 2, 3)  # further runs of torch, with weights and inputs rounded in other ways
MARGIN = 8.0  # the factor: four runs do not show the worst, and kernels sum up in other orders


def is_rounding_perhaps(run: Run) -> bool:
    """Say whether values differ, so that rounding may be the reason, and both sides ran."""
    found = [*run.findings, *(run.first.findings if run.first is not None else ())]
    return run.failure is None and any(one.difference is not None for one in found)


def forced(torch: Record, mindspore: Record, models: Models) -> dict[str, object]:
    """Return what torch's layers are to return: a file for each output of each call."""
    there = {(one["path"], one["call"]): one["values"]
             for one in mindspore.answer["events"] if one["event"] == "out"}  # fmt: skip
    values = [
        (one["path"], one["call"], value["at"], value["file"])
        for one in torch.answer["events"]
        if one["event"] == "out"
        for value in there.get((models.moved(one["path"]), one["call"]), ())
        if "file" in value
    ]
    return {"directory": str(mindspore.directory), "values": values}


def own_rounding(exact: Record, rounded: Sequence[Record]) -> dict[tuple[Kind, str], float]:
    """Return how far torch's values in float32 are at most from those in float64."""
    values = _values(exact)
    scales = _scales(values)
    others = [_values(one) for one in rounded]
    return {
        key: max(difference(value, other[key], scales.get(key)).largest for other in others)
        for key, value in values.items()
    }


def _values(record: Record) -> dict[tuple[Kind, str], Array]:
    outputs = ((one["at"], one["file"]) for one in record.answer["outputs"] if "file" in one)
    kinds: dict[Kind, Iterable[tuple[str, str]]] = {
        Kind.OUTPUT: outputs,
        Kind.STATISTICS: record.answer.get("statistics", {}).items(),
        Kind.GRADIENT: record.answer.get("gradients", {}).items(),
    }
    return {(k, name): record.array(file) for k, both in kinds.items() for name, file in both}


def _scales(values: Mapping[tuple[Kind, str], Array]) -> dict[tuple[Kind, str], float]:
    """Return the scales that the judge uses; an output's scale is its own largest value."""
    found: dict[tuple[Kind, str], float] = {}
    for kind, scales in ((Kind.STATISTICS, scales_of_statistics),
                         (Kind.GRADIENT, scales_of_gradients)):  # fmt: skip
        named = {name: value for (one, name), value in values.items() if one is kind}
        found |= {(kind, name): scale for name, scale in scales(named).items()}
    return found


def allowed(own: Mapping[tuple[Kind, str], float]) -> Allowed:
    """Return how far MindSpore's values may be from torch's in float64."""
    return {key: MARGIN * largest for key, largest in own.items()}


def gradients_alone(limits: Allowed) -> Allowed:
    """Return the limits of gradients: nothing else adds up where layers return what is given."""
    return {key: largest for key, largest in limits.items() if key[0] is Kind.GRADIENT}


def without_gradients(limits: Allowed) -> Allowed:
    """Return the limits for a run whose gradients are right step by step: any, for gradients."""
    return {
        key: float("inf") if key[0] is Kind.GRADIENT else largest for key, largest in limits.items()
    }


def rounding(exact: Run, steps: Run | None, own: Mapping[tuple[Kind, str], float]) -> Rounding:
    """Return the figures to report, for the value that is farthest from torch in float64."""
    apart = {key: one.largest for key, one in _named(exact)}
    worst = max(apart, key=lambda key: apart[key])
    step = None if steps is None else max(all_gaps(steps), default=0.0)
    return Rounding(step, apart[worst], own.get(worst, 0.0))


def _named(run: Run) -> list[tuple[tuple[Kind, str], Difference]]:
    return [
        *(((Kind.OUTPUT, one.at), one) for one in run.outputs),
        *(((Kind.STATISTICS, name), one) for name, one in run.statistics),
        *(((Kind.GRADIENT, name), one) for name, one in run.gradients),
    ]


def all_gaps(run: Run) -> list[float]:
    """Return how far each value of a run is apart, those of its layers included."""
    layers = [one.largest for call in run.calls for one in call.outputs]
    return [*layers, *(one.largest for _, one in _named(run))]
