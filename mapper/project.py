"""The files around a file: what they hand on to it, and what they take from it.

Modules are found by their path and only ever parsed. Without a path (standard input, or a worker
without the files) nothing is known of the project.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mapper.scopes import Scope, Scopes

_MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_IMPORT = re.compile(rb"from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\r\n#]+)")
_HOPS = 8  # modules that a name may be handed on through
_FILES = 20_000  # beyond this a project is not searched, and every name counts as taken
_SKIPPED = {".git", ".hg", ".venv", "venv", "node_modules", "build", "dist", "__pycache__"}


def handed_on(target: str, path: Path, hops: int = _HOPS) -> str | None:
    """Return the torch name behind an import from another file of the project, if it is one.

    `target` is what the file at `path` imports: `.layers.Conv2d`, `package.common.nn`.
    """
    rest = target.lstrip(".")
    module, _, name = rest.rpartition(".")
    file = _find(target[: len(target) - len(rest)] + module, path)
    return _exported(file, name, hops) if file else None


def handed_on_by_star(module: str, name: str, path: Path) -> str | None:
    """Return the torch name that `from module import *` brings in as `name`."""
    file = _find(module, path)
    return _exported(file, name, _HOPS) if file and not name.startswith("_") else None


def is_taken(path: Path, name: str) -> bool:
    """Say whether another file may import `name` from the file at `path`.

    A package hands everything on, and so may a file that is not at hand here.
    """
    if path.name == "__init__.py" or not path.is_file():
        return True
    taken = _taken(_root(path.parent.resolve()))
    return taken is None or bool({name, "*"} & taken.get(path.stem, set()))


# --- where modules are --------------------------------------------------------------------------


@cache
def _root(directory: Path) -> Path:
    """Return the top of the project: the nearest directory upwards with a marker, or itself."""
    for above in (directory, *directory.parents):
        if any((above / marker).exists() for marker in _MARKERS):
            return above
    return directory


def _find(module: str, path: Path) -> Path | None:
    """Return the file of a module as the file at `path` names it."""
    parts = module.lstrip(".").split(".") if module.strip(".") else []
    level = len(module) - len(module.lstrip("."))
    start = path.parent.resolve()
    if level:
        return _module_file(start.joinpath(*[".."] * (level - 1), *parts))
    root = _root(start)
    for above in (start, *start.parents):
        if (found := _module_file(above.joinpath(*parts))) is not None:
            return found
        if above == root:
            break
    return None


@cache
def _module_file(place: Path) -> Path | None:
    for file in (place.with_name(place.name + ".py"), place / "__init__.py"):
        if file.is_file():
            return file.resolve()
    return None


# --- what modules hand on -----------------------------------------------------------------------


@cache
def _exported(file: Path, name: str, hops: int) -> str | None:
    """Return the torch name that a module-level name of a file stands for."""
    scope = _module_scope(file)
    if scope is None or hops == 0:
        return None
    bindings = scope.bindings.get(name)
    if bindings is None:
        behind = [_find(star, file) for star in scope.stars]
        found = {_exported(one, name, hops - 1) for one in behind if one} - {None}
        return found.pop() if len(found) == 1 else None
    targets = {binding.target for binding in bindings}  # None for what is no import
    target = targets.pop() if len(targets) == 1 else None
    if target is None:
        return None
    if target == "torch" or target.startswith("torch."):
        return target
    return handed_on(target, file, hops - 1)


@cache
def _module_scope(file: Path) -> Scope | None:
    try:
        text = file.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Scopes(ast.parse(text), (), False, lines=()).module
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


# --- what modules take --------------------------------------------------------------------------


@cache
def _taken(root: Path) -> dict[str, set[str]] | None:
    """Map the last part of a module's name to the names that files of the project take from it."""
    taken: dict[str, set[str]] = {}
    for number, file in enumerate(_python_files(root)):
        if number == _FILES:
            return None
        try:
            data = file.read_bytes()
        except OSError:
            continue
        for module, names in _imports(data):
            stem = module.rpartition(b".")[2].decode("utf-8", "replace")
            words = re.findall(rb"(?:^|[,(])\s*([\w*]+)", names)
            taken.setdefault(stem, set()).update(w.decode("utf-8", "replace") for w in words)
    return taken


def _imports(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the modules and what is taken from them, of `from` at the start of a line."""
    at = data.find(b"from")
    while at >= 0:
        before = data[data.rfind(b"\n", 0, at) + 1 : at]
        found = None if before.strip(b" \t") else _IMPORT.match(data, at)
        if found:
            yield found[1], found[2]
        at = data.find(b"from", found.end() if found else at + 1)


def _python_files(root: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(root):
        if "pyvenv.cfg" in files:  # a virtual environment, whatever it is called
            folders.clear()
            continue
        folders[:] = [folder for folder in folders if folder not in _SKIPPED]
        yield from (Path(directory, file) for file in files if file.endswith(".py"))
