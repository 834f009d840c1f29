"""Where the time of a run goes: `python benchmarks/hotspots.py [--top N] [--sort KEY] TREE`.

`--start FILE` shows instead what starting on one file imports, the dearest first. `--parts` shows
the CPU seconds of the parts of a run, each without those within it: a profiler's own cost falls on
small functions and bends the picture.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


PARTS = (
    "ast.parse",
    "mapper.running.tree._read",
    "mapper.running.file._module",
    "mapper.running.file.migrator",
    "mapper.running.module.Migrator.migrate",
    "mapper.running.module.read_names",
    "mapper.running.module._check",
    "mapper.running.drafts.Drafter.drafts",
    "mapper.running.calls.plan",
    "mapper.running.calls._render",
    "mapper.running.calls.CallRewriter._limits",
    "mapper.proving.prover.Prover.prove",
    "mapper.proving.convolutions.ConvolutionProver._prove",
    "mapper.proving.convolutions.ConvolutionProver._case",
    "mapper.proving.semantics.conv.compare._run",
    "mapper.proving.semantics.conv.compare.Comparer.compare",
    "mapper.writing.import_edits.Imports._is_used",
    "mapper.writing.import_edits.Imports._is_handed_on",
    "mapper.report.diff.file_diff",
)


def run(tree: str) -> None:
    """Do what `migrate --diff -j1` does, but for printing."""
    from mapper.model.options import Options
    from mapper.model.results import Run
    from mapper.report import render
    from mapper.running.config import load
    from mapper.running.tree import migrate_files

    config = load(Path.cwd(), {"diff": True, "jobs": 1})
    results = migrate_files([tree], config, Options(select=("conv",)))
    render("diff", Run(tuple(results), config.settings.target_version))


def parts(tree: str) -> None:
    """Print the CPU seconds of the parts, and how often each was called."""
    spent = dict.fromkeys(PARTS, 0.0)
    calls, inside = Counter[str](), [0.0]

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.process_time() - began
                spent[name] += whole - inside.pop()
                inside[-1] += whole
                calls[name] += 1

        return call

    for name in PARTS:
        module, _, attribute = name.rpartition(".")
        owner, _, method = module.rpartition(".")
        home = getattr(import_module(owner), method) if method[0].isupper() else None
        home = home or import_module(module)
        setattr(home, attribute, timed(name, getattr(home, attribute)))
    began = time.process_time()
    run(tree)
    print(f"{time.process_time() - began:.2f} s of CPU without the imports of what is listed")
    for name, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        print(f"{seconds:8.3f} s {calls[name]:8d} ×  {name.removeprefix('mapper.')}")


def profile(tree: str, sort: str, top: int) -> None:
    """Print the profile of `migrate --diff -j1`."""
    profiler = cProfile.Profile()
    with profiler:
        run(tree)
    pstats.Stats(profiler).strip_dirs().sort_stats(sort).print_stats(top)


def imports(file: str, top: int) -> None:
    """Print the imports of `migrate --check FILE` by their own time."""
    flags = ["-X", "importtime", "-m", "mapper", "migrate", "--check", file]
    done = subprocess.run([sys.executable, *flags], capture_output=True, text=True, check=False)
    lines = [one.split("|") for one in done.stderr.splitlines() if one.startswith("import time:")]
    own = sorted(((int(one[0].split(":")[1]), one[2].strip()) for one in lines[1:]), reverse=True)
    print(f"{len(own)} modules, {sum(time for time, _ in own) / 1000:.0f} ms of imports")
    for spent, name in own[:top]:
        print(f"{spent / 1000:8.1f} ms  {name}")


def main() -> None:
    """Print one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", nargs="?", default=".")
    parser.add_argument("--start", metavar="FILE")
    parser.add_argument("--sort", default="tottime", choices=["tottime", "cumtime", "ncalls"])
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--parts", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line has it
    gc.disable()
    if given.start:
        imports(given.start, given.top)
    elif given.parts:
        parts(given.tree)
    else:
        profile(given.tree, given.sort, given.top)


if __name__ == "__main__":
    main()
