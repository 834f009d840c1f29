"""Tells which calls change a Tensor that they are given, which MindSpore's do not.

In torch a layer or function with `inplace=True` does, and so does whatever calls one with its own
argument: a class, a Sequential that begins with such a layer, a helper function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.aliasing import Aliases, works_in_place
from mapper.analysis.cells import Cells, ClassInfo, Function
from mapper.analysis.kinds import NEVER, Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.torch_results import in_place_at
from mapper.analysis.walk import children, walk

SEQUENTIAL = "torch.nn.Sequential"


class InPlace:
    """Answers for one file what is changed in place, with what it takes from other files."""

    def __init__(
        self,
        cells: Cells,
        module: ParsedModule | None = None,
        others: dict[int, InPlace] | None = None,
    ) -> None:
        self.aliases = Aliases(cells, module)
        self._cells = cells
        self._others = {} if others is None else others
        self._others[id(cells)] = self
        self._parameters: dict[Function, frozenset[str]] = {}
        self._loose: dict[ast.AST, bool] = {}

    def changed(self, call: ast.Call) -> list[ast.expr]:
        """Return the arguments that a call may change."""
        if self._cells.kind(call).is_layer:  # the call only builds a layer
            return []
        callee = self._cells.kind(call.func)
        if works_in_place(call, callee):
            return [one for one in _first(call) if self._may_be_tensor(one)]
        found: list[ast.expr] = []
        for part in callee.alternatives():
            found += [one for one in self._given(call, part) if one not in found]
        return found

    def _may_be_tensor(self, node: ast.expr) -> bool:
        kinds = self._cells.kind(node).alternatives()
        return any(kind.is_tensor or not kind.is_known for kind in kinds)

    def may_change(self, layer: Kind) -> bool:
        """Say whether a layer may change its first input."""
        if layer.parts:
            return any(map(self.may_change, layer.parts))
        if not layer.is_layer:
            return False
        if layer.changes:
            return True
        if isinstance(layer.of, ClassInfo):
            return self._of(layer.of.cells)._class_changes(layer.of)
        return layer.of == SEQUENTIAL and self._container_changes(layer)

    def changed_parameters(self, function: Function) -> frozenset[str]:
        """Return the parameters of a function that it changes while its callers hold them."""
        if function.cells is not self._cells:
            return self._of(function.cells).changed_parameters(function)
        if function not in self._parameters:
            self._parameters[function] = frozenset()  # the answer while it calls itself
            self._parameters[function] = frozenset(self._changed_inside(function))
        return self._parameters[function]

    def _of(self, cells: Cells) -> InPlace:
        return self._others.get(id(cells)) or InPlace(cells, others=self._others)

    # --- calls ------------------------------------------------------------------------------------

    def _given(self, call: ast.Call, callee: Kind) -> list[ast.expr]:
        if callee.is_layer:
            functions = list(_forwards(callee.of)) if isinstance(callee.of, ClassInfo) else []
            for one in functions:
                if found := self._arguments(call, one, is_bound=True):
                    return found
            return _first(call) if not functions and self.may_change(callee) else []
        match callee.of:
            case Function() as function if callee.name == "function":
                return self._arguments(call, function, is_bound=False)
            case ("bound", Function() as function, Kind()):
                return self._arguments(call, function, is_bound=True)
            case ("method", Kind() as owner, "forward" | "__call__") if owner.is_layer:
                return self._given(call, owner)
            case ("partial", Kind() as inner):
                may_change = isinstance(inner.of, Function) and self.changed_parameters(inner.of)
                return _every(call) if may_change else []
        return []

    def _arguments(self, call: ast.Call, function: Function, is_bound: bool) -> list[ast.expr]:
        """Return the arguments of a call that come to parameters which the function changes."""
        changed = self.changed_parameters(function)
        if not changed:
            return []
        if any(isinstance(one, ast.Starred) for one in call.args):
            return _every(call)
        names = [one.arg for one in function.parameters()]
        names = names[1:] if is_bound and function.binding != "static" else names
        found = [one for name, one in zip(names, call.args, strict=False) if name in changed]
        found += [one.value for one in call.keywords if one.arg in (*changed, None)]
        return found

    def _changed_inside(self, function: Function) -> Iterator[str]:
        node = function.node
        names = {one.arg for one in function.parameters()}
        for statement in walk(node):
            if not isinstance(statement, ast.stmt | ast.Lambda) or isinstance(statement, FUNCTIONS):
                continue
            for call in own_calls(statement):
                for given in self.changed(call):
                    root = root_of(given)
                    if root is None or root.id not in names or self.aliases.is_fresh(given):
                        continue
                    if isinstance(statement, ast.Lambda) or not self.aliases.is_private_before(
                        root.id, statement, node
                    ):
                        yield root.id

    # --- classes and containers -------------------------------------------------------------------

    def _class_changes(self, info: ClassInfo) -> bool:
        forwards = list(_forwards(info))
        for one in forwards:
            first = one.parameters()[1:2]
            if first and first[0].arg in self.changed_parameters(one):
                return True
        if forwards:
            return False
        if SEQUENTIAL in info.apis():
            return self._is_loose(info.node)
        return any(in_place_at(api) is not None for api in info.apis())

    def _container_changes(self, layer: Kind) -> bool:
        """Say whether a Sequential hands its own input to a layer that changes it."""
        is_grown = any(self._cells.read(("grown", one), None) != NEVER for one in layer.sites)
        if layer.elements is None or is_grown:
            return any(map(self._is_loose, layer.sites))
        for child in layer.elements:
            if self.may_change(child):
                return True
            if self.aliases.gives_fresh(child, False):
                return False
        return False

    def _is_loose(self, site: ast.AST) -> bool:
        """Say whether a layer that works in place may come first in a container made there."""
        if site not in self._loose:
            self._loose[site] = False  # the answer while it holds itself
            self._loose[site] = any(
                self.may_change(self._cells.kind(layer))
                and not self.aliases.order.is_behind_new(layer)
                for layer in self.aliases.order.put(site)
            )
        return self._loose[site]


def own_calls(statement: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a statement, those of statements inside it left out."""
    stack: list[ast.AST] = [one for one in children(statement) if not isinstance(one, ast.stmt)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            yield node
        stack.extend(one for one in children(node) if not isinstance(one, ast.stmt))


def root_of(node: ast.expr) -> ast.Name | None:
    """Return the name whose value, or a part or view of it, an expression may be."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
                node = value
            case ast.Call(func=ast.Attribute(value=value), args=args):
                node = args[0] if args and isinstance(args[0], ast.Name) else value
            case ast.Call(args=[first, *_]) | ast.IfExp(body=first):
                node = first
            case _:
                return None
    return node


def _forwards(info: ClassInfo) -> Iterator[Function]:
    """Yield what may run when an instance is called: of the class, and of those that derive."""
    own = info.method("forward")
    if own is not None:
        yield own
        yield from (one.methods["forward"] for one in info.derived if "forward" in one.methods)


def _first(call: ast.Call) -> list[ast.expr]:
    return call.args[:1] or [one.value for one in call.keywords if one.arg in ("input", None)]


def _every(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(one.value for one in call.keywords)]
