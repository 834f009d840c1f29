"""Layers and functions that change their input in torch, and not in MindSpore."""

from __future__ import annotations

from tests.attacks.case import BUILD, CONV, Case, net, program

RELU = f"{CONV}\nself.relu = nn.ReLU(inplace=True)"
BLOCK = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(self.relu(x))
"""
ACT = """
class Act(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(x) * 2
"""
SUM = "x = self.conv(x)\nreturn x + self.body(x)"

CASES: dict[str, Case] = {
    # --- the caller's own Tensor ---
    "the first layer, on what the caller gave": net(
        "left", RELU, "x = self.relu(x)\nreturn self.conv(x)"
    ),
    "a block, on what its caller uses afterwards": net(
        "left", f"{CONV}\nself.block = Block()", "x = self.conv(x)\nreturn x + self.block(x)", BLOCK
    ),
    "a block, whose caller does not use it afterwards": net(
        "equal", f"{CONV}\nself.block = Block()", "x = self.conv(x)\nreturn self.block(x)", BLOCK
    ),
    "a block behind a convolution in a Sequential": net(
        "equal", "self.body = nn.Sequential(nn.Conv2d(3, 3, 1), Block(), Block())",
        "return x + self.body(x)", BLOCK,
    ),
    "a block that a function calls": program(
        "left", f"{ACT}\nact = Act()\n\n\ndef run(x):\n    x = x * 2\n    y = act(x)\n"
        "    return x, y\n",
    ),
    "a block of another file": Case(
        program(
            "left", "from parts import Act\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
            f"        super().__init__()\n        {CONV}\n        self.act = Act()\n\n"
            "    def forward(self, x):\n        x = self.conv(x)\n        y = self.act(x)\n"
            f"        return x, y\n{BUILD}", parts=ACT,
        ).files, "left",
    ),
    "a layer of the module's own": program(
        "left", "act = nn.Hardtanh(-0.5, 0.5, inplace=True)\n\n\ndef run(x):\n    x = x * 2\n"
        "    y = act(x)\n    return x, y\n",
    ),
    "a layer of the module's own, on what the caller gave": program(
        "left",
        "act = nn.Hardtanh(-0.5, 0.5, inplace=True)\n\n\ndef run(x):\n    return act(x)\n",
    ),
    # --- containers ---
    "a list of layers that begins in place": net(
        "left",
        f"{CONV}\nlayers = []\nfor i in range(2):\n    layers.append(nn.ReLU(inplace=True))\n"
        "    layers.append(nn.Conv2d(3, 3, 1))\nself.body = nn.Sequential(*layers)", SUM,
    ),
    "a list of layers out of a method": net(
        "left", f"{CONV}\nself.body = self.make(2)", SUM, after="""
    def make(self, n):
        layers = []
        for i in range(n):
            layers += [nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)]
        return nn.Sequential(*layers)
""",
    ),
    "a Sequential out of a function": net(
        "left", f"{CONV}\nself.body = make()", SUM,
        "\n\ndef make():\n    return nn.Sequential(nn.LeakyReLU(0.1, inplace=True), "
        "nn.Conv2d(3, 3, 1))\n",
    ),
    "a list of layers, each behind a convolution": net(
        "equal", "self.body = make([4, 'M', 3])", "return self.body(x) + self.body(x).mean()", """

def make(cfg):
    layers = []
    c = 3
    for v in cfg:
        if v == 'M':
            layers += [nn.MaxPool2d(2)]
        else:
            layers += [nn.Conv2d(c, v, 3, padding=1), nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            c = v
    return nn.Sequential(*layers)
""",
    ),
    "a norm that may be missing between": net(
        "equal", "self.body = make(True)", "return x + self.body(x)", """

def make(norm):
    layers = [nn.Conv2d(3, 3, 1)]
    if norm:
        layers.append(nn.BatchNorm2d(3))
    layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
""",
    ),
    "a convolution that may be missing before": net(
        "left", f"{CONV}\nself.body = make(False)", SUM, """

def make(conv):
    layers = []
    if conv:
        layers.append(nn.Conv2d(3, 3, 1))
    layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
""",
    ),
    "a class of Sequential, as in MobileNet": net(
        "equal", "self.body = Inverted(3, 2)", "return x + self.body(x)", """

class ConvAct(nn.Sequential):
    def __init__(self, i, o, k=3):
        super(ConvAct, self).__init__(
            nn.Conv2d(i, o, k, padding=k // 2), nn.BatchNorm2d(o), nn.ReLU6(inplace=True)
        )


class Inverted(nn.Module):
    def __init__(self, c, t):
        super().__init__()
        layers = []
        if t != 1:
            layers.append(ConvAct(c, c * t, 1))
        layers.extend([ConvAct(c * t, c * t), nn.Conv2d(c * t, c, 1), nn.BatchNorm2d(c)])
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x)
""",
    ),
    "a class of Sequential that begins in place": net(
        "left", f"{CONV}\nself.body = ActConv()", SUM, """

class ActConv(nn.Sequential):
    def __init__(self):
        super().__init__(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))
""",
    ),
    "a ModuleList": net(
        "left", f"{CONV}\nself.acts = nn.ModuleList([nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)])",
        "x = self.conv(x)\ny = x\nfor act in self.acts:\n    y = act(y)\nreturn x + y",
    ),
    "a ModuleDict": net(
        "left", f"{CONV}\nself.acts = nn.ModuleDict({{'relu': nn.ReLU(inplace=True)}})",
        "x = self.conv(x)\nreturn x + self.acts['relu'](x)",
    ),
    "a table of the module's": net(
        "left", f"{CONV}\nself.act = ACTS['relu']", "x = self.conv(x)\nreturn x + self.act(x)",
        "\nACTS = {'relu': nn.ReLU(inplace=True), 'none': nn.Identity()}\n",
    ),
    "a dropout on what a pooling gave": net(
        "equal", f"{CONV}\nself.fc = nn.Sequential(nn.Dropout(0.0, inplace=True), nn.Linear(3, 2))",
        "x = self.conv(x)\nx = x.mean([2, 3])\nreturn self.fc(x)",
    ),
    "a dropout on a view of a convolution": net(
        "equal", f"{CONV}\nself.fc = nn.Sequential(nn.Dropout(0.0, True), nn.Linear(192, 2))",
        "x = self.conv(x)\nx = torch.flatten(x, 1)\nreturn self.fc(x)",
    ),
    # --- what hides it ---
    "an argument of a class": net(
        "left", f"{CONV}\nself.body = Block(nn.ReLU(inplace=True))", SUM, """

class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def forward(self, x):
        return x + self.act(x)
""",
    ),
    "a default": net(
        "left", f"{CONV}\nself.body = Block()", SUM, """

class Block(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.act = nn.ReLU(inplace=inplace)

    def forward(self, x):
        return x + self.act(x)
""",
    ),
    "a lambda of another file": Case(
        program(
            "left", "from parts import act\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
            f"        super().__init__()\n        {CONV}\n        self.act = act()\n\n"
            "    def forward(self, x):\n        x = self.conv(x)\n        return x + self.act(x)\n"
            f"{BUILD}", parts="act = lambda: nn.ReLU(inplace=True)\n",
        ).files, "left",
    ),
    "a partial of a class": net(
        "left", f"{CONV}\nself.act = act()", "x = self.conv(x)\nreturn x + self.act(x)",
        "from functools import partial\nact = partial(nn.ReLU, inplace=True)\n",
    ),
    "a partial of a function": net(
        "left", CONV, "x = self.conv(x)\nreturn x + act(x)",
        "from functools import partial\nact = partial(F.relu, inplace=True)\n",
    ),
    "an attribute set later": net(
        "left", f"{CONV}\nself.act = nn.ReLU()\nself.act.inplace = True",
        "x = self.conv(x)\nreturn x + self.act(x)",
    ),
    "attributes set in a loop": net(
        "left", f"{CONV}\nself.act = nn.ReLU()\nfor m in self.modules():\n"
        "    if hasattr(m, 'inplace'):\n        m.inplace = True",
        "x = self.conv(x)\nreturn x + self.act(x)",
    ),
    "by position": net(
        "left", f"{CONV}\nself.act = nn.LeakyReLU(0.2, True)",
        "x = self.conv(x)\ny = self.act(x)\nreturn x + y",
    ),
    "by position, of functions": net(
        "left", CONV,
        "x = self.conv(x)\ny = F.leaky_relu(x, 0.2, True)\nz = F.relu(x, True)\nreturn x + y + z",
    ),
    "given by keyword": net("left", RELU, "x = self.conv(x)\ny = self.relu(input=x)\nreturn x, y"),
    "given as a list": net(
        "left", RELU, "x = self.conv(x)\nargs = (x,)\ny = self.relu(*args)\nreturn x, y"
    ),
    "its forward": net("left", RELU, "x = self.conv(x)\ny = self.relu.forward(x)\nreturn x, y"),
    "another name of it": net(
        "left", RELU, "x = self.conv(x)\nact = self.relu\ny = act(x)\nreturn x, y"
    ),
    "getattr": net(
        "left", RELU, "x = self.conv(x)\ny = getattr(self, 're' + 'lu')(x)\nreturn x, y"
    ),
    "a method": net(
        "left", RELU, "x = self.conv(x)\ny = self.act(x)\nreturn x, y",
        after="\n    def act(self, t):\n        return self.relu(t)\n",
    ),
    "a method, on what nobody sees": net(
        "equal", RELU, "return self.act(self.conv(x)) + x",
        after="\n    def act(self, t):\n        return self.relu(t)\n",
    ),
    "a function": net(
        "left", CONV, "x = self.conv(x)\ny = act(x)\nreturn x, y",
        "\n\ndef act(t):\n    return F.relu(t, inplace=True)\n",
    ),
    "a function, on what nobody sees": net(
        "equal", CONV, "return act(self.conv(x)) + x",
        "\n\ndef act(t):\n    return F.relu(t, inplace=True)\n",
    ),
    "a function that makes it, on what nobody sees": net(
        "equal", f"{CONV}\nself.act = act('relu')", "return self.act(self.conv(x)) + x", """

def act(name):
    if name == 'relu':
        return nn.ReLU(inplace=True)
    return nn.LeakyReLU(0.1, inplace=True)
""",
    ),
    # --- other names of the Tensor ---
    "kept in a list": net(
        "left", RELU,
        "found = []\nx = self.conv(x)\nfound.append(x)\nx = self.relu(x)\nfound.append(x)\n"
        "return found",
    ),
    "an empty Sequential hands it on": net(
        "left", f"{RELU}\nself.short = nn.Sequential()",
        "x = self.conv(x)\ns = self.short(x)\nreturn self.conv(self.relu(x)) + s",
    ),
    "an Identity hands it on": net(
        "left", f"{CONV}\nself.same = nn.Identity()",
        "x = self.conv(x)\ny = self.same(x)\ny += 1\nreturn x, y",
    ),
    "a view": net(
        "left", RELU, "x = self.conv(x)\ny = x.view(x.size(0), -1)\ny = self.relu(y)\nreturn x, y"
    ),
    "in a loop": net(
        "left", RELU,
        "x = self.conv(x)\nout = 0\nfor i in range(2):\n    out = out + self.relu(x - i)\n"
        "    y = self.relu(x)\n    out = out + y + x\nreturn out",
    ),
    "as in a residual block": net(
        "equal", RELU, "out = self.relu(self.conv(x))\nout += x\nreturn self.relu(out)"
    ),
    # --- the module's own code ---
    "a name of the module's that holds another's Tensor": program(
        "left",
        "a = torch.tensor([1.0, -2.0])\nb = a\nb += 1\n\n\ndef run(x):\n    return x, a, b\n",
    ),
    "a function on a Tensor of the module's": program(
        "left",
        "a = torch.tensor([1.0, -2.0])\nb = F.relu(a, inplace=True)\n\n\n"
        "def run(x):\n    return x, a, b\n",
    ),
    "a function on a Tensor that nothing else has": program(
        "equal",
        "b = F.relu(torch.tensor([1.0, -2.0]) * 2, inplace=True)\n\n\n"
        "def run(x):\n    return x * 1, b\n",
    ),
    # --- what is assigned to ---
    "rows that change places": net(
        "left", CONV, "y = self.conv(x).clone()\ny[0], y[1] = y[1], y[0]\nreturn y"
    ),
    "a row that is kept while it is changed": net(
        "left", CONV, "y = self.conv(x).clone()\nfirst = y[0]\ny[0] = y[1] * 2\nreturn y, first"
    ),
    "one Tensor twice in a list": net(
        "left", CONV, "y = self.conv(x)\nz = [y] * 2\nz[0] += 1\nreturn z"
    ),
    "a Tensor in a dict": net(
        "left", CONV, "d = {'y': self.conv(x)}\nk = d['y']\nd['y'] += 1\nreturn d['y'], k"
    ),
    "a list of its own Tensors, as in a feature pyramid": net(
        "equal", "self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(3)])",
        "y = [c(x) for c in self.convs]\nfor i in range(2, 0, -1):\n    y[i - 1] += F.relu(y[i])\n"
        "return [F.relu(t) for t in y]",
    ),
    "the same, one of which has another name": net(
        "left", "self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(3)])",
        "y = [c(x) for c in self.convs]\nk = y[0]\nfor i in range(2, 0, -1):\n"
        "    y[i - 1] += F.relu(y[i])\nreturn [F.relu(t) for t in y], k",
    ),
    # --- views, which autodiff makes copies of in MindSpore ---
    "an element of a view": net("left", CONV, "y = self.conv(x)\ny.view(-1)[0] = 7\nreturn y"),
    "an element of a flattened one": net(
        "left", CONV, "y = self.conv(x)\ntorch.flatten(y)[0] = 7\nreturn y"
    ),
    "an element of what detach gives": net(
        "left", CONV, "y = self.conv(x)\ny.detach()[0] = 7\nreturn y"
    ),
    "an element of a parameter's view": program(
        "left", "\n\ndef run(x):\n    x = x.view(-1)\n    x[0] = 3\n    return x\n"
    ),
    "an element of an element": net("left", CONV, "y = self.conv(x)\ny[0][1] = 7\nreturn y"),
    "an element of a Tensor in a list": net(
        "equal", CONV, "y = [self.conv(x) * 1]\ny[0][0] = 7\nreturn y"
    ),
    # --- casts, which MindSpore's gradients pass ---
    "a cast to int and back": net("equal", CONV, "y = self.conv(x)\nreturn y.int().float() * y"),
    "a cast to bool": net("equal", CONV, "y = self.conv(x)\nm = y.bool()\nreturn m * y"),
    "a cast by its dtype": net(
        "equal", CONV, "y = self.conv(x)\nm = (y * 3).to(torch.long)\nreturn m * y"
    ),
    "a cast by its dtype, another way": net(
        "equal", CONV, "y = self.conv(x)\nm = (y * 3).type(torch.int32)\nm += 1\nreturn m * y"
    ),
}  # fmt: skip
