"""Which of Python's own functions and types a file has others of that name of."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterable

from mapper.analysis.evaluate import FUNCTIONS, TYPES
from mapper.analysis.project import bound_in
from mapper.analysis.project_files import find
from mapper.analysis.resolve import Names
from mapper.analysis.scopes import Scope
from mapper.analysis.walk import walk

_READ = frozenset({*FUNCTIONS, *TYPES, "any", "all", "dict", "isinstance", "math", "range"})
_OWN = frozenset(dir(builtins))


def is_shadowed(name: str, scope: Scope, names: Names) -> bool:
    """Say whether a name of Python's (or `math`) means something else in a scope."""
    found = scope.lookup(name)
    if found is not None:
        return name != "math" or any(one.target != "math" for one in found[1])
    for star in scope.module().stars:
        file = find(star, names.path) if names.path and not name.startswith("_") else None
        if file is not None and bound_in(file, name):
            return True
    return False


def misread(arguments: Iterable[ast.expr], scope: Scope, names: Names) -> str | None:
    """Return the name in some expressions that would be taken for Python's, and is the file's."""
    for argument in arguments:
        own = {
            part.id
            for part in walk(argument)
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)
        }
        for name in _functions(argument):
            if name in own or is_shadowed(name, scope, names):
                return name
    return None


def may_misread(node: ast.expr, names: Names) -> bool:
    """Say whether any scope of the file has another function of a name that is evaluated here."""
    scopes = names.scopes
    return any(
        is_shadowed(name, scopes.module, names)
        or any(is_shadowed(name, one, names) for one in scopes.all if name in one.bindings)
        for name in set(_functions(node))
    )


def _functions(node: ast.expr) -> list[str]:
    """Return the names of Python's that the evaluation of an expression relies on."""
    found = list[str]()
    for part in walk(node):
        if not isinstance(part, ast.Call):
            continue
        root = part.func
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in _READ:
            found.append(root.id)
            if root.id == "isinstance" and len(part.args) > 1:
                types = [one.id for one in walk(part.args[1]) if isinstance(one, ast.Name)]
                found += [one for one in types if one in TYPES]
    return found


def clashing(before: ast.expr, after: ast.expr, scope: Scope, names: Names) -> str | None:
    """Return the name that a rewrite writes for Python's where the file has another."""
    had, has = _own_names(before), _own_names(after)
    for name in has:
        if has[name] > had[name] and is_shadowed(name, scope, names):
            return name
    return None


def clashing_in(source: str, names: Names) -> str | None:
    """Return the name of Python's that inserted source relies on and the module has another of."""
    module = names.scopes.module
    own = {one.arg for one in ast.walk(ast.parse(source)) if isinstance(one, ast.arg)}
    for name in _own_names(ast.parse(source)):
        if name not in own and is_shadowed(name, module, names):
            return name
    return None


def _own_names(node: ast.AST) -> Counter[str]:
    return Counter(part.id for part in walk(node) if isinstance(part, ast.Name) and part.id in _OWN)
