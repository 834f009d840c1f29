"""Attack the rewriting with programs that run: `python fuzz/programs.py COUNT [SEED] [KIND]`.

Each program is made from its number alone. It is executed with torch, migrated, and executed again
with MindSpore, with the same weights and inputs. It has to compute the same, to raise, or to have
been left alone. Prints each program that does something else without a word, and the counts. Needs
an interpreter with both frameworks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "fuzz")]
os.environ.setdefault("GLOG_v", "4")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from program_texts import KINDS, program  # noqa: E402

from tests.oracle.frameworks import load  # noqa: E402
from tests.oracle.programs import judged  # noqa: E402

BATCH = 50
SECONDS = 1500  # for a batch
WORKERS = 2


def attack(first: int, last: int, seed: str, kind: str) -> None:
    """Make, migrate and execute some programs; print what came of each as a line of JSON."""
    load()
    for number in range(first, last):
        chosen = kind or KINDS[number % len(KINDS)]
        made = program(chosen, number, seed)
        if made is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = judged(made, Path(folder))
        print("=>", json.dumps([number, chosen, found.word, found.reason, found.story]), flush=True)


def batch(first: int, last: int, seed: str, kind: str) -> list[list[Any]]:
    """Attack in a process of its own, which a framework may take down."""
    command = [sys.executable, "-W", "ignore", __file__, "--batch", str(first), str(last), seed]
    try:
        done = subprocess.run(
            [*command, kind], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        lines, died = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        lines, died = (error.stdout or b"").decode(), 1
    found = [json.loads(line[3:]) for line in lines.splitlines() if line.startswith("=> ")]
    if died:
        at = found[-1][0] + 1 if found else first
        found.append([at, kind, "died", "the process died or hung", ""])
        if at + 1 < last:
            found += batch(at + 1, last, seed, kind)
    return found


def main() -> None:
    """Attack with COUNT programs, and say what came of it."""
    if sys.argv[1] == "--batch":
        attack(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:6])
        return
    most = int(sys.argv[1])
    seed, kind = (sys.argv[2:4] + ["1", ""][len(sys.argv[2:4]) :])[:2]
    counts: dict[str, Counter[str]] = {}
    reasons = Counter[str]()
    firsts = range(0, most, BATCH)
    with ThreadPoolExecutor(WORKERS) as pool:
        runs = [pool.submit(batch, i, min(i + BATCH, most), seed, kind) for i in firsts]
        for run in as_completed(runs):
            for number, name, word, reason, words in run.result():
                counts.setdefault(name, Counter())[word] += 1
                reasons[f"{word}: {reason[:110]}"] += 1
                if word in ("different", "broken", "died"):
                    print(f"{number} {name} {word}: {words}\n", flush=True)
                elif word == "raises":
                    print(f"{number} {name} {word}: {reason}", flush=True)
    for name, count in counts.items():
        print(f"{name}: {count.total()} programs, {dict(count)}")
    for said, times in reasons.most_common(60):
        print(f"{times:5} {said}")
    sys.exit(any(count["different"] + count["broken"] for count in counts.values()))


if __name__ == "__main__":
    main()
