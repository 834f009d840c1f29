"""A notebook as one module: its cells one below the other, and the way back to each cell."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate

from mapper.files import notebook
from mapper.files.source import Edit, LineIndex, Source, check_size, not_python
from mapper.limits import LARGEST_SOURCE
from mapper.model.conv_names import CLASS, FUNCTION
from mapper.model.results import Note, Site

_CONV = re.compile(rf"\b{CLASS}\b|\b{FUNCTION}\(")
_TORCH = re.compile(rf"{_CONV.pattern}|torch|\bnn\b")


class Joined:
    """The Python of a notebook: imports of one cell count in the others.

    `notes` says what is not read: cells that do not parse, magics with convolutions.
    """

    def __init__(self, raw: str) -> None:
        self._book = notebook.read(raw)
        check_size(sum(len(cell.text) for cell in self._book.cells), LARGEST_SOURCE)
        self.notes: list[Note] = []
        texts = [self._python(cell) for cell in self._book.cells]
        self.text = "\n".join(texts)
        self.newline = Source("".join(texts)).newline
        self._indices = [cell.index for cell in self._book.cells]
        ends = list(accumulate(len(text) + 1 for text in texts))
        self._starts = [0, *ends[:-1]]
        self._ends = [end - 1 for end in ends]
        index = LineIndex(self.text)
        self._lines = [index.position(start)[0] for start in self._starts[: len(texts)]]

    def _python(self, cell: notebook.Cell) -> str:
        """Return a cell's Python; blank, and with a note, where it is none."""
        self.notes += _unread(cell)
        if cell.skipped is not None or (why := _unparsable(cell.text)) is None:
            return cell.text
        is_error = _TORCH.search(cell.text) is not None
        self.notes.append(Note(1, f"this cell is skipped: {why}", cell.index, is_error))
        return re.sub(r"[^\r\n]", " ", cell.text)

    def apply(self, edits: Iterable[Edit]) -> str:
        """Return the notebook with edits of the text put into its cells."""
        by_cell: dict[int, list[Edit]] = {}
        for edit in edits:
            at = bisect_right(self._starts, edit.start) - 1
            start, end = self._starts[at], min(edit.end, self._ends[at])
            moved = Edit(edit.start - start, end - start, edit.text)
            by_cell.setdefault(self._indices[at], []).append(moved)
        return self._book.apply(by_cell)

    def moved_site(self, site: Site) -> Site:
        """Return the site with its lines counted from its cell's first."""
        cell, above = self._cell_of(site.span.line)
        span = replace(site.span, line=site.span.line - above, end_line=site.span.end_line - above)
        return replace(site, span=span, cell=cell)

    def moved_note(self, note: Note) -> Note:
        """Return the note with its line counted from its cell's first."""
        cell, above = self._cell_of(note.line)
        return replace(note, line=note.line - above, cell=cell)

    def _cell_of(self, line: int) -> tuple[int, int]:
        """Return the index of the cell that holds a line, and how many lines are above it."""
        at = bisect_right(self._lines, line) - 1
        return self._indices[at], self._lines[at] - 1


def _unread(cell: notebook.Cell) -> Iterator[Note]:
    """Yield a note for each convolution where no Python is read: magics, other languages."""
    if not cell.masked or not _CONV.search(cell.original):
        return
    if cell.skipped is not None:
        yield Note(1, f"{cell.skipped}: the convolutions in it are left", cell.index)
        return
    lines = re.split(r"\r\n|\r|\n", cell.original)
    for line in cell.masked:
        if line <= len(lines) and _CONV.search(lines[line - 1]):
            said = "the convolution in this magic is left: put it on a line of Python"
            yield Note(line, said, cell.index)


def _unparsable(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return where + not_python(error)
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return None
