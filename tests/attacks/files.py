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
OWN = f"""{HEAD}

class Own(nn.Module):
    def __init__(self, c=3):
        super().__init__()
        self.conv = nn.Conv2d(3, c, 3, padding=1)
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x):
        return self.norm(self.conv(x))


def make():
    return Own()
"""
DERIVED = """

class Derived(Own):
    def forward(self, x):
        return self.conv(x) * 2


def build():
    return Derived()
"""
SEEN = """

found = []


def seen(m):
    torch.initial_seed()
    if isinstance(m, nn.Conv2d):
        found.append("conv")


def applied(net):
    net.apply(seen)
    return found[:1]


def run(x):
    return applied(Own())
"""


def asked(words: str, keeps: str = "") -> str:
    """Return a function that asks about a model; `keeps` keeps it torch's."""
    return f"\n\ndef run(x):\n    {keeps}\n    return {words}\n"


def own_and(main: str, becomes: str, *only: str) -> Case:
    """Return a program of a model of another file."""
    return Case({"lib.py": OWN, "main.py": main}, becomes, only=only)


OWN_MODULE = "isinstance(Own(), nn.Module)"
OWN_LAYER = "isinstance(Own().conv, nn.Conv2d)"
TORCHS = "torch.initial_seed()"


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
    # --- only one file is named in the run ---
    "a class that another file derives from": own_and(
        f"{HEAD}from lib import Own\n{DERIVED}", "left", "lib.py"
    ),
    "a class derived from another file's": own_and(
        f"{HEAD}from lib import Own\n{DERIVED}", "left", "main.py"
    ),
    "the same, in a file without torch": own_and(
        f"from lib import Own\n{DERIVED}", "left", "lib.py"
    ),
    "the same, under another name": own_and(
        f"{HEAD}from lib import Own as O\n{DERIVED.replace('(Own)', '(O)')}", "left", "lib.py"
    ),
    "the same, through its module": own_and(
        f"{HEAD}import lib\n{DERIVED.replace('(Own)', '(lib.Own)')}", "left", "lib.py"
    ),
    "a model that another file builds": own_and(
        f"from lib import Own\n{asked('Own()(x).shape')}", "left", "main.py"
    ),
    "a model that a function of another file gives": own_and(
        f"from lib import make\n{asked('make()(x).shape')}", "left", "main.py"
    ),
    "a model that a function of this file takes from another": own_and(
        "def get():\n    from lib import Own\n    return Own\n\n\nO = get()\n"
        + asked("O()(x).shape"),
        "left",
        "main.py",
    ),
    "a type test in a file that is not named": own_and(
        f"{HEAD}from lib import Own\n{asked(OWN_MODULE)}", "left", "lib.py"
    ),
    "a type test of what is another file's, not named": own_and(
        f"{HEAD}from lib import Own\n{asked(OWN_MODULE)}", "left", "main.py"
    ),
    "a class made with type of what is another file's": Case(
        {
            "lib.py": f"{HEAD}C = nn.Conv2d\n",
            "main.py": "from lib import C\n"
            + asked("type('R', (C,), {})(3, 4, 3, padding=1)(x).shape"),
        },
        "left",
        only=("main.py",),
    ),
    "a base that the file gives a name of its own": own_and(
        f"{HEAD}import lib as l\nOwn = l.Own\n{DERIVED}", "left", "main.py"
    ),
    "a class that another file gives a name and derives from": own_and(
        f"{HEAD}from lib import Own as O\nK = O\n{DERIVED.replace('(Own)', '(K)')}",
        "left",
        "lib.py",
    ),
    "a class that reaches its heir through a third file": Case(
        {
            "lib.py": OWN,
            "middle.py": "import lib\nK = lib.Own\n",
            "main.py": f"import middle\n{DERIVED.replace('(Own)', '(middle.K)')}",
        },
        "left",
        only=("lib.py",),
    ),
    # --- type tests in what stays torch's ---
    "a type test of a model": own_and(f"{HEAD}from lib import Own\n{asked(OWN_MODULE)}", "equal"),
    "a type test of a layer": own_and(f"{HEAD}from lib import Own\n{asked(OWN_LAYER)}", "equal"),
    "a type test of a model in a function that stays": own_and(
        f"{HEAD}from lib import Own\n{asked(OWN_MODULE, TORCHS)}", "left"
    ),
    "a type test of a layer in a function that stays": own_and(
        f"{HEAD}from lib import Own\n{asked(OWN_LAYER, TORCHS)}", "left"
    ),
    "the type of a layer in a function that stays": own_and(
        f"{HEAD}from lib import Own\n{asked('type(Own().conv) is nn.Conv2d', TORCHS)}", "left"
    ),
    "a type test in the same file": Case({"main.py": OWN + asked(OWN_MODULE, TORCHS)}, "left"),
    "a function that stays and is applied": own_and(f"{HEAD}from lib import Own\n{SEEN}", "left"),
    "the same, in the same file": Case({"main.py": OWN + SEEN}, "left"),
    "the same, from a third file": Case(
        {
            "lib.py": OWN,
            "seeing.py": HEAD + SEEN[: SEEN.index("def applied")],
            "main.py": "from lib import Own\nfrom seeing import found, seen\n\n\n"
            + SEEN[SEEN.index("def applied") :],
        },
        "left",
    ),
    # --- imports ---
    "a name of another file's in front of the import": Case(
        {
            "lib.py": f"{HEAD}Norm = nn.BatchNorm2d\n",
            "main.py": "import lib\nNorm = lib.Norm\nimport torch.nn as nn\n"
            "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.norm = Norm(3)\n\n    def forward(self, x):\n"
            f"        return self.norm(x)\n{BUILD}",
        },
        "equal",
    ),
}
