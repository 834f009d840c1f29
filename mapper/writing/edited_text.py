"""A file's text with the replacements made so far, which can be read node by node.

Sites are written from the inside out: a call is written with its arguments as already rewritten,
so that a call and the calls in its arguments can both change.
"""

from __future__ import annotations

import ast
from bisect import bisect_left

from mapper.analysis.module import ParsedModule
from mapper.files.source import Edit, splice
from mapper.writing.layout import Offset


class EditedText:
    """The text of a module and the edits of its expressions, the outermost ones only."""

    def __init__(self, module: ParsedModule) -> None:
        self._module = module
        self._edits: list[Edit] = []

    @property
    def newline(self) -> str:
        """Return the line end that the file has."""
        return self._module.newline

    @property
    def edits(self) -> list[Edit]:
        """Return the edits in order, none of them inside another."""
        return list(self._edits)

    def replace(self, node: ast.AST, text: str) -> None:
        """Let `text` take the node's place; edits inside it are dropped, for `text` holds them."""
        self.put(self._module.start(node), self._module.end(node), text)

    def put(self, start: int, end: int, text: str) -> None:
        """Let `text` take the place of a stretch of the file; edits inside it are dropped."""
        first, last = self._within(start, end)
        self._edits[first:last] = [Edit(start, end, text)]

    def has_edits(self, node: ast.AST) -> bool:
        """Say whether something inside a node has been replaced."""
        first, last = self._within(self._module.start(node), self._module.end(node))
        return first < last

    def source(self, node: ast.AST) -> str:
        """Return the text of a node with the edits made in it so far."""
        start, end = self._module.start(node), self._module.end(node)
        inside = self._inside(start, end)
        if not inside:
            return self._module.text[start:end]
        moved = [Edit(e.start - start, e.end - start, e.text) for e in inside]
        return splice(self._module.text[start:end], moved)

    def offsets(self, node: ast.AST) -> Offset:
        """Return where positions of the tree lie in `source(node)`."""
        start = self._module.start(node)
        inside = self._inside(start, self._module.end(node))

        def offset(line: int, column: int) -> int:
            at = self._module.index.offset(line, column)
            grown = sum(len(e.text) - (e.end - e.start) for e in inside if e.end <= at)
            return at - start + grown

        return offset

    def _inside(self, start: int, end: int) -> list[Edit]:
        first, last = self._within(start, end)
        return self._edits[first:last]

    def _within(self, start: int, end: int) -> tuple[int, int]:
        first = bisect_left(self._edits, start, key=lambda edit: edit.start)
        last = first
        while last < len(self._edits) and self._edits[last].end <= end:
            last += 1
        return first, last
