"""How the programs are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
BUILD = "\n\ndef build():\n    return Net()\n"
CONV = "self.conv = nn.Conv2d(3, 3, 1)"


@dataclass(frozen=True)
class Case:
    """A program of one or more files, of which `main.py` has `run` or `build`.

    `becomes` is `equal`, `left` or `raises`; `inputs` are shapes of floats.
    """

    files: Mapping[str, str]
    becomes: str
    inputs: tuple[tuple[int, ...], ...] = ((2, 3, 8, 8),)
    only: tuple[str, ...] = ()
    select: tuple[str, ...] = field(default=())


def net(becomes: str, init: str, forward: str, before: str = "", after: str = "") -> Case:
    """Return a program with a model `Net`, of the lines of its two methods."""
    lines = ["super().__init__()", *init.split("\n")]
    text = (
        f"{HEAD}{before}\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        + "".join(f"        {line}\n" for line in lines)
        + "\n    def forward(self, x):\n"
        + "".join(f"        {line}\n" for line in forward.split("\n"))
        + after
    )
    return Case({"main.py": text + BUILD}, becomes)


def program(becomes: str, text: str, **others: str) -> Case:
    """Return a program of a main file, and others by their names."""
    files = {f"{name}.py": HEAD + other for name, other in others.items()}
    return Case({"main.py": HEAD + text, **files}, becomes)
