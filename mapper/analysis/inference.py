"""Infers what kind of value an expression of a file has: Tensor, layer, int, tuple, or unknown.

A file is interpreted with kinds in place of values, function by function, until nothing changes.
Definitions in other files of the project are found in the same way. Results are right as far as the
file's own annotations and calls are; arguments of `forward` are assumed to be Tensors unless
something in the file says otherwise.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

from mapper.analysis.calls import CallResults
from mapper.analysis.cells import Cells, ClassInfo, Function
from mapper.analysis.expressions import is_module, may_have
from mapper.analysis.flow import Flow
from mapper.analysis.kinds import NEVER, UNKNOWN, Kind, join
from mapper.analysis.module import ParsedModule
from mapper.analysis.project_files import find
from mapper.analysis.scopes import Scopes
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import is_layer_class, is_tensor_class
from mapper.analysis.walk import walk
from mapper.files import regular
from mapper.limits import (
    KINDS_FILES,
    KINDS_LONGEST,
    KINDS_PASSES,
    KINDS_RUNS,
    KINDS_SHORT,
    PROJECT_HOPS,
)


@dataclass(slots=True, eq=False, repr=False)
class Project:
    """The files that were analysed, each once."""

    shared: dict[Hashable, Kind] = field(default_factory=dict)
    _files: dict[Path, File | None] = field(default_factory=dict)

    def add(self, path: Path | None, tree: ast.Module) -> File:
        """Add a file that is parsed already."""
        made = File(tree, path, self)
        if path is not None:
            self._files[path] = made
        return made

    def file(self, path: Path) -> File | None:
        """Return a file of the project; None where it cannot be read, or there are too many."""
        if path not in self._files:
            known = len(self._files) < KINDS_FILES
            tree = _parsed(path) if known else None
            self._files[path] = File(tree, path, self) if tree is not None else None
        return self._files[path]

    def imported(self, target: str, path: Path | None, hops: int = PROJECT_HOPS) -> Kind:
        """Return what `package.module.name`, imported by the file at `path`, is."""
        if path is None or hops == 0:
            return UNKNOWN
        rest = target.lstrip(".")
        dots = target[: len(target) - len(rest)]
        module, _, name = rest.rpartition(".")
        if (module or dots) and (file := find(dots + module, path)) is not None:
            found = self._global(file, name, hops)
            if found != UNKNOWN:
                return found
        if find(target, path) is not None:
            return Kind("module", (target,)) if not dots else Kind("module", (target, str(path)))
        return UNKNOWN

    def starred(self, module: str, name: str, path: Path | None, hops: int = PROJECT_HOPS) -> Kind:
        """Return what `from module import *` brings in as `name`."""
        file = find(module, path) if path is not None else None
        if file is None or name.startswith("_"):
            return UNKNOWN
        return self._global(file, name, hops)

    def _global(self, path: Path, name: str, hops: int) -> Kind:
        file = self.file(path)
        return file.named(name, hops - 1) if file is not None else UNKNOWN


@dataclass(slots=True, eq=False, repr=False)
class File:
    """One file and its cells, which are filled at the first query."""

    tree: ast.Module
    path: Path | None
    project: Project
    cells: Cells = field(init=False)
    _state: str = "new"

    def __post_init__(self) -> None:
        scopes = Scopes(self.tree)
        self.cells = Cells(scopes, self.path, self._imported, self._starred, self.project.shared)

    def named(self, name: str, hops: int) -> Kind:
        """Return what a module-level name of the file is."""
        if hops == 0:
            return UNKNOWN
        scope = self.cells.scopes.module
        if name in scope.bindings:  # else it need not be analysed
            self.analyse()
            found = self.cells.read(("name", scope, name), None)
            if found != NEVER:
                return found
        for star in scope.stars:
            found = self.project.starred(star, name, self.path, hops)
            if found != UNKNOWN:
                return found
        return UNKNOWN

    def _imported(self, target: str) -> Kind:
        return self.project.imported(target, self.path)

    def _starred(self, module: str, name: str) -> Kind:
        if is_torch(module):
            return _of_torch(module, name)
        return self.project.starred(module, name, self.path)

    def kind(self, node: ast.expr) -> Kind:
        """Return what kind of value an expression of the file has."""
        self.analyse()
        return self.cells.kind(node)

    def analyse(self) -> None:
        """Analyse the file, once; during a circular import, what is known so far has to do."""
        if self._state != "new":
            return
        self._state = "running"
        for _ in range(KINDS_PASSES):
            self._run()
            if not self._has_learnt():
                break
        self._state = "done"
        self.cells.finish()

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


@dataclass(slots=True, eq=False, repr=False)
class Inference:
    """Tells what kind of value the expressions of one file have.

    `project` holds the files that it imports, each analysed once.
    """

    module: ParsedModule
    project: Project = field(default_factory=Project)
    _file: File | None = None

    @property
    def cells(self) -> Cells:
        """Return what is known of the file's names, attributes and functions."""
        if self._file is None:
            path = self.module.path.resolve() if self.module.path else None
            if path is None:
                self._file = File(self.module.tree, None, self.project)
            else:
                self._file = self.project.add(path, self.module.tree)
        self._file.analyse()
        return self._file.cells

    def release(self) -> None:
        """Forget all files: what is asked afterwards is found anew."""
        self._file, self.project = None, Project()

    def kind(self, node: ast.expr) -> Kind:
        """Return what kind of value an expression of the file has."""
        return self.cells.kind(node)

    def receiver(self, node: ast.Attribute) -> Kind:
        """Return the kind that an attribute is read from; alternatives without it are left out."""
        kind = self.kind(node.value)
        parts = [part for part in kind.alternatives() if may_have(part, node.attr)]
        return join(parts) if parts else kind

    @property
    def classes(self) -> list[ClassInfo]:
        """Return the classes of the file that derive from torch.nn.Module, in source order."""
        found = [one for one in self.cells.classes.values() if is_module(one)]
        return sorted(found, key=lambda one: one.node.lineno)

    def attribute(self, info: ClassInfo, name: str) -> Kind:
        """Return the kind of `self.name` in a class, joined over all assignments to it."""
        cells = info.cells
        kinds = [cells.read(("attribute", one, name), None) for one in info.related()]
        found = join((*kinds, cells.read(("elsewhere", name), None)))
        return UNKNOWN if found == NEVER else found


def _parsed(path: Path) -> ast.Module | None:
    try:
        data = regular.read(path, KINDS_LONGEST)
        if len(data) > KINDS_SHORT and b"torch" not in data:
            return None  # no layers, no Tensors
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _of_torch(module: str, name: str) -> Kind:
    """Return what `from torch… import *` brings in as `name`."""
    full = f"{module}.{name}"
    if is_layer_class(full) or is_tensor_class(full):
        return Kind("class", full)
    return UNKNOWN
