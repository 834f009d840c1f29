"""Releases, ranges of them, and conditions on torch arguments: the small language of the rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from mapper.model.record import record


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A MindSpore release line; patch levels do not matter here."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `2.10` or `2.10.0`."""
        found = re.fullmatch(r"(\d+)\.(\d+)(?:\.\d+)?", text)
        if not found:
            raise ValueError(f"expected a version such as '2.10', got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@record(frozen=True, slots=True)
class VersionRange:
    """Releases from `start` on and below `stop`; None leaves that side open."""

    start: Version | None = None
    stop: Version | None = None

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read `>=2.0,<2.1`, `<2.1` or `>=2.7`."""
        found = re.fullmatch(r"(?:>=([\d.]+))?,?(?:<([\d.]+))?", text)
        if not found or not (found[1] or found[2]):
            raise ValueError(f"expected a range such as '>=2.0,<2.1', got {text!r}")
        start, stop = (Version.parse(part) if part else None for part in found.groups())
        return cls(start, stop)

    def __contains__(self, version: Version) -> bool:
        below = self.stop is None or version < self.stop
        return below and (self.start is None or self.start <= version)

    def __str__(self) -> str:
        sides = (f">={self.start}" if self.start else "", f"<{self.stop}" if self.stop else "")
        return ",".join(filter(None, sides))


_CLAUSE = re.compile(
    r"(?P<volume>volume\()?(?P<name>[a-z_]+)(?(volume)\))(?:\[(?P<axis>\d)\])?"
    r" (?P<operator>==|!=|>=|>|<) (?P<value>-?\d+|'[^']*'|[A-Za-z_][\w.]*)"
)


@record(frozen=True, slots=True)
class Clause:
    """One comparison of a torch argument: on one axis, on its volume, or on any axis."""

    name: str
    operator: str
    value: int | str
    reference: bool = False
    axis: int | None = None
    volume: bool = False

    @classmethod
    def parse(cls, text: str) -> Clause:
        """Read `dilation[0] != 1`, `padding >= kernel_size`, `volume(kernel_size) > 343`…"""
        found = _CLAUSE.fullmatch(text.strip())
        if not found:
            raise ValueError(f"expected a condition such as 'groups != 1', got {text!r}")
        raw = found["value"]
        value = int(raw) if re.fullmatch(r"-?\d+", raw) else raw.strip("'")
        reference = isinstance(value, str) and not raw.startswith("'") and "." not in raw
        axis = int(found["axis"]) if found["axis"] else None
        return cls(found["name"], found["operator"], value, reference, axis, bool(found["volume"]))

    def holds(self, arguments: Mapping[str, object], rank: int) -> bool | None:
        """Say whether it holds on some axis; None when an argument is not known."""
        wanted = {self.name, str(self.value)} if self.reference else {self.name}
        if not wanted <= arguments.keys():
            return None
        left = _axes(arguments[self.name], rank)
        right = _axes(arguments[str(self.value)] if self.reference else self.value, rank)
        if self.volume:
            left, right = [prod(_integers(left))], right[:1]
        elif self.axis is not None:
            left, right = left[self.axis : self.axis + 1], right[self.axis : self.axis + 1]
        return any(_compare(a, self.operator, b) for a, b in zip(left, right, strict=False))


@record(frozen=True, slots=True)
class Condition:
    """Clauses that must all hold; none at all means always. Names are torch's parameters."""

    text: str
    clauses: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read `always` or clauses joined by `and`."""
        parts = [] if text == "always" else text.split(" and ")
        return cls(text, tuple(Clause.parse(part) for part in parts))

    def names(self) -> set[str]:
        """Return the torch parameters it speaks of."""
        referred = {str(c.value) for c in self.clauses if c.reference}
        return referred | {c.name for c in self.clauses}

    def holds(self, arguments: Mapping[str, object], rank: int) -> bool | None:
        """Evaluate over known arguments (defaults included); None means it depends on others."""
        results = [clause.holds(arguments, rank) for clause in self.clauses]
        if False in results:
            return False
        return None if None in results else True


def _axes(value: object, rank: int) -> list[object]:
    if isinstance(value, tuple | list):
        items = list(value)
        return items * rank if len(items) == 1 else items
    return [value] * max(rank, 1)


def _integers(values: list[object]) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def _compare(left: object, operator: str, right: object) -> bool:
    if operator in ("==", "!="):
        return (left == right) is (operator == "==")
    if not (isinstance(left, int) and isinstance(right, int)):
        return False
    return {">=": left >= right, ">": left > right, "<": left < right}[operator]
