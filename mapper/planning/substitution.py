"""Puts a call's own arguments into a rule's expression, and decides its conditions where it can.

`1 - momentum` with `momentum=a + b` is `1 - (a + b)`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from copy import deepcopy

from mapper.planning.bound_call import BoundCall
from mapper.rulebook.expressions import UnknownValueError, evaluate, names_in


def simplified(node: ast.expr, call: BoundCall, values: Mapping[str, object]) -> ast.expr:
    """Return the expression without the conditions that are decided for this call."""
    found: ast.expr = _Simplifier(call, values).visit(deepcopy(node))
    return found


class _Simplifier(ast.NodeTransformer):
    def __init__(self, call: BoundCall, values: Mapping[str, object]) -> None:
        self._call = call
        self._values = values

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        holds = self._holds(node.test)
        if holds is None and not _is_about_kind(node.test):
            return self.generic_visit(node)
        found: ast.AST = self.visit(node.body if holds else node.orelse)
        return found

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Drop operands before the one that decides: `stride or kernel_size`."""
        rest = list(node.values)
        while len(rest) > 1:
            holds = self._holds(rest[0])
            if holds is None:
                break
            rest = rest[:1] if holds is isinstance(node.op, ast.Or) else rest[1:]
        if len(rest) == 1:
            found: ast.AST = self.visit(rest[0])
            return found
        node.values = rest
        return self.generic_visit(node)

    def _holds(self, test: ast.expr) -> bool | None:
        """Say whether a condition holds, by values, and by kinds where they decide."""
        try:
            return bool(evaluate(test, self._values))
        except (UnknownValueError, ValueError):
            pass
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                holds = self._holds(inner)
                return None if holds is None else not holds
            case ast.BoolOp(op=op, values=parts):
                results = [self._holds(part) for part in parts]
                stops = isinstance(op, ast.Or)
                return stops if stops in results else None if None in results else not stops
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), types]):
                wanted = {one.id for one in ast.walk(types) if isinstance(one, ast.Name)}
                return self._is_of(name, wanted | ({"bool"} if "int" in wanted else set()))
            case ast.Compare(
                left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=None)]
            ):
                is_none = self._is_of(name, {"None"})
                return is_none if is_none is None else is_none is isinstance(op, ast.Is | ast.Eq)
        return None

    def _is_of(self, name: str, wanted: set[str]) -> bool | None:
        kinds = self._call.kinds(self._call.node(name))
        if "any" in kinds:
            return None
        return True if kinds <= wanted else None if kinds & wanted else False


def _is_about_kind(test: ast.expr) -> bool:
    """Say whether a test asks what a parameter is: `isinstance(x, tuple)`, `x is None`.

    Where the kind is not known, the branch behind `else` is written, which rules keep for the usual
    kind: nobody wants code that tests kinds. The proof tries the other kinds, and these mostly
    raise in MindSpore.
    """
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(), _]):
            return True
        case ast.Compare(left=ast.Name(), ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            return True
    return False


def substituted(node: ast.expr, call: BoundCall) -> str:
    """Return the source of an expression with the arguments' own texts for torch's parameters."""
    names = [name for name in names_in(node) if name in call.rule.torch.names]
    marks = {name: f"_{number}_mark_" for number, name in enumerate(names)}
    text = ast.unparse(_Renamer(marks).visit(deepcopy(node)))
    for name, mark in marks.items():
        own = _source(call, name)
        enclosed = text.replace(mark, f"({own})")
        bare = text.replace(mark, own)
        text = bare if _dumped(bare) == _dumped(enclosed) else enclosed
    return text


def _source(call: BoundCall, name: str) -> str:
    if call.given(name):
        return call.text(call.node(name))
    spec = call.rule.torch.parameter(name)
    return spec.default_text if spec else "None"


def _dumped(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(f"({text}\n)", mode="eval"))
    except SyntaxError:
        return None


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(self._names.get(node.id, node.id), node.ctx), node)
