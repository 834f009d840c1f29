"""A convolution layer for the prover: the shapes of its parameters and a function of its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from mapper.model.record import record

Array = NDArray[np.floating]
Shape = tuple[int, ...]


class RefusedError(ValueError):
    """The framework raises for these arguments; the message says why, as the framework does."""


class LimitError(RefusedError):
    """The case is too large to compute here; a framework would compute it."""


@record(frozen=True, slots=True)
class Layer:
    """A layer with its arguments fixed.

    `parameters` maps a name (`weight`, `bias`) to its shape; `run(x, parameters)` computes the
    output for an input of shape (batch, channels, *spatial).
    """

    run: Callable[[Array, Mapping[str, Array]], Array]
    parameters: Mapping[str, Shape] = field(default_factory=dict)


def is_int(value: object) -> TypeGuard[int]:
    """Say whether `value` is an int and not a bool, as both frameworks check it."""
    return isinstance(value, int) and not isinstance(value, bool)


def positive_int(name: str, value: object) -> int:
    """Return `value`, or refuse it as both frameworks do."""
    if not is_int(value) or value < 1:
        raise RefusedError(f"{name} must be a positive int, got {value!r}")
    return value
