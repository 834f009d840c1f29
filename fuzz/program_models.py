"""Makes whole models as people write them, from a number: blocks, stages, a head, over files.

Every choice that such code has is drawn: how the blocks are built and filled into stages, what norm
and activation they take and from where, where tensors are added, concatenated and changed in place,
how weights start and which of them are trained, and over how many files the code is spread.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import indent

import numpy as np

from tests.oracle.programs import Program

IMPORTS = (
    "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n",
    "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n",
    "import torch.nn as nn\nimport torch\nimport torch.nn.functional as F\n",
    "import math\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn, Tensor\n",
)
ACTIVATIONS = ("ReLU", "LeakyReLU", "SiLU", "GELU", "ReLU6", "Hardswish", "ELU", "Identity")
HELPERS = '''
def conv3x3(i, o, stride=1, groups=1, dilation=1):
    """3x3 convolution with padding"""
    return nn.Conv2d(
        i, o, kernel_size=3, stride=stride, padding=dilation, groups=groups, bias=False,
        dilation=dilation,
    )


def conv1x1(i, o, stride=1):
    return nn.Conv2d(i, o, kernel_size=1, stride=stride, bias=False)


def divisible(v, d=2):
    return max(d, int(v + d / 2) // d * d)
'''


@dataclass(slots=True)
class Style:
    """The choices that hold for a whole program."""

    draw: random.Random
    act: str = field(init=False)
    norm: str = field(init=False)
    parent: str = field(init=False)

    def __post_init__(self) -> None:
        draw = self.draw
        self.act = draw.choice(ACTIVATIONS[:4] + ACTIVATIONS)
        self.norm = draw.choice(["nn.BatchNorm2d({})"] * 4 + [
            "nn.BatchNorm2d({}, eps=1e-3, momentum=0.01)", "nn.GroupNorm(2, {})",
            "nn.BatchNorm2d({}, momentum=0.3)", "nn.GroupNorm(num_groups=1, num_channels={})",
            "nn.InstanceNorm2d({})", "norm_layer({})", "norm_layer({})",
        ])  # fmt: skip
        self.parent = draw.choice(["super().__init__()", "super({}, self).__init__()"])

    def one(self, *choices: str) -> str:
        """Draw one of several texts."""
        return self.draw.choice(choices)

    def activation(self, inplace: bool) -> str:
        """Return how a layer of the activation is made."""
        flag = {"LeakyReLU": "0.2, inplace=True"}.get(self.act, "inplace=True")
        can = self.act not in ("GELU", "Identity", "Hardswish")
        given = flag if inplace and can else {"LeakyReLU": "0.2"}.get(self.act, "")
        return f"nn.{self.act}({given})"

    def function(self, x: str, inplace: bool = False) -> str:
        """Return how the activation is called as a function."""
        name = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "SiLU": "silu", "GELU": "gelu",
                "ReLU6": "relu6", "Hardswish": "hardswish", "ELU": "elu", "Identity": ""}  # fmt: skip
        if not name[self.act]:
            return x
        flags = ", 0.2" if self.act == "LeakyReLU" else ""
        flags += ", inplace=True" if inplace and self.act in ("ReLU", "LeakyReLU", "SiLU") else ""
        return f"F.{name[self.act]}({x}{flags})"

    def conv(self, i: str, o: str, k: int = 3, stride: str = "1", groups: str = "") -> str:
        """Return how a convolution is made that keeps the size but for its stride."""
        more = f", groups={groups}" if groups else ""
        if k == 1:
            return self.one(
                f"conv1x1({i}, {o}, {stride})" if not groups else f"nn.Conv2d({i}, {o}, 1{more})",
                f"nn.Conv2d({i}, {o}, 1, stride={stride}{more})",
                f"nn.Conv2d({i}, {o}, kernel_size=1, stride={stride}, bias=False{more})",
            )
        return self.one(
            f"conv3x3({i}, {o}, {stride}{more})",
            f"nn.Conv2d({i}, {o}, 3, {stride}, 1{more})",
            f"nn.Conv2d({i}, {o}, kernel_size=3, stride={stride}, padding=1, bias=False{more})",
            f"nn.Conv2d({i}, {o}, k, stride={stride}, padding=k // 2{more})",
            f"nn.Conv2d({i}, {o}, (3, 3), ({stride}, {stride}), padding=(k - 1) // 2, bias=bias{more})",
            f"nn.Conv2d({i}, {o}, 3, {stride}, padding=1, padding_mode='reflect'{more})",
        )

    def normed(self, c: str) -> str:
        """Return how a normalisation is made."""
        return self.norm.format(c)

    def start(self, name: str) -> str:
        """Return the call of the parent's `__init__`."""
        return self.parent.format(name)


def _class(
    name: str, signature: str, init: list[str], methods: str, base: str = "nn.Module"
) -> str:
    return (
        f"class {name}({base}):\n    def __init__(self, {signature}):\n"
        + indent("\n".join(init), " " * 8)
        + "\n\n"
        + indent(methods.strip("\n"), " " * 4)
        + "\n"
    )


# --- blocks: classes `Block(i, o, stride=1, k=3, bias=True, norm_layer=…)` -------------------------

SIGNATURE = "i, o, stride=1, k=3, bias=True, norm_layer=nn.BatchNorm2d"


def basic(s: Style) -> str:
    """Make the basic block of a ResNet."""
    init = [s.start("Block"), f"self.conv1 = {s.conv('i', 'o', 3, 'stride')}", f"self.bn1 = {s.normed('o')}",
            f"self.conv2 = {s.conv('o', 'o')}", f"self.bn2 = {s.normed('o')}"]  # fmt: skip
    has_layer = s.draw.random() < 0.6
    inplace = s.draw.random() < 0.6
    if has_layer:
        init.append(f"self.act = {s.activation(inplace)}")
    call = (lambda x: f"self.act({x})") if has_layer else (lambda x: s.function(x, inplace))
    if s.draw.random() < 0.5:
        init += ["self.shortcut = nn.Sequential()", "if stride != 1 or i != o:",
                 f"    self.shortcut = nn.Sequential({s.conv('i', 'o', 1, 'stride')}, {s.normed('o')})"]  # fmt: skip
        skip = (
            "out += self.shortcut(x)" if s.draw.random() < 0.6 else "out = out + self.shortcut(x)"
        )
        body = f"out = {call('self.bn1(self.conv1(x))')}\nout = self.bn2(self.conv2(out))\n{skip}\n"
        if s.draw.random() < 0.5:
            body += f"out = {call('out')}\nreturn out"
        else:
            body += f"return {call('out')}"
    else:
        init += ["self.downsample = None", "if stride != 1 or i != o:",
                 f"    self.downsample = nn.Sequential({s.conv('i', 'o', 1, 'stride')}, {s.normed('o')})"]  # fmt: skip
        body = (
            f"identity = x\n\nout = self.conv1(x)\nout = self.bn1(out)\nout = {call('out')}\n\nout = self.conv2(out)\nout = self.bn2(out)\n\n"
            "if self.downsample is not None:\n    identity = self.downsample(x)\n\n"
            f"out += identity\nout = {call('out')}\n\nreturn out"
        )
    return _class("Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}")


def preactivation(s: Style) -> str:
    """Make a block that normalises first, perhaps in place on what it was given."""
    inplace = s.draw.random() < 0.5
    init = [s.start("Block"), f"self.bn1 = {s.normed('i')}", f"self.act = {s.activation(inplace)}",
            f"self.conv1 = {s.conv('i', 'o', 3, 'stride')}", f"self.bn2 = {s.normed('o')}", f"self.conv2 = {s.conv('o', 'o')}",
            "if stride != 1 or i != o:", f"    self.shortcut = {s.conv('i', 'o', 1, 'stride')}"]  # fmt: skip
    body = s.one(
        "out = self.act(self.bn1(x))\nshortcut = self.shortcut(out) if hasattr(self, 'shortcut') else x\n"
        "out = self.conv1(out)\nout = self.conv2(self.act(self.bn2(out)))\nout += shortcut\nreturn out",
        "out = self.bn1(x)\nout = self.act(out)\nout = self.conv1(out)\nout = self.conv2(self.act(self.bn2(out)))\n"
        "return out + (self.shortcut(x) if hasattr(self, 'shortcut') else x)",
        "out = self.conv1(self.act(x))\nout = self.conv2(self.act(self.bn2(out)))\n"
        "return out + (self.shortcut(x) if hasattr(self, 'shortcut') else x)",
    )
    return _class("Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}")


def inverted(s: Style) -> str:
    """Make the block of a MobileNet, with squeeze and excitation perhaps."""
    act = s.activation(s.draw.random() < 0.7)
    unit = (
        f"class ConvUnit(nn.Sequential):\n    def __init__(self, i, o, k=3, stride=1, groups=1, norm_layer=nn.BatchNorm2d, bias=True):\n"
        f"        padding = (k - 1) // 2\n        super(ConvUnit, self).__init__(\n"
        f"            nn.Conv2d(i, o, k, stride, padding, groups=groups, bias=False),\n            {s.normed('o')},\n            {act},\n        )\n\n\n"
    )
    gate = s.draw.random() < 0.5
    squeeze = ""
    if gate:
        squeeze = _class("Squeeze", "c, r=2", [
            s.start("Squeeze"), "self.pool = nn.AdaptiveAvgPool2d(1)",
            "self.fc = nn.Sequential(nn.Linear(c, c // r, bias=False), nn.ReLU(inplace=True), nn.Linear(c // r, c, bias=False), nn.Sigmoid())",
        ], "def forward(self, x):\n    b, c, _, _ = x.size()\n    y = self.pool(x).view(b, c)\n    y = self.fc(y).view(b, c, 1, 1)\n    return "
           + s.one("x * y.expand_as(x)", "x * y", "torch.mul(x, y)")) + "\n\n"  # fmt: skip
    init = [
        s.start("Block"),
        "hidden = int(i * 2)",
        "self.use_res = stride == 1 and i == o",
        "layers = []",
    ]
    init += s.draw.choice([
        ["layers.append(ConvUnit(i, hidden, k=1))", "layers.append(ConvUnit(hidden, hidden, stride=stride, groups=hidden))"],
        ["if hidden != i:", "    layers.append(ConvUnit(i, hidden, k=1))", "layers.extend([ConvUnit(hidden, hidden, k, stride, hidden)])"],
        ["layers += [ConvUnit(i, hidden, 1), ConvUnit(hidden, hidden, stride=stride)]"],
    ])  # fmt: skip
    if gate:
        init.append("layers.append(Squeeze(hidden))")
    init += [
        f"layers += [{s.conv('hidden', 'o', 1)}, {s.normed('o')}]",
        "self.conv = nn.Sequential(*layers)",
    ]
    body = s.one(
        "if self.use_res:\n    return x + self.conv(x)\nelse:\n    return self.conv(x)",
        "out = self.conv(x)\nif self.use_res:\n    out += x\nreturn out",
        "return x + self.conv(x) if self.use_res else self.conv(x)",
    )
    block = _class("Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}")
    return f"{unit}{squeeze}{block}"


def dense(s: Style) -> str:
    """Make a block whose layers see all that was before."""
    layer = _class("DenseLayer", "i, growth, norm_layer=nn.BatchNorm2d, k=3, bias=True", [
        s.start("DenseLayer"), f"self.norm = {s.normed('i')}", f"self.act = {s.activation(s.draw.random() < 0.6)}",
        f"self.conv = {s.conv('i', 'growth')}",
    ], "def forward(self, x):\n    " + s.one(
        "new = self.conv(self.act(self.norm(x)))\n    return torch.cat([x, new], 1)",
        "out = self.norm(x)\n    out = self.act(out)\n    out = self.conv(out)\n    return torch.cat((x, out), dim=1)",
        "return torch.cat([self.conv(self.act(self.norm(x))), x], 1)",
    ))  # fmt: skip
    init = [s.start("Block"), "growth = 2", *s.draw.choice([
        ["self.layers = nn.Sequential(DenseLayer(i, growth), DenseLayer(i + growth, growth))"],
        ["layers = []", "for j in range(2):", "    layers.append(DenseLayer(i + j * growth, growth))", "self.layers = nn.Sequential(*layers)"],
        ["self.layers = nn.ModuleList([DenseLayer(i + j * growth, growth) for j in range(2)])"],
    ]), f"self.down = nn.Sequential({s.normed('i + 2 * growth')}, {s.activation(True)}, {s.conv('i + 2 * growth', 'o', 1)})",
        "self.pool = nn.AvgPool2d(stride, stride) if stride > 1 else nn.Identity()"]  # fmt: skip
    is_list = any("ModuleList" in line for line in init)
    run = (
        "for layer in self.layers:\n        x = layer(x)\n    "
        if is_list
        else "x = self.layers(x)\n    "
    )
    return f"{layer}\n\n" + _class(
        "Block", SIGNATURE, init, f"def forward(self, x):\n    {run}return self.pool(self.down(x))"
    )


def branches(s: Style) -> str:
    """Make the block of an Inception network."""
    init = [s.start("Block"), "a = o // 2", "b = o - a",
            f"self.b1 = nn.Sequential({s.conv('i', 'a', 1)}, {s.normed('a')}, {s.activation(True)})",
            f"self.b2 = nn.Sequential({s.conv('i', 'b', 1)}, {s.normed('b')}, {s.activation(True)}, {s.conv('b', 'b')}, {s.activation(False)})",
            "self.pool = nn.MaxPool2d(3, stride=stride, padding=1)" if s.draw.random() < 0.5 else "self.pool = nn.AvgPool2d(3, stride=stride, padding=1)"]  # fmt: skip
    body = s.one(
        "outputs = [self.b1(x), self.b2(x)]\nreturn self.pool(torch.cat(outputs, 1))",
        "x = self.pool(x)\ny1 = self.b1(x)\ny2 = self.b2(x)\nreturn torch.cat([y1, y2], dim=1)",
        "return self.pool(torch.cat([self.b1(x), self.b2(x)], dim=1))",
        "outs = []\nfor branch in (self.b1, self.b2):\n    outs.append(branch(x))\nreturn self.pool(torch.cat(outs, 1))",
    )
    return _class("Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}")


def shuffled(s: Style) -> str:
    """Make the block of a ShuffleNet."""
    init = [s.start("Block"), f"self.conv1 = {s.conv('i', 'o', 1)}", f"self.bn1 = {s.normed('o')}",
            f"self.conv2 = {s.conv('o', 'o', 3, 'stride', 'o')}", f"self.bn2 = {s.normed('o')}", "self.groups = 2",
            f"self.act = {s.activation(s.draw.random() < 0.5)}"]  # fmt: skip
    shuffle = s.one(
        "b, c, h, w = x.size()\n    x = x.view(b, groups, c // groups, h, w)\n    x = torch.transpose(x, 1, 2).contiguous()\n    return x.view(b, -1, h, w)",
        "b, c, h, w = x.shape\n    return x.reshape(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)",
        "n, c, h, w = x.data.size()\n    x = x.view(n, groups, c // groups, h, w).permute(0, 2, 1, 3, 4)\n    return x.contiguous().view(n, c, h, w)",
    )
    body = "out = self.act(self.bn1(self.conv1(x)))\nout = shuffle(out, self.groups)\nout = self.bn2(self.conv2(out))\n" + s.one(
        "return out", "a, b = out.chunk(2, dim=1)\nreturn torch.cat([b, a], 1)", "a, b = torch.split(out, out.size(1) // 2, dim=1)\nreturn torch.cat((a, b * 2), dim=1)",
    )  # fmt: skip
    return f"def shuffle(x, groups):\n    {shuffle}\n\n\n" + _class(
        "Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}"
    )


def attention(s: Style) -> str:
    """Make a block that looks at all places of its input."""
    init = [s.start("Block"), f"self.conv = {s.conv('i', 'o', 3, 'stride')}", f"self.norm = {s.normed('o')}",
            "self.q = nn.Conv2d(o, o // 2, 1)", "self.k = nn.Conv2d(o, o // 2, 1)", "self.v = nn.Conv2d(o, o, 1)",
            s.one("self.gamma = nn.Parameter(torch.zeros(1))", "self.gamma = nn.Parameter(torch.ones(1) * 0.5)", "self.register_buffer('gamma', torch.tensor([0.5]))"),
            s.one("self.softmax = nn.Softmax(dim=-1)", "self.softmax = nn.Softmax(dim=2)")]  # fmt: skip
    body = "x = self.norm(self.conv(x))\nb, c, h, w = x.size()\n" + s.one(
        "q = self.q(x).view(b, -1, h * w).permute(0, 2, 1)\nk = self.k(x).view(b, -1, h * w)\na = self.softmax(torch.bmm(q, k))\nv = self.v(x).view(b, -1, w * h)\n"
        "out = torch.bmm(v, a.permute(0, 2, 1))\nout = out.view(b, c, h, w)\n",
        "q = self.q(x).flatten(2).transpose(1, 2)\nk = self.k(x).flatten(2)\na = F.softmax(q @ k / k.size(1) ** 0.5, dim=-1)\nout = (self.v(x).flatten(2) @ a.transpose(-2, -1)).reshape(b, c, h, w)\n",
    ) + s.one("return self.gamma * out + x", "out = self.gamma * out\nout += x\nreturn out", "x = x + self.gamma * out\nreturn x")  # fmt: skip
    return _class("Block", SIGNATURE, init, f"def forward(self, x):\n{indent(body, '    ')}")


BLOCKS: tuple[Callable[[Style], str], ...] = (
    basic, basic, preactivation, inverted, inverted, dense, branches, shuffled, attention,
)  # fmt: skip


# --- the network ----------------------------------------------------------------------------------


def _stages(s: Style, widths: list[int]) -> tuple[list[str], str, str]:
    """Return the lines that make the stages, a method for it, and how they are run."""
    first, *rest = widths
    steps = list(zip(widths, [*rest, widths[-1]], strict=True))
    norm = s.one("", "", ", norm_layer=norm_layer") if "norm_layer" in s.norm else ""
    kind = s.draw.random()
    if kind < 0.35:
        method = s.one(
            "def _make_layer(self, block, planes, blocks, stride=1):\n    strides = [stride] + [1] * (blocks - 1)\n    layers = []\n    for stride in strides:\n"
            "        layers.append(block(self.width, planes, stride))\n        self.width = planes\n    return nn.Sequential(*layers)\n",
            f"def _make_layer(self, block, planes, blocks, stride=1):\n    layers = [block(self.width, planes, stride{norm})]\n    self.width = planes\n"
            "    for _ in range(1, blocks):\n        layers += [block(self.width, planes)]\n    return nn.Sequential(*layers)\n",
        ).replace(", norm_layer=norm_layer", "")
        lines = [f"self.width = {first}"]
        lines += [f"self.layer{j} = self._make_layer(block, {o}, {s.draw.randint(1, 2)}, stride={s.one('1', '2')})" for j, (_, o) in enumerate(steps)]  # fmt: skip
        run = "".join(f"x = self.layer{j}(x)\n" for j in range(len(steps)))
        return lines, method, run
    made = [f"block({i}, {o}{s.one('', ', stride=2', ', 2')}{norm})" for i, o in steps]
    if kind < 0.5:
        return [f"self.stages = nn.Sequential({', '.join(made)})"], "", "x = self.stages(x)\n"
    if kind < 0.65:
        lines = [f"self.stages = nn.ModuleList([{', '.join(made)}])"]
        return (
            lines,
            "",
            s.one(
                "for stage in self.stages:\n    x = stage(x)\n",
                "for i, stage in enumerate(self.stages):\n    x = stage(x)\n",
                "for i in range(len(self.stages)):\n    x = self.stages[i](x)\n",
            ),
        )
    if kind < 0.8:
        lines = [
            "stages = []",
            *(f"stages.append({one})" for one in made),
            "self.stages = nn.Sequential(*stages)",
        ]
        return lines, "", "x = self.stages(x)\n"
    if kind < 0.9:
        lines = [f"self.stage{j} = {one}" for j, one in enumerate(made)]
        run = "".join(f"x = self.stage{j}(x)\n" for j in range(len(made)))
        return lines, "", run
    pairs = ", ".join(f"('s{j}', {one})" for j, one in enumerate(made))
    return [f"self.stages = nn.Sequential(OrderedDict([{pairs}]))"], "", "x = self.stages(x)\n"


def _starts(s: Style) -> tuple[list[str], str]:
    """Return the lines that initialise and freeze, and a function for it."""
    inner = (
        "if isinstance(m, nn.Conv2d):\n    nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')\n"
        "elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):\n    nn.init.constant_(m.weight, 1)\n    nn.init.constant_(m.bias, 0)\n"
    )
    kind = s.draw.random()
    if kind < 0.35:
        return [], ""
    if kind < 0.6:
        return ["for m in self.modules():", indent(inner, "    ").rstrip()], ""
    if kind < 0.75:
        return ["self.apply(start)"], "def start(m):\n" + indent(inner, "    ") + "\n\n"
    if kind < 0.85:
        return ["for p in self.stem.parameters():", "    p.requires_grad = False"], ""
    if kind < 0.95:
        return [
            "for m in self.modules():",
            "    if isinstance(m, nn.Linear):",
            "        m.weight.data.normal_(0, 0.01)",
            "        m.bias.data.zero_()",
        ], ""
    return [
        "for name, p in self.named_parameters():",
        "    if 'stem' in name:",
        "        p.requires_grad = False",
    ], ""


def _network(s: Style) -> tuple[str, str, str]:
    """Return the text of the network, the helper before it, and how it is built."""
    widths = [s.draw.choice([4, 6]) for _ in range(s.draw.choice([2, 2, 3]))]
    made, method, run = _stages(s, widths)
    starts, before = _starts(s)
    init = [s.start("Network")]
    prefix = ""
    if s.draw.random() < 0.25:
        init += ["self.register_buffer('mean', torch.tensor([0.4, 0.5, 0.3]).view(1, 3, 1, 1))"]
        prefix = s.one("x = x - self.mean\n", "x = (x - self.mean) / 0.25\n")
    if s.draw.random() < 0.2:
        init += ["self.calls = 0"]
        prefix += "self.calls += 1\n"
    stem = [
        s.conv("3", str(widths[0]), 3, "stride"),
        s.normed(str(widths[0])),
        s.activation(s.draw.random() < 0.6),
    ]
    stem = [one.replace("stride", "1").replace("1=1", "stride=1") for one in stem]
    if s.draw.random() < 0.3:
        stem.append("nn.MaxPool2d(kernel_size=3, stride=2, padding=1)")
    init.append(f"self.stem = nn.Sequential({', '.join(stem)})")
    init += made
    last = widths[-1]
    head = s.draw.choice([
        (["self.fc = nn.Linear({c}, classes)"], "x = F.adaptive_avg_pool2d(x, 1)\nx = x.view(x.size(0), -1)\nreturn self.fc(x)"),
        (["self.avgpool = nn.AdaptiveAvgPool2d((1, 1))", "self.fc = nn.Linear({c}, classes)"], "x = self.avgpool(x)\nx = torch.flatten(x, 1)\nx = self.fc(x)\n\nreturn x"),
        (["self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear({c}, 5), nn.ReLU(inplace=True), nn.Linear(5, classes))"], "x = x.mean([2, 3])\nreturn self.classifier(x)"),
        (["self.fc = nn.Conv2d({c}, classes, 1)"], "out = F.avg_pool2d(x, x.size()[2:])\nout = self.fc(out)\nreturn out.reshape(out.shape[0], -1)"),
        (["self.up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)", "self.fc = nn.Conv2d({c}, classes, 3, padding=1)"], "return self.fc(self.up(x))"),
        (["self.up = nn.ConvTranspose2d({c}, classes, 3, stride=2, padding=1, output_padding=1)"], "x = self.up(x)\nreturn torch.sigmoid(x)"),
        (["self.fc = nn.Linear({c}, classes)"], "y = F.adaptive_max_pool2d(x, 1).flatten(1)\nreturn F.log_softmax(self.fc(y), dim=1), x"),
        (["self.fc = nn.Linear({c}, classes)", "self.aux = nn.Linear({c}, 2)"], "y = x.mean(dim=(2, 3))\nif self.training:\n    return self.fc(y), self.aux(y)\nreturn self.fc(y)"),
        (["self.scale = nn.Parameter(torch.ones(1, {c}, 1, 1))"], "return {{'out': x * self.scale, 'size': x.size(1)}}"),
        (["self.norm = nn.LayerNorm({c})", "self.fc = nn.Linear({c}, classes)"], "x = x.flatten(2).transpose(1, 2)\nx = self.norm(x)\nreturn self.fc(x).mean(1)"),
    ])  # fmt: skip
    init += [one.replace("{c}", str(last)) for one in head[0]]
    init += starts
    tail = head[1].replace("{{", "{").replace("}}", "}")
    if s.draw.random() < 0.3 and "return" in tail:
        methods = (
            f"def features(self, x):\n{indent(f'{prefix}x = self.stem(x)', '    ')}\n{indent(run, '    ')}    return x\n\n"
            f"def forward(self, x):\n    x = self.features(x)\n{indent(tail, '    ')}\n"
        )
    else:
        start = "x = self.stem(x)" if s.draw.random() < 0.7 else "y = self.stem(x)\nx = y"
        methods = f"def forward(self, x):\n{indent(f'{prefix}{start}', '    ')}\n{indent(run, '    ')}{indent(tail, '    ')}\n"
    methods = f"{method}\n{methods}" if method else methods
    default = "norm_layer=nn.BatchNorm2d" if s.draw.random() < 0.6 else "norm_layer=None"
    if default.endswith("None"):
        init.insert(1, "if norm_layer is None:\n    norm_layer = nn.BatchNorm2d")
    signature = f"block, classes=3, k=3, bias=True, {default}"
    network = _class("Network", signature, init, methods)
    built = s.one(
        "Network(Block)",
        "Network(Block, classes=4)",
        "Network(Block, 2)",
        "Network(block=Block, classes=3)",
    )
    factory = s.draw.random()
    if factory < 0.4:
        network += f"\n\ndef small(**kwargs):\n    return {built[:-1]}, **kwargs)\n"
        built = "small()"
    elif factory < 0.55:
        network += (
            "\n\ndef small(classes=3):\n    model = Network(Block, classes)\n    return model\n"
        )
        built = s.one("small()", "small(4)")
    return network, before, built


def network(draw: random.Random) -> Program:
    """Make a whole model."""
    s = Style(draw)
    text, before, built = _network(s)
    block = draw.choice(BLOCKS)(s)
    head = draw.choice(IMPORTS) + (
        "from collections import OrderedDict\n" if "OrderedDict" in text else ""
    )
    build = f"\n\ndef build():\n    return {built}\n"
    shape = draw.choice([(2, 3, 16, 16), (3, 3, 12, 16), (2, 3, 13, 11)])
    inputs = (np.random.default_rng(draw.randint(0, 99)).standard_normal(shape).astype(np.float32),)
    kind = draw.random()
    name = built.partition("(")[0]
    if kind < 0.4:
        files = {"main.py": f"{head}{HELPERS}\n\n{block}\n\n{before}{text}{build}"}
    elif kind < 0.6:  # the model in another file
        how = draw.choice(
            [f"from model import {name}, Block", "from model import *", "import model"]
        )
        call = (
            built.replace(name, f"model.{name}").replace("Block", "model.Block")
            if how == "import model"
            else built
        )
        files = {
            "model.py": f"{head}{HELPERS}\n\n{block}\n\n{before}{text}",
            "main.py": f"{how}\n\n\ndef build():\n    return {call}\n",
        }
    elif kind < 0.85:  # the blocks in another file
        how = draw.choice(
            [
                "from blocks import *",
                "from blocks import Block, conv1x1, conv3x3",
                "from blocks import (\n    Block,\n    conv1x1,\n    conv3x3,\n)",
            ]
        )
        files = {
            "blocks.py": f"{head}{HELPERS}\n\n{block}",
            "main.py": f"{head}\n{how}\n\n\n{before}{text}{build}",
        }
    else:  # a package
        files = {
            "net/__init__.py": draw.choice(
                [f"from .model import {name}, Block\n", "from .model import *\n"]
            ),
            "net/helpers.py": f"{head}{HELPERS}",
            "net/blocks.py": f"{head}\nfrom .helpers import conv1x1, conv3x3\n\n\n{block}",
            "net/model.py": f"{head}\nfrom .blocks import Block\nfrom .helpers import *\n\n\n{before}{text}",
            "main.py": f"from net import {name}, Block\n{build}",
        }
    return Program(files, inputs, trains=True)
