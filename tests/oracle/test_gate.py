"""The job of docs/compare.md: it passes on the demonstration, and fails with a layer's name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from mapper.comparing import side
from tests.shell import ROOT

TEXT = (ROOT / "docs" / "compare.md").read_text("utf-8")
(YAML,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S)
JOB: dict[str, Any] = yaml.safe_load(YAML)["jobs"]["same-model"]
STEPS = {step["name"]: step["run"] for step in JOB["steps"] if "name" in step}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a repository as the job expects it: the demonstration with its weights."""
    root = tmp_path_factory.mktemp("gate")
    program = root / "bin" / "tm2ms"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mapper "$@"\n')
    program.chmod(0o755)
    (root / "src").mkdir()
    (root / "src" / "model.py").write_text((ROOT / "fixtures/demo/model.py").read_text("utf-8"))
    torch = importlib.import_module("torch")
    with side.modules_of(str(root / "src")):
        model = side.evaluate("model", "Denoiser()")
    (root / "weights").mkdir()
    torch.save(model.state_dict(), root / JOB["env"]["WEIGHTS"])
    return root


def step(name: str, project: Path) -> tuple[int, str]:
    """Run one step of the job as the service does; return its exit code and its log."""
    env = {**os.environ, **JOB["env"], "PYTHONPATH": str(ROOT)}
    env["PATH"] = f"{project / 'bin'}:{env['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]]
    done = subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_passes_and_then_fails_with_the_layer_that_was_changed(project: Path) -> None:
    assert list(STEPS) == ["migrate", "convert", "compare"]
    for name in STEPS:
        code, log = step(name, project)
        assert code == 0, log
    assert log.count("\nagree: ") == 4 and "::error::" not in log
    assert (project / "model.ckpt").exists() and (project / "compare.html").exists()
    migrated = project / "migrated" / "model.py"
    text = migrated.read_text("utf-8")
    migrated.write_text(text.replace("momentum=0.8)", "momentum=0.8, eps=1e-3)"), "utf-8")
    code, log = step("compare", project)
    assert code == 1 and log.endswith("::error::first difference: encoder.1, BatchNorm2d\n")


def test_the_gate_fails_where_weights_are_missing_or_a_class_stays_torchs(project: Path) -> None:
    assert step("migrate", project)[0] == 0
    torch = importlib.import_module("torch")
    weights = project / JOB["env"]["WEIGHTS"]
    state = torch.load(weights, weights_only=True)
    torch.save({name: one for name, one in state.items() if name != "head.bias"}, weights)
    code, log = step("convert", project)
    assert code == 1 and "head.bias: nothing in the checkpoint belongs here" in log
    source = project / "src" / "model.py"
    text = source.read_text("utf-8")
    source.write_text(text.replace("nn.Conv2d(width, 3, 1)", "nn.LazyConv2d(3, 1)"), "utf-8")
    code, log = step("migrate", project)
    assert code == 1 and "LazyConv2d" in log
