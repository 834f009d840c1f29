"""Annotations of parameters, as kinds of value: `int | Tuple[int, int]`."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Mapping

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


def in_annotation(node: ast.AST, parents: Iterable[ast.AST]) -> bool:
    """Say whether an expression is an annotation, or a part of one: `Conv2d | None`, `"Conv2d"`.

    `parents` leads from the expression outwards.
    """
    inner = node
    for parent in parents:
        match parent:
            case ast.arg():
                return True
            case ast.AnnAssign(annotation=annotation):
                return annotation is inner
            case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
                return returns is inner
            case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal")):
                return False
            case ast.BinOp(op=ast.BitOr()) | ast.Subscript() | ast.Tuple() | ast.List():
                inner = parent
            case ast.Constant():
                inner = parent
            case _:
                return False
    return False


def forward_reference(node: ast.Constant) -> tuple[ast.expr, bool] | None:
    """Return the expression in a string annotation, and whether its places are those in the file.

    They are for a plain string on one line; else all are the place of the string.
    """
    text = node.value
    assert isinstance(text, str)
    code = text.lstrip(" \t")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    width = len(text.encode("utf-8", "replace"))
    end = node.end_col_offset or 0
    is_plain = node.lineno == node.end_lineno and end - node.col_offset == width + 2
    is_plain = is_plain and "\n" not in text
    at = node.col_offset + 1 + len(text) - len(code)
    for part in ast.walk(inner):
        if isinstance(part, ast.expr):
            if not is_plain:
                ast.copy_location(part, node)
                continue
            part.lineno = part.end_lineno = node.lineno
            part.col_offset += at
            part.end_col_offset = (part.end_col_offset or 0) + at
    return inner, is_plain


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
