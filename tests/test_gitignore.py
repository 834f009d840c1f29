"""Ignore files, measured against git's own `check-ignore`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.files.gitignore import ignore_check
from tests.shell import tm2ms

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

PATHS = (
    "a", "b", "ab", "a.py", "b.py", "A.py", "1.py", "_.py", "-.py", " .py", "[.py", "].py", "a]b",
    "!a", "#a", "é.py", "日.py", "x é", "a ", "a/b", "a/b/c", "a/a.py", "b/a/c", "b/a.py", "ab/c",
    "a/b/c/d.py", "b/b/b", "\\", "a\\b", "a:b", "^", "é/日/x.py", "c-d", "a*b", "??",
)  # fmt: skip
TABLE = (
    "a", "*.py", "[[:alpha:]].py", "[[:digit:]_].py", "[![:alnum:]].py", "[[:space:]].py",
    "[[:upper:]]*", "[[:punct:]]*", "[[:word:]].py", "[[:alpha:].py", "[[:]", "[[:a]b", "[a-]*",
    "[]]*", "[!]]*", "[^a]", "[\\]]*", "[a\\-c]*", "[b-a]", "[", "[a", "a\\", "\\a", "\\!a", "\\#a",
    "!a", "#a", "?.py", "??.py", "???.py", "[é].py", "é.py", "*é", "a ", "a\\ ", "a\t", "/a",
    "a/", "/a/b", "a/*", "a/**", "**/b", "a/**/c", "**", "/**", "**/", "a**", "a**/c", "***/c",
    "a/*/c", "*/b", "/*/*/c", "a\\/b", "a/\\*", "a/b\\/", "//", "/", "[a/]b", "a[/]b", "b/**/b",
    "*\n!*.py", "a/\n!a/b", "b*\n!b\r", "\ufeffb.py", "a*b", "a\\*b", "\\?\\?", "*/**/d.py", "^",
)  # fmt: skip
ALPHABET = st.sampled_from(
    ["a", "b", "c", "é", "*", "**", "/", "?", "[", "]", "!", "^", "-", "\\", "[:alpha:]", "[a-c]",
     "[!a]", "[[:punct:]]", ".py", " ", "**/", "/**", "[:", ":]", "日"]
)  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories: in one every path is a directory, in the other nothing is there."""
    both = tmp_path_factory.mktemp("repositories")
    for name in ("files", "directories"):
        subprocess.run(["git", "init", "-q", name], cwd=both, check=True)
    for path in PATHS:
        (both / "directories" / path).mkdir(parents=True, exist_ok=True)
    return both


def by_git(repository: Path, ignore: bytes, paths: tuple[str, ...], directories: bool) -> set[str]:
    """Return the paths that git says a pattern ignores, itself and not by what is above it."""
    repository /= "directories" if directories else "files"
    (repository / ".gitignore").write_bytes(ignore)
    given = b"\0".join(map(os.fsencode, paths))
    done = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "-z", "--stdin", "--no-index",
         "--verbose", "--non-matching"],
        cwd=repository, input=given, capture_output=True, check=False,
        env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(repository)},
    )  # fmt: skip
    parts = done.stdout.split(b"\0")[:-1]
    assert len(parts) == 4 * len(paths), done.stderr
    rows = [parts[n : n + 4] for n in range(0, len(parts), 4)]
    return {
        os.fsdecode(path)
        for _, _, pattern, path in rows
        if pattern and not pattern.startswith(b"!")
    }


def by_us(ignore: bytes, paths: tuple[str, ...], directories: bool) -> set[str]:
    """The same by the program: a directory that is ignored ignores what is below it."""
    check = ignore_check(ignore)
    found = set()
    for path in paths if check else ():
        assert check is not None
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            verdict = check("/".join(parts[:end]), end < len(parts) or directories)
            if verdict:
                found.add(path)
                break
    return found


def agree(repository: Path, ignore: str) -> None:
    data = ignore.encode()
    for directories in (False, True):
        theirs = by_git(repository, data, PATHS, directories)
        assert by_us(data, PATHS, directories) == theirs, (ignore, directories)


@pytest.mark.parametrize("ignore", TABLE, ids=ascii)
def test_a_pattern_means_what_git_says(ignore: str, repository: Path) -> None:
    agree(repository, ignore + "\n")


@settings(
    max_examples=int(os.environ.get("TM2MS_EXAMPLES", "60")), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(st.lists(ALPHABET, max_size=7).map("".join), min_size=1, max_size=3))
def test_any_pattern_means_what_git_says(repository: Path, lines: list[str]) -> None:
    agree(repository, "\n".join(lines))


@pytest.mark.parametrize("piece", ["*a", "**/a", "a*?", "**/*a/", "[ab]*"])
def test_no_pattern_takes_long(piece: str) -> None:
    check = ignore_check((piece * 50 + "b").encode())
    began = time.process_time()
    assert check is None or check("/".join(["a" * 120] * 20), False) is not True
    assert time.process_time() - began < 1


def test_the_walk_follows(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("[[:digit:]]*.py\n?.py\n!é.py\n")
    for name in ("1a.py", "b.py", "é.py", "日.py", "own.py"):
        (tmp_path / name).write_text("import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n")
    tm2ms("migrate", ".", cwd=tmp_path)
    done = {path.name for path in tmp_path.glob("*.py") if "mindspore" in path.read_text()}
    assert done == {"é.py", "日.py", "own.py"}
