"""A dataclass decorator that is quick to apply: a process makes eighty such classes at its start.

To mypy, `@record(frozen=True, slots=True)` is a frozen dataclass, so it reports assignments. At run
time only `__init__` is generated for each class; `__eq__`, `__hash__`, `__repr__` are shared.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, slots: bool):
        """Return the decorator. Only mypy uses `frozen`: nothing checks it at run time."""
        made = dataclass(slots=slots, eq=False, repr=False)

        def decorate(plain: type) -> type:
            cls = made(plain)
            cls.__eq__, cls.__hash__, cls.__repr__ = _equal, _hash, _words
            return cls

        return decorate


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    """Return the names of all fields, inherited ones too (`__slots__` holds a class's own only)."""
    return tuple([one.name for one in fields(cls)])  # type: ignore[arg-type]


def _values(one: Any) -> tuple[object, ...]:
    return tuple([getattr(one, name) for name in _names(one.__class__)])


def _equal(one: object, other: object) -> object:
    if type(one) is not type(other):
        return NotImplemented
    return one is other or _values(one) == _values(other)


def _hash(one: object) -> int:
    return hash(_values(one))


def _words(one: Any) -> str:
    shown = ", ".join(f"{name}={getattr(one, name)!r}" for name in _names(one.__class__))
    return f"{type(one).__qualname__}({shown})"
