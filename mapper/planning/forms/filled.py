"""Containers that a function makes empty and fills afterwards: `self.layers.append(…)` in a loop.

A CellList that is filled when it belongs to a Cell already gives its layers' parameters names
without its own (`0.weight`), and a SequentialCell passes over children that were set by name. So
the layers are gathered in a Python list or dict, and the container is made of it after the last.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mapper.analysis.inference import Inference
from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import BODIES, DEFINITIONS, FUNCTIONS
from mapper.analysis.walk import children, walk

LIST, DICT, SEQUENTIAL = "torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.Sequential"
_ADDS: Mapping[str, frozenset[str]] = {
    LIST: frozenset(("append", "extend", "insert")),
    DICT: frozenset(("update", "add_module", "__setitem__")),
    SEQUENTIAL: frozenset(("append", "add_module")),
}
_WALKS = ("children", "named_children", "_modules", "cells", "name_cells")
"""What yields layers in the order in which they were set."""
_OF_MODULE = frozenset(
    ("add_module", "apply", "buffers", "children", "eval", "modules", "named_buffers",
     "named_children", "named_modules", "named_parameters", "parameters", "state_dict", "to",
     "train", "cuda", "requires_grad_")
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Filled:
    """One container: what makes it, what fills it, and what else reads it meanwhile.

    `name` is the variable in which its layers are gathered; `last` the statement after which the
    container is made of them. `problem` says why it is not done so.
    """

    api: str
    creation: ast.Assign
    function: ast.AST
    depth: int
    is_keyed: bool = False
    adds: list[ast.Call] = field(default_factory=list)
    uses: list[ast.expr] = field(default_factory=list)
    last: ast.stmt | None = None
    name: str = ""
    problem: str | None = None
    is_late: bool = False
    """Other layers are set before it then, and after it in torch."""

    @property
    def target(self) -> ast.expr:
        """Return what holds the container: `self.layers`, or a variable."""
        return self.creation.targets[0]

    @property
    def call(self) -> ast.Call:
        """Return the call that makes it."""
        assert isinstance(self.creation.value, ast.Call)
        return self.creation.value


def find_filled(module: ParsedModule, inference: Inference) -> list[Filled]:
    """Return the containers that are filled after they are made, inner ones first."""
    found: list[Filled] = []
    for scope in module.names.scopes.all:
        if isinstance(scope.node, FUNCTIONS):
            found += _Search(module, inference, scope.node).found()
    return sorted(found, key=lambda one: (-one.depth, one.creation.lineno))


class _Search:
    """Looks through one function."""

    def __init__(
        self, module: ParsedModule, inference: Inference, function: ast.FunctionDef | ast.AST
    ) -> None:
        self._module = module
        self._inference = inference
        self._function = function

    @cached_property
    def _taken(self) -> set[str]:
        """The names that the file uses."""
        names = {node.id for node in walk(self._module.tree) if isinstance(node, ast.Name)}
        return names | {node.arg for node in walk(self._function) if isinstance(node, ast.arg)}

    def found(self) -> list[Filled]:
        """Return the containers that the function makes and fills."""
        found = []
        for body, depth in _bodies(self._function):
            for index, statement in enumerate(body):
                one = self._made(statement, depth)
                if one is None:
                    continue
                after = _until_made_again(body[index + 1 :], one.target)
                self._fill(one, after)
                if one.last is None:
                    continue
                one.problem = self._problem(one, after[: after.index(one.last) + 1])
                one.name = self._free(one.target)
                found.append(one)
        return found

    def _made(self, statement: ast.stmt, depth: int) -> Filled | None:
        match statement:
            case ast.Assign(targets=[ast.Name() | ast.Attribute(value=ast.Name(id="self"))]):
                made = statement.value
                if not isinstance(made, ast.Call):
                    return None
                of = self._inference.kind(made.func).of
                if isinstance(of, str) and of in _ADDS:
                    return Filled(of, statement, self._function, depth)
        return None

    def _fill(self, one: Filled, after: Sequence[ast.stmt]) -> None:
        """Note what fills the container, and the last statement that does."""
        for statement in after:
            fills = list(_fills(statement, one))
            if fills:
                one.last = statement
            one.adds += [fill for fill in fills if isinstance(fill, ast.Call)]

    def _problem(self, one: Filled, within: Sequence[ast.stmt]) -> str | None:
        """Say why the layers cannot be gathered first, if so."""
        words = ast.unparse(one.target)
        names = {_method(call) for call in one.adds}
        one.is_keyed = one.api == DICT or "add_module" in names
        if one.is_keyed and one.api == SEQUENTIAL and ("append" in names or one.call.args):
            return f"`{words}` gets layers with names and without: give all of them one or none"
        if one.call.keywords or (one.api != SEQUENTIAL and len(one.call.args) > 1):
            return f"`{words}` is made in another way"
        for statement in within:
            for node, parents in _nodes(statement):
                if why := self._not_gathered(one, node, parents):
                    return f"{why} (line {getattr(node, 'lineno', one.creation.lineno)})"
        if _leaves(within):
            return f"the function may be left before `{words}` is filled"
        assert one.last is not None
        for statement in (one.creation, one.last):
            if not self._is_alone(statement):
                return f"`{words}` is filled on a line with another statement"
        one.is_late = isinstance(one.target, ast.Attribute) and any(
            self._sets_a_layer(node, one) for statement in within for node in walk(statement)
        )
        if one.is_late and any(
            isinstance(node, ast.Attribute) and node.attr in _WALKS
            for node in walk(self._module.tree)
        ):
            return f"other layers are set while `{words}` is filled, and their order is asked for"
        return None

    def _not_gathered(self, one: Filled, node: ast.AST, parents: Sequence[ast.AST]) -> str | None:
        """Say what a node does that a Python list in the place of the container would not."""
        words = ast.unparse(one.target)
        parent = parents[0] if parents else None
        if isinstance(node, ast.expr) and _same(node, one.target):
            if any(isinstance(above, (*DEFINITIONS, ast.Lambda)) for above in parents):
                return f"`{words}` is read in a function of its own"
            one.uses.append(node)
            return (
                None
                if _is_plain(one, node, parents)
                else (f"`{words}` is read before it is filled")
            )
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                if isinstance(one.target, ast.Attribute) and self._may_read(name, one.target.attr):
                    return f"`self.{name}` is called before `{words}` is filled"
            case ast.Name(id="self") if isinstance(one.target, ast.Attribute):
                if not isinstance(parent, ast.Attribute):
                    return f"`self` is given away before `{words}` is filled"
        return None

    def _may_read(self, method: str, attribute: str) -> bool:
        """Say whether a method of the class may look at an attribute."""
        if method in _OF_MODULE:
            return True
        found = [
            node
            for node in walk(self._module.tree)
            if isinstance(node, FUNCTIONS) and node.name == method
        ]
        if not found:
            return not any(
                isinstance(node, ast.Attribute)
                and node.attr == method
                and isinstance(node.ctx, ast.Store)
                for node in walk(self._module.tree)
            )
        return any(
            (isinstance(node, ast.Attribute) and node.attr in (attribute, *_OF_MODULE))
            or (isinstance(node, ast.Name) and node.id in ("getattr", "vars"))
            for one in found
            for node in walk(one)
        )

    def _sets_a_layer(self, node: ast.AST, one: Filled) -> bool:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self")) as target]):
                kind = self._inference.kind(node.value)
                return not _same(target, one.target) and (kind.is_layer or not kind.is_known)
            case ast.Call(func=ast.Name(id="setattr")):
                return True
        return False

    def _is_alone(self, statement: ast.stmt) -> bool:
        """Say whether nothing but a comment shares the lines of a statement."""
        module = self._module
        start, end = module.start(statement), module.end(statement)
        before = module.text[start - statement.col_offset : start]
        rest = module.text[end : module.line_end(end)].strip()
        return not before.strip() and (not rest or rest.startswith("#"))

    def _free(self, target: ast.expr) -> str:
        if isinstance(target, ast.Name):
            return target.id
        assert isinstance(target, ast.Attribute)
        for name in (target.attr, f"{target.attr}_list", f"all_{target.attr}"):
            if name not in self._taken:
                self._taken.add(name)
                return name
        number = 2
        while f"{target.attr}{number}" in self._taken:
            number += 1
        self._taken.add(f"{target.attr}{number}")
        return f"{target.attr}{number}"


def _bodies(function: ast.AST) -> Iterator[tuple[list[ast.stmt], int]]:
    """Yield the lists of statements in a function, with how deep each lies."""
    stack = [(function, 0)]
    while stack:
        owner, depth = stack.pop()
        for name in BODIES:
            body = getattr(owner, name, None)
            if not isinstance(body, list):
                continue
            yield body, depth
            stack.extend((one, depth + 1) for one in body if not isinstance(one, DEFINITIONS))


def _until_made_again(after: list[ast.stmt], target: ast.expr) -> list[ast.stmt]:
    for index, statement in enumerate(after):
        if isinstance(statement, ast.Assign) and any(
            _same(one, target) for one in statement.targets
        ):
            return after[:index]
    return after


def _fills(statement: ast.stmt, one: Filled) -> Iterator[ast.AST]:
    """Yield what adds layers to a container in a statement: calls, `x[name] = layer`, `x += …`."""
    for node in walk(statement):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=value, attr=name)) as call):
                if name in _ADDS[one.api] and _same(value, one.target):
                    yield call
            case ast.Assign(targets=[ast.Subscript(value=value)]):
                if one.api == DICT and _same(value, one.target):
                    yield node
            case ast.AugAssign(op=ast.Add(), target=target):
                if one.api == LIST and _same(target, one.target):
                    yield node


def _is_plain(one: Filled, node: ast.expr, parents: Sequence[ast.AST]) -> bool:
    """Say whether a Python list or dict does the same as the container at one of its uses."""
    parent, above = parents[0], parents[1] if len(parents) > 1 else None
    match parent:
        case ast.Attribute(attr=name):
            return name in _ADDS[one.api] and isinstance(above, ast.Call) and above in one.adds
        case ast.Call(func=ast.Name(id="len" | "enumerate" | "zip"), args=args) if node in args:
            return True
        case ast.For(iter=found) if found is node:
            return one.api == LIST
        case ast.Subscript(value=found) if found is node:
            if isinstance(parent.ctx, ast.Store):
                return one.api == DICT and isinstance(above, ast.Assign)
            is_slice = isinstance(parent.slice, ast.Slice)
            return (
                not isinstance(parent.ctx, ast.Del)
                and not is_slice
                and not (one.is_keyed and one.api == SEQUENTIAL)
            )
        case ast.AugAssign(target=found) if found is node:
            return one.api == LIST and isinstance(parent.op, ast.Add)
        case ast.Compare(comparators=[found]) if found is node:
            return one.api == DICT
    return False


def _leaves(within: Sequence[ast.stmt]) -> bool:
    """Say whether statements may be left other than by their end or an error."""
    stack: list[tuple[ast.AST, bool]] = [(statement, False) for statement in within]
    while stack:
        node, in_loop = stack.pop()
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Break | ast.Continue) and not in_loop:
            return True
        if isinstance(node, (*DEFINITIONS, ast.Lambda)):
            continue
        inside = in_loop or isinstance(node, ast.For | ast.While | ast.AsyncFor)
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))
    return False


def _nodes(statement: ast.AST) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    """Yield the nodes of a statement with those around each, the nearest first."""
    stack: list[tuple[ast.AST, list[ast.AST]]] = [(statement, [])]
    while stack:
        node, parents = stack.pop()
        yield node, parents
        around = [node, *parents]
        stack.extend((child, around) for child in children(node))


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _same(node: ast.expr, target: ast.expr) -> bool:
    match node, target:
        case ast.Name(id=left), ast.Name(id=right):
            return left == right
        case ast.Attribute(value=ast.Name(id=a), attr=left), ast.Attribute(
            value=ast.Name(id=b), attr=right
        ):
            return (a, left) == (b, right)
    return False
