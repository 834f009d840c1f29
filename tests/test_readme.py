"""What the README and the page on names show is what their commands print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SYMBOLIC = (ROOT / "docs" / "symbolic.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README + SYMBOLIC, re.DOTALL)
LINKS = re.findall(r"\]\(([^)#]+)\)", README)


def _printed(command: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "tm2ms"
    done = subprocess.run(
        [sys.executable, "-m", "mapper", *arguments],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return _without_time(done.stdout + done.stderr)


def _without_time(text: str) -> str:
    return re.sub(r"\b\d+\.\d s$", "… s", text.rstrip(), flags=re.MULTILINE)


def test_the_readme_shows_the_main_job_and_single_calls() -> None:
    commands = [command for command, _ in SHOWN]
    assert any(command.startswith("tm2ms migrate") for command in commands)
    assert sum(command.startswith("tm2ms verify") for command in commands) >= 3


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_every_output_shown_is_what_the_command_prints(command: str, output: str) -> None:
    assert _printed(command) == _without_time(output)


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_link_in_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_ci_runs_the_readmes_test_command() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -q -e '.[test]'" in README
    assert "pip install -q -e '.[test]'" in ci
    assert re.search(r"^pytest -q -n auto$", ci, re.MULTILINE)
    assert ".venv/bin/pytest -q -n auto\n" in README
