"""The values of a checkpoint under the names and shapes of the other framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.weights.namemap import NameMap, Pair, Problem, Trouble, nearest
from mapper.weights.weight_norm import Parts

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A converted state, and every name that is not in it.

    `dropped` are names that have no counterpart and need none, `filled` those that only the other
    framework has, `joined` the weights that were in two parts, `elsewhere` layers that may be
    missing (see `NameMap`).
    """

    values: Mapping[str, Array]
    matched: tuple[Pair, ...]
    missing: tuple[Problem, ...] = ()
    extra: tuple[Problem, ...] = ()
    ambiguous: tuple[Problem, ...] = ()
    misshapen: tuple[Problem, ...] = ()
    dropped: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    joined: tuple[Parts, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return all that keeps it from being complete."""
        return (*self.missing, *self.extra, *self.ambiguous, *self.misshapen)

    @property
    def is_complete(self) -> bool:
        """Say whether every name of both sides is accounted for."""
        return not self.problems


def convert(state: Mapping[str, Array], names: NameMap, reverse: bool = False) -> Conversion:
    """Return a state of torch's for MindSpore's model, or (`reverse`) the other way.

    What the state lacks is `missing`, what the map does not know is `extra`; what the map itself
    could not match is listed with them. Nothing is copied: values of another shape are views.
    """
    values: dict[str, Array] = {}
    matched: list[Pair] = []
    problems = list(names.problems)
    listed = {name for one in problems for name in (one.name, *one.candidates)}
    for pair in names.pairs:
        old, new = (pair.mindspore, pair.torch) if reverse else (pair.torch, pair.mindspore)
        if old not in state:
            near = nearest(old, state.keys() - _names(names, reverse))
            message = "the state has no value for it"
            problems.append(Problem(Trouble.MISSING, old, near, message))
        elif (problem := _reshaped(state[old], old, new, pair, reverse, values)) is not None:
            problems.append(problem)
        else:
            matched.append(pair)
    dropped = _dropped(names, reverse) & state.keys()
    for name in state.keys() - _names(names, reverse) - dropped - listed:
        message = "the model has no place for it"
        problems.append(Problem(Trouble.EXTRA, name, (), message))
    return Conversion(
        values | _filled(names, reverse),
        tuple(matched),
        missing=_of(problems, Trouble.MISSING),
        extra=_of(problems, Trouble.EXTRA),
        ambiguous=_of(problems, Trouble.AMBIGUOUS),
        misshapen=_of(problems, Trouble.MISSHAPEN),
        dropped=tuple(sorted(dropped)),
        filled=tuple(_filled(names, reverse)),
        elsewhere=names.elsewhere,
    )


def _of(problems: list[Problem], trouble: Trouble) -> tuple[Problem, ...]:
    return tuple(sorted((p for p in problems if p.trouble is trouble), key=lambda p: p.name))


def _names(names: NameMap, reverse: bool) -> set[str]:
    return {pair.mindspore if reverse else pair.torch for pair in names.pairs}


def _dropped(names: NameMap, reverse: bool) -> set[str]:
    if reverse:
        return {fill.mindspore for fill in names.fills}
    return {drop.torch for drop in names.drops}


def _filled(names: NameMap, reverse: bool) -> dict[str, Array]:
    if reverse:
        return {drop.torch: np.zeros(drop.shape, drop.dtype) for drop in names.drops}
    return {
        fill.mindspore: np.full(fill.shape, fill.value, np.dtype(fill.dtype))
        for fill in names.fills
    }


def _reshaped(
    value: Array, old: str, new: str, pair: Pair, reverse: bool, values: dict[str, Array]
) -> Problem | None:
    """Put a value under its new name and shape, or return why it does not fit."""
    expected = pair.mindspore_shape if reverse else pair.torch_shape
    if expected is not None and value.shape != expected:
        message = f"has shape {value.shape} in the state, {expected} in the model"
        return Problem(Trouble.MISSHAPEN, old, (new,), message)
    if pair.axis is None:
        values[new] = value
    elif not reverse:
        values[new] = np.expand_dims(value, pair.axis)
    elif value.ndim > pair.axis and value.shape[pair.axis] == 1:
        values[new] = np.squeeze(value, pair.axis)
    else:
        message = f"has no axis of one at {pair.axis} in {value.shape}"
        return Problem(Trouble.MISSHAPEN, old, (new,), message)
    return None
