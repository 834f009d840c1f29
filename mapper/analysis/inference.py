"""Tells what kind of value an expression of a file has: Tensor, layer, int, tuple, or unknown.

A file is interpreted with kinds in place of values, function by function, until nothing changes.
Definitions in other files of the project are found in the same way. Results are right as far as the
file's own annotations and calls are; arguments of `forward` are assumed to be Tensors unless
something in the file says otherwise.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from mapper.analysis.cells import Cells, ClassInfo
from mapper.analysis.expressions import is_module, may_have
from mapper.analysis.kinds import NEVER, UNKNOWN, Kind, join
from mapper.analysis.kinds_of_files import File, Project, project
from mapper.analysis.module import ParsedModule


@dataclass(slots=True, eq=False, repr=False)
class Inference:
    """Tells what kind of value the expressions of one file have."""

    module: ParsedModule
    project: Project = field(default_factory=project)
    _file: File | None = None

    @property
    def cells(self) -> Cells:
        """Return what is known of the file's names, attributes and functions."""
        if self._file is None:
            path = self.module.path.resolve() if self.module.path else None
            self._file = self.project.add(path, self.module.tree, self.module.text)
        self._file.analyse()
        return self._file.cells

    def release(self) -> None:
        """Keep no hold on the file; what is asked afterwards may be found anew."""
        self._file = None
        self.project.release()

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
