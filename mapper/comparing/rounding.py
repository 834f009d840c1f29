"""Whether a difference is the rounding of float32, which adds up, or one between the models.

Two questions, and both must say so. First: torch runs in float64, and every layer that has returned
hands on what MindSpore's returned in its place. So each layer, and the code between two layers,
starts from MindSpore's own values, nothing adds up, and the tolerance holds for every single step;
activations are on the same side of their kinks, so gradients can be held to it, too. Second: from
torch in float64, MindSpore is no farther than a small factor times torch itself in float32, the
worst of a few roundings. The first finds a layer that computes something else; the second finds
what is too small in one step, and is in all of them.
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

NUDGES = (1, 2, 3)  # roundings beside the one that torch computed
MARGIN = 8.0  # four roundings do not show the worst, and kernels sum up in other orders


def is_rounding_perhaps(run: Run) -> bool:
    """Say whether values differ: which of them by rounding, and which layer first if not."""
    found = [*run.findings, *(run.first.findings if run.first is not None else ())]
    return run.failure is None and any(one.difference is not None for one in found)


def forced(torch: Record, mindspore: Record, models: Models) -> dict[str, object]:
    """Return what torch's layers are to hand on: which file for which call and which output."""
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
    """Return how far torch's values in float32 are from those in float64, at most."""
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
    """Return the scales that the judge takes; an output's is its own."""
    found: dict[tuple[Kind, str], float] = {}
    for kind, scales in ((Kind.STATISTICS, scales_of_statistics),
                         (Kind.GRADIENT, scales_of_gradients)):  # fmt: skip
        named = {name: value for (one, name), value in values.items() if one is kind}
        found |= {(kind, name): scale for name, scale in scales(named).items()}
    return found


def allowed(own: Mapping[tuple[Kind, str], float]) -> Allowed:
    """Return how far MindSpore's values may be from torch's in float64."""
    return {key: MARGIN * largest for key, largest in own.items()}


def rounding(exact: Run, steps: Run | None, own: Mapping[tuple[Kind, str], float]) -> Rounding:
    """Return the figures that show it, for the value that is farthest beyond the tolerance."""
    apart = {key: one.largest for key, one in _named(exact)}
    worst = max(apart, key=lambda key: apart[key])
    step = None if steps is None else max(worst_of(steps), default=0.0)
    return Rounding(step, apart[worst], own.get(worst, 0.0))


def _named(run: Run) -> list[tuple[tuple[Kind, str], Difference]]:
    return [
        *(((Kind.OUTPUT, one.at), one) for one in run.outputs),
        *(((Kind.STATISTICS, name), one) for name, one in run.statistics),
        *(((Kind.GRADIENT, name), one) for name, one in run.gradients),
    ]


def worst_of(run: Run) -> list[float]:
    """Return how far each value of a run is apart, those of its layers included."""
    layers = [one.largest for call in run.calls for one in call.outputs]
    return [*layers, *(one.largest for _, one in _named(run))]
