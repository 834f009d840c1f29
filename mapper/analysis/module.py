"""A parsed file: its text, its tree, and the names in it."""

from __future__ import annotations

import ast
import re
from dataclasses import field
from pathlib import Path

from mapper.analysis.resolve import Names
from mapper.analysis.uses import Use, find_uses
from mapper.files.source import LineIndex
from mapper.model.record import record


@record(frozen=True, slots=True)
class ParsedModule:
    """One parsed file: its text, tree and names."""

    text: str
    tree: ast.Module
    names: Names
    index: LineIndex
    newline: str = "\n"
    path: Path | None = None
    _uses: list[dict[str, list[Use]]] = field(default_factory=list)

    def uses(self, name: str) -> list[Use]:
        """Return where a function or class of this file, or an attribute of its name, stands."""
        if not self._uses:
            self._uses.append(find_uses(self.text, self.tree, self.names.scopes, self.index))
        return self._uses[0].get(name, [])

    def start(self, node: ast.AST) -> int:
        """Return the character offset at which a node starts."""
        return self.index.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Return the character offset just after a node."""
        return self.index.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def source(self, node: ast.AST) -> str:
        """Return the text of a node."""
        return self.text[self.start(node) : self.end(node)]

    def line_end(self, offset: int) -> int:
        """Return the offset of the line end at or after `offset` (or of the end of the text)."""
        found = re.compile(r"[\r\n]").search(self.text, offset)
        return found.start() if found else len(self.text)
