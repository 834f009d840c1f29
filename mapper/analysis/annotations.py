"""Annotations of parameters, as kinds of value: `int | Tuple[int, int]`."""

from __future__ import annotations

import ast
from collections.abc import Mapping

_PLAIN: Mapping[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in ("bool", "int", "float", "str", "tuple", "list")},
    "Tuple": frozenset({"tuple"}),
    "List": frozenset({"list"}),
    "None": frozenset({"None"}),
    **dict.fromkeys(
        ("_size_1_t", "_size_2_t", "_size_3_t", "_int_tuple_2_t"), frozenset({"int", "tuple"})
    ),
    "Sequence": frozenset({"tuple", "list"}),
}


def kinds_of_annotation(node: ast.expr) -> frozenset[str]:
    """Return the kinds of value that an annotation admits; none where it is not understood."""
    match node:
        case ast.Constant(value=None):
            return frozenset({"None"})
        case ast.Constant(value=str(text)):
            try:
                return kinds_of_annotation(ast.parse(text, mode="eval").body)
            except (SyntaxError, ValueError):
                return frozenset()
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _PLAIN.get(name, frozenset())
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _all(left, right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _subscripted(name, inner)
    return frozenset()


def _subscripted(name: str, inner: ast.expr) -> frozenset[str]:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Optional":
        return _all(inner, ast.Constant(None))
    if name == "Union":
        return _all(*parts)
    if name == "Literal":
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        if len(values) < len(parts):
            return frozenset()
        return frozenset("None" if value is None else type(value).__name__ for value in values)
    return _PLAIN.get(name, frozenset())


def _all(*nodes: ast.expr) -> frozenset[str]:
    """Return the kinds of either; none where one of them is not understood."""
    kinds = [kinds_of_annotation(node) for node in nodes]
    return frozenset().union(*kinds) if all(kinds) else frozenset()
