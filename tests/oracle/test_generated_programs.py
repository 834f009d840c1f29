"""Some of the programs of `fuzz/programs.py`, executed before and after with both frameworks."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from tests.oracle.programs import judged

sys.path.append(str(Path(__file__).parents[2] / "fuzz"))

PROGRAMS = 9  # of a kind
LEAST = {"functions": 2, "models": 4, "networks": 6, "calls": 0, "imports": 0}
"""How many of a kind are to be migrated and equal: fewer would not test much."""


@pytest.mark.parametrize("kind", LEAST)
def test_no_program_is_silently_different(kind: str, tmp_path: Path, both_frameworks: None) -> None:
    program = import_module("program_texts").program

    found = Counter[str]()
    for number in range(PROGRAMS):
        made = program(kind, number, "1")
        if made is None:
            continue
        outcome = judged(made, tmp_path / str(number))
        assert outcome.word not in ("different", "broken"), f"{number}: {outcome.story}"
        found[outcome.word] += 1
    assert found.total() > PROGRAMS // 2
    assert found["equal"] >= LEAST[kind], found
