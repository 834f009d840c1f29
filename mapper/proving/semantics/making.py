"""Functions that make arrays of a shape: constants, undefined values, and drawn numbers.

Drawn numbers depend on the shape and a seed only, so that both sides draw the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGEST = 1 << 20  # numbers in one array; a larger constant is a read-only view of one number


class TooLargeError(ValueError):
    """An array would hold too many numbers to compute here."""


def _checked(shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 0 for n in sizes):
        raise TypeError(f"{sizes} is no shape")
    return sizes


def _filled(shape: int | Sequence[int], value: Any, dtype: Any = None) -> Array:
    """Return one value everywhere; a large array is a read-only view of one number."""
    sizes = _checked(shape)
    if prod(sizes) > LARGEST:
        return np.broadcast_to(np.asarray(value, dtype), sizes)
    return np.full(sizes, value, dtype)


def _small(shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = _checked(shape)
    if prod(sizes) > LARGEST:
        raise TooLargeError(f"an array of shape {sizes} is too large to compute with")
    return sizes


def zeros(shape: int | Sequence[int], dtype: Any = "float64") -> Array:
    """Return zeros."""
    return _filled(shape, 0, dtype)


def ones(shape: int | Sequence[int], dtype: Any = "float64") -> Array:
    """Return ones."""
    return _filled(shape, 1, dtype)


def full(shape: int | Sequence[int], value: Any, dtype: Any = None) -> Array:
    """Return one value everywhere; its own dtype unless one is given."""
    return _filled(shape, value, dtype)


def empty(shape: int | Sequence[int]) -> Array:
    """Return an array without defined values (a layer's drawn weights), which are NaN here."""
    return _filled(shape, np.nan)


class Frozen(np.ndarray[Any, Any]):
    """An array that training leaves as it is."""


def frozen(x: Array) -> Array:
    """Return `x`, marked as state of a layer that is not trained and has no counterpart."""
    return x.view(Frozen)


def eye(n: int, m: int | None = None) -> Array:
    """Return (n, m) with ones on the diagonal."""
    _small((n, n if m is None else m))
    return np.eye(n, m)


def arange(start: Any, end: Any = None, step: Any = 1) -> Array:
    """Return numbers from `start` below `end`; of ints an int64."""
    return np.arange(0 if end is None else start, start if end is None else end, step)


def linspace(start: float, end: float, steps: int) -> Array:
    """Return so many numbers evenly from `start` to `end`, both included."""
    return np.asarray(np.linspace(start, end, _small(steps)[0]))


def noise(shape: int | Sequence[int], seed: int = 0) -> Array:
    """Return numbers in [0, 1) that look random: splitmix64 of their positions.

    `numpy.random` is not used because its import takes as long as many proofs.
    """
    sizes = _small(shape)
    start = 0x632BE59BD9B4E019 * (seed + 1) % (1 << 63)
    z = np.arange(prod(sizes), dtype=np.uint64) + np.uint64(start)
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)) * 2.0**-53).reshape(sizes)


def normal(shape: int | Sequence[int], seed: int = 0) -> Array:
    """Return numbers in (-2, 2) of mean 0, most of them small."""
    first, second = noise(shape, 2 * seed + 1), noise(shape, 2 * seed + 2)
    return 2 * (first + second) - 2


def integers(shape: int | Sequence[int], high: int, low: int = 0, seed: int = 0) -> Array:
    """Return int64 from `low` below `high`."""
    return np.asarray(low + noise(shape, seed) * (high - low)).astype(np.int64)


def booleans(shape: int | Sequence[int], seed: int = 0) -> Array:
    """Return bools, about half of them True."""
    return np.asarray(noise(shape, seed) < 0.5)


def dropout(x: Array, p: float, training: bool) -> Array:
    """Return `x` with a share `p` of its numbers 0 and the rest over 1 - p; `x` if not training."""
    if not 0 <= p <= 1:
        raise ValueError(f"a probability of {p}")
    if not training:
        return x
    return _dropped(x, x.shape, p)


def dropout_channels(x: Array, p: float, training: bool) -> Array:
    """Return (N, C, …) with a share `p` of its channels 0, the rest over 1 - p."""
    if not 0 <= p <= 1:
        raise ValueError(f"a probability of {p}")
    if not training:
        return x
    return _dropped(x, (*x.shape[:2], *[1] * (x.ndim - 2)), p)


def _dropped(x: Array, shape: tuple[int, ...], p: float) -> Array:
    if p == 1:
        return np.zeros_like(x)
    return np.asarray(np.where(noise(shape) >= p, x / (1 - p), 0.0))


def within(value: Any, low: Any, high: Any) -> Any:
    """Return a plain value; as in the frameworks, it is an error if not from `low` to `high`."""
    if not low <= value <= high:
        raise ValueError(f"{value!r} is not from {low} to {high}")
    return value


def astype(x: Array, dtype: Any) -> Array:
    """Return `x` with its numbers of another dtype."""
    return x.astype(dtype)
