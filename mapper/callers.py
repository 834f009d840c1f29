"""The calls of a function or class that can be seen, and what they pass."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

from mapper.project import is_taken
from mapper.scopes import FUNCTIONS, Scope

Uses = Callable[[str], Iterable[tuple[ast.AST, ast.Name]]]
"""From a name to every place of the file where it is read or stored, with what is around it."""


def calls_here(scope: Scope, uses: Uses) -> list[ast.Call]:
    """Return the calls in this file of the function whose scope is given (of its class)."""
    called = _called(scope)
    return _split(called[0], uses)[0] if called else []


def visible_calls(scope: Scope, uses: Uses, path: Path | None) -> list[ast.Call] | None:
    """Return every call of the function whose scope is given (of its class, for `__init__`).

    None when there may be others: another file may import it, it is decorated, derived from, or
    handed on as a value; and when it is never called here.
    """
    called = _called(scope)
    if called is None or getattr(scope.node, "decorator_list", None):
        return None
    name, outer = called
    if len(outer.bindings.get(name, ())) != 1:
        return None
    calls, has_others = _split(name, uses)
    if not calls or has_others:
        return None
    if outer.kind == "module" and (path is None or is_taken(path, name)):
        return None
    return calls


def passed(scope: Scope, parameter: str, calls: list[ast.Call]) -> list[ast.expr | None] | None:
    """Return what each call gives a parameter, None for its default; None when that is hidden."""
    arguments = scope.node.args  # type: ignore[attr-defined]
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if scope.parent is not None and scope.parent.kind == "class":
        names = names[1:]  # self
    found: list[ast.expr | None] = []
    for call in calls:
        if any(isinstance(one, ast.Starred) for one in call.args):
            return None
        given = dict(zip(names, call.args, strict=False))
        given.update({keyword.arg or "**": keyword.value for keyword in call.keywords})
        if "**" in given:
            return None
        found.append(given.get(parameter))
    return found


def _called(scope: Scope) -> tuple[str, Scope] | None:
    """Return the name under which a function is called (`__init__`: its class), and its home."""
    node, outer = scope.node, scope.parent
    if outer is not None and outer.kind == "class" and getattr(node, "name", "") == "__init__":
        node, outer = outer.node, outer.parent
        if getattr(node, "decorator_list", None):
            return None
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or outer is None or outer.kind == "class":
        return None
    return node.name, outer


def _split(name: str, uses: Uses) -> tuple[list[ast.Call], bool]:
    """Return the calls through a name, and whether it is used for anything else."""
    calls, has_others = [], False
    for parent, node in uses(name):
        if isinstance(parent, ast.Call) and parent.func is node:
            calls.append(parent)
        elif not _is_super(parent):
            has_others = True
    return calls, has_others


def _is_super(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
