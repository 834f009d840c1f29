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
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mapper.analysis.scopes import Scope, Scopes
from mapper.analysis.torch_names import is_torch
from mapper.files import regular
from mapper.limits import LARGEST_SOURCE

_MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_WORD = re.compile(rb"import")  # a literal, which `re` is quick to find
_IMPORT = re.compile(
    rb"[ \t]*(?:from[ \t]+([.\w]+)[ \t]+)?import[ \t]*(\([^)]*(?:\)|\Z)|[^\r\n#]+)"
)
_IMPORTED = re.compile(rb"(?:^|[,(])\s*([\w.*]+)(?:\s+as\s+(\w+))?")
_HOPS = 8  # modules that a name may be handed on through
_TAKERS = 8  # files that are searched for how they call one function
_LONG = 500_000  # bytes of a file, beyond which its calls are not looked for
_BEFORE = 20  # characters before a name, in which `class` or `def` would stand
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


def handed_on_by_module(dotted: str, path: Path) -> str | None:
    """Return the torch name behind `package.layers.nn.Conv2d`, read off a module of the project."""
    rest = dotted.lstrip(".")
    dots, parts = dotted[: len(dotted) - len(rest)], rest.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if file := _find(dots + ".".join(parts[:end]), path):
            found = _exported(file, parts[end], _HOPS)
            return ".".join([found, *parts[end + 1 :]]) if found else None
    return None


def is_taken(path: Path, name: str) -> bool:
    """Say whether another file may import `name` from the file at `path`.

    A package hands everything on, and so may a file that is not at hand here.
    """
    if path.name == "__init__.py" or not path.is_file():
        return True
    imported = _imported(_root(path.parent.resolve()))
    if imported is None or imported.names.get(path.stem, {}).keys() & {name, "*"}:
        return True
    return any(_reads(file, path.stem, name) for file in imported.modules.get(path.stem, ()))


def calls_elsewhere(path: Path, name: str) -> list[ast.Call] | None:
    """Return the calls that other files make of what they import from the file at `path`.

    None where there may be others: it is handed on, or more files take it than are looked at.
    """
    files = _takers(path, name, _HOPS)
    if files is None or len(files) > _TAKERS:
        return None
    found: list[ast.Call] = []
    for file in files:
        calls = _calls_in(file, name)
        if calls is None:
            return None
        found.extend(calls)
    return found


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


def module_file(module: str, path: Path) -> Path | None:
    """Return the file of a module as the file at `path` names it, if it is of the project."""
    return _find(module, path)


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
    if is_torch(target):
        return target
    return handed_on(target, file, hops - 1)


@cache
def _module_scope(file: Path) -> Scope | None:
    tree = _parsed(file)
    try:
        return Scopes(tree, (), False, lines=()).module if tree else None
    except RecursionError:
        return None


def _parsed(file: Path) -> ast.Module | None:
    try:
        data = regular.read(file, LARGEST_SOURCE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


# --- what modules take --------------------------------------------------------------------------


@dataclass(slots=True)
class _Imported:
    """What the files of a project import, by the last part of the module's name.

    `modules` are the files that import something of that name as a whole.
    """

    names: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    modules: dict[str, list[Path]] = field(default_factory=dict)


@cache
def _imported(root: Path) -> _Imported | None:
    found = _Imported()
    for number, file in enumerate(_python_files(root)):
        if number == _FILES:
            return None
        try:
            text = regular.read(file, LARGEST_SOURCE)
        except OSError:
            continue
        for module, names in _imports(text):
            _enter(found, file, module.decode("utf-8", "replace"), names)
    return found


def _imports(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the module (empty for a plain `import`) and the names of every import statement."""
    done = 0
    for word in _WORD.finditer(text):
        start = text.rfind(b"\n", 0, word.start()) + 1
        if start >= done and (found := _IMPORT.match(text, start)):
            yield found[1] or b"", found[2]
            done = found.end()


def _enter(found: _Imported, file: Path, module: str, names: bytes) -> None:
    imported = [name.decode("utf-8", "replace") for name, _ in _IMPORTED.findall(names)]
    names_of = found.names.setdefault(module.rpartition(".")[2], {}) if module else {}
    for name in imported:
        names_of.setdefault(name, []).append(file)
        found.modules.setdefault(name.rpartition(".")[2], []).append(file)


@cache
def _reads(file: Path, module: str, name: str) -> bool:
    """Say whether a file that imports `module` as a whole reads `module.name`."""
    try:
        text = regular.read(file, LARGEST_SOURCE).decode("utf-8", "replace")
    except OSError:
        return True
    others = re.findall(rf"\b{re.escape(module)}\s+as\s+(\w+)", text)
    locals_ = "|".join(map(re.escape, {module, *others}))
    return re.search(rf"\b(?:{locals_})\s*\.\s*{re.escape(name)}\b", text) is not None


def _takers(path: Path, name: str, hops: int) -> set[Path] | None:
    """Return the files that may use `name` of a file; None where that cannot be told."""
    if not path.is_file() or hops == 0:
        return None
    path = path.resolve()
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    imported = _imported(_root(path.parent))
    if imported is None or "*" in imported.names.get(stem, {}):
        return None
    files = {file.resolve() for file in imported.names.get(stem, {}).get(name, ())}
    files |= {f.resolve() for f in imported.modules.get(stem, ()) if _reads(f, stem, name)}
    for file in [one for one in files if one.name == "__init__.py" and one != path]:
        behind = _takers(file, name, hops - 1)  # a package hands it on
        if behind is None:
            return None
        files |= behind
    return files - {path}


def _calls_in(file: Path, name: str) -> list[ast.Call] | None:
    """Return the calls of what a file imports as `name`; None where it does something else, too.

    Only the calls are parsed: whatever else holds the name, be it a comment, counts as else.
    """
    try:
        text = regular.read(file, _LONG).decode()
    except (OSError, ValueError):
        return None
    imports = [match.span() for match in _IMPORT_STATEMENT.finditer(text)]
    names = [name, *re.findall(rf"\b{re.escape(name)}\s+as\s+(\w+)", text)]
    calls: list[ast.Call] = []
    for match in re.finditer(rf"\b(?:{'|'.join(map(re.escape, names))})\b", text):
        if any(start <= match.start() < end for start, end in imports):
            continue
        end = _closing(text, match.end())
        call = _call(match[0] + text[match.end() : end]) if end else None
        before = text[max(match.start() - _BEFORE, 0) : match.start()]
        if call is None or _DEFINING.search(before):
            return None
        calls.append(call)
    return calls


_IMPORT_STATEMENT = re.compile(
    r"^[ \t]*(?:from[ \t]+[.\w]+[ \t]+)?import\b(?:[ \t]*\([^)]*\)|[^\r\n#]+)", re.MULTILINE
)
_DEFINING = re.compile(r"(?:\bclass|\bdef|@)[ \t]*\Z")
_OPENING = re.compile(r"[ \t]*\(")
_PIECES = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'{3}(?:\\.|[^\\])*?\'{3}|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^'\\\n])*\''''
    r"|#[^\n]*|[()\[\]{}]",
    re.DOTALL,
)
"""What to look at on the way to a closing bracket: strings, comments and brackets."""


def _closing(text: str, start: int) -> int | None:
    """Return the end of the brackets that open here; None where none do, or do not close."""
    if not _OPENING.match(text, start):
        return None
    depth = 0
    for piece in _PIECES.finditer(text, start):
        depth += (piece[0] in "([{") - (piece[0] in ")]}")
        if depth == 0 and piece[0] in ")]}":
            return piece.end()
    return None


def _call(text: str) -> ast.Call | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def _python_files(root: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(root):
        if "pyvenv.cfg" in files:  # a virtual environment, whatever it is called
            folders.clear()
            continue
        folders[:] = [folder for folder in folders if folder not in _SKIPPED]
        yield from (Path(directory, file) for file in files if file.endswith(".py"))
