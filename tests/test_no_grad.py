"""Code under no_grad: what leaves the block or the function is cut off from gradients."""

from __future__ import annotations

import textwrap

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.running.file import Task, process

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.kept = []

{method}

    def forward(self, x):
        return self.fc(x)
"""

WRITTEN = {
    "a decorator": (
        "@torch.no_grad()\ndef f(self, x):\n    y = self.fc(x)\n    return y",
        "def f(self, x):\n    y = self.fc(x)\n    return ops.stop_gradient(y)",
    ),
    "a decorator that is not called": (
        "@torch.no_grad\ndef f(self, x):\n    return self.fc(x)",
        "def f(self, x):\n    return ops.stop_gradient(self.fc(x))",
    ),
    "several values": (
        "@torch.no_grad()\ndef f(self, x):\n    return self.fc(x), x + 1",
        "def f(self, x):\n    return ops.stop_gradient((self.fc(x), x + 1))",
    ),
    "what is given, which keeps its gradients": (
        "@torch.no_grad()\ndef f(self, x):\n    return self.fc(x), x",
        "def f(self, x):\n    return ops.stop_gradient(self.fc(x)), x",
    ),
    "what is given alone": (
        "@torch.no_grad()\ndef f(self, x):\n    self.kept.append(self.fc(x))\n    return x",
        "def f(self, x):\n    self.kept.append(ops.stop_gradient(self.fc(x)))\n    return x",
    ),
    "values that a name gets one after the other": (
        "@torch.no_grad()\ndef f(self, x):\n    y = self.fc(x)\n    if y.sum() > 0:\n"
        "        y = -y\n    return {'y': y if self.training else y[0], 'z': [y]}",
        "def f(self, x):\n    y = self.fc(x)\n    if y.sum() > 0:\n        y = -y\n"
        "    return ops.stop_gradient({'y': y if self.training else y[0], 'z': [y]})",
    ),
    "parts of what is computed": (
        "@torch.no_grad()\ndef f(self, x: torch.Tensor):\n    y, z = self.fc(x), x[0]\n"
        "    return y.to(x.dtype), [one * 2 for one in (y, z)], y or z",
        "def f(self, x: ms.Tensor):\n    y, z = self.fc(x), x[0]\n"
        "    return ops.stop_gradient((y.to(x.dtype), [one * 2 for one in (y, z)], y or z))",
    ),
    "a block in the forward of a model": (
        "def forward(self, x):\n    with torch.no_grad():\n        y = self.fc(x)\n"
        "    return x + y",
        "def construct(self, x):\n    y = ops.stop_gradient(self.fc(x))\n    return x + y",
    ),
    "a block of several statements": (
        "def forward(self, x):\n    if self.training:\n        with torch.no_grad():\n"
        "            # once\n            y = self.fc(\n                x,\n            )\n\n"
        "            if y is None:\n                y = x + 1\n        x = x + y\n    return x",
        "def construct(self, x):\n    if self.training:\n        # once\n"
        "        y = ops.stop_gradient(self.fc(\n            x,\n        ))\n\n"
        "        if y is None:\n            y = ops.stop_gradient(x + 1)\n"
        "        x = x + y\n    return x",
    ),
    "what a method of MindSpore's gives": (
        "@torch.no_grad()\ndef f(self, x):\n    return self.fc(x).sin()",
        "def f(self, x):\n    return ops.stop_gradient(self.fc(x).sin())",
    ),
    "the forward of a model": (
        "@torch.no_grad()\ndef forward(self, x):\n    return self.fc(x)",
        "def construct(self, x):\n    return ops.stop_gradient(self.fc(x))",
    ),
    "what is no Tensor": (
        "@torch.no_grad()\ndef f(self, x):\n    if x is None:\n        return None\n"
        "    return self.fc(x).sum().item()",
        "def f(self, x):\n    if x is None:\n        return None\n"
        "    return self.fc(x).sum().item()",
    ),
    "a block whose names are its own": (
        "def f(self, x):\n    with torch.no_grad():\n        y = self.fc(x)\n        print(y)\n"
        "    return x",
        "def f(self, x):\n    with nullcontext():\n        y = self.fc(x)\n        print(y)\n"
        "    return x",
    ),
    "a name that is read behind it": (
        "def f(self, x):\n    with torch.no_grad():\n        y = self.fc(x)\n    return x + y",
        "def f(self, x):\n    with nullcontext():\n        y = ops.stop_gradient(self.fc(x))\n"
        "    return x + y",
    ),
    "a return inside": (
        "def f(self, x):\n    with torch.inference_mode():\n        return self.fc(x)",
        "def f(self, x):\n    with nullcontext():\n        return ops.stop_gradient(self.fc(x))",
    ),
    "an attribute": (
        "def f(self, x):\n    with torch.no_grad():\n        self.last = self.fc(x)\n",
        "def f(self, x):\n    with nullcontext():\n"
        "        self.last = ops.stop_gradient(self.fc(x))\n",
    ),
    "a list from outside": (
        "def f(self, x):\n    with torch.no_grad():\n        self.kept.append(self.fc(x))\n",
        "def f(self, x):\n    with nullcontext():\n"
        "        self.kept.append(ops.stop_gradient(self.fc(x)))\n",
    ),
    "a list of its own": (
        "def f(self, x):\n    with torch.no_grad():\n        y = []\n"
        "        y.append(self.fc(x))\n        print(y)\n",
        "def f(self, x):\n    with nullcontext():\n        y = []\n"
        "        y.append(self.fc(x))\n        print(y)\n",
    ),
    "a sum of numbers": (
        "def f(self, x):\n    total = 0\n    with torch.no_grad():\n"
        "        total += self.fc(x).sum().item()\n    return total",
        "def f(self, x):\n    total = 0\n    with nullcontext():\n"
        "        total += self.fc(x).sum().item()\n    return total",
    ),
}

LEFT = {
    "in the forward of a model, with another block": (
        "def forward(self, x):\n    with torch.no_grad(), open('x'):\n        y = self.fc(x)\n"
        "    return x + y"
    ),
    "in the forward of a model, in parentheses": (
        "def forward(self, x):\n    with (torch.no_grad()):\n        y = self.fc(x)\n    return y"
    ),
    "in the forward of a model, with a text of several lines": (
        'def forward(self, x):\n    with torch.no_grad():\n        """a\n        b"""\n'
        "        y = self.fc(x)\n    return y"
    ),
    "in the forward of a model, on one line": (
        "def forward(self, x):\n    with torch.no_grad(): y = self.fc(x)\n    return y"
    ),
    "another name for what is given": (
        "@torch.no_grad()\ndef f(self, x):\n    y = x\n    return y"
    ),
    "perhaps what is given": (
        "@torch.no_grad()\ndef f(self, x):\n    if self.training:\n        x = self.fc(x)\n"
        "    return x"
    ),
    "what a method may hand on": "@torch.no_grad()\ndef f(self, x):\n    return x.to(x.dtype)",
    "what is held": "@torch.no_grad()\ndef f(self, x):\n    return x['out']",
    "a name's own former value": (
        "@torch.no_grad()\ndef f(self, x):\n    y = self.fc(x)\n    for y in x:\n        pass\n"
        "    return y"
    ),
    "a sum of Tensors": (
        "def f(self, x):\n    total = x\n    with torch.no_grad():\n        total += self.fc(x)\n"
        "    return total"
    ),
    "a loop's name": (
        "def f(self, x):\n    with torch.no_grad():\n        for y in self.fc(x):\n"
        "            pass\n    return y"
    ),
    "a generator": "@torch.no_grad()\ndef f(self, x):\n    yield self.fc(x)",
    "a function inside": (
        "def f(self, x):\n    with torch.no_grad():\n        def g():\n"
        "            return self.fc(x)\n    return g()"
    ),
    "a lambda inside": (
        "def f(self, x):\n    with torch.no_grad():\n        g = lambda: self.fc(x)\n    return g()"
    ),
    "with a condition": (
        "def f(self, x):\n    with torch.set_grad_enabled(self.training):\n"
        "        return self.fc(x)"
    ),
    "bound to a name": "def f(self, x):\n    with torch.no_grad() as g:\n        return self.fc(x)",
}


def _migrated(method: str) -> FileResult:
    text = NET.format(method=textwrap.indent(method, "    "))
    return process(Task("net.py", text.encode()), Options())


@pytest.mark.parametrize(("before", "after"), WRITTEN.values(), ids=WRITTEN)
def test_what_leaves_is_cut_off(before: str, after: str) -> None:
    result = _migrated(before)
    assert [site.message for site in result.sites if site.status is not Status.MIGRATED] == []
    assert textwrap.indent(after, "    ") in (result.after or "")


@pytest.mark.parametrize("method", LEFT.values(), ids=LEFT)
def test_what_may_leave_in_another_way_is_left(method: str) -> None:
    result = _migrated(method)
    sites = [one for one in result.sites if one.before.startswith("torch.") and "(" in one.before]
    assert any(site.status is Status.MANUAL for site in sites), sites


def test_a_file_that_is_not_whole_gets_no_import_for_it() -> None:
    result = _migrated(f"{WRITTEN['a return inside'][0]}\n\ndef g(self):\n    torch.save(1, 'a')")
    assert not result.whole and "torch.inference_mode()" in str(result.after)
