"""How far two arrays are apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.comparing.results import Difference

Array = NDArray[Any]


def scale_of(values: Array) -> float:
    """Return the largest finite absolute value."""
    finite = values[np.isfinite(values)] if values.dtype.kind in "fc" else values
    return float(np.abs(finite.astype(np.float64)).max()) if finite.size else 0.0


def difference(
    torch: Array,
    mindspore: Array,
    scale: float | None = None,
    dtypes: tuple[str, str] | None = None,
    at: str = "",
) -> Difference:
    """Return how far MindSpore's array is from torch's, in parts of a scale.

    Not-a-number and infinities are equal to themselves in the same places.
    """
    scale = scale_of(torch) if scale is None else scale
    largest, mean = math.inf, math.inf
    if torch.shape == mindspore.shape:
        largest, mean = _apart(torch, mindspore, scale or 1.0)
    names = dtypes or (str(torch.dtype), str(mindspore.dtype))
    return Difference(largest, mean, scale, torch.shape, mindspore.shape, *names, at=at)


def _apart(torch: Array, mindspore: Array, scale: float) -> tuple[float, float]:
    if not torch.size:
        return 0.0, 0.0
    first, second = (np.atleast_1d(one).astype(np.float64) for one in (torch, mindspore))
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    apart[same] = 0.0
    apart[np.isnan(apart)] = math.inf
    return float(apart.max() / scale), float(apart.mean() / scale)
