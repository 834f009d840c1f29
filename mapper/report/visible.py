"""Names and sources made safe to show: nothing in them can forge a line of a report.

Control characters, bidi marks, line separators, invisible characters and lone surrogates are
shown as the escapes Python would use for them (`\\x1b`, `\\u202e`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import PurePath

# Controls, formats (bidi marks, zero-width characters), surrogates, line/paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BREAK = re.compile(r"[ \t]*(?:\r\n|\r|\n)[ \t]*")
_COMMAND = re.compile(r"^((?:\s|\x1b\[[\d;]*m)*)::", re.MULTILINE)  # perhaps behind a colour
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, keep: str = "") -> str:
    """Return the text on one line with every unprintable character shown as its escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _HIDDEN else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def no_commands(text: str) -> str:
    """Return lines for a log in which none reads as a command to the CI service that keeps it.

    GitHub obeys a line that begins with `::`, after blanks too, and an older `##[` anywhere in it.
    """
    if "::" in text:
        text = _COMMAND.sub(r"\1\\x3a:", text)
    return text.replace("##[", "#\\x23[")


def on_lines(text: str) -> str:
    """Return a message for a terminal or a log, its own line ends kept."""
    return no_commands(visible(text, keep="\n"))


def one_line(text: str, most: int = 1_000) -> str:
    """Return a call of several lines on one, clipped, for places where several lines do not fit."""
    return clipped(visible(_BREAK.sub(" ", clipped(text, 2 * most))), most)


def clipped(text: str, most: int) -> str:
    """Return the text, or its beginning and a mark where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def posix(path: str) -> str:
    """Return the path with forward slashes and without a leading `./`."""
    return PurePath(path).as_posix()


def octets(path: str) -> bytes:
    """Return the bytes the path has on disk, whatever they are."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")


def name(path: str) -> str:
    """Return the path as it may be shown on a line."""
    return visible(posix(path))


def json_text(value: object, *, indent: int | None = 2) -> str:
    """Return ASCII JSON: what cannot be printed is a JSON escape, never a raw character."""
    text = json.dumps(value, indent=indent, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f").replace("##[", "#\\u0023[")
