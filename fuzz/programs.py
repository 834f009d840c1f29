"""Attack the rewriting with programs that run: `python fuzz/programs.py COUNT [SEED] [KIND]`.

Each program is made from its number alone. It is executed with torch, migrated, and executed again
with MindSpore, with the same weights and inputs. It has to compute the same, to raise, or to have
been left alone. Prints each program that does something else without a word, and the counts. Needs
an interpreter with both frameworks.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "fuzz")]
os.environ.setdefault("GLOG_v", "4")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from program_runs import Outcome, judged  # noqa: E402
from program_texts import KINDS, program  # noqa: E402

BATCH = 25


def attack(numbers: Sequence[int], seed: int, kind: str) -> list[tuple[int, str, Outcome]]:
    """Make, migrate and execute some programs; return what came of each."""
    found = []
    for number in numbers:
        chosen = kind or KINDS[number % len(KINDS)]
        made = program(chosen, f"{seed} {number}")
        if made is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found.append((number, chosen, judged(made, Path(folder))))
    return found


def main() -> None:
    """Attack with COUNT programs in two processes, and say what came of it."""
    most, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    kind = sys.argv[3] if len(sys.argv) > 3 else ""
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    batches = [range(i, min(i + BATCH, most)) for i in range(first, most, BATCH)]
    counts: dict[str, Counter[str]] = {}
    reasons = Counter[str]()
    with ProcessPoolExecutor(2, max_tasks_per_child=8) as pool:
        for found in pool.map(partial(attack, seed=seed, kind=kind), batches):
            for number, name, outcome in found:
                counts.setdefault(name, Counter())[outcome.word] += 1
                reasons[f"{outcome.word}: {outcome.reason[:110]}"] += 1
                if outcome.word in ("different", "broken") or "-v" in sys.argv:
                    print(f"{number} {name} {outcome.word}: {outcome.words}\n", flush=True)
    for name, count in counts.items():
        print(f"{name}: {count.total()} programs, {dict(count)}")
    for words, times in reasons.most_common(60):
        print(f"{times:5} {words}")
    sys.exit(any(count["different"] + count["broken"] for count in counts.values()))


if __name__ == "__main__":
    main()
