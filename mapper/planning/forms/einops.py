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

Groups = tuple[tuple[str, ...], ...]
"""The axes of one side: each as the names that it is made of, none for an axis of one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Both sides of a pattern."""

    left: Groups
    right: Groups

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
        ManualError: it has an ellipsis, or is not one of einops.
    """
    if "..." in text:
        raise ManualError("a pattern with an ellipsis is written out by hand")
    sides = text.split("->")
    if len(sides) != 2 or not all(map(_SIDE.fullmatch, sides)):
        raise ManualError(f"`{text}` is no pattern of einops")
    found = Pattern(*map(_groups, sides))
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
    names, text = list(pattern.given), operand
    lost = [name for name in names if name not in pattern.wanted]
    kept = [name for name in pattern.wanted if name in names]
    is_moved = names != [*pattern.wanted]
    if is_moved and any(len(group) != 1 for group in pattern.left):
        text += _reshape([(name,) for name in names], axes)
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
    is_joined = any(len(group) != 1 for group in pattern.right)
    if is_joined or (not is_moved and any(len(group) != 1 for group in pattern.left)):
        text += _reshape(pattern.right, axes)
    return text


def _sizes(pattern: Pattern, operand: str, sizes: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each axis' size."""
    found = {name: sizes[name] for name in pattern.wanted if name in sizes}
    for axis, group in enumerate(pattern.left):
        whole = f"{operand}.shape[{axis}]"
        for name in group:
            if len(group) == 1:
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
    computed = [index for index, text in enumerate(texts) if " " in text]
    if computed:
        texts[max(computed, key=lambda index: (len(texts[index]), index))] = "-1"
    return f".reshape({', '.join(texts) or '()'})"
