"""What the classes of a file keep in their attributes, so that a checkpoint can be held against it.

Nothing is run: a value is described as far as its expression says what it is, and `UNKNOWN` stands
for the rest. What is said of a class is of importance for weights alone.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mapper.analysis.held import (
    FILLS,
    LISTS,
    Function,
    Values,
    filled,
    is_load,
    is_own,
    named,
    put_in,
    stored,
)
from mapper.analysis.torch_names import is_torch
from mapper.model.results import ANY, BUFFER, POSITIONS, UNKNOWN, Definition, Held

_NAMED = ("add_module", "register_module", "register_buffer", "register_parameter", "__setattr__")
_OPENING = ("setattr", "delattr", "vars")
_DICTS = ("__dict__", "_modules", "_parameters", "_buffers")


def definitions(tree: ast.Module, imports: Mapping[str, str]) -> tuple[Definition, ...]:
    """Return the classes of a file, and what else its own names stand for.

    `imports` says what each imported name means (`nn` -> `torch.nn`).
    """
    own = {name: name for node in tree.body for name in _defined(node)}
    known = {**_from_stars(tree), **own, **imports}
    found = []
    for node in tree.body:
        uses, sets = _uses(node, known), tuple(sorted(_sets(node)))
        for name in _defined(node):
            place = name, node.lineno, node.end_lineno or node.lineno
            plain = Definition(
                *place, isinstance(node, ast.ClassDef), tuple(sorted(uses - {name})), sets=sets
            )
            if isinstance(node, ast.ClassDef):
                found.append(_Class(node, known).described(plain))
            elif isinstance(node, Function):
                found.append(replace(plain, returns=_returned(node, known)))
            elif name or uses or sets:
                found.append(plain)
    return tuple(found)


def _from_stars(tree: ast.Module) -> dict[str, str]:
    """Return the names of a file that may come from `from … import *`."""
    stars = (
        one for one in tree.body if isinstance(one, ast.ImportFrom) and one.names[0].name == "*"
    )
    if not any(stars):
        return {}
    names = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    return {name: name for name in names - vars(builtins).keys()}


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module defines; another statement is nameless."""
    if isinstance(node, ast.ClassDef | Function):
        yield node.name
    elif not isinstance(node, ast.Import | ast.ImportFrom):
        targets = node.targets if isinstance(node, ast.Assign) else []
        yield from [one.id for one in targets if isinstance(one, ast.Name)] or [""]


def _uses(node: ast.AST, known: Mapping[str, str]) -> set[str]:
    """Return the names of definitions, here or elsewhere, that a piece of code mentions."""
    found = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and not is_torch(known.get(one.id, "torch")):
            found.add(known[one.id].rpartition(".")[2])
        elif isinstance(one, ast.Attribute) and not is_torch(_root(one, known)):
            found.add(one.attr)
    return found


def _root(node: ast.Attribute, known: Mapping[str, str]) -> str:
    """Return what a dotted name starts from, "torch" for what is not known."""
    start = node.value
    while isinstance(start, ast.Attribute):
        start = start.value
    return known.get(start.id, "torch") if isinstance(start, ast.Name) else "torch"


def _sets(node: ast.stmt) -> set[str]:
    """Return the attributes that a piece of code sets or deletes, but on `self`."""
    methods = node.body if isinstance(node, ast.ClassDef) else []
    own = {one.args.args[0].arg for one in methods if isinstance(one, Function) and one.args.args}
    return {one.attr for one in ast.walk(node)
            if isinstance(one, ast.Attribute) and not is_load(one)
            and not any(is_own(one, me) for me in own)}  # fmt: skip


def _returned(function: Function, known: Mapping[str, str]) -> tuple[Held, ...]:
    """Return what a function returns."""
    values, found = Values(function, known), dict[Held, None]()
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            found |= dict.fromkeys(values.of(node.value))
        elif isinstance(node, ast.Yield | ast.YieldFrom):
            return (UNKNOWN,)
    return tuple(found)


@dataclass
class _Class:
    """Collects what the instances of one class hold."""

    node: ast.ClassDef
    known: Mapping[str, str]
    holds: dict[str, list[Held]] = field(default_factory=dict)
    always: set[str] = field(default_factory=set)
    fills: dict[str, list[Held]] = field(default_factory=dict)

    def described(self, plain: Definition) -> Definition:
        """Return a definition with what the class holds."""
        bases = tuple(named(one, self.known) or UNKNOWN for one in self.node.bases)
        methods = [one for one in self.node.body if isinstance(one, Function) and one.args.args]
        for method in methods:
            self._method(method)
            self.holds[f"{method.name}()"] = list(_returned(method, self.known))
        if any(
            isinstance(one, ast.ClassDef) for one in ast.walk(self.node) if one is not self.node
        ):
            self._hold(ANY, [UNKNOWN])  # its methods have another `self`
        for name in self.fills.keys() & self.holds.keys():
            self.holds[name] = [filled(one, self.fills[name]) for one in self.holds[name]]
        if set(bases) & set(LISTS):
            self._listed(methods)
        held = {
            name: tuple(dict.fromkeys(values))
            for name, values in sorted(self.holds.items())
            if values and (not name.endswith("()") or self._is_called(name))
        }
        return replace(plain, bases=bases, holds=held, always=tuple(sorted(self.always)))

    def _hold(self, name: str, values: list[Held]) -> None:
        self.holds.setdefault(name, []).extend(values)

    def _is_called(self, method: str) -> bool:
        """Say whether something that is held comes from a method."""
        return any(
            f"self.{method}" in str(values) for name, values in self.holds.items() if name != method
        )

    def _method(self, method: Function) -> None:
        values, first = Values(method, self.known), _unconditional(method)
        for node in ast.walk(method):
            for name, value in self._kept(node, values.me):
                is_buffer = isinstance(value, ast.Call) and _calls(node, "register_buffer")
                self._hold(name, [BUFFER] if is_buffer else values.of(value))
                if node in first:
                    self.always.add(name)
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=name) as inner)) if (
                    is_own(inner, values.me) and put_in(node)
                ):
                    self.fills.setdefault(name, []).extend(values.each(put_in(node)))
                case ast.Assign(
                    targets=[ast.Subscript(value=ast.Attribute(attr=name) as inner)]
                ) if is_own(inner, values.me):
                    self.fills.setdefault(name, []).extend(values.of(node.value))

    def _kept(self, node: ast.AST, me: str) -> Iterator[tuple[str, ast.expr | None]]:
        """Yield the attributes of an instance that a node sets, with their values."""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for one in stored(target, me):
                        yield one.attr, value if one is target else None
            case ast.AnnAssign(target=target, value=value) if value is not None:
                for one in stored(target, me):
                    yield one.attr, value
            case ast.AugAssign() | ast.For() | ast.Delete() | ast.withitem():
                for part in ast.iter_child_nodes(node):
                    if not isinstance(part, ast.stmt):
                        yield from ((one.attr, None) for one in stored(part, me))
            case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=first), *rest]) if (
                first == me and name in _OPENING
            ):
                yield _pattern(rest[0] if rest else None), rest[1] if len(rest) > 1 else None
            case ast.Call(func=ast.Attribute(attr=attr) as func) if attr in _NAMED and is_own(
                func, me
            ):
                given = {one.arg: one.value for one in node.keywords}
                label = node.args[0] if node.args else given.get("name")
                values = *node.args[1:2], *map(given.get, ("tensor", "param", "module"))
                value = next(filter(None, values), None)
                yield _pattern(label), value if _is_saved(node, given) else None
            case ast.Attribute(attr=attr) if attr in _DICTS and is_own(node, me):
                yield ANY, None

    def _listed(self, methods: list[Function]) -> None:
        """Note the elements of a class that is a list of layers itself."""
        made = [(method, one) for method in methods for one in ast.walk(method)
                if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
                and one.func.attr in ("__init__", *FILLS)]  # fmt: skip
        if len(made) == 1:
            method, call = made[0]
            is_super = ast.unparse(call.func).startswith("super(")
            elements = Values(method, self.known).listed(call, LISTS[0])
            is_known = isinstance(elements, tuple) and elements[:1] != (ANY,)
            if is_super and is_known and call in _unconditional(method):
                self.holds |= {str(index): [one] for index, one in enumerate(elements)}
                self.always |= set(map(str, range(len(elements))))
                return
        names = {one.id for one in ast.walk(self.node) if isinstance(one, ast.Name)}
        is_dict = any(self.known.get(one, one).endswith("OrderedDict") for one in names)
        self._hold(ANY if is_dict else POSITIONS, [UNKNOWN])


def _unconditional(method: Function) -> set[ast.AST]:
    """Return the statements that run whenever an instance is made, and the calls that are such."""
    found = set[ast.AST]()
    for statement in method.body if method.name == "__init__" else ():
        if isinstance(statement, ast.Return | ast.Raise):
            break
        found |= {statement, *([statement.value] if isinstance(statement, ast.Expr) else [])}
    return found


def _pattern(node: ast.expr | None) -> str:
    """Return a name as it is written out; `*` stands for the part of it that is not."""
    match node:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
            return f"{name}{ANY}"
        case ast.BinOp(left=ast.Constant(value=str(name))):
            return f"{name.partition('%')[0]}{ANY}"
    return ANY


def _calls(node: ast.AST, method: str) -> bool:
    return isinstance(node, ast.Call) and (
        isinstance(node.func, ast.Attribute) and node.func.attr == method)  # fmt: skip


def _is_saved(call: ast.Call, given: Mapping[str | None, ast.expr]) -> bool:
    """Say whether what is registered goes into a checkpoint for sure."""
    if not _calls(call, "register_buffer"):
        return True
    flag = call.args[2] if len(call.args) > 2 else given.get("persistent")
    return flag is None or (isinstance(flag, ast.Constant) and flag.value is True)
