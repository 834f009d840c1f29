"""Converts weights larger than memory: python fuzz/large_weights.py [GIGABYTES]

Run with any interpreter that has tm2ms; neither framework is needed. A model of linear layers is
migrated, weights for it are written as safetensors, every other layer in bfloat16, which numpy
lacks, and `tm2ms checkpoint --report` converts them in a process of its own. Prints how long that
took and how much memory the process had at most; exits 1 when it had a gigabyte or more, when the
command fails, or when a byte of a value is another one. Needs twice the space on the disk.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 5800
LIMIT = 1 << 30
MODEL = """\
import torch.nn as nn


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential({layers})

    def forward(self, x):
        return self.layers(x)
"""

MEASURE = """\
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


def main() -> int:
    """Make the file, convert it, and compare the two."""
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 4.1
    pair = WIDTH * WIDTH * (4 + 2)  # one layer in float32 and one in bfloat16
    count = 2 * max(1, round(wanted * 1e9 / pair))
    with tempfile.TemporaryDirectory(prefix="tm2ms-") as directory:
        place = Path(directory)
        layers = ", ".join(f"nn.Linear({WIDTH}, {WIDTH}, bias=False)" for _ in range(count))
        (place / "wide.py").write_text(MODEL.format(layers=layers))
        run("migrate", place / "wide.py", "--output", place / "after",
            "--report", place / "report.json")  # fmt: skip
        old, new = place / "old.safetensors", place / "new.safetensors"
        write(old, count)
        start = time.perf_counter()
        memory = run("checkpoint", old, new, "--report", place / "report.json")
        seconds = time.perf_counter() - start
        is_same = dict(hashes(old)) == dict(hashes(new))
        words = "equal" if is_same else "DIFFERENT"
        size = old.stat().st_size / 1e9
        print(f"{size:.2f} GB, {count} layers: {seconds:.1f} s, {memory / 1e6:.0f} MB at most; "
              f"the values are {words}")  # fmt: skip
    return 0 if is_same and memory < LIMIT else 1


def run(*arguments: object) -> int:
    """Run the command and return its memory in bytes; an exit code that is not 0 ends this program.

    A program between counts, since what this one had would count as the command's own.
    """
    command = [sys.executable, "-m", "mapper", *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    return int(done.stdout.split()[-1])


def write(path: Path, count: int) -> None:
    """Write one weight after the other, each with bytes of its own."""
    header, offset = dict[str, object](), 0
    for index in range(count):
        size = WIDTH * WIDTH * (2 if index % 2 else 4)
        header[f"layers.{index}.weight"] = {
            "dtype": "BF16" if index % 2 else "F32", "shape": [WIDTH, WIDTH],
            "data_offsets": [offset, offset + size],
        }  # fmt: skip
        offset += size
    text = json.dumps(header).encode()
    random = np.random.default_rng(0)
    block = random.standard_normal(WIDTH * WIDTH).astype("<f4")
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for index in range(count):
            values = block + np.float32(index)
            file.write(values.view("<u2")[1::2].tobytes() if index % 2 else values.tobytes())


def hashes(path: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield each name with its dtype, its shape and a hash of its bytes."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name, one in header.items():
            if name == "__metadata__":
                continue
            start, end = one["data_offsets"]
            file.seek(8 + length + start)
            found = hashlib.blake2b()
            for at in range(start, end, 1 << 24):
                found.update(file.read(min(1 << 24, end - at)))
            yield name, (one["dtype"], tuple(one["shape"]), found.hexdigest())


if __name__ == "__main__":
    sys.exit(main())
