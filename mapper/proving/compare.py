"""Compares results and state of both sides, and says in words how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.model.results import Parameter
from mapper.proving.run_text import Built
from mapper.proving.semantics.making import LARGEST, TooLargeError, noise, normal

Array = NDArray[Any]

TOLERANCE = 1e-9  # of the output's largest absolute value, in float64


class DifferenceError(Exception):
    """Both sides differ; the message says how."""


def gap(expected: object, found: object, what: str = "the output") -> float:
    """Return the largest difference between two results, which is within the tolerance.

    Raises:
        DifferenceError: they are of different structure, shape or dtype, or differ by more.
    """
    if isinstance(expected, tuple | list) and isinstance(found, tuple | list):
        if len(expected) != len(found):
            raise DifferenceError(f"{what} has {len(found)} parts instead of {len(expected)}")
        pairs = zip(expected, found, strict=True)
        return max((gap(a, b, f"part {i} of {what}") for i, (a, b) in enumerate(pairs)), default=0)
    if isinstance(expected, np.ndarray) and isinstance(found, np.ndarray):
        return _array_gap(expected, found, what)
    if type(expected) is not type(found) or expected != found:
        raise DifferenceError(f"{what} is {_shown(found)} instead of {_shown(expected)}")
    return 0.0


def _array_gap(expected: Array, found: Array, what: str) -> float:
    """Return the largest difference between two arrays (see `gap`)."""
    if found.shape != expected.shape:
        raise DifferenceError(f"{what} has shape {found.shape} instead of {expected.shape}")
    if found.dtype != expected.dtype:
        raise DifferenceError(f"{what} is of {found.dtype} instead of {expected.dtype}")
    if not expected.size:
        return 0.0
    if expected.dtype.kind not in "fiu":
        if not np.array_equal(expected, found):
            raise DifferenceError(f"{what} differs")
        return 0.0
    if not np.array_equal(np.isfinite(expected), np.isfinite(found)):
        raise DifferenceError(f"{what} is finite elsewhere")
    distance = np.abs(np.nan_to_num(found) - np.nan_to_num(expected))
    worst = float(distance.max())
    scale = max(1.0, float(np.abs(np.nan_to_num(expected)).max()))
    eps = float(np.finfo(expected.dtype).eps) if expected.dtype.kind == "f" else 0.0
    if worst > max(TOLERANCE, 16 * eps) * scale:
        many = int((distance > TOLERANCE * scale).sum())
        raise DifferenceError(
            f"{many} of {distance.size} values of {what} differ, by up to {worst:.3g}, "
            f"for a shape of {expected.shape}"
        )
    return worst


def _shown(value: object) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)


def paired(torch: Built, mindspore: Built, names: Mapping[str, str]) -> dict[str, Parameter]:
    """Return the state of both sides by torch's paths, paired through the rule's `[parameters]`.

    Raises:
        DifferenceError: one side has state for which the other has none, or of another shape.
    """
    pairs: dict[str, Parameter] = {}
    wanted: list[str] = []
    for path, value in torch.state.items():
        front, dot, leaf = path.rpartition(".")
        name = names.get(path, names.get(leaf, leaf))
        if not name:
            continue
        wanted.append(name)
        target = _target(f"{front}{dot}{name}", mindspore.state)
        if target is None:
            continue
        shape = mindspore.state[target].shape
        if shape != value.shape:
            raise DifferenceError(f"`{target}` has shape {shape} instead of {value.shape}")
        pairs[path] = Parameter(value.shape, shape, target)
    found = [path for path in mindspore.state if path not in mindspore.free]
    if len(pairs) != len(wanted) or {*found} - {pair.path for pair in pairs.values()}:
        raise DifferenceError(f"parameters {sorted(found)} instead of {sorted(wanted)}")
    return pairs


def _target(name: str, paths: Iterable[str]) -> str | None:
    found = [path for path in paths if path == name or path.endswith(f".{name}")]
    return found[0] if len(found) == 1 else None


def fill(torch: Built, mindspore: Built, pairs: Mapping[str, Parameter]) -> None:
    """Give both sides the same state, other than the one they start with.

    Raises:
        DifferenceError: they start with different values, where both say which.
        TooLargeError: the state is too large to compute with.
    """
    for seed, (path, pair) in enumerate(pairs.items()):
        first, other = torch.state[path], mindspore.state[pair.path]
        if first.dtype != other.dtype:
            raise DifferenceError(f"`{pair.path}` is of {other.dtype} instead of {first.dtype}")
        if first.size > LARGEST:
            raise TooLargeError(f"`{path}` of shape {first.shape} is too large to compute with")
        if not (np.isnan(first).any() or np.isnan(other).any()):
            gap(first, other, f"`{pair.path}` at the start")
        first[...] = other[...] = _other_values(first, path in torch.buffers, seed)


def _other_values(first: Array, is_buffer: bool, seed: int) -> Array:
    if first.dtype.kind != "f":
        return first
    if is_buffer:  # a variance stays positive
        return np.asarray(np.nan_to_num(first) + noise(first.shape, seed))
    return np.asarray(np.where(np.isnan(first), 0.0, first) + normal(first.shape, seed))


def state_gap(torch: Built, mindspore: Built, pairs: Mapping[str, Parameter]) -> float:
    """Return the largest difference between the state of both sides.

    Raises:
        DifferenceError: it is more than the tolerance.
    """
    gaps = [
        gap(torch.state[path], mindspore.state[pair.path], f"`{pair.path}` afterwards")
        for path, pair in pairs.items()
    ]
    return max(gaps, default=0.0)


def shape_of(value: object) -> tuple[int, ...] | None:
    """Return the shape of a result, of the first one where there are several."""
    if isinstance(value, np.ndarray):
        return tuple(value.shape)
    if isinstance(value, Sequence) and value and isinstance(value[0], np.ndarray):
        return tuple(value[0].shape)
    return None
