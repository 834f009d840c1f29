"""The diff, applied by the real patch and the real git, gives the rewritten bytes."""

from __future__ import annotations

import shutil
import subprocess
from difflib import unified_diff
from pathlib import Path
from random import Random

import pytest

from mapper.model.results import FileResult, FileStatus, Run
from mapper.report import View, render
from mapper.report.diff import quoted
from mapper.report.hunks import split_lines

TOOLS = {"patch": ["patch", "-p0", "--silent"], "git": ["git", "apply", "-p0"]}


def changed(path: str, before: str, after: str) -> FileResult:
    return FileResult(path, FileStatus.CHANGED, before=before, after=after)


def apply(tool: str, files: tuple[FileResult, ...], where: Path) -> None:
    if shutil.which(TOOLS[tool][0]) is None:
        pytest.skip(f"{tool} is not installed")
    for file in files:
        target = where / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((file.before or "").encode())
    diff = render("diff", Run(files, mindspore="2.10")).encode()
    ran = subprocess.run(TOOLS[tool], input=diff, cwd=where, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode() + ran.stdout.decode()
    for file in files:
        assert (where / file.path).read_bytes() == (file.after or "").encode(), file.path


CASES = {
    "lf": ("a\nb\nc\n", "a\nB\nc\n"),
    "crlf": ("a\r\nb\r\nc\r\n", "a\r\nB\r\nc\r\n"),
    "mixed line ends": ("a\r\nb\nc\rd\n", "a\r\nB\nc\rd\n"),
    "carriage returns only": ("a\rb\rc\r", "a\rB\rc\r"),
    "no final newline": ("a\nb", "a\nB"),
    "no final newline, change above": ("a\nb\nc", "A\nb\nc"),
    "crlf and no final newline": ("a\r\nb", "A\r\nb"),
    "final newline gained": ("a\nb", "a\nb\n"),
    "final newline lost": ("a\nb\n", "a\nb"),
    "non-ascii": ("# naïve 幅\nx = 1\n", "# naïve 幅\nx = 2\n"),
    "byte order mark": ("\ufeffx = 1\n", "\ufeffx = 2\n"),
    "form feed and separators": ("a\x0cb\u2028c\x85\nd\n", "a\x0cb\u2028c\x85\nD\n"),
    "lines like headers": ("--- a\n+++ b\n@@ x\n-- \n", "--- a\n+++ c\n@@ y\n-- z\n"),
    "first line": ("x\n" + "y\n" * 30, "import a\nx\n" + "y\n" * 30),
    "two hunks": ("a\n" + "m\n" * 20 + "z\n", "A\n" + "m\n" * 20 + "Z\n"),
    "all gone": ("a\nb\n", "\n"),
    "escape codes": ("x = '\x1b[31m\u202e'\ny\n", "x = '\x1b[31m\u202e'\nz\n"),
}
PATHS = [
    "plain.py",
    "with space.py",
    "a/b/deep.py",
    "quote'.py",
    'double".py',
    "back\\slash.py",
    "tab\there.py",
    "new\nline.py",
    "Übung 幅.py",
    "bidi\u202e.py",
    "-dash.py",
]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("case", CASES)
def test_contents_survive(tool: str, case: str, tmp_path: Path) -> None:
    apply(tool, (changed("a.py", *CASES[case]),), tmp_path)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_names_survive(tool: str, path: str, tmp_path: Path) -> None:
    apply(tool, (changed(path, "a\n", "b\n"),), tmp_path)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_whole_sample_applies(tool: str, run: Run, tmp_path: Path) -> None:
    files = tuple(file for file in run.files if file.after is not None and "<" not in file.path)
    assert len(files) == 3
    apply(tool, files, tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_small_files_are_compared_as_difflib_does(seed: int) -> None:
    random = Random(seed)
    old = [f"{random.randrange(12)}\n" for _ in range(random.randrange(1, 60))]
    new = [line for line in old if random.random() > 0.2]
    new.insert(random.randrange(len(new) + 1), "new\n")
    diff = render("diff", Run((changed("a", "".join(old), "".join(new)),), mindspore="2.10"))
    assert diff == "".join(unified_diff(old, new, "a", "a"))


@pytest.mark.parametrize("distinct", [True, False])
def test_a_huge_file_is_compared_quickly_and_rightly(distinct: bool, tmp_path: Path) -> None:
    block = "class Block{}:\n    pass\n    a = Conv2d(1)\n\n\n"
    before = "".join(block.format(index if distinct else "") for index in range(10_000))
    apply("git", (changed("a.py", before, before.replace("(1)", "(1, b=2)")),), tmp_path)


def test_lines_end_at_line_feeds_only() -> None:
    assert split_lines("a\r\nb\rc\x0cd\u2028e\n\nf") == ["a\r\n", "b\rc\x0cd\u2028e\n", "\n", "f"]
    assert split_lines("") == []
    assert split_lines("a\n") == ["a\n"]


def test_names_are_written_as_git_writes_them() -> None:
    assert quoted("a b.py") == "a b.py\t"
    assert quoted("b\udcff.py") == '"b\\377.py"'
    assert quoted('a"\n.py') == '"a\\"\\n.py"'


def test_unchanged_and_unread_files_have_no_diff() -> None:
    files = (
        FileResult("a.py", FileStatus.UNCHANGED, before="a\n", after="a\n"),
        FileResult("b.py", FileStatus.UNCHANGED, before="a\n"),
        FileResult("c.py", FileStatus.FAILED, message="no"),
    )
    assert render("diff", Run(files, mindspore="2.10")) == ""


def test_on_a_terminal_a_diff_is_coloured_and_cannot_forge() -> None:
    file = changed("a.py", "x = '\x1b[2J\u202e'\r\nold\r\n", "x = '\x1b[2J\u202e'\r\nnew\r\n")
    text = render("diff", Run((file,), mindspore="2.10"), View(color=True))
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\r" not in text
    assert " x = '\\x1b[2J\\u202e'\n" in text
    assert "\x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m\n" in text
