"""Finds where the functions and classes of a file are used in it, all in one pass."""

from __future__ import annotations

import ast
import re
from collections import Counter

from mapper.analysis.lines import folded, lines_with
from mapper.analysis.scopes import DEFINITIONS, Scopes, occurrences_in, statements_on
from mapper.files.source import LineIndex
from mapper.model.record import record

_WORD = re.compile(r"\w+")


@record(frozen=True, slots=True)
class Use:
    """A place where a name stands: the node, what is around it, and the statement it is in."""

    node: ast.expr
    parent: ast.AST
    statement: ast.AST


def find_uses(
    text: str, tree: ast.Module, scopes: Scopes, index: LineIndex
) -> dict[str, list[Use]]:
    """Return where the name of a function or class, or an attribute of that name, stands.

    Methods are left out, and so are functions and classes that the scopes skipped.
    """
    defined = {
        scope.node.name
        for scope in scopes.all
        if isinstance(scope.node, DEFINITIONS) and scope.parent and scope.parent.kind != "class"
    }
    words = Counter(word for word in _WORD.findall(folded(text)) if word in defined)
    wanted = {name for name, count in words.items() if count > 1}  # once is its definition
    if not wanted:
        return {}
    if text.isascii():
        lines = [index.position(m.start())[0] for m in _WORD.finditer(text) if m[0] in wanted]
    else:
        lines = lines_with(text, rf"\b(?:{'|'.join(map(re.escape, wanted))})\b")
    found: dict[str, list[Use]] = {}
    for statement in statements_on(tree, lines):
        for parent, node in occurrences_in(statement, wanted):
            name = node.id if isinstance(node, ast.Name) else node.attr
            found.setdefault(name, []).append(Use(node, parent, statement))
    return found
