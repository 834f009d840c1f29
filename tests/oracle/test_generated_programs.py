"""Some of the programs of `fuzz/programs.py`, executed before and after with both frameworks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "fuzz" / "programs.py"


@pytest.mark.parametrize("kind", ["functions", "models", "calls", "imports"])
def test_no_program_is_silently_different(kind: str, both_frameworks: None) -> None:
    command = [sys.executable, str(SCRIPT), "12", "1", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{kind}: 1" in done.stdout  # ten or more were made
