"""Arguments fixed by `functools.partial(nn.Conv2d, …)`, joined with those of a call through it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from mapper.analysis.bind import Argument

CLASS = "class"
"""Stands in a plan for the first argument of `partial`, which no parameter is called."""


def joined(partial: ast.Call, call: ast.Call) -> ast.Call:
    """Return the one call that calling the partial amounts to."""
    args = [*partial.args[1:], *call.args]
    made = ast.Call(call.func, args, [*partial.keywords, *call.keywords])
    return ast.copy_location(made, call)


def split(
    arguments: Mapping[str, Argument], partial: ast.Call, call: ast.Call
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the places of the arguments in the partial, and of the others in the call."""
    fixed, own = {CLASS: 0}, dict[str, int]()
    ends = [len(partial.args) - 1, len(call.args), len(partial.keywords), len(call.keywords)]
    for name, argument in arguments.items():
        index = argument.index
        part = 0
        while index >= ends[part]:
            index -= ends[part]
            part += 1
        match part:
            case 0:
                fixed[name] = 1 + index
            case 1:
                own[name] = index
            case 2:
                fixed[name] = len(partial.args) + index
            case _:
                own[name] = len(call.args) + index
    return fixed, own


def as_one(fixed: str, text: str, function: str) -> str:
    """Return the written partial and the written call through it as the one call they make."""
    partial = ast.parse(f"({fixed}\n)", mode="eval").body
    assert isinstance(partial, ast.Call)
    tree = ast.parse(f"({text}\n)", mode="eval").body
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
            node.args = [*partial.args[1:], *node.args]
            node.keywords = [*partial.keywords, *node.keywords]
            break
    return ast.unparse(tree)
