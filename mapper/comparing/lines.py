"""Finds the source line that makes a layer, for the report of the first difference."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST = 160  # characters of a line that are shown
_PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A place `file:line` of one side and the source that stands there, on one line."""

    place: str
    text: str = ""
    end: int = 0
    """The last line of the statement."""

    @property
    def file(self) -> str:
        """Return the file."""
        return self.place.rpartition(":")[0]

    @property
    def number(self) -> int:
        """Return the line, counted from one."""
        return int(self.place.rpartition(":")[2])

    def __str__(self) -> str:
        """Return what a person reads."""
        return f"{self.place}  {self.text}" if self.text else self.place


@dataclass(frozen=True, slots=True)
class Context:
    """What helps to understand a difference: the lines that make the layer, and the migration.

    `done` holds what the migration does at torch's line, in words.
    """

    torch: Line | None = None
    mindspore: Line | None = None
    done: tuple[str, ...] = ()


def line_of(root: Path, place: str | None, path: str) -> Line | None:
    """Return the line that makes a layer; `place` is the `file:line` of an assignment.

    If that makes a whole Sequential or list, and its elements are written out, the line is that of
    the element which the layer's path names.
    """
    found = _PLACE.fullmatch(place or "")
    if place is None or found is None:
        return None
    file = (root if root.is_dir() else root.parent) / found["file"]
    try:
        text = file.read_text("utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return Line(place)
    statement = _statement(tree, int(found["line"]))
    if statement is None:
        return Line(place)
    node: ast.AST = statement
    if isinstance(statement, ast.Assign):
        node = _element(statement, path)
    source = ast.get_source_segment(text, node) or ""
    if isinstance(statement, ast.ClassDef):
        source = text.splitlines()[statement.lineno - 1]
    first, last = _lines(node)
    return Line(f"{found['file']}:{first}", _short(source), last)


def _statement(tree: ast.Module, line: int) -> ast.stmt | None:
    """Return the statement that begins at a line; a class may begin with its decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno == line:
            return node
        if isinstance(node, ast.ClassDef) and any(
            one.lineno == line for one in node.decorator_list
        ):
            return node
    return None


def _element(statement: ast.Assign, path: str) -> ast.AST:
    """Return the part of an assignment that makes the layer at a path, or the assignment."""
    names = {target.attr for target in statement.targets if isinstance(target, ast.Attribute)}
    parts = path.split(".")
    place = next((i for i, part in enumerate(parts) if part in names), None)
    if place is None:
        return statement
    node: ast.expr = statement.value
    for part in parts[place + 1 :]:
        inner = _child(node, part)
        if inner is None:
            break
        node = inner
    return statement if node is statement.value else node


def _child(node: ast.expr, part: str) -> ast.expr | None:
    """Return the element of a written-out container that one part of a path names."""
    if isinstance(node, ast.Call):
        only = node.args[0] if len(node.args) == 1 else None
        if isinstance(only, ast.List | ast.Tuple | ast.Dict):
            return _child(only, part)
        if isinstance(only, ast.Call) and ast.unparse(only.func).endswith("OrderedDict"):
            return _child(only, part)
        return _numbered(node.args, part)
    if isinstance(node, ast.List | ast.Tuple):
        for one in node.elts:
            is_pair = isinstance(one, ast.Tuple) and len(one.elts) == 2
            if is_pair and _is_text(one.elts[0], part):  # type: ignore[attr-defined]
                value: ast.expr = one.elts[1]  # type: ignore[attr-defined]
                return value
        return _numbered(node.elts, part)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return next((value for key, value in pairs if _is_text(key, part)), None)
    return None


def _numbered(nodes: Sequence[ast.expr], part: str) -> ast.expr | None:
    if not part.isdecimal() or any(isinstance(one, ast.Starred) for one in nodes):
        return None
    return nodes[int(part)] if int(part) < len(nodes) else None


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _lines(node: ast.AST) -> tuple[int, int]:
    first: int = node.lineno  # type: ignore[attr-defined]
    last: int | None = node.end_lineno  # type: ignore[attr-defined]
    return first, first if isinstance(node, ast.ClassDef) else last or first


def _short(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"
