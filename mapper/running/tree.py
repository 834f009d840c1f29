"""Migrates many files: reads, rewrites and writes them, in order, even if one fails.

A bounded number of files is read ahead, and only what the reports of this run will show is kept of
a result. What is rewritten in place is written when every file is done: until then each file may be
read as the neighbour of another one, and is to be read as it was.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Self

from mapper.files import regular
from mapper.files.candidates import may_concern_us
from mapper.files.discover import Found, discover
from mapper.files.paths import shown
from mapper.limits import HELD_CHANGES, LARGEST_FILE
from mapper.model.options import Options
from mapper.model.record import record
from mapper.model.results import FileResult, FileStatus, Status
from mapper.running.config import Config, Settings
from mapper.running.file import Task, begin_run, failed, process, without_collector

if TYPE_CHECKING:
    from concurrent.futures import Executor

POOL_PAYS = 1_000_000  # bytes of candidates (about a second of work) from which processes are used

Watch = Callable[[int, Iterator[FileResult]], Iterator[FileResult]]
"""Sees the results pass by, e.g. to show progress; gets how many there will be."""

_LISTED = (Status.MANUAL, Status.UNSAFE, Status.SHAPE_ONLY)  # shown with an excerpt in any case


@record(frozen=True, slots=True)
class _File:
    found: Found
    data: bytes | None
    result: FileResult | None = None


@record(frozen=True, slots=True)
class Process:
    """Migrates tasks under fixed options; it can be pickled and sent to other processes."""

    options: Options

    def __call__(self, task: Task) -> FileResult:
        """Migrate one file's content."""
        return process(task, self.options)


def migrate_files(
    paths: Sequence[str],
    config: Config,
    options: Options,
    watch: Watch | None = None,
    executor: Executor | None = None,
    watch_writing: Watch | None = None,
) -> list[FileResult]:
    """Migrate everything under `paths` and write it as the settings say.

    The work is done by `executor` if there is one (it stays open), else on the cluster that the
    settings name, else in as many processes as they say. `watch` sees the results as they are
    computed; `watch_writing` sees them when they are in place, if they are written in place.

    Raises:
        ClusterError: the cluster cannot be used.
        MirrorError: the output directory cannot become a mirror; nothing was written.
    """
    settings = config.settings
    found = list(
        discover(
            paths,
            exclude=settings.exclude,
            extend_exclude=settings.extend_exclude,
            force_exclude=settings.force_exclude,
            respect_gitignore=settings.respect_gitignore,
            root=config.root,
            mirrored_to=settings.output,
        )
    )
    if options.is_whole:
        options = replace(options, named=_named(found))
    if settings.shard is not None:
        from mapper.running.shards import part

        found = list(part(found, settings.shard))
    mirror = None
    if settings.output is not None:
        from mapper.running.mirror import planned

        found, mirror = planned(found, settings.output)
    begin_run()
    with Changes() as changes, without_collector():
        done = _migrated(found, config, Process(options), executor, changes)
        results = list(watch(len(found), done) if watch else done)
        if changes:
            written = changes.written(results)
            results = list(watch_writing(len(found), written) if watch_writing else written)
    return [*results, *(mirror.write() if mirror else ())]


def _named(found: Iterable[Found]) -> frozenset[str]:
    """Return which files a run names: whole directories, where it names all of their files."""
    by_directory = dict[str, set[str]]()
    for one in found:
        directory, name = os.path.split(os.path.realpath(one.path))
        by_directory.setdefault(directory, set()).add(name)
    named = set[str]()
    for directory, names in by_directory.items():
        try:
            there = {
                one.name for one in os.scandir(directory) if one.name.endswith((".py", ".ipynb"))
            }
        except OSError:
            there = set()
        is_all = bool(there) and there <= names
        named |= {directory} if is_all else {f"{directory}/{name}" for name in names}
    return frozenset(named)


def _migrated(
    found: Iterable[Found],
    config: Config,
    work: Process,
    executor: Executor | None,
    changes: Changes,
) -> Iterator[FileResult]:
    """Yield a result for every file, in order, once it is written, or among the changes."""
    waiting: deque[_File] = deque()
    here = Path.cwd().as_posix()

    def read() -> Iterator[Task | FileResult]:
        for one in found:
            file = _read(one, work.options.is_whole)
            waiting.append(file)
            yield file.result or _task(file, here)

    kept = keeper(config.settings, diff=config.settings.diff)
    swept = set[Path]()
    for result in _results(read(), config.settings, work, executor):
        file = waiting.popleft()
        if not (config.settings.check or config.settings.diff or file.found.error):
            _sweep(_target(file, config.settings), swept)
        if config.settings.output is not None:
            result = _mirror(file, result, _target(file, config.settings))
        elif result.status is FileStatus.CHANGED and not (
            config.settings.check or config.settings.diff
        ):
            changes.add(file, result)
        else:
            changes.skip()
        yield kept(result)


def _task(file: _File, here: str) -> Task:
    assert file.data is not None
    name = shown(file.found.name)
    return Task(name, file.data, "" if Path(name).is_absolute() else here)


def _read(found: Found, is_whole: bool) -> _File:
    """Read a file, keeping its content only when there may be something to do in it."""
    name = shown(found.name)
    if found.error is not None:
        return _File(found, None, failed(name, found.error))
    try:
        data = regular.read(found.name, LARGEST_FILE)
    except OSError as error:
        return _File(found, None, failed(name, f"cannot be read: {error.strerror or error}"))
    if may_concern_us(data, found.name, is_whole):
        return _File(found, data)
    whole = True if is_whole else None
    return _File(found, None, FileResult(name, FileStatus.UNCHANGED, whole=whole))


# --- who does the work --------------------------------------------------------------------------


def _results(
    files: Iterator[Task | FileResult], settings: Settings, work: Process, executor: Executor | None
) -> Iterator[FileResult]:
    """Yield a result for each file, from whoever does the work."""
    if executor is None and settings.dask is None:
        files, jobs = _jobs(files, settings.jobs or _cores())
        yield from _here(files, work) if jobs == 1 else _by_processes(files, work, jobs)
        return
    from mapper.running.workers import AHEAD, in_order

    with ExitStack() as stack:
        ahead = AHEAD
        if executor is None:
            from mapper.running.cluster import connected

            assert settings.dask is not None
            executor, ahead = stack.enter_context(connected(settings.dask))
        yield from in_order(files, work, executor, ahead)


def _by_processes(
    files: Iterator[Task | FileResult], work: Process, jobs: int
) -> Iterator[FileResult]:
    from functools import partial

    from mapper.running.workers import AHEAD, BUNDLE, in_order, processes

    renew = partial(processes, jobs)
    executor = renew()
    try:
        yield from in_order(files, work, executor, AHEAD * jobs, renew, BUNDLE)
    finally:
        executor.shutdown(cancel_futures=True)


def _jobs(files: Iterator[Task | FileResult], jobs: int) -> tuple[Iterator[Task | FileResult], int]:
    """Return the files, and how many processes to use: one, unless there is enough to do."""
    if jobs == 1:
        return files, 1
    ahead, size = list[Task | FileResult](), 0
    for file in files:
        ahead.append(file)
        size += len(file.data) if isinstance(file, Task) else 0
        if size >= POOL_PAYS:
            return chain(ahead, files), jobs
    return iter(ahead), 1


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _here(files: Iterable[Task | FileResult], work: Process) -> Iterator[FileResult]:
    for file in files:
        yield file if isinstance(file, FileResult) else work(file)


# --- what is kept of a result -------------------------------------------------------------------


def keeper(settings: Settings, *, diff: bool) -> Callable[[FileResult], FileResult]:
    """Return a function that drops the texts of a result which no report of this run will show.

    `diff`: the result will still be shown as a diff.
    """
    changes = diff or any(path.suffix == ".html" for path in settings.report)
    is_shown = not settings.diff or settings.output_file is not None
    excerpts = settings.output_format == "full" and is_shown
    listed = tuple(Status) if settings.verbose else _LISTED

    def kept(result: FileResult) -> FileResult:
        if result.before is None or (changes and result.status is FileStatus.CHANGED):
            return result
        if excerpts and any(site.status in listed for site in result.sites):
            return replace(result, after=None)
        return replace(result, before=None, after=None)

    return kept


# --- writing ------------------------------------------------------------------------------------


def _target(file: _File, settings: Settings) -> Path:
    """Return the path that a file is written to."""
    path = file.found.path
    if settings.output is not None:
        from mapper.running.mirror import target_of

        return target_of(file.found, settings.output)
    return path.resolve() if path.is_symlink() else path


def _sweep(target: Path, swept: set[Path]) -> None:
    """Remove what killed runs left beside a file; once in each directory."""
    directory = target.parent
    if directory not in swept:
        from mapper.files.atomic_write import clean_leftovers

        swept.add(directory)
        clean_leftovers(directory)


class Changes:
    """The new content of files, in a temporary file until all of it is written in place."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(HELD_CHANGES)  # noqa: SIM115  (closed at the exit)
        self._changed: list[tuple[Path, int, int] | None] = []

    def __enter__(self) -> Self:
        """Return these changes."""
        return self

    def __exit__(self, *error: object) -> None:
        """Forget them."""
        self._file.close()

    def __bool__(self) -> bool:
        """Say whether any file changes."""
        return any(self._changed)

    def skip(self) -> None:
        """Take in a file that does not change."""
        self._changed.append(None)

    def add(self, file: _File, result: FileResult) -> None:
        """Take in a file's content before and after."""
        before, after = file.data, result.encoded()
        assert before is not None and after is not None
        self._changed.append((file.found.path, len(before), len(after)))
        self._file.write(before)
        self._file.write(after)

    def written(self, results: Iterable[FileResult]) -> Iterator[FileResult]:
        """Yield the result of every file taken in, once it is written."""
        self._file.seek(0)
        for change, result in zip(self._changed, results, strict=True):
            if change is None:
                yield result
                continue
            path, before, after = change
            yield _write(path, self._file.read(before), result, self._file.read(after))


def _mirror(file: _File, result: FileResult, target: Path) -> FileResult:
    """Write the file, changed or not, to its place below the output directory."""
    if file.found.error is not None:
        return result
    changed = result.status is FileStatus.CHANGED
    try:
        data = result.encoded() if changed else regular.read(file.found.name, LARGEST_FILE)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return failed(result.path, f"cannot be copied to {target}: {error.strerror or error}")
    return _write(target, None, result, data)


def _write(
    target: Path, expected: bytes | None, result: FileResult, content: bytes | None
) -> FileResult:
    from mapper.files.atomic_write import WriteError
    from mapper.files.atomic_write import replace as replace_file
    from mapper.model.results import Note

    assert content is not None
    try:
        remark = replace_file(target, content, expected)
    except WriteError as error:
        return replace(result, status=FileStatus.FAILED, message=str(error))
    return replace(result, notes=(*result.notes, Note(1, remark))) if remark else result
