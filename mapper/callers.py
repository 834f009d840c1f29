"""The calls of a function or class, where all of them can be seen."""

from __future__ import annotations

import ast
from pathlib import Path

from mapper.project import is_taken
from mapper.scopes import FUNCTIONS, Scope, occurrences


def visible_calls(scope: Scope, path: Path | None) -> list[ast.Call] | None:
    """Return every call of the function whose scope is given (of its class, for `__init__`).

    None when there may be others: another file may import it, it is decorated, derived from, or
    handed on as a value; and when it is never called here.
    """
    node, outer = scope.node, scope.parent
    if outer is not None and outer.kind == "class" and getattr(node, "name", "") == "__init__":
        node, outer = outer.node, outer.parent
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or outer is None or node.decorator_list:
        return None
    if outer.kind == "class" or len(outer.bindings.get(node.name, ())) != 1:
        return None
    if outer.kind == "module" and (path is None or is_taken(path, node.name)):
        return None
    calls, others = [], 0
    for parent, child in occurrences(outer.node, node.name):
        if isinstance(parent, ast.Call) and parent.func is child:
            calls.append(parent)
        elif not _is_super(parent):
            others += 1
    return calls if calls and not others else None


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


def _is_super(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
