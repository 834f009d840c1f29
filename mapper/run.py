"""Many files: read, migrate on one process or several, write; in order, whatever happens to one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mapper.config import Config
from mapper.discover import Found, discover
from mapper.options import Options
from mapper.outcome import FileResult, FileStatus
from mapper.paths import shown
from mapper.process import Task, failed, process
from mapper.source import may_mention_conv
from mapper.suppress import mentions

POOL_PAYS = 40  # files with convolutions above which starting processes is worth it

Watch = Callable[[int, Iterator[FileResult]], Iterator[FileResult]]
"""Sees the results pass by, e.g. to show progress; gets how many there will be."""


@dataclass(frozen=True, slots=True)
class _File:
    found: Found
    data: bytes | None
    result: FileResult | None = None


def migrate_files(
    paths: Sequence[str], config: Config, options: Options, watch: Watch | None = None
) -> list[FileResult]:
    """Migrate everything under `paths` and write it as the settings say."""
    settings = config.settings
    found = discover(
        paths,
        exclude=settings.exclude,
        extend_exclude=settings.extend_exclude,
        force_exclude=settings.force_exclude,
        respect_gitignore=settings.respect_gitignore,
        root=config.root,
    )
    files = [_read(one) for one in found]
    results = migrate_all(files, options, settings.jobs or os.cpu_count() or 1)
    done = _written(files, results, config)
    return list(watch(len(files), done) if watch else done)


def _read(found: Found) -> _File:
    """Read a file, keeping its content only when there may be something to do in it."""
    name = shown(str(found.path))
    if found.error is not None:
        return _File(found, None, failed(name, found.error))
    try:
        data = found.path.read_bytes()
    except OSError as error:
        return _File(found, None, failed(name, f"cannot be read: {error.strerror or error}"))
    if may_mention_conv(data) or mentions(data):
        return _File(found, data)
    return _File(found, None, FileResult(name, FileStatus.UNCHANGED))


def migrate_all(files: Sequence[_File], options: Options, jobs: int) -> Iterator[FileResult]:
    """Yield a result for every file, in order."""
    tasks = [Task(shown(str(f.found.path)), f.data) for f in files if f.data is not None]
    with _executor(min(jobs, len(tasks) // POOL_PAYS + 1)) as executor:
        results = _results(tasks, options, executor)
        for file in files:
            yield file.result or next(results)


@contextmanager
def _executor(jobs: int) -> Iterator[Executor | None]:
    if jobs <= 1:
        yield None
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts) as executor:
        yield executor


def _leave_interrupts() -> None:
    """Let Ctrl-C reach the first process only, which says how far it got."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _results(
    tasks: Sequence[Task], options: Options, executor: Executor | None
) -> Iterator[FileResult]:
    if executor is None:
        yield from (process(task, options) for task in tasks)
    else:
        size = max(1, min(16, len(tasks) // 16))
        yield from executor.map(_Process(options), tasks, chunksize=size)


@dataclass(frozen=True, slots=True)
class _Process:
    options: Options

    def __call__(self, task: Task) -> FileResult:
        return process(task, self.options)


# --- writing ------------------------------------------------------------------------------------


def _written(
    files: Sequence[_File], results: Iterator[FileResult], config: Config
) -> Iterator[FileResult]:
    settings = config.settings
    for file, result in zip(files, results, strict=True):
        if settings.output is not None:
            yield _mirror(file, result, settings.output)
        elif result.status is FileStatus.CHANGED and not (settings.check or settings.diff):
            yield _in_place(file, result)
        else:
            yield result


def _in_place(file: _File, result: FileResult) -> FileResult:
    return _write(file.found.path, file.data, result)


def _mirror(file: _File, result: FileResult, output: Path) -> FileResult:
    """Write the file, changed or not, to its place below the output directory."""
    if file.found.error is not None:
        return result
    root = file.found.root
    below = file.found.path.relative_to(root) if root != file.found.path else file.found.path.name
    target = output / below
    changed = result.status is FileStatus.CHANGED
    try:
        data = result.encoded() if changed else file.found.path.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return failed(result.path, f"cannot be copied to {target}: {error.strerror or error}")
    return _write(target, None, result, data)


def _write(
    target: Path, expected: bytes | None, result: FileResult, data: bytes | None = None
) -> FileResult:
    from mapper.outcome import Note
    from mapper.write import WriteError, clean_leftovers
    from mapper.write import replace as replace_file

    content = data if data is not None else result.encoded()
    assert content is not None
    try:
        clean_leftovers(target.parent)
        remark = replace_file(target, content, expected)
    except WriteError as error:
        return replace(result, status=FileStatus.FAILED, message=str(error))
    return replace(result, notes=(*result.notes, Note(1, remark))) if remark else result
