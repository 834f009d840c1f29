"""What whole mode says of files: whole or not, what is in the way, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.shell import COMMAND, environment

MODEL = """import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    def forward(self, x):
        return self.body(self.stem(x))
"""
UNKNOWN = MODEL + "\n\ny = torch.bartlett_window(3)\n"

SELECTED = {
    "nothing": ((), True),
    "the convolutions": (("conv",), False),
    "rules of convolutions": (("TM1", "tm201"), False),
    "names of convolutions": (("torch.nn.Conv2d", "F.conv_transpose2d"), False),
    "convolutions and more": (("conv", "layers"), True),
    "another layer": (("torch.nn.Linear",), True),
}


@pytest.mark.parametrize(("select", "is_whole"), SELECTED.values(), ids=SELECTED)
def test_only_a_selection_of_convolutions_is_not_whole(
    select: tuple[str, ...], is_whole: bool
) -> None:
    assert Options(select=select).is_whole is is_whole


def run(tmp_path: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    import subprocess

    done = subprocess.run(
        [*COMMAND, "migrate", "--check", "--output-format", "json", *flags, "."],
        cwd=tmp_path, capture_output=True, check=False, env=environment(),
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


GATES = {
    "a file without torch": ("x = 1\n", [], 0, True),
    "a file without torch, required": ("x = 1\n", ["--require", "whole"], 0, True),
    "a name without a rule": ("import torch\ntorch.bartlett_window(3)\n", [], 0, False),
    "a name without a rule, required": (
        "import torch\ntorch.bartlett_window(3)\n", ["--require", "whole"], 1, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "flags", "code", "whole"), GATES.values(), ids=list(GATES))
def test_what_is_left_of_torch_fails_only_where_whole_files_are_required(
    text: str, flags: list[str], code: int, whole: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(text)
    found, report = run(tmp_path, *flags)
    assert (found, report["files"][0]["whole"]) == (code, whole)


def test_a_file_that_takes_a_class_from_one_with_torch_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(MODEL)
    (tmp_path / "b.py").write_text("from a import Net\nthis is ((( not\n")
    (tmp_path / "c.py").write_text("from json import loads\nthis is ((( not\n")
    _, report = run(tmp_path)
    states = {file["path"]: file["status"] for file in report["files"]}
    assert states == {"a.py": "changed", "b.py": "failed", "c.py": "unchanged"}


def test_imports_go_from_a_whole_file_and_a_layer_says_where_it_is_built() -> None:
    result = process(Task("a.py", MODEL.encode()), Options())
    assert result.whole
    imports = [site for site in result.sites if site.rule == "TM890"]
    assert [site.api for site in imports] == ["torch", "torch.nn"]
    assert {site.status for site in result.sites} == {"migrated"}
    built = {site.attribute: site.owner for site in result.sites if site.attribute}
    assert built == dict.fromkeys(("stem", "body.0", "body.1"), "Net")


def test_an_import_that_stays_names_the_line_that_needs_it() -> None:
    result = process(Task("a.py", UNKNOWN.encode()), Options())
    assert result.whole is False
    left = [site for site in result.sites if site.status == "uncovered"]
    assert [(site.rule, site.api) for site in left] == [
        ("TM890", "torch"),
        ("TM000", "torch.bartlett_window"),
    ]
    assert "line 15 needs it" in left[0].message
    assert left[1].target == "mindspore.ops.bartlett_window"
