"""Large files through the real command line: what they cost. Run: python fuzz/large.py"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mapper.limits import LARGEST_SOURCE as LARGEST
from tests.shell import COMMAND, environment

HEAD = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
FUNCTION = (
    "def f(self, x, y):\n    z = self.a(x) + self.b[y].c\n    return torch.cat([z, x], dim=1)\n"
)


def filled(line: str, size: int) -> str:
    """Return a module of about so many bytes that repeats a line behind one call."""
    return HEAD + line * ((size - len(HEAD)) // len(line))


def notebook(size: int) -> str:
    """Return a notebook of about so many bytes, with a picture in each output."""
    picture = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 90_000}}
    cell = {"cell_type": "code", "metadata": {}, "source": HEAD, "outputs": [picture]}
    return json.dumps({"cells": [cell] * (size // 1_000_000), "nbformat": 4, "metadata": {}})


FILES = {
    "100,000 calls.py": lambda: HEAD + "c = nn.Conv2d(3, 8, 3, padding=1)\n" * 100_000,
    "the most: short names.py": lambda: HEAD + "x = [\n" + "x,\n" * ((LARGEST - 100) // 3) + "]\n",
    "the most: short statements.py": lambda: filled("x = 1\n", LARGEST),
    "the most: functions.py": lambda: filled(FUNCTION, LARGEST),
    "the most: one string.py": lambda: f"{HEAD}x = '{'a' * (LARGEST - 100)}'\n",
    "50 MB of data.py": lambda: filled("x = [1, 2, 3]\n", 50_000_000),
    "50 MB in one string.py": lambda: f"{HEAD}x = '{'a' * 50_000_000}'\n",
    "50 MB without a convolution.py": lambda: "x = [1, 2, 3]\n" * 3_600_000,
    "50 MB of pictures.ipynb": lambda: notebook(50_000_000),
    "120 MB of pictures.ipynb": lambda: notebook(120_000_000),
    "20,000 terms in a call.py": lambda: (
        HEAD + "c = nn.Conv2d(3, 8, 3, bias=" + " and ".join(f"a{i}" for i in range(20_000)) + ")\n"
    ),
    "100,000 comments in a call.py": lambda: (
        HEAD + "c = nn.Conv2d(3, 8,\n" + "# x\n" * 100_000 + "3)\n"
    ),
}


def main() -> None:
    """Print one line for each file."""
    for name, make in FILES.items():
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, name)
            path.write_text(make())
            size = path.stat().st_size / 1e6
            began = time.perf_counter()
            run = subprocess.Popen(
                [*COMMAND, "migrate", "-q", str(path)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(),
            )  # fmt: skip
            assert run.stderr is not None
            said = run.stderr.read().decode()
            _, state, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(state)
            assert "Traceback" not in said, said
            print(
                f"{name}: {size:.1f} MB, {usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
                f"{time.perf_counter() - began:.1f} s, {usage.ru_maxrss // 1024} MB of memory, "
                f"exit {run.returncode}",
                flush=True,
            )


if __name__ == "__main__":
    main()
