"""Subclasses of torch's convolutions: their `super().__init__(…)` is a call site too."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import walk


@dataclass(frozen=True, slots=True, eq=False)
class Subclass:
    """A class that derives from a convolution, and the calls of its `super().__init__`.

    `problem` says why the class cannot change its base; None where it does nothing but pass
    arguments on.
    """

    reference: Reference
    node: ast.ClassDef
    calls: tuple[ast.Call, ...]
    problem: str | None


def find_subclass(reference: Reference) -> Subclass | None:
    """Return the subclass whose base the reference is."""
    node = reference.parents[0]
    if not isinstance(node, ast.ClassDef) or reference.node not in node.bases:
        return None
    calls = tuple(filter(None, map(_super_init, walk(node))))
    return Subclass(reference, node, calls, _problem(node, calls))


def _super_init(node: ast.AST) -> ast.Call | None:
    match node:
        case ast.Call(
            func=ast.Attribute(attr="__init__", value=ast.Call(func=ast.Name(id="super")))
        ):
            return node
    return None


def _problem(node: ast.ClassDef, calls: tuple[ast.Call, ...]) -> str | None:
    if len(node.bases) != 1 or node.keywords or node.decorator_list:
        return "it has other bases, a metaclass or a decorator"
    rest = [statement for statement in node.body if not _is_text(statement)]
    match rest:
        case [ast.FunctionDef(name="__init__", decorator_list=[], body=body)]:
            own = [one for one in body if isinstance(one, ast.Expr) and one.value in calls]
            if len(own) != 1 or len(calls) != 1:
                return "it does not call `super().__init__` once and always"
            inside = {id(one) for one in walk(own[0])}
            if any(_uses_self(one) for one in walk(rest[0]) if id(one) not in inside):
                return "it does more than to pass arguments on"
            return None
    methods = [one.name for one in rest if isinstance(one, FUNCTIONS) and one.name != "__init__"]
    if "forward" in methods:
        return "its `forward` calls torch's functions"
    if methods:
        return f"`{methods[0]}` may rely on torch's class"
    return "it does more than to pass arguments on"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _uses_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "super", "__class__")
