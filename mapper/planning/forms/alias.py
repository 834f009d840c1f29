"""Names that stand for torch classes: `conv = nn.Conv2d if flat else nn.Conv3d`, then `conv(…)`.

Such a name may be a variable, a table of classes, a `functools.partial` or a parameter's default.
It is understood when it can hold only convolution classes and is used for nothing but calls. Then
the classes and the calls are rewritten together.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mapper.analysis.callers import Uses, passed, visible_calls
from mapper.analysis.resolve import Names, Reference
from mapper.analysis.scopes import FUNCTIONS, Binding, Scope
from mapper.analysis.walk import children, walk

MOST = 16  # classes that one name may hold: each call is rewritten for each of them


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A reference to a class that a name may hold; `partial` is the call that fixes arguments."""

    reference: Reference
    partial: ast.Call | None = None

    @property
    def node(self) -> ast.expr:
        """Return the expression that is the value."""
        return self.partial or self.reference.node


@dataclass(frozen=True, slots=True, eq=False)
class Alias:
    """A name, the classes that it may hold, and the calls through it.

    `problem` says why the name cannot be followed; its calls are then those that were found.
    """

    name: str
    held: tuple[Held, ...]
    calls: tuple[ast.Call, ...]
    problem: str | None = None


def find_aliases(references: Sequence[Reference], names: Names, uses: Uses) -> list[Alias]:
    """Return the aliases that the given references are given to."""
    groups: dict[tuple[Scope, str], list[Held]] = {}
    for reference in references:
        if reference.call is None and not reference.problem:
            held = Held(reference, _partial(reference, names))
            place = _assigned(held) or _default(reference, names)
            if place is not None:
                groups.setdefault(place, []).append(held)
    wanted = defaultdict[Scope, set[str]](set)
    for scope, name in groups:
        wanted[scope].add(name)
    below = {scope: _Below(scope.node, found) for scope, found in wanted.items()}
    return [
        alias
        for (scope, name), held in groups.items()
        if (alias := _alias(scope, name, held, names, uses, below[scope]))
    ]


def _partial(reference: Reference, names: Names) -> ast.Call | None:
    match reference.parents[0]:
        case ast.Call(func=func, args=[first, *_]) as call if first is reference.node:
            meaning = names.meaning(func, reference.scope)
            return call if meaning and meaning.name == "functools.partial" else None
    return None


# --- which name gets a class --------------------------------------------------------------------


def _assigned(held: Held) -> tuple[Scope, str] | None:
    """Return the name that a class is assigned to: itself, as a branch, or in a table."""
    scope = held.reference.scope
    if scope.kind not in ("function", "module") or not isinstance(
        scope.node, (*FUNCTIONS, ast.Module)
    ):
        return None
    inner: ast.AST = held.reference.node
    for parent in held.reference.parents:
        match parent:
            case ast.IfExp(test=test) if test is not inner:
                inner = parent
            case ast.Tuple() | ast.List():
                inner = parent
            case ast.Dict(values=values) if inner in values:
                inner = parent
            case ast.Subscript(value=value) if value is inner:
                inner = parent
            case ast.Call() if parent is held.partial:
                inner = parent
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is inner:
                return None if name in scope.borrowed else (scope, name)
            case _:
                return None
    return None


def _default(reference: Reference, names: Names) -> tuple[Scope, str] | None:
    """Return the parameter whose default a class is, with the scope of its function."""
    match reference.parents[:2]:
        case [ast.arguments() as arguments, ast.FunctionDef() | ast.AsyncFunctionDef() as function]:
            scope = names.scopes.home.get(function.body[0])
            positional = [*arguments.posonlyargs, *arguments.args]
            pairs = [
                *zip(reversed(positional), reversed(arguments.defaults), strict=False),
                *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
            ]
            for parameter, default in pairs:
                if default is reference.node and scope is not None and scope.node is function:
                    return scope, parameter.arg
    return None


# --- what the name is used for ------------------------------------------------------------------


def _alias(
    scope: Scope, name: str, held: list[Held], names: Names, uses_of: Uses, below: _Below
) -> Alias | None:
    """Return what a name stands for and where it is called; None when it is never called here."""
    uses = _Uses(scope, name, below)
    problem = None
    if not uses.calls:
        return None
    if len(held) > MOST:
        problem = f"`{name}` stands for a class in {len(held)} places, and at most {MOST} are tried"
    elif uses.is_rebound:
        problem = f"`{name}` is also bound in an inner scope"
    elif scope.kind == "module" and names.is_taken(name):
        problem = f"other files import `{name}`"
    elif uses.others:
        problem = f"`{name}` is also used for something else than a call (line {uses.others[0]})"
    elif other := _other_binding(scope, name, held):
        problem = f"`{name}` may also hold something that is no torch convolution (line {other})"
    elif any(binding.kind == "parameter" for binding in scope.bindings[name]):
        problem = _callers_problem(scope, name, names.path, uses_of)
    return Alias(name, tuple(held), tuple(uses.calls), problem)


def _callers_problem(scope: Scope, name: str, path: Path | None, uses_of: Uses) -> str | None:
    """Say why callers may pass another class; None when all are seen and leave the default."""
    calls = visible_calls(scope, uses_of, path)
    if calls is None:
        return f"callers may pass another class as `{name}`"
    given = passed(scope, name, calls)
    if given.values or given.is_hidden:
        return f"`{name}` is passed by a caller"
    return None


class _Uses:
    """How a name is used in the scope that owns it, and in those inside."""

    def __init__(self, scope: Scope, name: str, below: _Below) -> None:
        self.calls: list[ast.Call] = []
        self.others: list[int] = []
        """The lines where it is used for something else."""
        self._is_table = all(map(_is_table, scope.bindings[name]))
        stored = 0
        for parent, node in below.names[name]:
            if not isinstance(node.ctx, ast.Load):
                stored += 1
            elif not self._is_table:
                self._enter(parent, node)
            elif not (isinstance(parent, ast.Subscript) and parent.value is node):
                self.others.append(node.lineno)
        if self._is_table:
            for parent, subscript in below.subscripts[name]:
                self._enter(parent, subscript)
        self.calls.sort(key=lambda call: (call.lineno, call.col_offset))
        parameters = sum(binding.kind == "parameter" for binding in scope.bindings[name])
        is_here = stored + parameters == len(scope.bindings[name])
        self.is_rebound = not is_here or name in below.rebound

    def _enter(self, parent: ast.AST, node: ast.expr) -> None:
        if isinstance(parent, ast.Call) and parent.func is node:
            self.calls.append(parent)
        else:
            self.others.append(node.lineno)


def _is_table(binding: Binding) -> bool:
    return isinstance(binding.value, ast.Dict | ast.Tuple | ast.List)


class _Below:
    """Where wanted names stand in a scope and in those inside, and which are bound inside again."""

    def __init__(self, tree: ast.AST, wanted: set[str]) -> None:
        self.names = defaultdict[str, list[tuple[ast.AST, ast.Name]]](list)
        self.subscripts = defaultdict[str, list[tuple[ast.AST, ast.Subscript]]](list)
        self.rebound = set[str]()
        arguments = getattr(tree, "args", None)
        own = {id(one) for one in walk(arguments)} if arguments is not None else set()
        for parent in walk(tree):
            if parent is not tree and id(parent) not in own:
                self.rebound.update(wanted.intersection(_bound_by(parent)))
            for child in children(parent):
                match child:
                    case ast.Name(id=name) if name in wanted:
                        self.names[name].append((parent, child))
                    case ast.Subscript(value=ast.Name(id=name)) if name in wanted:
                        self.subscripts[name].append((parent, child))


def _bound_by(node: ast.AST) -> Sequence[str]:
    """Return the names that a node binds otherwise than by an assignment."""
    match node:
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.alias(name=name, asname=other):
            return (other or name,)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
    return ()


def _other_binding(scope: Scope, name: str, held: list[Held]) -> int | None:
    """Return the line of a binding that is not made of the held classes alone."""
    nodes = {id(one.node) for one in held}
    for binding in scope.bindings[name]:
        value = binding.value if binding.kind in ("assign", "parameter") else None
        if _is_none(value) and len(scope.bindings[name]) > 1:
            continue  # a placeholder that nobody can call
        leaves = _leaves(value)
        if not leaves or any(id(leaf) not in nodes for leaf in leaves):
            return getattr(binding.statement, "lineno", 0)
    return None


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _leaves(node: ast.expr | None) -> list[ast.expr]:
    match node:
        case None:
            return []
        case ast.IfExp(body=body, orelse=orelse):
            return [*_leaves(body), *_leaves(orelse)]
        case ast.Subscript(value=ast.Dict() | ast.Tuple() | ast.List() as table):
            return _leaves(table)
        case ast.Dict(values=values):
            return [leaf for value in values for leaf in _leaves(value)]
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return [leaf for element in elements for leaf in _leaves(element)]
    return [node]
