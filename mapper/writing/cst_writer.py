"""The writer for calls of any layout: it edits the libcst tree of the call and keeps comments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import libcst as cst

from mapper.model.plan import Api, Keywords, Plan
from mapper.writing.layout import LayoutError, Spell


def render(
    text: str, plan: Plan, places: Mapping[str, int], spell: Spell, newline: str = "\n"
) -> str:
    """Return the source that replaces the call `text`; the arguments are as in `layout.render`.

    Raises:
        LayoutError: a comment would be lost, or the call cannot be read on its own.
    """
    config = cst.PartialParserConfig(default_newline=newline)
    try:
        call = cst.parse_expression(text, config=config)
    except cst.ParserSyntaxError as error:
        raise LayoutError("the call's layout cannot be kept: put it on lines of its own") from error
    if not isinstance(call, cst.Call):
        raise LayoutError("the call cannot be told from what is around it")
    by_index: dict[int, Keywords] = {}
    for name, keywords in plan.changes.items():
        by_index.setdefault(places[name], []).extend(keywords)
    arguments: list[cst.Arg] = []
    for index, argument in enumerate(call.args):
        new = _replace(argument, by_index.get(index), spell)
        if not new and arguments:
            arguments[-1] = _inherit_comment(arguments[-1], argument)
        arguments.extend(new)
    if arguments and call.args[-1].comma is cst.MaybeSentinel.DEFAULT:
        arguments[-1] = _with_end_of(arguments[-1], call.args[-1])
    arguments = _append(call, arguments, [_argument(*keyword, spell) for keyword in plan.added])
    function = _expression(spell(plan.target))
    written = call.with_changes(func=function, args=arguments)
    code = cst.Module([], default_newline=newline).code_for_node(written)
    if "#" in text and _comments(call) - _comments(written):
        raise LayoutError("a comment inside the call would be lost: move it out of the call")
    return code


def _comments(node: cst.CSTNode) -> Counter[str]:
    """Count the comments below a node."""
    found = Counter[str]()
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, cst.Comment):
            found[current.value] += 1
        stack.extend(current.children)
    return found


def _argument(keyword: str, value: str, spell: Spell) -> cst.Arg:
    text = f"{value.before}{spell(value)}{value.behind}" if isinstance(value, Api) else value
    return cst.Arg(
        keyword=cst.Name(keyword) if keyword else None,
        value=_expression(text),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        if keyword
        else cst.MaybeSentinel.DEFAULT,
    )


@lru_cache(maxsize=1024)
def _expression(text: str) -> cst.BaseExpression:
    try:
        return cst.parse_expression(text)
    except cst.ParserSyntaxError:  # a text that runs over several lines
        return cst.parse_expression(f"({text}\n)")


def _kept(value: cst.BaseExpression, text: str) -> cst.BaseExpression | None:
    """Return the source's own `value`, parentheses included, where `text` says the same."""
    bare = value.with_changes(lpar=[], rpar=[])
    codes = (cst.Module([]).code_for_node(node).splitlines() for node in (value, bare))
    return value if text.splitlines() in codes else None


def _replace(argument: cst.Arg, keywords: Keywords | None, spell: Spell) -> list[cst.Arg]:
    """Return what stands where `argument` stood, with its white space and comments around it."""
    if keywords is None:
        return [argument]
    new = []
    for keyword, value in keywords:
        made = _argument(keyword, value, spell)
        made = made.with_changes(value=_kept(argument.value, value) or made.value)
        if not keyword and argument.keyword is not None:
            made = argument.with_changes(value=made.value, comma=made.comma)
        elif keyword and argument.keyword is not None:
            made = made.with_changes(equal=argument.equal)
        new.append(made.with_changes(comma=_COMMA))
    if new:
        new[-1] = _with_end_of(new[-1], argument)
    return new


_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _with_end_of(argument: cst.Arg, old: cst.Arg) -> cst.Arg:
    """Give `argument` the comma and the white space that follow `old`."""
    return argument.with_changes(comma=old.comma, whitespace_after_arg=old.whitespace_after_arg)


def _append(call: cst.Call, arguments: list[cst.Arg], added: list[cst.Arg]) -> list[cst.Arg]:
    """Put `added` at the end, on a line of its own where the call has one argument a line."""
    if not added:
        return arguments
    added = [argument.with_changes(comma=_COMMA) for argument in added]
    if not arguments:
        return [*added[:-1], added[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
    last = arguments[-1]
    own_line, indent = _indentation(call)
    if isinstance(last.comma, cst.Comma):
        end = last.comma.whitespace_after
        before = last.with_changes(
            comma=last.comma.with_changes(whitespace_after=_next(end, own_line, indent))
        )
        added[-1] = added[-1].with_changes(comma=cst.Comma(whitespace_after=_bare(end)))
    else:
        end = last.whitespace_after_arg
        comma = cst.Comma(whitespace_after=_next(end, own_line, indent))
        before = last.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
        added[-1] = added[-1].with_changes(
            comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=_bare(end)
        )
    return [*arguments[:-1], before, *added]


def _indentation(call: cst.Call) -> tuple[bool, cst.SimpleWhitespace]:
    """Say whether the last argument starts a line, and how deep continuation lines are."""
    starts: list[Any] = [call.whitespace_before_args]
    starts.extend(getattr(a.comma, "whitespace_after", None) for a in call.args[:-1])
    broken = [start for start in starts if isinstance(start, cst.ParenthesizedWhitespace)]
    own_line = isinstance(starts[-1], cst.ParenthesizedWhitespace)
    return own_line, broken[-1].last_line if broken else cst.SimpleWhitespace("    ")


def _next(
    end: cst.BaseParenthesizableWhitespace, own_line: bool, indent: cst.SimpleWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Return the white space between the old last argument and the first added one."""
    if not isinstance(end, cst.ParenthesizedWhitespace):
        return cst.SimpleWhitespace(" ")
    if not own_line and end.first_line.comment is None and not end.empty_lines:
        return cst.SimpleWhitespace(" ")
    return end.with_changes(last_line=indent)


def _inherit_comment(argument: cst.Arg, dropped: cst.Arg) -> cst.Arg:
    """Keep the comment behind a dropped argument: it moves up behind the one before."""
    comma = dropped.comma
    end: Any = (
        comma.whitespace_after if isinstance(comma, cst.Comma) else dropped.whitespace_after_arg
    )
    if not isinstance(end, cst.ParenthesizedWhitespace) or not isinstance(
        argument.comma, cst.Comma
    ):
        return argument
    own: Any = argument.comma.whitespace_after
    if not isinstance(own, cst.ParenthesizedWhitespace):
        return argument.with_changes(comma=argument.comma.with_changes(whitespace_after=end))
    if end.first_line.comment is None and not end.empty_lines:
        own = own.with_changes(last_line=end.last_line)
    elif own.first_line.comment is None:
        own = end
    else:
        line = cst.EmptyLine(comment=end.first_line.comment, whitespace=own.last_line, indent=False)
        kept = [*own.empty_lines, line, *end.empty_lines]
        own = own.with_changes(empty_lines=kept, last_line=end.last_line)
    return argument.with_changes(comma=argument.comma.with_changes(whitespace_after=own))


def _bare(end: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """Return the white space before the closing parenthesis, without comments already kept."""
    if not isinstance(end, cst.ParenthesizedWhitespace):
        return end
    line = cst.TrailingWhitespace(newline=end.first_line.newline)
    return end.with_changes(first_line=line, empty_lines=[])
