"""The Python API does what the command does, and its page says so with examples that run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import mapper
from mapper import FileStatus, Status, UsageError, migrate_paths, migrate_source
from tests.shell import ROOT, environment, tm2ms

PAGE = (ROOT / "docs/api.md").read_text("utf-8")
_BLOCK = r"```{}\n((?:(?!```).*\n)+)```\n"
EXAMPLES = re.findall(rf"{_BLOCK.format('python')}\nprints\n\n{_BLOCK.format('text')}", PAGE)
TEXT = "import torch.nn as nn\nx = nn.Conv2d(3, 8, 3, padding=1)\ny = nn.ReLU()\n"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=["one source", "a tree"])
def test_an_example_of_the_page_prints_what_it_says(code: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(PYTHONHASHSEED="0"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    shown = re.sub(r"\{.*\}", lambda m: str(sorted(m[0][1:-1].split(", "))), done.stdout)
    assert shown == re.sub(r"\{.*\}", lambda m: str(sorted(m[0][1:-1].split(", "))), printed)


@pytest.mark.parametrize("name", mapper.__all__)
def test_the_page_names_every_part(name: str) -> None:
    assert f"`{name}" in PAGE
    assert getattr(mapper, name).__module__.startswith("mapper.")


def test_a_source_becomes_what_the_command_writes(directory: Path) -> None:
    (directory / "a.py").write_text(TEXT)
    assert tm2ms("migrate", "--select", "conv,layers", "a.py", cwd=directory).returncode == 0
    found = migrate_source(TEXT, select=["conv", "layers"])
    assert found.after == (directory / "a.py").read_text()
    assert found.before == TEXT
    assert [site.status for site in found.sites if site.rule != "TM890"] == [Status.MIGRATED] * 2


def test_bytes_declared_encodings_and_notebooks_are_read() -> None:
    latin = "# coding: latin-1\n# größer\n" + TEXT
    for source in (latin, latin.encode("latin-1")):
        found = migrate_source(source)
        assert (found.status, found.encoding) == (FileStatus.CHANGED, "iso-8859-1")
        assert found.after is not None and "# größer\nfrom mindspore import nn\n" in found.after
    cell = '{"cell_type": "code", "source": ["import torch.nn as nn\\n", "x = nn.ReLU()"]}'
    book = f'{{"cells": [{cell}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'
    (site, _) = migrate_source(book, "a.ipynb").sites
    assert site.cell == 0


def test_what_is_wrong_in_a_source_is_a_result() -> None:
    found = migrate_source("import torch\nx = torch.relu(\n")
    assert (found.status, found.line) == (FileStatus.FAILED, 2)
    assert found.message == "not valid Python: '(' was never closed"


def test_the_files_around_a_path_count(directory: Path) -> None:
    (directory / "b.py").write_text("from a import Layer\nlayer = Layer(3, 8, 3)\n")
    text = "import torch.nn as nn\nLayer = nn.Conv2d\n"
    (directory / "a.py").write_text(text)
    alone, named = migrate_source(text), migrate_source(text, directory / "a.py")
    assert [one.before for one in alone.sites] == [one.before for one in named.sites]
    assert alone.sites != named.sites


def test_paths_are_shown_first_and_written_when_asked(directory: Path) -> None:
    (directory / "src").mkdir()
    (directory / "src" / "a.py").write_text(TEXT)
    (directory / "src" / "b.py").write_text("x = 1\n")
    run = migrate_paths("src")
    assert (run.counts()["files"], run.counts()["changed"], run.counts()["whole"]) == (2, 1, 1)
    assert [one.path for one in run.files] == ["src/a.py", "src/b.py"]
    assert run.files[0].before == TEXT
    assert (directory / "src" / "a.py").read_text() == TEXT
    assert migrate_paths([directory / "src"], write=True).counts()["changed"] == 1
    assert (directory / "src" / "a.py").read_text() == run.files[0].after
    assert migrate_paths("src").counts()["changed"] == 0, "a second run changes nothing"


def test_a_second_call_sees_files_that_have_changed(directory: Path) -> None:
    (directory / "a.py").write_text("import torch.nn as nn\nLayer = nn.Conv2d\n")
    first = migrate_paths("a.py")
    (directory / "b.py").write_text("from a import Layer\nimport torch\nlayer = Layer(3, 8, 3)\n")
    second = migrate_paths("a.py")
    (directory / "b.py").unlink()
    third = migrate_paths("a.py")
    assert first.files == third.files != second.files


def test_a_mirror_leaves_the_source(directory: Path) -> None:
    (directory / "src").mkdir()
    (directory / "src" / "a.py").write_text(TEXT)
    run = migrate_paths("src", output="out", jobs=2)
    assert run.counts()["changed"] == 1
    assert "mindspore" in (directory / "out" / "a.py").read_text()
    assert (directory / "src" / "a.py").read_text() == TEXT


def test_the_configuration_counts_and_arguments_win(directory: Path) -> None:
    (directory / "pyproject.toml").write_text('[tool.tm2ms]\nselect = ["conv"]\n')
    assert len(migrate_source(TEXT).sites) == 1
    assert len(migrate_source(TEXT, select=["layers"]).sites) > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"device": "tpu"}, "--device must be one of any, cpu, gpu, ascend, not 'tpu'"),
        ({"select": ["torch.nn.Conv2"]}, "did you mean 'torch.nn.Conv2d'"),
        ({"select": ["conv"], "target_version": "1.9"}, "--target-version"),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_usage_error(
    arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        migrate_source(TEXT, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape(words)):
        migrate_paths(".", **arguments)  # type: ignore[arg-type]


def test_write_and_output_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="does not go with output"):
        migrate_paths(".", write=True, output="out")


def test_the_package_is_typed_and_imports_nothing_of_it_before_it_is_used() -> None:
    assert (ROOT / "mapper" / "py.typed").is_file()
    code = "import sys, mapper\nprint([m for m in sys.modules if m.startswith('mapper.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="has no attribute 'migrate_all'"):
        _ = mapper.migrate_all  # type: ignore[attr-defined]
