"""What the README and the page on names show is what their commands print."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapper.weights.files import write

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SYMBOLIC = (ROOT / "docs" / "symbolic.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```console\n\$ (.*?)\n(.*?)```", re.DOTALL)
SESSION = BLOCK.findall(README.partition("## Migrate, convert, compare\n")[2].partition("\n## ")[0])
SHOWN = [one for one in BLOCK.findall(README + SYMBOLIC) if one not in SESSION]
WEIGHTS: dict[str, tuple[int, ...]] = {
    "stem.weight": (32, 3, 7, 7), "stem.bias": (32,),
    "encoder.0.weight": (64, 32, 3, 3), "encoder.0.bias": (64,),
    "encoder.1.weight": (64,), "encoder.1.bias": (64,), "encoder.1.running_mean": (64,),
    "encoder.1.running_var": (64,), "encoder.1.num_batches_tracked": (),
    "decoder.weight": (64, 32, 3, 3), "decoder.bias": (32,),
    "head.weight": (3, 32, 1, 1), "head.bias": (3,),
}  # fmt: skip
"""The state of the demonstration's model in PyTorch."""
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(([^)#]+)\)", README + CHINESE)


def printed(command: str, directory: Path = ROOT) -> str:
    """Return what a command prints, without its time."""
    program, *arguments = shlex.split(command)
    assert program == "tm2ms"
    done = subprocess.run(
        [sys.executable, "-m", "mapper", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=directory, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return without_time(done.stdout + done.stderr)


def without_time(text: str) -> str:
    """Return a text with the seconds that a run took left out."""
    return re.sub(r"\b\d+\.\d s$", "… s", text.rstrip(), flags=re.MULTILINE)


def test_the_readme_shows_the_main_job_and_single_calls() -> None:
    commands = [command for command, _ in SHOWN]
    assert any(command.startswith("tm2ms migrate") for command in commands)
    assert sum(command.startswith("tm2ms verify") for command in commands) >= 3


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_every_output_shown_is_what_the_command_prints(command: str, output: str) -> None:
    assert printed(command) == without_time(output)


def place(directory: Path) -> None:
    """Make what the commands of the session find: the demonstration, and its weights."""
    shutil.copytree(ROOT / "fixtures" / "demo", directory / "fixtures" / "demo")
    random = np.random.default_rng(0)
    values = {name: (0.1 * random.standard_normal(shape)).astype(np.float32)
              for name, shape in WEIGHTS.items()}  # fmt: skip
    values["encoder.1.running_var"] += 1
    values["encoder.1.num_batches_tracked"] = np.array(100)
    write(directory / "old.safetensors", values)


def test_the_session_is_what_its_commands_print_one_after_the_other(tmp_path: Path) -> None:
    """The last one needs both frameworks: `tests/oracle/test_readme_session.py`."""
    place(tmp_path)
    (migrate, checkpoint, compare) = SESSION
    assert compare[0].startswith("tm2ms compare ")
    for command, output in (migrate, checkpoint):
        assert printed(command, tmp_path) == without_time(output)


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_link_in_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_chinese_readme_shows_the_same_commands_outputs_and_links() -> None:
    blocks = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert blocks.findall(CHINESE) == blocks.findall(README), "copy the blocks of README.md"
    english, chinese = (
        set(re.findall(r"\]\(([^)#]+)\)", text)) - {"README.md", "README.zh-CN.md"}
        for text in (README, CHINESE)
    )
    assert english == chinese
    assert CHINESE.count("\n## ") == README.count("\n## ")


def test_ci_runs_the_readmes_test_command() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -q -e '.[test]'" in README
    assert "pip install -q -e '.[test]'" in ci
    assert re.search(r"^pytest -q -n auto$", ci, re.MULTILINE)
    assert ".venv/bin/pytest -q -n auto\n" in README
