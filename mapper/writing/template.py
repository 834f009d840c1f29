"""Puts a rule's template into source: `{self}.shape[{dim}]` with the use's own expressions."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping

from mapper.model.plan import Api, Operand, Template

Spell = Callable[[str], str]

_ATOMS = (
    ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.JoinedStr,
    ast.ListComp, ast.SetComp, ast.DictComp,
)  # fmt: skip
_BINDING = (
    ast.Attribute, ast.Starred, ast.Await, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp,
    ast.Compare, ast.BoolOp, ast.IfExp,
)  # fmt: skip
"""What may bind a part of it tighter than the part's own operator."""
_LOOSE = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.Starred)


def render_template(
    template: Template,
    operands: Mapping[str, ast.expr | str],
    source: Callable[[ast.expr], str],
    spell: Spell,
) -> str:
    """Return the source of a template with its operands in place.

    `operands` are expressions of the file, or text that is used as it is. An operand is put in
    parentheses where what stands around it binds tighter.
    """
    tight, dotted = _tight_places(template)
    parts = []
    for index, part in enumerate(template.parts):
        if isinstance(part, Operand):
            found = operands[part.name]
            if isinstance(found, str):
                parts.append(found)
            else:
                text = source(found)
                is_loose = index in tight and _needs(found, text, index in dotted)
                parts.append(f"({text})" if is_loose else text)
        elif isinstance(part, Api):
            parts.append(spell(part))
        else:
            parts.append(part)
    return "".join(parts)


def stands_in_parentheses(template: Template, name: str) -> bool:
    """Say whether an operand alone stands in parentheses of its own, and not in those of a call."""
    texts = ["" if isinstance(part, Operand) else str(part) for part in template.parts]
    return any(
        part.name == name and re.search(r"[(, ]\($", before) and after.startswith(")")
        for before, part, after in zip(["", *texts], template.parts, [*texts[1:], ""], strict=False)
        if isinstance(part, Operand)
    )


def in_context(text: str, parent: ast.AST, node: ast.AST) -> str:
    """Return a text as it may stand in the place of `node`, in parentheses where it must be."""
    is_part = node not in (getattr(parent, "func", node), getattr(parent, "value", node))
    body = _body(text) if isinstance(parent, _BINDING) and not is_part else None
    if not isinstance(body, _LOOSE):
        return text
    match parent:
        case ast.Attribute() | ast.Starred() | ast.Await():
            return f"({text})"
        case ast.Subscript(value=value) if value is node:
            return f"({text})"
        case ast.Call(func=func) if func is node:
            return f"({text})"
        case ast.BinOp() | ast.UnaryOp() | ast.Compare():
            return f"({text})"
        case ast.BoolOp() if isinstance(body, ast.BoolOp | ast.IfExp | ast.Lambda):
            return f"({text})"
        case ast.IfExp() if isinstance(body, ast.IfExp | ast.Lambda):
            return f"({text})"
    return text


def is_loose(text: str) -> bool:
    """Say whether a text needs parentheses before a dot, or beside an operator."""
    return not text.isidentifier() and isinstance(_body(text), _LOOSE)


def _body(text: str) -> ast.expr:
    """Return the expression of a text; a constant for a statement, or one in parentheses."""
    try:
        body = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError:
        return ast.Constant(None)
    is_wrapped = (body.lineno, body.col_offset) != (1, 1)
    return ast.Constant(None) if is_wrapped else body


def _tight_places(template: Template) -> tuple[set[int], set[int]]:
    """Return the indices of the operands that an operator, a dot or a bracket binds; by a dot."""
    names = {index: f"_operand_{index}_" for index in range(len(template.parts))}
    text = "".join(
        names[index] if isinstance(part, Operand) else str(part)
        for index, part in enumerate(template.parts)
    )
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:  # a variadic operand, which stands for several
        return set(), set()
    found, dotted = set[str](), set[str]()
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            if isinstance(child, ast.Name) and _binds(parent, child):
                found.add(child.id)
                if isinstance(parent, ast.Attribute):
                    dotted.add(child.id)
    tight = {index for index, name in names.items() if name in found}
    return tight, {index for index, name in names.items() if name in dotted}


def _binds(parent: ast.AST, child: ast.Name) -> bool:
    match parent:
        case ast.Attribute() | ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.BoolOp():
            return True
        case ast.IfExp() | ast.Starred():
            return True
        case ast.Subscript(value=value):
            return value is child
        case ast.Call(func=func):
            return func is child
    return False


def _needs(node: ast.expr, text: str, is_dotted: bool) -> bool:
    """Say whether an expression needs parentheses where it is bound tightly, or by a dot."""
    if isinstance(node, ast.Tuple):
        return not text.startswith("(")
    if isinstance(node, ast.Constant):
        return is_dotted and isinstance(node.value, int | float | complex)
    return not isinstance(node, _ATOMS) or is_loose(text)
