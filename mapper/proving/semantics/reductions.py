"""Reductions over axes: `axis` is an int, a tuple of ints or None for all of them.

With `keepdims` the reduced axes stay, with one element. An empty tuple means all axes too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Axis = int | tuple[int, ...] | list[int] | None


def _axes(axis: Axis) -> Any:
    return None if axis == () or axis == [] else tuple(axis) if isinstance(axis, list) else axis


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the sum; of ints and bools an int64."""
    return np.asarray(x.sum(_axes(axis), keepdims=keepdims))


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean of floats."""
    _floats(x)
    return np.asarray(x.mean(_axes(axis), keepdims=keepdims))


def prod(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return the product; of ints and bools an int64."""
    return np.asarray(x.prod(axis, keepdims=keepdims))


def amax(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest value."""
    return np.asarray(x.max(_axes(axis), keepdims=keepdims))


def amin(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest value."""
    return np.asarray(x.min(_axes(axis), keepdims=keepdims))


def argmax(
    x: Array, axis: int | None = None, keepdims: bool = False, dtype: Any = "int64"
) -> Array:
    """Return the index of the first largest value, of a given dtype."""
    return np.asarray(np.argmax(x, axis, keepdims=keepdims)).astype(dtype)


def argmin(
    x: Array, axis: int | None = None, keepdims: bool = False, dtype: Any = "int64"
) -> Array:
    """Return the index of the first smallest value, of a given dtype."""
    return np.asarray(np.argmin(x, axis, keepdims=keepdims)).astype(dtype)


def max(x: Array, axis: int, keepdims: bool = False, dtype: Any = "int64") -> tuple[Array, Array]:
    """Return the largest values along an axis and their indices, of a given dtype."""
    return amax(x, axis, keepdims), argmax(x, axis, keepdims, dtype)


def min(x: Array, axis: int, keepdims: bool = False, dtype: Any = "int64") -> tuple[Array, Array]:
    """Return the smallest values along an axis and their indices, of a given dtype."""
    return amin(x, axis, keepdims), argmin(x, axis, keepdims, dtype)


def var(x: Array, axis: Axis = None, ddof: int = 1, keepdims: bool = False) -> Array:
    """Return the variance, divided by n - ddof."""
    _floats(x)
    return np.asarray(x.var(_axes(axis), ddof=int(ddof), keepdims=keepdims))


def std(x: Array, axis: Axis = None, ddof: int = 1, keepdims: bool = False) -> Array:
    """Return the standard deviation, from a variance divided by n - ddof."""
    return np.asarray(np.sqrt(var(x, axis, ddof, keepdims)))


def norm(x: Array, p: Any = 2, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the p-norm of all values over the axes (of a vector, however many axes there are)."""
    order, axes, size = {"fro": 2}.get(p, p), _axes(axis), np.abs(x)
    if order == math.inf:
        return np.asarray(size.max(axes, keepdims=keepdims))
    if order == -math.inf:
        return np.asarray(size.min(axes, keepdims=keepdims))
    if order == 0:
        return np.asarray((size != 0).sum(axes, keepdims=keepdims).astype(x.dtype))
    return np.asarray((size**order).sum(axes, keepdims=keepdims) ** (1 / order))


def cumsum(x: Array, axis: int) -> Array:
    """Return the running sums along an axis; shape of `x`."""
    return np.cumsum(x, axis)


def cumprod(x: Array, axis: int) -> Array:
    """Return the running products along an axis; shape of `x`."""
    return np.cumprod(x, axis)


def logsumexp(x: Array, axis: Axis, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x)))."""
    top = x.max(_axes(axis), keepdims=True)
    found = np.log(np.exp(x - top).sum(_axes(axis), keepdims=True)) + top
    return np.asarray(found if keepdims else found.squeeze(_axes(axis)))


def any(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return whether some value is not 0: bools."""
    return np.asarray(x.astype(bool).any(_axes(axis), keepdims=keepdims))


def all(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return whether no value is 0: bools."""
    return np.asarray(x.astype(bool).all(_axes(axis), keepdims=keepdims))


def _floats(x: Array) -> None:
    if x.dtype.kind != "f":
        raise TypeError(f"takes floats, not {x.dtype}")
