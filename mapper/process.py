"""One file: from its bytes to a result, whatever is in them."""

from __future__ import annotations

import gc
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.outcome import FileResult, FileStatus, Note, Site
from mapper.prefilter import may_mention_conv
from mapper.source import Edit, Source, SourceError, decode, splice
from mapper.suppress import MARK, mentions

if TYPE_CHECKING:
    from mapper.migrate import Migrator
    from mapper.notebook import Cell
    from mapper.options import Options
    from mapper.selection import Selection
    from mapper.suppress import Suppressions

_CONV = re.compile(r"\b(?:Lazy)?Conv(?:Transpose)?[123]d\b|\bconv(?:_transpose)?[123]d\(")
REPORT_BUG = "please report it with the file at hand; the file is left as it was"


@dataclass(frozen=True, slots=True)
class Task:
    """One file to migrate: the name for the report, its content, and where the name starts."""

    path: str
    data: bytes
    directory: str = ""

    @property
    def place(self) -> str:
        """Return the path as it means the same file from everywhere."""
        return f"{self.directory}/{self.path}" if self.directory else self.path


def process(task: Task, options: Options) -> FileResult:
    """Migrate one file's content. Never raises for what is in the file.

    The garbage collector rests meanwhile: a tree is many objects, and hardly a cycle.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _process(task, options)
    finally:
        if was_enabled:
            gc.enable()


def _process(task: Task, options: Options) -> FileResult:
    if not may_mention_conv(task.data):
        return FileResult(task.path, FileStatus.UNCHANGED, notes=_useless_comments(task, options))
    try:
        source = decode(task.data)
        if task.path.endswith(".ipynb"):
            return _notebook(task, source, options)
        return _module(task, source, options)
    except SourceError as error:
        return failed(task.path, str(error))
    except SyntaxError as error:
        return failed(task.path, _syntax(error))
    except (RecursionError, MemoryError) as error:
        words = f"too deeply nested or too large ({type(error).__name__}); {REPORT_BUG}"
        return failed(task.path, words)
    except Exception as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        words = f"internal error at {place}: {type(error).__name__}: {error}; {REPORT_BUG}"
        return failed(task.path, words)


@cache
def migrator(options: Options) -> Migrator:
    """Return this process's migrator, which remembers its proofs."""
    from mapper.migrate import Migrator
    from mapper.rulebook import load

    return Migrator(load(), options)


@cache
def _selection(options: Options) -> Selection:
    from mapper.rulebook import load
    from mapper.selection import Selection

    chosen = options.select, options.ignore, options.per_file_ignores
    return Selection.of(load(), *chosen, options.root)


def _switches(text: str, path: str, options: Options) -> Suppressions | None:
    """Return what switches sites off in one file: its comments, and the settings."""
    chosen = options.select or options.ignore or options.per_file_ignores
    if not chosen and MARK not in text:
        return None
    from mapper.rulebook import load
    from mapper.selection import understood
    from mapper.suppress import Suppressions

    def understands(name: str) -> Callable[[str, str], bool] | None:
        found = understood(load(), name)
        return found.matches if found else None

    return Suppressions(text, understands, _selection(options).in_file(path).reason)


def _useless_comments(task: Task, options: Options) -> tuple[Note, ...]:
    """Return the notes for suppressions in a module that has nothing to suppress."""
    if not mentions(task.data) or task.path.endswith(".ipynb"):
        return ()
    try:
        off = _switches(decode(task.data).text, task.place, options)
        return off.notes() if off else ()
    except SourceError:
        return ()  # no concern of ours: the file holds no convolution


def failed(path: str, message: str) -> FileResult:
    """Return the result of a file that could not be done."""
    return FileResult(path, FileStatus.FAILED, message=message)


def _syntax(error: SyntaxError) -> str:
    where = f"line {error.lineno}: " if error.lineno else ""
    return f"{where}not valid Python: {error.msg}"


def _module(task: Task, source: Source, options: Options) -> FileResult:
    off = _switches(source.text, task.place, options)
    found = migrator(options).migrate(source.text, source.newline, off, _place(task))
    return _result(task, source, found.sites, found.notes, splice(source.text, found.edits))


def _place(task: Task) -> Path | None:
    """Return where the file stands, also when this worker does not have it; None for a stream."""
    path = Path(task.place)
    return path if path.is_absolute() or path.is_file() else None


def _result(
    task: Task, source: Source, sites: Iterable[Site], notes: Iterable[Note], after: str
) -> FileResult:
    changed = after != source.text
    if changed:
        source.encode(after)  # what cannot be encoded is better found now than at writing
    mark = "\ufeff" if source.bom else ""
    return FileResult(
        task.path,
        FileStatus.CHANGED if changed else FileStatus.UNCHANGED,
        tuple(sites),
        None,
        tuple(notes),
        mark + source.text,
        mark + after,
        source.encoding,
    )


def _notebook(task: Task, source: Source, options: Options) -> FileResult:
    """Migrate a notebook as one module: imports of one cell count in the others."""
    from mapper import notebook

    book = notebook.read(source.text)
    notes = list[Note]()
    texts = [_cell_text(cell, notes) for cell in book.cells]
    joined, newline = "\n".join(texts), Source("".join(texts)).newline
    off = _switches(joined, task.place, options)
    found = migrator(options).migrate(joined, newline, off, _place(task))
    places = _Places(texts, [cell.index for cell in book.cells])
    edits: dict[int, list[Edit]] = {}
    for edit in found.edits:
        index, moved = places.moved_edit(edit)
        edits.setdefault(index, []).append(moved)
    sites = [places.moved_site(site) for site in found.sites]
    notes += [places.moved_note(note) for note in found.notes]
    return _result(task, source, sites, notes, book.apply(edits))


def _cell_text(cell: Cell, notes: list[Note]) -> str:
    """Return a cell's Python; blank, and with a note, where it is none."""
    notes += _unread(cell)
    if cell.skipped is not None or (why := _unparsable(cell.text)) is None:
        return cell.text
    notes.append(Note(1, f"this cell is skipped: {why}", cell.index))
    return re.sub(r"[^\r\n]", " ", cell.text)


def _unread(cell: Cell) -> Iterator[Note]:
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
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return _syntax(error)
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return None


class _Places:
    """Where each cell lies in the text of all, one below the other: by offset and by line."""

    def __init__(self, texts: Sequence[str], indices: Sequence[int]) -> None:
        from mapper.source import LineIndex

        ends = list(accumulate(len(text) + 1 for text in texts))
        self._starts = [0, *ends[:-1]]
        self._ends = [end - 1 for end in ends]
        self._indices = indices
        index = LineIndex("\n".join(texts))
        self._lines = [index.position(start)[0] for start in self._starts]

    def moved_edit(self, edit: Edit) -> tuple[int, Edit]:
        """Return the index of the edit's cell, and the edit as it is in there."""
        at = bisect_right(self._starts, edit.start) - 1
        start, end = self._starts[at], min(edit.end, self._ends[at])
        return self._indices[at], Edit(edit.start - start, end - start, edit.text)

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
