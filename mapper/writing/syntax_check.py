"""Checks that a rewritten text compiles.

Parsing is not enough: a comprehension with `:=` at class level, or a `yield` in a generator
expression, has a tree and no code. So the whole text is compiled, which never runs any of it.
"""

from __future__ import annotations

import ast
import warnings


def check(before: str, after: str) -> None:
    """Raise unless the text `after` compiles.

    If the original did not compile (a notebook may have a `return` outside of a function), it is
    enough that the new text parses.

    Raises:
        SyntaxError: it does not.
    """
    try:
        _compile(after)
    except SyntaxError:
        if compiles(before):
            raise
        _compile(after, ast.PyCF_ONLY_AST)


def compiles(text: str) -> bool:
    """Say whether a text compiles."""
    try:
        _compile(text)
    except SyntaxError:
        return False
    return True


def _compile(text: str, flags: int = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about the migrated code are not reported
        compile(text, "<text>", "exec", flags, dont_inherit=True)
