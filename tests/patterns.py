"""Patterns of einops with sizes, and what they mean, worked out element by element."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

CASES: Mapping[str, tuple[str, str, tuple[int, ...], Mapping[str, int], str | None]] = {
    "nothing changes": ("rearrange", "a b -> a b", (2, 3), {}, None),
    "an axis of one goes": ("rearrange", "b n 1 -> b n", (2, 3, 1), {}, None),
    "an axis of one goes, and others move": (
        "rearrange",
        "1 b n 1 -> n 1 b",
        (1, 2, 3, 1),
        {},
        None,
    ),
    "axes change places": ("rearrange", "b c h w -> b h w c", (2, 3, 4, 5), {}, None),
    "heads are split off": ("rearrange", "b n (h d) -> b h n d", (2, 3, 8), {"h": 2}, None),
    "the other size is given": ("rearrange", "b n (h d) -> b h n d", (2, 3, 8), {"d": 2}, None),
    "heads are joined": ("rearrange", "b h n d -> b n (h d)", (2, 3, 4, 5), {}, None),
    "axes are joined in place": ("rearrange", "b h w c -> b (h w) c", (2, 3, 4, 5), {}, None),
    "all are joined": ("rearrange", "a b c -> (c a b)", (2, 3, 4), {}, None),
    "patches": (
        "rearrange",
        "b c (h p) (w q) -> b (h w) (p q c)",
        (2, 3, 4, 6),
        {"p": 2, "q": 3},
        None,
    ),
    "patches are put together": (
        "rearrange",
        "b (h w) (p q c) -> b c (h p) (w q)",
        (2, 6, 12),
        {"h": 2, "p": 2, "q": 3},
        None,
    ),
    "three parts": ("rearrange", "b n (k h d) -> k b h n d", (2, 3, 12), {"k": 3, "h": 2}, None),
    "axes of one come": ("rearrange", "b d -> b 1 d ()", (2, 3), {}, None),
    "axes of one go": ("rearrange", "b 1 d () -> d b", (2, 1, 3, 1), {}, None),
    "a new axis in front": ("repeat", "n d -> b n d", (3, 4), {"b": 2}, None),
    "an axis of one is repeated": ("repeat", "1 1 d -> b 1 d", (1, 1, 3), {"b": 2}, None),
    "a new axis in a joined one": ("repeat", "b d -> b (d r)", (2, 3), {"r": 2}, None),
    "pixels are repeated": ("repeat", "h w -> (h a) (w b)", (2, 3), {"a": 2, "b": 3}, None),
    "a mean over an axis": ("reduce", "b n d -> b d", (2, 3, 4), {}, "mean"),
    "a sum over two": ("reduce", "b c h w -> c b", (2, 3, 4, 5), {}, "sum"),
    "the largest of each patch": (
        "reduce",
        "b c (h p) (w q) -> b c h w",
        (2, 3, 4, 6),
        {"p": 2, "q": 2},
        "max",
    ),
    "the least of all": ("reduce", "b n -> 1 1", (2, 3), {}, "min"),
    "an ellipsis is joined": ("rearrange", "b ... d -> b (...) d", (2, 3, 4, 5), {}, None),
    "an ellipsis stays": ("rearrange", "b t ... -> (b t) ...", (2, 3, 4, 5), {}, None),
    "an ellipsis in front": ("rearrange", "... (d j) -> ... d j", (2, 3, 8), {"j": 2}, None),
    "an axis behind an ellipsis": ("rearrange", "... -> ... 1", (2, 3), {}, None),
    "axes that go behind one": ("rearrange", "... 1 () -> ...", (2, 3, 1, 1), {}, None),
    "an axis within": ("rearrange", "i ... -> i 1 ...", (2, 3, 4), {}, None),
    "an axis that passes an ellipsis": (
        "rearrange",
        "b ... h -> b h ... 1",
        (2, 3, 4, 5),
        {},
        None,
    ),
    "heads before a joined ellipsis": (
        "rearrange",
        "b (h c) ... -> b h (...) c",
        (2, 6, 3, 4),
        {"h": 2},
        None,
    ),
    "an ellipsis of no axes": ("rearrange", "b ... d -> b (...) d", (2, 3), {}, None),
    "an ellipsis that is the same": ("rearrange", "b ... -> b ...", (2, 3), {}, None),
    "a batch for all": ("repeat", "... d -> b ... d", (2, 3), {"b": 2}, None),
    "a repeated batch": ("repeat", "b ... -> (b k) ...", (2, 3, 4), {"k": 2}, None),
    "a mean over an ellipsis": ("reduce", "b ... -> b", (2, 3, 4), {}, "mean"),
    "a sum that leaves an ellipsis": ("reduce", "... n -> ...", (2, 3, 4), {}, "sum"),
}


def meant(
    pattern: str, x: np.ndarray, sizes: Mapping[str, int], reduction: str | None
) -> np.ndarray:
    """Return what einops documents, for each element of the result from those of the input."""
    shown = pattern.partition("->")[0].replace("...", "")
    hidden = [f"hidden{index}" for index in range(x.ndim - len(_axes(shown)))]
    left, right = (_axes(side.replace("...", " ".join(hidden))) for side in pattern.split("->"))
    lengths = dict(sizes)
    for group, size in zip(left, x.shape, strict=True):
        known = int(np.prod([lengths[name] for name in group if name in lengths]))
        for name in group:
            lengths.setdefault(name, size // known)
    names = list(dict.fromkeys(name for group in (*left, *right) for name in group))
    found: dict[tuple[int, ...], list[float]] = {}
    for values in itertools.product(*(range(lengths[name]) for name in names)):
        at = dict(zip(names, values, strict=True))
        source = tuple(_place(group, at, lengths) for group in left)
        target = tuple(_place(group, at, lengths) for group in right)
        found.setdefault(target, []).append(float(x[source]))
    shape = [int(np.prod([lengths[name] for name in group])) for group in right]
    result = np.zeros(shape)
    reduce = getattr(np, reduction or "max")
    for target, parts in found.items():
        result[target] = reduce(parts)
    return result


def _axes(side: str) -> list[list[str]]:
    axes: list[list[str]] = []
    is_joined = False
    for part in side.replace("(", " ( ").replace(")", " ) ").split():
        if part in "()":
            is_joined = part == "("
            axes += [[]] if is_joined else []
        elif is_joined:
            axes[-1].append(part)
        else:
            axes.append([] if part == "1" else [part])
    return axes


def _place(group: list[str], at: Mapping[str, int], lengths: Mapping[str, int]) -> int:
    place = 0
    for name in group:
        place = place * lengths[name] + at[name]
    return place
