"""Collects what a file says about the names in a call: their kinds of value, and some values.

The evidence are constants, defaults, annotations, `self.k = k`, short functions of the file, and
the calls of the enclosing function. It decides how a rewrite is written and which values a proof
tries first, never whether the rewrite is right: the proof tries other values too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from mapper.analysis.annotations import kinds_of_annotation
from mapper.analysis.callers import Caller, calls_here, passed, visible_calls
from mapper.analysis.effects import acting_readers
from mapper.analysis.evaluate import UnknownError, evaluate, known, symbol
from mapper.analysis.module import ParsedModule
from mapper.analysis.project import imported_trees
from mapper.analysis.scopes import FUNCTIONS, Binding, Scope
from mapper.analysis.sequences import elements
from mapper.analysis.shadowing import may_misread
from mapper.analysis.walk import walk

ANY = "any"
Kinds = frozenset[str]
"""Names of types, `None`, and `any` where there may be others."""

_UNKNOWN: Kinds = frozenset({ANY})
_SEQUENCES: Kinds = frozenset({"tuple", "list", "str"})
_INTS: Kinds = frozenset({"int", "bool"})
_SEEN = 4  # values of a symbol that are tried first
_LOOKED_AT = 64  # expressions that are evaluated to find them
_DEPTH = 6  # names looked up behind one another
_SPREADING = {f"torch.nn.modules.utils.{name}" for name in ("_single", "_pair", "_triple")}
_MADE_BY: Mapping[str, str] = {
    **dict.fromkeys(("abs", "int", "len", "math.ceil", "math.floor", "round", "sum"), "int"),
    **dict.fromkeys(("all", "any", "bool", "isinstance", "issubclass"), "bool"),
    "float": "float",
    "str": "str",
    "tuple": "tuple",
    "list": "list",
}


@dataclass(slots=True)
class Knowledge:
    """What is known in one module; each name is looked up once."""

    module: ParsedModule
    _kinds: dict[tuple[Scope, str], Kinds] = field(default_factory=dict)
    _attributes: dict[Scope, Mapping[str, list[ast.expr]]] = field(default_factory=dict)
    _calls: dict[Scope, tuple[list[Caller], bool]] = field(default_factory=dict)
    _readers: list[tuple[frozenset[str], bool, bool]] = field(default_factory=list)

    def kinds(self, node: ast.expr, scope: Scope) -> Kinds:
        """Return the kinds of value that an expression may have in a scope."""
        return self._of(node, scope, {}, _DEPTH)

    def values(self, node: ast.expr, scope: Scope) -> list[object]:
        """Return values that a symbol is seen to have: its constant, default, what callers give.

        The first few different ones.
        """
        found: dict[str, object] = {}
        for expression in islice(self._sources(node, scope), _LOOKED_AT):
            if may_misread(expression, self.module.names):
                continue
            with suppress(UnknownError):
                value = evaluate(expression, {})
                found.setdefault(repr(value), value)
        return list(found.values())[:_SEEN]

    def acts(self, node: ast.expr, scope: Scope) -> bool:
        """Say whether reading an attribute or an element may do something, as classes at hand say.

        These are the classes of the file and of the files of the project that it imports.
        """
        if not self._readers:
            path, module = self.module.path, self.module.names.scopes.module
            others = imported_trees(path, module) if path is not None else []
            self._readers.append(acting_readers([self.module.tree, *others]))
        properties, any_attribute, items = self._readers[0]
        if isinstance(node, ast.Attribute):
            return node.attr in properties or any_attribute
        whole = node.value if isinstance(node, ast.Subscript) else node
        return items and not self.kinds(whole, scope) <= _SEQUENCES

    # --- kinds ---

    def _of(self, node: ast.expr, scope: Scope, local: Mapping[str, Kinds], depth: int) -> Kinds:
        """Return the kinds of an expression; `local` has those of parameters, `depth` an end."""

        def of(part: ast.expr) -> Kinds:
            return self._of(part, scope, local, depth - 1)

        if depth == 0:
            return _UNKNOWN
        if may_misread(node, self.module.names):
            return _UNKNOWN
        if (found := known(node)) is not None:
            return _kind(found.value)
        match node:
            case ast.Tuple():
                return frozenset({"tuple"})
            case ast.List() | ast.ListComp():
                return frozenset({"list"})
            case ast.JoinedStr():
                return frozenset({"str"})
            case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return frozenset({"bool"})
            case ast.UnaryOp(operand=operand):
                return of(operand)
            case ast.BoolOp(values=values):
                return frozenset().union(*map(of, values))
            case ast.IfExp(body=body, orelse=orelse):
                return of(body) | of(orelse)
            case ast.BinOp():
                return _computed(node, of(node.left), of(node.right))
            case ast.Subscript(value=value) if (items := elements(value)) is not None:
                return frozenset().union(*map(of, items)) if items else _UNKNOWN
            case ast.Call():
                return self._made(node, scope, local, depth)
            case ast.Name(id=name) if name in local:
                return local[name]
            case ast.Name() | ast.Attribute():
                return self._named(node, scope, depth)
        return _UNKNOWN

    def _made(self, node: ast.Call, scope: Scope, local: Mapping[str, Kinds], depth: int) -> Kinds:
        """Return the kinds of what a call returns: of Python's functions, and of the file's own."""
        name = symbol(node.func)
        if (method := _method(node.func, scope)) is not None:
            return self._returned(method, scope.module(), depth - 1)
        meaning = self.module.names.meaning(node.func, scope)
        if meaning is not None and meaning.name in _SPREADING:
            return frozenset({"tuple"})
        if "." in name or scope.lookup(name) is None:
            if name in _MADE_BY:
                return frozenset({_MADE_BY[name]})
            if name not in ("max", "min"):
                return _UNKNOWN
            given = [items for one in node.args for items in elements(one) or [one]]
            return frozenset().union(*(self._of(one, scope, local, depth - 1) for one in given))
        found = scope.lookup(name)
        if found is None or len(found[1]) != 1 or not isinstance(found[1][0].statement, FUNCTIONS):
            return _UNKNOWN
        return self._returned(found[1][0].statement, found[0], depth - 1)

    def _returned(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, depth: int
    ) -> Kinds:
        """Return what a short function of the file returns, whatever its parameters are."""
        decorators = [symbol(one) for one in function.decorator_list]
        if isinstance(function, ast.AsyncFunctionDef) or decorators not in ([], ["staticmethod"]):
            return _UNKNOWN
        arguments = function.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        local: dict[str, Kinds] = {one.arg: _UNKNOWN for one in every}
        returned: list[ast.expr] = []
        for statement in function.body:
            match statement:
                case ast.Expr(value=ast.Constant()):
                    continue
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    local[name] = self._of(value, scope, local, depth)
                case ast.Return(value=ast.expr() as value):
                    returned.append(value)
                case ast.If(body=[ast.Return(value=ast.expr() as value)], orelse=[]):
                    returned.append(value)
                case _:
                    return _UNKNOWN
        kinds = [self._of(value, scope, local, depth) for value in returned]
        return frozenset().union(*kinds) if kinds else frozenset({"None"})

    def _named(self, node: ast.expr, scope: Scope, depth: int) -> Kinds:
        key = scope, symbol(node)
        if key not in self._kinds:
            self._kinds[key] = frozenset()  # for a name that depends on itself
            self._kinds[key] = self._bound(node, scope, depth)
        return self._kinds[key]

    def _bound(self, node: ast.expr, scope: Scope, depth: int) -> Kinds:
        """Return the kinds of a name or attribute, over everything that binds it."""
        if isinstance(node, ast.Attribute):
            values = self._stored(node, scope)
            if not values:
                return _UNKNOWN
            return frozenset().union(*(self._of(v, scope, {}, depth - 1) for v in values))
        assert isinstance(node, ast.Name)
        found = scope.lookup(node.id)
        if found is None:
            return _UNKNOWN
        home, bindings = found
        kinds: Kinds = frozenset()
        for binding in bindings:
            if binding.kind == "parameter":
                kinds |= self._parameter(node.id, binding, home, depth)
            elif binding.kind == "assign" and binding.value is not None:
                kinds |= self._of(binding.value, home, {}, depth - 1)
            else:
                return _UNKNOWN
        return kinds

    def _parameter(self, name: str, binding: Binding, home: Scope, depth: int) -> Kinds:
        """Return the kinds of a parameter, by default and annotation, else by what calls give."""
        arguments: ast.arguments = home.node.args  # type: ignore[attr-defined]
        if binding.statement in (arguments.vararg, arguments.kwarg):
            return _UNKNOWN
        kinds: Kinds = frozenset()
        if binding.value is not None and home.parent is not None:
            kinds |= self._of(binding.value, home.parent, {}, depth - 1)
        annotation = getattr(binding.statement, "annotation", None)
        if annotation is not None and (meant := kinds_of_annotation(annotation)):
            return kinds | meant
        calls, is_whole = self._callers(home)
        given = passed(home, name, calls)
        for caller, value in given.values:
            kinds |= self._passed(value, caller, depth - 1)
        return kinds if is_whole and not given.is_hidden else kinds | _UNKNOWN

    def _callers(self, home: Scope) -> tuple[list[Caller], bool]:
        """Return the calls of a function that can be seen, and whether these are all."""
        if home not in self._calls:
            uses = self.module.uses
            every = visible_calls(home, uses, self.module.path)
            self._calls[home] = every or calls_here(home, uses), every is not None
        return self._calls[home]

    def _passed(self, value: ast.expr, caller: Caller, depth: int) -> Kinds:
        home = self.module.names.scopes.home.get(caller.statement) if caller.statement else None
        return self._of(value, home or Scope("function", caller.call), {}, depth)

    # --- values ---

    def _sources(self, node: ast.expr, scope: Scope) -> Iterator[ast.expr]:
        """Yield the expressions that give a symbol its value where they can be seen."""
        if isinstance(node, ast.Attribute):
            yield from self._stored(node, scope)
            return
        found = scope.lookup(node.id) if isinstance(node, ast.Name) else None
        if found is None or not isinstance(node, ast.Name):
            return
        home, bindings = found
        for binding in bindings:
            if binding.value is not None:
                yield binding.value
            if binding.kind == "parameter":
                given = passed(home, node.id, self._callers(home)[0])
                yield from (value for _, value in given.values)

    def _stored(self, node: ast.Attribute, scope: Scope) -> list[ast.expr]:
        """Return what the function stores in `self.x`, or its class in `x`; nothing if unclear."""
        within = scope.parent if scope.kind == "function" else None
        is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
        if not is_own or within is None or within.kind != "class":
            return []
        if scope not in self._attributes:
            self._attributes[scope] = _stores(scope.node)
        if found := self._attributes[scope].get(node.attr):
            return found
        of_class = within.bindings.get(node.attr, [])
        values = [one.value for one in of_class if one.kind == "assign" and one.value is not None]
        return values if len(values) == len(of_class) else []


def _kind(value: object) -> Kinds:
    return frozenset({"None" if value is None else type(value).__name__})


def _computed(node: ast.BinOp, left: Kinds, right: Kinds) -> Kinds:
    """Return what an operator gives; sequences can be added and repeated, no more."""
    are_ints = left <= _INTS, right <= _INTS
    match node.op:
        case ast.Add():
            return frozenset({"int"}) if any(are_ints) else left | right
        case ast.Mult():
            return frozenset({"int"}) if all(are_ints) else (left | right) - _INTS
        case ast.Div():
            return frozenset({"float"})
        case ast.Mod() if "str" in left:
            return frozenset({"str"})
    return frozenset({"int"})


def _method(node: ast.expr, scope: Scope) -> ast.FunctionDef | None:
    """Return the method of the class around that `self.name` is."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=attr):
            within = scope.parent if scope.kind == "function" else None
            bindings = within.bindings.get(attr, []) if within and within.kind == "class" else []
            found = [binding.statement for binding in bindings]
            if len(found) == 1 and isinstance(found[0], ast.FunctionDef):
                return found[0]
    return None


def _stores(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what a function stores in attributes of `self`."""
    found: dict[str, list[ast.expr]] = {}
    for part in walk(function):
        match part:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                found.setdefault(name, []).append(part.value)
            case ast.AnnAssign(
                target=ast.Attribute(value=ast.Name(id="self"), attr=name),
                value=ast.expr() as value,
            ):
                found.setdefault(name, []).append(value)
    return found
