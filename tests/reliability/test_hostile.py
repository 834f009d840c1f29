"""Hostile input: a clear status, in bounded time and memory, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reliability import hostile
from tests.shell import environment

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 10, 1200
CASES = [(k, n) for k in ("MANUAL", "MIGRATED", "FAILED") for n in getattr(hostile, k)]


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], dict[str, Any]]:
    """Every case, one after the other in one process that may not take more than 2 GB."""
    lines = "".join(json.dumps(case) + "\n" for case in CASES)
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.limited"],
        input=lines, text=True, capture_output=True, cwd=ROOT, env=environment(), timeout=300,
        check=False,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended at {CASES[len(found) :][:1]}: {done.stderr[-500:]}"
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=[f"{kind.lower()}: {name}" for kind, name in CASES])
def test_it_ends_in_words_and_in_bounds(
    outcomes: dict[tuple[str, str], dict[str, Any]], case: tuple[str, str]
) -> None:
    found = outcomes[case]
    for message in found["messages"]:
        assert "internal error" not in message
        assert "Traceback" not in message
        assert len(message) < 1000
    if case[0] == "FAILED":
        assert found["file"] == "failed"
        assert found["messages"][0]
    else:
        assert set(found["sites"]) == {case[0].lower()}
    assert found["seconds"] < SECONDS
    assert found["megabytes"] < MEGABYTES
