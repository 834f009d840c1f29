"""Migrates one file: from its bytes to a result; nothing in the bytes makes it raise."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.files.candidates import is_candidate
from mapper.files.source import Source, SourceError, check_size, decode, not_python, splice
from mapper.files.suppressions import mentions
from mapper.limits import LARGEST_NOTEBOOK, LARGEST_SOURCE
from mapper.model.results import FileResult, FileStatus, Note
from mapper.rulebook.tables import RuleError
from mapper.running.switches import switches

if TYPE_CHECKING:
    from mapper.files.notebook_module import Joined
    from mapper.model.options import Options
    from mapper.running.module import Migration, Migrator

STREAM = "<stdin>"
"""The name of standard input that came without one."""

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

    Raises:
        RuleError: a file of the rule database cannot be used, so the next file would fail, too.

    """
    with without_collector():
        return _process(task, options)


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep Python's garbage collector off: a syntax tree is many objects, with hardly a cycle.

    It would go through all of them after each file, which is a fifth of the time for a package of
    300 files, and frees little.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _process(task: Task, options: Options) -> FileResult:
    """Migrate one file's content, and turn every error in it into a result."""
    if not is_candidate(task.data, task.place, options.is_whole):
        whole = True if options.is_whole else None
        notes = _useless_comments(task, options)
        return FileResult(task.path, FileStatus.UNCHANGED, notes=notes, whole=whole)
    try:
        if task.path.endswith(".ipynb"):
            return _notebook(task, options)
        return _module(task, options)
    except SourceError as error:
        return failed(task.path, str(error))
    except SyntaxError as error:
        return failed(task.path, not_python(error), error.lineno or 0, error.offset or 0)
    except (RecursionError, MemoryError) as error:
        words = f"too deeply nested or too large ({type(error).__name__}); {REPORT_BUG}"
        return failed(task.path, words)
    except RuleError:
        raise
    except Exception as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        words = f"internal error at {place}: {type(error).__name__}: {error}; {REPORT_BUG}"
        return failed(task.path, words)


_migrators: dict[Options, Migrator] = {}


def migrator(options: Options) -> Migrator:
    """Return this process's migrator, which remembers its proofs."""
    if options not in _migrators:
        from mapper.rulebook.loader import load
        from mapper.running.module import Migrator

        _migrators[options] = Migrator(load(), options)
    return _migrators[options]


def begin_run() -> None:
    """Forget what earlier runs of this process found in files, which may have changed since."""
    if _migrators:
        from mapper.analysis.project_files import forget

        forget()
        for one in _migrators.values():
            one.forget()


def _useless_comments(task: Task, options: Options) -> tuple[Note, ...]:
    """Return the notes for suppressions in a file that has nothing to suppress."""
    if not mentions(task.data):
        return ()
    try:
        if task.path.endswith(".ipynb"):
            book = _opened(task)[1]
            off = switches(book.text, task.place, options)
            return tuple(map(book.moved_note, off.notes())) if off else ()
        check_size(len(task.data), LARGEST_SOURCE)
        off = switches(decode(task.data).text, task.place, options)
        return off.notes() if off else ()
    except (SourceError, RecursionError, MemoryError):
        return ()  # the file holds no site, so its errors are not reported


def failed(path: str, message: str, line: int = 0, column: int = 0) -> FileResult:
    """Return the result of a file that could not be done, with the place that is at fault."""
    return FileResult(path, FileStatus.FAILED, message=message, line=line, column=column)


def _module(task: Task, options: Options) -> FileResult:
    check_size(len(task.data), LARGEST_SOURCE)
    source = decode(task.data)
    off = switches(source.text, task.place, options)
    found = migrator(options).migrate(source.text, source.newline, off, _place(task))
    found = replace(found, notes=(*found.notes, *_unasked(task, found.unasked)))
    return _result(task, source, splice(source.text, found.edits), found)


def _unasked(task: Task, names: Iterable[str]) -> list[Note]:
    """Say what other files were not asked about, where a stream came without a name."""
    words = ", ".join(f"`{name}`" for name in names) if task.path == STREAM else ""
    said = f"whether other files import {words} from here is not known: name it (--stdin-filename)"
    return [Note(1, said)] if words else []


def _place(task: Task) -> Path | None:
    """Return where the file stands, also when this worker does not have it; None for a stream."""
    path = Path(task.place)
    return path if path.is_absolute() or path.is_file() else None


def _result(task: Task, source: Source, after: str, found: Migration) -> FileResult:
    """Return the result of a file that was migrated."""
    changed = after != source.text
    if changed:
        source.encode(after)  # what cannot be encoded is better found now than at writing
    mark = "\ufeff" if source.bom else ""
    return FileResult(
        task.path,
        FileStatus.CHANGED if changed else FileStatus.UNCHANGED,
        found.sites,
        None,
        found.notes,
        mark + source.text,
        mark + after,
        source.encoding,
        found.whole,
        definitions=found.definitions,
    )


def _notebook(task: Task, options: Options) -> FileResult:
    """Migrate a notebook as one module, and put the edits back into its cells."""
    source, book = _opened(task)
    off = switches(book.text, task.place, options)
    found = migrator(options).migrate(book.text, book.newline, off, _place(task))
    notes = (*book.notes, *map(book.moved_note, found.notes))
    after = book.apply(found.edits)
    sites = tuple(map(book.moved_site, found.sites))
    moved = replace(found, sites=sites, notes=notes, definitions=())  # their lines are of no cell
    return _result(task, source, after, moved)


def _opened(task: Task) -> tuple[Source, Joined]:
    from mapper.files.notebook_module import Joined

    check_size(len(task.data), LARGEST_NOTEBOOK, "notebook")
    source = decode(task.data)
    return source, Joined(source.text)
