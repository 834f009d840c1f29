"""Answers questions about other files of a project, from one index.

`handed_on…` and `origin` say what an imported name stands for, `is_taken` and `takers` who imports
a name, `calls_elsewhere` how others call it, and `replaced` which of torch's names the program
sets. What is not known counts against a rewrite. Without a path (standard input, or a worker
without the files) nothing is known.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mapper import limits
from mapper.analysis import project_files
from mapper.analysis.lines import lines_with
from mapper.analysis.project_files import (
    Entry,
    entries,
    find,
    may_reach,
    may_take,
    parse,
    per_run,
    per_run_of,
    root_of,
)
from mapper.analysis.project_uses import Facts, Module, Read, Uses, dotted, facts_of, uses_of
from mapper.analysis.scopes import DEFINITIONS, Binding, Scope, Scopes
from mapper.analysis.torch_names import is_torch
from mapper.model.record import record

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@record(frozen=True, slots=True)
class Origin:
    """What a name stands for: something of torch's, a definition in a file, or a whole module.

    `torch` is the qualified name, "" for what is not torch's; `file` the file that defines it;
    `node` its class or function, None for a module. `doubt` says why it may be something else.
    """

    torch: str = ""
    file: Path | None = None
    node: Definition | None = None
    doubt: str | None = None


@record(frozen=True, slots=True)
class Taker:
    """A file that takes a name from another one, and how it uses it."""

    file: Path
    uses: Uses


# --- what a name stands for ---------------------------------------------------------------------


def handed_on(target: str, path: Path) -> str | None:
    """Return the torch name behind an import from another file of the project, if it is one.

    `target` is what the file at `path` imports: `.layers.Conv2d`, `package.common.nn`.
    """
    found = origin(target, path)
    return found.torch or None if found else None


def handed_on_by_star(module: str, name: str, path: Path) -> str | None:
    """Return the torch name that `from module import *` brings in as `name`."""
    file = find(module, path)
    found = exported(file, name) if file and not name.startswith("_") else None
    return found.torch or None if found else None


def handed_on_by_module(chain: str, path: Path) -> str | None:
    """Return the torch name behind `package.layers.nn.Conv2d`, read off a module of the project."""
    return handed_on(chain, path)


def doubt(target: str, path: Path) -> str | None:
    """Say why an import from another file of the project may bring in something else."""
    found = origin(target, path)
    return found.doubt if found else None


def doubt_by_star(module: str, name: str, path: Path) -> str | None:
    """Say why `from module import *` may bring in something else as `name`."""
    file = find(module, path)
    found = exported(file, name) if file else None
    return found.doubt if found else None


def origin(target: str, path: Path, hops: int = limits.PROJECT_HOPS) -> Origin | None:
    """Return what a dotted name stands for, as the file at `path` imports or reads it.

    None for what is not of the project, or is not known.
    """
    bare = target.lstrip(".")
    dots, parts = target[: len(target) - len(bare)], bare.split(".") if bare else []
    for end in range(len(parts) - 1, -1, -1):
        module = dots + ".".join(parts[:end])
        file = find(module, path) if module else None
        if file is not None:
            found = exported(file, parts[end], hops)
            if found is not None:
                return _inside(found, parts[end + 1 :], hops)
            inner = find(dotted(module, parts[end]), path)
            return _inside(Origin(file=inner), parts[end + 1 :], hops) if inner else None
    file = find(target, path)
    return Origin(file=file) if file else None


def assigned(target: str, path: Path, hops: int = limits.PROJECT_HOPS) -> tuple[Path, str] | None:
    """Return the file and the name of a variable of the project that a dotted name stands for."""
    bare = target.lstrip(".")
    dots, parts = target[: len(target) - len(bare)], bare.split(".")
    for end in range(len(parts) - 1, -1, -1):
        module = dots + ".".join(parts[:end])
        file = find(module, path) if module else None
        if file is not None:
            return assigned_in(file, parts[end], hops)
    return None


@per_run
def assigned_in(file: Path, name: str, hops: int = limits.PROJECT_HOPS) -> tuple[Path, str] | None:
    """Return the file and the name of a variable that a file has, or takes from another one."""
    scope = _module_scope(file)
    if scope is None or hops == 0:
        return None
    bindings = scope.bindings.get(name, [])
    if any(one.kind == "assign" for one in bindings):
        return file, name
    targets = [one.target for one in bindings if one.kind == "import" and one.target]
    behind = [assigned(one, file, hops - 1) for one in targets if not is_torch(one)]
    if not bindings:
        files = [find(star, file) for star in scope.stars]
        behind = [assigned_in(one, name, hops - 1) for one in files if one]
    return next(filter(None, behind), None)


def _inside(found: Origin, attributes: list[str], hops: int) -> Origin | None:
    """Return what an attribute of something stands for."""
    if not attributes:
        return found
    if found.torch:
        return replace(found, torch=".".join([found.torch, *attributes]))
    if found.node is None and found.file is not None:
        return origin("." + ".".join([_stem(found.file), *attributes]), _beside(found.file), hops)
    for node in getattr(found.node, "body", []) if isinstance(found.node, ast.ClassDef) else []:
        if isinstance(node, DEFINITIONS) and node.name == attributes[0]:
            return _inside(replace(found, node=node), attributes[1:], hops)
    return None


def _stem(file: Path) -> str:
    return file.parent.name if file.name == "__init__.py" else file.stem


def _beside(file: Path) -> Path:
    """Return a path for which a module's file is `.stem`."""
    return (file.parent if file.name == "__init__.py" else file).with_name("_.py")


@per_run
def exported(file: Path, name: str, hops: int = limits.PROJECT_HOPS) -> Origin | None:
    """Return what a module-level name of a file stands for, through imports and assignments."""
    scope = _module_scope(file)
    if scope is None or hops == 0:
        return None
    bindings = scope.bindings.get(name)
    if bindings is None:
        behind = [find(star, file) for star in scope.stars]
        found = {exported(one, name, hops - 1) for one in behind if one} - {None}
        return found.pop() if len(found) == 1 else None
    return _of_bindings(file, scope, name, bindings, hops)


def _of_bindings(
    file: Path, scope: Scope, name: str, bindings: list[Binding], hops: int
) -> Origin | None:
    """Return what all bindings of a name agree on, with a doubt if only some are torch's."""
    found = {_of_binding(one, scope, file, hops) for one in bindings if not _is_empty(one)}
    torch = [one for one in found if one is not None and one.torch]
    if len(found) != 1 or not torch:
        if torch and len(found) > 1 and not _is_choice(bindings):
            words = f"`{name}` of {file.name} may also hold something else"
            return replace(min(torch, key=lambda one: one.torch), doubt=words)
        return found.pop() if len(found) == 1 else None
    return torch[0] if torch[0].doubt else replace(torch[0], doubt=_set_by_others(file, name))


def _is_empty(binding: Binding) -> bool:
    """Say whether a binding is a placeholder: `except ImportError: nn = None`."""
    return isinstance(binding.value, ast.Constant) and binding.value.value is None


def _is_choice(bindings: list[Binding]) -> bool:
    """Say whether every binding of a name is an import or a definition."""
    return all(binding.kind in ("import", "def") for binding in bindings)


def _of_binding(binding: Binding, scope: Scope, file: Path, hops: int) -> Origin | None:
    if binding.kind == "import":
        target = binding.target or ""
        return Origin(target) if is_torch(target) else origin(target, file, hops - 1)
    if binding.kind == "def" and isinstance(binding.statement, DEFINITIONS):
        return Origin(file=file, node=binding.statement)
    if binding.kind == "assign" and binding.value is not None:
        return origin_of(binding.value, file, hops - 1)
    return None


def origin_of(node: ast.expr, file: Path, hops: int = limits.PROJECT_HOPS) -> Origin | None:
    """Return what a name or attribute chain stands for at the top level of a file."""
    attributes = list[str]()
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    found = exported(file, node.id, hops)
    if found is not None and (found.torch or found.node or not attributes):
        return _inside(found, attributes[::-1], hops)
    scope = _module_scope(file)
    bindings = scope.bindings.get(node.id, []) if scope else []
    targets = {binding.target for binding in bindings}
    if len(targets) == 1 and (target := targets.pop()):
        return origin(".".join([target, *attributes[::-1]]), file, hops - 1) if hops else None
    return None


@lru_cache(limits.PARSED_FILES)
def _scope_of(tree: ast.Module, text: str) -> Scope | None:
    has_borrowing = "global" in text
    try:
        walrus = lines_with(text, ":=")
        return Scopes(tree, walrus, has_borrowing, None if has_borrowing else ()).module
    except RecursionError:
        return None


def _module_scope(file: Path) -> Scope | None:
    parsed = parse(file)
    return _scope_of(parsed.tree, parsed.text) if parsed else None


def bound_in(file: Path, name: str, hops: int = limits.PROJECT_HOPS) -> bool:
    """Say whether a file binds a module-level name, also by `from … import *`."""
    scope = _module_scope(file)
    if scope is None or hops == 0:
        return False
    behind = [find(star, file) for star in scope.stars]
    return name in scope.bindings or any(bound_in(one, name, hops - 1) for one in behind if one)


def imported_trees(path: Path, scope: Scope) -> list[ast.Module]:
    """Return the files of the project that a module scope imports something from."""
    targets = [one.target or "" for every in scope.bindings.values() for one in every]
    wanted = {part for target in targets for part in (target, target.rpartition(".")[0])}
    found = {find(one, path) for one in (*sorted(wanted), *scope.stars) if one.strip(".")}
    parsed = [parse(file) for file in sorted(one for one in found if one is not None)]
    return [one.tree for one in parsed if one is not None]


# --- who takes a name ---------------------------------------------------------------------------


def is_taken(path: Path, name: str) -> bool:
    """Say whether another file may import `name` from the file at `path`.

    Names of a package's `__init__` count as taken, and so do those of a file that is not here.
    """
    if path.name == "__init__.py" or not path.is_file():
        return True
    return _is_taken(path.resolve(), name)


@per_run
def _is_taken(path: Path, name: str) -> bool:
    found = _taking(path, name)
    return found is None or next(found, None) is not None


def takers(path: Path, name: str) -> tuple[Taker, ...] | None:
    """Return the files that take `name` from the file at `path`; None where that cannot be told."""
    return _takers(path.resolve(), name) if path.is_file() else None


@per_run
def _takers(path: Path, name: str) -> tuple[Taker, ...] | None:
    found = _taking(path, name)
    return None if found is None else tuple(found)


def takers_under(path: Path, name: str) -> dict[Path, frozenset[str]]:
    """Return the files that take `name` from the file at `path`, and what each may call it.

    Also those that take it from a file that takes it, such as a package's `__init__`.
    """
    found: dict[Path, set[str]] = {}
    todo, seen = [(path, name, limits.PROJECT_HOPS)], set[tuple[Path, str]]()
    while todo:
        file, wanted, hops = todo.pop()
        if (file, wanted) in seen or not hops:
            continue
        seen.add((file, wanted))
        for taker in takers(file, wanted) or ():
            uses = taker.uses
            names = {local for local, _ in uses.imported}
            names |= {wanted} if uses.stars or uses.reads or uses.unclear else set()
            names |= _other_names(taker.file, names)
            found.setdefault(taker.file, set()).update(names)
            handed = names if not uses.unclear else names - {wanted}
            todo += [(taker.file, local, hops - 1) for local in sorted(handed)]
    return {file: frozenset(names) for file, names in found.items()}


def _other_names(file: Path, names: set[str]) -> set[str]:
    """Return the names that a file gives to what it has under some: `K = lib.Own`."""
    parsed, found = parse(file), set[str]()
    for statement in parsed.tree.body if parsed is not None else ():
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=other)],
                value=ast.Name(id=word) | ast.Attribute(attr=word),
            ) if word in names | found:
                found.add(other)
    return found


def _taking(path: Path, name: str) -> Iterator[Taker] | None:
    """Yield the files that take a name, neighbours first; None where there are too many files."""
    if entries(root_of(path.parent)) is None:
        return None
    module = _module(path)
    found = (_taker(entry, module, name) for entry in _reaching(path))
    return filter(None, found)


@per_run_of(limits.PARSED_FILES)  # it is asked again for each name
def _reaching(path: Path) -> list[Entry]:
    """Return the files that may import a file, those beside it first."""
    names, files = _module(path).names, entries(root_of(path.parent)) or ()
    found = [one for one in files if one.path != path and may_reach(one, names)]
    return sorted(found, key=lambda entry: entry.path.parent != path.parent)


def _taker(entry: Entry, module: Module, name: str) -> Taker | None:
    if not may_take(entry, module.names[-1], name):
        return None
    parsed = parse(entry.path)
    uses = uses_of(parsed, module, name, entry.by_text) if parsed else Uses(unclear=[1])
    return Taker(entry.path, uses) if uses.lines else None


def _module(path: Path) -> Module:
    root = root_of(path.parent)
    place = path.parent if path.name == "__init__.py" else path.with_suffix("")
    names = place.relative_to(root.parent).parts if root in place.parents else place.parts[-1:]
    return Module(path, names)


def _set_by_others(file: Path, name: str) -> str | None:
    """Say which other file gives a module's name another value."""
    for taker in takers(file, name) or ():
        lines = [read.line for read in taker.uses.reads if read.is_stored]
        if taker.uses.unclear and project_files.may_set(taker.file):
            lines += taker.uses.unclear
        if lines:
            words = f"`{name}` of {file.name} may be set by {taker.file.name}"
            return f"{words} (line {min(lines)})"
    return None


# --- what others do with it ---------------------------------------------------------------------


def calls_elsewhere(path: Path, name: str) -> list[ast.Call] | None:
    """Return the calls that other files make of what they import from the file at `path`.

    None where there may be others: it is used for something else, or more files take it than are
    looked at.
    """
    found = places(path, name)
    if found is None or len({file for file, _ in found}) > limits.PROJECT_CALLERS:
        return None
    calls = list[ast.Call]()
    for _, read in found:
        if not isinstance(read.parent, ast.Call) or read.parent.func is not read.node:
            return None
        calls.append(read.parent)
    return calls


def places(path: Path, name: str) -> list[tuple[Path, Read]] | None:
    """Return where other files use a name, under any local name; None where there may be more."""
    if not path.is_file():
        return None
    todo, seen, found = [(path.resolve(), name, limits.PROJECT_HOPS)], set(), []
    while todo:
        file, wanted, hops = todo.pop()
        if (file, wanted) in seen:
            continue
        seen.add((file, wanted))
        taken = _takers(file, wanted) if hops else None
        if taken is None:
            return None
        for taker in taken:
            reads = _reads(taker)
            if reads is None:
                return None
            found += [(taker.file, read) for read in reads]
            todo += [(taker.file, local, hops - 1) for local, _ in taker.uses.imported]
    return found


def _is_in_prose(text: str, facts: Facts, name: str) -> bool:
    """Say whether a name also occurs in a string or a comment, whose meaning is not known."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return len(re.findall(rf"\b{re.escape(name)}\b", plain)) != facts.written[name]


def _reads(taker: Taker) -> list[Read] | None:
    """Return every place where a file uses the name; None where a use may be hidden."""
    parsed, uses = parse(taker.file), taker.uses
    if parsed is None or uses.stars or uses.unclear:
        return None
    facts = facts_of(parsed.tree)
    reads = list(uses.reads)
    if any(_is_in_prose(parsed.text, facts, local) for local, _ in uses.imported):
        return None
    for local in {local for local, _ in uses.imported}:
        if local in facts.defined:
            return None
        for chain in facts.chains.get(local, ()):
            if not chain.is_loaded:
                return None
            node = chain.levels[0]
            reads.append(Read(node, facts.parents[node], node.lineno))
    return reads
