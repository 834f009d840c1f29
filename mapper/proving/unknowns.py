"""Finds the unknown parts of a text, and the parameter of an API that each of them goes to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from mapper.analysis.evaluate import FUNCTIONS, symbol
from mapper.model.record import record
from mapper.proving.apis import Api, Apis, Form
from mapper.proving.run_text import ATTRIBUTES, DTYPES, SEQUENCES, Read
from mapper.rulebook.schema import ParameterSpec

TENSOR = ParameterSpec("", required=True, annotation="Tensor")
"""What the receiver of a method is."""


@record(frozen=True, slots=True)
class Unknown:
    """A part of a text without a value: its source, and the parameter that it is a part of.

    `is_whole`: it is the whole argument, so that the parameter's kinds of value are its kinds.
    `is_spread`: a star stands before it, so that it is several of them.
    """

    name: str
    node: ast.expr
    api: str
    spec: ParameterSpec | None
    is_whole: bool
    is_spread: bool = False


class Finder:
    """Finds the unknowns of one side's texts."""

    def __init__(self, apis: Apis, read: Read) -> None:
        self._apis = apis
        self._read = read

    def find(self, node: ast.expr) -> dict[str, Unknown]:
        """Return the unknowns by their source text, in source order."""
        found: dict[str, Unknown] = {}
        for one in self._find(node, "", None, True):
            known = found.setdefault(one.name, one)
            if known.spec is None and one.spec is not None:
                found[one.name] = one
        return found

    def calls(self, node: ast.expr) -> Iterator[tuple[ast.expr, Api]]:
        """Yield every use of an API in a text, the outermost first."""
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                api = self._api(part.func)
            elif isinstance(part, ast.Attribute):
                api = self._api(part)
            else:
                continue
            if api is not None:
                yield part, api

    def arguments(self, node: ast.expr, api: Api) -> dict[str, ast.expr]:
        """Return the expression that each parameter gets, as far as the call can be bound."""
        return dict(self.bound(node, api)) if isinstance(node, ast.Call) else {}

    def bound(self, node: ast.Call, api: Api) -> list[tuple[str, ast.expr]]:
        """Return each argument of a call with its parameter's name, a variadic one's repeatedly."""
        return [(spec.name, part) for spec, part in _bound(node, api.parameters) if spec]

    def is_method(self, function: ast.expr) -> bool:
        """Say whether a call's function is a method of what it is read from."""
        return isinstance(function, ast.Attribute) and self._read(function) is None

    def _api(self, node: ast.expr) -> Api | None:
        """Return the API that a name means, or that a method is."""
        name = self._read(node) if isinstance(node, ast.Name | ast.Attribute) else None
        if name is not None:
            return self._apis.get(name)
        if isinstance(node, ast.Attribute) and node.attr not in ATTRIBUTES:
            return self._apis.get(f"{self._apis.framework}.Tensor.{node.attr}")
        return None

    def _is_attribute(self, node: ast.Attribute) -> bool:
        """Say whether a rule is about this attribute of Tensors; methods do not count."""
        api = self._api(node)
        return api is not None and api.form is Form.ATTRIBUTE

    def _is_named(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name | ast.Attribute):
            return False
        name = self._read(node)
        if name is None:
            return False
        short = name.partition(".")[2]
        return name in SEQUENCES or short in DTYPES or self._apis.get(name) is not None

    def _find(
        self, node: ast.expr, api: str, spec: ParameterSpec | None, is_whole: bool
    ) -> Iterator[Unknown]:
        """Yield the unknown parts of an expression that goes to a parameter of an API."""
        match node:
            case ast.Constant():
                return
            case ast.Call():
                yield from self._in_call(node, api, spec, is_whole)
                return
            case ast.Name() | ast.Attribute() if self._is_named(node):
                return
            case ast.Attribute(value=base, attr=attr) if attr in ATTRIBUTES or self._is_attribute(
                node
            ):
                yield from self._find(base, api, TENSOR, True)
                return
            case ast.Subscript(value=base, slice=index) if self._is_computed(base):
                yield from self._find(base, api, spec, False)
                yield from self._find(index, api, None, False)
                return
            case ast.Starred(value=value):
                yield Unknown(symbol(value), value, api, spec, False, True)
                return
        parts = _parts(node)
        if parts is None:
            yield Unknown(symbol(node), node, api, spec, is_whole)
            return
        inside = spec if not isinstance(node, ast.Slice) else None
        for part in parts:
            yield from self._find(part, api, inside, False)

    def _is_computed(self, node: ast.expr) -> bool:
        """Say whether a subscript's value is one that the interpreter computes itself."""
        match node:
            case ast.Tuple() | ast.List():
                return True
            case ast.Call(func=ast.Call(func=func)):  # a layer that is built and called
                return self._api(func) is not None
            case ast.Call(func=func):
                return self._api(func) is not None or symbol(func) in FUNCTIONS
            case ast.Attribute(attr=attr):
                return attr in ATTRIBUTES and not self._is_named(node)
            case ast.Subscript(value=value):
                return self._is_computed(value)
        return False

    def _in_call(
        self, node: ast.Call, outer: str, spec: ParameterSpec | None, is_whole: bool
    ) -> Iterator[Unknown]:
        """Yield the unknown parts of a call's arguments, and of what its method is read from."""
        api = self._api(node.func)
        if api is not None:
            if isinstance(node.func, ast.Attribute) and self._read(node.func) is None:
                yield from self._find(node.func.value, api.name, TENSOR, True)
            needed = api.needed
            for parameter, part in _bound(node, api.parameters):
                if parameter is None or not api.computes or parameter.name in needed:
                    yield from self._find(part, api.name, parameter, True)
            return
        if isinstance(node.func, ast.Call):  # a layer that is built and called
            yield from self._find(node.func, outer, spec, False)
            for part in _arguments(node):
                yield from self._find(part, outer, TENSOR, True)
            return
        name = self._read(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else None
        if name in SEQUENCES or (name is None and symbol(node.func) in FUNCTIONS):
            for part in _arguments(node):
                yield from self._find(part, outer, spec, False)
            return
        yield Unknown(symbol(node), node, outer, spec, is_whole)


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _bound(
    node: ast.Call, parameters: Sequence[ParameterSpec]
) -> Iterator[tuple[ParameterSpec | None, ast.expr]]:
    """Yield each argument with the parameter that gets it; what does not suit gets none."""
    places = [spec for spec in parameters if not spec.keyword_only]
    variadic = next((spec for spec in places if spec.variadic), None)
    for place, argument in enumerate(node.args):
        plain = places[place] if place < len(places) else variadic
        yield plain, argument
    by_name: Mapping[str, ParameterSpec] = {spec.name: spec for spec in parameters}
    for keyword in node.keywords:
        yield by_name.get(keyword.arg or ""), keyword.value


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return the operands of an expression that the interpreter takes apart, else None."""
    match node:
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            return elts
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, comparators=comparators):
            return [left, *comparators]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [test, body, orelse]
        case ast.Slice(lower=lower, upper=upper, step=step):
            return [part for part in (lower, upper, step) if part is not None]
    return None
