"""What a run says of each file, and what standard input comes to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.shell import tm2ms

CONV = "nn.Conv2d(3, 8, 3)"
SOURCE = f"import torch.nn as nn\na = {CONV}\nb = nn.Conv2d(*a)\n"
PLAIN = "x = 1\n"
WRITTEN = "import mindspore.nn as ms_nn\n"


def said(stderr: bytes) -> list[str]:
    """Return the lines that name a file that changes."""
    return re.findall(r"^(?:would change|changed) .*", stderr.decode(), re.MULTILINE)


TOLD = {
    "checked": (["--check"], ["would change a b/two.py: 1 of 2", "would change one.py: 1 of 2"]),
    "in place": ([], ["changed a b/two.py: 1 of 2", "changed one.py: 1 of 2"]),
    "mirrored": (["--output", "out"], ["changed a b/two.py: 1 of 2", "changed one.py: 1 of 2"]),
    "shown as a diff, which names them": (["--diff"], []),
    "quiet": (["--check", "-q"], []),
}


@pytest.mark.parametrize("case", TOLD.values(), ids=TOLD)
def test_each_file_that_changes_is_named_with_its_counts(
    case: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    for name in ("one.py", "a b/two.py"):
        (tmp_path / name).write_text(SOURCE)
    (tmp_path / "plain.py").write_text(PLAIN)
    assert said(tm2ms("migrate", *case[0], ".", cwd=tmp_path).stderr) == case[1]


def test_a_file_that_stays_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(SOURCE)
    tm2ms("migrate", ".", cwd=tmp_path)
    again = tm2ms("migrate", ".", cwd=tmp_path)
    assert said(again.stderr) == []
    assert again.returncode == 1


@pytest.mark.parametrize("text", [SOURCE, PLAIN, "import torch\nnn.Conv2d(\n"])
def test_a_check_of_standard_input_prints_no_source(text: str, tmp_path: Path) -> None:
    ran = tm2ms("migrate", "--check", "-", cwd=tmp_path, stdin=text.encode())
    assert ran.stdout == b""
    assert ran.returncode == {SOURCE: 1, PLAIN: 0}.get(text, 2)
    assert said(ran.stderr) == (["would change <stdin>: 1 of 2"] if text == SOURCE else [])


def test_without_a_check_it_is_the_source(tmp_path: Path) -> None:
    ran = tm2ms("migrate", "-", cwd=tmp_path, stdin=SOURCE.encode())
    assert ran.stdout.decode() == (
        f"import torch.nn as nn\n{WRITTEN}a = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', "
        "has_bias=True)\nb = nn.Conv2d(*a)\n"
    )
    assert tm2ms("migrate", "-", cwd=tmp_path, stdin=PLAIN.encode()).stdout == PLAIN.encode()


@pytest.mark.parametrize("flags", [[], ["--check"]], ids=["written", "checked"])
def test_another_format_takes_the_place_of_the_source(flags: list[str], tmp_path: Path) -> None:
    ran = tm2ms(
        "migrate", *flags, "--output-format", "json", "-", cwd=tmp_path, stdin=SOURCE.encode()
    )
    (file,) = json.loads(ran.stdout)["files"]
    assert (file["path"], len(file["sites"]), ran.returncode) == ("<stdin>", 2, 1)


NAMED = {
    "a name implies standard input": (["--stdin-filename", "src/a.py"], True),
    "a dash beside it says the same": (["--stdin-filename", "src/a.py", "-"], True),
    "excluded, and not forced": (["--stdin-filename", "build/a.py", "-"], True),
    "excluded by force": (["--force-exclude", "--stdin-filename", "build/a.py", "-"], False),
    "forced, and not excluded": (["--force-exclude", "--stdin-filename", "src/a.py"], True),
    "excluded by a pattern": (
        ["--force-exclude", "--extend-exclude", "src/*", "--stdin-filename", "src/a.py"], False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED.values(), ids=NAMED)
def test_the_name_of_standard_input_counts(case: tuple[list[str], bool], tmp_path: Path) -> None:
    ran = tm2ms("migrate", *case[0], cwd=tmp_path, stdin=SOURCE.encode())
    assert (b"mindspore" in ran.stdout) is case[1]
    assert case[1] or ran.stdout == SOURCE.encode()
    assert ran.returncode == (1 if case[1] else 0)
    checked = tm2ms("migrate", "--check", *case[0], cwd=tmp_path, stdin=SOURCE.encode())
    assert (checked.stdout, checked.returncode) == (b"", 1 if case[1] else 0)


def test_a_name_does_not_go_with_other_paths(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text(SOURCE)
    ran = tm2ms("migrate", "--stdin-filename", "a.py", "b.py", cwd=tmp_path)
    assert ran.returncode == 2
    assert b"stands alone" in ran.stderr
    assert (tmp_path / "b.py").read_text() == SOURCE
