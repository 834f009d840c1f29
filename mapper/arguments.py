"""A bound call as strategies read it: extents per axis, known values, and texts to write."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import field

from mapper.bind import Argument
from mapper.conditions import Version
from mapper.plan import ManualError
from mapper.record import record
from mapper.rule import Rule
from mapper.values import Known, is_repeatable, known


@record(frozen=True, slots=True)
class Axis:
    """One axis of an argument: the text to write, and the value where it is known."""

    text: str
    value: int | None


@record(frozen=True, slots=True)
class Extent:
    """An argument of one int, or one per axis. `scalar`: one text serves all axes."""

    axes: tuple[Axis, ...]
    scalar: bool
    written: str | None = None
    """The text to write when the source's own form does not do (a list, a 1-tuple)."""

    @property
    def values(self) -> tuple[int, ...] | None:
        """Return the values when all are known."""
        values = tuple(axis.value for axis in self.axes if axis.value is not None)
        return values if len(values) == len(self.axes) else None

    @property
    def is_zero(self) -> bool:
        """Say whether it is known to be 0 on every axis."""
        return self.values is not None and not any(self.values)


@record(frozen=True, slots=True)
class BoundCall:
    """A torch call with its rule, its arguments and the means to read them.

    `text` gives an expression's source, `qualified` what a name resolves to (`torch.float16`).
    """

    rule: Rule
    arguments: Mapping[str, Argument]
    text: Callable[[ast.expr], str]
    qualified: Callable[[ast.expr], str | None]
    version: Version
    recipe: str = "exact"
    constants: Mapping[str, object] = field(default_factory=dict)
    """What names in the arguments hold that are bound once, to a plain number."""

    @property
    def rank(self) -> int:
        """Return the number of spatial axes."""
        return self.rule.torch.rank

    def given(self, name: str) -> bool:
        """Say whether the call gives the parameter."""
        return name in self.arguments

    def node(self, name: str) -> ast.expr:
        """Return the argument's expression, or the default's."""
        if name in self.arguments:
            return self.arguments[name].value
        spec = self.rule.torch.parameter(name)
        return ast.Constant(spec.default if spec else None)

    def known(self, name: str) -> Known | None:
        """Return the argument's value where it is certain."""
        return known(self.node(name))

    def extent(self, name: str) -> Extent:
        """Read an argument that torch spreads over the axes.

        Raises:
            ManualError: torch itself would refuse it.
        """
        node, rank = self.node(name), self.rank
        if isinstance(node, ast.Tuple | ast.List) and not is_starred(node):
            return self._sequence(name, node)
        value = known(node)
        if value is not None and isinstance(value.value, tuple | list):
            items = list(value.value) * (rank if len(value.value) == 1 else 1)
            axes = tuple(Axis(repr(item), as_int(item)) for item in items)
            self._check_length(name, len(axes))
            return Extent(axes, False, tuple_of([axis.text for axis in axes], rank))
        text = self.text(node) if name in self.arguments else ast.unparse(node)
        return Extent((Axis(text, as_int(value.value) if value else None),) * rank, True)

    def _sequence(self, name: str, node: ast.Tuple | ast.List) -> Extent:
        if len(node.elts) != 1:
            self._check_length(name, len(node.elts))
        items = [
            Axis(self.text(e), as_int(k.value) if (k := known(e)) else None) for e in node.elts
        ]
        if len(items) == 1:
            return Extent((items[0],) * self.rank, True, items[0].text)
        written = None if isinstance(node, ast.Tuple) else "(" + self.text(node)[1:-1] + ")"
        return Extent(tuple(items), False, written)

    def _check_length(self, name: str, length: int) -> None:
        if length != self.rank:
            wanted = "1 value" if self.rank == 1 else f"1 or {self.rank} values"
            raise ManualError(f"torch wants {wanted} for `{name}` here, not {length}")

    def repeat(self, name: str) -> None:
        """Insist that the argument may be evaluated more than once."""
        if not is_repeatable(self.node(name)):
            raise ManualError(
                f"`{name}={self.text(self.node(name))}` would have to be evaluated more than once: "
                "put it into a variable first"
            )


def minus(left: Axis, right: Axis) -> str:
    """Return the text of a difference, computed where both are known."""
    if left.value is not None and right.value is not None:
        return str(left.value - right.value)
    return f"{operand(left.text, ast.BinOp)} - {operand(right.text)}"


def operand(text: str, *loose: type[ast.expr]) -> str:
    """Put parentheses around a text unless it binds at least as tightly as a subtraction."""
    tight = (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript, *loose)
    body = ast.parse(f"({text}\n)", mode="eval").body
    if isinstance(body, ast.BinOp) and not isinstance(
        body.op, ast.Add | ast.Sub | ast.Mult | ast.FloorDiv | ast.Mod | ast.Div | ast.Pow
    ):
        return f"({text})"
    return text if isinstance(body, tight) else f"({text})"


def tuple_of(texts: list[str], rank: int = 0) -> str:
    """Return the text of a tuple; in 1-d of its only element."""
    if rank == 1:
        return texts[0]
    return f"({', '.join(texts)})"


def is_starred(node: ast.Tuple | ast.List) -> bool:
    """Say whether the elements are not all written out."""
    return any(isinstance(element, ast.Starred) for element in node.elts)


def as_int(value: object) -> int | None:
    """Return an int that is no bool, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
