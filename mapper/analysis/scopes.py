"""Scopes and what they bind, by Python's rules, from the statements of an ast.

For speed, expressions are visited only where they can bind (targets, and walrus where the text has
one): a file has ten times more expressions than statements.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mapper.analysis.walk import FIELDS, children, walk


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One place where a name gets its value.

    `target` is the qualified name that an import brings in; `alias` and `statement` locate it.
    `value` is the expression assigned, where there is exactly one.
    """

    kind: str
    statement: ast.AST
    target: str | None = None
    alias: ast.alias | None = None
    value: ast.expr | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, and what it binds."""

    kind: str
    node: ast.AST
    parent: Scope | None = None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    borrowed: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    def bind(self, name: str, binding: Binding) -> None:
        """Record a binding of `name` in this scope, or in the one that `global`/`nonlocal` mean."""
        scope = self
        if self.borrowed.get(name) == "global":
            scope = self.module()
        scope.bindings.setdefault(name, []).append(binding)

    def give_back(self) -> None:
        """Move the bindings of `nonlocal` names to the function that owns these names."""
        for name in [n for n, kind in self.borrowed.items() if kind == "nonlocal"]:
            bindings = self.bindings.pop(name, [])
            owner = self.lookup(name)
            if owner and owner[0].parent:
                owner[1].extend(bindings)

    def module(self) -> Scope:
        """Return the outermost scope."""
        scope = self
        while scope.parent:
            scope = scope.parent
        return scope

    def lookup(self, name: str) -> tuple[Scope, list[Binding]] | None:
        """Return where `name`, read here, is bound, by Python's rules; None if nowhere."""
        scope: Scope | None = self.module() if self.borrowed.get(name) == "global" else self
        start = scope
        while scope:
            if name in scope.bindings and (scope.kind != "class" or scope is start):
                return scope, scope.bindings[name]
            scope = scope.parent
        return None


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPED = (ast.Lambda, *COMPREHENSIONS)  # expressions with a scope of their own
BODIES = ("cases", "finalbody", "orelse", "handlers", "body")  # the last in source order first
_BINDING = {
    ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.For,
    ast.AsyncFor, ast.With, ast.AsyncWith, ast.ExceptHandler, ast.match_case,
}  # fmt: skip


class _Bodies(dict[type[ast.AST], tuple[str, ...]]):
    """The lists of statements that each kind of statement has."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        has = kind._fields if issubclass(kind, _BLOCKS) else ()
        self[kind] = tuple(name for name in BODIES if name in has)
        return self[kind]


_BLOCKS = (ast.stmt, ast.mod, ast.excepthandler, ast.match_case)
_BODIES = _Bodies()


class Scopes:
    """The scopes of a module; `home` maps a statement to the scope in which it runs.

    `walrus` names the sorted lines that may hold one (None: any line), `has_borrowing` says whether
    the text holds `global` or `nonlocal`. With sorted `lines`, a function or class that spans none
    of them is skipped.
    """

    def __init__(
        self,
        tree: ast.Module,
        walrus: Sequence[int] | None = None,
        has_borrowing: bool = True,
        lines: Sequence[int] | None = None,
    ) -> None:
        self.module = Scope("module", tree)
        self.all = [self.module]
        self.home: dict[ast.AST, Scope] = {}
        self._on_line: dict[int, ast.AST] = {}
        self._walrus = walrus
        self._has_borrowing = has_borrowing
        self._lines = lines
        self._fill(tree)
        for scope in self.all:
            scope.give_back()

    def around(self, node: ast.expr) -> Scope:
        """Return the scope of the statement that an expression is in.

        An empty scope in what was skipped, and for expressions with a scope of their own.
        """
        if not self._on_line:
            for statement in self.home:  # outer statements come first
                first = getattr(statement, "lineno", 0)
                for line in range(first, getattr(statement, "end_lineno", first) + 1):
                    self._on_line[line] = statement
        inner = self._on_line.get(node.lineno)
        if inner is None or not any(one is node for one in _reached(inner)):
            return Scope("function", node)
        return self.home[inner]

    def _fill(self, tree: ast.Module) -> None:
        """Note the scope of every statement, and bind what the statements bind."""
        stack: list[tuple[ast.AST, Scope]] = [(s, self.module) for s in reversed(tree.body)]
        while stack:
            node, scope = stack.pop()
            self.home[node] = scope
            if isinstance(node, DEFINITIONS):
                scope.bind(node.name, Binding("def", node))
                if self._is_passed_over(node):
                    continue
                scope = self._definition(node, scope)
            elif type(node) in _BINDING:
                _bind_statement(node, scope)
            if self._walrus is None or (self._walrus and spans(node, self._walrus)):
                _bind_walrus(node, self.home[node])
            for name in _BODIES[type(node)]:
                stack.extend([(child, scope) for child in reversed(getattr(node, name))])

    def _is_passed_over(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        return self._lines is not None and not spans(node, self._lines)

    def _definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, outer: Scope
    ) -> Scope:
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        scope = Scope(kind, node, outer)
        self.all.append(scope)
        if not isinstance(node, ast.ClassDef):
            bind_parameters(node.args, scope)
        if self._has_borrowing:
            _borrow(node, scope)
        return scope


def spans(node: ast.AST, lines: Sequence[int]) -> bool:
    """Say whether a statement, its decorators included, reaches one of the sorted lines."""
    decorators = getattr(node, "decorator_list", None)
    first = decorators[0].lineno if decorators else getattr(node, "lineno", 0)
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= getattr(node, "end_lineno", lines[at])


def statements_on(tree: ast.Module, lines: Sequence[int]) -> Iterator[ast.AST]:
    """Yield the statements that reach one of the sorted `lines`, outer ones first."""
    stack: list[ast.AST] = [*reversed(tree.body)]
    while stack:
        node = stack.pop()
        if spans(node, lines):
            yield node
            stack.extend(reversed(list(substatements(node))))


def substatements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements, handlers and match cases directly below a statement."""
    for name in _BODIES[type(node)]:
        yield from getattr(node, name)


def _parts(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for parent in walk(tree):
        for child in children(parent):
            yield parent, child


def occurrences_in(
    statement: ast.AST, names: Collection[str]
) -> Iterator[tuple[ast.AST, ast.Name | ast.Attribute]]:
    """Yield where names, or attributes of them, stand in a statement outside its body."""
    for expression in own_expressions(statement):
        for parent, node in ((statement, expression), *_parts(expression)):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) if name in names:
                    yield parent, node


def own_expressions(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions of a statement that are not inside its body."""
    for name in FIELDS[type(statement)]:
        value = getattr(statement, name, None)
        if isinstance(value, ast.AST):
            yield value
        elif isinstance(value, list) and name not in BODIES:
            yield from [item for item in value if isinstance(item, ast.AST)]


def inner_scopes(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Yield the child nodes of an expression with the scope that each runs in."""
    if isinstance(node, ast.Lambda):
        inner = Scope("function", node, scope)
        bind_parameters(node.args, inner)
        yield node.args, scope
        yield node.body, inner
    elif isinstance(node, COMPREHENSIONS):
        inner = Scope("function", node, scope)
        first = node.generators[0]
        for generator in node.generators:
            bind_targets(generator.target, inner, node)
        yield first.iter, scope  # Python evaluates the first iterable outside
        for child in children(node):
            if child is not first:
                yield child, inner
        yield from ((child, inner) for child in (first.target, *first.ifs))
    else:
        yield from ((child, scope) for child in children(node))


def _reached(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions of a statement that run in its own scope."""
    stack = list(own_expressions(statement))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, SCOPED):
            stack.extend(children(node))


def _borrow(definition: ast.AST, scope: Scope) -> None:
    stack = list(substatements(definition))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Global | ast.Nonlocal):
            kind = "global" if isinstance(node, ast.Global) else "nonlocal"
            scope.borrowed.update(dict.fromkeys(node.names, kind))
        elif not isinstance(node, DEFINITIONS):
            stack.extend(substatements(node))


def bind_parameters(arguments: ast.arguments, scope: Scope) -> None:
    """Bind the parameters of a function or lambda, with their defaults as values."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults.extend(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True)]
    pairs.extend(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    for parameter, default in pairs:
        scope.bind(parameter.arg, Binding("parameter", parameter, value=default))
    for rest in (arguments.vararg, arguments.kwarg):
        if rest:
            scope.bind(rest.arg, Binding("parameter", rest))


def _bind_statement(node: ast.AST, scope: Scope) -> None:
    """Bind the names that a statement binds by itself, not in its body."""
    match node:
        case ast.Import() | ast.ImportFrom():
            _bind_import(node, scope)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            scope.bind(name, Binding("assign", node, value=value))
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            if value is not None:
                scope.bind(name, Binding("assign", node, value=value))
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            for target in targets:
                bind_targets(target, scope, node)
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.AugAssign(target=target):
            bind_targets(target, scope, node)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars:
                    bind_targets(item.optional_vars, scope, node)
        case ast.ExceptHandler(name=str(name)):
            scope.bind(name, Binding("other", node))
        case ast.match_case(pattern=pattern):
            _bind_pattern(pattern, scope, node)


def bind_targets(target: ast.AST, scope: Scope, statement: ast.AST) -> None:
    """Bind every name that a target expression stores to or deletes."""
    for child in walk(target):
        if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
            scope.bind(child.id, Binding("other", statement))


def _bind_pattern(pattern: ast.pattern, scope: Scope, case: ast.match_case) -> None:
    for child in walk(pattern):
        captured = getattr(child, "name", None) or getattr(child, "rest", None)
        if isinstance(captured, str):
            scope.bind(captured, Binding("other", case))


def _bind_walrus(statement: ast.AST, scope: Scope) -> None:
    for expression in own_expressions(statement):
        for child in walk(expression):
            if isinstance(child, ast.NamedExpr):
                scope.bind(child.target.id, Binding("other", child))


def _bind_import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    """Bind the local names of an import to the qualified names that they mean."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            target = alias.name if alias.asname else local
            scope.bind(local, Binding("import", node, target, alias))
        return
    module = "." * node.level + (node.module or "")
    dot = "" if module.endswith(".") else "."
    for alias in node.names:
        if alias.name == "*":
            scope.module().stars.append(module)
        else:
            target = f"{module}{dot}{alias.name}"
            scope.bind(alias.asname or alias.name, Binding("import", node, target, alias))
