"""Classes whose `forward` the program sets from outside: MindSpore calls `construct`."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from mapper import limits
from mapper.analysis.module import ParsedModule
from mapper.analysis.program import program_of
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import walk
from mapper.model.record import record
from mapper.planning.forms.class_checks import Problem

_NAME = "forward"


def of_set_methods(module: ParsedModule, classes: Sequence[ast.ClassDef]) -> Iterator[Problem]:
    """Yield for each class why it cannot be MindSpore's, if its `forward` may be set later.

    A class is meant by its name, and by `self` in its methods; an object of which nothing is known
    may be of any class.
    """
    own = module.path.resolve() if module.path is not None else None
    for one in classes:
        for statement in one.body:
            if not isinstance(statement, FUNCTIONS) and _NAME in _bound(statement):
                yield statement.lineno, f"`{_NAME}` is no method that is defined here"
    for path, file in program_of(module).files.items() if classes else ():
        if _NAME not in file.text:
            continue
        places = _places(module.tree if path == own else file.tree)
        for line, name in places.targets:
            where = f"line {line}" + (f" of {path.name}" if path and path != own else "")
            for one in _meant(name, classes, places.classes):
                yield one.lineno, f"{where} sets `{_NAME}`, which MindSpore does not call"


@record(frozen=True, slots=True)
class _Places:
    """Where a file sets `forward`: lines and names of the classes; `classes` are all it has."""

    targets: tuple[tuple[int, str | None], ...]
    classes: frozenset[str]


@lru_cache(limits.PARSED_FILES)
def _places(tree: ast.Module) -> _Places:
    """Return where a file sets `forward`, which is asked for every file of its program."""
    around = {
        id(node): one.name
        for one in walk(tree)
        if isinstance(one, ast.ClassDef)
        for node in walk(one)
    }
    targets = [
        (one.lineno, around.get(id(one)) if target_name(one) == "self" else target_name(one))
        for one in _targets(tree)
    ]
    return _Places(tuple(targets), frozenset(around.values()))


def target_name(target: ast.expr) -> str | None:
    """Return the name of what an attribute is set on, if it is one."""
    return target.id if isinstance(target, ast.Name) else None


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement of a class binds."""
    return {
        one.id
        for one in walk(statement)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def _meant(
    name: str | None, classes: Collection[ast.ClassDef], others: Collection[str]
) -> list[ast.ClassDef]:
    """Return the classes that a name may stand for: that of the name, or all."""
    named = [one for one in classes if one.name == name]
    return named if named or name in others else [*classes]


def _targets(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the objects whose `forward` is set."""
    for node in walk(tree):
        match node:
            case ast.Attribute(value=target, attr=attr, ctx=ast.Store() | ast.Del()) if (
                attr == _NAME
            ):
                yield target
            case ast.Call(
                func=ast.Name(id="setattr" | "delattr"),
                args=[target, ast.Constant(value=value), *_],
            ) if value == _NAME:
                yield target
