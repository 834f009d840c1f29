"""Which rules are on: `--select`, `--ignore` and per-file-ignores, as a reason for what is off.

A name in them is a group of rules, a rule id, the beginning of one, or a torch API in any of its
spellings. Where `select` and `ignore` both mean a site, the more specific name wins, as in ruff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches

from mapper.files.globs import path_matcher
from mapper.model.record import record
from mapper.rulebook.loader import Rulebook

_PREFIXES = ("", "torch.", "torch.nn.", "torch.nn.functional.")
_WHOLE_API = 100  # more specific than any id

_UNCOVERED = "TM000"
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "conv": ("TM1", "TM2"),
    "layers": ("TM3",),
    "functions": ("TM4",),
    "tensor": ("TM5",),
    "modules": ("TM6",),
    "init": ("TM7",),
}
"""What the groups are called, and how the ids of their rules begin."""

_FOLLOWS = "TM8"
"""Constants and imports belong to no group: they follow the site that needs them."""

_GROUP_OF_API = (
    ("torch.nn.functional.", "functions"),
    ("torch.nn.init.", "init"),
    ("torch.nn.Module.", "modules"),
    ("torch.nn.", "layers"),
    ("torch.Tensor.", "tensor"),
    ("torch.", "functions"),
)
"""The group of a torch name without a rule, by how it begins."""


class SelectionError(Exception):
    """A name that means no rule; the message says which and what is near."""


@record(frozen=True, slots=True)
class Name:
    """What one name means: a group, an id's beginning (`TM1`) or one torch API."""

    text: str
    prefix: str = ""
    api: str = ""
    group: str = ""

    def matches(self, rule: str, api: str) -> bool:
        """Say whether a site of that rule and API is meant."""
        if self.group:
            return self.group == _group_of(api) if rule == _UNCOVERED else self._has(rule)
        return api == self.api if self.api else rule.startswith(self.prefix)

    def _has(self, rule: str) -> bool:
        return rule.startswith(_GROUPS[self.group])

    @property
    def weight(self) -> int:
        """Return how specific the name is."""
        return _WHOLE_API if self.api else len(self.prefix)


def torch_api(rulebook: Rulebook, spelling: str) -> str | None:
    """Return the documented API for a torch name, also without its module (`F.conv2d`)."""
    text = re.sub(r"^F\.", "torch.nn.functional.", spelling)
    for prefix in _PREFIXES:
        if (rule := rulebook.by_api(prefix + text)) is not None:
            return rule.torch.canonical(prefix + text)
    return None


def understood(rulebook: Rulebook, text: str) -> Name | None:
    """Return what a name means, or None when it means nothing."""
    upper = text.upper()
    if text.lower() in _GROUPS:
        return Name(text, group=text.lower())
    if re.fullmatch(r"TM\d{0,4}", upper):
        known = any(one.startswith(upper) for one in (_UNCOVERED, *rulebook.torch_ids()))
        return Name(text, prefix=upper) if known else None
    api = torch_api(rulebook, text)
    return Name(text, api=api) if api else None


def names(rulebook: Rulebook, texts: Iterable[str]) -> tuple[Name, ...]:
    """Return what the names mean.

    Raises:
        SelectionError: one of them means nothing.
    """
    found = []
    for text in texts:
        name = understood(rulebook, text)
        if name is None:
            raise SelectionError(f"{text!r} names no rule{_near(rulebook, text)}")
        found.append(name)
    return tuple(found)


def _group_of(api: str) -> str:
    return next((group for start, group in _GROUP_OF_API if api.startswith(start)), "")


def _near(rulebook: Rulebook, text: str) -> str:
    known = [*_GROUPS, *rulebook.torch_ids(), *rulebook.torch_names()]
    lasts = {name.rpartition(".")[2]: name for name in reversed(known)}
    close = get_close_matches(text, known, n=1) or [
        lasts[last] for last in get_close_matches(text.rpartition(".")[2], lasts, n=1)
    ]
    return f"; did you mean {close[0]!r}?" if close else "; `tm2ms rules` lists them"


@record(frozen=True, slots=True)
class Selection:
    """The names in force for a run."""

    select: tuple[Name, ...] = ()
    ignore: tuple[Name, ...] = ()
    per_file: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    root: str = ""

    @classmethod
    def of(
        cls,
        rulebook: Rulebook,
        select: Sequence[str],
        ignore: Sequence[str],
        per_file: Iterable[tuple[str, Sequence[str]]],
        root: str,
    ) -> Selection:
        """Understand the names of the settings.

        Raises:
            SelectionError: one of them means nothing.
        """
        return cls(
            names(rulebook, select),
            names(rulebook, ignore),
            {pattern: names(rulebook, texts) for pattern, texts in per_file},
            root,
        )

    def in_file(self, path: str) -> FileSelection:
        """Return the selection for one file."""
        here = {
            pattern: texts
            for pattern, texts in self.per_file.items()
            if _applies(pattern, path, self.root)
        }
        return FileSelection(self.select, self.ignore, here)


@record(frozen=True, slots=True)
class FileSelection:
    """The names in force for one file."""

    select: tuple[Name, ...] = ()
    ignore: tuple[Name, ...] = ()
    per_file: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)

    def reason(self, rule: str, api: str) -> str | None:
        """Return why a site of that rule and API is left alone, or None."""
        for pattern, ignored in self.per_file.items():
            if (name := _strongest(ignored, rule, api)) is not None:
                return f"switched off by per-file-ignores: {pattern!r} names {name.text}"
        chosen = _strongest(self.select, rule, api)
        refused = _strongest(self.ignore, rule, api)
        if self.select and chosen is None and not rule.startswith(_FOLLOWS):
            return f"switched off by select: {', '.join(n.text for n in self.select)} only"
        if refused is not None and (chosen is None or chosen.weight <= refused.weight):
            return f"switched off by ignore: {refused.text}"
        return None


def _strongest(candidates: tuple[Name, ...], rule: str, api: str) -> Name | None:
    matching = [name for name in candidates if name.matches(rule, api)]
    return max(matching, key=lambda name: name.weight, default=None)


def _applies(pattern: str, path: str, root: str) -> bool:
    """Say whether a pattern means the file or a directory around it; `!` turns it round."""
    matches = path_matcher([pattern.removeprefix("!")], root)
    absolute = os.path.abspath(path)  # noqa: PTH100  # a Path resolves nothing more
    found = False
    while absolute != root and not found:
        parent, last = os.path.split(absolute)
        if not last:
            break
        found = matches(absolute, last)
        absolute = parent
    return found is not pattern.startswith("!")
