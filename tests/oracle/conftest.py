"""Marks everything here `oracle`, skips it where a framework is missing, and prints the tally.

`TM2MS_ORACLE=required` turns the skip into an error, so that CI cannot pass by not looking.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import frameworks

HERE = Path(__file__).parent
USAGE_WARNINGS = ("Using padding='same' with even kernel lengths:UserWarning",)
"""What torch says about calls that are right; every other warning is an error."""
TALLY = pytest.StashKey[Counter[tuple[str, str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(TALLY, Counter())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.oracle)
            for warning in USAGE_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{warning}"))


@pytest.fixture(scope="session", autouse=True)
def both_frameworks() -> None:
    """Import both frameworks, or skip."""
    try:
        frameworks.load()
    except ImportError as error:
        if os.environ.get("TM2MS_ORACLE") == "required":
            raise
        pytest.skip(f"needs torch and MindSpore (the oracle extra): {error}")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Counter[tuple[str, str, str]]:
    """Count (table, row, column) for the summary at the end of the run."""
    return request.config.stash[TALLY]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of one of several processes to the first."""
    handed: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if handed is not None:
        handed["tally"] = [[*key, number] for key, number in session.config.stash[TALLY].items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a process that has ended."""
    for *key, number in getattr(node, "workeroutput", {}).get("tally", ()):
        node.config.stash[TALLY][tuple(key)] += number


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    counts = config.stash[TALLY]
    for table in dict.fromkeys(table for table, _, _ in counts):
        terminalreporter.section(f"oracle: {table}")
        for line in _lines({(r, c): n for (t, r, c), n in counts.items() if t == table}):
            terminalreporter.write_line(line)


def _lines(counts: dict[tuple[str, str], int]) -> list[str]:
    rows = sorted({row for row, _ in counts})
    columns = list(dict.fromkeys(column for _, column in counts))
    table = [["", *columns]]
    table += [[row, *(str(counts.get((row, c), 0)) for c in columns)] for row in rows]
    table += [["total", *(str(sum(counts.get((row, c), 0) for row in rows)) for c in columns)]]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return [_line(cells, widths) for cells in table]


def _line(cells: list[str], widths: list[int]) -> str:
    first, *numbers = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in numbers)])
