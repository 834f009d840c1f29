"""Does a rewritten text parse? Only the statements that changed are parsed again.

A module is a row of statements, most on lines of their own. The text is cut into such pieces, down
into classes and functions. A changed piece has to begin with the indentation that it had, and to
parse as a block by itself: what parses piece by piece does so in a row. Wherever that cannot be
told, the whole text is parsed.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from mapper.analysis.scopes import DEFINITIONS
from mapper.files.source import Edit, LineIndex, splice
from mapper.model.record import record

_INDENT = re.compile(r"[ \t\f]*")
_NO_TOKEN = ("", "\r", "\n", "#", "\\")  # the first token, whose indentation counts, comes later


class _NotToldError(Exception):
    """The pieces do not tell."""


@record(frozen=True, slots=True)
class _Piece:
    """Whole lines with the statements on them, from one offset up to another."""

    start: int
    end: int
    statements: Sequence[ast.stmt]


def check(text: str, tree: ast.Module, index: LineIndex, edits: Sequence[Edit]) -> None:
    """Insist that the text parses after the sorted edits. `tree` and `index` are its own.

    Raises:
        SyntaxError: it does not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _Checker(text, index).block(_Piece(0, len(text), tree.body), edits, is_inner=False)
        except (_NotToldError, SyntaxError):
            ast.parse(splice(text, edits))


@record(frozen=True, slots=True)
class _Checker:
    """Checks the pieces of one text, with the edits in each."""

    text: str
    index: LineIndex

    def block(self, block: _Piece, edits: Sequence[Edit], *, is_inner: bool) -> None:
        """Check the statements of the module, or of a class or function (`is_inner`)."""
        done = 0
        for piece in self._pieces(block):
            first = done
            while done < len(edits) and (edits[done].start < piece.end or piece.end == block.end):
                done += 1
            if first < done:
                here = edits[first:done]
                if not piece.start <= here[0].start <= here[-1].end <= piece.end:
                    raise _NotToldError
                self._piece(piece, here, is_inner)

    def _pieces(self, block: _Piece) -> Iterator[_Piece]:
        start, group = block.start, list[ast.stmt]()
        for statement in block.statements:
            if group and _first_line(statement) > (group[-1].end_lineno or 0):
                following = self.index.line_start(_first_line(statement))
                self._refuse_continued(following)
                yield _Piece(start, following, group)
                start, group = following, []
            group.append(statement)
        yield _Piece(start, block.end, group)

    def _refuse_continued(self, offset: int) -> None:
        """Refuse to cut where a backslash joins the lines."""
        if self.text[max(0, offset - 3) : offset].rstrip("\r\n").endswith("\\"):
            raise _NotToldError

    def _piece(self, piece: _Piece, edits: Sequence[Edit], is_inner: bool) -> None:
        match piece.statements:
            case [ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() as definition]:
                inner = self.index.line_start(_first_line(definition.body[0]))
                if inner <= edits[0].start and self._is_on_own_line(definition.body[0]):
                    self._refuse_continued(inner)
                    block = _Piece(inner, piece.end, definition.body)
                    self.block(block, edits, is_inner=True)
                    return
        moved = [Edit(e.start - piece.start, e.end - piece.start, e.text) for e in edits]
        before = self.text[piece.start : piece.end]
        _check_lines(before, splice(before, moved), is_inner)

    def _is_on_own_line(self, statement: ast.stmt) -> bool:
        """Say whether only white space, or a decorator's `@`, stands before it on its line."""
        start = self.index.line_start(_first_line(statement))
        indent = _INDENT.match(self.text, start)
        assert indent is not None
        is_decorated = self.text.startswith("@", indent.end())
        own = self.index.offset(statement.lineno, statement.col_offset)
        return indent.end() == own or (is_decorated and isinstance(statement, DEFINITIONS))


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", None)
    return decorators[0].lineno if decorators else statement.lineno


def _check_lines(before: str, after: str, is_inner: bool) -> None:
    """Check what became of a piece's lines."""
    lines = after.rstrip("\r\n")
    is_ended = lines != after or not after or not before.endswith(("\n", "\r"))
    if not is_ended or lines.endswith("\\"):
        raise _NotToldError
    if not is_inner:
        ast.parse(after)
        return
    indent, own = _INDENT.match(before), _INDENT.match(after)
    if indent is None or own is None or indent[0] != own[0] or after[own.end() :][:1] in _NO_TOKEN:
        raise _NotToldError
    match ast.parse(f"if 1:\n{after}").body:
        case [ast.If(body=[_, *_], orelse=[])]:
            return
    raise _NotToldError
