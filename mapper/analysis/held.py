"""What the expressions of a function may be, where layers are put into attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from mapper.analysis.torch_names import is_torch
from mapper.model.results import ANY, UNKNOWN, Held

Function = ast.FunctionDef | ast.AsyncFunctionDef
LISTS = ("torch.nn.Sequential", "torch.nn.ModuleList")
FILLS = ("append", "extend", "insert", "add_module", "register_module")
"""Methods that put layers into a list of them."""
READERS = frozenset({"len", "enumerate", "zip", "list", "tuple", "reversed", "print", "isinstance"})
"""What leaves a list as it is."""
DEEPEST = 3


def named(node: ast.expr, known: Mapping[str, str]) -> str | None:
    """Return what an expression names: torch's in full, another by its last name alone."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in known:
        return None
    parts.append(known[node.id])
    name = ".".join(reversed(parts))
    last = name.rpartition(".")[2]
    if not is_torch(name):
        return last
    return f"torch.nn.{last}" if name.startswith("torch.nn.") else None


def filled(value: Held, more: Iterable[Held]) -> Held:
    """Return what a list of layers is that gets more of them, each at a place not known."""
    if isinstance(value, tuple):
        return (ANY, *dict.fromkeys(one for one in (*value, *more) if one != ANY))
    return (ANY, UNKNOWN) if value in LISTS else value


class Values:
    """The values that the expressions of one function may have; `known` is what names mean."""

    def __init__(self, function: Function, known: Mapping[str, str]) -> None:
        first = function.args.posonlyargs + function.args.args
        self.me = first[0].arg if first else ""
        self._locals: dict[str, list[ast.expr]] = {}
        self._unclear: set[str] = {one.arg for one in ast.walk(function.args)
                                   if isinstance(one, ast.arg)}  # fmt: skip
        self._fills: dict[str, list[ast.expr]] = {}
        self._global = known
        for node in ast.walk(function):
            self._look(node)
        local = self._unclear | self._locals.keys()
        self._known = {name: full for name, full in known.items() if name not in local}

    def _look(self, node: ast.AST) -> None:
        """Note what a node does to local names."""
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._locals.setdefault(name, []).append(value)
                self._unclear |= _names([value])
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self._fills.setdefault(name, []).append(ast.Starred(value))
            case ast.Assign(targets=targets):
                self._unclear |= {one.id for target in targets for one in ast.walk(target)
                                  if isinstance(one, ast.Name) and not is_load(one)}  # fmt: skip
            case ast.For(target=target) | ast.comprehension(target=target):
                self._unclear |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
            case (
                ast.withitem(optional_vars=ast.Name(id=name))
                | ast.NamedExpr(target=ast.Name(id=name))
            ):
                self._unclear.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if put_in(node):
                self._fills.setdefault(name, []).extend(put_in(node))
                self._unclear |= _names(node.args)
            case ast.Call(func=func):
                is_reader = ast.unparse(func).rpartition(".")[2] in READERS
                if not is_reader and named(func, self._global) not in LISTS:
                    self._unclear |= _names([*node.args, *(one.value for one in node.keywords)])

    def of(self, value: ast.expr | None, depth: int = DEEPEST) -> list[Held]:
        """Return what an expression may be."""
        match value:
            case ast.IfExp(body=one, orelse=other):
                return [*self.of(one, depth), *self.of(other, depth)]
            case ast.BoolOp(values=values):
                return [found for one in values for found in self.of(one, depth)]
            case ast.Constant():
                return [""]
            case ast.Attribute(attr=attr) if is_own(value, self.me):
                return [f"self.{attr}"]
            case ast.Name(id=name) if depth and self._is_clear(name):
                found = self.of(self._locals[name][0], depth - 1)
                more = self._fills.get(name)
                return [filled(one, self.each(more, depth - 1)) for one in found] if more else found
            case ast.Call(func=ast.Attribute(attr=attr) as func) if is_own(func, self.me):
                return [f"self.{attr}()"]
            case ast.Call(func=func):
                made = named(func, self._known) or UNKNOWN
                return [self.listed(value, made, depth) if made in LISTS else made]
        return [UNKNOWN]

    def _is_clear(self, name: str) -> bool:
        return len(self._locals.get(name, ())) == 1 and name not in self._unclear

    def listed(self, call: ast.Call, name: str, depth: int = DEEPEST) -> Held:
        """Return what a list of layers has in its places; its name where that is not known."""
        given: list[ast.expr] = call.args
        if name == "torch.nn.ModuleList":
            given = [ast.Starred(one) for one in given]
        elif (
            len(given) == 1
            and not isinstance(given[0], ast.Starred)
            and self._may_be_dict(given[0])
        ):
            return name
        return name if call.keywords else self._elements(given, depth)

    def _may_be_dict(self, value: ast.expr) -> bool:
        last = (named(value.func, self._known) or "") if isinstance(value, ast.Call) else ""
        return last in ("OrderedDict", "dict") or self.of(value) == [UNKNOWN]

    def _elements(self, given: list[ast.expr], depth: int) -> Held:
        """Return the elements of a list of layers, at their places as far as these are known."""
        is_known, parts = self._parts(given, depth)
        if is_known:
            return tuple(one[0] if len(one) == 1 else UNKNOWN for one in parts)
        return (ANY, *dict.fromkeys(one for part in parts for one in part))

    def each(self, given: list[ast.expr], depth: int = DEEPEST) -> list[Held]:
        """Return what the elements of a list of layers may be."""
        return [one for part in self._parts(given, depth)[1] for one in part]

    def _parts(self, given: list[ast.expr], depth: int) -> tuple[bool, list[list[Held]]]:
        """Return what may be at each place, and whether the places are known."""
        is_known, parts = True, list[list[Held]]()
        for one in given:
            if isinstance(one, ast.Starred):
                is_sure, more = self._inside(one.value, depth)
                is_known, parts = is_known and is_sure, parts + more
            else:
                parts.append(self.of(one, depth))
        return is_known, parts

    def _inside(self, value: ast.expr, depth: int) -> tuple[bool, list[list[Held]]]:
        """Return the same of the elements of what is unpacked."""
        match value:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._parts(elements, depth)
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return False, [self.of(element, depth)]
            case ast.Name(id=name) if depth and name in self._locals and name not in self._unclear:
                first = [self._inside(one, depth - 1) for one in self._locals[name]]
                more = [self._parts(self._fills.get(name, []), depth - 1)[1]]
                is_known = len(first) == 1 and first[0][0] and not more[0]
                return is_known, [part for parts in (*(one[1] for one in first), *more)
                                  for part in parts]  # fmt: skip
            case ast.Call(func=func, args=given) if named(func, self._known) in LISTS:
                is_list = named(func, self._known) == "torch.nn.ModuleList"
                return self._parts([ast.Starred(one) if is_list else one for one in given], depth)
        return False, [[UNKNOWN]]


def put_in(call: ast.Call) -> list[ast.expr]:
    """Return what a call puts into a list of layers, as elements of a list."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method not in FILLS or not call.args:
        return []
    last = call.args[-1]
    return [ast.Starred(last) if method == "extend" else last]


def is_own(node: ast.AST, me: str) -> bool:
    """Say whether a node is an attribute of an instance."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and bool(me)
        and node.value.id == me
    )


def is_load(node: ast.Name | ast.Attribute | ast.Subscript) -> bool:
    """Say whether a node is read, and neither set nor deleted."""
    return isinstance(node.ctx, ast.Load)


def _names(nodes: Iterable[ast.expr]) -> set[str]:
    """Return the names among some expressions: what they mean gets another name."""
    return {one.id for one in nodes if isinstance(one, ast.Name)}


def stored(target: ast.AST, me: str) -> Iterator[ast.Attribute]:
    """Yield the attributes of an instance that are set or deleted in a target."""
    for one in ast.walk(target):
        if isinstance(one, ast.Attribute) and not is_load(one) and is_own(one, me):
            yield one
