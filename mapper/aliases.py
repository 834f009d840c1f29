"""Local names for torch classes: `conv = nn.Conv2d if flat else nn.Conv3d`, then `conv(…)`.

Such a name is understood when it lives in one function, can hold only convolution classes, and is
used for nothing but calls. Then the classes and the calls can be rewritten together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mapper.names import Reference
from mapper.scopes import Scope


@dataclass(frozen=True, slots=True, eq=False)
class Alias:
    """A local name, the references to classes that it may hold, and the calls through it.

    `problem` says why the name cannot be followed; its calls are then those that were found.
    """

    name: str
    held: tuple[Reference, ...]
    calls: tuple[ast.Call, ...]
    problem: str | None = None


def find_aliases(references: Sequence[Reference]) -> list[Alias]:
    """Return the local aliases that the given references are assigned to."""
    groups: dict[tuple[Scope, str], list[Reference]] = {}
    for reference in references:
        name = _assigned_name(reference)
        if name is not None:
            groups.setdefault((reference.scope, name), []).append(reference)
    return [_alias(scope, name, held) for (scope, name), held in groups.items()]


def _assigned_name(reference: Reference) -> str | None:
    """Return the name that a class is assigned to, also as a branch of a conditional."""
    if reference.call is not None or reference.problem or reference.scope.kind != "function":
        return None
    inner: ast.AST = reference.node
    for parent in reference.parents:
        match parent:
            case ast.IfExp(test=test) if test is not inner:
                inner = parent
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is inner:
                return name
            case _:
                return None
    return None


def _alias(scope: Scope, name: str, held: list[Reference]) -> Alias:
    uses = [n for n in ast.walk(scope.node) if isinstance(n, ast.Name) and n.id == name]
    loads = {id(n) for n in uses if isinstance(n.ctx, ast.Load)}
    calls = tuple(_calls(scope.node, loads))
    stored = len(uses) - len(loads)
    problem = None
    if stored != len(scope.bindings[name]) or _is_rebound(scope, name):
        problem = f"`{name}` is also bound in an inner scope"
    elif len(calls) != len(loads):
        problem = f"`{name}` is also used for something else than a call"
    elif not _holds_only(scope, name, {id(reference.node) for reference in held}):
        problem = f"`{name}` may also hold something that is no torch convolution"
    elif not calls:
        problem = f"`{name}` is never called here"
    return Alias(name, tuple(held), calls, problem)


def _is_rebound(scope: Scope, name: str) -> bool:
    """Say whether something inside the function has a `name` of its own."""
    for node in ast.walk(scope.node):
        match node:
            case ast.arg(arg=found) | ast.alias(asname=found) | ast.alias(name=found, asname=None):
                if found == name:
                    return True
            case ast.FunctionDef(name=found) | ast.ClassDef(name=found):
                if found == name and node is not scope.node:
                    return True
            case ast.Global(names=found) | ast.Nonlocal(names=found):
                if name in found:
                    return True
    return False


def _calls(function: ast.AST, loads: set[int]) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and id(node.func) in loads:
            yield node


def _holds_only(scope: Scope, name: str, held: set[int]) -> bool:
    """Say whether every binding of the name is made of the held references alone."""
    for binding in scope.bindings[name]:
        leaves = _leaves(binding.value) if binding.kind == "assign" else []
        if not leaves or any(id(leaf) not in held for leaf in leaves):
            return False
    return True


def _leaves(node: ast.expr | None) -> list[ast.expr]:
    if isinstance(node, ast.IfExp):
        return [*_leaves(node.body), *_leaves(node.orelse)]
    return [] if node is None else [node]
