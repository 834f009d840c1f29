"""Releases, ranges of them, and conditions on torch arguments: the small language of the rules."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

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


_EXPECTED = "expected a condition such as 'groups != 1'"
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
_TYPES: Mapping[str, type] = {one.__name__: one for one in (bool, float, int, list, str, tuple)}


@record(frozen=True, slots=True)
class Condition:
    """What must hold of a call's arguments. Names are torch's parameters; `always` holds always.

    The language is a part of Python's: comparisons, `is None`, `in`, `isinstance`, a parameter's
    truth, `not` and `and`. A comparison holds when it holds on some axis; `name[0]` means one
    axis, `volume(name)` the product over all. `known(name)` asks whether the value is known.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Return the condition that a text says.

        Raises:
            ValueError: it is none.
        """
        _check(_parsed(text), text)
        return cls(text)

    def names(self) -> set[str]:
        """Return the torch parameters it speaks of."""
        node = _parsed(self.text)
        inside = {id(sub) for part in ast.walk(node) for sub in _without_parameters(part)}
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in inside}
        return names - {"always"}

    def holds(self, arguments: Mapping[str, object], rank: int = 0) -> bool | None:
        """Evaluate over known arguments (defaults included); None means it depends on others."""
        return _truth(_parsed(self.text), arguments, rank)

    def tests_for_none(self) -> str | None:
        """Return the parameter of a condition `x is None` or `x is not None`."""
        match _parsed(self.text):
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot()]):
                return name
        return None


@lru_cache(maxsize=512)
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{_EXPECTED}, got {text!r}") from error


def _without_parameters(node: ast.AST) -> list[ast.AST]:
    """Return the names below a node that are no parameters: functions, types, qualified names."""
    match node:
        case ast.Call(func=func, args=[_, *types]):
            return [func, *(sub for one in types for sub in ast.walk(one))]
        case ast.Attribute(value=value):
            return [value]
    return []


def _check(node: ast.expr, text: str) -> None:
    """Refuse what `_truth` does not understand."""
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            for part in parts:
                _check(part, text)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _check(part, text)
        case ast.Name():
            pass
        case ast.Call(func=ast.Name(id="known"), args=[ast.Name()], keywords=[]):
            pass
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(), types]) if (
            _types(types) is not None
        ):
            pass
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[right]) if (
            isinstance(left, ast.Name) and isinstance(right, ast.Constant)
        ):
            pass
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]) if (
            _is_operand(left) and isinstance(right, ast.Tuple | ast.List)
        ):
            pass
        case ast.Compare(left=left, ops=[op], comparators=[right]) if (
            _is_operand(left)
            and _is_operand(right)
            and isinstance(op, ast.Eq | ast.NotEq | ast.Lt | ast.LtE | ast.Gt | ast.GtE)
        ):
            pass
        case _:
            raise ValueError(f"{_EXPECTED}, got {text!r}")


def _is_operand(node: ast.expr) -> bool:
    match node:
        case ast.Name() | ast.Constant() | ast.Attribute():
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=int())):
            return True
        case ast.Call(func=ast.Name(id="volume"), args=[ast.Name()], keywords=[]):
            return True
    return False


def _types(node: ast.expr) -> tuple[type, ...] | None:
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    found = [_TYPES.get(one.id) for one in nodes if isinstance(one, ast.Name)]
    types = tuple(one for one in found if one)
    return types if len(types) == len(nodes) else None


def _truth(node: ast.expr, arguments: Mapping[str, object], rank: int) -> bool | None:
    """Return whether a condition holds; None where that depends on what is not known."""
    match node:
        case ast.Name(id="always"):
            return True
        case ast.BoolOp(values=parts):
            results = [_truth(part, arguments, rank) for part in parts]
            return False if False in results else None if None in results else True
        case ast.UnaryOp(operand=part):
            holds = _truth(part, arguments, rank)
            return None if holds is None else not holds
        case ast.Name(id=name):
            return bool(arguments[name]) if name in arguments else None
        case ast.Call(func=ast.Name(id="known"), args=[ast.Name(id=name)]):
            return name in arguments
        case ast.Call(args=[ast.Name(id=name), types]):
            known = name in arguments
            return isinstance(arguments[name], _types(types) or ()) if known else None
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(left, op, right, arguments, rank)
    raise AssertionError(ast.dump(node))


def _comparison(
    left: ast.expr, op: ast.cmpop, right: ast.expr, arguments: Mapping[str, object], rank: int
) -> bool | None:
    """Return whether a comparison holds on any axis; None where an argument is not known."""
    named = [n.id for side in (left, right) for n in ast.walk(side) if isinstance(n, ast.Name)]
    if any(name not in arguments for name in named if name not in ("volume", "torch")):
        return None
    if isinstance(op, ast.Is | ast.IsNot):
        equal = _value(left, arguments) is _value(right, arguments)
        return equal is isinstance(op, ast.Is)
    if isinstance(op, ast.In | ast.NotIn):
        found = _value(left, arguments) in [_value(e, arguments) for e in right.elts]  # type: ignore[attr-defined]
        return found is isinstance(op, ast.In)
    lefts, rights = _axes(left, arguments, rank), _axes(right, arguments, rank)
    if isinstance(left, ast.Subscript) and not isinstance(right, ast.Subscript):
        index = ast.literal_eval(left.slice)
        is_constant = not any(isinstance(part, ast.Name) for part in ast.walk(right))
        rights = rights[:1] if is_constant else rights[index : index + 1]
    if isinstance(left, ast.Call):
        rights = rights[:1]
    return any(_compare(a, op, b) for a, b in zip(lefts, rights, strict=False))


def _value(node: ast.expr, arguments: Mapping[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return arguments[name]
        case ast.Attribute():
            return ast.unparse(node)
    return ast.literal_eval(node)


def _axes(node: ast.expr, arguments: Mapping[str, object], rank: int) -> list[object]:
    """Return what an operand of a comparison is on each axis."""
    match node:
        case ast.Subscript(value=whole, slice=index):
            at = ast.literal_eval(index)
            return _axes(whole, arguments, rank)[at : at + 1]
        case ast.Call(args=[whole]):
            return [prod(v for v in _axes(whole, arguments, rank) if isinstance(v, int))]
    value = _value(node, arguments)
    if isinstance(value, tuple | list):
        items = list(value)
        return items * rank if len(items) == 1 else items
    return [value] * max(rank, 1)


def _compare(left: object, op: ast.cmpop, right: object) -> bool:
    if isinstance(op, ast.Eq | ast.NotEq):
        return (left == right) is isinstance(op, ast.Eq)
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers and _COMPARISONS[type(op)](left, right)
