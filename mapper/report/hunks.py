"""What changed between two texts, as hunks: the one comparison behind diff, markdown and html.

Lines end at `\\n` only, as patch and git count them. All but small files are first cut at lines
that occur once on both sides, and only the pieces that differ are searched: difflib takes its time,
quadratic in the worst case.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from mapper.model.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTEXT = 3  # lines around a change, as diff and git show
_SMALL = 200  # lines of both sides that are compared as a whole
_PIECE = 40  # lines of both sides that a piece holds at least: cutting more finely costs more
_LARGE = 2_000  # lines of a piece in which difflib may pass over frequent ones

Opcode = tuple[str, int, int, int, int]
Part = tuple[str, list[str], list[str]]


@record(frozen=True, slots=True)
class Hunk:
    """Changed lines with their surroundings; the starts are 0-based line numbers."""

    old_start: int
    new_start: int
    parts: list[Part]

    @property
    def old(self) -> int:
        """Return how many lines of the old text the hunk covers."""
        return sum(len(old) for _, old, _ in self.parts)

    @property
    def new(self) -> int:
        """Return how many lines of the new text the hunk covers."""
        return sum(len(new) for _, _, new in self.parts)


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends; only a line feed ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def hunks(before: str, after: str) -> Iterator[Hunk]:
    """Yield the changes with three lines of context, as a unified diff groups them."""
    old, new = split_lines(before), split_lines(after)
    matcher = SequenceMatcher(None, old[:0], new[:0])
    vars(matcher)["opcodes"] = _opcodes(old, new)  # what get_opcodes would cache
    for group in matcher.get_grouped_opcodes(CONTEXT):
        parts = [(tag, old[a:b], new[c:d]) for tag, a, b, c, d in group]
        yield Hunk(group[0][1], group[0][3], parts)


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """Return what turns old into new, neighbours of one kind joined."""
    codes: list[Opcode] = []
    for a, b, c, d in _segments(old, new):
        for tag, i1, i2, j1, j2 in _compared(old[a:b], new[c:d]):
            code = (tag, a + i1, a + i2, c + j1, c + j2)
            if codes and codes[-1][0] == tag:
                code = (tag, codes[-1][1], code[2], codes[-1][3], code[4])
                codes.pop()
            codes.append(code)
    return codes


def _compared(old: Sequence[str], new: Sequence[str]) -> Sequence[Opcode]:
    if old == new:
        return [("equal", 0, len(old), 0, len(new))]
    return SequenceMatcher(None, old, new, autojunk=len(old) > _LARGE).get_opcodes()


def _segments(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield pieces that can be compared one by one: the whole, or the gaps between anchors."""
    if len(old) + len(new) <= _SMALL:
        yield 0, len(old), 0, len(new)
        return
    a = c = 0
    for i, j in _anchors(old, new):
        if i - a + j - c >= _PIECE:
            yield a, i, c, j
            a, c = i, j
    yield a, len(old), c, len(new)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest rising chain of lines that are unique on both sides (patience diff)."""
    often_old, often_new = Counter(old), Counter(new)
    at = {line: j for j, line in enumerate(new) if often_new[line] == 1}
    pairs = [(i, at[line]) for i, line in enumerate(old) if often_old[line] == 1 and line in at]
    # patience sorting: each pile's top is the smallest end of a chain of that length
    tops: list[int] = []
    piles: list[int] = []
    back: list[int] = []
    for index, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        back.append(piles[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [j]
        piles[pile : pile + 1] = [index]
    chain = []
    index = piles[-1] if piles else -1
    while index >= 0:
        chain.append(pairs[index])
        index = back[index]
    return chain[::-1]
