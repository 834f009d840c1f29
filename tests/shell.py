"""The command line as a shell runs it, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "mapper"]
ROOT = Path(__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what a CI service or a terminal would add to it."""
    unwanted = ("GITHUB_STEP_SUMMARY", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def tm2ms(
    *arguments: str, cwd: Path, stdin: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run one command in a directory; `migrate` does convolutions, if nothing else is selected."""
    if arguments[:1] == ("migrate",) and not {"--select", "--show-settings"} & {*arguments}:
        arguments = (*arguments, "--select", "conv")
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        check=False,
        env=environment(**more),
    )
