"""The Python API: what the command does, as functions that return objects. See docs/api.md.

Settings are those of the command: `[tool.tm2ms]` of the pyproject.toml nearest above the working
directory, and the keyword arguments, which win.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Note, Proof, Run, Site, Status
from mapper.running.config import Config, ConfigError, load

__all__ = [
    "FileResult", "FileStatus", "Note", "Proof", "Run", "Site", "Status", "UsageError",
    "migrate_paths", "migrate_source",
]  # fmt: skip


class UsageError(ValueError):
    """A call that cannot be carried out as given; the message says why, as the command would."""


def migrate_source(
    source: str | bytes,
    path: str | PathLike[str] | None = None,
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    target_version: str | None = None,
    device: str | None = None,
    recipe: str | None = None,
    unsafe: bool | None = None,
    partial: bool | None = None,
) -> FileResult:
    """Return what becomes of the source of one file; nothing is written, and nothing is run.

    Args:
        source: the text of a module, or the bytes of a file; of a notebook, its JSON.
        path: where the file stands or would stand. The files around it are asked what they take
            from it, and `per-file-ignores` count; a name in `.ipynb` means a notebook.
        select: rules, names or groups to keep to, as of `--select`.
        ignore: rules, names or groups to leave out, as of `--ignore`.
        target_version: the MindSpore version to write for.
        device: `any`, `cpu`, `gpu` or `ascend`: whose limits to report.
        recipe: `exact` or `table`.
        unsafe: also write rewrites whose assumption would fail silently.
        partial: let what cannot be migrated raise, so that its class migrates.

    Returns:
        the result, with `before` and `after` as texts. What is wrong in the source is no error:
        the result's status is `failed` then, and `message` says why.

    Raises:
        UsageError: a setting cannot be used.
    """
    from mapper.running.file import STREAM, Task, begin_run, process

    given = {"select": select, "ignore": ignore, "target_version": target_version,
             "device": device, "recipe": recipe, "unsafe": unsafe, "partial": partial}  # fmt: skip
    with _usage_errors():
        options = _options(_config(given))
        begin_run()
        name = STREAM if path is None else Path(fspath(path)).as_posix()
        data = source if isinstance(source, bytes) else _encoded(source)
        directory = "" if Path(name).is_absolute() else Path.cwd().as_posix()
        return process(Task(name, data, "" if path is None else directory), options)


def migrate_paths(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    write: bool = False,
    output: str | PathLike[str] | None = None,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    extend_exclude: Sequence[str] | None = None,
    target_version: str | None = None,
    device: str | None = None,
    recipe: str | None = None,
    unsafe: bool | None = None,
    partial: bool | None = None,
    jobs: int = 1,
) -> Run:
    """Return what becomes of all files under some paths, in the order of the walk.

    Args:
        paths: files and directories.
        write: write the files in place, as the command does without `--check`.
        output: mirror the tree into this directory instead, as with `--output`.
        exclude: patterns that take the place of the usual ones.
        extend_exclude: patterns beside these.
        jobs: processes to use.
        select, ignore, target_version, device, recipe, unsafe, partial: as for `migrate_source`.

    Returns:
        the run: `files` with their sites, `counts()`, `needs_person(site)`. The texts of a changed
        file are kept where nothing is written.

    Raises:
        UsageError: a setting or path cannot be used; nothing was written.
    """
    from mapper.running.tree import migrate_files

    given: dict[str, object] = {
        "select": select, "ignore": ignore, "exclude": exclude, "extend_exclude": extend_exclude,
        "target_version": target_version, "device": device, "recipe": recipe, "unsafe": unsafe,
        "partial": partial, "jobs": jobs, "output": None if output is None else fspath(output),
        "diff": not write and output is None,  # which also keeps the texts
    }  # fmt: skip
    if write and output is not None:
        raise UsageError("write=True is about the files themselves; it does not go with output")
    listed = [paths] if isinstance(paths, str | PathLike) else list(paths)
    with _usage_errors():
        config = _config(given)
        found = migrate_files([fspath(one) for one in listed], config, _options(config))
    settings = config.settings
    return Run(
        tuple(found), settings.target_version, settings.device, settings.recipe,
        unsafe=settings.unsafe,
    )  # fmt: skip


def _config(given: Mapping[str, object]) -> Config:
    return load(Path.cwd(), given)


def _options(config: Config) -> Options:
    from mapper.running.options import options_of

    return options_of(config)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn the errors that end the command with 2 into UsageError."""
    from mapper.rulebook.tables import RuleError
    from mapper.running.mirror import MirrorError

    try:
        yield
    except (ConfigError, MirrorError) as error:
        raise UsageError(str(error)) from error
    except RuleError as error:
        from mapper.rulebook.lines import described

        raise UsageError(described(error)) from error


def _encoded(source: str) -> bytes:
    """Return a text as the bytes of a file, in the encoding that a comment in it declares."""
    data = source.encode("utf-8", "surrogateescape")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return source.encode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        return data  # reading it says what is wrong
