"""Kills real runs of `tm2ms migrate` over a tree; every file must stay whole, nothing may stay.

Run: python fuzz/kills.py [KILLS] [SEED]
Each round starts from the old tree. Every other kill is aimed: it strikes up to some milliseconds
after a temporary file was seen; at any other moment it hardly ever strikes inside a write. After
each kill every file must be the old or the new one; after the next run every file is new, and no
temporary file and no process is left.
Prints the counts; exits 1 when a promise is broken, or when the kills have tested nothing.
"""

from __future__ import annotations

import os
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

CALLS = "".join(f"c{i} = nn.Conv2d(3, {i}, 3)\n" for i in range(1, 9))
OLD = "import torch.nn as nn\n" + CALLS + "# a long file takes its time to write\n" * 20_000
FILES = [f"{folder}/m{number}.py" for folder in "abc" for number in range(8)]
BROKEN = (
    "torn files", "not new after the next run", "temporary files after the next run",
    "processes left", "failed runs", "failed of two at once", "torn by two at once",
)  # fmt: skip
KEYS = (
    "killed", "killed in the middle of the tree", "killed inside a write",
    "temporary files that a kill left", "ended before", *BROKEN,
)  # fmt: skip


def fill(tree: Path) -> list[Path]:
    """Write the old tree, leaving what else is there."""
    paths = [tree / name for name in FILES]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(OLD)
    return paths


def start(tree: Path, jobs: int) -> subprocess.Popen[bytes]:
    """Start one run."""
    quiet = subprocess.DEVNULL
    command = [*COMMAND, "migrate", "-q", f"-j{jobs}", str(tree)]
    return subprocess.Popen(
        command, stdout=quiet, stderr=quiet, env=environment(), cwd=tree, start_new_session=True
    )


def temporary(tree: Path) -> list[Path]:
    """Return the temporary files that are there."""
    return list(tree.rglob(".tm2ms-*"))


def wait_for_a_write(run: subprocess.Popen[bytes], tree: Path, skip: int) -> None:
    """Return when a temporary file is seen, so many files after the first; or at the run's end."""
    seen = set[str]()
    while run.poll() is None and len(seen) <= skip:
        for folder in "abc":
            seen.update(path.name for path in (tree / folder).glob(".tm2ms-*"))


def lives(group: int) -> bool:
    """Say whether a process of the group is left, allowing it some seconds to end."""
    try:
        for _ in range(1000):
            os.killpg(group, 0)
            time.sleep(0.01)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def one(tree: Path, whole: float, new: str, choose: random.Random, seen: Counter[str]) -> None:
    """Kill one run, look, run again, and look again."""
    paths, jobs = fill(tree), choose.choice((1, 2))
    run = start(tree, jobs)
    if choose.random() < 0.5:
        wait_for_a_write(run, tree, choose.randrange(len(FILES) - 2))
        time.sleep(choose.uniform(0, 0.003))
    else:
        time.sleep(choose.uniform(0.2 * whole, whole))
    run.kill()
    is_killed = run.wait() == -signal.SIGKILL
    seen["killed" if is_killed else "ended before"] += 1
    seen["processes left"] += lives(run.pid)
    texts = [path.read_text() for path in paths]
    seen["torn files"] += sum(text not in (OLD, new) for text in texts)
    seen["killed in the middle of the tree"] += 0 < texts.count(new) < len(texts)
    left = len(temporary(tree))
    seen["temporary files that a kill left"] += left
    seen["killed inside a write"] += left > 0
    seen["failed runs"] += start(tree, jobs).wait() != 0
    seen["not new after the next run"] += sum(path.read_text() != new for path in paths)
    seen["temporary files after the next run"] += len(temporary(tree))


def main(kills: int, number: int) -> int:
    """Kill so often; return the exit code."""
    seen: Counter[str] = Counter()
    choose = random.Random(number)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        paths = fill(tree)
        began = time.perf_counter()
        seen["failed runs"] += start(tree, 1).wait() != 0
        whole = time.perf_counter() - began
        new = paths[0].read_text()
        assert new != OLD
        while seen["killed"] < kills and seen["ended before"] <= kills:
            one(tree, whole, new, choose, seen)
        for _ in range(10):
            fill(tree)
            both = [start(tree, 1), start(tree, 1)]
            seen["failed of two at once"] += sum(run.wait() != 0 for run in both)
            seen["torn by two at once"] += sum(path.read_text() != new for path in paths)
            seen["temporary files after the next run"] += len(temporary(tree))
    print(", ".join(f"{key} {seen[key]}" for key in KEYS))
    tested = seen["killed"] >= kills and seen["killed inside a write"]
    return int(any(seen[key] for key in BROKEN) or not tested)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [200, 7][len(numbers) :])))
