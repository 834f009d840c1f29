"""What must hold for every file that was processed, whatever is in it."""

from __future__ import annotations

import ast
import difflib
import json
import warnings
from itertools import pairwise

from mapper.files.source import LineIndex
from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Run, Site
from mapper.rulebook.helpers import HELPERS
from mapper.running.file import Task, process

FINE = (  # the beginnings of the messages that a file may fail with
    "line ",
    "not valid",
    "unknown encoding",
    "the file starts with a UTF-8 BOM",
    "the encoding ",
    "looks like UTF-16",
    "NUL byte",
    "too deeply nested or too large",
    "cell ",
    "not a notebook",
)


class BrokenError(AssertionError):
    """A promise that was not kept."""


def holds(condition: bool, words: str) -> None:
    """Raise BrokenError with these words unless the condition holds."""
    if not condition:
        raise BrokenError(words)


def checked(path: str, data: bytes, options: Options) -> FileResult:
    """Process the bytes, insist on every promise, and return the result."""
    result = process(Task(path, data), options)
    if result.status is FileStatus.FAILED:
        message = result.message or ""
        holds("internal error" not in message, message)
        holds("\n" not in message and len(message) < 1000, f"unbounded message: {message[:200]!r}")
        return result
    if result.status is not FileStatus.CHANGED:
        return result
    after = result.encoded()
    holds(result.before is not None and after is not None, "changed, and no text")
    assert result.before is not None and result.after is not None and after is not None
    if path.endswith(".ipynb"):
        json.loads(result.after)
    else:
        _parse(result.after.removeprefix("\ufeff"))
        reproduced(result, options)
    second = process(Task(path, after), options)
    holds(second.status is FileStatus.UNCHANGED, f"second run: {second.status} {second.message}")
    return result


def reproduced(result: FileResult, options: Options) -> None:
    """Insist that the spans hold what they say, and that they and the imports are all there is."""
    assert result.before is not None and result.after is not None
    mark = "\ufeff"
    text, after = result.before.removeprefix(mark), result.after.removeprefix(mark)
    index = LineIndex(text)
    run = Run((result,), options.target_version, unsafe=options.unsafe)
    edits: list[tuple[int, int, str]] = []
    for site in result.sites:
        start, end = _ends(index, site)
        holds(text[start:end] == site.before, f"span of {site.before!r} holds {text[start:end]!r}")
        if run.is_written(site):
            assert site.after is not None
            edits.append((start, end, site.after))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    _only_imports_differ(text, after)


def _ends(index: LineIndex, site: Site) -> tuple[int, int]:
    span = site.span
    return (
        index.line_start(span.line) + span.column - 1,
        index.line_start(span.end_line) + span.end_column - 1,
    )


def _only_imports_differ(text: str, after: str) -> None:
    """Insist that the lines that differ are imports, or helpers that were put in."""
    old, new = _lines(text), _lines(after)
    if old == new:
        return
    gone, come = _movable(text), _movable(after, helpers=True)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            continue
        if m - k > j - i > 0 and old[i].rstrip("\r\n") == new[k].rstrip("\r\n"):
            i, k = i + 1, k + 1  # what was put behind a line ends it as most lines end
        for at in range(i, j):
            fine = at + 1 in gone or not old[at].strip()
            holds(fine, f"line {at + 1} is no import and went: {old[at]!r}")
        for at in range(k, m):
            fine = at + 1 in come or not new[at].strip()
            holds(fine, f"line {at + 1} is no import and came: {new[at]!r}")


def _lines(text: str) -> list[str]:
    index = LineIndex(text)
    starts = [index.line_start(line) for line in range(1, len(index) + 1)] + [len(text)]
    return [text[a:b] for a, b in pairwise(starts)]


def _movable(text: str, helpers: bool = False) -> set[int]:
    """Return the lines of import statements, and of helpers, and of a `pass` where one was."""
    found: set[int] = set()
    for node in ast.walk(_parse(text)):
        is_helper = (
            helpers
            and isinstance(node, ast.ClassDef | ast.FunctionDef)
            and any(node.name.strip("_").startswith(name.strip("_")) for name in _HELPER_NAMES)
        )
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) or is_helper:
            assert isinstance(node, ast.stmt) and node.end_lineno is not None
            found.update(range(node.lineno, node.end_lineno + 1))
    return found


_HELPER_NAMES = [helper.name for helper in HELPERS.values()]


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
