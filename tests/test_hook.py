"""The hooks, run by the real pre-commit in a real git repository, from the working copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell import COMMAND, ROOT, environment

pytestmark = pytest.mark.hook

CONV = "import torch.nn as nn\n\nx = nn.Conv2d(3, 8, 3, padding=1)\n"
WRITTEN = CONV.replace("import torch.nn as nn", "from mindspore import nn").replace(
    "3, padding=1", "3, pad_mode='pad', padding=1, has_bias=True"
)
MANUAL = "import torch.nn as nn\n\nx = nn.LazyConv2d(8, 3)\n"
Ran = subprocess.CompletedProcess[str]
Hook = Callable[..., Ran]


def git(*arguments: str, cwd: Path) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "gc.auto=0")
    ran = subprocess.run(
        ["git", *settings, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return ran.stdout


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Hook:
    """Return what runs one hook of the working copy; its environment is built once."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    copy, home = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("home")
    for name in git("ls-files", "-z", "-c", "-o", "--exclude-standard", cwd=ROOT).split("\0"):
        if name.startswith(
            ("mapper", "tm2ms", "rules", "pyproject", "README", "LICENSE", ".pre-commit-h")
        ):
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, target)
    git("init", "-q", cwd=copy)
    git("add", "-A", cwd=copy)
    git("commit", "-q", "-m", "working copy", cwd=copy)
    head = git("rev-parse", "HEAD", cwd=copy).strip()

    def run(name: str, *flags: str, cwd: Path) -> Ran:
        command = ["try-repo", str(copy), name, "--ref", head, *flags]
        env = environment(PRE_COMMIT_HOME=str(home))
        ran = subprocess.run(
            [sys.executable, "-m", "pre_commit", *command],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if "No matching distribution found" in ran.stdout:
            pytest.skip("the package index is not reachable")
        return ran

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git("init", "-q", cwd=tmp_path)
    return tmp_path


def stage(project: Path, **texts: str) -> None:
    for name, text in texts.items():
        (project / f"{name}.py").write_text(text)
    git("add", "-A", cwd=project)


def test_a_torch_convolution_fails_and_is_rewritten_and_then_it_passes(
    hook: Hook, project: Path
) -> None:
    stage(project, a=CONV, b="print()\n")
    first = hook("tm2ms", cwd=project)
    assert first.returncode == 1, first.stdout + first.stderr
    assert "files were modified by this hook" in first.stdout
    assert (project / "a.py").read_text() == WRITTEN
    git("add", "-A", cwd=project)
    second = hook("tm2ms", cwd=project)
    assert second.returncode == 0, second.stdout
    assert "Passed" in second.stdout


def test_a_site_that_needs_a_person_fails_with_its_message(hook: Hook, project: Path) -> None:
    stage(project, a=MANUAL)
    for name in ("tm2ms", "tm2ms-check"):
        ran = hook(name, cwd=project)
        assert ran.returncode == 1
        assert "a.py:3:5: TM120 [manual] Write the layer with its in_channels" in ran.stdout
        assert (project / "a.py").read_text() == MANUAL


def test_the_check_reports_and_writes_nothing(hook: Hook, project: Path) -> None:
    stage(project, a=CONV)
    ran = hook("tm2ms-check", cwd=project)
    assert ran.returncode == 1
    assert "1 file, 1 would change" in ran.stdout
    assert (project / "a.py").read_text() == CONV


def test_an_excluded_file_is_left_although_the_hook_names_it(hook: Hook, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.tm2ms]\nextend-exclude = ["a.py"]\n')
    stage(project, a=CONV)
    assert hook("tm2ms", cwd=project).returncode == 0
    assert (project / "a.py").read_text() == CONV


def test_notebooks_are_hooked_and_other_files_are_not(hook: Hook, project: Path) -> None:
    book = (
        '{"cells": [{"cell_type": "code", "metadata": {}, "outputs": [], "source": '
        '["import torch.nn as nn\\n", "x = nn.Conv2d(3, 8, 3)"]}], '
        '"metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'
    )
    (project / "a.ipynb").write_text(book)
    (project / "a.txt").write_text(CONV)
    git("add", "-A", cwd=project)
    assert hook("tm2ms", cwd=project).returncode == 1
    assert "mindspore" in (project / "a.ipynb").read_text()
    assert (project / "a.txt").read_text() == CONV


def test_a_file_without_torch_costs_no_heavy_import(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def conv2d(): ...\n")
    command = [COMMAND[0], "-X", "importtime", *COMMAND[1:], "migrate", "--force-exclude", "a.py"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert ran.returncode == 0
    assert any(name.startswith("mapper.") for name in imported)
    heavy = {
        "libcst",
        "numpy",
        "rich",
        "mapper.rulebook.loader",
        "mapper.running.module",
        "tomllib",
    }
    assert not heavy & imported
