"""Decides whether a rewritten call evaluates the same parts as the call, as often, and in order.

`nn.Conv2d(grow(), 8, n)` calls `grow` before it reads `n`, which may be another number afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

from mapper.analysis.evaluate import is_harmless, is_repeatable
from mapper.analysis.scopes import COMPREHENSIONS, FUNCTIONS
from mapper.analysis.sequences import elements
from mapper.analysis.walk import walk
from mapper.model.record import record

_ACTING = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
_READ = (ast.Name, ast.Attribute, ast.Subscript)


@record(frozen=True, slots=True)
class _Event:
    """The evaluation of a part; `when` are the conditions under which it happens."""

    text: str
    node: ast.expr
    when: tuple[str, ...]

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return self.text, self.when


@record(frozen=True, slots=True)
class Surroundings:
    """What is known of the file that the expressions are from.

    `has_effects`: reading an attribute or element may do something. `is_steady`: no call changes
    what a name holds. `is_idle`: a call only computes.
    """

    has_effects: Callable[[ast.expr], bool]
    is_steady: Callable[[str], bool]
    is_idle: Callable[[ast.Call], bool]


def difference(before: ast.expr, after: ast.expr, around: Surroundings) -> str | None:
    """Return the first part that is evaluated more often, less often or at another time.

    None where all is evaluated as before. The call `before` itself is not compared: it is what is
    rewritten.
    """
    first = [one for one in _events(before, ()) if one.node is not before]
    second = list(_events(after, ()))
    if _are_all_kept(before, first, second):
        return None
    acting = [one for one in first if _acts(one.node, around)]
    if not acting:
        return None
    known = {one.text for one in acting}
    again = [one for one in second if one.text in known]
    if [one.key for one in acting] != [one.key for one in again]:
        return _first_mismatch(acting, again)
    return _read_too_late(first, second, known, around)


def _are_all_kept(before: ast.expr, first: Sequence[_Event], second: Sequence[_Event]) -> bool:
    """Say whether everything is evaluated in the same order, whatever has effects.

    Most rewrites keep it, and need no further look.
    """
    function = before.func if isinstance(before, ast.Call) else before
    wanted = [one.key for one in first if one.node is not function]
    texts = {text for text, _ in wanted}
    rest = [one.key for one in second if one.text in texts]
    new = any(_looks_into(one.node) for one in second if one.text not in texts)
    return wanted == rest and not new


def _looks_into(node: ast.expr) -> bool:
    """Say whether an expression reads elements of a sequence, which a call may change."""
    match node:
        case ast.Subscript() | ast.Call(func=ast.Name(id="tuple" | "list" | "len")):
            return True
    return isinstance(node, COMPREHENSIONS)


def _first_mismatch(acting: Sequence[_Event], again: Sequence[_Event]) -> str:
    """Return the first event in which two different sequences differ."""
    for one, other in zip(acting, again, strict=False):
        if one.key != other.key:
            return one.text
    longer = acting if len(acting) > len(again) else again
    return longer[min(len(acting), len(again))].text


def _read_too_late(
    first: Sequence[_Event], second: Sequence[_Event], acting: set[str], around: Surroundings
) -> str | None:
    """Return a part that may be read with another value: something else has acted by then.

    For each part that is read, the effects before it must be those that came before it in `first`.
    """
    seen: dict[str, set[tuple[str, ...]]] = {}
    for one, past in _with_past(first, acting):
        seen.setdefault(one.text, set()).add(_relevant(one, past, around))
    everything = [one for one in first if one.text in acting]
    for one, past in _with_past(second, acting):
        if one.text in acting:
            continue
        relevant = _relevant(one, past, around)
        if one.text not in seen and not _looks_into(one.node):
            continue  # a name of MindSpore's or Python's that only the rewrite has
        expected = seen.get(one.text) or {_relevant(one, everything, around)}
        if relevant not in expected:
            return one.text
    return None


def _with_past(
    events: Sequence[_Event], acting: set[str]
) -> Iterator[tuple[_Event, Sequence[_Event]]]:
    past: list[_Event] = []
    for one in events:
        yield one, past
        if one.text in acting:
            past = [*past, one]


def _relevant(read: _Event, past: Iterable[_Event], around: Surroundings) -> tuple[str, ...]:
    """Return the earlier events that may have changed what is read."""
    names = {part.id for part in ast.walk(read.node) if isinstance(part, ast.Name)}
    is_steady = isinstance(read.node, ast.Name) and around.is_steady(read.node.id)
    found = []
    for one in past:
        if isinstance(one.node, ast.NamedExpr):
            matters = one.node.target.id in names
        else:
            matters = not is_steady
        if matters:
            found.append(one.text)
    return tuple(found)


def _acts(node: ast.expr, around: Surroundings) -> bool:
    if isinstance(node, ast.Attribute | ast.Subscript):
        return around.has_effects(node)
    if isinstance(node, ast.Call):
        return not is_harmless(node) and not around.is_idle(node)
    return isinstance(node, _ACTING) or not is_repeatable(node)


def _events(node: ast.AST, when: tuple[str, ...]) -> Iterator[_Event]:
    """Yield the reads, calls and effects of an expression, in Python's order."""
    for part, under in _operands(node, when):
        yield from _events(part, under)
    if isinstance(node, (*_READ, *_ACTING, ast.Call)) or (
        isinstance(node, COMPREHENSIONS) and elements(node) is None
    ):
        yield _Event(ast.unparse(node), node, when)


def _operands(node: ast.AST, when: tuple[str, ...]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Yield what is evaluated for a node, and under which conditions."""
    match node:
        case ast.IfExp(test=test, body=body, orelse=orelse):
            words = ast.unparse(test)
            yield test, when
            yield body, (*when, words)
            yield orelse, (*when, f"not {words}")
        case ast.BoolOp(values=[first, *rest]):
            yield first, when
            for value in rest:
                yield value, (*when, ast.unparse(first))
        case ast.Lambda():
            return
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            items = elements(node)
            yield from ((one, when) for one in items or [node.generators[0].iter])
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                yield from ((one, when) for one in (key, value) if one is not None)
        case ast.NamedExpr(value=value):
            yield value, when
        case _:
            yield from ((one, when) for one in ast.iter_child_nodes(node))


# --- attributes and elements that are computed when they are read ---------------------------------


def acting_readers(trees: Iterable[ast.Module]) -> tuple[frozenset[str], bool, bool]:
    """Return the properties that may have effects, and whether any attribute, any element may.

    A property that only returns an expression without calls has none, nor has a cached one.
    """
    names, of_any, of_items = set[str](), False, False
    for tree in trees:
        for node in walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            is_data = any("Dataset" in ast.unparse(base) for base in node.bases)
            for one in node.body:
                if not isinstance(one, FUNCTIONS) or _only_reads(one):
                    continue
                marks = {ast.unparse(mark).rpartition(".")[2] for mark in one.decorator_list}
                if "property" in marks:
                    names.add(one.name)
                of_any = of_any or one.name == "__getattribute__"
                of_items = of_items or (one.name == "__getitem__" and not is_data)
    return frozenset(names), of_any, of_items


def _only_reads(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function does nothing but return an expression."""
    *others, last = function.body
    is_plain = all(isinstance(o, ast.Expr) and isinstance(o.value, ast.Constant) for o in others)
    return (
        is_plain
        and isinstance(last, ast.Return)
        and (last.value is None or is_repeatable(last.value))
    )
