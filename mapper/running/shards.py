"""`--shard K/N`: the K-th of N parts of a run, the same ones in every job of a CI matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_SHARD = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


def parse_shard(text: str) -> tuple[int, int]:
    """Read `K/N`.

    Raises:
        ValueError: it is something else, or K is larger than N.
    """
    found = _SHARD.fullmatch(text.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError("must be K/N with K from 1 to N, like 2/4")
    return int(found[1]), int(found[2])


def part(files: Sequence[T], shard: str | None) -> Sequence[T]:
    """Return one shard of the files: every N-th of them, so that a large package is divided.

    The walk is sorted, so all shards see the same list, and together they cover it.
    """
    if shard is None:
        return files
    number, of = parse_shard(shard)
    return list(islice(files, number - 1, None, of))
