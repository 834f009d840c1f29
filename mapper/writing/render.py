"""Puts a plan into source: only the call is edited, and its layout is kept.

There are two writers: `call_writer` cuts and joins the text of calls with a plain layout, as nearly
all have; `cst_writer` edits a libcst tree and does the others. Tests hold their output equal.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from mapper.model.plan import Plan, Wrapper
from mapper.writing import call_writer
from mapper.writing.layout import LayoutError, Offset, Spell

_LONGEST = 10_000  # characters; libcst parses on the native stack, which has an end


def render(
    text: str,
    call: ast.Call,
    offset: Offset,
    plan: Plan,
    places: Mapping[str, int],
    spell: Spell,
    newline: str = "\n",
) -> str:
    """Return the source that replaces the call `text`.

    `places` maps each given parameter to its index among the call's arguments; `newline` ends the
    lines that are added.

    Raises:
        LayoutError: a comment would be lost, or the call cannot be read on its own.
    """
    if len(text) > _LONGEST:
        raise LayoutError("the call is too long to be edited: put its arguments into variables")
    code = call_writer.render(text, call, offset, plan, places, spell)
    if code is None:
        from mapper.writing import cst_writer

        code = cst_writer.render(text, plan, places, spell, newline)
    return _wrap(code, plan, spell)


def _wrap(code: str, plan: Plan, spell: Spell) -> str:
    if not (plan.before or plan.after):
        return code
    layers = [*map(_layer(spell), plan.before), code, *map(_layer(spell), plan.after)]
    return f"{spell('mindspore.nn.SequentialCell')}({', '.join(layers)})"


def _layer(spell: Spell) -> Callable[[Wrapper], str]:
    return lambda wrapper: f"{spell(wrapper.api)}({wrapper.arguments})"
