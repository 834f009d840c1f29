"""Finds the class and attribute that a call builds a layer for, so that weights can be matched."""

from __future__ import annotations

import ast

from mapper.analysis.resolve import Names, Reference
from mapper.analysis.torch_names import is_torch

_LISTS = ("torch.nn.Sequential", "torch.nn.modules.container.Sequential")


def built_by(
    reference: Reference, node: ast.expr | ast.stmt, names: Names
) -> tuple[str | None, str | None]:
    """Return the class, and the attribute of `self` that the built layer is assigned to, if any.

    A layer inside a Sequential has its position after the attribute: `body.0`.
    """
    if node is not reference.call:
        return None, None
    owner, path = _class_around(reference), ""
    inner: ast.expr = node
    for parent in reference.parents:
        match parent:
            case ast.Call(func=func, args=args) if inner in args:
                meaning = names.meaning(func, reference.scope)
                before = args[: args.index(inner)]
                if meaning and meaning.name in _LISTS and not _has_star(before):
                    path = f".{args.index(inner)}{path}"
                elif meaning and is_torch(meaning.name):
                    path = ""
            case (
                ast.Assign(targets=[ast.Attribute() as target])
                | ast.AnnAssign(target=ast.Attribute() as target)
            ) if isinstance(target.value, ast.Name) and target.value.id == "self":
                return owner, f"{target.attr}{path}"
            case ast.Starred() | ast.List() | ast.Tuple() | ast.Dict():
                path = ""
        if isinstance(parent, ast.expr):
            inner = parent
    return None, None


def _has_star(nodes: list[ast.expr]) -> bool:
    return any(isinstance(node, ast.Starred) for node in nodes)


def _class_around(reference: Reference) -> str | None:
    scope = reference.scope
    while scope.parent is not None:
        if isinstance(scope.node, ast.ClassDef):
            return scope.node.name
        scope = scope.parent
    return None
