"""Where the time of a run goes: `python benchmarks/hotspots.py [--top N] [--sort KEY] TREE`.

`--start FILE` shows instead what starting on one file imports, the dearest first.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def profile(tree: str, sort: str, top: int) -> None:
    """Print the profile of `migrate --diff -j1`."""
    from mapper.config import load
    from mapper.options import Options
    from mapper.outcome import Run
    from mapper.report import render
    from mapper.run import migrate_files

    config = load(Path.cwd(), {"diff": True, "jobs": 1})
    profiler = cProfile.Profile()
    with profiler:
        results = migrate_files([tree], config, Options())
        render("diff", Run(tuple(results), config.settings.target_version))
    pstats.Stats(profiler).strip_dirs().sort_stats(sort).print_stats(top)


def imports(file: str, top: int) -> None:
    """Print the imports of `migrate --check FILE` by their own time."""
    flags = ["-X", "importtime", "-m", "mapper", "migrate", "--check", file]
    done = subprocess.run([sys.executable, *flags], capture_output=True, text=True, check=False)
    lines = [one.split("|") for one in done.stderr.splitlines() if one.startswith("import time:")]
    own = sorted(((int(one[0].split(":")[1]), one[2].strip()) for one in lines[1:]), reverse=True)
    print(f"{len(own)} modules, {sum(time for time, _ in own) / 1000:.0f} ms of imports")
    for time, name in own[:top]:
        print(f"{time / 1000:8.1f} ms  {name}")


def main() -> None:
    """Print one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", nargs="?", default=".")
    parser.add_argument("--start", metavar="FILE")
    parser.add_argument("--sort", default="tottime", choices=["tottime", "cumtime", "ncalls"])
    parser.add_argument("--top", type=int, default=30)
    given = parser.parse_args()
    if given.start:
        imports(given.start, given.top)
    else:
        profile(given.tree, given.sort, given.top)


if __name__ == "__main__":
    main()
