"""What calls evaluate, run before and after on both frameworks: in order, as often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.oracle.frameworks import Refusal, attempt, import_text

HEAD = "import torch.nn as nn\n"
GROWING = "n = 1\ndef grow():\n    global n\n    n = n + 1\n    return n\n"
COUNTING = (
    "class Sizes:\n    n = 0\n    @property\n    def p(self):\n        self.n += 1\n"
    "        return self.n\n    def __getitem__(self, i):\n        self.n += 1\n"
    "        return self.n\ns = Sizes()\n"
)
PROGRAMS = {
    "a walrus": "c = nn.Conv2d(2, 8, (k := 3), padding=k // 2, padding_mode='reflect')\n",
    "a walrus that stood before": (
        "k = 9\nc = nn.Conv2d(2, 8, (k := 3), padding=k // 2, padding_mode='reflect')\n"
    ),
    "a call with effects": (
        f"{GROWING}c = nn.Conv2d(grow(), 8, 3, padding=n, padding_mode='replicate')\n"
    ),
    "a property": f"{COUNTING}c = nn.Conv2d(2, 8, 3, padding=(s.p, s.p))\n",
    "an element": f"{COUNTING}c = nn.Conv2d(2, 8, 5, padding=(s[0], 1))\n",
    "a list that a call changes": (
        "p = [1, 1]\ndef grow():\n    p[0] = 2\n    return 2\n"
        "c = nn.Conv2d(grow(), 8, 3, padding=tuple(p), padding_mode='reflect')\n"
    ),
    "a function named max": (
        "def max(*a):\n    return 1\nc = nn.Conv2d(2, 8, 5, padding=max(1, 2))\n"
    ),
    "a parameter named int": (
        "def f(int):\n    return nn.Conv2d(2, 8, 5, padding=int(1.5))\nc = f(lambda x: 2)\n"
    ),
    "a name isinstance": (
        "def f(p, isinstance=lambda *a: False):\n    return nn.Conv2d(2, 8, 5, padding=p)\n"
        "def g(p=(1, 2), isinstance=lambda *a: False):\n"
        "    return nn.Conv2d(2, 8, 5, padding=p)\nc = g((1, 2))\n"
    ),
    "a name bool": (
        "def f(k, bool=lambda x: False):\n    return nn.Conv2d(2, 8, 5, bias=k + 1)\nc = f(1)\n"
    ),
    "numbers that are one object": "c = nn.Conv2d(2, 8, 5, padding=2 if 1000 is 1000 else 1)\n",
}


def _shape(layer: Any, framework: str) -> tuple[int, ...]:
    import mindspore
    import torch

    make = torch.zeros if framework.startswith("torch") else mindspore.ops.zeros
    return tuple(layer(make((1, 2, 11, 12))).shape)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_program_computes_as_before_or_is_left(
    program: str, tmp_path: Path, both_frameworks: None
) -> None:
    text = HEAD + program
    result = process(Task("module.py", text.encode()), Options(select=("conv",)))
    shapes = []
    for name, source in (("before", text), ("after", result.after or text)):
        layer = import_text(tmp_path, f"order_{name}", source).c
        shapes.append(attempt(_shape, layer, type(layer).__module__))
    assert not isinstance(shapes[0], Refusal), shapes
    assert shapes[0] == shapes[1]
