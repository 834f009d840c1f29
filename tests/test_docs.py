"""The pages with real output are fresh, and the CI recipes do what they say."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from tests.shell import ROOT, environment

DOCS = ROOT / "docs"
RECIPES = re.findall(r"^```(sh|yaml)\n(.*?)^```", (DOCS / "ci.md").read_text("utf-8"), re.M | re.S)


def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["formats", "configuration"])
def test_a_page_of_real_output_is_what_would_be_written(name: str) -> None:
    text = getattr(build(), name)()
    assert (DOCS / f"{name}.md").read_text("utf-8") == text, "stale: run `python docs/build.py`"


def test_every_format_and_every_setting_is_shown() -> None:
    from mapper.running.config import OUTPUT_FORMATS, Settings

    shown = (DOCS / "formats.md").read_text("utf-8")
    assert all(f"\n## {name}: " in shown for name in OUTPUT_FORMATS)
    settings = (DOCS / "configuration.md").read_text("utf-8")
    assert all(f"| `{name.replace('_', '-')}` |" in settings for name in Settings.__slots__)


# --- recipes ------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\nexec "{sys.executable}" -m mapper "$@"\n'
    (tmp_path / "bin" / "tm2ms").write_text(script)
    (tmp_path / "bin" / "tm2ms").chmod(0o755)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("import torch.nn as nn\nx = nn.Conv2d(3, 8, 3)\n")
    (tmp_path / "src" / "b.py").write_text("import torch.nn as nn\nx = nn.LazyConv2d(8, 3)\n")
    return tmp_path


def bash(script: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the services do, with the tool of the working copy first on the path."""
    env = environment(**more)
    env["PATH"] = f"{cwd / 'bin'}:{env['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def commands(value: Any) -> Iterator[str]:
    """Yield the scripts in a recipe that run the tool."""
    if isinstance(value, dict):
        for item in value.values():
            yield from commands(item)
    elif isinstance(value, list):
        for item in value:
            yield from commands(item)
    elif isinstance(value, str) and value.startswith("tm2ms migrate"):
        yield value


YAML = [yaml.safe_load(text) for language, text in RECIPES if language == "yaml"]
(SHELL,) = [text for language, text in RECIPES if language == "sh"]


def test_the_shell_recipe_leaves_a_patch_that_applies(project: Path) -> None:
    ran = bash(SHELL, project)
    assert (ran.returncode, ran.stdout) == (0, "apply with: git apply -p0 tm2ms.patch\n")
    applied = bash("git apply -p0 tm2ms.patch", project)
    assert applied.returncode == 0, applied.stderr
    assert "mindspore" in (project / "src" / "a.py").read_text()
    (project / "src" / "broken.py").write_text("import torch\ndef (: Conv2d\n")
    assert bash(SHELL, project).returncode == 2


def test_the_github_recipe_annotates_and_leaves_both_reports(project: Path) -> None:
    (command,) = commands(YAML[0])
    summary = project / "summary.md"
    ran = bash(command, project, GITHUB_STEP_SUMMARY=str(summary))
    assert ran.returncode == 1
    assert "::error file=src/b.py,line=2" in ran.stdout
    assert json.loads((project / "tm2ms.sarif").read_text())["version"] == "2.1.0"
    assert (project / "tm2ms.md").read_text() == summary.read_text().removesuffix("\n")


def test_the_gitlab_recipe_leaves_a_code_quality_report(project: Path) -> None:
    (command,) = [c for recipe in YAML for c in commands(recipe) if "gitlab" in c]
    assert bash(command, project).returncode == 1
    found = json.loads((project / "tm2ms.json").read_text())
    convolutions = [issue for issue in found if "Conv" in json.dumps(issue)]
    assert [issue["severity"] for issue in convolutions] == ["info", "major"]


def test_the_pre_commit_recipe_names_a_hook_that_exists() -> None:
    (recipe,) = [recipe for recipe in YAML if "repos" in recipe]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert recipe["repos"][0]["hooks"][0]["id"] in {hook["id"] for hook in hooks}
    for hook in hooks:
        assert hook["require_serial"] is True
        assert hook["types_or"] == ["python", "jupyter"]
        assert "--force-exclude" in hook["entry"]


ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
MODES = {"check": (1, False), "diff": (1, False), "write": (1, True), "nonsense": (2, False)}


@pytest.mark.parametrize(("mode", "wanted"), MODES.items(), ids=MODES.keys())
def test_the_action_runs_in_each_mode(mode: str, wanted: tuple[int, bool], project: Path) -> None:
    step = ACTION["runs"]["steps"][1]
    inputs = {"PATHS": "src", "MODE": mode, "ARGUMENTS": "-q -j 1", "SARIF": "o.sarif"}
    assert {*inputs, "MARKDOWN"} == set(step["env"])
    out = project / "output"
    ran = bash(step["run"], project, **inputs, MARKDOWN="", GITHUB_OUTPUT=str(out))
    assert ran.returncode == wanted[0], ran.stderr
    changed = "mindspore" in (project / "src" / "a.py").read_text()
    assert changed is wanted[1]
    if mode != "nonsense":
        assert out.read_text() == "exit-code=1\n"
        assert (project / "o.sarif").exists()


def test_the_action_takes_every_input_through_the_environment() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], "an input in a script could run as code"
