"""Comments that switch sites off: `# tm2ms: ignore`, `…: ignore[TM101]`, `…: skip-file`.

An `ignore` counts for a site whose first or last line it stands on (behind a backslash: on the line
that the statement's line goes on to), `skip-file` for the whole file, on a line of its own. Every
one that switches nothing off becomes a note.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mapper.model.results import Note, Span

MARK = "tm2ms:"
_COMMENT = re.compile(r"#\s*tm2ms:\s*([\w-]*)(?:\s*\[([^\]#]*)\])?")
_NEWLINE = re.compile(r"\r\n?")
_WORDS = ("ignore", "skip-file")

Understands = Callable[[str], Callable[[str, str], bool] | None]
"""Returns, for a name in brackets, a test of a site's rule and API; None where it means no rule."""

Selected = Callable[[str, str], str | None]
"""Why the settings leave sites of a rule and API alone, or None."""


def mentions(data: bytes) -> bool:
    """Tell quickly whether a file may hold such a comment."""
    return MARK.encode() in data


@dataclass(slots=True)
class _Comment:
    """One comment: the names in its brackets with what they mean, and which have been of use."""

    line: int
    word: str
    names: dict[str, Callable[[str, str], bool] | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        return f"# {MARK} {self.word}{_brackets(self.names)}"

    def switches_off(self, rule: str, api: str) -> bool:
        """Say whether it means a site, and remember that it was of use."""
        if not self.names:
            self.used.add("")
            return True
        meant = {name for name, test in self.names.items() if test and test(rule, api)}
        self.used |= meant
        return bool(meant)

    def remarks(self) -> Iterator[Note]:
        """Yield what is wrong with it, once every site has been asked about."""
        for name in [name for name, test in self.names.items() if test is None]:
            yield Note(self.line, f"`{self.text}`: {name!r} names no rule")
        unused = [n for n, test in self.names.items() if test and n not in self.used]
        if not self.names and not self.used:
            yield Note(self.line, f"unused `{self.text}`: nothing is there to ignore")
        elif unused:
            text = f"# {MARK} {self.word}{_brackets(unused)}"
            yield Note(self.line, f"unused `{text}`: no such site is there to ignore")


def _brackets(names: Collection[str]) -> str:
    return f"[{', '.join(names)}]" if names else ""


class Suppressions:
    """The comments of one module, and the settings behind them.

    Asked about each site, it knows at the end which comments were of no use.
    """

    def __init__(self, text: str, understands: Understands, selected: Selected) -> None:
        self._selected = selected
        self._ends: list[int] = []
        self._notes: list[Note] = []
        self._skip: _Comment | None = None
        self._ignores: dict[int, _Comment] = {}
        if MARK in text:
            self._read(text, understands)

    def _read(self, text: str, understands: Understands) -> None:
        plain = _NEWLINE.sub("\n", text)
        self._ends = _carried(plain.split("\n"))
        for line, alone, comment in _comments(plain):
            found = _COMMENT.search(comment)
            if found:
                self._add(line, alone, found, understands)

    def _add(self, line: int, alone: bool, found: re.Match[str], understands: Understands) -> None:
        word, brackets = found[1].lower(), found[2]
        said = found[0].strip()
        names = [name.strip() for name in (brackets or "").split(",") if name.strip()]
        if word not in _WORDS or (brackets is not None and (not names or word == "skip-file")):
            known = f"`# {MARK} ignore`, `# {MARK} ignore[TM101]` and `# {MARK} skip-file`"
            self._notes.append(Note(line, f"not understood: `{said}`; there are {known}"))
        elif word == "skip-file" and not alone:
            self._notes.append(Note(line, f"`{said}` counts on a line of its own only"))
        elif word == "skip-file":
            self._skip = self._skip or _Comment(line, word)
        else:
            self._ignores[line] = _Comment(line, word, {n: understands(n) for n in names})

    def reason(self, rule: str, api: str, span: Span) -> str | None:
        """Return what switches off the site there, or None."""
        lines = dict.fromkeys((self._end(span.line), self._end(span.end_line)))
        for comment in (self._skip, *(self._ignores.get(line) for line in lines)):
            if comment is not None and comment.switches_off(rule, api):
                return f"switched off by `{comment.text}` on line {comment.line}"
        return self._selected(rule, api)

    def _end(self, line: int) -> int:
        """Return the line on which a comment about this one can stand: behind the backslashes."""
        return self._ends[line - 1] if line <= len(self._ends) else line

    def notes(self) -> tuple[Note, ...]:
        """Return what to remark: comments not understood, and those of no use."""
        comments = [*([self._skip] if self._skip else []), *self._ignores.values()]
        if self._skip is not None and self._skip.used:
            comments = [self._skip]
        remarks = [remark for comment in comments for remark in comment.remarks()]
        return tuple(sorted([*self._notes, *remarks], key=lambda note: note.line))


def _carried(lines: Sequence[str]) -> list[int]:
    """Return for each line the 1-based line that it is carried on to by backslashes."""
    ends = list(range(1, len(lines) + 1))
    for at in range(len(lines) - 2, -1, -1):
        if lines[at].endswith("\\"):
            ends[at] = ends[at + 1]
    return ends


def _comments(text: str) -> Iterator[tuple[int, bool, str]]:
    """Yield line, whether nothing else is on it, and text of each comment that may concern us."""
    lines = io.StringIO(text).readline
    try:
        for token in tokenize.generate_tokens(lines):
            if token.type == tokenize.COMMENT and MARK in token.string:
                alone = not token.line[: token.start[1]].strip()
                yield token.start[0], alone, token.string
    except (tokenize.TokenError, SyntaxError):
        return  # not Python: said elsewhere
