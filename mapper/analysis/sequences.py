"""Finds the elements of sequences written as `(k,) * 2` or `[p for _ in range(2)]`."""

from __future__ import annotations

import ast
from copy import deepcopy

SIZE = 64  # elements; longer ones are not written out


def elements(node: ast.expr) -> list[ast.expr] | None:
    """Return the elements of a tuple or list, one by one; None where the length is not known.

    Displays, their repetition by a number, and comprehensions over these or over `range` of a
    number are understood. An element that had to be built, as in a comprehension, has no position.
    """
    match node:
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            return None if any(isinstance(one, ast.Starred) for one in elts) else elts
        case ast.BinOp(left=ast.Constant(value=int(count)), op=ast.Mult(), right=repeated):
            return _repeated(repeated, count)
        case ast.BinOp(left=repeated, op=ast.Mult(), right=ast.Constant(value=int(count))):
            return _repeated(repeated, count)
        case ast.Call(func=ast.Name(id="tuple" | "list"), args=[inner], keywords=[]):
            return elements(inner)
        case ast.ListComp(elt=element, generators=[generator]):
            return _each(element, generator)
        case ast.GeneratorExp(elt=element, generators=[generator]):
            return _each(element, generator)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(count))]):
            return [ast.Constant(i) for i in range(count)] if count <= SIZE else None
    return None


def _repeated(node: ast.expr, count: int) -> list[ast.expr] | None:
    found = elements(node)
    if found is None or len(found) * max(count, 0) > SIZE:
        return None
    return found * count


def _each(element: ast.expr, generator: ast.comprehension) -> list[ast.expr] | None:
    target = generator.target
    if generator.ifs or generator.is_async or not isinstance(target, ast.Name):
        return None
    over = elements(generator.iter)
    if over is None or any(isinstance(part, _BINDING) for part in ast.walk(element)):
        return None
    return [_with(element, target.id, value) for value in over]


_BINDING = (
    *(ast.Lambda, ast.NamedExpr, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.Await, ast.Yield, ast.YieldFrom),
)


def _with(element: ast.expr, name: str, value: ast.expr) -> ast.expr:
    """Return a copy of the element with `value` for a name; itself where the name is not in it."""
    if not any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(element)):
        return element
    changed: ast.expr = _Substitution(name, value).visit(deepcopy(element))
    for part in ast.walk(changed):
        for place in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            part.__dict__.pop(place, None)
    return changed


class _Substitution(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr) -> None:
        self._name = name
        self._value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return deepcopy(self._value) if node.id == self._name else node
