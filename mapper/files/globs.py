"""Exclude patterns, as in ruff: wildcards match slashes too, `**/` whole directories only.

A pattern may come from anybody, so matching takes bounded time: braces are expanded, and what a
wildcard has matched is not tried again, since the earliest match leaves the most for what follows.
"""

# Strings, not Paths: a walk asks about tens of thousands of them.
# ruff: noqa: PTH117, PTH118, PTH120

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from mapper.limits import MOST_ALTERNATIVES

_PLAIN = re.compile(r"[\w.-]+")  # a pattern that is a name, as the usual ones are
# `[!]]` is a class that holds a bracket: `]` in the first place does not end it
_PARTS = re.compile(r"(\*\*/|\*+|\?|\[!?\]?[^\]]*\]|[{},])")


def path_matcher(patterns: Sequence[str], root: str) -> Callable[[str, str], bool]:
    """Compile exclude patterns to a test of an absolute path and its last name."""
    cleaned = [slashed(pattern).rstrip("/") or "/" for pattern in patterns]
    names = frozenset(pattern for pattern in cleaned if _PLAIN.fullmatch(pattern))
    globs = [pattern for pattern in cleaned if pattern not in names]
    if not globs:
        return lambda path, last: last in names
    name = _compiled([pattern for pattern in globs if "/" not in pattern], "")
    whole = _compiled(globs, root)
    return lambda path, last: (
        last in names or name(last) is not None or whole(slashed(path)) is not None
    )


def _compiled(patterns: Sequence[str], root: str) -> Callable[[str], re.Match[str] | None]:
    """Compile globs to one test of a whole text; relative ones start at `root` when it is given."""
    regexes = []
    for pattern in patterns:
        anchor, glob = root, pattern
        while root and glob.startswith(("./", "../")):
            anchor = os.path.dirname(anchor) if glob.startswith("../") else anchor
            glob = glob.partition("/")[2]
        relative = root and not os.path.isabs(glob)
        prefix = re.escape(slashed(os.path.join(anchor, ""))) if relative else ""
        try:
            regexes.append(prefix + _regex(glob))
            re.compile(regexes[-1])
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a valid exclude pattern: {error}") from error
    return re.compile("|".join(regexes) or r"(?!)").fullmatch


def slashed(path: str) -> str:
    """Return the path with forward slashes."""
    return path if os.sep == "/" else path.replace(os.sep, "/")


def _regex(pattern: str) -> str:
    """Translate a glob to a regular expression for a whole text."""
    parts = [part for part in _PARTS.split(pattern) if part]
    alternatives = list(_written_out(_alternatives(parts, pattern), pattern))
    return f"(?s:{'|'.join(map(_one, alternatives))})"


def _alternatives(parts: Sequence[str], pattern: str) -> list[list[str]]:
    """Write the braces of a pattern out."""
    last = max((at for at, part in enumerate(parts) if part == "}"), default=-1)
    levels: list[tuple[list[list[str]], list[list[str]]]] = [([], [[]])]  # done, and under way
    for at, part in enumerate(parts):
        done, open_ = levels[-1]
        if part == "{" and at < last:
            levels.append(([], [[]]))
        elif part == "}" and len(levels) > 1:
            levels.pop()
            inner = done + open_
            before = levels[-1][1]
            _bound(len(before) * len(inner), pattern)
            before[:] = [[*one, *two] for one in before for two in inner]
        elif part == "," and len(levels) > 1:
            done += open_
            levels[-1] = (done, [[]])
        else:
            for one in open_:
                one.append(part)
    if len(levels) > 1:
        raise re.error("a brace is not closed")
    return levels[0][1]


def _written_out(alternatives: Sequence[list[str]], pattern: str) -> Iterator[list[str]]:
    """Write out a `**/` that stands behind no slash: it is nothing, or `*/`."""
    waiting, count = list(alternatives), 0
    while waiting:
        one = waiting.pop()
        for at, part in enumerate(one):
            if part == "**/" and at and not one[at - 1].endswith("/"):
                waiting += [[*one[:at], *one[at + 1 :]], [*one[:at], "*", "/", *one[at + 1 :]]]
                break
        else:
            yield one
        count += 1
        _bound(count + len(waiting), pattern)


def _bound(count: int, pattern: str) -> None:
    if count > MOST_ALTERNATIVES:
        raise re.error(f"it stands for more than {MOST_ALTERNATIVES} patterns")


def _one(parts: Sequence[str]) -> str:
    """Translate a pattern without braces."""
    out, piece, wild = "", "", ""
    for part in parts:
        if part == "**/" or not part.strip("*"):
            out += _piece(wild, piece, "")
            piece, wild = "", part
        elif part == "?":
            piece += "."
        elif part[0] == "[" and part[-1] == "]" and len(part) > 2:
            piece += _character_class(part[1:-1])
        else:
            piece += re.escape(part)
    return out + _piece(wild, piece, r"\Z")


def _piece(wild: str, piece: str, end: str) -> str:
    """Translate a wildcard and what stands behind it, up to the next."""
    if not wild:
        return piece + end
    if not piece and end:
        return ".*" if wild != "**/" else r"(?:.*/)?"
    return f"(?>{'(?:.*?/)??' if wild == '**/' else '.*?'}{piece}{end})"


def _character_class(inside: str) -> str:
    sign, members = ("^", inside[1:]) if inside[:1] == "!" else ("", inside)
    escaped = re.sub(r"([^\w-])", r"\\\1", members)
    return f"[{sign}{escaped}]"
