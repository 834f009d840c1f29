"""Kills real runs of `tm2ms migrate` over a tree at random moments; every file must stay whole.

Run: python fuzz/kills.py [KILLS] [FILES]
Each round starts from the old tree, so every round has writes to hit. Prints the counts.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.shell import COMMAND, environment  # noqa: E402

OLD = "import torch.nn as nn\n" + "".join(f"c{i} = nn.Conv2d(3, 8, 3)\n" for i in range(300))


def fill(tree: Path, files: int) -> list[Path]:
    """Write the old tree, leaving what else is there."""
    paths = [tree / f"m{number}.py" for number in range(files)]
    for path in paths:
        path.write_text(OLD)
    return paths


def start(tree: Path) -> subprocess.Popen[bytes]:
    """Start one run."""
    quiet = subprocess.DEVNULL
    command = [*COMMAND, "migrate", "-q", "-j1", str(tree)]
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment(), cwd=tree)


def main(kills: int, files: int) -> int:
    """Kill so often; return the exit code."""
    seen: Counter[str] = Counter()
    choose = random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        paths = fill(tree, files)
        began = time.perf_counter()
        seen["failed runs"] += start(tree).wait() != 0
        whole = time.perf_counter() - began
        new = paths[0].read_text()
        assert new != OLD
        for _ in range(kills):
            fill(tree, files)
            process = start(tree)
            time.sleep(choose.uniform(0.4 * whole, 1.05 * whole))
            process.kill()
            seen["killed" if process.wait() == -signal.SIGKILL else "ended before"] += 1
            texts = [path.read_text() for path in paths]
            seen["torn files"] += sum(text not in (OLD, new) for text in texts)
            seen["killed half way"] += 0 < texts.count(new) < files
            seen["temporary files left"] += len(list(tree.glob(".tm2ms-*")))
        fill(tree, files)
        both = [start(tree), start(tree)]
        seen["failed of two at once"] += sum(run.wait() != 0 for run in both)
        seen["torn by two at once"] += sum(path.read_text() != new for path in paths)
        seen["left after the last run"] += len(list(tree.glob(".tm2ms-*")))
    keys = (
        "killed", "ended before", "killed half way", "torn files", "temporary files left",
        "left after the last run", "failed of two at once", "torn by two at once", "failed runs",
    )  # fmt: skip
    print(", ".join(f"{key} {seen[key]}" for key in keys))
    bad = ("torn files", "left after the last run", "torn by two at once", "failed runs")
    return int(any(seen[key] for key in bad) or not seen["killed half way"])


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [220, 25][len(numbers) :])))
