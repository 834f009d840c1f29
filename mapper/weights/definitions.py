"""The classes and functions of a migration's report, and what the classes hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

ANY, UNKNOWN = "*", "?"
SEQUENTIAL, LIST, DICT = (f"torch.nn.{name}" for name in ("Sequential", "ModuleList", "ModuleDict"))
EMPTY = frozenset({"torch.nn.Module", SEQUENTIAL, LIST, "object", "ABC", "Generic", "Protocol"})
"""What adds nothing to what a class is said to hold."""

Held = str | tuple["Held", ...]
"""What an attribute may be, see `mapper.model.results`."""


@dataclass(frozen=True, eq=False)
class Class:
    """A class of the report: what its instances hold, and what they hold whatever happens."""

    name: str
    bases: tuple[str, ...] = ()
    holds: Mapping[str, tuple[Held, ...]] | None = None
    always: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Definitions:
    """All that a report's files define, by names without a module.

    `returns` is what functions return, `uses` which definitions each mentions, `sets` the
    attributes that are set on what is not `self`. `has_dicts`: layers are named by a dict's keys.
    """

    classes: Mapping[str, tuple[Class, ...]]
    returns: Mapping[str, tuple[Held, ...]]
    uses: Mapping[str, frozenset[str]]
    sets: frozenset[str]
    has_dicts: bool = False

    @cached_property
    def every(self) -> tuple[Class, ...]:
        """Return all classes."""
        return tuple(one for group in self.classes.values() for one in group)

    def line(self, cls: Class) -> list[Class]:
        """Return a class and those that it derives from, as far as the report has them."""
        found = [cls]
        for one in found:
            above = (cls for base in one.bases for cls in self.classes.get(base, ()))
            found += [cls for cls in above if cls not in found]
        return found

    def held(self, cls: Class, name: str) -> tuple[Held, ...]:
        """Return what an attribute may be, with UNKNOWN where the report does not say it all."""
        found: dict[Held, None] = {}
        is_method = name.endswith("()")
        for one in self.line(cls):
            for pattern, values in (one.holds or {}).items():
                if pattern == name or (not is_method and fnmatchcase(name, pattern)):
                    found |= dict.fromkeys(values)
            if is_method and found:
                break
            if not is_method and self._is_open(one):
                found[UNKNOWN] = None
        if name in self.sets:
            found[UNKNOWN] = None
        return tuple(found)

    def _is_open(self, cls: Class) -> bool:
        """Say whether a class derives from one of which the report does not say what it has."""
        return any(base not in self.classes and base not in EMPTY for base in cls.bases)

    def reached(self, names: Iterable[str]) -> Set[str]:
        """Return the definitions that classes mention, and the functions that mention classes.

        A class that mentions another one is no part of it.
        """
        found, new = set[str](), set(names)
        while new:
            found |= new
            kept = found & self.classes.keys()
            new = {other for one in new for other in self.uses.get(one, ())}
            new |= {one for one, uses in self.uses.items()
                    if one not in self.classes and uses & kept}  # fmt: skip
            new -= found
        return found


def definitions(report: Mapping[str, Any]) -> Definitions:
    """Return what a JSON report says of classes; one of an earlier version says nothing."""
    classes: dict[str, tuple[Class, ...]] = {}
    returns: dict[str, tuple[Held, ...]] = {}
    uses: dict[str, frozenset[str]] = {}
    sets: set[str] = set()
    for one in _all(report):
        name = one["name"]
        uses[name] = uses.get(name, frozenset()) | frozenset(one["uses"])
        sets |= set(one["sets"])
        if one["kind"] == "class":
            holds = {held: _frozen(values) for held, values in one["holds"].items()}
            made = Class(name, tuple(one["bases"]), holds, frozenset(one["always"]))
            classes[name] = (*classes.get(name, ()), made)
        else:
            returns[name] = (*returns.get(name, ()), *_frozen(one["returns"]))
    apis = {site["api"] for file in report["files"] for site in file["sites"]}
    has_dicts = DICT in apis or any("OrderedDict" in one for one in uses.values())
    return Definitions(classes, returns, uses, frozenset(sets), has_dicts)


def _all(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for file in report["files"]:
        yield from file.get("definitions", ())


def _frozen(values: Iterable[Any]) -> tuple[Held, ...]:
    return tuple(one if isinstance(one, str) else _frozen(one) for one in values)
