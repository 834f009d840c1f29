"""Zero padding as keywords: a number for each side, a string, or one of the two."""

from __future__ import annotations

import ast
from collections.abc import Callable

from mapper.analysis.evaluate import is_repeatable
from mapper.model.plan import Keywords
from mapper.planning.bound_call import BoundCall, Extent, operand, tuple_of


def pad_keywords(mode: str, padding: str | None = None) -> Keywords:
    """Return `pad_mode`, and `padding` where there is any."""
    keywords = [("pad_mode", repr(mode))]
    return keywords if padding is None else [*keywords, ("padding", padding)]


def doubled(call: BoundCall, padding: Extent) -> str:
    """Write one int per axis as MindSpore wants it: both sides of each axis, one by one."""
    text = padding.axes[0].text
    if call.rank == 1:
        return padding.written or text
    if padding.may_be_sequence:
        sides = tuple_of([f"{operand(text)}[{i}]" for i in range(call.rank) for _ in range(2)])
        return _choice(f"isinstance({text}, (tuple, list))", sides, text)
    if padding.scalar:
        return text
    if padding.whole is not None:
        return f"tuple(p for p in {padding.whole} for _ in range(2))"
    if not is_repeatable(call.node("padding")):
        return " + ".join(f"({axis.text},) * 2" for axis in padding.axes)
    return tuple_of([axis.text for axis in padding.axes for _ in range(2)])


def zero_padding(call: BoundCall, sides: Callable[[Extent], str]) -> Keywords:
    """Write padding with zeros, where `sides` writes the numbers.

    A string becomes the `pad_mode`; for what may be either, a condition is written.
    """
    node = call.node("padding")
    kinds, text = call.kinds(node), call.text(node)
    if kinds == {"str"}:
        return [("pad_mode", text)]
    if isinstance(node, ast.IfExp) and is_repeatable(node.test):
        test, body, orelse = call.text(node.test), node.body, node.orelse
        strings = [call.kinds(part) == {"str"} for part in (body, orelse)]
        if strings == [True, False] and "str" not in call.kinds(orelse):
            number = sides(call.extent("padding", orelse))
            return _string_if(test, call.text(body), number)
        if strings == [False, True] and "str" not in call.kinds(body):
            number = sides(call.extent("padding", body))
            mode = _choice(test, "'pad'", call.text(orelse))
            return [("pad_mode", mode), ("padding", _choice(test, number, "0"))]
    padding = call.extent("padding")
    if "str" in kinds and is_repeatable(node):
        return _string_if(f"isinstance({text}, str)", text, sides(padding))
    return pad_keywords("valid") if padding.is_zero else pad_keywords("pad", sides(padding))


def _string_if(test: str, string: str, number: str) -> Keywords:
    mode = _choice(test, string, "'pad'")
    return [("pad_mode", mode), ("padding", _choice(test, "0", number))]


def _choice(test: str, body: str, orelse: str) -> str:
    return f"{_enclosed(body)} if {_enclosed(test)} else {orelse}"


def _enclosed(text: str) -> str:
    """Put parentheses around what binds less tightly than a condition does."""
    node = ast.parse(f"({text}\n)", mode="eval").body
    return f"({text})" if isinstance(node, ast.IfExp | ast.Lambda | ast.NamedExpr) else text
