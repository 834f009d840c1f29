"""Finds the files that could be in one program with a file, and what they may import.

The project of a file is the git repository around it. Where there is none, it is the directory of
the nearest `pyproject.toml`, `setup.py` or `setup.cfg` (else the file's own), and every directory
above it that holds files, directly or one level deeper, that name the directory in between in an
import or a string. Everything below it is read, excluded folders too, except environments,
installed packages and caches. Files are parsed and never run.

Before a file is parsed, a search in its bytes tells whether it can import the module in question.
That test errs towards yes: between `import` and a module's name there can only be names, dots,
commas, and in brackets or after a backslash line ends and comments. Text that is not ASCII is first
brought to the form in which Python compares names (NFKC), and a notebook's JSON is decoded.
"""

# ruff: noqa: PTH113, PTH118  (asked for every import of a project: strings are much faster)

from __future__ import annotations

import ast
import json
import os
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from mapper import limits
from mapper.files import notebook, regular
from mapper.files.source import SourceError, decode
from mapper.model.record import record

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg")
_SUFFIXES = (".py", ".ipynb")
_OF_TOOLS = {
    ".git", ".hg", ".svn", ".bzr", "node_modules", "site-packages", "dist-packages", "__pycache__",
    "__pypackages__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".eggs",
}  # fmt: skip
_INSTALLED = {"site-packages", "dist-packages"}
_LONGEST = 300  # characters of a string that may be a path

# Each starts with a literal, which `re` is quick to find.
_IMPORT = re.compile(
    rb"import((?:[\w \t\f.,*\x80-\xff]++|\\\r?+\n|\\\r"
    rb"|\((?:[\w\s.,*\\\x80-\xff]++|#[^\r\n]*+)*+)*+)"
)
_FROM = re.compile(rb"from((?:[\w \t\f.\x80-\xff]++|\\\r?+\n|\\\r)++)")
_ONE_WORD = re.compile(rb"[\w\x80-\xff]+")
_WORD = re.compile(rb"[\w\x80-\xff]+|\*")
_LOADER = (
    rb"import_module|__import__|run_path|run_module|load_source|builtins"
    rb"|(?<![\w.])(?:eval|exec)(?!\w)"  # not `model.eval()`
)
_LOADERS = re.compile(_LOADER)
_BY_TEXT = re.compile(
    _LOADER + rb"|spec_from|sys\.modules|locate|instantiate|mock|monkeypatch|%run"
)
_READS = (
    b"getattr", b"setattr", b"delattr", b"vars", b"__dict__", b"globals", b"locals", b"attrgetter",
    b"inspect", b"dir(", b"exec", b"eval", b"methodcaller", b"%run",
)  # fmt: skip
_SETS = (b"setattr", b"update", b"patch", b"__dict__", b"vars", b"globals")


@record(frozen=True, slots=True)
class Entry:
    """A file of the project. `words` are those in its import statements, and perhaps more.

    `by_text`: it may also import what a string names. `is_read`: its text could be had.
    """

    path: Path
    words: frozenset[str]
    by_text: bool
    is_read: bool = True


@record(frozen=True, slots=True)
class Parsed:
    """A parsed file; `hidden` is the rest of a notebook: magics, cells that do not parse."""

    path: Path
    text: str
    tree: ast.Module
    hidden: str = ""


_forgotten: list[Callable[[], None]] = []


def per_run(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep the results of a function that looks at files, until `forget` is called."""
    cached = cache(function)
    _forgotten.append(cached.cache_clear)
    return cached  # type: ignore[return-value]


def per_run_of(most: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keep so many results of a function that looks at files, until `forget` is called."""

    def keep(function: Callable[_P, _R]) -> Callable[_P, _R]:
        cached = lru_cache(most)(function)
        _forgotten.append(cached.cache_clear)
        return cached  # type: ignore[return-value]

    return keep


def forget() -> None:
    """Forget what was found in files, for a new run in the same process."""
    for clear in _forgotten:
        clear()


# --- where a project is -------------------------------------------------------------------------


@per_run
def root_of(directory: Path) -> Path:
    """Return the top of the project that a (resolved) directory belongs to."""
    lines_up = [directory, *directory.parents]
    repositories = [above for above in lines_up if (above / ".git").exists()]
    if repositories:
        whole = [above for above in repositories if (above / ".git").is_dir()]
        return whole[0] if whole else repositories[-1]  # a `.git` file: a submodule, a worktree
    marked = (a for a in lines_up if any((a / marker).exists() for marker in _MARKERS))
    return _with_what_reaches_in(next(marked, directory))


def _with_what_reaches_in(root: Path) -> Path:
    """Return the topmost directory above a root that has files which import from below it."""
    found, inside = root, root.name
    for above in list(root.parents)[: limits.PROJECT_LEVELS]:
        if above == above.parent or _INSTALLED & {above.name, above.parent.name}:
            break
        near = list(islice(_near(above, inside), limits.PROJECT_EVIDENCE))
        if any(_reaches_into(file, inside) for file in near):
            found = above
        elif near:
            break
        inside = above.name
    return found


def _near(directory: Path, but: str) -> Iterator[Path]:
    """Yield the source files in a directory and in those directly below it, save one."""
    folders = list[str]()
    for name, is_folder in _listed(directory):
        if not is_folder:
            yield directory / name
        elif name != but and name not in _OF_TOOLS:
            folders.append(name)
    for folder in folders:
        yield from (directory / folder / n for n, deep in _listed(directory / folder) if not deep)


def _listed(directory: Path) -> list[tuple[str, bool]]:
    """Return the source files and folders of a directory; nothing if there are too many."""
    try:
        with os.scandir(directory) as scan:
            entries = list(islice(scan, limits.PROJECT_ENTRIES + 1))
            if len(entries) > limits.PROJECT_ENTRIES:
                return []
            found = [(one.name, one.is_dir(follow_symlinks=False)) for one in entries]
    except OSError:
        return []
    return sorted((n, deep) for n, deep in found if deep or n.endswith(_SUFFIXES))


def _reaches_into(file: Path, folder: str) -> bool:
    """Say whether a file imports from a folder, or names it in a string that may be a path."""
    contents = _contents(file)
    if contents is None or not contents.has(folder) or (parsed := parse(file)) is None:
        return False
    for node in ast.walk(parsed.tree):
        match node:
            case ast.Import(names=names) if any(n.name.split(".")[0] == folder for n in names):
                return True
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] == folder:
                return True
            case ast.Constant(value=str(value)) if (
                len(value) < _LONGEST and b"sys.path" in contents.text
            ):
                if folder in re.split(r"[/\\]", value):
                    return True
    return False


# --- which files it has -------------------------------------------------------------------------


@per_run
def entries(root: Path) -> tuple[Entry, ...] | None:
    """Return the files of a project; None where there are more than are looked at."""
    found = list[Entry]()
    for number, file in enumerate(_source_files(root)):
        if file is None or number == limits.PROJECT_FILES:
            return None
        if (entry := _entry(file)) is not None:
            found.append(entry)
    return tuple(found)


def _source_files(root: Path) -> Iterator[Path | None]:
    """Yield the source files below a directory; None where there are too many directories."""
    for number, (directory, folders, files) in enumerate(os.walk(root)):
        if number == limits.PROJECT_DIRECTORIES:
            yield None
        if "pyvenv.cfg" in files:  # a virtual environment, whatever it is called
            folders.clear()
            continue
        folders[:] = [folder for folder in folders if folder not in _OF_TOOLS]
        yield from (Path(directory, file) for file in files if file.endswith(_SUFFIXES))


def _entry(file: Path) -> Entry | None:
    data = read(file)
    if data is None:
        return None
    if file.suffix == ".ipynb" and not re.search(rb"import|%run|\\u", data):
        return None
    text = _text_of(file, data)
    if text is None:
        return Entry(file, import_words(data), by_text=True, is_read=False)
    return Entry(file, import_words(text), _BY_TEXT.search(text) is not None)


def import_words(text: bytes) -> frozenset[str]:
    """Return the words in the import statements of a text, and perhaps more."""
    inside = b" ".join([*_IMPORT.findall(text), *_FROM.findall(text)])
    return frozenset(word.decode("utf-8", "replace") for word in _WORD.findall(inside))


def may_reach(entry: Entry, names: tuple[str, ...]) -> bool:
    """Say whether a file may import a module: `names` are its directories' and its own.

    Errs towards yes.
    """
    *packages, module = names
    is_named = module in entry.words
    if not (is_named or entry.by_text or not entry.words.isdisjoint((*packages, "*"))):
        return False
    contents = _contents(entry.path)
    return (
        contents is None
        or is_named
        or contents.has(module)
        or (entry.by_text and contents.may_load)
    )


def may_take(entry: Entry, module: str, name: str) -> bool:
    """Say whether a file that may reach a module may take a name from it.

    Errs towards yes.
    """
    contents = _contents(entry.path)
    if contents is None or contents.has(name):
        return True
    is_named = module in entry.words or contents.has(module)
    return is_named and ("*" in entry.words or contents.may_read)


@record(frozen=True, slots=True)
class _Contents:
    """The words of a file; whether it may read a name, or load a file, that a string says."""

    text: bytes
    words: frozenset[bytes]
    may_read: bool
    may_load: bool

    def has(self, word: str) -> bool:
        """Say whether a word stands anywhere in the file, as Python compares names."""
        found = unicodedata.normalize("NFKC", word).encode("utf-8", "replace")
        return found in self.words or (not _ONE_WORD.fullmatch(found) and found in self.text)


@per_run_of(limits.PROJECT_CONTENTS)
def _contents(file: Path) -> _Contents | None:
    text = plain_text(file)
    if text is None:
        return None
    may_load = _LOADERS.search(text) is not None
    return _Contents(text, frozenset(_ONE_WORD.findall(text)), _holds(text, _READS), may_load)


def _holds(text: bytes, words: tuple[bytes, ...]) -> bool:
    return any(word in text for word in words)


# --- reading ------------------------------------------------------------------------------------


def read(file: Path) -> bytes | None:
    """Return the bytes of a regular file; None where it is no such file or too large."""
    try:
        return regular.read(file, limits.LARGEST_NOTEBOOK)
    except (OSError, ValueError):
        return None


def plain_text(file: Path) -> bytes | None:
    """Return the text of a file in which names can be looked for; None where it has none."""
    data = read(file)
    return None if data is None else _text_of(file, data)


def _text_of(file: Path, data: bytes) -> bytes | None:
    if file.suffix != ".ipynb":
        return data if data.isascii() else _normal(data)
    try:
        cells = json.loads(data)["cells"]
        sources = [cell.get("source", "") for cell in cells if cell.get("cell_type") == "code"]
        text = "\n".join(one if isinstance(one, str) else "".join(one) for one in sources)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError):
        return None
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace")


def _normal(data: bytes) -> bytes | None:
    try:
        text = decode(data).text
    except (SourceError, RecursionError, MemoryError):
        return None
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace")


def parse(file: Path) -> Parsed | None:
    """Return a file parsed; None where it cannot be. Kept while the file does not change."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return _parse(file, status.st_mtime_ns, status.st_size)


@lru_cache(limits.PARSED_FILES)
def _parse(file: Path, changed: int, size: int) -> Parsed | None:
    data = read(file)
    if data is None:
        return None
    try:
        text, hidden = decode(data).text, ""
        if file.suffix == ".ipynb":
            text, hidden = _python_of(text)
        tree = _tree(text) if len(text) <= limits.LARGEST_SOURCE else None
    except (SourceError, RecursionError, MemoryError):
        return None
    return Parsed(file, text, tree, hidden) if tree is not None else None


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _python_of(raw: str) -> tuple[str, str]:
    """Return a notebook's Python as one module, and the text that is not Python."""
    shown, hidden = list[str](), list[str]()
    for cell in notebook.read(raw).cells:
        if cell.skipped is not None or _tree(cell.text) is None:
            hidden.append(cell.original)
            continue
        shown.append(cell.text)
        lines = re.split(r"\r\n|\r|\n", cell.original)
        hidden += [lines[line - 1] for line in cell.masked if line <= len(lines)]
    return "\n".join(shown), "\n".join(hidden)


# --- where modules are --------------------------------------------------------------------------


def find(module: str, path: Path) -> Path | None:
    """Return the file of a module as the file at `path` names it."""
    return _find(module, path.parent)


@per_run
def _find(module: str, directory: Path) -> Path | None:
    """Return the file of a module as a file of a directory names it."""
    parts = module.lstrip(".").split(".") if module.strip(".") else []
    level = len(module) - len(module.lstrip("."))
    start = directory.resolve()
    if level:
        return _module_file(os.path.normpath(os.path.join(start, *[".."] * (level - 1), *parts)))
    root = root_of(start)
    for above in (start, *start.parents):
        for place in (str(above), os.path.join(above, "src")):
            if (found := _module_file(os.path.join(place, *parts))) is not None:
                return found
        if above == root:
            break
    return None


@per_run
def _module_file(place: str) -> Path | None:
    for file in (f"{place}.py", os.path.join(place, "__init__.py")):
        if os.path.isfile(file):
            return Path(file).resolve()
    return None


def may_set(file: Path) -> bool:
    """Say whether a file could set a module's names otherwise than by an assignment."""
    text = plain_text(file)
    return text is None or _holds(text, _SETS)
