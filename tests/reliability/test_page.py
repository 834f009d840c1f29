"""What docs/reliability.md names is there."""

from __future__ import annotations

import re

import pytest

from tests.shell import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
FILES = sorted(set(re.findall(r"[\w/.]+\.(?:py|md|toml|lock|txt|dict)\b", PAGE)))
FUNCTIONS = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
TESTS = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_page_names_is_there(name: str) -> None:
    assert (ROOT / name).is_file() or any((ROOT / "tests").rglob(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_test_that_the_page_names_is_there(name: str) -> None:
    assert f"\ndef {name}(" in TESTS
