"""Interpolation of (N, C, *size): every axis in turn is a product with a matrix of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.proving.semantics.shaping import pair

Array = NDArray[Any]

LINEAR = ("linear", "bilinear", "trilinear")
_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def interpolate(
    x: Array,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Array:
    """Return `x` resized to `size`, or by factors that then also place the samples, as torch does.

    Modes: nearest, nearest-exact, linear, bilinear, trilinear, bicubic, area.
    """
    rank = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("one of size and scale_factor is needed")
    if rank < 1 or _RANKS.get(mode, rank) != rank:
        raise ValueError(f"mode {mode!r} for {x.shape}")
    if align_corners is not None and mode not in (*LINEAR, "bicubic"):
        raise ValueError(f"align_corners with mode {mode!r}")
    factors: tuple[Any, ...] = (None,) * rank
    if scale_factor is not None:
        factors = pair(scale_factor, rank)
        sizes = [math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
        if recompute_scale_factor:
            factors = (None,) * rank
    else:
        sizes = [*pair(size, rank)]
    for axis, (new, factor) in enumerate(zip(sizes, factors, strict=True), 2):
        matrix = _weights(x.shape[axis], new, factor, mode, bool(align_corners))
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)
    return x


def _weights(old: int, new: int, factor: float | None, mode: str, align: bool) -> Array:
    """Return the matrix (new, old) that resizes one axis."""
    if new < 1:
        raise ValueError(f"a size of {new}")
    matrix, step = np.zeros((new, old)), old / new if factor is None else 1 / factor
    at = np.arange(new)
    if mode == "area":
        for i in at:
            low, high = i * old // new, -(-(i + 1) * old // new)
            matrix[i, low:high] = 1 / (high - low)
        return matrix
    if mode in ("nearest", "nearest-exact"):
        source = at * step if mode == "nearest" else (at + 0.5) * step
        matrix[at, np.minimum(np.floor(source).astype(int), old - 1)] = 1
        return matrix
    place = (at + 0.5) * step - 0.5
    if align:
        place = at * ((old - 1) / (new - 1) if new > 1 else 0.0)
    if mode in LINEAR:
        place = np.maximum(place, 0)
        low = np.minimum(np.floor(place).astype(int), old - 1)
        share = np.minimum(place - low, 1.0)
        np.add.at(matrix, (at, low), 1 - share)
        np.add.at(matrix, (at, np.minimum(low + 1, old - 1)), share)
        return matrix
    if mode != "bicubic":
        raise ValueError(f"mode {mode!r}")
    low = np.floor(place).astype(int)
    for offset in (-1, 0, 1, 2):
        column = np.clip(low + offset, 0, old - 1)
        np.add.at(matrix, (at, column), _cubic(np.abs(place - (low + offset))))
    return matrix


def _cubic(distance: Array, a: float = -0.75) -> Array:
    """Return the weights of cubic convolution at a distance."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
