"""Finds what one file does with the modules that it imports.

Scopes are ignored: a name that is a module anywhere in the file counts as that module everywhere.
That errs towards more uses.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mapper import limits
from mapper.analysis.project_files import Parsed, find, per_run
from mapper.analysis.scopes import DEFINITIONS
from mapper.analysis.walk import children
from mapper.model.record import record

_LIBRARIES = {"torch", "torchvision", "numpy", "mindspore", "tensorflow", *sys.stdlib_module_names}
_BY_NAME = {"getattr": 2, "hasattr": 2, "delattr": 2, "setattr": 3}
_HARMLESS = (ast.Expr, ast.Compare, ast.Assert, ast.If, ast.BoolOp)
_LOADERS = ("import_module", "__import__", "run_path", "run_module", "load_source", "eval", "exec")
_TEXT = re.compile(r"[\w.:/\\-]+", re.ASCII)


@record(frozen=True, slots=True)
class Import:
    """One name that an import statement brings in; `name` is None for a plain `import`."""

    module: str
    name: str | None
    local: str
    is_renamed: bool
    line: int


@record(frozen=True, slots=True)
class Chain:
    """`root.a.b` as it stands: its nodes, from the name outwards."""

    levels: tuple[ast.expr, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Return the names behind the root."""
        return tuple(one.attr for one in self.levels[1:] if isinstance(one, ast.Attribute))

    @property
    def is_loaded(self) -> bool:
        """Say whether the root is read, and not bound or deleted."""
        root = self.levels[0]
        return isinstance(root, ast.Name) and isinstance(root.ctx, ast.Load)


@dataclass(slots=True, eq=False)
class Facts:
    """Imports, names and strings of one tree, with what is around each node."""

    imports: list[Import] = field(default_factory=list)
    stars: list[tuple[str, int]] = field(default_factory=list)
    chains: dict[str, list[Chain]] = field(default_factory=lambda: defaultdict(list))
    strings: list[tuple[str, int]] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    written: Counter[str] = field(default_factory=Counter)
    """How often a name stands there as a name or attribute, and in imports."""
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    loads: list[ast.Call] = field(default_factory=list)
    """Calls that import what an expression names."""

    def around(self, chain: Chain, level: int) -> ast.AST:
        """Return the node around one level of a chain."""
        return self.parents[chain.levels[level]]

    def aliases(self, chain: Chain) -> list[str]:
        """Return the names that a chain is assigned to as it stands."""
        node = chain.levels[-1]
        match self.parents[node]:
            case ast.Assign(targets=targets, value=value) if value is node:
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                return names if len(names) == len(targets) else []
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is node:
                return [name]
            case ast.NamedExpr(target=ast.Name(id=name), value=value) if value is node:
                return [name]
        return []


@record(frozen=True, slots=True)
class Read:
    """A place where another module's name is read or, with `is_stored`, gets another value."""

    node: ast.AST
    parent: ast.AST
    line: int
    is_stored: bool = False


@dataclass(slots=True, eq=False)
class Uses:
    """How one file uses a name of a module.

    `imported` are its local names with their lines, `unclear` the lines where the module itself is
    passed on, so that any of its names may be read or set there.
    """

    imported: list[tuple[str, int]] = field(default_factory=list)
    stars: list[int] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    unclear: list[int] = field(default_factory=list)

    @property
    def lines(self) -> list[int]:
        """Return every line of a use, sorted."""
        imported = [line for _, line in self.imported]
        return sorted({*imported, *self.stars, *(r.line for r in self.reads), *self.unclear})


@record(frozen=True, slots=True)
class Module:
    """A module of the project. `names` are its directories' from the top, and its own last."""

    path: Path
    names: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Return the path that an import statement spells: no suffix, no `__init__`."""
        return self.path.parent if self.path.stem == "__init__" else self.path.with_suffix("")

    def _is_in(self, file: Path) -> bool:
        """Say whether a file is this module, or the package around it."""
        return file == self.path or (file.stem == "__init__" and file.parent in self.path.parents)

    def from_here(self, module: str, file: Path) -> list[tuple[str, ...]]:
        """Return the attributes that lead from an imported module to this one.

        `()` where it is this one; nothing where it is no package around it either. An absolute name
        counts by its last part: what is on the module path is not known. It does not where it has
        more parts and they lead to another file of the project.
        """
        level = len(module) - len(module.lstrip("."))
        parts = [part for part in module.lstrip(".").split(".") if part]
        if level:
            meant = _relative(file.parent, level, tuple(parts))
            if self.place == meant or meant in self.place.parents:
                return [self.place.relative_to(meant).parts]
            return []
        if parts[0] in _LIBRARIES and parts[0] not in self.names:
            return []
        found = [self.names[n + 1 :] for n, name in enumerate(self.names) if name == parts[-1]]
        met = find(module, file) if found and len(parts) > 1 else None
        return found if met is None or self._is_in(met) else []


@per_run
def _relative(directory: Path, level: int, parts: tuple[str, ...]) -> Path:
    """Return where a relative import of a file in a directory leads."""
    return directory.joinpath(*[".."] * (level - 1), *parts).resolve()


@lru_cache(limits.PARSED_FILES)
def facts_of(tree: ast.Module) -> Facts:
    """Return the imports, names and strings of a tree."""
    facts = Facts()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        for child in children(node):
            facts.parents[child] = node
            stack += _entered(facts, child)
    return facts


def _entered(facts: Facts, node: ast.AST) -> list[ast.AST]:
    """Record one node, and return the nodes below it that are still to be visited."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        facts.written.update((getattr(node, "module", None) or "").split("."))
        for alias in node.names:
            facts.written.update(filter(None, (*alias.name.split("."), alias.asname)))
    match node:
        case ast.Name() | ast.Attribute():
            levels: list[ast.expr] = [node]
            while isinstance(levels[-1], ast.Attribute):
                facts.parents[levels[-1].value] = levels[-1]
                levels.append(levels[-1].value)
            root = levels[-1]
            facts.attributes.update(one.attr for one in levels if isinstance(one, ast.Attribute))
            if not isinstance(root, ast.Name):
                return _entered(facts, root)
            chain = Chain(tuple(reversed(levels)))
            facts.chains[root.id].append(chain)
            facts.written.update((root.id, *chain.attributes))
            return []
        case ast.Constant(value=str(value)):
            facts.strings.append((value, node.lineno))
            return []
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]) if (
            called in _LOADERS and not isinstance(first, ast.Constant)
        ):
            facts.loads.append(node)
        case ast.Import(names=names):
            facts.imports += [
                Import(one.name, None, one.asname or one.name.partition(".")[0],
                       one.asname is not None, node.lineno)
                for one in names
            ]  # fmt: skip
            return []
        case ast.ImportFrom(names=names):
            module = "." * node.level + (node.module or "")
            for one in names:
                if one.name == "*":
                    facts.stars.append((module, node.lineno))
                else:
                    local = one.asname or one.name
                    facts.imports.append(Import(module, one.name, local, True, node.lineno))
            return []
    if isinstance(node, DEFINITIONS):
        facts.defined.add(node.name)
    return [node]


def dotted(module: str, name: str) -> str:
    """Return the dotted name of what is imported from a module that may be `.` or `..`."""
    return f"{module}{'' if module.endswith('.') else '.'}{name}"


def uses_of(parsed: Parsed, module: Module, name: str, by_text: bool) -> Uses:
    """Return how a file uses one name of a module of the project."""
    facts = facts_of(parsed.tree)
    ways_to = _ways_to(facts, parsed.path, module)
    uses = Uses([*ways_to.imported.get(name, ())], [*ways_to.stars])
    for local, ways in ways_to.handles.items():
        for chain in facts.chains.get(local, ()):
            if chain.is_loaded:
                for way in ways:
                    _enter_chain(facts, chain, way, name, uses)
    if by_text:
        _enter_strings(facts, module, name, uses)
    if parsed.hidden and re.search(rf"\b{re.escape(module.names[-1])}\b", parsed.hidden):
        uses.unclear.append(1)
    return uses


_Ways = dict[str, set[tuple[str, ...]]]
"""From a local name to the attributes that lead from it to the module."""


@record(frozen=True, slots=True)
class _WaysTo:
    """How a file comes to a module: by names for it, by names from it, and by stars (lines)."""

    handles: _Ways
    imported: dict[str, list[tuple[str, int]]]
    stars: list[int]


@lru_cache(limits.PARSED_FILES * 16)
def _ways_to(facts: Facts, file: Path, module: Module) -> _WaysTo:
    """Return how a file comes to a module; asked again for each name of the module."""
    found = _WaysTo(defaultdict(set), defaultdict(list), [])
    handles = found.handles
    for one in facts.imports:
        for way in module.from_here(one.module, file):
            if one.name is None:
                inner = () if one.is_renamed else tuple(one.module.split("."))[1:]
                handles[one.local].add((*inner, *way))
            elif not way:
                found.imported[one.name].append((one.local, one.line))
        if one.name is None and not one.is_renamed and "." in one.module:
            for way in module.from_here(one.local, file):  # `import a.b` makes `a.c` reachable, too
                handles[one.local].add(way)
        if one.name is not None:
            for way in module.from_here(dotted(one.module, one.name), file):
                handles[one.local].add(way)
    for star, line in facts.stars:
        for way in module.from_here(star, file):
            if way:
                handles[way[0]].add(way[1:])
            else:
                found.stars.append(line)
    _follow(facts, handles)
    return found


def _follow(facts: Facts, handles: _Ways) -> None:
    """Add the names that modules are assigned to: `lib = layers`."""
    todo = list(handles)
    while todo:
        local = todo.pop()
        for chain in facts.chains.get(local, ()):
            attributes = chain.attributes
            for alias in facts.aliases(chain) if chain.is_loaded else ():
                ways = {
                    way[len(attributes) :]
                    for way in handles[local]
                    if way[: len(attributes)] == attributes
                }
                if not ways <= handles.get(alias, set()):
                    handles[alias] |= ways
                    todo.append(alias)


def _enter_chain(facts: Facts, chain: Chain, way: tuple[str, ...], name: str, uses: Uses) -> None:
    """Record what one chain does with the module that `way` leads to."""
    attributes = chain.attributes
    met = len(attributes) - len(way)
    if attributes[: len(way)] != way[: len(attributes)]:
        common = next(n for n, (a, b) in enumerate(zip(attributes, way, strict=False)) if a != b)
        if attributes[common] == "__dict__":  # of a package around it
            uses.unclear.append(chain.levels[0].lineno)
    elif met > 0 and attributes[len(way)] == "__dict__":
        node = chain.levels[len(way) + 1]
        _enter_namespace(facts, node, name, uses)
    elif met > 0:
        if attributes[len(way)] == name:
            node = chain.levels[len(way) + 1]
            uses.reads.append(_read(node, facts))
    elif not facts.aliases(chain):
        _enter_value(facts, chain.levels[-1], name, uses)


def _read(node: ast.expr, facts: Facts) -> Read:
    is_stored = not isinstance(getattr(node, "ctx", None), ast.Load)
    return Read(node, facts.parents[node], node.lineno, is_stored)


def _enter_value(facts: Facts, node: ast.expr, name: str, uses: Uses) -> None:
    """Record what is done with a module itself: `getattr(layers, …)`, `vars(layers)`, passed on."""
    parent = facts.parents[node]
    match parent:
        case ast.Call(func=ast.Name(id=function), args=[first, key, *_]) if (
            function in _BY_NAME and first is node
        ):
            if not isinstance(key, ast.Constant):
                uses.unclear.append(node.lineno)
            elif key.value == name:
                stored = function in ("setattr", "delattr")
                uses.reads.append(Read(parent, facts.parents[parent], node.lineno, stored))
        case ast.Call(func=ast.Name(id="vars"), args=[first]) if first is node:
            _enter_namespace(facts, parent, name, uses)
        case _ if not isinstance(parent, _HARMLESS):
            uses.unclear.append(node.lineno)


def _enter_namespace(facts: Facts, node: ast.expr, name: str, uses: Uses) -> None:
    """Record what is done with a module's dictionary."""
    parent = facts.parents[node]
    match parent:
        case ast.Subscript(value=value, slice=ast.Constant(value=key)) if value is node:
            if key == name:
                uses.reads.append(_read(parent, facts))
        case _:
            uses.unclear.append(node.lineno)


def _enter_strings(facts: Facts, module: Module, name: str, uses: Uses) -> None:
    """Record strings that name the module, in a file that may import by a string."""
    for text, line in facts.strings:
        if module.names[-1] not in text:
            continue
        if not _TEXT.fullmatch(text):  # a text for `exec`, or prose
            if re.search(
                rf"\b{re.escape(module.names[-1])}\b.*\b{re.escape(name)}\b", text, re.DOTALL
            ):
                uses.unclear.append(line)
            continue
        parts = re.split(r"[./\\:]", text)
        for at, part in enumerate(parts):
            if part == module.names[-1] and (parts[at + 1 :] or [name])[0] in (name, "py", "*"):
                uses.unclear.append(line)
    if facts.loads and (name in facts.attributes or any(name == text for text, _ in facts.strings)):
        uses.unclear += [node.lineno for node in facts.loads]
