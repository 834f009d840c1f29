"""Programs that do something to a layer after it was built."""

from __future__ import annotations

HEAD = "import torch\nimport torch.nn as nn\n\n\n"
NET = """class Net(nn.Module):
    n = 0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d({0})
        self.bn = nn.BatchNorm2d(4)
        self.lin = nn.Linear(4, 4)
{1}
    def forward(self, x):
        return self.bn(self.conv(x)), self.n
{2}"""


def _model(text: str, arguments: str) -> str:
    """Return a module with a model; what is indented goes into its `__init__`."""
    inside = "".join(line for line in text.splitlines(True) if line[:8].isspace())
    is_inside = text.startswith("        ")
    return HEAD + NET.format(
        arguments, inside if is_inside else "", "" if is_inside else f"\n\n{text}"
    )


def net(text: str) -> str:
    """Return a module whose convolution is one layer in MindSpore, too."""
    return _model(text, "3, 4, 3")


def wrapped(text: str) -> str:
    """Return a module whose convolution becomes a SequentialCell."""
    return _model(text, '3, 4, 3, padding=1, padding_mode="reflect"')


IN = "        "
HARMLESS: dict[str, str] = {
    "nothing": "",
    "an attribute of the model": f"{IN}self.stride = (2, 2)\n",
    "an attribute of other things": "args = type('Settings', (), {})()\nargs.stride = 2\n",
    "an attribute of a parsed namespace": "import argparse\nargs = argparse.Namespace()\n"
    "args.padding = 2\n",
    "setattr on the model": f"{IN}for n in ('a', 'b'): setattr(self, n, 1)\n",
    "a layer in the place of one": "def swap(m):\n    for n, c in m.named_children():\n"
    "        setattr(m, n, nn.Identity())\n\n\nswap(Net())\n",
    "a layer by a written name": "net = Net()\nfor i in range(3): setattr(net, f'layer{i}', i)\n",
    "another layer's attribute": f"{IN}self.bn.momentum = 0.5\n",
    "another kind of layer in a loop": f"{IN}for m in self.modules():\n"
    f"{IN}    if isinstance(m, nn.MaxPool2d): m.stride = 2\n",
    "an attribute that torch does not use": f"{IN}self.conv.in_channels = 7\n",
    "an attribute of its own": f"{IN}self.conv.tag = 'first'\n",
    "a read": f"{IN}s = self.conv.stride\n",
    "an initialiser of another": f"{IN}self.lin.weight.data.mul_(2)\n",
}
DONE_TO: dict[str, str] = {
    "stride": f"{IN}self.conv.stride = (2, 2)\n",
    "padding in a tuple": f"{IN}self.conv.padding, x = (0, 0), 1\n",
    "an augmented assignment": f"{IN}self.conv.stride += ()\n",
    "an alias": f"{IN}c = self.conv\n{IN}c.stride = (2, 2)\n",
    "an alias of an alias": f"{IN}a = [self.conv]\n{IN}b = a[0]\n{IN}b.dilation = (2, 2)\n",
    "a walrus": f"{IN}(c := self.conv).stride = (2, 2)\n",
    "a loop over modules": f"{IN}for m in self.modules():\n"
    f"{IN}    if isinstance(m, nn.Conv2d): m.stride = (2, 2)\n",
    "a loop over children": f"{IN}for m in self.children():\n{IN}    m.padding = (1, 1)\n",
    "a loop over named modules": f"{IN}for n, m in self.named_modules():\n"
    f"{IN}    if n == 'conv': m.stride = (2, 2)\n",
    "a loop over a list": f"{IN}for m in [self.bn, self.conv]: m.padding = (1, 1)\n",
    "a loop's target": f"{IN}for self.conv.stride in [(2, 2)]: pass\n",
    "setattr": f"{IN}setattr(self.conv, 'stride', (2, 2))\n",
    "setattr of whatever": f"{IN}for k, v in {{'stride': (2, 2)}}.items():\n"
    f"{IN}    setattr(self.conv, k, v)\n",
    "its own __setattr__": f"{IN}self.conv.__setattr__('stride', (2, 2))\n",
    "Module's __setattr__": f"{IN}nn.Module.__setattr__(self.conv, 'stride', (2, 2))\n",
    "object's __setattr__": f"{IN}object.__setattr__(self.conv, 'stride', (2, 2))\n",
    "its dictionary": f"{IN}self.conv.__dict__['stride'] = (2, 2)\n",
    "its dictionary updated": f"{IN}self.conv.__dict__.update(stride=(2, 2))\n",
    "vars": f"{IN}vars(self.conv)['stride'] = (2, 2)\n",
    "vars updated": f"{IN}vars(self.conv).update({{'stride': (2, 2)}})\n",
    "getattr": f"{IN}getattr(self, 'conv').stride = (2, 2)\n",
    "getattr of whatever": f"{IN}getattr(self, 'co' + 'nv').stride = (2, 2)\n",
    "the table of children": f"{IN}self._modules['conv'].stride = (2, 2)\n",
    "get_submodule": f"{IN}self.get_submodule('conv').stride = (2, 2)\n",
    "forward": f"{IN}self.conv.forward = lambda x: x.repeat(1, 2, 1, 1)[:, :4]\n",
    "_conv_forward": f"{IN}self.conv._conv_forward = lambda x, w, b: x[:, [0, 1, 2, 0]]\n",
    "at the module's level": "net = Net()\nnet.conv.stride = (2, 2)\n",
    "a function": "def widen(m):\n    m.conv.stride = (2, 2)\n\n\nwiden(Net())\n",
    "a function of a layer": "def widen(m):\n    m.stride = (2, 2)\n\n\nwiden(Net().conv)\n",
    "a function by keyword": "def widen(m):\n    m.stride = (2, 2)\n\n\nwiden(m=Net().conv)\n",
    "a function nobody calls here": "def widen(m):\n    m.stride = (2, 2)\n",
    "apply": "def widen(m):\n    m.stride = (2, 2)\n\n\nNet().apply(widen)\n",
    "apply of a lambda": "Net().apply(lambda m: setattr(m, 'stride', (2, 2)))\n",
    "a method of another class": "class Tool:\n    def run(self, net):\n"
    "        net.conv.stride = (2, 2)\n",
    "an attribute of another class": "class Tool:\n    def __init__(self, net):\n"
    "        self.net = net\n\n    def run(self):\n        self.net.conv.stride = (2, 2)\n\n\n"
    "Tool(Net()).run()\n",
    "a model in a wrapper": "net = nn.DataParallel(Net())\nnet.module.conv.stride = (2, 2)\n",
    "a class of it": "class Big(Net):\n    def __init__(self):\n        super().__init__()\n"
    "        self.conv.stride = (2, 2)\n",
}
CHANGED: dict[str, str] = {
    "arithmetic on its weight": f"{IN}self.conv.weight.data.mul_(0)\n",
    "arithmetic without data": f"{IN}with torch.no_grad(): self.conv.bias.sub_(5)\n",
    "arithmetic in a loop": f"{IN}for m in self.modules():\n"
    f"{IN}    if isinstance(m, nn.Conv2d): m.weight.data.mul_(0)\n",
}
REPLACED: dict[str, str] = {
    "its weight": f"{IN}self.conv.weight = nn.Parameter(torch.ones(4, 3, 3, 3))\n",
    "its bias": f"{IN}self.conv.bias = None\n",
    "its weight by setattr": f"{IN}w = nn.Parameter(torch.ones(4, 3, 3, 3))\n"
    f"{IN}setattr(self.conv, 'weight', w)\n",
    "its weight is another's": f"{IN}self.other = nn.Conv2d(3, 4, 3)\n"
    f"{IN}self.conv.weight = self.other.weight\n",
    "its bias is deleted": f"{IN}del self.conv.bias\n"
    f"{IN}self.conv.register_parameter('bias', None)\n",
    "its weight in a loop": f"{IN}for m in self.children():\n"
    f"{IN}    if isinstance(m, nn.Conv2d): m.weight = nn.Parameter(torch.ones(4, 3, 3, 3))\n",
}
"""What a layer that became a SequentialCell would keep as an attribute that nobody reads."""
ASKED: dict[str, str] = {
    "isinstance": f"{IN}self.n = isinstance(self.conv, nn.Conv2d)\n",
    "isinstance of a base": f"{IN}self.n = isinstance(self.conv, nn.modules.conv._ConvNd)\n",
    "isinstance of a table": f"{IN}T = (nn.Conv2d, nn.Linear)\n"
    f"{IN}self.n = isinstance(self.conv, T)\n",
    "its type": f"{IN}self.n = type(self.conv) in (nn.Conv2d, nn.Linear)\n",
    "a filtered list": f"{IN}self.n = len([m for m in self.children() "
    "if isinstance(m, nn.Conv2d)])\n",
    "the name of its class": f"{IN}for m in self.children():\n"
    f"{IN}    self.n = m.__class__.__name__.find('Conv')\n",
    "the name of its type": f"{IN}self.n = type(self.conv).__name__\n",
    "hasattr": f"{IN}self.n = hasattr(self.conv, 'weight')\n",
    "getattr with a default": f"{IN}self.n = getattr(self.conv, 'bias', None) is None\n",
    "at the module's level": "n = isinstance(Net().conv, nn.Conv2d)\n",
}
UNASKED: dict[str, str] = {
    "nothing": "",
    "a loop over modules, which finds the one inside": f"{IN}for m in self.modules():\n"
    f"{IN}    if isinstance(m, nn.Conv2d): print(m)\n",
    "apply, which finds the one inside": "def init(m):\n    if isinstance(m, nn.Conv2d): pass\n\n\n"
    "Net().apply(init)\n",
    "another class": f"{IN}x = isinstance(self.conv, nn.BatchNorm2d)\n",
    "another layer": f"{IN}x = isinstance(self.bn, nn.Conv2d)\n",
    "another object": "def f(x):\n    return isinstance(x, (list, tuple))\n",
}
FROM = "from model import Net\n"
ELSEWHERE: dict[str, str] = {
    "an attribute": f"{FROM}net = Net()\nnet.conv.stride = (2, 2)\n",
    "a module's alias": "import model as m\nnet = m.Net()\nsetattr(net.conv, 'stride', (2, 2))\n",
    "a loop": f"{FROM}for m in Net().modules():\n    m.padding = (1, 1)\n",
    "a function": f"{FROM}\n\ndef f(m):\n    m.stride = (2, 2)\n\n\nf(Net().conv)\n",
    "another name": "from model import Net as N\n\nN().conv.stride = (2, 2)\n",
    "arithmetic": f"{FROM}net = Net()\nnet.conv.weight.data.mul_(0)\n",
}
OUTSIDE: dict[str, str] = {
    "nothing": FROM,
    "a module of Python's": f"{FROM}import sys\n\n\nclass Held:\n    def __init__(self):\n"
    "        self.modules = {'a': Net().conv}\n\n\ndef f(name, key):\n"
    "    mod = sys.modules[name]\n    setattr(mod, key, 1)\n\n\nf('x', input())\n",
    "its own layer": f"{FROM}import torch.nn as nn\nown = nn.Conv2d(3, 3, 3)\n"
    "own.stride = (2, 2)\n",
    "an attribute of a namespace": f"{FROM}import argparse\nargs = argparse.Namespace()\n"
    "args.stride = 2\n",
    "a file that does not import it": "import torch\nnet = torch.load('x')\nnet.conv.stride = 2\n",
}
LOUD: dict[str, str] = {
    "weight_norm in a second statement": f"{IN}self.conv = nn.utils.weight_norm(self.conv)\n",
    "weight_norm through a name": f"{IN}wn = nn.utils.weight_norm\n{IN}wn(self.conv)\n",
    "weight_norm outside": "net = Net()\nnn.utils.weight_norm(net.conv)\n",
    "an initialiser": f"{IN}nn.init.kaiming_normal_(self.conv.weight)\n",
    "an initialiser in a loop": f"{IN}for m in self.modules():\n"
    f"{IN}    if isinstance(m, nn.Conv2d): nn.init.zeros_(m.weight)\n",
    "a method of its weight": f"{IN}self.conv.weight.data.normal_(0, 1)\n",
}
