"""Evaluates an expression: to its value, or to the symbols that it is made of.

Nothing of the migrated code is ever run. What this evaluator does not understand is a *symbol*,
named by its source text, and the prover tries values for it.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from mapper.analysis.sequences import SIZE, elements
from mapper.analysis.walk import walk
from mapper.model.operators import ARITHMETIC, COMPARE, UNARY
from mapper.model.record import record

LIMIT = 10**9  # ints beyond this, and sequences or strings longer than SIZE, are not computed


class UnknownError(Exception):
    """The expression has no value that this evaluator can tell."""


@record(frozen=True, slots=True)
class Known:
    """A value that is certain."""

    value: object


def float_of(value: object) -> float:
    """Return a number as a float; a string is not read: it may be `nan`."""
    if not isinstance(value, int | float):
        raise UnknownError("a number that is read from a string")
    return float(value)


_BINARY = {**ARITHMETIC, ast.LShift: operator.lshift, ast.RShift: operator.rshift}
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "abs": abs,
    "bool": bool,
    "float": float_of,
    "int": int,
    "len": len,
    "list": list,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "max": max,
    "min": min,
    "round": lambda value, digits=None: round(value, digits and max(digits, -SIZE)),
    "sum": sum,
    "tuple": tuple,
}


TYPES: Mapping[str, type] = {one.__name__: one for one in (bool, float, int, list, str, tuple)}
NUMERIC = frozenset(
    {"abs", "bool", "float", "int", "math.ceil", "math.floor", "max", "min", "round"}
)


_HARMLESS = FUNCTIONS.keys() | {"isinstance", "range", *(f"math.{name}" for name in dir(math))}


def symbol(node: ast.expr) -> str:
    """Return the name under which an expression that is not understood is known."""
    attributes: list[str] = []
    root = node
    while isinstance(root, ast.Attribute):
        attributes.append(root.attr)
        root = root.value
    if isinstance(root, ast.Name):
        return ".".join([root.id, *reversed(attributes)])
    return _text(node)


@lru_cache(maxsize=256)  # one proof asks for its symbols at every trial
def _text(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except ValueError:  # Python does not print integers of more than 4300 digits
        return f"<the expression at {node.lineno}:{node.col_offset}>"


def symbols(node: ast.expr) -> dict[str, ast.expr]:
    """Return the symbols that the value of `node` depends on, in source order."""
    found: dict[str, ast.expr] = {}
    stack = [node]
    while stack:
        current = stack.pop()
        parts = _parts(current)
        if parts is None:
            found.setdefault(symbol(current), current)
        else:
            stack.extend(reversed(parts))
    return found


def skeleton(node: ast.expr, names: dict[str, int]) -> str:
    """Return the structure of an expression, with its symbols numbered into `names`."""
    parts = _parts(node)
    if parts is None:
        number = names.setdefault(symbol(node), len(names))
        return f"${number}:{type(node).__name__}:{_made_by(node, names)}"
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and node.value > LIMIT:
            return f"{node.value:#x}"
        return repr(node.value)
    operators = [getattr(node, "op", None), *getattr(node, "ops", ())]
    signs = "".join(type(op).__name__ for op in operators if op is not None)
    function = symbol(node.func) if isinstance(node, ast.Call) else ""
    if function == "isinstance" and isinstance(node, ast.Call):
        function += f":{symbol(node.args[1])}:"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
        function = repr([symbol(key) for key in node.value.keys if key])
    inside = ",".join(skeleton(part, names) for part in parts)
    return f"{type(node).__name__}{signs}{function}({inside})"


def _made_by(node: ast.expr, names: dict[str, int]) -> str:
    """Return the structure of what a symbol is made of, as far as `_evaluate` may look into it."""
    match node:
        case ast.Call(func=function, args=args):
            return f"{symbol(function)}({','.join(skeleton(one, names) for one in args)})"
        case ast.Subscript(value=value, slice=index):
            return f"{skeleton(value, names)}[{symbol(index)}]"
        case ast.GeneratorExp() | ast.ListComp():
            return symbol(node)
    return ""


def known(node: ast.expr) -> Known | None:
    """Return the value of an expression without symbols; None when there is none to tell."""
    if symbols(node):
        return None
    try:
        return Known(evaluate(node, {}))
    except UnknownError:
        return None


def evaluate(node: ast.expr, values: Mapping[str, object]) -> object:
    """Compute an expression, with `values` for its symbols.

    Raises:
        UnknownError: a symbol has no value, the computation fails, or it is too large.
    """
    if isinstance(node, ast.Name) and node.id in values:
        return _bounded(values[node.id])
    try:
        return _bounded(_evaluate(node, values))
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as e:
        raise UnknownError(f"{type(e).__name__}: {e}") from e


def is_bool(node: ast.expr) -> bool:
    """Say whether an expression is a bool whatever its symbols are."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, bool)
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id="bool" | "isinstance" | "any" | "all")):
            return True
        case ast.BoolOp(values=values):
            return all(map(is_bool, values))
        case ast.IfExp(body=body, orelse=orelse):
            return is_bool(body) and is_bool(orelse)
    return False


def is_repeatable(node: ast.expr) -> bool:
    """Say whether evaluating twice is harmless: no call but our own few, no walrus."""
    return not any(
        isinstance(n, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(n, ast.Call) and not is_harmless(n))
        for n in walk(node)
    )


def is_harmless(call: ast.Call) -> bool:
    """Say whether a call only reads: a few functions, and the size of what a name holds."""
    match call.func:
        case ast.Attribute(value=ast.Name() | ast.Attribute(), attr="size" | "dim" | "numel"):
            return not call.keywords
    return symbol(call.func) in _HARMLESS


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return the operands of an expression that `_evaluate` understands, else None."""
    match node:
        case ast.Constant():
            return []
        case ast.Name() | ast.Attribute():  # tested first, since most are
            return None
        case ast.Tuple() | ast.List() | ast.ListComp() | ast.GeneratorExp():
            return elements(node)
        case ast.BinOp(left=left, op=op, right=right):
            return [left, right] if type(op) in _BINARY else None
        case ast.UnaryOp(op=op, operand=operand):
            return [operand] if type(op) in UNARY else None
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, comparators=comparators):
            return [left, *comparators]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [test, body, orelse]
        case ast.Call(func=ast.Name(id="range")):
            return elements(node)
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, kinds], keywords=[]):
            return [value] if _types(kinds) else None
        case ast.Call(func=ast.Name() | ast.Attribute() as func, args=args, keywords=[]):
            if symbol(func) in FUNCTIONS and not any(isinstance(a, ast.Starred) for a in args):
                are_known = symbol(func) in NUMERIC or all(elements(a) is not None for a in args)
                return args if are_known else None
        case ast.Subscript(value=ast.Tuple() | ast.List() as value, slice=ast.expr() as index):
            return [value, index]
        case ast.Subscript(value=ast.Dict(keys=keys, values=values), slice=ast.expr() as index):
            return [*values, index] if all(isinstance(k, ast.Constant) for k in keys) else None
    return None


def _types(node: ast.expr) -> tuple[type, ...]:
    """Return the types in an `isinstance` test; none where one is not of the few known here."""
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    types = [TYPES.get(symbol(name)) for name in names]
    return tuple(one for one in types if one) if all(types) else ()


def _evaluate(node: ast.expr, values: Mapping[str, object]) -> object:
    """Return the value of an expression whose symbols have the given values."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Tuple(elts=elts):
            return tuple(_evaluate(e, values) for e in elts)
        case ast.List() | ast.ListComp() | ast.GeneratorExp() if (
            found := elements(node)
        ) is not None:
            return [_evaluate(e, values) for e in found]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return binary(op, _evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return UNARY[type(op)](_evaluate(operand, values))
        case ast.BoolOp(op=op, values=operands):
            return _bool_op(op, operands, values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(_evaluate(left, values), ops, comparators, values)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _evaluate(body if _evaluate(test, values) else orelse, values)
    if _parts(node) is not None:
        if isinstance(node, ast.Call):
            return _call(node, values)
        if isinstance(node, ast.Subscript):
            return _item(node, values)
    name = symbol(node)
    if name in values:
        return values[name]
    match node:
        case ast.Subscript(value=whole) if symbol(whole) in values:
            return _item(node, values)  # an element of a symbol
        case ast.Call(func=ast.Name(id="tuple"), args=[whole]):
            return _call(node, values)
        case ast.GeneratorExp(elt=element, generators=generators):
            return list(_iterated(element, generators, values))
    raise UnknownError(f"`{name}` is not known")


def _call(node: ast.Call, values: Mapping[str, object]) -> object:
    if symbol(node.func) == "range":
        return [_evaluate(one, values) for one in elements(node) or ()]
    if symbol(node.func) == "isinstance":
        return isinstance(_evaluate(node.args[0], values), _types(node.args[1]))
    arguments = [_bounded(_evaluate(a, values)) for a in node.args]
    return FUNCTIONS[symbol(node.func)](*arguments)


def _iterated(
    element: ast.expr, generators: list[ast.comprehension], values: Mapping[str, object]
) -> Iterator[object]:
    """Yield the elements of a comprehension over what a symbol holds: not more than SIZE."""
    if not generators:
        yield _evaluate(element, values)
        return
    first, *rest = generators
    items: Any = _evaluate(first.iter, values)
    if first.ifs or not isinstance(first.target, ast.Name) or len(items) > SIZE:
        raise UnknownError("not understood")
    for item in items:
        yield from _iterated(element, rest, {**values, first.target.id: item})


def _item(node: ast.Subscript, values: Mapping[str, object]) -> object:
    whole: Any
    if isinstance(node.value, ast.Dict):
        pairs = zip(node.value.keys, node.value.values, strict=True)
        whole = {_evaluate(k, values): _evaluate(v, values) for k, v in pairs if k is not None}
    else:
        whole = _evaluate(node.value, values)
    return operator.getitem(whole, _evaluate(node.slice, values))


def binary(op: ast.operator, left: object, right: object) -> object:
    """Compute one operator, unless the result would be large.

    Raises:
        UnknownError: it would, or no number or sequence comes of it.
    """
    _bounded(left)
    _bounded(right)
    is_root = isinstance(op, ast.Pow) and isinstance(right, float) and abs(right) <= 1
    if isinstance(op, ast.Pow | ast.LShift) and not (
        is_root or (isinstance(right, int) and abs(right) < SIZE)
    ):
        raise UnknownError("too large")
    if is_root and isinstance(left, int | float) and left <= 0:
        raise UnknownError("a root of what is not positive")
    if isinstance(op, ast.Mod) and isinstance(left, str | bytes):
        raise UnknownError("a formatted string")  # its width is not bounded
    sequences = [v for v in (left, right) if isinstance(v, tuple | list | str | bytes)]
    numbers = [v for v in (left, right) if isinstance(v, int)]
    if isinstance(op, ast.Mult) and sequences and max(numbers, default=0) > SIZE:
        raise UnknownError("too long")
    return _bounded(_BINARY[type(op)](left, right))


def _bounded(value: object) -> object:
    """Return the value, unless it is large or has many elements, shared ones counted each time."""
    if value is None or (isinstance(value, int) and -LIMIT <= value <= LIMIT):
        return value
    stack, seen = [value], 0
    while stack:
        part = stack.pop()
        seen += 1
        if isinstance(part, int | float) and not abs(part) <= LIMIT:
            raise UnknownError("too large")
        if isinstance(part, tuple | list | str | bytes) and len(part) > SIZE:
            raise UnknownError("too long")
        if seen > 4 * SIZE:
            raise UnknownError("too deeply nested")
        if isinstance(part, tuple | list):
            stack.extend(part)
    return value


def _bool_op(op: ast.boolop, operands: list[ast.expr], values: Mapping[str, object]) -> object:
    stop = isinstance(op, ast.Or)
    result: object = None
    for operand in operands:
        result = _evaluate(operand, values)
        if bool(result) is stop:
            break
    return result


def _compare(
    left: object, ops: list[ast.cmpop], rest: list[ast.expr], values: Mapping[str, object]
) -> bool:
    for op, node in zip(ops, rest, strict=True):
        right = _evaluate(node, values)
        if not COMPARE[type(op)](left, right):
            return False
        left = right
    return True
