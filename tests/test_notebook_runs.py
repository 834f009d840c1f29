"""Notebooks through the command line: what is left, what is noted, and that bytes stay."""

from __future__ import annotations

import json
import shutil
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from tests.shell import ROOT, tm2ms

RADAR = ROOT / "fixtures" / "notebook" / "input" / "radar.ipynb"
IMPORT = "import torch.nn as nn\n"


def book(*cells: str, **layout: Any) -> str:
    """Return a notebook with these code cells."""
    made = [
        {
            "cell_type": "code",
            "execution_count": 7,
            "metadata": {"tags": ["t"]},
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["nn.Conv2d(1, 2, 3)"]}
            ],
            "source": text.splitlines(keepends=True),
        }
        for text in cells
    ]
    layout = {"indent": 1, **layout}
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, **layout)


def run(tmp_path: Path, text: str, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Migrate a notebook in place; return exit code, its part of the report, and its new text."""
    file = tmp_path / "a.ipynb"
    file.write_bytes(text.encode())
    ran = tm2ms("migrate", "--output-format", "json", *flags, "a.ipynb", cwd=tmp_path)
    return ran.returncode, json.loads(ran.stdout)["files"][0], file.read_bytes().decode()


def sources(text: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]


def test_an_import_of_one_cell_counts_in_the_next_and_sites_name_their_cell(tmp_path: Path) -> None:
    code, file, after = run(tmp_path, book(IMPORT, "y = 1\nx = nn.Conv2d(3, 8, 3)"))
    assert code == 0
    (site,) = file["sites"]
    assert (site["cell"], site["line"], site["column"]) == (1, 2, 5)
    assert sources(after)[0] == "import mindspore.nn as nn\n"
    ran = tm2ms("migrate", "--check", "-v", "--output-format", "concise", "a.ipynb", cwd=tmp_path)
    assert ran.stdout == b""


@pytest.mark.parametrize("output_format", ["full", "concise", "markdown"])
def test_reports_for_people_count_cells_from_one(output_format: str, tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(book(IMPORT, "x = nn.Conv2d(*a)"))
    flags = ("migrate", "--output-format", output_format, "a.ipynb")
    assert b"a.ipynb:cell 2:1:5" in tm2ms(*flags, cwd=tmp_path).stdout


def test_a_cell_that_does_not_parse_is_noted_and_the_others_are_done(tmp_path: Path) -> None:
    text = book(IMPORT, "def broken(:\n    nn.Conv2d(", "x = nn.Conv2d(3, 8, 3)")
    code, file, after = run(tmp_path, text)
    assert code == 2
    assert file["status"] == "changed"
    assert [site["cell"] for site in file["sites"]] == [2]
    assert [(note["level"], note["cell"], note["line"]) for note in file["notes"]] == [
        ("error", 1, 1)
    ]
    assert "not valid Python" in file["notes"][0]["message"]
    assert sources(after)[1] == sources(text)[1]
    (tmp_path / "a.ipynb").write_text(text)
    said = tm2ms("migrate", "--check", "a.ipynb", cwd=tmp_path)
    assert b"a.ipynb:cell 2:1:1: [error] this cell is skipped: line 1: not valid" in said.stdout


KINDS = ("full", "concise", "json", "github", "gitlab", "sarif")
MODES = [("--diff", "--output-format", kind) for kind in KINDS[:2]] + [
    (mode, "--output-format", kind) for mode in ("--check", "-q", "--exit-zero") for kind in KINDS
]


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_a_broken_cell_with_torch_is_an_error_in_every_mode(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.ipynb").write_text(book(IMPORT, "x = nn.Conv2d(", "x = nn.Conv2d(3, 8, 3)"))
    ran = tm2ms("migrate", *flags, "a.ipynb", cwd=tmp_path)
    assert ran.returncode == 2
    assert b"this cell is skipped" in ran.stdout + ran.stderr


@pytest.mark.parametrize("cell", ["not ( Python", "$ ls"], ids=["torn", "another language"])
def test_a_broken_cell_without_torch_is_a_note(cell: str, tmp_path: Path) -> None:
    code, file, _ = run(tmp_path, book(IMPORT, cell, "x = nn.Conv2d(3, 8, 3)"))
    assert (code, file["status"]) == (0, "changed")
    assert [(note["level"], note["cell"]) for note in file["notes"]] == [("note", 1)]


LEFT = {
    "a line magic": "%time x = nn.Conv2d(3, 8, 3)",
    "a shell line": "!python -c 'nn.Conv2d(3, 8, 3)'",
    "a request for help": "nn.Conv2d?",
    "a magic's result": "x = %timeit nn.Conv2d(3, 8, 3)",
    "a cell in another language": "%%bash\necho 'nn.Conv2d(3, 8, 3)'",
    "a cell written to a file": "%%writefile m.py\nx = nn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_what_is_no_python_is_left_and_a_convolution_in_it_is_noted(
    left: str, tmp_path: Path
) -> None:
    text = book(IMPORT, left, "x = nn.Conv2d(3, 8, 3)")
    (tmp_path / "a.ipynb").write_text(text)
    said = tm2ms("migrate", "--check", "--output-format", "concise", "a.ipynb", cwd=tmp_path)
    (line,) = said.stdout.decode().splitlines()
    _, file, after = run(tmp_path, text)
    assert [site["cell"] for site in file["sites"]] == [2]
    assert sources(after)[1] == left
    assert line.startswith("a.ipynb:cell 2:1:1: [note]")
    assert "convolution" in line


@pytest.mark.parametrize("left", list(LEFT.values())[:4], ids=list(LEFT)[:4])
def test_a_name_used_in_a_magic_keeps_its_torch_import(left: str, tmp_path: Path) -> None:
    _, _, after = run(tmp_path, book(IMPORT, left, "x = nn.Conv2d(3, 8, 3)"))
    assert sources(after)[0] == IMPORT + "import mindspore.nn as ms_nn\n"
    assert sources(after)[2] == "x = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)"


def test_an_imported_class_used_in_a_magic_is_a_site_of_its_own(tmp_path: Path) -> None:
    cells = "from torch.nn import Conv2d\n", "%time Conv2d(3, 8, 3)", "x = Conv2d(3, 8, 3)"
    code, file, _ = run(tmp_path, book(*cells))
    assert [(site["cell"], site["status"]) for site in file["sites"]] == [
        (1, "manual"),
        (2, "migrated"),
    ]
    assert code == 1


QUIET = {
    "a magic without one": "%matplotlib inline",
    "a shell line without one": "!pip list",
    "a timed cell": "%%time\nx = nn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("cell", QUIET.values(), ids=QUIET.keys())
def test_other_magics_are_not_worth_a_word(cell: str, tmp_path: Path) -> None:
    run(tmp_path, book(IMPORT, cell, "x = nn.Conv2d(3, 8, 3)"))
    said = tm2ms("migrate", "--check", "--output-format", "concise", "a.ipynb", cwd=tmp_path)
    assert said.stdout == b""


LAYOUTS: dict[str, dict[str, Any]] = {
    "indented by one": {"indent": 1},
    "indented by four": {"indent": 4},
    "on one line": {"indent": None},
    "without blanks": {"indent": None, "separators": (",", ":")},
    "with letters as they are": {"ensure_ascii": False},
    "with escaped letters": {"ensure_ascii": True},
}


@pytest.mark.parametrize("end", ["", "\n"], ids=["no final newline", "final newline"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_outside_the_changed_lines_every_byte_stays(
    layout: dict[str, Any], end: str, tmp_path: Path
) -> None:
    text = book("# größer\n" + IMPORT, "y = 'ü'\nx = nn.Conv2d(3, 8, 3)\nz = 2", **layout) + end
    _, _, after = run(tmp_path, text)
    wanted = text.replace("import torch.nn", "import mindspore.nn")
    call = "nn.Conv2d(3, 8, 3)\\n"
    wanted = wanted.replace(call, call.replace("3)", "3, pad_mode='valid', has_bias=True)"))
    assert after == wanted


def test_the_fixture_changes_in_its_cells_sources_only_and_once(tmp_path: Path) -> None:
    shutil.copy(RADAR, tmp_path / "a.ipynb")
    before = RADAR.read_text()
    code, file, after = run(tmp_path, before)
    assert file["status"] == "changed"
    assert {site["status"] for site in file["sites"]} == {"migrated"}
    old, new = json.loads(before), json.loads(after)
    for cell in (*old["cells"], *new["cells"]):
        cell.pop("source")
    assert old == new
    lines = before.splitlines(), after.splitlines()
    for tag, a, b, c, d in SequenceMatcher(None, *lines, autojunk=False).get_opcodes():
        assert tag == "equal" or any("import" in x or "Conv" in x for x in lines[1][c:d]), (a, b)
    assert run(tmp_path, after)[2] == after
    assert code == 0
