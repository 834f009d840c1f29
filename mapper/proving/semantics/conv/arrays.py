"""Padding, cropping, convolution and transposed convolution of plain arrays, of any rank.

The layers of both frameworks are computed with these functions. Arrays are float32 or float64 with
batch and channels first, `(N, C, *spatial)`; results have the dtype of `x`. What cannot be computed
is a ValueError that names the sizes at fault.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from mapper.proving.semantics.conv import tiles
from mapper.proving.semantics.conv.shapes import conv_shape, conv_transpose_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mapper.proving.semantics.conv.shapes import Shape, Widths
    from mapper.proving.semantics.conv.tiles import Array

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

# Where each position of the widened axis reads, and how wide the border of an axis may be.
_SOURCE: dict[str, Callable[[Array, int], Array]] = {
    "reflect": lambda index, size: size - 1 - abs(size - 1 - abs(index)),
    "edge": lambda index, size: index.clip(0, size - 1),
    "wrap": lambda index, size: index % size,
}
_LIMIT: dict[str, Callable[[int], float]] = {
    "reflect": lambda size: max(size - 1, 0),
    "edge": lambda size: inf if size else 0,
    "wrap": lambda size: size,
}


def pad(x: Array, widths: Widths, mode: str = "constant") -> Array:
    """Widen the last `len(widths)` axes of `x` by (before, after); may return `x` itself.

    Modes: `constant` (zeros), `reflect` (narrower than the axis), `edge`, and `wrap` (at most the
    axis), as torch limits them. ValueError for an unknown mode and for widths beyond these limits.
    """
    first = _first_axis(x.shape, widths)
    if mode != "constant":
        return _pad_from_x(x, widths, mode, first)
    if not any(map(any, widths)):
        return x
    shape, inside = list(x.shape), [slice(None)] * x.ndim
    for axis, (before, after) in enumerate(widths, first):
        inside[axis] = slice(before, before + shape[axis])
        shape[axis] += before + after
    padded = np.zeros(shape, x.dtype)
    padded[tuple(inside)] = x
    return padded


def _pad_from_x(x: Array, widths: Widths, mode: str, first: int) -> Array:
    """Fill the border from `x`: each axis in turn is a selection of its own positions."""
    if mode not in _SOURCE:
        raise ValueError(f"mode {mode!r} is none of constant, {', '.join(_SOURCE)}")
    for axis, (before, after) in enumerate(widths, first):
        size = x.shape[axis]
        if max(before, after) > _LIMIT[mode](size):
            raise ValueError(
                f"{mode} padding ({before}, {after}) is too wide for axis {axis} of size {size}: "
                f"at most {_LIMIT[mode](size)}"
            )
        if before or after:
            x = x.take(_SOURCE[mode](np.arange(-before, size + after), size), axis)
    return x


def crop(x: Array, widths: Widths) -> Array:
    """Drop (before, after) positions from the last `len(widths)` axes; returns a view of `x`."""
    inside = [slice(None)] * x.ndim
    for axis, (before, after) in enumerate(widths, _first_axis(x.shape, widths)):
        size = x.shape[axis]
        if before + after > size:
            raise ValueError(f"cannot crop ({before}, {after}) from axis {axis} of size {size}")
        inside[axis] = slice(before, size - after)
    return x[tuple(inside)]


def _first_axis(shape: Shape, widths: Widths) -> int:
    """Return the first axis that `widths` speaks of, if it makes sense for `shape`."""
    if len(widths) > len(shape):
        raise ValueError(f"{len(widths)} pairs of widths for an array of shape {shape}")
    if any(before < 0 or after < 0 for before, after in widths):
        raise ValueError(f"widths must not be negative: {list(widths)}")
    return len(shape) - len(widths)


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    padding: Widths,
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """Cross-correlate `x` (N, C, *spatial) with `weight` (out, C / groups, *kernel).

    `padding` is zeros, (before, after) for each axis. Returns (N, out, *size), see `conv_shape`.
    """
    shape = conv_shape(
        x.shape, weight.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    _check_arrays(x, weight, bias, shape[1])
    out = np.empty(shape, x.dtype)
    if not out.size:
        return out
    x = np.ascontiguousarray(pad(x, padding))
    if tiles.shares_rows(weight.shape, shape, stride, dilation, groups):
        tiles.correlate_rows(x, weight, bias, out, stride, dilation)
    else:
        tiles.correlate(x, weight, bias, out, stride, dilation, groups)
    return out


def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    padding: Widths,
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """Spread `x` (N, C, *spatial) through `weight` (C, out / groups, *kernel).

    The full result is extended by `output_padding` zeros at the end of each axis, then cropped by
    `padding`, (before, after) for each axis; the bias is added everywhere. Returns (N, out, *size),
    see `conv_transpose_shape`.
    """
    shape = conv_transpose_shape(
        x.shape,
        weight.shape,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
    )
    _check_arrays(x, weight, bias, shape[1])
    out = np.zeros(shape, x.dtype)
    if not out.size:
        return out
    if bias is not None:
        out += bias.reshape(-1, *[1] * len(shape[2:]))
    before = [width[0] for width in padding]
    tiles.spread(np.ascontiguousarray(x), weight, out, stride, before, dilation, groups)
    return out


def _check_arrays(x: Array, weight: Array, bias: Array | None, channels: int) -> None:
    """Check the dtypes and the bias, which the check of the shapes does not cover."""
    if x.dtype not in _FLOATS or weight.dtype != x.dtype:
        raise ValueError(f"x is {x.dtype} and weight {weight.dtype}: both float32 or both float64")
    if bias is None:
        return
    if bias.shape != (channels,):
        raise ValueError(f"bias of shape {bias.shape} for {channels} output channels")
    if bias.dtype != x.dtype:
        raise ValueError(f"x is {x.dtype} and bias {bias.dtype}: both float32 or both float64")
