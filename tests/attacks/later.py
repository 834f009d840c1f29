"""What programs do to classes and layers after they are made, and what they ask them."""

from __future__ import annotations

from tests.attacks.case import BUILD, CONV, HEAD, Case, net, program

WRAPPED = "self.conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode='reflect')"
TWICE = "return self.conv(x) * self.n"
DOUBLE = "lambda self, x: x * 2"

CASES: dict[str, Case] = {
    # --- a `forward` that comes from elsewhere ---
    "forward set on the class": net(
        "left", CONV, "return self.conv(x)", after=f"\n\nNet.forward = {DOUBLE}\n"
    ),
    "forward set by setattr": net(
        "left", CONV, "return self.conv(x)", after=f"\n\nsetattr(Net, 'forward', {DOUBLE})\n"
    ),
    "forward set under another name of the class": net(
        "left", CONV, "return self.conv(x)", after=f"\n\nK = Net\nK.forward = {DOUBLE}\n"
    ),
    "forward set on self": net(
        "left", f"{CONV}\nself.forward = self.other", "return self.conv(x)",
        after="\n    def other(self, x):\n        return x * 2\n",
    ),
    "forward is another method": net(
        "left", CONV, "return self.conv(x)",
        after="\n    def other(self, x):\n        return x * 2\n\n    forward = other\n",
    ),
    "forward set by another file": Case(
        {
            "lib.py": net("left", CONV, "return self.conv(x)").files["main.py"],
            "main.py": f"import lib\nfrom lib import build\n\nlib.Net.forward = {DOUBLE}\n",
        },
        "left",
    ),
    # --- what is counted, named or asked where one layer would become two ---
    "a count of modules": net("left", f"{WRAPPED}\nself.n = len(list(self.modules()))", TWICE),
    "a count of layers, of which none becomes two": net(
        "equal", f"{CONV}\nself.n = len(list(self.modules()))", TWICE
    ),
    "modules with their numbers": net(
        "left",
        f"{WRAPPED}\nfor i, m in enumerate(self.modules()):\n    self.n = i", TWICE,
    ),
    "names of parameters": net(
        "left",
        f"{WRAPPED}\nself.n = sum(n == 'conv.weight' for n, p in self.named_parameters())", TWICE,
    ),
    "parameters whose names nobody reads": net(
        "equal", f"{WRAPPED}\nself.n = sum(p.requires_grad for _, p in self.named_parameters())",
        TWICE,
    ),
    "names of modules": net(
        "left",
        f"{WRAPPED}\nself.n = len('-'.join(n for n, m in self.named_modules()))", TWICE,
    ),
    "the class's name by _get_name": net(
        "left", f"{WRAPPED}\nself.n = sum('Conv2d' == m._get_name() for m in self.children())",
        TWICE,
    ),
    "its repr": net("left", f"{WRAPPED}\nself.n = 2 if 'reflect' in repr(self.conv) else 3", TWICE),
    "how many are a Sequential": net(
        "left",
        f"{WRAPPED}\nself.n = 1 + sum(isinstance(m, nn.Sequential) for m in self.modules())",
        TWICE,
    ),
    # --- classes that MindSpore tells apart otherwise ---
    "a ReLU6 is a Hardtanh": net(
        "left", f"{CONV}\nself.a = nn.ReLU6()\nself.n = 2 - isinstance(self.a, nn.Hardtanh)", TWICE
    ),
    "an InstanceNorm is no GroupNorm": net(
        "left",
        f"{CONV}\nself.a = nn.InstanceNorm2d(3)\nself.n = 2 - isinstance(self.a, nn.GroupNorm)",
        TWICE,
    ),
    "a GroupNorm is one, where no other is": net(
        "equal",
        f"{CONV}\nself.a = nn.GroupNorm(1, 3)\nself.n = 2 - isinstance(self.a, nn.GroupNorm)",
        TWICE,
    ),
    "a BatchNorm3d holds no BatchNorm2d": net(
        "left",
        f"{CONV}\nself.a = nn.BatchNorm3d(3)\n"
        "self.n = 1 + sum(isinstance(m, nn.BatchNorm2d) for m in self.modules())",
        TWICE,
    ),
    # --- names of classes ---
    "a Linear looked for by name, as initialisers do": Case(
        {
            "main.py": f"""{HEAD}

def started(m):
    name = m.__class__.__name__
    if name.find('Conv') != -1:
        nn.init.constant_(m.weight, 0.5)
    elif name.find('Linear') != -1:
        nn.init.constant_(m.weight, 0.25)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.fc = nn.Linear(8, 8, bias=False)
        self.apply(started)

    def forward(self, x):
        return self.fc(self.conv(x))


def run(x):
    return Net()(x)
"""
        },
        "left",
    ),
    "a Conv looked for by name": Case(
        {
            "main.py": f"""{HEAD}

def started(m):
    if m.__class__.__name__.find('Conv') != -1:
        nn.init.constant_(m.weight, 0.5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.ConvTranspose2d(3, 3, 1, bias=False)
        self.apply(started)

    def forward(self, x):
        return self.conv(x)


def run(x):
    return Net()(x)
"""
        },
        "equal",
    ),
    "the name of a layer's class": net(
        "left", f"{CONV}\nself.a = nn.Linear(8, 8)\nself.n = len(type(self.a).__name__)", TWICE
    ),
    "torch's name of a layer's class, which is MindSpore's": net(
        "equal", f"{CONV}\nself.n = len(type(self.conv).__name__)", TWICE
    ),
    # --- names that are given another value ---
    "a method of Tensor's": program(
        "left",
        "old = torch.Tensor.sum\ntorch.Tensor.sum = lambda self, *a, **k: old(self, *a, **k) * 2\n"
        "\n\ndef run(x):\n    found = x.sum()\n    torch.Tensor.sum = old\n    return found\n",
    ),
    "a name of another file's": Case(
        {
            "lib.py": f"{HEAD}ReLU = nn.ReLU\n",
            "patch.py": "import lib\nfrom torch import nn\n\nlib.ReLU = nn.Sigmoid\n",
            "main.py": f"{HEAD}import patch\nfrom lib import ReLU\n\n\n"
            f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            f"        {CONV}\n        self.a = ReLU()\n\n    def forward(self, x):\n"
            f"        return self.a(self.conv(x))\n{BUILD}",
        },
        "left",
    ),
    "a star behind the import brings another": Case(
        {
            "lib.py": "import torch\n\n\nclass nn:\n    ReLU = torch.nn.Sigmoid\n"
            "    seed = torch.initial_seed()\n",
            "main.py": f"{HEAD}from lib import *\n\n\ndef run(x):\n    return nn.ReLU()(x)\n",
        },
        "left",
    ),
    "a lambda that stays, of another file": Case(
        {
            "acts.py": f"{HEAD}act = lambda: nn.ReLU(inplace=torch.initial_seed() != 0)\n",
            "main.py": f"{HEAD}from acts import act\n\n\nclass Net(nn.Module):\n"
            f"    def __init__(self):\n        super().__init__()\n        {CONV}\n"
            "        self.a = act()\n\n    def forward(self, x):\n"
            f"        return self.a(self.conv(x))\n{BUILD}",
        },
        "left",
    ),
}  # fmt: skip
