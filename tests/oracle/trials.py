"""One trial: both sides of a call made with the same values and executed, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import prod
from typing import Any

from tests.oracle.frameworks import (
    Array,
    Refusal,
    attempt,
    copy_parameters,
    disagreement,
    input_shapes,
    random_input,
    run_mindspore,
    run_torch,
)

Make = Callable[[], Any]

WORK = 1e9  # multiplications that the largest input may cost

OTHERS: tuple[Any, ...] = (
    (2, 1), (2, 1, 3), (2,), (1,), [2, 1], [2, 1, 3], [2], (1, 1), (1, 1, 1), (0, 1), (0, 1, 2),
    "same", "valid", "", None, 0, 1, 4, 6, -1, True, False, 1.0, 0.5,
)  # fmt: skip
"""What a symbol holds against the expectation."""

FOR_CHANNELS: tuple[Any, ...] = ((2, 1), "same", None, 0, 6, -1, True, 1.0)


class Outcome(StrEnum):
    """What comes of one trial; only `DIFFERENT` is wrong."""

    EQUAL = "equal"
    TORCH = "torch refuses"
    MINDSPORE = "MindSpore raises"
    DIFFERENT = "different"


Found = tuple[Outcome, str]
"""An outcome, and details of it."""


def compare_layers(make_torch: Make, make_mindspore: Make, paths: Mapping[str, str]) -> Found:
    """Make a layer on both sides, copy torch's parameters to the `paths`, and run both."""
    torch_layer = attempt(make_torch)
    if isinstance(torch_layer, Refusal):
        return Outcome.TORCH, torch_layer.words
    inputs = _inputs(torch_layer)
    computed = [(x, attempt(run_torch, torch_layer, x)) for x in inputs]
    if all(isinstance(expected, Refusal) for _, expected in computed):
        return Outcome.TORCH, computed[0][1].words
    layer = attempt(make_mindspore)
    if isinstance(layer, Refusal):
        return Outcome.MINDSPORE, layer.words
    if words := copy_parameters(torch_layer, layer, paths):
        return Outcome.DIFFERENT, words
    return _run(layer, computed)


def compare_results(call_torch: Make, call_mindspore: Make) -> Found:
    """Call a function on both sides; what they return are tensors."""
    expected = attempt(lambda: call_torch().numpy())
    if isinstance(expected, Refusal):
        return Outcome.TORCH, expected.words
    found = attempt(lambda: call_mindspore().asnumpy())
    if isinstance(found, Refusal):
        return Outcome.MINDSPORE, found.words
    words = disagreement(expected, found)
    return (Outcome.DIFFERENT, words) if words else (Outcome.EQUAL, "")


def _run(layer: Any, computed: Sequence[tuple[Array, Any]]) -> Found:
    """Run every input: what is refused for a small one may be wrong for a larger one."""
    raised = ""
    for x, expected in computed:
        if isinstance(expected, Refusal):
            continue
        found = attempt(run_mindspore, layer, x)
        if isinstance(found, Refusal):
            raised = raised or found.words
        elif words := disagreement(expected, found):
            return Outcome.DIFFERENT, f"{x.shape}: {words}"
    return (Outcome.MINDSPORE, raised) if raised else (Outcome.EQUAL, "")


def _inputs(torch_layer: Any) -> list[Array]:
    """Return inputs that suit the layer, or just any where its arguments make no sense.

    The last one has room for the kernel even where MindSpore does not pad.
    """
    suitable = attempt(_suitable, torch_layer)
    if not isinstance(suitable, Refusal):
        return list(suitable)
    rank = int(type(torch_layer).__name__[-2])
    return [random_input((2, int(torch_layer.in_channels), *(9, 10, 8)[:rank]))]


def _suitable(torch_layer: Any) -> list[Array]:
    least, odd = list(input_shapes(torch_layer))[:2]
    reach = zip(torch_layer.weight.shape[2:], torch_layer.dilation, strict=False)
    room = max(dilation * (kernel - 1) + 1 for kernel, dilation in reach)
    ample = (1, odd[1], *(size + room for size in odd[2:]))
    cost = prod(ample[2:]) * prod(torch_layer.weight.shape)
    shapes = (least, odd, ample) if cost < WORK else (least, odd)
    return [random_input(shape) for shape in shapes]
