"""Models over several files, one of which stays torch's: the others have to stay with it."""

from __future__ import annotations

from tests.attacks.case import BUILD, HEAD, Case

STAYING = f"""{HEAD}

class Block(nn.Module):
    def __init__(self, i=3, o=3):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 1)

    def forward(self, x):
        y = self.conv(x)
        z = y
        z += 1
        return y + z
"""
NETWORK = """

class Net(nn.Module):
    def __init__(self{parameter}):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.block = {block}()

    def forward(self, x):
        return self.block(self.first(x))
"""


def network(block: str = "Block", parameter: str = "") -> str:
    return NETWORK.format(block=block, parameter=parameter)


CASES: dict[str, Case] = {
    "taken by its name": Case(
        {"parts.py": STAYING, "main.py": f"{HEAD}from parts import Block\n{network()}{BUILD}"},
        "left",
    ),
    "taken by a star": Case(
        {"parts.py": STAYING, "main.py": f"{HEAD}from parts import *\n{network()}{BUILD}"}, "left"
    ),
    "taken by a star, in front of torch": Case(
        {"parts.py": STAYING, "main.py": f"from parts import *\n{HEAD}{network()}{BUILD}"}, "left"
    ),
    "taken through its module": Case(
        {"parts.py": STAYING, "main.py": f"{HEAD}import parts\n{network('parts.Block')}{BUILD}"},
        "left",
    ),
    "taken through a package": Case(
        {
            "net/__init__.py": "from .parts import *\n",
            "net/parts.py": STAYING,
            "main.py": f"{HEAD}import net\n{network('net.Block')}{BUILD}",
        },
        "left",
    ),
    "handed to the one that builds it": Case(
        {
            "main.py": f"{STAYING}{network('block', ', block')}\n\n"
            "def build():\n    return Net(Block)\n"
        },
        "left",
    ),
    "handed on by a function": Case(
        {
            "main.py": f"{STAYING}{network('block', ', block')}\n\n"
            "def make(block):\n    return Net(block)\n\n\n"
            "def build():\n    return make(Block)\n"
        },
        "left",
    ),
    "a name of MindSpore's that a star brings, too": Case(
        {
            "parts.py": f"{HEAD}ops = [2.0]\n\n\ndef scaled(x):\n    return F.relu(x) * 2\n",
            "main.py": f"{HEAD}from parts import *\n\n\ndef run(x):\n"
            "    return torch.cat([scaled(x) * ops[0], F.leaky_relu(x)], 1)\n",
        },
        "equal",
    ),
    "a function that a model calls which stays": Case(
        {
            "parts.py": f"{HEAD}\n\ndef scaled(x):\n    return F.relu(x) * 2\n",
            "main.py": "from parts import scaled\n"
            f"{STAYING.replace('return y', 'return scaled(y)')}"
            "\n\ndef build():\n    return Block()\n",
        },
        "left",
    ),
}
