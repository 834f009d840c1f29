"""The `diff` format: a unified diff that `patch -p0` and `git apply -p0` take as it is.

Plain output is exact to the character, for it is data. On a terminal (`color`) it is only
looked at, so there unprintable characters are shown as escapes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mapper.report.hunks import Hunk, hunks
from mapper.report.view import PLAIN, View
from mapper.report.visible import octets, posix, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Run

_NO_NEWLINE = "\n\\ No newline at end of file\n"
_QUOTED = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
_QUOTED |= {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def render(run: Run, view: View = PLAIN) -> str:
    """Return the changes of all files; to be written out without newline translation.

    Patches are applied to bytes. A file in another encoding than UTF-8 is shown by its bytes as
    UTF-8 with surrogate escapes, so that writing the text so gives them back.
    """
    files = run.files if view.color else map(_by_bytes, run.files)
    return "".join(file_diff(file, view) for file in files)


def _by_bytes(file: FileResult) -> FileResult:
    if file.before is None or file.after is None or file.encoding == "utf-8":
        return file
    before, after = (
        text.encode(file.encoding).decode("utf-8", "surrogateescape")
        for text in (file.before, file.after)
    )
    return replace(file, before=before, after=after)


def file_diff(file: FileResult, view: View = PLAIN) -> str:
    """Return the changes of one file, decoded; empty where there are none."""
    if file.before is None or file.after is None or file.before == file.after:
        return ""
    name = quoted(posix(file.path))
    lines = [f"--- {name}\n", f"+++ {name}\n"]
    for hunk in hunks(file.before, file.after):
        lines.extend(_hunk(hunk))
    if not view.color:
        return "".join(lines)
    return "".join(f"{_painted(line, view)}\n" for text in lines for line in text[:-1].split("\n"))


def quoted(path: str) -> str:
    """Return the path as git writes it in a header: C-quoted if need be, a tab after blanks."""
    special = visible(path) != path or '"' in path or "\\" in path
    shown = '"' + "".join(map(_quoted_char, path)) + '"' if special else path
    return shown + "\t" if " " in path else shown


def _quoted_char(char: str) -> str:
    if char in _QUOTED:
        return _QUOTED[char]
    if visible(char) == char:
        return char
    return "".join(f"\\{byte:03o}" for byte in octets(char))


def _hunk(hunk: Hunk) -> Iterator[str]:
    yield f"@@ -{_range(hunk.old_start, hunk.old)} +{_range(hunk.new_start, hunk.new)} @@\n"
    for tag, old, new in hunk.parts:
        if tag == "equal":
            yield from (_line(" ", line) for line in old)
            continue
        yield from (_line("-", line) for line in old)
        yield from (_line("+", line) for line in new)


def _range(start: int, length: int) -> str:
    """Return a range of lines as POSIX wants it: an empty one names the line before it."""
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}{_NO_NEWLINE}"


def _painted(line: str, view: View) -> str:
    shown = visible(line.removesuffix("\r"), keep="\t")
    if line.startswith(("--- ", "+++ ")):
        return view.paint(shown, "bold")
    style = {"@": "cyan", "-": "red", "+": "green", "\\": "dim"}.get(line[:1])
    return view.paint(shown, style) if style else shown
