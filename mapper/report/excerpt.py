"""The lines of source a message points at, with line numbers and carets, as ruff shows it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

from mapper.report.view import PLAIN, View
from mapper.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper.model.results import FileResult, Site

_NEWLINE = re.compile(r"\r\n|\r|\n")
_MOST_LINES = 12  # of a call; the middle of longer ones is left out
_WIDEST = 160  # characters of a line that are shown, around the call


class Source:
    """The lines of one file, or of the cells of one notebook, split once and only when needed."""

    def __init__(self, file: FileResult) -> None:
        self._text = file.before
        self._lines: dict[int | None, list[str]] = {}

    def lines(self, site: Site) -> Sequence[str]:
        """Return the lines that the site's span counts."""
        if site.cell not in self._lines:
            text = self._text or "" if site.cell is None else self._cell(site.cell)
            self._lines[site.cell] = _NEWLINE.split(text.removeprefix("\ufeff"))
        return self._lines[site.cell]

    def _cell(self, index: int) -> str:
        try:
            source = json.loads(self._text or "")["cells"][index]["source"]
            return source if isinstance(source, str) else "".join(source)
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""


def excerpt(source: Source, site: Site, view: View = PLAIN) -> list[str]:
    """Return the lines to print below a message; none when the source is not at hand."""
    span, lines = site.span, source.lines(site)
    if not 1 <= span.line <= span.end_line <= len(lines):
        return []
    width = gutter(site)
    blank = view.paint(f"{'':{width}} |", "bold blue")
    if span.line == span.end_line:
        body = _one_line(lines[span.line - 1], site, view)
    else:
        body = _many_lines(lines, site, view)
    out = [blank]
    for number, text in body:
        left = blank if number is None else view.paint(f"{number:>{width}} |", "bold blue")
        out.append(f"{left} {text}".rstrip())
    return [*out, blank]


def gutter(site: Site) -> int:
    """Return how wide the column of line numbers is."""
    return len(str(site.span.end_line))


Numbered = tuple[int | None, str]


def _one_line(line: str, site: Site, view: View) -> Iterator[Numbered]:
    start, end = site.span.column - 1, site.span.end_column - 1
    cut = max(0, start - _WIDEST // 2) if len(line) > _WIDEST else 0
    head, call = _shown(line[cut:start]), _shown(line[start : min(end, cut + _WIDEST)])
    tail = _shown(line[end : cut + _WIDEST])
    before, after = "…" if cut else "", "…" if len(line) > cut + _WIDEST else ""
    yield site.span.line, f"{before}{head}{call}{tail}{after}"
    carets = "^" * max(1, _width(call))
    yield None, " " * (len(before) + _width(head)) + view.paint(carets, "bold red")


def _many_lines(lines: Sequence[str], site: Site, view: View) -> Iterator[Numbered]:
    span = site.span
    first = lines[span.line - 1]
    bar = view.paint("|", "bold red")
    yield span.line, f"  {_shown(first[:_WIDEST])}"
    start = _width(_shown(first[: min(span.column - 1, _WIDEST)]))
    yield None, view.paint(f" {'_' * (start + 1)}^", "bold red")
    middle = range(span.line + 1, span.end_line + 1)
    for number in middle:
        if len(middle) > _MOST_LINES and _MOST_LINES // 2 < number - span.line < len(middle) - 3:
            if number - span.line == _MOST_LINES // 2 + 1:
                yield None, f"{bar} …"
            continue
        yield number, f"{bar} {_shown(lines[number - 1][:_WIDEST])}"
    end = _width(_shown(lines[span.end_line - 1][: min(span.end_column - 1, _WIDEST)]))
    yield None, view.paint(f"|{'_' * end}^", "bold red")


def _shown(text: str) -> str:
    return visible(text.replace("\t", "    "))


def _width(shown: str) -> int:
    """Return how many terminal columns the text takes."""
    if shown.isascii():
        return len(shown)
    return sum(_columns(char) for char in shown)


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
