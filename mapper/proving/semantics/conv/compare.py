"""Compares a torch convolution with MindSpore layers on the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from functools import cache, lru_cache
from math import prod
from typing import Protocol

import numpy as np

from mapper.model.record import record
from mapper.model.results import Parameter
from mapper.proving.semantics.conv.layer import Array, Layer, LimitError, RefusedError, Shape
from mapper.proving.semantics.conv.torch_layers import Convolution, layer

TOLERANCE = 1e-9  # of the output's largest absolute value, in float64
BATCH = 2  # so that mixing up samples shows
WORK = 2e7  # multiplications that one case may cost; the smallest input may cost ten times as many
MEMORY = 1e7  # numbers that one case may hold: the padded input, the whole output and the weight
ASKED = 50  # how many times as much memory, and its cube of work, an input size asked for may take


class Side(Protocol):
    """The MindSpore side, which can be built with fewer channels than its text has."""

    def layer(self, channels: Mapping[str, object]) -> Layer:
        """Build it, with the given channel arguments in place of its own."""

    def key(self, channels: Mapping[str, object]) -> str:
        """Return what makes that layer differ from others."""


@record(frozen=True, slots=True)
class Evidence:
    """Both sides agree: the shapes of the last case and the largest error over all cases."""

    cases: int
    input_shape: Shape
    output_shape: Shape
    max_abs_error: float
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    words: str = ""


@record(frozen=True, slots=True)
class Difference:
    """Both sides differ; `words` say how."""

    words: str


class Comparer:
    """Compares both sides; results are cached: of 10,211 cases of a tree, 2,318 are computed."""

    def __init__(self) -> None:
        self._memory: dict[object, Evidence | Difference] = {}

    def compare(
        self,
        torch: Convolution,
        side: Side,
        shape_only: bool = False,
        reduce: bool = True,
        input_size: Shape | None = None,
        is_layer: bool = True,
    ) -> Evidence | Difference:
        """Run both sides over several input sizes.

        The shapes in the evidence have the call's own channels, also where fewer were computed.

        Args:
            torch: the torch side.
            side: the MindSpore side.
            shape_only: accept different values, and describe the difference in `Evidence.words`.
            reduce: compute with few channels.
            input_size: the one spatial size to try, in place of a least, an odd and an even one.
            is_layer: the parameters are the layer's own, with MindSpore's extra axis in 1-d.

        Raises:
            RefusedError: MindSpore refuses.
            LimitError: the case is too large to compute.
            ValueError: `input_size` does not suit the convolution.
        """
        parameters = _match_parameters(torch, side.layer({}), is_layer)
        if isinstance(parameters, Difference):
            return parameters
        small, channels = _reduced(torch) if reduce else (torch, {})
        key = (small, side.key(channels), shape_only, input_size)
        if key not in self._memory:
            sizes = list(_sizes(small)) if input_size is None else [_asked(small, input_size)]
            paths = {name: pair.path for name, pair in parameters.items()}
            layers = (small, side.layer(channels), paths, shape_only)
            self._memory[key] = _run(*layers, sizes, () if input_size else _ample(small))
        found = self._memory[key]
        if isinstance(found, Difference):
            return found
        return Evidence(
            found.cases,
            (BATCH, torch.in_channels, *found.input_shape[2:]),
            (BATCH, torch.out_channels, *found.output_shape[2:]),
            found.max_abs_error,
            parameters,
            found.words,
        )


def _match_parameters(
    torch: Convolution, layer: Layer, is_layer: bool
) -> dict[str, Parameter] | Difference:
    """Pair the parameters of both sides by name; a 1-d weight has one more axis in MindSpore."""
    paths = {path.rpartition(".")[2]: path for path in layer.parameters}
    wanted = torch.parameters
    if paths.keys() != wanted.keys():
        return Difference(f"parameters {sorted(paths)} instead of {sorted(wanted)}")
    pairs = {}
    for name, shape in wanted.items():
        path = paths[name]
        found = layer.parameters[path]
        expected = _layout(name, shape) if is_layer else shape
        if found != expected:
            return Difference(f"{name} of shape {found} instead of {expected}")
        pairs[name] = Parameter(shape, found, path)
    return pairs


def _layout(name: str, shape: Shape) -> Shape:
    return (*shape[:2], 1, shape[2]) if name == "weight" and len(shape) == 3 else shape


@lru_cache(maxsize=1024)
def _reduced(c: Convolution) -> tuple[Convolution, Mapping[str, object]]:
    """Return the convolution with few channels: at most 3 groups of 2 in and 3 out each.

    With it come MindSpore's arguments that say so, for layers and for functions.
    """
    groups = min(c.groups, 3)
    inputs = groups * min(c.in_channels // c.groups, 2)
    outputs = groups * min(c.out_channels // c.groups, 3)
    small = replace(c, groups=groups, in_channels=inputs, out_channels=outputs)
    channels = {"in_channels": inputs, "out_channels": outputs, "weight": small.weight}
    return small, {**channels, "group": groups, "groups": groups}


def _run(
    torch: Convolution,
    mindspore: Layer,
    paths: Mapping[str, str],
    shape_only: bool,
    sizes: Iterable[Shape],
    ample: Iterable[Shape],
) -> Evidence | Difference:
    """Compare over the sizes; if MindSpore refuses them all, it must refuse a larger one, too.

    A small input may be refused only because MindSpore pads less, and then larger ones differ.
    """
    try:
        return _over(torch, mindspore, paths, shape_only, sizes)
    except RefusedError:
        with suppress(RefusedError):
            for size in ample:
                wider = _over(torch, mindspore, paths, shape_only, [size])
                if isinstance(wider, Difference):
                    return wider
        raise


def _over(
    torch: Convolution,
    mindspore: Layer,
    paths: Mapping[str, str],
    shape_only: bool,
    sizes: Iterable[Shape],
) -> Evidence | Difference:
    """Compare over some sizes; one that only MindSpore refuses is a difference."""
    reference = layer(torch)
    values = {n: _noise(shape, 1 + i) for i, (n, shape) in enumerate(torch.parameters.items())}
    given = {path: values[name].reshape(mindspore.parameters[path]) for name, path in paths.items()}
    cases, error, words, shapes, refused = 0, 0.0, "", ((), ()), list[str]()
    for size in sizes:
        x = _noise((BATCH, torch.in_channels, *size), 0)
        expected = reference.run(x, values)
        cases, shapes = cases + 1, (x.shape, expected.shape)
        try:
            found = mindspore.run(x, given)
        except ValueError as raised:
            refused.append(f"{raised}, for {x.shape}")
            continue
        if found.shape != expected.shape:
            return Difference(
                f"output shape {found.shape} instead of {expected.shape} for {x.shape}"
            )
        gap = np.abs(found - expected)
        worst = float(gap.max())
        if worst > TOLERANCE * max(1.0, float(np.abs(expected).max())):
            many = int((gap > TOLERANCE).sum())
            text = f"{many} of {gap.size} values differ, by up to {worst:.3g}, for {x.shape}"
            if not shape_only:
                return Difference(text)
            words = text
        error = max(error, worst)
    if len(refused) == cases:
        raise RefusedError(refused[0])
    if refused:
        return Difference(f"MindSpore raises: {refused[0]}")
    return Evidence(cases, *shapes, error, words=words)


def _random(count: int, start: int) -> Array:
    """Return random numbers between -1 and 1: splitmix64 of the numbers from `start` on.

    `numpy.random` is not used because its import takes as long as all the proofs of a file.
    """
    z = np.arange(start, start + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).astype(np.float64) * 2.0**-63 - 1.0


@cache
def _first(bits: int) -> Array:
    """Return the first `2 ** bits` random numbers, cached: most proofs need few."""
    return _random(1 << bits, 1)


def _noise(shape: Shape, offset: int) -> Array:
    """Return random numbers of that shape, the same every time."""
    count, start = prod(shape), 997 * offset
    bits = max(12, (start + count - 1).bit_length())
    if bits > 16:
        return _random(count, offset << 40).reshape(shape)
    return _first(bits)[start : start + count].reshape(shape)


def _sizes(c: Convolution) -> Iterator[Shape]:
    """Yield input sizes: the least legal one, then an odd and an even one, unequal over the axes.

    Raises:
        RefusedError: even the least input costs too much.
    """
    least = _least(c)
    odd = tuple((m + s + 2 * i) | 1 for i, (m, s) in enumerate(zip(least, c.stride, strict=True)))
    even = tuple(
        m + 2 * s + (m & 1) + 2 * i
        for i, (m, s) in enumerate(zip(reversed(least), c.stride, strict=True))
    )
    even = tuple(max(e, m) for e, m in zip(even, least, strict=True))
    if _work(c, least) > 10 * WORK or _memory(c, least) > MEMORY:
        raise LimitError(f"too large to compute here (an input of {least} at least)")
    yield least
    for size in (odd, even):
        if _work(c, size) <= WORK and _memory(c, size) <= MEMORY:
            yield size


def _ample(c: Convolution) -> Iterator[Shape]:
    """Yield a size that the kernel fits into without padding, if it is not too large to compute."""
    reach = [d * (k - 1) + 1 for k, d in zip(c.kernel_size, c.dilation, strict=True)]
    size = tuple(m + r + i for i, (m, r) in enumerate(zip(_least(c), reach, strict=True)))
    if _work(c, size) <= 10 * WORK and _memory(c, size) <= MEMORY:
        yield size


def _asked(c: Convolution, size: Shape) -> Shape:
    """Return the size that was asked for.

    Raises:
        LimitError: it takes more memory or work than the limits allow.
    """
    is_suitable = len(size) == len(c.kernel_size)
    if is_suitable and (_work(c, size) > ASKED**3 * WORK or _memory(c, size) > ASKED * MEMORY):
        raise LimitError(f"too large to compute here (an input of {size})")
    return size


def _least(c: Convolution) -> Shape:
    """Return the least input that the convolution admits, for every axis."""
    least = []
    for axis, (k, s, d, (before, after)) in enumerate(
        zip(c.kernel_size, c.stride, c.dilation, c.padding, strict=True)
    ):
        dilated = d * (k - 1) + 1
        if c.output_padding is not None:
            missing = 1 + before + after - dilated - c.output_padding[axis]
            need = 1 + max(0, -(-missing // s))
        else:
            need = max(1, dilated - before - after)
        if c.padding_mode == "reflect":
            need = max(need, max(before, after) + 1)
        elif c.padding_mode == "circular":
            need = max(need, before, after)
        least.append(need)
    return tuple(least)


def _work(c: Convolution, size: Shape) -> float:
    """Return about how many multiplications the convolution of such an input takes."""
    spread = [1.0 if c.output_padding is not None else 1.0 / s for s in c.stride]
    positions = prod((n + 2 * max(p)) * f for n, p, f in zip(size, c.padding, spread, strict=True))
    return BATCH * positions * prod(c.weight) * (c.groups if c.output_padding is None else 1)


def _memory(c: Convolution, size: Shape) -> float:
    """Return how many numbers the padded input, the whole output and the weight hold."""
    padded = [n + 2 * max(p) for n, p in zip(size, c.padding, strict=True)]
    dilated = [d * (k - 1) + 1 for d, k in zip(c.dilation, c.kernel_size, strict=True)]
    if c.output_padding is None:
        output = [max(0, n - d) // s + 1 for n, d, s in zip(padded, dilated, c.stride, strict=True)]
    else:
        sides = zip(size, c.stride, dilated, c.output_padding, strict=True)
        output = [(n - 1) * s + d + extra for n, s, d, extra in sides]
    there = c.in_channels * prod(padded) + c.out_channels * prod(output)
    return BATCH * there + prod(c.weight)
