"""Finds names that a function reads although a branch or loop alone binds them.

Python binds them as it runs; MindSpore's GRAPH_MODE compiles all branches and loops, and refuses
them (measured). Conditions on `self` alone are decided before it compiles, so names that they bind
may be read, but for those in the branches of a conditional expression.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True)
class _Bound:
    """The names bound at a point: in any case, and if conditions on `self` are decided before."""

    always: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        self.always.add(name)
        self.decided.add(name)

    def copy(self) -> _Bound:
        return _Bound({*self.always}, {*self.decided})


def half_bound(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, int]:
    """Return the names that GRAPH_MODE refuses, each with the line on which it is read."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    parameters = {one.arg for one in every}
    walk = _Walk(_stored(function.body) - parameters)
    walk.block(function.body, _Bound({*parameters}, {*parameters}))
    return walk.found


def _stored(body: Sequence[ast.stmt]) -> set[str]:
    """Return the names that assignments and loops of a body bind."""
    found = set[str]()
    stack: list[ast.AST] = [*body]
    while stack:
        node = stack.pop()
        if isinstance(node, (*_NESTED, *_COMPREHENSIONS)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        stack.extend(ast.iter_child_nodes(node))
    return found


class _Walk:
    """Goes through a function in order; `found` are the names with the lines that read them."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self.found: dict[str, int] = {}

    def block(self, body: Sequence[ast.stmt], bound: _Bound) -> bool:
        """Go through statements and say whether control flow gets to their end."""
        return all(self._statement(one, bound) for one in body)

    def _statement(self, node: ast.stmt, bound: _Bound) -> bool:
        match node:
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                self._reads(node, bound)
                return False
            case ast.If(test=test, body=body, orelse=orelse):
                self._reads(test, bound)
                return self._if(_is_of_self(test), body, orelse, bound)
            case ast.For(target=target, iter=over, body=body, orelse=orelse):
                self._reads(over, bound)
                inside = bound.copy()
                for name in _stored_in(target):
                    inside.add(name)
                self.block(body, inside)
                return self.block(orelse, bound)
            case ast.While(test=test, body=body, orelse=orelse):
                self._reads(test, bound)
                self.block(body, bound.copy())
                return self.block(orelse, bound)
            case ast.With(items=items, body=body):
                for item in items:
                    self._reads(item, bound)
                return self.block(body, bound)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Try() | ast.Match():
                for name in _stored([node]):
                    bound.add(name)  # neither is compiled in GRAPH_MODE
            case ast.AugAssign(target=ast.Name(id=name)):
                self._reads(node.value, bound)
                self._read(name, node.lineno, bound.decided)
            case _:
                self._reads(node, bound)
                for name in _stored_in(node):
                    bound.add(name)
        return True

    def _if(
        self, is_of_self: bool, body: list[ast.stmt], orelse: list[ast.stmt], bound: _Bound
    ) -> bool:
        first, second = bound.copy(), bound.copy()
        ends = [
            after
            for branch, after in ((body, first), (orelse, second))
            if self.block(branch, after)
        ]
        if not ends:
            return False
        bound.always = set.intersection(*(one.always for one in ends))
        join = set.union if is_of_self else set.intersection
        bound.decided = join(*(one.decided for one in ends))
        return True

    def _reads(self, node: ast.AST, bound: _Bound) -> None:
        stack: list[tuple[ast.AST, set[str]]] = [(node, bound.decided)]
        while stack:
            one, names = stack.pop()
            if isinstance(one, (*_NESTED, *_COMPREHENSIONS)):
                continue
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
                self._read(one.id, one.lineno, names)
            if isinstance(one, ast.IfExp):
                stack += [(one.test, names), (one.body, bound.always), (one.orelse, bound.always)]
                continue
            stack.extend((child, names) for child in ast.iter_child_nodes(one))

    def _read(self, name: str, line: int, bound: set[str]) -> None:
        if name in self._names and name not in bound:
            self.found.setdefault(name, line)


def _stored_in(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            yield one.id


def _is_of_self(test: ast.expr) -> bool:
    """Say whether a condition reads attributes of `self` and nothing else."""
    names = {one.id for one in ast.walk(test) if isinstance(one, ast.Name)}
    calls = any(isinstance(one, ast.Call) for one in ast.walk(test))
    return names <= {"self"} and not calls
