"""Exclude patterns: what they mean, and that none takes long."""

from __future__ import annotations

import re
import time
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.files.globs import _regex, path_matcher
from tests.shell import tm2ms


def plainly(pattern: str) -> str:
    """Translate a pattern as it reads, to an expression that may take for ever."""
    meaning = {"**/": "(?:.*/)?", "?": ".", "{": "(?:", "}": ")", ",": "|", "*": ".*"}
    parts = re.split(r"(\*\*/|\*+|\?|[{},])", pattern)
    return "".join(meaning.get(p, ".*" if p and not p.strip("*") else re.escape(p)) for p in parts)


PIECES = st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "/**/", "{a,b}", "{a,*/b,{b,}}"])
TEXTS = ["".join(text) for n in range(5) for text in product("ab/", repeat=n)]


@settings(deadline=None, max_examples=80)
@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_a_pattern_means_what_it_says(pattern: str) -> None:
    expected = re.compile(plainly(pattern), re.DOTALL).fullmatch
    ours = re.compile(_regex(pattern)).fullmatch
    for text in TEXTS:
        assert (ours(text) is None) == (expected(text) is None), (pattern, text)


LONG = {
    "stars": "*a" * 60 + "b",
    "stars over directories": "**/*a/" * 40 + "b",
    "stars behind names": "x**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab",
    "question marks": "*?" * 60 + "b",
}


@pytest.mark.parametrize("pattern", LONG.values(), ids=LONG)
def test_no_pattern_takes_long(pattern: str) -> None:
    matches = path_matcher([pattern], "/root")
    began = time.process_time()
    assert not matches("/root/" + ("a" * 100 + "/") * 20 + "c", "c")
    assert time.process_time() - began < 1


WRONG = {
    "a set that is none": ("[b-a]", "is not a valid exclude pattern"),
    "a brace that is open": ("{a,{b,c}", "a brace is not closed"),
    "too many alternatives": ("{a,b}" * 30, "more than 1000 patterns"),
    "too many of another kind": ("a**/" * 30, "more than 1000 patterns"),
}


@pytest.mark.parametrize("key", ["extend-exclude", "exclude", "per-file-ignores"])
@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_no_pattern_is_an_error_in_words(
    case: tuple[str, str], key: str, tmp_path: Path
) -> None:
    pattern, words = case
    value = f'{{"{pattern}" = ["TM1"]}}' if key == "per-file-ignores" else f'["{pattern}"]'
    (tmp_path / "pyproject.toml").write_text(f"[tool.tm2ms]\n{key} = {value}\n")
    (tmp_path / "a.py").write_text("import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n")
    runs = [tm2ms("migrate", "--check", ".", cwd=tmp_path)]
    if key != "per-file-ignores":
        (tmp_path / "pyproject.toml").unlink()
        runs.append(tm2ms("migrate", "--check", f"--{key}", pattern, ".", cwd=tmp_path))
    for ran in runs:
        assert ran.returncode == 2
        assert key in ran.stderr.decode()
        assert words in ran.stderr.decode()
        assert b"Traceback" not in ran.stderr
