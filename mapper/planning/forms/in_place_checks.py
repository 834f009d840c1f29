"""Finds layers and functions that change a Tensor which the program still looks at.

`nn.ReLU(inplace=True)` changes its input in torch and leaves it as it is in MindSpore. That is the
same where nobody has that Tensor any more, as behind a convolution. Where somebody may have it, the
class or function stays torch's.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from mapper.analysis.aliasing import is_over, parameters
from mapper.analysis.in_place import InPlace, own_calls
from mapper.analysis.inference import Inference
from mapper.analysis.module import ParsedModule
from mapper.analysis.project import places
from mapper.analysis.project_files import parse
from mapper.analysis.project_uses import facts_of
from mapper.analysis.scopes import DEFINITIONS, FUNCTIONS
from mapper.analysis.walk import children, walk
from mapper.planning.forms.assignment_checks import AssignmentChecks, Problem

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Body = _Function | ast.Module

_SEEN = (
    "`{}` changes its input in torch (inplace=True), which may be seen afterwards; MindSpore "
    "leaves the input as it is: write it without inplace where both are meant to be the same"
)
_CALLERS = (
    "`{}` changes what the caller of `{}` gives in torch (inplace=True), and MindSpore leaves that "
    "as it is; who calls it is not all seen: write it without inplace, or `{}.clone()`"
)
_MADE = (
    "`{}` changes its input in torch (inplace=True), and MindSpore's leaves it as it is; what it "
    "is called with is not seen here: write it without inplace"
)


class InPlaceChecks:
    """Finds what is changed in place and still seen, in one file.

    `models` are the classes of the file that derive from torch.nn.Module.
    """

    def __init__(
        self, module: ParsedModule, inference: Inference, models: Collection[ast.ClassDef]
    ) -> None:
        self._module = module
        self._inference = inference
        self._kind = inference.kind
        self._models = models
        self._in_place = InPlace(inference.cells, module)
        self._aliases = self._in_place.aliases
        self._assignments = AssignmentChecks(inference.cells, self._aliases)
        self._facts = facts_of(module.tree)
        self._held: dict[str, bool] = {}

    def problems(self) -> Iterator[Problem]:
        """Yield what would be silently different: lines and reasons."""
        for scope in self._module.names.scopes.all:
            if isinstance(scope.node, FUNCTIONS):
                for statement in walk(scope.node):
                    if isinstance(statement, ast.stmt) and not isinstance(statement, DEFINITIONS):
                        yield from self._of_statement(statement, scope.node)
        yield from self._of_module()
        for node in walk(self._module.tree):
            if isinstance(node, ast.Call):
                yield from self._of_maker(node)
            elif isinstance(node, ast.Assign):
                yield from self._of_attribute(node)

    def _of_module(self) -> Iterator[Problem]:
        """Yield the problems of the module's own code, for all of its statements together."""
        tree = self._module.tree
        outermost = [one for one in tree.body if not isinstance(one, DEFINITIONS)]
        for one in outermost:
            for statement in _statements(one):
                for _, words in self._of_statement(statement, tree):
                    yield from ((other.lineno, words) for other in outermost)

    def _of_statement(self, statement: ast.stmt, body: _Body) -> Iterator[Problem]:
        yield from self._assignments.of_statement(statement, body)
        for call in own_calls(statement):
            for given in self._in_place.changed(call):
                yield from self._of_argument(call, given, statement, body)

    # --- calls ------------------------------------------------------------------------------------

    def _of_argument(
        self, call: ast.Call, given: ast.expr, statement: ast.stmt, function: _Body
    ) -> Iterator[Problem]:
        """Yield why it matters that a call changes one of its arguments."""
        text = ast.unparse(call)[:60]
        if self._aliases.is_lost(given, statement, function):
            return
        if isinstance(function, ast.Module) or not self._is_callers(given, statement, function):
            yield call.lineno, _SEEN.format(text)
        elif not self._has_known_callers(function):
            yield call.lineno, _CALLERS.format(text, function.name, ast.unparse(given))

    def _is_callers(self, given: ast.expr, statement: ast.stmt, function: _Function) -> bool:
        """Say whether a parameter, which is not used afterwards, still holds what it was given."""
        return (
            isinstance(given, ast.Name)
            and is_over(given, statement, function)
            and given.id in parameters(function)
            and self._aliases.is_only_the_callers(given.id, statement, function)
        )

    # --- who calls --------------------------------------------------------------------------------

    def _has_known_callers(self, function: _Function) -> bool:
        """Say whether all calls of a function are looked at: by models, and by no other code."""
        around = self._facts.parents.get(function)
        if around is self._module.tree:
            return self._is_held(function.name)
        if not isinstance(around, ast.ClassDef) or around not in self._models:
            return False
        if function.name == "forward":
            return self._is_held(around.name)
        return self._is_called_by_self(function.name, around)

    def _is_held(self, name: str) -> bool:
        """Say whether only models use a class or function of the file, and some do."""
        if name not in self._held:
            self._held[name] = False  # the answer while it is asked again
            self._held[name] = self._is_held_here(name) and self._is_held_elsewhere(name)
        return self._held[name]

    def _is_held_here(self, name: str) -> bool:
        is_used = False
        for chain in self._facts.chains.get(name, ()):
            node = chain.levels[0]
            if not chain.is_loaded:
                return False
            outermost, inner = self._outermost(node)
            if isinstance(outermost, ast.ClassDef) and inner in outermost.bases:
                if not self._is_held(outermost.name):
                    return False
            elif isinstance(outermost, ast.ClassDef) and outermost in self._models:
                is_used = is_used or outermost.name != name
            elif isinstance(outermost, FUNCTIONS) and outermost.name != name:
                if not self._is_held(outermost.name):
                    return False
                is_used = True
            elif not isinstance(outermost, FUNCTIONS):
                return False
        return is_used or self._is_used_elsewhere(name)

    def _outermost(self, node: ast.AST) -> tuple[ast.AST, ast.AST]:
        """Return the statement of the module that holds a node, and what of it does."""
        inner = node
        while (around := self._facts.parents.get(node, self._module.tree)) is not self._module.tree:
            inner, node = node, around
        return node, inner

    def _is_held_elsewhere(self, name: str) -> bool:
        path = self._module.path
        if path is None or not path.is_file():
            return True
        found = places(path, name)
        return found is not None and all(_is_in_class(read.node, file) for file, read in found)

    def _is_used_elsewhere(self, name: str) -> bool:
        path = self._module.path
        return path is not None and path.is_file() and bool(places(path, name))

    def _is_called_by_self(self, name: str, model: ast.ClassDef) -> bool:
        """Say whether a method is called as `self.name(…)` in models, and used nowhere else."""
        is_called = False
        for node in walk(self._module.tree):
            if not isinstance(node, ast.Attribute) or node.attr != name:
                continue
            outermost, _ = self._outermost(node)
            call = self._facts.parents.get(node)
            is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
            if not is_own or outermost not in self._models:
                return False
            if not isinstance(call, ast.Call) or call.func is not node:
                return False
            is_called = True
        return is_called

    # --- layers that are made ---------------------------------------------------------------------

    def _of_maker(self, call: ast.Call) -> Iterator[Problem]:
        """Yield why it matters that code outside of models makes a layer that works in place."""
        if _last(call.func) == "partial" and any(
            one.arg == "inplace" and not _is_false(one.value) for one in call.keywords
        ):
            if call.args and self._kind(call.args[0]).name == "function":
                yield call.lineno, _MADE.format(ast.unparse(call)[:60])
            return
        is_thrown_away = isinstance(self._facts.parents.get(call), ast.Expr)
        if is_thrown_away or not self._changes(call):
            return
        outermost, _ = self._outermost(call)
        if outermost in self._models or self._is_inside_a_layer(call):
            return
        if self._aliases.order.is_behind_new(call):
            return
        if not isinstance(outermost, FUNCTIONS) or not self._is_held(outermost.name):
            yield call.lineno, _MADE.format(ast.unparse(call)[:60])

    def _is_inside_a_layer(self, call: ast.Call) -> bool:
        """Say whether a layer is given to another one, which is looked at in its place."""
        node = self._facts.parents.get(call)
        while isinstance(node, ast.expr):
            if isinstance(node, ast.Call) and self._kind(node).is_layer:
                return True
            node = self._facts.parents.get(node)
        return False

    def _of_attribute(self, statement: ast.Assign) -> Iterator[Problem]:
        """Yield that an attribute may hold such a layer, but its calls are not known as such."""
        match statement.targets:
            case [ast.Attribute(value=ast.Name(id="self"), attr=attr)]:
                found = [one for one in _choices(statement.value) if self._changes(one)]
            case _:
                return
        info = self._inference.cells.classes.get(self._outermost(statement)[0]) if found else None
        if info is not None and not self._in_place.may_change(
            self._inference.attribute(info, attr)
        ):
            yield statement.lineno, _MADE.format(ast.unparse(found[0])[:60])

    def _changes(self, layer: ast.expr) -> bool:
        return self._in_place.may_change(self._kind(layer))


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield a statement and those in it, but for functions and classes."""
    stack: list[ast.AST] = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, DEFINITIONS):
            continue
        if isinstance(one, ast.stmt):
            yield one
        stack.extend(children(one))


def _choices(value: ast.expr) -> Iterator[ast.expr]:
    """Yield the values that `a if c else b` and `a or b` may have."""
    match value:
        case ast.IfExp(body=body, orelse=orelse):
            yield from _choices(body)
            yield from _choices(orelse)
        case ast.BoolOp(values=values):
            for one in values:
                yield from _choices(one)
        case _:
            yield value


def _is_in_class(node: ast.AST, file: Path) -> bool:
    """Say whether a node of another file stands in a class there."""
    parsed = parse(file)
    parents = facts_of(parsed.tree).parents if parsed is not None else {}
    outermost: ast.AST | None = node
    while outermost is not None and not isinstance(outermost, ast.ClassDef):
        outermost = parents.get(outermost)
    return outermost is not None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
