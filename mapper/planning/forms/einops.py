"""Patterns of einops, `'b n (h d) -> b h n d'`, written out as reshape, permute and reductions.

einops has no MindSpore behind it. A pattern that stands in the source says which axes are split,
moved, joined, repeated or reduced; the sizes that it does not say are those of the Tensor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mapper.model.plan import ManualError

REDUCTIONS = {"mean": "mean", "sum": "sum", "max": "amax", "min": "amin"}
_SIDE = re.compile(r"\s*(?:(?:\((?:\s*\w+)*\s*\)|\w+)(?:\s+|$|(?=\()))*\s*")
_PART = re.compile(r"\([^()]*\)|\w+")

_REST = "_ellipsis_"
"""The name of the axes that an ellipsis stands for, together."""

Groups = tuple[tuple[str, ...], ...]
"""The axes of one side: each as the names that it is made of, none for an axis of one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Both sides of a pattern."""

    left: Groups
    right: Groups
    is_open: bool = False
    """The result has the axes of an ellipsis as they are, and not joined."""

    @property
    def has_rest(self) -> bool:
        """Say whether an ellipsis stands for some of the axes."""
        return _REST in self.given

    @property
    def given(self) -> tuple[str, ...]:
        """Return the elementary axes of the Tensor, in order."""
        return tuple(name for group in self.left for name in group)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return those of the result."""
        return tuple(name for group in self.right for name in group)


def parse(text: str) -> Pattern:
    """Return the sides of a pattern.

    Raises:
        ManualError: it is not one of einops.
    """
    sides = text.replace("...", f" {_REST} ").split("->")
    if len(sides) != 2 or not all(map(_SIDE.fullmatch, sides)):
        raise ManualError(f"`{text}` is no pattern of einops")
    is_open = _REST in _PART.findall(sides[1])
    found = Pattern(_groups(sides[0]), _groups(sides[1]), is_open)
    if found.has_rest and (_REST,) not in found.left:
        raise ManualError(f"`{text}` is no pattern of einops")
    for names in (found.given, found.wanted):
        if len(set(names)) < len(names) or any(name[0].isdigit() for name in names):
            raise ManualError(f"`{text}` is no pattern of einops")
    return found


def _groups(side: str) -> Groups:
    parts = [part.strip("()").split() for part in _PART.findall(side)]
    return tuple(tuple(name for name in part if name != "1") for part in parts)


def check(pattern: Pattern, sizes: Sequence[str], operation: str) -> None:
    """See whether a pattern with these sizes means something.

    Raises:
        ManualError: einops refuses it.
    """
    given, wanted = set(pattern.given), set(pattern.wanted)
    added, lost = wanted - given, given - wanted
    if (lost and operation != "reduce") or (added and operation != "repeat"):
        raise ManualError("the axes of both sides differ, which einops refuses here")
    if added - set(sizes):
        raise ManualError(f"the size of `{min(added - set(sizes))}` is not given")
    for group in pattern.left:
        if len(set(group) - set(sizes)) > 1:
            raise ManualError(f"the sizes of `({' '.join(group)})` are not given")


def written(
    pattern: Pattern, operand: str, sizes: Mapping[str, str], reduction: str | None = None
) -> str:
    """Return the expression that does to an operand what a pattern says; `sizes` are texts.

    The operand's text stands in it several times. Sizes that do not fit raise in `reshape`.
    """
    axes = _sizes(pattern, operand, sizes)
    names = pattern.given
    is_moved = names != pattern.wanted
    is_split = any(len(group) != 1 for group in pattern.left)
    text = operand
    if is_moved and (is_split or pattern.has_rest):
        text += _reshape([(name,) for name in names], axes)
    text += _moved(pattern, axes, reduction)
    is_joined = any(len(group) != 1 for group in pattern.right) or pattern.is_open
    is_same = not is_moved and pattern.left == pattern.right and pattern.has_rest == pattern.is_open
    if is_joined or is_split or pattern.has_rest:
        rest = f"*{operand}.shape{_span(pattern)}" if pattern.is_open else "-1"
        is_done = is_same or (is_moved and not is_joined)
        text += "" if is_done else _reshape(pattern.right, axes | {_REST: rest})
    return text


def written_once(
    pattern: Pattern, operand: str, sizes: Mapping[str, str], reduction: str | None
) -> str | None:
    """Return an expression in which the operand stands once, None where its shape is needed."""
    if pattern.has_rest or any(len(group) > 1 for group in pattern.left):
        return None
    axes = dict(sizes) | dict.fromkeys(pattern.given, "-1")
    ones = [index for index, group in enumerate(pattern.left) if not group]
    text = operand + "".join(f".squeeze({index})" for index in reversed(ones))
    text += _moved(pattern, axes, reduction)
    start = len(pattern.wanted)
    for group in reversed(pattern.right):
        end, start = start - 1, start - len(group)
        if len(group) > 1:
            is_last = end == len(pattern.wanted) - 1
            text += f".flatten({start})" if is_last else f".flatten({start}, {end})"
    ones = [index for index, group in enumerate(pattern.right) if not group]
    return text + "".join(f".expand_dims({index})" for index in ones)


def _moved(pattern: Pattern, axes: Mapping[str, str], reduction: str | None) -> str:
    """Return the methods that reduce, move and repeat elementary axes."""
    names, text = list(pattern.given), ""
    lost = [name for name in names if name not in pattern.wanted]
    kept = [name for name in pattern.wanted if name in names]
    if lost:
        places = [names.index(name) for name in lost]
        shown = str(places[0]) if len(places) == 1 else str(tuple(places))
        text += f".{REDUCTIONS[reduction or '']}({shown})"
        names = [name for name in names if name not in lost]
    moved = [names.index(name) for name in kept]
    if moved != [*range(len(names))]:
        text += f".permute({', '.join(map(str, moved))})"
    added = [index for index, name in enumerate(pattern.wanted) if name not in kept]
    if added:
        text += "".join(f".expand_dims({index})" for index in added)
        shape = [axes[name] if name not in kept else "-1" for name in pattern.wanted]
        text += f".broadcast_to(({', '.join(shape)}{',' * (len(shape) == 1)}))"
    return text


def _span(pattern: Pattern) -> str:
    """Return the slice of the axes that an ellipsis stands for."""
    start = pattern.left.index((_REST,))
    behind = len(pattern.left) - 1 - start
    return f"[{start or ''}:{-behind or ''}]" if start or behind else ""


def _sizes(pattern: Pattern, operand: str, sizes: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each axis' size."""
    found = {name: sizes[name] for name in pattern.wanted if name in sizes}
    is_behind = False
    for axis, group in enumerate(pattern.left):
        whole = f"{operand}.shape[{axis - len(pattern.left) if is_behind else axis}]"
        is_behind = is_behind or group == (_REST,)
        for name in group:
            if name == _REST:
                found[name] = "-1"
            elif len(group) == 1:
                found[name] = whole  # as it is: what the keyword says holds or einops raises
            elif name in sizes:
                found[name] = sizes[name]
            else:
                others = _product([sizes[one] for one in group if one != name])
                known = f"({others})" if "*" in others else others
                found[name] = f"{whole} // {known}"
    return found


def _product(factors: Sequence[str]) -> str:
    loose = [f"({one})" if re.search(r"//|[+\-%/]", one) else one for one in factors]
    return " * ".join(loose) if len(factors) > 1 else "".join(factors) or "1"


def _reshape(groups: Sequence[Sequence[str]], sizes: Mapping[str, str]) -> str:
    """Return a call of reshape; the longest of the sizes that are computed is left to it."""
    texts = [_product([sizes[name] for name in group]) for group in groups]
    inside = [index for index, group in enumerate(groups) if "-1" in [sizes[n] for n in group]]
    if inside:
        texts[inside[0]] = "-1"
    computed = [index for index, text in enumerate(texts) if " " in text and not inside]
    if computed:
        texts[max(computed, key=lambda index: (len(texts[index]), index))] = "-1"
    return f".reshape({', '.join(texts) or '()'})"
