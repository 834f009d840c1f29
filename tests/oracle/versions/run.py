"""The oracle for a MindSpore that cannot live beside torch: record here, execute over there.

The environments (once):

    ~/.pyenv/versions/3.11.7/bin/python -m venv ms270
    ms270/bin/pip install "mindspore==2.7.0" "numpy<2"
    ~/.pyenv/versions/3.9.18/bin/python -m venv ms200
    ms200/bin/pip install "mindspore==2.0.0" "numpy<2" "pillow<10"

Then, with the Python that has torch (see docs/versions.md for the figures):

    GLOG_v=4 python -m tests.oracle.versions.run 2.7 ms270/bin/python
    GLOG_v=4 python -m tests.oracle.versions.run 2.0 ms200/bin/python

It migrates literal calls with `--target-version`, records torch's inputs, weights and outputs, and
lets `replay.py` compute the migrated source with the other Python. A call that the tool leaves is
replayed as the rewrite that a person would try: MindSpore has to refuse it. The last module holds
fresh layers, whose parameters must be distributed as torch's. The exit code is 1 if anything is
wrong. `--markdown FILE` appends the table to a file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.oracle.versions.record import Recording, record

COLUMNS = (
    "layer right", "layer wrong", "function right", "function wrong", "function raises",
    "fresh right", "fresh wrong", "refused right", "refused wrong",
)  # fmt: skip
TITLES = (
    "layers equal", "differ", "functions equal", "differ", "raise as reported",
    "fresh equal", "differ", "left: MindSpore refuses", "left in vain",
)  # fmt: skip


def main() -> int:
    """Record, replay and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", help="the --target-version to write for")
    parser.add_argument("python", help="the Python that has that MindSpore")
    parser.add_argument("--markdown", type=Path, help="append the table to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = record(options.target, Path(folder))
        found = replay(options.python, Path(folder))
    text = _report(recording, found, f"{options.target} {options.python}")
    print(text)
    if options.markdown:
        with options.markdown.open("a", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(found["findings"][:60]), file=sys.stderr)
    return 1 if found["findings"] else 0


def replay(python: str, folder: Path) -> dict[str, Any]:
    """Run `replay.py` with another Python and return what it found."""
    script = Path(__file__).with_name("replay.py")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(script), str(folder)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{python} {script} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _report(recording: Recording, found: dict[str, Any], command: str) -> str:
    import torch

    when = f"{datetime.now(UTC):%Y-%m-%d}"
    lines = [
        f"\n## MindSpore {found['mindspore']}, `--target-version {recording.target}`\n",
        f"{when}, torch {torch.__version__}, recorded on Python {platform.python_version()}; "
        f"`python -m tests.oracle.versions.run {command}`\n",
        f"| | {' | '.join(TITLES)} |",
        "|---" * (len(TITLES) + 1) + "|",
    ]
    counts = found["counts"]
    for row, cells in counts.items():
        lines.append(f"| {row} | {' | '.join(str(cells.get(c, 0) or '') for c in COLUMNS)} |")
    totals = [sum(cells.get(c, 0) for cells in counts.values()) for c in COLUMNS]
    lines.append(f"| **total** | {' | '.join(f'**{total}**' for total in totals)} |")
    if recording.left:
        lines.append("\nLeft to a person, by reason:\n")
        lines += [f"* {count} × {text}" for text, count in sorted(recording.left.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
