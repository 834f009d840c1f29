"""What the rewriting of a module depends on; picklable and cheap to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that change what is written.

    `reduce`: prove with few channels where there are many, which is faster and as good.
    `is_whole`: every reference to torch is a site, and a class migrates as one or not at all.
    `input_size`: prove with this spatial size only.
    `root`: where the patterns of `per_file_ignores` start.
    """

    target_version: str = "2.10"
    device: str = "any"
    recipe: str = "exact"
    unsafe: bool = False
    reduce: bool = True
    input_size: tuple[int, ...] | None = None
    is_whole: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    root: str = ""
