"""What a MindSpore argument is in torch's parameters: `1 - momentum`, computed with decimals."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any

from mapper.model.operators import ARITHMETIC, COMPARE, UNARY
from mapper.model.record import record


class UnknownValueError(Exception):
    """The expression depends on an argument whose value is not known."""


@record(frozen=True, slots=True)
class Reference:
    """A value that is a qualified name: `mindspore.float32`."""

    name: str


_TYPES: Mapping[str, type] = {one.__name__: one for one in (bool, float, int, list, str, tuple)}
_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **{name: one for name, one in _TYPES.items() if name != "list"},
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
}
_ROOTS = ("mindspore", "torch")


@lru_cache(maxsize=512)
def parse_expression(text: str) -> ast.expr:
    """Return the tree of an expression.

    Raises:
        ValueError: it is none, or uses more of Python than `evaluate` understands.
    """
    try:
        node = ast.parse(f"({text}\n)", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"not an expression: {text!r}") from error
    _check(node, text)
    return node


def names_in(node: ast.expr) -> tuple[str, ...]:
    """Return the torch parameters in an expression, in the order of their first appearance."""
    found: dict[str, None] = {}
    _collect(node, found)
    return tuple(found)


def _collect(node: ast.AST, found: dict[str, None]) -> None:
    if isinstance(node, ast.Attribute):
        return
    if isinstance(node, ast.Name):
        found[node.id] = None
    parts: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        is_test = ast.unparse(node.func) == "isinstance"
        parts = [*(node.args[:1] if is_test else node.args)]
    for part in parts:
        _collect(part, found)


def evaluate(node: ast.expr, values: Mapping[str, object]) -> object:
    """Compute an expression over known arguments; floats are computed as their decimals read.

    Raises:
        UnknownValueError: it depends on an argument that is not in `values`.
        ValueError: it has no value for these arguments.
    """
    try:
        return _plain(_evaluate(node, values))
    except (ArithmeticError, AttributeError, LookupError, TypeError, DecimalException) as error:
        raise ValueError(f"{ast.unparse(node)}: {error}") from error


def _evaluate(node: ast.expr, values: Mapping[str, object]) -> Any:
    match node:
        case ast.Constant(value=value):
            return _exact(value)
        case ast.Name(id=name):
            if name not in values:
                raise UnknownValueError(name)
            return _exact(values[name])
        case ast.Attribute():
            return Reference(ast.unparse(node))
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            items = [_evaluate(one, values) for one in elts]
            return tuple(items) if isinstance(node, ast.Tuple) else items
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _same_kind(_evaluate(left, values), _evaluate(right, values))
            if isinstance(op, ast.Div) and isinstance(one, int) and isinstance(other, int):
                one, other = Decimal(one), Decimal(other)
            return ARITHMETIC[type(op)](one, other)
        case ast.UnaryOp(op=op, operand=operand):
            return UNARY[type(op)](_evaluate(operand, values))
        case ast.BoolOp(op=op, values=operands):
            result: Any = None
            for operand in operands:
                result = _evaluate(operand, values)
                if bool(result) is isinstance(op, ast.Or):
                    break
            return result
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return COMPARE[type(op)](*_same_kind(_evaluate(left, values), _evaluate(right, values)))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _evaluate(body if _evaluate(test, values) else orelse, values)
        case ast.Subscript(value=whole, slice=index):
            return _evaluate(whole, values)[_evaluate(index, values)]
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, types]):
            return isinstance(_plain(_evaluate(value, values)), _types(types))
        case ast.Call(func=ast.Name(id=function), args=args):
            return _FUNCTIONS[function](*(_evaluate(one, values) for one in args))
    raise ValueError(ast.unparse(node))


def _exact(value: object) -> object:
    """Return a value with the floats in it as the decimals that they are written with."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, tuple | list):
        return type(value)(_exact(item) for item in value)
    return value


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple | list):
        return type(value)(_plain(item) for item in value)
    return value


def _same_kind(left: Any, right: Any) -> tuple[Any, Any]:
    """Return an int beside a decimal as a decimal, for their arithmetic to be exact."""
    if isinstance(left, Decimal) and isinstance(right, int):
        return left, Decimal(right)
    if isinstance(right, Decimal) and isinstance(left, int):
        return Decimal(left), right
    return left, right


def _types(node: ast.expr) -> tuple[type, ...]:
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    return tuple(_TYPES[one.id] for one in nodes if isinstance(one, ast.Name))


def _check(node: ast.expr, text: str) -> None:
    parts: list[ast.expr]
    match node:
        case ast.Constant() | ast.Name():
            return
        case ast.Attribute() if ast.unparse(node).split(".")[0] in _ROOTS:
            return
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
            pass
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            parts = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            parts = [operand]
        case ast.Compare(left=left, ops=[_], comparators=[right]):
            parts = [left, right]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            parts = [test, body, orelse]
        case ast.Subscript(value=whole, slice=index):
            parts = [whole, index]
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, types], keywords=[]) if all(
            isinstance(one, ast.Name) and one.id in _TYPES
            for one in (types.elts if isinstance(types, ast.Tuple) else [types])
        ):
            parts = [value]
        case ast.Call(func=ast.Name(id=function), args=args, keywords=[]) if function in _FUNCTIONS:
            parts = args
        case _:
            raise ValueError(f"not understood in {text!r}: `{ast.unparse(node)}`")
    for part in parts:
        _check(part, text)
