"""Subclasses of torch's convolutions: their `super().__init__(…)` is a call site too."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import children, walk


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
    problem = _problem(node, calls) or _used_problem(reference, node)
    return Subclass(reference, node, calls, problem)


def _super_init(node: ast.AST) -> ast.Call | None:
    match node:
        case ast.Call(
            func=ast.Attribute(attr="__init__", value=ast.Call(func=ast.Name(id="super")))
        ):
            return node
    return None


def _problem(node: ast.ClassDef, calls: tuple[ast.Call, ...]) -> str | None:
    """Say why a class cannot change its base; None if it only passes arguments on."""
    if len(node.bases) != 1 or node.keywords or node.decorator_list:
        return "it has other bases, a metaclass or a decorator"
    rest = [statement for statement in node.body if not _is_text(statement)]
    match rest:
        case [ast.FunctionDef(name="__init__", decorator_list=[], body=body) as init]:
            own = [one for one in body if isinstance(one, ast.Expr) and one.value in calls]
            if len(own) != 1 or len(calls) != 1:
                return "it does not call `super().__init__` once and always"
            return _more_than_passing(node, init, calls[0])
    methods = [one.name for one in rest if isinstance(one, FUNCTIONS) and one.name != "__init__"]
    if "forward" in methods:
        return "its `forward` calls torch's functions"
    if methods:
        return f"`{methods[0]}` may rely on torch's class"
    return "it does more than to pass arguments on"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _more_than_passing(node: ast.ClassDef, init: ast.FunctionDef, call: ast.Call) -> str | None:
    """Say what an `__init__` does beside the call of its base's."""
    positional = [*init.args.posonlyargs, *init.args.args]
    if not positional:
        return "its `__init__` takes the object among `*args`"
    own = positional[0].arg
    if not _is_own_super(call, node.name, own):
        return "its `super(…)` is of another class or object"
    inside = {id(one) for one in walk(call.func)}
    if any(_may_reach(one, own) for one in walk(init) if id(one) not in inside):
        return "it does more than to pass arguments on"
    return None


def _is_own_super(call: ast.Call, name: str, own: str) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Call(args=[], keywords=[])):
            return True
        case ast.Attribute(
            value=ast.Call(args=[ast.Name(id=first), ast.Name(id=second)], keywords=[])
        ):
            return (first, second) == (name, own)
    return False


_REACHING = {
    "self", "super", "__class__", "vars", "locals", "globals", "eval", "exec", "inspect",
    "_getframe", "currentframe", "f_locals",
}  # fmt: skip
"""Names through which a function may reach its own object, beside the parameter."""


def _may_reach(node: ast.AST, own: str) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == own or name in _REACHING
    return False


def _used_problem(reference: Reference, node: ast.ClassDef) -> str | None:
    """Say where the file could derive from the class or change it, under whatever name."""
    if reference.scope.kind == "class":
        return "it stands in another class"
    for parent in walk(reference.scope.module().node):
        for child in children(parent):
            match child:
                case ast.Name(id=name) | ast.Attribute(attr=name) if name == node.name:
                    is_use = not _is_harmless(child, parent)
                case ast.Constant(value=name) if name == node.name:
                    is_use = isinstance(parent, ast.Call | ast.Subscript)
                case _:
                    continue
            if is_use:
                line = child.lineno
                return (
                    f"it is used as a value (line {line}), where it may be derived from or changed"
                )
            if isinstance(parent, ast.ClassDef) and child in parent.bases:
                return f"`{parent.name}` derives from it"
    return None


_TESTS = ("isinstance", "issubclass", "super")


def _is_harmless(node: ast.AST, parent: ast.AST) -> bool:
    """Say whether a class is only called, tested for, or annotated with; bases are told apart."""
    match parent:
        case ast.Call(func=func) if func is node:
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _TESTS
        case ast.ClassDef(bases=bases):
            return node in bases
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=annotation):
            return annotation is node
        case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
            return returns is node
    return isinstance(parent, ast.Compare)
