"""Large files through the real command line: what they cost. Run: python fuzz/large.py"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.shell import COMMAND, environment

HEAD = "import torch.nn as nn\n"
FILES = {
    "100,000 calls": HEAD + "c = nn.Conv2d(3, 8, 3, padding=1)\n" * 100_000,
    "50 MB generated, one call": HEAD + "c = nn.Conv2d(3, 8, 3)\n" + "x = [1, 2, 3]\n" * 3_600_000,
    "50 MB in one string, one call": HEAD
    + "c = nn.Conv2d(3, 8, 3)\nx = '"
    + "a" * 50_000_000
    + "'\n",
    "20,000 terms joined by `and` in a call": (
        HEAD + "c = nn.Conv2d(3, 8, 3, bias=" + " and ".join(f"a{i}" for i in range(20_000)) + ")\n"
    ),
    "100,000 comments in a call": HEAD + "c = nn.Conv2d(3, 8,\n" + "# x\n" * 100_000 + "3)\n",
}


def main() -> None:
    """Print one line for each file."""
    for name, text in FILES.items():
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "large.py")
            path.write_text(text)
            began = time.perf_counter()
            quiet = subprocess.DEVNULL
            command = [*COMMAND, "migrate", "-q", str(path)]
            run = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment())
            _, state, usage = os.wait4(run.pid, 0)
            code = os.waitstatus_to_exitcode(state)
            run.returncode = code
            seconds, room = time.perf_counter() - began, usage.ru_maxrss // 1024
            size = len(text) / 1e6
            print(
                f"{name}: {size:.1f} MB, {seconds:.1f} s, {room} MB of memory, exit {code}",
                flush=True,
            )


if __name__ == "__main__":
    main()
