"""A map of names between two models, and what keeps it from being complete."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mapper.weights.networks import Shape

CANDIDATES = 5  # a person reads them


@dataclass(frozen=True, slots=True)
class Pair:
    """One parameter or buffer under both names; a shape is None where it is not known."""

    torch: str
    mindspore: str
    torch_shape: Shape | None = None
    mindspore_shape: Shape | None = None
    axis: int | None = None
    """The axis of one that MindSpore's has more."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What only MindSpore has, and the value with which it does nothing."""

    mindspore: str
    shape: Shape
    value: float
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Drop:
    """What only torch has and nothing is computed with."""

    torch: str
    shape: Shape = ()
    dtype: str = "int64"


class Trouble(StrEnum):
    """Why a name is not in the map."""

    MISSING = "missing"
    """A name of torch's that MindSpore's model has no place for."""
    EXTRA = "extra"
    """A name of MindSpore's that no name of torch's belongs to."""
    AMBIGUOUS = "ambiguous"
    """A name of torch's with several places; or one place for several names."""
    MISSHAPEN = "misshapen"
    """A name whose place has another shape."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One name that is not in the map, with what it may belong to."""

    trouble: Trouble
    name: str
    candidates: tuple[str, ...] = ()
    message: str = ""

    def __str__(self) -> str:
        """Return the line that a person reads."""
        text = f"{self.name}: {self.message or self.trouble}"
        return f"{text} (candidates: {', '.join(self.candidates)})" if self.candidates else text


@dataclass(frozen=True, slots=True)
class NameMap:
    """The map between the `state_dict()` of torch's model and that of MindSpore's.

    `elsewhere` are layers that a class builds in some of its places only, in words.
    """

    pairs: tuple[Pair, ...]
    drops: tuple[Drop, ...] = ()
    fills: tuple[Fill, ...] = ()
    problems: tuple[Problem, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Say whether every name of both sides is accounted for."""
        return not self.problems

    def of(self, trouble: Trouble) -> tuple[Problem, ...]:
        """Return the problems of one kind."""
        return tuple(problem for problem in self.problems if problem.trouble is trouble)

    def to_mindspore(self) -> Mapping[str, Pair]:
        """Return the pairs by torch's names."""
        return {pair.torch: pair for pair in self.pairs}


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the few names that are most like a name."""
    known = sorted(names)
    return tuple(
        sorted(known, key=lambda one: -difflib.SequenceMatcher(None, name, one).ratio())[
            :CANDIDATES
        ]
    )
