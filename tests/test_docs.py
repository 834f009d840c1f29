"""The pages with real output are fresh, and the CI recipes do what they say."""

from __future__ import annotations

import importlib.util
import json
import os
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


# --- editors ------------------------------------------------------------------------------------

EDITORS = (DOCS / "editors.md").read_text("utf-8")
CODE = dict(re.findall(r"^```(json|vim)\n(.*?)^```", EDITORS, re.M | re.S))
LEFT = "import torch.nn as nn\n\n\nz = nn.Missing(3)\n"
CLASS = (
    "import torch.nn as nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.bn = nn.BatchNorm2d(3, momentum=None)\n"
)


def in_editor(project: Path, arguments: list[str], stdin: str | None = None) -> Any:
    return subprocess.run(
        ["tm2ms", *arguments], cwd=project, capture_output=True, text=True, input=stdin,
        env=environment(PATH=f"{project / 'bin'}:{os.environ['PATH']}"),
    )  # fmt: skip


def test_the_tasks_for_vs_code_find_every_place(project: Path) -> None:
    check, show, migrate = json.loads(CODE["json"])["tasks"]
    (project / "src" / "a.py").write_text(LEFT)
    (project / "src" / "bad.py").write_text("import torch\nx = torch.relu(\n")
    (project / "src" / "c.py").write_text(CLASS)
    pattern = check["problemMatcher"]["pattern"]

    def run(task: Any, name: str) -> Any:
        file = str(project / "src" / name)
        return in_editor(project, [one.replace("${file}", file) for one in task["args"]])

    for name, line, code in (("a.py", "4", "TM000"), ("c.py", "7", "TM312"), ("bad.py", "2", None)):
        found = [re.fullmatch(pattern["regexp"], x) for x in run(check, name).stdout.splitlines()]
        places = [one for one in found if one is not None]
        assert {one[pattern["file"]] for one in places} == {f"src/{name}"}
        assert (line, code) in [(one[pattern["line"]], one[pattern["code"]]) for one in places]
    assert run(show, "b.py").stdout == "" and run(show, "a.py").stdout == ""
    (project / "src" / "a.py").write_text("import torch.nn as nn\nx = nn.Conv2d(3, 8, 3)\n")
    assert "+x = nn.Conv2d(3, 8, 3, pad_mode='valid'" in run(show, "a.py").stdout
    assert run(migrate, "a.py").returncode == 0
    assert "mindspore" in (project / "src" / "a.py").read_text()


def test_the_commands_for_vim_and_pycharm_do_what_the_page_says(project: Path) -> None:
    (project / "src" / "a.py").write_text(LEFT)
    commands = re.findall(r"^\| tm2ms: .*\| `(migrate .*?)` \|$", EDITORS, re.MULTILINE)
    vim = re.search(r"makeprg=(.*)$", EDITORS, re.MULTILINE)
    assert len(commands) == 3 and vim is not None
    for text in (commands[0], vim[1].replace("\\ ", " ").removeprefix("tm2ms ")):
        words = text.replace("$FilePath$", "src/a.py").replace("%:S", "src/a.py").split()
        places = in_editor(project, words).stdout.splitlines()
        assert places and all(re.match(r"src/a\.py:\d+:\d+: \S", one) for one in places)
    filtered = re.search(r'execute "%!tm2ms (.*?) " \. expand\("%:S"\) \. " (.*?) 2>', EDITORS)
    assert filtered is not None
    words = [*filtered[1].split(), "src/a.py", *filtered[2].split()]
    source = "import torch.nn as nn\nx = nn.Conv2d(3, 8, 3)\n"
    assert "mindspore" in in_editor(project, words, source).stdout
    for text in (LEFT, "import torch\nx = torch.relu(\n"):
        assert in_editor(project, words, text).stdout == text
