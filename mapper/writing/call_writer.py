"""The writer for plainly laid out calls: their own text, cut between the arguments and joined.

A layout is plain if the arguments are separated by commas, which only blanks, line ends and
comments follow, without a backslash or a parenthesis around a value. In other cases, and where an
argument with a comment is dropped, the result is None and `cst_writer` is asked. This writer exists
for speed: importing libcst takes as long as all other imports together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from mapper.model.plan import Api, Keywords, Plan
from mapper.model.record import record
from mapper.writing.layout import Offset, Spell

_BREAK = r"(?:\r\n|\r(?!\n)|\n)"
_REST = rf"[ \t]*(?:#[^\r\n]*)?{_BREAK}"  # the rest of a line
_SPACE = rf"(?:{_REST})*[ \t]*"  # over lines, comments included
_OPEN = re.compile(rf"[ \t]*\(({_SPACE})")
_BETWEEN = re.compile(rf"([ \t]*),({_SPACE})")
# the comma behind the last argument stays what it was: it may be one, or none
_CLOSE = re.compile(rf"(?:([ \t]*)(,))?({_SPACE})\)")
_EQUAL = re.compile(r"[ \t]*=[ \t]*")
_LINES = re.compile(  # white space over lines: rests of lines, and the start of the last one
    rf"(?P<rests>[ \t]*(?P<comment>#[^\r\n]*)?(?P<end>{_BREAK})(?P<more>(?:{_REST})*))"
    r"(?P<start>[ \t]*)"
)
_NOT_PLAIN = re.compile(r"[\r\n#\\]|:=|\byield\b|^\s|\s$|^$")  # in a value that is written anew


class _NotPlainError(Exception):
    """The layout is not plain: `cst_writer` has to write the call."""


@record(frozen=True, slots=True)
class _Argument:
    """An argument's text and what stands behind it: blanks, a comma or none, white space."""

    text: str
    before: str = ""
    comma: str = ","
    after: str = " "


def render(
    text: str,
    call: ast.Call,
    offset: Offset,
    plan: Plan,
    places: Mapping[str, int],
    spell: Spell,
) -> str | None:
    """Return the source that replaces the call `text`, None where its layout is not plain.

    `offset` and `places` are as in `layout.render`.
    """
    try:
        return _render(text, call, offset, plan, places, spell)
    except _NotPlainError:
        return None


def _render(
    text: str, call: ast.Call, offset: Offset, plan: Plan, places: Mapping[str, int], spell: Spell
) -> str:
    """Return the source of the changed call; `_NotPlainError` where it cannot be cut."""
    head, first, old = _read(text, call, offset)
    changes: dict[int, Keywords] = {}
    for name, keywords in plan.changes.items():
        changes.setdefault(places[name], []).extend(keywords)
    new: list[_Argument] = []
    for index, (argument, node) in enumerate(zip(old, _nodes(call), strict=True)):
        if index not in changes:
            new.append(argument)
        elif changes[index]:
            new.extend(_changed(argument, node, text, offset, changes[index], spell))
        elif _comments(argument):
            raise _NotPlainError  # comments have to be moved
        elif new:
            new[-1] = replace(new[-1], after=_inherited(new[-1], argument))
    if not new:
        raise _NotPlainError
    if not old[-1].comma:
        new[-1] = replace(new[-1], before="", comma="", after=old[-1].after)
    added = [_Argument(_keyword(name, value, spell)) for name, value in plan.added]
    new = _append(new, added, [first, *(argument.after for argument in old[:-1])])
    inside = "".join(f"{one.text}{one.before}{one.comma}{one.after}" for one in new)
    return f"{spell(plan.target)}{head}{inside})"


# --- reading ------------------------------------------------------------------------------------


def _read(text: str, call: ast.Call, offset: Offset) -> tuple[str, str, list[_Argument]]:
    """Return the call's opening, the white space after it, and the arguments."""
    nodes = _nodes(call)
    if not nodes or _start(call.func, offset) != 0:
        raise _NotPlainError
    function = _end(call.func, offset)
    if re.search(r"[\r\n\\]", text[:function]):
        raise _NotPlainError
    spans = [(_start(node, offset), _end(node, offset)) for node in nodes]
    opening = _gap(_OPEN, text, function, spans[0][0])
    arguments = []
    for (start, end), (following, _) in pairwise(spans):
        gap = _gap(_BETWEEN, text, end, following)
        arguments.append(_Argument(text[start:end], gap[1], ",", gap[2]))
    start, end = spans[-1]
    last = _gap(_CLOSE, text, end, len(text))
    arguments.append(_Argument(text[start:end], last[1] or "", last[2] or "", last[3]))
    return opening[0], opening[1], arguments


def _nodes(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]


def _gap(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str]:
    found = pattern.fullmatch(text, start, end)
    if found is None:
        raise _NotPlainError
    return found


def _start(node: ast.expr | ast.keyword, offset: Offset) -> int:
    return offset(node.lineno, node.col_offset)


def _end(node: ast.expr | ast.keyword, offset: Offset) -> int:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return offset(node.end_lineno, node.end_col_offset)


# --- writing ------------------------------------------------------------------------------------


def _changed(
    argument: _Argument,
    node: ast.expr | ast.keyword,
    text: str,
    offset: Offset,
    keywords: Keywords,
    spell: Spell,
) -> list[_Argument]:
    """Return what takes an argument's place; a value that stays is written as it stands."""
    if "#" in argument.text:
        raise _NotPlainError  # perhaps a comment in the value
    equal, value = "=", argument.text
    if isinstance(node, ast.keyword) and node.arg is not None:
        equal, value = _keyword_parts(node, node.arg, text, offset)
    new = []
    for keyword, wanted in keywords:
        if isinstance(node, ast.keyword) and not keyword:
            if node.arg is None:
                raise _NotPlainError
            keyword = node.arg
        new.append(_Argument(_keyword(keyword, wanted, spell, equal, value)))
    new[-1] = replace(new[-1], before=argument.before, comma=argument.comma, after=argument.after)
    return new


def _keyword_parts(node: ast.keyword, name: str, text: str, offset: Offset) -> tuple[str, str]:
    """Return the equal sign with the blanks around it, and the value, of a keyword argument."""
    start, end, own = _start(node.value, offset), _end(node.value, offset), _start(node, offset)
    if end != _end(node, offset) or not text.startswith(name, own):
        raise _NotPlainError  # a value in parentheses, or a name that Python spells otherwise
    return _gap(_EQUAL, text, own + len(name), start)[0], text[start:end]


def _keyword(keyword: str, value: str, spell: Spell, equal: str = "=", kept: str = "") -> str:
    text = f"{value.before}{spell(value)}{value.behind}" if isinstance(value, Api) else value
    if ":=" in text or (text != kept and _NOT_PLAIN.search(text)):
        raise _NotPlainError
    return f"{keyword}{equal}{text}" if keyword else text


def _comments(argument: _Argument) -> bool:
    """Say whether there may be comments in or behind an argument, or lines with nothing else."""
    found = _LINES.fullmatch(argument.after)
    return "#" in argument.text + argument.after or bool(found and found["more"])


def _inherited(last: _Argument, dropped: _Argument) -> str:
    """Return the white space behind an argument when the one behind it is dropped."""
    end = _LINES.fullmatch(dropped.after)
    if end is None or not last.comma:
        return last.after
    own = _LINES.fullmatch(last.after)
    return own["rests"] + end["start"] if own else dropped.after


def _append(
    arguments: list[_Argument], added: list[_Argument], starts: Sequence[str]
) -> list[_Argument]:
    """Put `added` at the end, on a line of its own where the call has one argument a line.

    `starts` is the white space before each argument of the call as it was.
    """
    if not added:
        return arguments
    last = arguments[-1]
    end = _LINES.fullmatch(last.after)
    closing = end["end"] + end["start"] if end else last.after
    added[-1] = replace(added[-1], comma=last.comma, after=closing)
    broken = [found["start"] for found in map(_LINES.fullmatch, starts) if found]
    after = " "
    if end and (_LINES.fullmatch(starts[-1]) or end["comment"] or end["more"]):
        after = end["rests"] + (broken[-1] if broken else "    ")
    return [*arguments[:-1], replace(last, comma=",", after=after), *added]
