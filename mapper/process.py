"""One file: from its bytes to a result, whatever is in them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.outcome import FileResult, FileStatus, Note, Site
from mapper.source import Edit, Source, SourceError, decode, may_mention_conv, splice
from mapper.suppress import mentions

if TYPE_CHECKING:
    from mapper.migrate import Migrator
    from mapper.options import Options
    from mapper.selection import Selection
    from mapper.suppress import Suppressions

REPORT_BUG = "please report it with the file at hand; the file is left as it was"


@dataclass(frozen=True, slots=True)
class Task:
    """One file to migrate: the name for the report and its content."""

    path: str
    data: bytes


def process(task: Task, options: Options) -> FileResult:
    """Migrate one file's content. Never raises for what is in the file."""
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
        return failed(task.path, f"too deeply nested or too large ({type(error).__name__})")
    except Exception as error:
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


def _switches(text: str, path: str, options: Options) -> Suppressions:
    """Return what switches sites off in one file: its comments, and the settings."""
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
        return _switches(decode(task.data).text, task.path, options).notes()
    except SourceError:
        return ()  # no concern of ours: the file holds no convolution


def failed(path: str, message: str) -> FileResult:
    """Return the result of a file that could not be done."""
    return FileResult(path, FileStatus.FAILED, message=message)


def _syntax(error: SyntaxError) -> str:
    where = f"line {error.lineno}: " if error.lineno else ""
    return f"{where}not valid Python: {error.msg}"


def _module(task: Task, source: Source, options: Options) -> FileResult:
    off = _switches(source.text, task.path, options)
    found = migrator(options).migrate(source.text, source.newline, off)
    return _result(task, source, found.sites, found.notes, splice(source.text, found.edits))


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
    notes, texts, starts, offset, line = list[Note](), list[str](), [], 0, 1
    for cell in book.cells:
        text = cell.text
        if cell.skipped is None and (why := _unparsable(text)) is not None:
            notes.append(Note(1, f"this cell is skipped: {why}", cell.index))
            text = "".join(c if c in "\r\n" else " " for c in text)
        texts.append(text)
        starts.append((offset, line, cell.index))
        offset, line = offset + len(text) + 1, line + len(text.splitlines()) + 1
    joined = "\n".join(texts)
    found = migrator(options).migrate(joined, off=_switches(joined, task.path, options))
    places = _Places(joined, starts)
    edits: dict[int, list[Edit]] = {}
    for edit in found.edits:
        start, index = places.cell_of(edit.start)
        moved = Edit(edit.start - start, edit.end - start, edit.text)
        edits.setdefault(index, []).append(moved)
    sites = [places.moved(site) for site in found.sites]
    notes += [places.moved_note(note) for note in found.notes]
    return _result(task, source, sites, notes, book.apply(edits))


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
    """Where each cell starts in the joined text: by offset and by line."""

    def __init__(self, joined: str, starts: Sequence[tuple[int, int, int]]) -> None:
        from mapper.source import LineIndex

        index = LineIndex(joined)
        self._starts = [(offset, index.position(offset)[0], cell) for offset, _, cell in starts]

    def cell_of(self, offset: int) -> tuple[int, int]:
        """Return the start and the index of the cell at an offset."""
        start, _, cell = max(s for s in self._starts if s[0] <= offset)
        return start, cell

    def moved(self, site: Site) -> Site:
        """Return the site with its lines counted from its cell's first."""
        first, cell = self._cell_with(site.span.line)
        span = replace(
            site.span,
            line=site.span.line - first + 1,
            end_line=site.span.end_line - first + 1,
        )
        return replace(site, span=span, cell=cell)

    def moved_note(self, note: Note) -> Note:
        """Return the note with its line counted from its cell's first."""
        first, cell = self._cell_with(note.line)
        return replace(note, line=note.line - first + 1, cell=cell)

    def _cell_with(self, line: int) -> tuple[int, int]:
        """Return the first line and the index of the cell that holds a line."""
        _, first, cell = max(s for s in self._starts if s[1] <= line)
        return first, cell
