"""Finds the calls of a function or class in the project, and what they pass."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from itertools import takewhile
from pathlib import Path

from mapper.analysis.project import calls_elsewhere
from mapper.analysis.scopes import FUNCTIONS, Scope
from mapper.analysis.uses import Use
from mapper.model.record import record

Uses = Callable[[str], Iterable[Use]]
"""From a name to every place of the file where it stands."""


@record(frozen=True, slots=True)
class Caller:
    """A call, and the statement that it stands in; None where that is in another file."""

    call: ast.Call
    statement: ast.AST | None


def calls_here(scope: Scope, uses: Uses) -> list[Caller]:
    """Return the calls in this file of the function whose scope is given (of its class)."""
    called = _called(scope)
    return _split(called[0], uses)[0] if called else []


def visible_calls(scope: Scope, uses: Uses, path: Path | None) -> list[Caller] | None:
    """Return every call of the function whose scope is given (of its class, for `__init__`).

    None when there may be others: it is decorated, derived from, or handed on as a value, here or
    in a file that imports it; and when it is never called.
    """
    called = _called(scope)
    if called is None or getattr(scope.node, "decorator_list", None):
        return None
    name, outer = called
    if len(outer.bindings.get(name, ())) != 1:
        return None
    calls, has_others = _split(name, uses)
    if has_others:
        return None
    if outer.kind == "module":
        elsewhere = calls_elsewhere(path, name) if path is not None else None
        if elsewhere is None:
            return None
        calls += [Caller(call, None) for call in elsewhere]
    return calls or None


@record(frozen=True, slots=True)
class Passed:
    """What calls give one parameter; `is_hidden`: perhaps also in `*args` or `**kwargs`."""

    values: list[tuple[Caller, ast.expr]]
    is_hidden: bool


def passed(scope: Scope, parameter: str, calls: list[Caller]) -> Passed:
    """Return what each call gives a parameter, without those that leave its default."""
    arguments = scope.node.args  # type: ignore[attr-defined]
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if scope.parent is not None and scope.parent.kind == "class":
        names = names[1:]  # self
    found, is_hidden = list[tuple[Caller, ast.expr]](), False
    for caller in calls:
        call = caller.call
        positional = list(takewhile(lambda one: not isinstance(one, ast.Starred), call.args))
        given = dict(zip(names, positional, strict=False))
        given.update({keyword.arg or "**": keyword.value for keyword in call.keywords})
        if parameter in given:
            found.append((caller, given[parameter]))
        elif len(positional) < len(call.args) or "**" in given:
            is_hidden = True
    return Passed(found, is_hidden)


def _called(scope: Scope) -> tuple[str, Scope] | None:
    """Return the name by which a function is called (`__init__`: its class), and its scope."""
    node, outer = scope.node, scope.parent
    if outer is not None and outer.kind == "class" and getattr(node, "name", "") == "__init__":
        node, outer = outer.node, outer.parent
        if getattr(node, "decorator_list", None):
            return None
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or outer is None or outer.kind == "class":
        return None
    return node.name, outer


def _split(name: str, uses: Uses) -> tuple[list[Caller], bool]:
    """Return the calls through a name, and whether it is used for anything else."""
    calls, has_others = [], False
    for use in uses(name):
        if isinstance(use.parent, ast.Call) and use.parent.func is use.node:
            calls.append(Caller(use.parent, use.statement))
        elif not _is_super(use.parent):
            has_others = True
    return calls, has_others


def _is_super(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
