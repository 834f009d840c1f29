"""A bound call as strategies read it: extents per axis, known values, and texts to write."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import field

from mapper.analysis.bind import Argument
from mapper.analysis.evaluate import Known, is_repeatable, known
from mapper.analysis.sequences import elements
from mapper.model.plan import ManualError
from mapper.model.record import record
from mapper.rulebook.conditions import Version
from mapper.rulebook.schema import Rule

SEQUENCES = frozenset({"tuple", "list"})


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
    whole: str | None = None
    """The text of a sequence that is better not evaluated once for each axis."""
    may_be_sequence: bool = False
    """It is one int as far as `axes` go, and may also hold one for each axis."""

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
    kinds: Callable[[ast.expr], frozenset[str]] = lambda _: frozenset({"any"})
    """The kinds of value that an expression may have, as the file tells."""
    values: Callable[[ast.expr], list[object]] = lambda _: []
    """Values that a name is seen to have in the file."""
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
        if spec is not None and spec.default_code:
            return ast.parse(spec.default_code, mode="eval").body
        return ast.Constant(spec.default if spec else None)

    def known(self, name: str) -> Known | None:
        """Return the argument's value where it is certain."""
        return known(self.node(name))

    def extent(self, name: str, part: ast.expr | None = None) -> Extent:
        """Read an argument that torch spreads over the axes, or a `part` of its expression.

        Raises:
            ManualError: torch itself would refuse it.
        """
        node, rank = part or self.node(name), self.rank
        items = elements(node)
        if items is not None and (not isinstance(node, ast.BinOp) or _may_be_one(node)):
            return self._sequence(name, node, items)
        value = known(node)
        if value is not None and isinstance(value.value, tuple | list):
            items = list(value.value) * (rank if len(value.value) == 1 else 1)
            axes = tuple(Axis(repr(item), as_int(item)) for item in items)
            self._check_length(name, len(axes))
            return Extent(axes, False, tuple_of([axis.text for axis in axes], rank))
        text = self.text(node) if name in self.arguments else ast.unparse(node)
        kinds = self.kinds(node) if value is None else frozenset()
        if kinds & SEQUENCES and (is_repeatable(node) or kinds <= SEQUENCES):
            is_name = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
            return self._named_sequence(text, kinds, is_name)
        return Extent((Axis(text, as_int(value.value) if value else None),) * rank, True)

    def _sequence(self, name: str, node: ast.expr, items: list[ast.expr]) -> Extent:
        if len(items) != 1:
            self._check_length(name, len(items))
        axes = [Axis(self.text(e), as_int(k.value) if (k := known(e)) else None) for e in items]
        if len(axes) == 1:
            return Extent((axes[0],) * self.rank, True, axes[0].text)
        if _is_display(node):
            written = None if isinstance(node, ast.Tuple) else "(" + self.text(node)[1:-1] + ")"
            return Extent(tuple(axes), False, written)
        if len({axis.text for axis in axes}) == 1 and _may_be_one(node):
            return Extent(tuple(axes), True, None if _is_tuple(node) else axes[0].text)
        written = None if _is_tuple(node) else tuple_of([axis.text for axis in axes])
        return Extent(tuple(axes), False, written)

    def _named_sequence(self, text: str, kinds: frozenset[str], is_name: bool) -> Extent:
        """Read an expression that holds one int for each axis, or may hold it."""
        name = operand(text)
        if not kinds <= SEQUENCES:
            test = f"isinstance({text}, {'(tuple, list)' if self.rank == 1 else 'list'})"
            whole = f"{name}[0]" if self.rank == 1 else f"tuple({text})"
            needs = self.rank == 1 or "list" in kinds
            written = f"{whole} if {test} else {text}" if needs else None
            return Extent((Axis(text, None),) * self.rank, True, written, may_be_sequence=True)
        axes = tuple(Axis(f"{name}[{i}]", None) for i in range(self.rank))
        if self.rank == 1:
            return Extent(axes, True, axes[0].text)
        written = f"tuple({text})" if "list" in kinds else None
        return Extent(axes, False, written, whole=None if is_name else operand(text))

    def _check_length(self, name: str, length: int) -> None:
        if length != self.rank:
            wanted = "1 value" if self.rank == 1 else f"1 or {self.rank} values"
            raise ManualError(f"torch wants {wanted} for `{name}` here, not {length}")

    def repeat(self, name: str) -> None:
        """Raise ManualError if evaluating the argument more than once could matter."""
        if not is_repeatable(self.node(name)):
            raise ManualError(
                f"`{name}={self.text(self.node(name))}` would have to be evaluated more than once: "
                "put it into a variable first"
            )


def minus(left: Axis, right: Axis) -> str:
    """Return the text of a difference, computed where both are known."""
    if left.value is not None and right.value is not None:
        return str(left.value - right.value)
    if right.value == 0:
        return left.text
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


def _is_display(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.List)


def _is_tuple(node: ast.expr) -> bool:
    """Say whether a sequence whose elements are known is a tuple."""
    match node:
        case ast.BinOp(left=left, right=right):
            return isinstance(left, ast.Tuple) or isinstance(right, ast.Tuple)
        case ast.Call(func=ast.Name(id=name)):
            return name == "tuple"
    return isinstance(node, ast.Tuple)


def _may_be_one(node: ast.expr) -> bool:
    """Say whether all elements come from one evaluation: `(f(k),) * 2` calls `f` once."""
    if is_repeatable(node):
        return True
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
    return any(isinstance(one, ast.Tuple | ast.List) and len(one.elts) == 1 for one in sides)


def as_int(value: object) -> int | None:
    """Return an int that is no bool, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
