"""Computes convolutions as products of matrices, which BLAS does.

Three ways, each over tiles sized to stay in the cache, so that memory does not grow with the input:
`correlate` gathers the windows of some output rows (im2col) and multiplies once; `correlate_rows`
gathers each input row once and lets the products of neighbouring output rows overlap in it;
`spread` multiplies first and adds the products up where they land (col2im). Arguments are taken as
checked, `x` is contiguous and already padded.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper.proving.semantics.conv.shapes import Shape

Array: TypeAlias = NDArray[Any]

_TILE = 1 << 21  # elements gathered at a time: 8 MB of float32
_WIDE = 100  # columns from which a product keeps BLAS busy by itself


class _Scratch:
    """Memory reused from tile to tile, since new pages cost as much as filling them."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._flat = np.empty(0, dtype)

    def empty(self, shape: Shape) -> Array:
        """Return an array with any contents, which lasts until the next call."""
        size = prod(shape)
        if size > self._flat.size:
            self._flat = np.empty(size, self._flat.dtype)
        return self._flat[:size].reshape(shape)

    def copy(self, view: Array) -> Array:
        """Return a contiguous copy of `view`, which lasts until the next call."""
        copied = self.empty(view.shape)
        np.copyto(copied, view)
        return copied


def correlate(
    x: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> None:
    """Fill `out` (N, channels, *size) with weight @ windows, tile by tile."""
    images, channels, rows = out.shape[:3]
    columns = prod(out.shape[3:])
    windows = _windows(x, weight.shape[2:], out.shape[2:], stride, dilation, groups)
    matrix = weight.reshape(groups, channels // groups, -1)
    bias = None if bias is None else bias.reshape(groups, -1, 1)
    target = out.reshape(images, groups, channels // groups, -1)
    rest: list[Any] = [slice(None)] * (out.ndim - 3)
    scratch = _Scratch(x.dtype)
    for image, row in _tiles(images, rows, columns, groups * matrix.shape[2]):
        gathered = scratch.copy(windows[..., image, row, *rest])
        there = target[image, :, :, row.start * columns : row.stop * columns]
        alone = len(there) == 1
        sums = np.matmul(
            matrix, gathered.reshape(groups, matrix.shape[2], -1), out=there[0] if alone else None
        )
        if bias is not None:
            sums += bias
        if not alone:
            there[...] = sums.reshape(*sums.shape[:2], len(there), -1).transpose(2, 0, 1, 3)


def shares_rows(
    weight: Shape, out: Shape, stride: Sequence[int], dilation: Sequence[int], groups: int
) -> bool:
    """Say whether `correlate_rows` can be used and is faster: long rows are used several times."""
    usable = groups == 1 and dilation[0] == 1
    return usable and weight[2] > stride[0] and prod(out[3:]) >= _WIDE


def correlate_rows(
    x: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    stride: Sequence[int],
    dilation: Sequence[int],
) -> None:
    """Fill `out` (N, channels, *size) row by row from input rows gathered once.

    A gathered row is a (C * inner taps, columns) matrix, so that the taps of the first axis are
    rows that follow each other: the matrix of an output row is a view of a few of them.
    """
    taps, step = weight.shape[2], stride[0]
    images, channels, rows = out.shape[:3]
    columns = prod(out.shape[3:])
    size = ((rows - 1) * step + taps, *out.shape[3:])
    windows = _windows(x, (1, *weight.shape[3:]), size, (1, *stride[1:]), dilation, 1)[0, :, 0]
    lines = np.moveaxis(windows, (out.ndim - 2, out.ndim - 1), (0, 1))
    matrix = np.moveaxis(weight, 2, 1).reshape(channels, -1)
    target = out.reshape(images, channels, rows, columns).swapaxes(1, 2)
    # The larger a band, the fewer lines are gathered again for the next one.
    band = max(1, (4 * _TILE // prod(lines.shape[2:]) - taps) // step + 1)
    scratch = _Scratch(x.dtype)
    for image, row in product(range(images), range(0, rows, band)):
        there = target[image, row : row + band]
        gathered = scratch.copy(lines[image, row * step : (row + len(there) - 1) * step + taps])
        np.matmul(matrix, _overlapping(gathered, taps, step, len(there), columns), out=there)
        if bias is not None:
            there += bias[:, None]


def _overlapping(lines: Array, taps: int, step: int, rows: int, columns: int) -> Array:
    """View contiguous `lines` (L, ...) as a (taps * ..., columns) matrix for each output row."""
    lines = lines.reshape(len(lines), -1)
    shape = (rows, taps * lines.shape[1] // columns, columns)
    strides = (step * lines.strides[0], columns * lines.itemsize, lines.itemsize)
    return np.ndarray(shape, lines.dtype, lines, 0, strides)


def spread(
    x: Array,
    weight: Array,
    out: Array,
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> None:
    """Add to `out` (N, channels, *size) what each position of `x` spreads through `weight`.

    `before` positions are cut off at the start of each axis, and what lands past `out` is dropped.
    """
    images, channels, rows = x.shape[:3]
    columns = prod(x.shape[3:])
    matrix = weight.reshape(groups, channels // groups, -1).swapaxes(1, 2)
    source = x.reshape(images, groups, channels // groups, -1)
    target = out.reshape(images, groups, -1, *out.shape[2:])
    target = target.swapaxes(0, 1).swapaxes(1, 2)
    scratch = _Scratch(x.dtype)
    for image, row in _tiles(images, rows, columns, groups * matrix.shape[1]):
        here = source[image, :, :, row.start * columns : row.stop * columns].transpose(1, 2, 0, 3)
        shares = scratch.empty((*matrix.shape[:2], here.shape[2] * here.shape[3]))
        np.matmul(matrix, here.reshape(*here.shape[:2], -1), out=shares)
        size = (here.shape[2], row.stop - row.start, *x.shape[3:])
        start = row.start * stride[0] - before[0]
        stop = (row.stop - 1) * stride[0] - before[0] + dilation[0] * (weight.shape[2] - 1) + 1
        there = target[:, :, image, max(start, 0) : max(stop, 0)]
        starts = [min(start, 0), *[-width for width in before[1:]]]
        _fold(shares.reshape(groups, -1, *weight.shape[2:], *size), there, starts, stride, dilation)


def _fold(
    shares: Array,
    out: Array,
    starts: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> None:
    """Add `shares` (groups, channels, *kernel, N, *size) to `out` (groups, channels, N, *full).

    One axis is folded after the other, since each leaves a smaller array for the next.
    """
    rank = len(starts)
    for axis in range(-rank, 0):
        shape = [*shares.shape[:2], *shares.shape[3:]]
        taps, size, shape[axis] = shares.shape[2], shape[axis], out.shape[axis]
        folded = np.zeros(shape, out.dtype) if axis < -1 else out
        rest: list[Any] = [slice(None)] * (-1 - axis)
        landings = _landings(taps, size, shape[axis], starts[axis], stride[axis], dilation[axis])
        for tap, read, write in landings:
            there = folded[..., write, *rest]
            there += shares[:, :, tap][..., read, *rest]
        shares = folded


def _landings(
    taps: int, size: int, full: int, start: int, step: int, gap: int
) -> list[tuple[int, slice, slice]]:
    """List for each tap of an axis which of `size` positions land within `full`, and where."""
    found = []
    for tap in range(taps):
        shift = start + tap * gap
        first = max(0, -(shift // step))
        last = min(size, (full - 1 - shift) // step + 1)
        if first < last:
            write = slice(first * step + shift, (last - 1) * step + shift + 1, step)
            found.append((tap, slice(first, last), write))
    return found


def _windows(
    x: Array,
    kernel: Shape,
    size: Shape,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """View contiguous `x` as (groups, C / groups, *kernel, N, *size): what each output reads."""
    image, channel, *steps = x.strides
    per_group = x.shape[1] // groups
    taps = [step * d for step, d in zip(steps, dilation, strict=True)]
    hops = [step * s for step, s in zip(steps, stride, strict=True)]
    shape = (groups, per_group, *kernel, x.shape[0], *size)
    strides = (channel * per_group, channel, *taps, image, *hops)
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _tiles(images: int, rows: int, columns: int, depth: int) -> Iterator[tuple[slice, slice]]:
    """Cut a batch of images of `rows` by `columns` into tiles (images, rows) that fit the cache.

    `depth` is the number of elements behind one column. Small images go together, large ones in
    bands of rows.
    """
    fit = max(1, _TILE // (depth * columns))
    together = 1 if rows * columns >= _WIDE else max(1, fit // rows)
    for image in range(0, images, together):
        for row in range(0, rows, fit):
            yield slice(image, image + together), slice(row, min(row + fit, rows))
