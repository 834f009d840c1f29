"""Which files a run reads: the named ones, and what a walk finds below the named directories.

A directory is walked for `.py` and `.ipynb` in sorted order; symbolic links to directories are not
followed, and links to files only where they stay below a directory that was named. Excludes and
ignore files keep entries out of a walk; what is named is taken (`.pyi` and any other name, too)
unless `force_exclude` says otherwise.

Patterns are ruff's: a pattern without a slash (`venv`, `test_*.py`) is matched against the name of
each file and directory; every pattern is also matched against the whole path, relative ones being
anchored at the project root (`src/old`, `docs/**/*.py`). `*` and `?` match any characters, slashes
included, `**/` also no directory at all, `[ab]`, `[!ab]` and `{a,b}` choose. An excluded directory
excludes what is below it.
"""

# A walk makes tens of thousands of paths, and a `Path` costs ten times what a string does.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH114, PTH118, PTH120, PTH206

from __future__ import annotations

import os
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.files import regular
from mapper.files.gitignore import ignore_check
from mapper.files.globs import path_matcher, slashed
from mapper.files.prefilter import DEFAULT_EXCLUDE
from mapper.limits import LARGEST_SETTINGS
from mapper.model.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUFFIXES = (".py", ".ipynb")

_NAME = attrgetter("name")

# From a path below the ignore file's directory to: ignored, taken back, or not mentioned.
_Ignore = tuple[str, Callable[[str, bool], bool | None]]


@record(frozen=True, slots=True)
class Found:
    """A file to read, or with `error` a path that cannot be read and why.

    `below` is the named path below which the file was found (the file itself when it was named).
    `link` is what a symbolic link that was found leads to. What is no source is found for a mirror
    only, and only there is a link found beside the file that it leads to.
    """

    name: str
    below: str
    error: str | None = None
    link: str | None = None
    is_source: bool = True

    @property
    def path(self) -> Path:
        """Return the name as a path."""
        return Path(self.name)

    @property
    def root(self) -> Path:
        """Return the named path as one."""
        return Path(self.below)


def discover(
    paths: Iterable[Path | str],
    *,
    exclude: Sequence[str] = DEFAULT_EXCLUDE,
    extend_exclude: Sequence[str] = (),
    force_exclude: bool = False,
    respect_gitignore: bool = True,
    root: Path | None = None,
    mirrored_to: Path | None = None,
) -> Iterator[Found]:
    """Yield each file once, in the order of `paths` and sorted below each of them.

    `root` is where relative patterns are anchored: the directory of the configuration file, by
    default the working directory. With `mirrored_to`, files of every kind are found, and that
    directory is left out.
    """
    named = [os.fspath(path) for path in paths]
    excluded = path_matcher([*exclude, *extend_exclude], os.path.abspath(root or "."))
    trees = [os.path.realpath(path) for path in named if os.path.isdir(path)]
    mirror = None if mirrored_to is None else os.path.realpath(mirrored_to)
    walk = _Walk(excluded, trees, respect_gitignore, mirror)
    if force_exclude:
        named = [path for path in named if not walk.excludes_parents(path)]
    return _found(walk, named)


def is_excluded(path: str, exclude: Sequence[str], root: Path | None = None) -> bool:
    """Say whether patterns exclude a path, or a directory above it."""
    matcher = path_matcher(exclude, os.path.abspath(root or "."))
    return _Walk(matcher, (), False).excludes_parents(path)


def _found(walk: _Walk, named: Sequence[str]) -> Iterator[Found]:
    seen: set[str] = set()
    for path in named:
        for text, real, error in walk.find(path):
            is_source = text == str(Path(path)) or text.endswith(SUFFIXES)
            is_link = walk.mirror is not None and text != str(Path(path)) and os.path.islink(text)
            if is_link and error is None:
                yield Found(text, path, None, real, is_source)
            elif error is not None or real not in seen:
                seen.add(real)
                yield Found(text, path, error, None, is_source)


@record(frozen=True, slots=True)
class _Directory:
    """A directory that is being walked, as the user would write it, absolute, and resolved."""

    shown: str
    absolute: str
    real: str
    ignores: tuple[_Ignore, ...]


@record(frozen=True, slots=True)
class _Walk:
    """One run's walk; yields the path as the user would write it, its real path, and an error."""

    excluded: Callable[[str, str], bool]
    trees: Sequence[str]
    respect_gitignore: bool
    mirror: str | None = None

    def find(self, path: str) -> Iterator[tuple[str, str, str | None]]:
        """Find the files of one named path."""
        if not os.path.isdir(path):
            error = None if os.path.exists(path) else _why_missing(path)
            yield str(Path(path)), os.path.realpath(path), error
            return
        absolute = os.path.abspath(path)
        ignores = _parents_ignores(absolute) if self.respect_gitignore else ()
        shown = "" if os.path.normpath(path) == "." else str(Path(path))
        stack: list[tuple[_Directory, os.DirEntry[str] | None]] = [
            (_Directory(shown, absolute, os.path.realpath(path), ignores), None)
        ]
        while stack:
            directory, entry = stack.pop()
            if entry is None or entry.is_dir(follow_symlinks=False):
                inside = directory if entry is None else _below(directory, entry.name)
                try:
                    listed = self._list(inside)
                except OSError as error:
                    where = inside.shown or "."
                    yield where, inside.real, f"{where}: cannot be listed: {error.strerror}"
                else:
                    stack += reversed(listed)
            elif (real := self._real_file(directory, entry)) is not None:
                yield os.path.join(directory.shown, entry.name), real, None

    def excludes_parents(self, path: str) -> bool:
        """Tell whether a path or a directory above it is excluded."""
        absolute = os.path.abspath(path)
        while True:
            parent, name = os.path.split(absolute)
            if not name:
                return False
            if self.excluded(absolute, name):
                return True
            absolute = parent

    def _list(self, directory: _Directory) -> list[tuple[_Directory, os.DirEntry[str] | None]]:
        """List what is to be looked at in a directory, sorted by name."""
        with os.scandir(directory.shown or ".") as scan:
            entries = sorted(scan, key=_NAME)
        absolute = directory.absolute
        if self.respect_gitignore and any(entry.name == ".gitignore" for entry in entries):
            own = _read_ignore(os.path.join(absolute, ".gitignore"), absolute)
            ignores = (*directory.ignores, *own)
            directory = _Directory(directory.shown, absolute, directory.real, ignores)
        wanted: list[tuple[_Directory, os.DirEntry[str] | None]] = []
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_directory and os.path.join(directory.real, entry.name) == self.mirror:
                continue
            if is_directory or self.mirror is not None or entry.name.endswith(SUFFIXES):
                path = os.path.join(absolute, entry.name)
                if not self.excluded(path, entry.name) and not _ignored(
                    directory.ignores, path, is_directory
                ):
                    wanted.append((directory, entry))
        return wanted

    def _real_file(self, directory: _Directory, entry: os.DirEntry[str]) -> str | None:
        """Resolve an entry to a regular file; None when it is something else or out of bounds."""
        if not entry.is_symlink():
            return os.path.join(directory.real, entry.name) if entry.is_file() else None
        target = os.path.realpath(os.path.join(directory.absolute, entry.name))
        for tree in self.trees:
            below = os.path.join(tree, "")
            if target.startswith(below) and os.path.isfile(target):
                names = target[len(below) :].split(os.sep)
                parts = [os.path.join(tree, *names[: n + 1]) for n in range(len(names))]
                if not any(map(self.excluded, parts, names)):
                    return target
        return None


def _below(directory: _Directory, name: str) -> _Directory:
    return _Directory(
        os.path.join(directory.shown, name),
        os.path.join(directory.absolute, name),
        os.path.join(directory.real, name),
        directory.ignores,
    )


def _why_missing(path: str) -> str:
    if os.path.islink(path):
        return f"{path}: a symbolic link to a file that does not exist"
    return f"{path}: no such file or directory"


def _ignored(ignores: tuple[_Ignore, ...], path: str, is_directory: bool) -> bool:
    """Ask the ignore files from the nearest to the farthest; the first that has a say decides."""
    for base, check in reversed(ignores):
        below = slashed(path[len(base) :])
        verdict = check(below, is_directory)
        if verdict is not None:
            return verdict
    return False


def _parents_ignores(directory: str) -> tuple[_Ignore, ...]:
    """Read the ignore files above a named directory, up to the top of its git repository.

    None of them counts when they ignore the directory itself: the user named it all the same.
    """
    above = [directory]
    while not os.path.exists(os.path.join(above[-1], ".git")):
        parent = os.path.dirname(above[-1])
        if parent == above[-1]:
            return ()
        above.append(parent)
    top = above[-1]
    ignores = _read_ignore(os.path.join(top, ".git", "info", "exclude"), top, follow=True)
    for parent in reversed(above[1:]):
        ignores = (*ignores, *_read_ignore(os.path.join(parent, ".gitignore"), parent))
    if any(_ignored(ignores, part, True) for part in above[:-1]):
        return ()
    return ignores


def _read_ignore(file: str, base: str, *, follow: bool = False) -> tuple[_Ignore, ...]:
    """Read one ignore file; none when it is missing or says nothing. Git follows no link here."""
    try:
        check = ignore_check(regular.read(file, LARGEST_SETTINGS, follow=follow))
    except OSError:
        return ()
    return ((os.path.join(base, ""), check),) if check else ()
