"""Coverage-guided fuzzing of the whole path from bytes to a result.

Run: python fuzz/atheris_process.py [CORPUS] -max_total_time=600 -dict=fuzz/conv.dict
The first byte chooses what the rest is: raw bytes, Python below imports, or a notebook's cell.
It needs atheris, which is no dependency of the project; see docs/reliability.md.
"""

from __future__ import annotations

import importlib
import json
import sys
import zlib
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
ROOMS = (
    "calls", "imports", "joined", "migrate", "notebook", "plain", "process", "rewrite", "sound",
    "strategies", "values",
)  # fmt: skip
with atheris.instrument_imports(include=["mapper"]):
    for room in (*ROOMS, "verify", "source", "suppress", "selection", "names", "scopes", "bind"):
        importlib.import_module(f"mapper.{room}")  # by name: none of them is used here

from mapper.model.options import Options  # noqa: E402
from tests.reliability.invariants import checked  # noqa: E402

HEADS = {
    0: b"",
    1: b"import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n",
    2: b"from torch.nn import *\nfrom torch import nn\nfrom torch.nn import Conv2d, Conv1d as C\n",
    3: b"import torch.nn as nn\nclass A(nn.Module):\n    def __init__(self, k=3):\n        ",
}
OPTIONS = (
    Options(select=("conv",)),
    Options(unsafe=True, select=("conv",)),
    Options(recipe="table", select=("conv",)),
)


def one(data: bytes) -> None:
    """Process one input and insist on every promise."""
    if not data:
        return
    kind, options = data[0] % 5, OPTIONS[data[0] // 5 % len(OPTIONS)]
    if kind < 4:
        checked("fuzz.py", HEADS[kind] + data[1:], options)
        return
    text = data[1:].decode("utf-8", "replace")
    cell = {"cell_type": "code", "source": "from torch import nn\n" + text, "metadata": {}}
    book = {"cells": [cell, {**cell, "source": text}], "nbformat": 4, "metadata": {}}
    checked("fuzz.ipynb", json.dumps(book).encode(), options)


def seeds(directory: Path) -> None:
    """Fill the corpus with the fixtures and what the tests know."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(sorted(ROOT.glob("fixtures/**/input/**/*.py"))):
        (directory / f"file{number}").write_bytes(b"\0" + file.read_bytes())
        for line in file.read_bytes().splitlines():
            if b"onv" in line and (b"d(" in line):
                call = line.strip()
                for kind in (1, 2, 3, 4, 6, 11):
                    name = f"line{zlib.crc32(call):08x}-{kind}"
                    (directory / name).write_bytes(bytes([kind]) + call)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
