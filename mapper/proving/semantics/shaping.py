"""Functions that move numbers around: joining, splitting, reshaping, padding, unfolding."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cat(tensors: Sequence[Array], axis: int = 0) -> Array:
    """Return the arrays joined along an axis; the other axes are equal."""
    return np.concatenate([*tensors], axis)


def stack(tensors: Sequence[Array], axis: int = 0) -> Array:
    """Return the arrays, all of one shape, along a new axis."""
    return np.stack([*tensors], axis)


def shape_of(*sizes: Any) -> tuple[int, ...]:
    """Return sizes given one by one, or as one sequence, as a tuple."""
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        return tuple(sizes[0])
    return tuple(sizes)


def reshape(x: Array, *sizes: Any) -> Array:
    """Return the same numbers in another shape; one size may be -1."""
    return x.reshape(shape_of(*sizes))


def permute(x: Array, *axes: Any) -> Array:
    """Return `x` with its axes in another order."""
    return x.transpose(shape_of(*axes))


def swapaxes(x: Array, a: int, b: int) -> Array:
    """Return `x` with two axes exchanged."""
    return x.swapaxes(a, b)


def squeeze(x: Array, axis: int | Sequence[int] | None = None) -> Array:
    """Return `x` without its axes of one element, or without those named that have one."""
    if axis is None:
        return x.squeeze()
    axes = [axis] if isinstance(axis, int) else [*axis]
    return x.squeeze(tuple(one for one in axes if x.shape[one] == 1))


def unsqueeze(x: Array, axis: int) -> Array:
    """Return `x` with a new axis of one element."""
    return np.expand_dims(x, axis)


def expand(x: Array, *sizes: Any) -> Array:
    """Return `x` broadcast to a shape, in which -1 keeps a size."""
    wanted = shape_of(*sizes)
    own = (1,) * (len(wanted) - x.ndim) + x.shape
    return np.broadcast_to(x, [n if w == -1 else w for n, w in zip(own, wanted, strict=True)])


def flatten(x: Array, start: int = 0, end: int = -1) -> Array:
    """Return `x` with the axes from `start` to `end`, both included, made one."""
    if not x.ndim:
        return x.reshape(1)
    first, last = range(x.ndim)[start], range(x.ndim)[end]
    if first > last:
        raise ValueError(f"axis {first} is after axis {last}")
    return x.reshape(*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


def unflatten(x: Array, axis: int, sizes: Sequence[int]) -> Array:
    """Return `x` with one axis made several, of which one size may be -1."""
    place = range(x.ndim)[axis]
    known = prod(n for n in sizes if n != -1)
    whole = [x.shape[place] // known if n == -1 else n for n in sizes]
    return x.reshape(*x.shape[:place], *whole, *x.shape[place + 1 :])


def split(x: Array, sizes: int | Sequence[int], axis: int = 0) -> tuple[Array, ...]:
    """Return pieces of these sizes along an axis; of one size, the last one may be smaller."""
    total = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - at) for at in range(0, total, sizes)] or [0]
    if sum(sizes) != total:
        raise ValueError(f"pieces of {[*sizes]} do not make {total}")
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


def chunk(x: Array, count: int, axis: int = 0) -> tuple[Array, ...]:
    """Return at most `count` pieces along an axis: the size is rounded up, the last is smaller."""
    if count < 1:
        raise ValueError(f"{count} pieces")
    return split(x, max(-(-x.shape[axis] // count), 1), axis)


def unbind(x: Array, axis: int = 0) -> tuple[Array, ...]:
    """Return the slices along an axis, which is gone."""
    return tuple(np.moveaxis(x, axis, 0))


def tile(x: Array, *counts: Any) -> Array:
    """Return `x` repeated along each axis; more counts than axes make new axes in front."""
    return np.tile(x, shape_of(*counts))


def repeat(x: Array, *counts: Any) -> Array:
    """Return tile(x, counts), which needs a count for every axis."""
    if len(shape_of(*counts)) < x.ndim:
        raise ValueError(f"{len(shape_of(*counts))} counts for {x.ndim} axes")
    return np.tile(x, shape_of(*counts))


def repeat_interleave(x: Array, count: int, axis: int | None = None) -> Array:
    """Return every element `count` times in a row along an axis, or of the flat array."""
    return np.repeat(x, count, axis)


def flip(x: Array, axes: int | Sequence[int]) -> Array:
    """Return `x` turned round along the axes."""
    return np.flip(x, axes if isinstance(axes, int) else tuple(axes))


def roll(x: Array, shifts: Any, axes: Any = None) -> Array:
    """Return `x` shifted along the axes, what falls off coming in again."""
    return np.roll(x, shifts, axes)


def tril(x: Array, diagonal: int = 0) -> Array:
    """Return the lower triangle of the last two axes, zeros elsewhere."""
    return np.tril(x, diagonal)


def triu(x: Array, diagonal: int = 0) -> Array:
    """Return the upper triangle of the last two axes, zeros elsewhere."""
    return np.triu(x, diagonal)


def gather(x: Array, axis: int, index: Array) -> Array:
    """Return x[..., index, ...] along an axis; shape of `index`."""
    inside = tuple(
        slice(n) if i != axis % x.ndim else slice(None) for i, n in enumerate(index.shape)
    )
    return np.take_along_axis(x[inside], index, axis)


def index_select(x: Array, axis: int, index: Array) -> Array:
    """Return the slices at the indices along an axis."""
    return np.take(x, index, axis)


def masked_fill(x: Array, mask: Array, value: Any) -> Array:
    """Return `x` with `value` where the mask (bools, broadcast) holds; the dtype of `x`."""
    if mask.dtype != bool:
        raise TypeError(f"the mask holds {mask.dtype}")
    return np.where(mask, np.asarray(value).astype(x.dtype), x)


def pixel_shuffle(x: Array, factor: int) -> Array:
    """Return (…, C r², H, W) as (…, C, H r, W r)."""
    *front, channels, height, width = x.shape
    y = x.reshape(*front, channels // factor**2, factor, factor, height, width)
    n = len(front)
    y = y.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return y.reshape(*front, channels // factor**2, height * factor, width * factor)


def pixel_unshuffle(x: Array, factor: int) -> Array:
    """Return (…, C, H r, W r) as (…, C r², H, W)."""
    *front, channels, height, width = x.shape
    y = x.reshape(*front, channels, height // factor, factor, width // factor, factor)
    n = len(front)
    y = y.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return y.reshape(*front, channels * factor**2, height // factor, width // factor)


def channel_shuffle(x: Array, groups: int) -> Array:
    """Return (N, C, …) with the channels of the groups interleaved."""
    n, channels, *size = x.shape
    y = x.reshape(n, groups, channels // groups, *size).swapaxes(1, 2)
    return y.reshape(x.shape)


def pair(value: Any, count: int = 2) -> tuple[Any, ...]:
    """Return one value as often as there are axes, or the values as they are."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    values = values * count if len(values) == 1 else values
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} axes")
    return values


def windows(x: Array, kernel: Any, stride: Any, dilation: Any = 1) -> Array:
    """Return the windows of the last k axes of (…, *size): (…, *positions, *kernel)."""
    rank = len(kernel)
    stride, dilation = pair(stride, rank), pair(dilation, rank)
    axes = tuple(range(x.ndim - rank, x.ndim))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(k < 1 for k in (*kernel, *stride, *dilation)):
        raise ValueError("kernel, stride and dilation are at least 1")
    seen: Any = np.lib.stride_tricks.sliding_window_view(x, reach, axes)
    steps = [slice(None, None, s) for s in stride]
    inside = [slice(None, None, d) for d in dilation]
    found: Array = seen[(..., *steps, *inside)]
    return found


def unfold(x: Array, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """Return the windows of (N, C, H, W) as columns: (N, C * kernel, positions)."""
    kernel, padding = pair(kernel), pair(padding)
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    seen = windows(padded, kernel, stride, dilation)
    n, c, h, w = seen.shape[:4]
    return seen.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * prod(kernel), h * w)


_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: Array, widths: Any, mode: str = "constant", value: Any = None) -> Array:
    """Return `x` widened by torch's list of widths: (before, after) of the last axis first.

    Negative widths cut off. Modes: constant, reflect, replicate, circular.
    """
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ValueError(f"{len(widths)} widths for {x.ndim} axes")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)][::-1]
    pairs = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    for size, (before, after) in zip(x.shape, pairs, strict=True):
        most = {"reflect": size - 1, "circular": size}.get(mode, max(before, after))
        if max(before, after) > most or size + before + after < 0:
            raise ValueError(f"widths {before}, {after} for a size of {size}")
    cut = tuple(slice(-min(b, 0), n + min(a, 0)) for n, (b, a) in zip(x.shape, pairs, strict=True))
    wide = [(max(b, 0), max(a, 0)) for b, a in pairs]
    if mode == "constant":
        return np.pad(x[cut], wide, constant_values=0 if value is None else value)
    if value is not None and value != 0:
        raise ValueError(f"a value for mode {mode!r}")
    whole: Array = np.pad(x, wide, _MODES[mode])  # type: ignore[call-overload]
    kept = zip(whole.shape, pairs, strict=True)
    return whole[tuple(slice(-min(b, 0), n + min(a, 0)) for n, (b, a) in kept)]
