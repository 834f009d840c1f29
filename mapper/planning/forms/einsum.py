"""Equations of einsum, `'bhid,bhjd->bhij'`, written out as products of matrices.

MindSpore's einsum has no kernel for the CPU. An equation that stands in the source says which axes
are moved, multiplied and summed over, and each operand stands in what is written once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mapper.model.plan import ManualError

_SIDE = re.compile(r"(?:\.\.\.)?[A-Za-z]*")
_REST = "..."
"""The axes that an ellipsis stands for, which are the first ones."""
_ROW, _COLUMN = "row", "column"
"""Axes of one element, which a product of matrices needs and the result has not."""


@dataclass(frozen=True, slots=True)
class Equation:
    """The names of the axes of each operand, and of the result."""

    terms: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]

    @property
    def sums_several(self) -> bool:
        """Say whether two operands share several axes that are summed over."""
        return any(
            len({*term} & {*other} - {*self.result}) > 1
            for index, term in enumerate(self.terms)
            for other in self.terms[:index]
        )


@dataclass(frozen=True, slots=True)
class Term:
    """An operand's text with the names of its axes; `is_tight` if a method may follow the text."""

    text: str
    names: tuple[str, ...]
    is_tight: bool = True

    def then(self, method: str, names: Sequence[str]) -> Term:
        """Return the text with a call of a method after it, and the names it leaves."""
        return Term(f"{self.tight}.{method}", tuple(names))

    @property
    def tight(self) -> str:
        """Return the text as it may stand beside an operator or before a dot."""
        return self.text if self.is_tight else f"({self.text})"


def parse(text: str) -> Equation:
    """Return the axes of an equation; without `->` the result has those that stand there once.

    Raises:
        ManualError: it is none, has an axis twice in an operand or an ellipsis within.
    """
    given, arrow, wanted = text.replace(" ", "").partition("->")
    sides = [*given.split(","), wanted]
    if not all(map(_SIDE.fullmatch, sides)):
        raise ManualError(f"`{text}` is no equation that can be written out")
    *terms, result = map(_names, sides)
    every = [name for names in terms for name in names]
    if not arrow:
        once = sorted(name for name in every if name != _REST and every.count(name) == 1)
        result = (*[_REST][: every.count(_REST)], *once)
    if any(len({*names}) < len(names) for names in (*terms, result)):
        raise ManualError(f"`{text}` takes a diagonal: write it out")
    if {*result} - {*every} or (_REST in every) != (_REST in result):
        raise ManualError(f"`{text}` is no equation that can be written out")
    return Equation(tuple(terms), result)


def _names(side: str) -> tuple[str, ...]:
    rest = [_REST] if side.startswith(_REST) else []
    return (*rest, *side.removeprefix(_REST))


def written(equation: Equation, operands: Sequence[Term], matmul: str) -> Term:
    """Return the expression that computes an equation; `matmul` is MindSpore's as it is spelled.

    Raises:
        ManualError: an ellipsis stands before axes that would have to be moved.
    """
    terms = [Term(one.text, names, one.is_tight)
             for one, names in zip(operands, equation.terms, strict=True)]  # fmt: skip
    found = terms[0]
    for index, other in enumerate(terms[1:], 2):
        later = [name for one in terms[index:] for name in one.names]
        kept = {*later, *equation.result}
        left = _summed(found, kept | {*other.names})
        right = _summed(other, kept | {*found.names})
        order = equation.result
        if later:
            every = dict.fromkeys((*left.names, *right.names))
            order = tuple(sorted((one for one in every if one in kept), key=_is_named))
        found = _product(left, right, order, matmul)
    return _moved(_summed(found, {*equation.result}), equation.result)


def _is_named(name: str) -> bool:
    return name != _REST


def _summed(term: Term, kept: set[str]) -> Term:
    """Return a term without the axes that nothing else has."""
    return _without(term, [name for name in term.names if name not in kept], "sum")


def _without(term: Term, lost: Sequence[str], method: str) -> Term:
    """Return a term after a method that takes axes away."""
    if not lost:
        return term
    places = [_place(term, name) for name in lost]
    shown = str(places[0]) if len(places) == 1 else str(tuple(places))
    return term.then(f"{method}({shown})", [name for name in term.names if name not in lost])


def _place(term: Term, name: str) -> int:
    """Return where an axis is, from the end where it is not known how many there are."""
    return term.names.index(name) - (len(term.names) if _REST in term.names else 0)


def _product(left: Term, right: Term, order: Sequence[str], matmul: str) -> Term:
    """Return the product of two terms with these axes, summed over the others, which both have.

    Axes that a matrix has no place for are those of a batch, in which one of one element counts
    as often as is needed: as in torch's einsum.
    """
    summed = [name for name in left.names if name in right.names and name not in order]
    if not summed:
        first, second = _placed(left, order), _placed(right, order)
        return Term(f"{first.tight} * {second.tight}", tuple(order), is_tight=False)
    row, column = _last(left, right, order) or _ROW, _last(right, left, order) or _COLUMN
    outer = [name for name in order if name not in (row, column)]
    outer[outer[:1] == [_REST] : 0] = summed[:-1]
    first = _placed(left, [*outer, row, summed[-1]], matrix=2)
    second = _placed(right, [*outer, summed[-1], column], matrix=2)
    found = Term(f"{matmul}({first.text}, {second.text})", (*outer, row, column))
    found = _without(found, [one for one in (_ROW, _COLUMN) if one in found.names], "squeeze")
    return _without(found, summed[:-1], "sum")


def _last(term: Term, other: Term, order: Sequence[str]) -> str:
    """Return the axis of a term alone that stands last in the result, or no name."""
    own = [name for name in order if name in term.names and name not in other.names]
    return own[-1] if own and own[-1] != _REST else ""


def _placed(term: Term, order: Sequence[str], matrix: int = 0) -> Term:
    """Return a term with its axes in an order, with an axis of one for each that it lacks.

    Axes that would come first need none, but the last ones of a `matrix` are always there.
    """
    term = _moved(term, [name for name in order if name in term.names])
    start = min(map(order.index, term.names), default=len(order))
    for index in reversed(range(min(start, len(order) - matrix), len(order))):
        if order[index] not in term.names:
            term = term.then(f"expand_dims({index - len(order)})", term.names)
    return term


def _moved(term: Term, order: Sequence[str]) -> Term:
    """Return a term with its axes in another order.

    Raises:
        ManualError: it is not known how many axes there are.
    """
    moved = [index for index, name in enumerate(order) if term.names[index] != name]
    if not moved:
        return term
    if len(moved) == 2:
        first, second = (index - len(order) for index in moved)
        return term.then(f"swapaxes({first}, {second})", order)
    if _REST in order:
        raise ManualError("axes behind an ellipsis change places: write it out by hand")
    places = [term.names.index(name) for name in order]
    return term.then(f"permute({', '.join(map(str, places))})", order)
