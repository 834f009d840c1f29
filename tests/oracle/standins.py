"""What stands in for the names of a stranger's call, so that its text can be executed alone.

A call is cut at what cannot be known: a name, or a chain of attributes, subscripts and calls that
starts at one. Each such text is a leaf that a trial gives a value, the same on both sides and every
time it is evaluated; everything around the leaves is executed by Python as it is written.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import CodeType
from typing import Any

from tests.oracle.trials import FOR_CHANNELS, OTHERS

Values = dict[str, Any]

OPERANDS = ("input", "weight", "bias")
CHANNELS = ("in_channels", "out_channels")
FLOAT32 = "<float32>"
"""Stands for each framework's own float32."""

_USUAL: Mapping[str, tuple[Any, ...]] = {
    "in_channels": (8, 4, 12, 2, 6, 16), "out_channels": (8, 4, 12, 2, 6, 16),
    "kernel_size": (3, 1, 5, 2, 4), "stride": (1, 2, 3), "padding": (1, 0, 2, 3),
    "output_padding": (0, 1, 2), "dilation": (1, 2, 3), "groups": (1, 2, 4), "bias": (True, False),
    "dtype": (None, FLOAT32), "device": (None,), "padding_mode": ("zeros",),
}  # fmt: skip
_SPATIAL = ("kernel_size", "stride", "padding", "output_padding", "dilation")
_ITERATING = ("tuple", "list", "len", "sum", "set", "sorted", "enumerate", "zip", "reversed")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text that a trial gives a value: the torch parameter it is for, and how it is used."""

    source: str
    parameter: str
    bare: bool = False
    """It is the whole argument, so that it may hold what the parameter may."""
    sequence: bool = False
    """It is iterated over, or taken a part of."""
    usual: tuple[Any, ...] | None = None
    """What a test or an exponent admits, in place of what suits the parameter."""

    def expected(self, random: Random, rank: int, kinds: Sequence[str]) -> Any:
        """Draw a value of one of the kinds that the call is written for."""
        values = _USUAL[self.parameter] if self.usual is None else self.usual
        several = tuple(random.choice(values) for _ in range(rank))
        if self.sequence or not self.bare or self.parameter not in _SPATIAL:
            return several if self.sequence else random.choice(values)
        match random.choice(kinds):
            case "a tuple":
                return several
            case "a list":
                return list(several)
            case "a string":
                return random.choice(("same", "valid"))
        return random.choice(values)

    def others(self, good: Any) -> Iterator[Any]:
        """Yield what the call may not be written for."""
        if self.parameter in CHANNELS:
            found = FOR_CHANNELS
        else:
            found = () if self.parameter in ("dtype", "device") else OTHERS
        for other in found:
            yield (other,) * len(good) if self.sequence else other


@dataclass(slots=True)
class Call:
    """A call cut into leaves.

    `bundles` are the dicts given with `**`: their keys, and the texts of the values. `operands` are
    the texts of a function's arrays, by parameter.
    """

    leaves: dict[str, Leaf] = field(default_factory=dict)
    bundles: dict[str, dict[str, str]] = field(default_factory=dict)
    operands: dict[str, str] = field(default_factory=dict)

    def bindings(self, values: Values) -> Values:
        """Return values by name for compiled code, the dicts put together."""
        whole = {**values}
        for name, keys in self.bundles.items():
            whole[name] = {key: values[source] for key, source in keys.items()}
        return {_name(source): value for source, value in whole.items()}

    def compiled(self, tree: ast.expr) -> CodeType:
        """Return an expression's code, with a name in place of every leaf."""
        known = {*self.leaves, *self.bundles, *self.operands.values()}
        changed = ast.Expression(_Cut(known).visit(tree))
        return compile(ast.fix_missing_locations(changed), "<call>", "eval")


def read(call: ast.Call, parameters: Iterable[str], native: set[str], keys: Iterable[str]) -> Call:
    """Cut a torch call; `native` are names to be left, `keys` what a `**dict` is known to hold."""
    found, order = Call(), list(parameters)
    is_function = "input" in order
    arguments = [*zip(order, call.args, strict=False)]
    arguments += [(k.arg, k.value) for k in call.keywords if k.arg is not None]
    for parameter, node in arguments:
        if is_function and parameter in OPERANDS:
            if not isinstance(node, ast.Constant):
                found.operands[parameter] = ast.unparse(node)
            continue
        reader = _Reader(parameter, native)
        reader.read(node, bare=True)
        for leaf in reader.found:
            found.leaves[leaf.source] = _merged(found.leaves.get(leaf.source), leaf)
    for keyword in call.keywords:
        if keyword.arg is None:
            _open(found, ast.unparse(keyword.value), keys)
    _native_parts(found)
    return found


def _open(found: Call, name: str, keys: Iterable[str]) -> None:
    """Enter a `**dict` with leaves for its values."""
    found.bundles[name] = {key: f"{name}[{key!r}]" for key in keys}
    for key, source in found.bundles[name].items():
        found.leaves[source] = Leaf(source, key, bare=True)


def _merged(one: Leaf | None, other: Leaf) -> Leaf:
    if one is None:
        return other
    return replace(
        one,
        bare=one.bare and other.bare,
        sequence=one.sequence or other.sequence,
        usual=one.usual if one.usual is not None else other.usual,
    )


def _native_parts(found: Call) -> None:
    """Leave to Python what is a part of another leaf: `size[0]` beside `size`."""
    for source in list(found.leaves):
        bundled = any(source in keys.values() for keys in found.bundles.values())
        parts = list(ast.walk(ast.parse(source, mode="eval").body))[1:]
        for part in parts if not bundled else ():
            whole = ast.unparse(part)
            if whole in found.leaves and source.startswith(f"{whole}["):
                found.leaves[whole] = replace(found.leaves[whole], sequence=True)
                del found.leaves[source]
                break


class _Reader:
    """Finds the leaves of one argument."""

    def __init__(self, parameter: str, native: set[str]) -> None:
        self.parameter = parameter
        self.native = native | vars(builtins).keys()
        self.found: list[Leaf] = []

    def read(self, node: ast.AST, **how: Any) -> None:
        if isinstance(node, ast.expr) and self._is_chain(node):
            self.found.append(Leaf(ast.unparse(node), self.parameter, **how))
            return
        match node:
            case ast.Call(func=ast.Name(id=name), args=args):
                for argument in args:
                    self.read(argument, sequence=name in _ITERATING)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._comprehension(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.read(test, usual=(True, False))
                self.read(body)
                self.read(orelse)
            case ast.Compare():
                self._compare(node)
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                for child in ast.iter_child_nodes(node):
                    self.read(child, usual=how.get("usual") or (True, False))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                self.read(left)
                self.read(right, usual=(0, 1, 2))
            case _:
                for child in ast.iter_child_nodes(node):
                    self.read(child)

    def _is_chain(self, node: ast.expr) -> bool:
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        return isinstance(root, ast.Name) and root.id not in self.native

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        for generator in node.generators:
            self.read(generator.iter, sequence=True)
            bound = [n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)]
            self.native = self.native.union(bound)
        self.read(node.elt)

    def _compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        constants = [o.value for o in operands if isinstance(o, ast.Constant)]
        usual = (*constants, 3) if constants else None
        for operand in operands:
            self.read(operand, usual=usual)


class _Cut(ast.NodeTransformer):
    """Puts a name in place of each known text."""

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and (source := ast.unparse(node)) in self.known:
            return ast.Name(_name(source), ast.Load())
        return self.generic_visit(node)


def _name(source: str) -> str:
    """Return the name that no code has for the value of a text."""
    return f"<{source}>"
