"""Analyses the files of a run for kinds of value, each once for all files that import it.

What is found about a file depends on it and on what it imports, not on who imports it; only in a
chain of more than `KINDS_DEEP` imports its end is unknown to who asks first. Files that import each
other are analysed one inside the other with what is known so far, and then again until what they
say of each other changes no more.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from mapper.analysis.calls import CallResults
from mapper.analysis.cells import Cells, Function
from mapper.analysis.flow import Flow
from mapper.analysis.kinds import NEVER, UNKNOWN, Kind, join
from mapper.analysis.project_files import Parsed, find, parse, per_run
from mapper.analysis.scopes import Scopes
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import is_layer_class, is_tensor_class
from mapper.analysis.walk import walk
from mapper.limits import (
    KINDS_CHARACTERS,
    KINDS_DEEP,
    KINDS_FILES,
    KINDS_LONGEST,
    KINDS_PASSES,
    KINDS_ROUNDS,
    KINDS_RUNS,
    KINDS_SHORT,
    PROJECT_HOPS,
)


class _State(Enum):
    """How far the analysis of a file is; one that waits imports one that is still running."""

    NEW = auto()
    RUNNING = auto()
    WAITING = auto()
    DONE = auto()


@dataclass(slots=True, eq=False, repr=False)
class Project:
    """The files that a run has asked for, and the cells of those that were analysed."""

    values: dict[Hashable, Kind] = field(default_factory=dict)
    begun: list[File] = field(default_factory=list)  # those that are running or waiting
    depth: int = 0  # how many are running
    _files: dict[Path, File | None] = field(default_factory=dict)
    _characters: int = 0

    def add(self, path: Path | None, tree: ast.Module, text: str) -> File:
        """Return the file of a tree that is parsed already."""
        known = self._files.get(path) if path is not None else None
        if known is not None and known.tree is tree:
            return known
        made = File(tree, text, path, self)
        if path is not None and path not in self._files:
            self._keep(path, made)
        return made

    def file(self, path: Path) -> File | None:
        """Return a file by its path; None where it cannot be read, or defines no layers."""
        if path not in self._files:
            parsed = _parsed(path)
            made = None if parsed is None else File(parsed.tree, parsed.text, path, self)
            self._keep(path, made)
        return self._files[path]

    def _keep(self, path: Path, file: File | None) -> None:
        self._files[path] = file
        self._characters += len(file.text) if file else 0

    def tree(self, path: Path, text: str) -> ast.Module | None:
        """Return the tree of a file of this text, if it was asked for."""
        file = self._files.get(path)
        return file.tree if file is not None and file.text == text else None

    def release(self) -> None:
        """Forget all files where there are very many; what is asked afterwards is found anew."""
        if self._characters > KINDS_CHARACTERS:
            self.values, self._files, self._characters = {}, {}, 0
            gc.collect()  # cells and the functions that they are of refer to each other


@per_run
def project() -> Project:
    """Return the files of this run."""
    return Project()


@dataclass(slots=True, eq=False, repr=False)
class File:
    """One file and its cells, which are filled at the first query."""

    tree: ast.Module
    text: str
    path: Path | None
    project: Project
    cells: Cells = field(init=False)
    _state: _State = _State.NEW
    _number: int = 0  # its place among the files that are begun
    _lowest: int = 0  # the lowest place of those that it leads to
    _leads_to: set[File] = field(default_factory=set)  # files, directly or through others

    def __post_init__(self) -> None:
        scopes = Scopes(self.tree)
        self.cells = Cells(scopes, self.path, self._imported, self._starred, self.project.values)

    def kind(self, node: ast.expr) -> Kind:
        """Return what kind of value an expression of the file has."""
        self.analyse()
        return self.cells.kind(node)

    # --- what it imports ----------------------------------------------------------------------

    def _imported(self, target: str) -> Kind:
        """Return what `package.module.name`, imported by this file, is."""
        return self._target(target, self, PROJECT_HOPS)

    def _starred(self, module: str, name: str) -> Kind:
        """Return what `from module import *` brings in as `name`."""
        if is_torch(module):
            return _of_torch(module, name)
        return self._from_star(module, name, self, PROJECT_HOPS)

    def _target(self, target: str, asker: File, hops: int) -> Kind:
        if self.path is None or hops == 0:
            return UNKNOWN
        rest = target.lstrip(".")
        dots = target[: len(target) - len(rest)]
        module, _, name = rest.rpartition(".")
        if (module or dots) and (place := find(dots + module, self.path)) is not None:
            found = self._global(place, name, asker, hops)
            if found != UNKNOWN:
                return found
        if find(target, self.path) is not None:
            return Kind("module", (target, str(self.path)) if dots else (target,))
        return UNKNOWN

    def _from_star(self, module: str, name: str, asker: File, hops: int) -> Kind:
        place = find(module, self.path) if self.path is not None else None
        if place is None or name.startswith("_"):
            return UNKNOWN
        return self._global(place, name, asker, hops)

    def _global(self, place: Path, name: str, asker: File, hops: int) -> Kind:
        file = self.project.file(place)
        return UNKNOWN if file is None else file._named(name, asker, hops - 1)

    def _named(self, name: str, asker: File, hops: int) -> Kind:
        """Return what a module-level name of the file is, for a file that asks."""
        if hops == 0:
            return UNKNOWN
        scope = self.cells.scopes.module
        if name in scope.bindings and asker._may_use(self):  # else it need not be analysed
            found = self.cells.read(("name", scope, name), None)
            if found != NEVER:
                return found
        for star in scope.stars:
            found = self._from_star(star, name, asker, hops)
            if found != UNKNOWN:
                return found
        return UNKNOWN

    def _may_use(self, other: File) -> bool:
        """Analyse a file that this one imports; say whether it may be used.

        A file leads to so many others at most, and so many are analysed one inside the other.
        """
        if other is self or other in self._leads_to:
            return True
        is_full = len(self._leads_to) >= KINDS_FILES
        if is_full or (other._state is _State.NEW and self.project.depth >= KINDS_DEEP):
            return False
        other.analyse()
        self._leads_to |= {other, *other._leads_to}
        if other._state is _State.RUNNING:
            self._lowest = min(self._lowest, other._number)
        elif other._state is _State.WAITING:
            self._lowest = min(self._lowest, other._lowest)
        _merge(other.cells.beyond, self.cells.beyond)
        return True

    # --- its analysis -------------------------------------------------------------------------

    def analyse(self) -> None:
        """Analyse the file, once; during a circular import, what is known so far has to do."""
        if self._state is not _State.NEW:
            return
        project = self.project
        self._state, self._number = _State.RUNNING, len(project.begun)
        self._lowest = self._number
        project.begun.append(self)
        project.depth += 1
        self._find()
        project.depth -= 1
        self._state = _State.WAITING
        if self._lowest == self._number:
            circle = project.begun[self._number :]
            del project.begun[self._number :]
            _finish(circle)

    def _find(self) -> None:
        """Fill the cells, and show the result to other files."""
        for _ in range(KINDS_PASSES):
            self._run()
            if not self._has_learnt():
                break
        self.cells.publish()

    def find_again(self) -> bool:
        """Fill the cells anew, as other files have changed; say whether the result did."""
        before = self.cells.withdraw()
        self._find()
        return before != self.cells.shown()

    def _run(self) -> None:
        cells = self.cells
        cells.forget()
        results = CallResults(cells)
        cells.enqueue(cells.function(self.tree, cells.scopes.module, None))
        self._drain(results)
        cells.open()
        self._drain(results)

    def _drain(self, results: CallResults) -> None:
        cells = self.cells
        while (function := cells.next()) is not None:
            function.runs += 1
            if function.runs > KINDS_RUNS:
                self._give_up(function)
                continue
            while function.outer is not None:
                function = function.outer
            Flow(cells, function, results).run()

    def _give_up(self, function: Function) -> None:
        """Make unknown what a function decides, if its kinds do not settle."""
        self.cells.widen(("result", function), UNKNOWN)
        for part in walk(function.node):
            self.cells.kinds.pop(part, None)

    def _has_learnt(self) -> bool:
        """Say whether calls in the file give other kinds to parameters assumed to be Tensors."""
        cells, learnt = self.cells, False
        for key, expected in cells.assumed.items():
            given = cells.read(("parameter", *key), None)
            if given in (NEVER, UNKNOWN) or join((given, expected)) == expected:
                continue
            learnt = learnt or key not in cells.called
            cells.called.add(key)
        return learnt


def _finish(circle: Sequence[File]) -> None:
    """Make final what was found about files that import each other, or about a single one."""
    for file in circle:
        file._state = _State.DONE
    if len(circle) == 1:
        return
    circle = sorted(circle, key=lambda file: str(file.path))
    for _ in range(KINDS_ROUNDS):
        has_changed = [file.find_again() for file in circle]
        if not any(has_changed):
            break
    beyond, leads_to = dict[Hashable, Kind](), set[File]()
    for file in circle:
        _merge(file.cells.beyond, beyond)
        leads_to |= file._leads_to
    for file in circle:
        _merge(beyond, file.cells.beyond)
        file._leads_to |= leads_to


def _merge(kinds: dict[Hashable, Kind], into: dict[Hashable, Kind]) -> None:
    for key, kind in kinds.items():
        into[key] = join((into.get(key, NEVER), kind))


def _parsed(path: Path) -> Parsed | None:
    parsed = parse(path)
    if parsed is None or len(parsed.text) > KINDS_LONGEST:
        return None
    if len(parsed.text) > KINDS_SHORT and "torch" not in parsed.text:
        return None  # no layers, no Tensors
    return parsed


def _of_torch(module: str, name: str) -> Kind:
    """Return what `from torch… import *` brings in as `name`."""
    full = f"{module}.{name}"
    if is_layer_class(full) or is_tensor_class(full):
        return Kind("class", full)
    return UNKNOWN
