"""The patterns of an ignore file, as git understands them: byte for byte, its oddities included.

Git compares bytes, so that `?` is one byte of a character that has several; and a pattern that it
cannot read matches nothing. Every pattern becomes a regular expression that does not backtrack into
what a wildcard has taken, so that no pattern takes long.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from mapper.model.record import record

_WILD = re.compile(rb"[*?\[\\]")
_CLASSES = {
    b"alnum": rb"0-9A-Za-z", b"alpha": rb"A-Za-z", b"blank": rb" \t", b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9", b"graph": rb"!-~", b"lower": rb"a-z", b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~", b"space": rb" \t-\r", b"upper": rb"A-Z", b"xdigit": rb"0-9A-Fa-f",
}  # fmt: skip


class _NeverError(Exception):
    """A pattern that matches nothing."""


@record(frozen=True, slots=True)
class _Pattern:
    """One line: `is_name` when it is compared to the last name of a path only."""

    matches: Callable[[bytes], object]
    is_name: bool
    is_negated: bool
    only_directories: bool


def ignore_check(data: bytes) -> Callable[[str, bool], bool | None] | None:
    """Compile an ignore file to a test of a path below its directory; None when it says nothing.

    The test takes the path, and whether it is a directory, and says: ignored, taken back, or not
    mentioned. The last pattern that matches has the say.
    """
    patterns = list(_patterns(data))[::-1]
    if not patterns:
        return None

    def check(path: str, is_directory: bool) -> bool | None:
        whole = os.fsencode(path)
        name = whole.rpartition(b"/")[2]
        for one in patterns:
            if one.only_directories and not is_directory:
                continue
            if one.matches(name if one.is_name else whole):
                return not one.is_negated
        return None

    return check


def _patterns(data: bytes) -> Iterator[_Pattern]:
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = line.partition(b"\0")[0] if b"\0" in line else line.removesuffix(b"\r")
        if not line or line.startswith(b"#"):
            continue
        line = _without_blanks(line)
        is_negated = line.startswith(b"!")
        line = line[is_negated:]
        only_directories = line.endswith(b"/")
        line = line[: len(line) - only_directories]
        is_name = b"/" not in line
        try:
            expression = _whole(line if is_name else line.removeprefix(b"/"))
            matches = re.compile(expression, re.DOTALL).fullmatch
        except _NeverError:
            continue
        yield _Pattern(matches, is_name, is_negated, only_directories)


def _without_blanks(line: bytes) -> bytes:
    """Return a line without the blanks at its end, unless a backslash keeps them."""
    end = at = 0
    while at < len(line):
        if line[at : at + 1] == b"\\":
            at += 1
            if at == len(line):
                return line
            end = at + 1
        elif line[at : at + 1] != b" ":
            end = at + 1
        at += 1
    return line[:end]


def _whole(pattern: bytes) -> bytes:
    """Translate a pattern; git compares what stands before its first wildcard apart.

    So the `**` of `a**/b` begins what is left, and means as much as that of `**/b`.
    """
    wild = _WILD.search(pattern)
    start = wild.start() if wild else len(pattern)
    rest = pattern[start:]
    if not pattern:
        raise _NeverError
    return re.escape(pattern[:start]) + (_expression(rest) if rest else b"")


def _expression(pattern: bytes) -> bytes:
    """Translate a pattern; a wildcard takes the shortest stretch that does, for good.

    Between two `**` stand as many names as they say, and between two `*` of one name as many
    bytes, so that the earliest place that fits leaves the most to what follows.
    """
    out, group = b"", b""
    names = [(list(_tokens(name)), least) for name, least in _names(pattern)]
    opened = False
    for index, (name, least) in enumerate(names):
        is_last = index == len(names) - 1
        if name == [b"**"]:
            out += group + (b")" if opened else b"")
            group, opened = b"", False
            if is_last:
                return out + b".*"
            group, opened = b"(?>(?:[^/]*+/){%d,}?" % least, True
            continue
        group += _name(name, b"" if is_last else b"/", is_last)
    return out + group + (b")" if opened else b"")


def _name(tokens: list[bytes], after: bytes, is_last: bool) -> bytes:
    """Translate one name of a path, and the slash behind it."""
    end = rb"\Z" if is_last else after
    pieces, piece = list[bytes](), b""
    for token in tokens:
        if token in (b"*", b"**"):
            pieces.append(piece)
            piece = b""
        else:
            piece += token
    if not pieces:
        return piece + end
    inner = [b"(?>[^/]*?" + part + b")" for part in pieces[1:] if part]
    return pieces[0] + b"".join(inner) + b"(?>[^/]*?" + piece + end + b")"


def _names(pattern: bytes) -> Iterator[tuple[bytes, int]]:
    """Cut a pattern at its slashes, but for those in brackets.

    With each name goes how many names a `**` stands for at least: one where its slash is escaped.
    """
    start = at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"/":
            yield pattern[start:at], 0
            start = at + 1
        elif char == b"\\" and pattern[at + 1 : at + 2] == b"/":
            yield pattern[start:at], 1
            at += 1
            start = at + 1
        elif char == b"\\":
            at += 1
        elif char == b"[":
            at = _set(pattern, at)[1] - 1
        at += 1
    yield pattern[start:], 0


def _tokens(name: bytes) -> Iterator[bytes]:
    """Yield `*`, `**` (of two or more), and regular expressions for one byte."""
    at = 0
    while at < len(name):
        char = name[at : at + 1]
        if char == b"*":
            stars = len(name) - at - len(name[at:].lstrip(b"*"))
            yield b"*" if stars == 1 else b"**"
            at += stars
            continue
        if char == b"[":
            members, at = _set(name, at)
            yield members
            continue
        if char == b"\\":
            at += 1
            char = name[at : at + 1]
            if not char:
                raise _NeverError
            yield re.escape(char)
        else:
            yield b"[^/]" if char == b"?" else re.escape(char)
        at += 1


def _set(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Translate the brackets that open at a place; return the place behind them, too."""
    members = set[int]()
    at += 1
    is_negated = pattern[at : at + 1] in (b"!", b"^")
    at += is_negated
    before, is_first = 0, True
    while is_first or pattern[at : at + 1] != b"]":
        is_first = False
        char = pattern[at : at + 1]
        if char == b"\\":
            at += 1
            char = pattern[at : at + 1]
            members.update(char)
        elif char == b"-" and before and pattern[at + 1 : at + 2] not in (b"", b"]"):
            at += 1 + (pattern[at + 1 : at + 2] == b"\\")
            members.update(range(before, _byte(pattern, at) + 1))
            before = 0
            at += 1
            continue
        elif pattern[at : at + 2] == b"[:":
            close = pattern.find(b"]", at + 2)
            if close < 0:
                raise _NeverError
            if close - 1 >= at + 2 and pattern[close - 1 : close] == b":":
                known = _CLASSES.get(pattern[at + 2 : close - 1])
                if known is None:
                    raise _NeverError
                one = re.compile(b"[" + known + b"]")
                members.update(n for n in range(256) if one.match(bytes([n])))
                before, at = 0, close + 1
                continue
            members.update(char)
        else:
            members.update(char)
        before = _byte(pattern, at)
        at += 1
    if is_negated:
        members = set(range(256)) - members
    members.discard(ord("/"))
    if not members:
        raise _NeverError
    return b"[" + b"".join(b"\\x%02x" % member for member in sorted(members)) + b"]", at + 1


def _byte(pattern: bytes, at: int) -> int:
    if at >= len(pattern):
        raise _NeverError
    return pattern[at]
