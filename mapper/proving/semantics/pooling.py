"""Pooling over windows, and over as many regions as are asked for.

Arrays are (N, C, *size) or (C, *size); `rank` is the number of spatial axes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.proving.semantics.shaping import pair, windows

Array = NDArray[Any]


def _outputs(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """Return how many windows there are; with `ceil` the last may reach out, not begin outside."""
    if 2 * padding > kernel:
        raise ValueError(f"a padding of {padding} is more than half of the kernel {kernel}")
    spare = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-spare // stride) if ceil else spare // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    if count < 1:
        raise ValueError(f"no window of {kernel} in {size}")
    return count


def _gathered(
    x: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, fill: float
) -> Array:
    """Return the windows over `x` padded by `fill`, as far as the outputs need."""
    rank = len(kernel)
    widths = [(0, 0)] * (x.ndim - rank)
    inside: list[slice] = [slice(None)] * (x.ndim - rank)
    for n, k, s, p, d in zip(x.shape[-rank:], kernel, stride, padding, dilation, strict=True):
        count = _outputs(n, k, s, p, d, ceil)
        needed = (count - 1) * s + d * (k - 1) + 1
        widths.append((p, max(needed - n - p, 0)))
        inside.append(slice(count))
    padded = np.pad(x, widths, constant_values=fill)
    return windows(padded, kernel, stride, dilation)[tuple(inside)]


def _checked(x: Array, rank: int) -> None:
    if x.ndim not in (rank + 1, rank + 2):
        raise ValueError(f"shape {x.shape} for {rank} spatial axes")


def max_pool(
    x: Array,
    rank: int,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the largest value in each window; padding counts as less than any number."""
    _checked(x, rank)
    kernel = pair(kernel, rank)
    stride = kernel if stride is None or stride == () else pair(stride, rank)
    sizes = (kernel, stride, pair(padding, rank), pair(dilation, rank))
    seen = _gathered(x, *sizes, bool(ceil_mode), -np.inf)
    return np.asarray(seen.max(tuple(range(-rank, 0))))


def max_pool_indices(
    x: Array,
    rank: int,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    dtype: Any = "int64",
) -> Array:
    """Return where max_pool's values stand in the flat spatial axes, as ints of a dtype."""
    _checked(x, rank)
    kernel = pair(kernel, rank)
    stride = kernel if stride is None or stride == () else pair(stride, rank)
    sizes = (kernel, stride, pair(padding, rank), pair(dilation, rank))
    places = np.arange(prod(x.shape[-rank:]), dtype=np.float64).reshape(x.shape[-rank:])
    where = _gathered(places, *sizes, bool(ceil_mode), -1)
    seen = _gathered(x, *sizes, bool(ceil_mode), -np.inf)
    flat = seen.reshape(*seen.shape[:-rank], -1)
    best = flat.argmax(-1)[..., None]
    spread = np.broadcast_to(where.reshape(*where.shape[:-rank], -1), flat.shape)
    return np.take_along_axis(spread, best, -1)[..., 0].astype(dtype)


def avg_pool(
    x: Array,
    rank: int,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Return the mean of each window; zeros of the padding count where asked for.

    Positions beyond the padding, which `ceil_mode` reaches, never count.
    """
    _checked(x, rank)
    kernel = pair(kernel, rank)
    stride = kernel if stride is None or stride == () else pair(stride, rank)
    padding, ones = pair(padding, rank), (1,) * rank
    axes = tuple(range(-rank, 0))
    total = _gathered(x, kernel, stride, padding, ones, bool(ceil_mode), 0.0).sum(axes)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ValueError("a divisor of 0")
        return np.asarray(total / divisor_override)
    counted = np.ones(x.shape[-rank:])
    if count_include_pad:
        counted = np.pad(counted, [(p, p) for p in padding], constant_values=1)
        spare = _gathered_counts(counted, x.shape[-rank:], kernel, stride, padding, bool(ceil_mode))
        return np.asarray(total / spare)
    return np.asarray(
        total / _gathered(counted, kernel, stride, padding, ones, bool(ceil_mode), 0.0).sum(axes)
    )


def _gathered_counts(
    counted: Array, size: Any, kernel: Any, stride: Any, padding: Any, ceil: bool
) -> Array:
    """Return how many positions of each window lie within the padded array."""
    rank = len(kernel)
    axes = zip(size, kernel, stride, padding, strict=True)
    counts = [_outputs(n, k, s, p, 1, ceil) for n, k, s, p in axes]
    widths = [
        (0, max((c - 1) * s + k - n, 0))
        for c, s, k, n in zip(counts, stride, kernel, counted.shape, strict=True)
    ]
    seen = windows(np.pad(counted, widths), kernel, stride)[tuple(slice(c) for c in counts)]
    return np.asarray(seen.sum(tuple(range(-rank, 0))))


def _regions(size: int, count: int) -> list[slice]:
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _adaptive(x: Array, rank: int, sizes: Any) -> tuple[Any, tuple[int, ...]]:
    _checked(x, rank)
    wanted = pair(sizes, rank)
    return wanted, tuple(
        n if w is None else w for n, w in zip(x.shape[-rank:], wanted, strict=True)
    )


def adaptive_avg_pool(x: Array, rank: int, sizes: Any) -> Array:
    """Return the means of as many regions as `sizes` says; None keeps an axis."""
    _, counts = _adaptive(x, rank, sizes)
    for axis, count in zip(range(-rank, 0), counts, strict=True):
        y = np.moveaxis(x, axis, -1)
        x = np.stack([y[..., r].mean(-1) for r in _regions(y.shape[-1], count)], -1)
        x = np.moveaxis(x, -1, axis)
    return x


def adaptive_max_pool(x: Array, rank: int, sizes: Any) -> Array:
    """Return the largest values of as many regions as `sizes` says; None keeps an axis."""
    _, counts = _adaptive(x, rank, sizes)
    for axis, count in zip(range(-rank, 0), counts, strict=True):
        y = np.moveaxis(x, axis, -1)
        x = np.stack([y[..., r].max(-1) for r in _regions(y.shape[-1], count)], -1)
        x = np.moveaxis(x, -1, axis)
    return x


def adaptive_max_pool_indices(x: Array, rank: int, sizes: Any, dtype: Any = "int64") -> Array:
    """Return where adaptive_max_pool's values stand in the flat spatial axes."""
    _, counts = _adaptive(x, rank, sizes)
    size = x.shape[-rank:]
    regions = [_regions(n, count) for n, count in zip(size, counts, strict=True)]
    places = np.arange(prod(size)).reshape(size)
    found = np.empty((*x.shape[:-rank], *counts), dtype)
    for position in np.ndindex(*counts):
        window = tuple(on_axis[i] for on_axis, i in zip(regions, position, strict=True))
        seen = x[(..., *window)].reshape(*x.shape[:-rank], -1)
        found[(..., *position)] = places[window].ravel()[seen.argmax(-1)]
    return found
