"""What the rewriting of a module depends on; picklable and cheap to import."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mapper.model.conv_names import CLASS, FUNCTION

_CONV = re.compile(
    r"conv|tm[12]\d*|(?:torch\.)?(?:nn\.|F\.)?(?:modules\.(?:conv\.)?|functional\.)?"
    rf"(?:{CLASS}|{FUNCTION})",
    re.IGNORECASE,
)
"""The names for `--select` that mean convolutions: the group, ids, torch names."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that change what is written.

    `partial`: what cannot be migrated in a model raises, and keeps no class torch's.
    `reduce`: prove with few channels where there are many, which is faster and as good.
    `input_size`: prove with this spatial size only.
    `root`: where the patterns of `per_file_ignores` start.
    `named`: the directories all of whose files the run names, and the other files that it names, by
    their absolute paths; None where all files count as named.
    """

    target_version: str = "2.10"
    device: str = "any"
    recipe: str = "exact"
    unsafe: bool = False
    partial: bool = False
    reduce: bool = True
    input_size: tuple[int, ...] | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    root: str = ""
    named: frozenset[str] | None = None

    def names(self, directory: str, path: str) -> bool:
        """Say whether the run names a file, so that it may be migrated with the others."""
        return self.named is None or directory in self.named or path in self.named

    @property
    def is_whole(self) -> bool:
        """Say whether every reference to torch is a site, and a class migrates as one or not.

        It is so unless all that is selected are convolutions: then only they are sites, each on
        its own.
        """
        return not self.select or not all(map(_CONV.fullmatch, self.select))
