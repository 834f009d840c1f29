"""Bytes and text of a Python file: encoding, newlines, positions, edits that touch nothing else.

Whatever is not edited comes back byte for byte: `decode(data).encode(text) == data` holds for every
file that `decode` accepts, and `splice` copies what lies between the edits.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from mapper.model.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

_BOM = b"\xef\xbb\xbf"
# PEP 263: the encoding is declared in the first line, or in the second below a blank or comment
_FIRST_LINES = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n)?([^\r\n]*)")
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#.*)?$")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_WIDE = re.compile(r"[^\x00-\x7f]")


class SourceError(Exception):
    """A file that cannot be read as source, with the place and the remedy in its message."""


@record(frozen=True, slots=True)
class Source:
    """A decoded file: `text` without BOM, its newlines as they stand in the file."""

    text: str
    encoding: str = "utf-8"
    bom: bool = False

    def encode(self, text: str) -> bytes:
        """Return `text` as the bytes of this file: the inverse of `decode`."""
        try:
            data = text.encode(self.encoding)
        except UnicodeError as error:
            what = error.object[error.start] if isinstance(error, UnicodeEncodeError) else "text"
            raise SourceError(
                f"{what!a} cannot be written in the file's encoding {self.encoding}; "
                "convert the file to UTF-8"
            ) from error
        return _BOM + data if self.bom else data

    @property
    def newline(self) -> str:
        r"""The newline that generated lines should use: the file's most frequent, else `\n`."""
        windows = self.text.count("\r\n")
        counts = {
            "\n": self.text.count("\n") - windows,
            "\r\n": windows,
            "\r": self.text.count("\r") - windows,
        }
        return max(counts, key=lambda newline: counts[newline])


def check_size(size: int, largest: int, what: str = "Python") -> None:
    """Raise SourceError for more bytes than can be read in bounded time and memory."""
    if size > largest:
        raise SourceError(
            f"too large: {size / 1e6:.1f} MB, and at most {largest / 1e6:.0f} MB of {what} are "
            "read; put the convolutions into a smaller file, or leave this one out with "
            "--extend-exclude"
        )


def not_python(error: SyntaxError) -> str:
    """Return Python's reason for not reading a text, in our words, without the place."""
    return f"not valid Python: {error.msg}"


@record(frozen=True, slots=True)
class Edit:
    """Replace the characters from `start` up to `end` by `text`; equal ends insert."""

    start: int
    end: int
    text: str


def decode(data: bytes) -> Source:
    """Decode a Python file as the interpreter would (BOM, PEP 263 cookie, else UTF-8)."""
    bom = data.startswith(_BOM)
    body = data[len(_BOM) :] if bom else data
    if b"\0" in body:
        raise SourceError(_nul_message(data))
    encoding = _cookie(body) or "utf-8"
    if bom and encoding != "utf-8":
        raise SourceError(
            f"the file starts with a UTF-8 BOM but declares the encoding {encoding}; "
            "remove one of the two"
        )
    source = Source(_decode_body(body, encoding, len(_BOM) if bom else 0), encoding, bom)
    if encoding != "utf-8" and source.encode(source.text) != data:
        raise SourceError(
            f"the encoding {encoding} does not survive a round trip; convert the file to UTF-8"
        )
    return source


def splice(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits, which must come sorted and without overlap; insertions at one place stack up."""
    parts: list[str] = []
    done = 0
    for edit in edits:
        if not done <= edit.start <= edit.end <= len(text):
            raise ValueError(f"{edit} is out of order, overlaps another edit or leaves the text")
        parts += (text[done : edit.start], edit.text)
        done = edit.end
    parts.append(text[done:])
    return "".join(parts)


def _line_starts(text: str) -> list[int]:
    if "\r" in text:
        return [0, *(match.end() for match in _NEWLINE.finditer(text))]
    lengths = [len(line) + 1 for line in text.split("\n")]
    return [0, *accumulate(lengths[:-1])]


class LineIndex:
    r"""Positions in a text whose lines end in `\n`, `\r\n` or `\r`, as Python's parser sees them.

    Three ways to name a place: the character offset; `ast`'s 1-based line with a UTF-8 byte column;
    and the report's 1-based line with a 1-based character column.
    """

    __slots__ = ("_ascii", "_starts", "_text", "_wide")

    def __init__(self, text: str) -> None:
        self._text = text
        self._ascii = text.isascii()
        self._starts = _line_starts(text)
        self._wide: dict[int, tuple[list[int], list[int]]] = {}

    def __len__(self) -> int:
        """Count the lines; an empty one after a final newline counts."""
        return len(self._starts)

    def line_start(self, line: int) -> int:
        """Return the offset of the first character of a 1-based line."""
        if not 1 <= line <= len(self._starts):
            raise ValueError(f"there is no line {line} in a text of {len(self._starts)} lines")
        return self._starts[line - 1]

    def offset(self, line: int, byte_column: int) -> int:
        """Return the character offset of an `ast` position (`lineno`, `col_offset`)."""
        start = self.line_start(line)
        if self._ascii:
            return start + byte_column
        chars, ends = self._wide_characters(line)
        before = bisect_right(ends, byte_column)
        if not before:
            return start + byte_column
        return start + chars[before - 1] + 1 + byte_column - ends[before - 1]

    def ast_position(self, offset: int) -> tuple[int, int]:
        """Return the `ast` position (1-based line, UTF-8 byte column) of a character offset."""
        line, column = self.position(offset)
        if self._ascii:
            return line, column - 1
        chars, ends = self._wide_characters(line)
        before = bisect_right(chars, column - 2)
        if not before:
            return line, column - 1
        return line, ends[before - 1] + column - 2 - chars[before - 1]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and 1-based character column of a character offset."""
        if not 0 <= offset <= len(self._text):
            raise ValueError(f"offset {offset} lies outside a text of {len(self._text)} characters")
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def _wide_characters(self, line: int) -> tuple[list[int], list[int]]:
        """List a line's non-ASCII characters: their character columns and their byte ends."""
        found = self._wide.get(line)
        if found is None:
            start = self._starts[line - 1]
            end = self._starts[line] if line < len(self._starts) else len(self._text)
            chars: list[int] = []
            ends: list[int] = []
            extra = 0
            for match in _WIDE.finditer(self._text, start, end):
                extra += len(match[0].encode("utf-8", "surrogatepass")) - 1
                chars.append(match.start() - start)
                ends.append(match.end() - start + extra)
            found = self._wide[line] = (chars, ends)
        return found


def _cookie(body: bytes) -> str | None:
    """Find the declared encoding in the first two lines, under its usual name."""
    match = _FIRST_LINES.match(body)
    first, second = match.groups() if match else (b"", b"")
    found = _COOKIE.match(first)
    if found is None and _BLANK.match(first):
        found = _COOKIE.match(second)
    return _usual_name(found[1].decode("ascii")) if found else None


def _usual_name(name: str) -> str:
    """Fold the spellings that the interpreter folds, as `tokenize` does."""
    folded = name[:12].lower().replace("_", "-")
    if folded == "utf-8" or folded.startswith("utf-8-"):
        return "utf-8"
    latin = ("latin-1", "iso-8859-1", "iso-latin-1")
    if folded in latin or folded.startswith(tuple(f"{known}-" for known in latin)):
        return "iso-8859-1"
    return name


def _decode_body(body: bytes, encoding: str, skipped: int) -> str:
    try:
        return body.decode(encoding)
    except LookupError as error:
        raise SourceError(
            f"unknown encoding {encoding!a} in the coding cookie; "
            "correct it or convert the file to UTF-8"
        ) from error
    except UnicodeDecodeError as error:
        raise SourceError(_undecodable(body, encoding, error.start, skipped)) from error
    except UnicodeError as error:
        raise SourceError(
            f"not valid {encoding}: {error}; correct the coding cookie or convert the file to UTF-8"
        ) from error


def _undecodable(body: bytes, encoding: str, start: int, skipped: int) -> str:
    line = len(re.findall(rb"\r\n|\r|\n", body[:start])) + 1
    name = "UTF-8" if encoding == "utf-8" else encoding
    remedy = (
        "declare the encoding with a coding cookie or convert the file"
        if encoding == "utf-8"
        else "correct the coding cookie or convert the file to UTF-8"
    )
    return f"not valid {name} at byte {start + skipped} (line {line}); {remedy}"


def _nul_message(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "looks like UTF-16 or UTF-32, which Python does not read; convert the file to UTF-8"
    line = len(re.findall(rb"\r\n|\r|\n", data[: data.index(b"\0")])) + 1
    return f"NUL byte at byte {data.index(0)} (line {line}): not Python source; remove it"
