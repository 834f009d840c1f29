"""TOML tables as typed records, strictly: a wrong key or value is an error that names the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from mapper.model.record import record

T = TypeVar("T")


class RuleError(Exception):
    """A rule file that cannot be used; the message names the file and the key."""

    def __init__(self, file: str, key: str, problem: str, remedy: str = "") -> None:
        super().__init__(file, key, problem, remedy)  # so that it passes between processes
        self.file, self.key, self.problem, self.remedy = file, key, problem, remedy

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.file, self.key, self.problem)))


@record(frozen=True, slots=True)
class Where:
    """A place in a rule file, for messages."""

    file: str
    key: str = ""

    def at(self, *keys: str | int) -> Where:
        """Return a place some steps deeper."""
        path = self.key
        for key in keys:
            path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
        return Where(self.file, path)

    def fail(self, problem: str, remedy: str = "") -> NoReturn:
        """Raise the error for this place."""
        raise RuleError(self.file, self.key, problem, remedy)


def build(kind: type[T], raw: object, where: Where) -> T:
    """Turn a TOML table into a record, as the annotations of its fields demand."""
    table = expect(raw, dict, "a table", where)
    hints = _hints(kind)  # type: ignore[arg-type]
    for key in table.keys() - hints.keys():
        near = get_close_matches(str(key), hints, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "take it out"
        where.at(str(key)).fail(f"unknown key; expected one of {_listed(hints)}", remedy)
    may_be_empty = set()
    for spec in fields(kind):  # type: ignore[arg-type]
        if spec.name not in table and spec.default is MISSING and spec.default_factory is MISSING:
            where.at(spec.name).fail("missing")
        if spec.metadata.get("may_be_empty"):
            may_be_empty.add(spec.name)
    values = {
        key: _texts(value, where.at(key))
        if key in may_be_empty
        else _convert(hints[key], value, where.at(key))
        for key, value in table.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        where.fail(str(error))


def expect(raw: object, kind: Any, words: str, where: Where) -> Any:
    """Return the value if it is of that type and not an empty string."""
    if type(raw) is not kind:
        where.fail(f"expected {words}, got {raw!r}")
    if raw == "":
        where.fail("must not be empty")
    return raw


def _texts(raw: object, where: Where) -> Mapping[str, str]:
    table = expect(raw, dict, "a table", where)
    for key, value in table.items():
        if value != "":
            expect(value, str, "a string", where.at(key))
    return dict(table)


def _convert(hint: Any, raw: object, where: Where) -> object:
    """Turn one TOML value into what a field's annotation says."""
    origin = get_origin(hint)
    if hint is object:
        return tuple(raw) if isinstance(raw, list) else raw
    if origin in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return _convert(options[0], raw, where)
        return raw if type(raw) in options else expect(raw, (), "a plain value", where)
    if origin is tuple:
        items = expect(raw, list, "an array", where)
        return tuple(_convert(get_args(hint)[0], x, where.at(i)) for i, x in enumerate(items))
    if origin is Mapping:
        table = expect(raw, dict, "a table", where)
        return {k: _convert(get_args(hint)[1], v, where.at(k)) for k, v in table.items()}
    if hasattr(hint, "parse"):
        return _parse(hint, raw, where)
    if is_dataclass(hint):
        return build(hint, raw, where)  # type: ignore[arg-type]
    if issubclass(hint, Enum):
        return _choose(hint, raw, where)
    return expect(raw, hint, {str: "a string", int: "an integer", bool: "a boolean"}[hint], where)


def _parse(hint: Any, raw: object, where: Where) -> object:
    try:
        return hint.parse(expect(raw, str, "a string", where))
    except ValueError as error:
        where.fail(str(error))


def _choose(hint: type[Enum], raw: object, where: Where) -> Enum:
    options = {member.value: member for member in hint}
    if not isinstance(raw, str) or raw not in options:
        where.fail(f"expected one of {_listed(options)}, got {raw!r}")
    return options[raw]


def _listed(words: Any) -> str:
    return ", ".join(repr(str(word)) for word in words)


@cache
def _hints(kind: type) -> dict[str, Any]:
    names = {spec.name for spec in fields(kind)}
    return {name: hint for name, hint in get_type_hints(kind).items() if name in names}
