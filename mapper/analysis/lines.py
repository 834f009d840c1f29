"""Finds lines of a text by a pattern, with line numbers as in the ast."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=2)
def folded(text: str) -> str:
    """Return the text with every name as Python reads it (NFKC: `Conv２d` is `Conv2d`).

    Its lines are those of the text, its columns are not.
    """
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def lines_with(text: str, pattern: str) -> list[int]:
    """Return the sorted 1-based lines on which a pattern is found, names as Python reads them."""
    text = folded(text)
    line, at, lines = 1, 0, list[int]()
    for match in re.finditer(pattern, text):
        line += newlines(text, at, match.start())
        at = match.start()
        if not lines or lines[-1] != line:
            lines.append(line)
    return lines


def newlines(text: str, start: int, end: int) -> int:
    """Count line ends as the ast does: LF, CRLF and CR."""
    count = text.count("\n", start, end)
    if text.find("\r", start, end + 1) != -1:
        lone = text.count("\r", start, end) - text.count("\r\n", start, end)
        if text[end - 1 : end + 1] == "\r\n":
            lone -= 1
        count += lone
    return count
