"""docs/coverage.md: up to date, nothing open, and every test that it names is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "coverage.md"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "docs" / "generate" / "coverage.py"
    spec = importlib.util.spec_from_file_location("generate_coverage", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_not_stale(generator: ModuleType) -> None:
    assert generator.page() == PAGE.read_text(encoding="utf-8"), generator.__doc__


def test_nothing_is_open() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "::test_" in line]
    assert len(lines) == 56 + 14 + 14  # rows of the pages, of the operator's page, and examples
    for line in lines:
        assert re.search(
            r"\| (confirmed|contradicted|reproduced|the document is wrong: .+) \|", line
        )


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(tests/[^`:]+::test_[^`]+)`", PAGE.read_text(encoding="utf-8")))
    files = sorted({name.partition("::")[0] for name in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    collected = {line for line in done.stdout.splitlines() if "::" in line}
    assert named and not named - collected, done.stderr


def test_nearly_all_names_of_model_files_have_a_rule(generator: ModuleType) -> None:
    counts, missing = generator.names(), generator.without_rule()
    assert len(counts) > 160
    assert len(missing) <= 10
    assert set(missing) <= generator.REASONS.keys()
    assert all(counts[name] <= 20 for name in missing)
