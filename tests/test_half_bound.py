"""GRAPH_MODE refuses names that only a branch or loop binds: which a class is told about."""

from __future__ import annotations

import ast
import textwrap

import pytest

from mapper.analysis.half_bound import half_bound
from mapper.model.options import Options
from mapper.running.file import Task, process

COMPILED = {
    "bound at once": "y = x\nreturn y",
    "bound on both branches": "if x.sum() > 0:\n    y = x\nelse:\n    y = -x\nreturn y",
    "a branch that leaves": "if x is None:\n    return 0\nelse:\n    y = x\nreturn y",
    "read where it is bound": "if x.sum() > 0:\n    y = x\n    x = y\nreturn x",
    "two conditions on self": "if self.f:\n    y = x\nif self.f:\n    x = y\nreturn x",
    "bound before the loop": "y = x\nfor i in range(3):\n    y = y + i\nreturn y",
    "a name of a comprehension": "z = [y for y in x]\nreturn z",
    "a name of the module": "for i in x:\n    z = ops\nreturn ops.relu(x)",
}
REFUSED = {
    "in a conditional expression": (
        "if not self.f:\n    x = x * 2\nelse:\n    y = x\ny = relu(y if self.f else x)\nreturn y",
        6,
    ),
    "by a condition on an argument": (
        "if flag is not None:\n    y = x\nelse:\n    x = x * 2\n"
        "return y if flag is not None else x",
        6,
    ),
    "by one branch of a loop": (
        "for i in range(3):\n    if i == 0:\n        y = x\n    else:\n        y = y + x\nreturn y",
        6,
    ),
    "by a loop": ("for i in range(3):\n    y = x * i\nreturn y", 4),
    "by an augmented assignment": ("for i in range(3):\n    y = x\ny += 1\nreturn y", 4),
}


def parsed(body: str) -> ast.FunctionDef:
    text = "def forward(self, x, flag=None):\n" + textwrap.indent(body, "    ")
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function


@pytest.mark.parametrize("body", COMPILED.values(), ids=COMPILED.keys())
def test_a_name_that_graph_mode_knows_is_not_found(body: str) -> None:
    assert half_bound(parsed(body)) == {}


@pytest.mark.parametrize(("body", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_a_name_that_only_a_branch_or_loop_binds_is_found(body: str, line: int) -> None:
    assert half_bound(parsed(body)) == {"y": line}


def test_the_class_is_told_at_its_forward() -> None:
    text = (
        "from torch import nn\n\n\nclass A(nn.Module):\n    def forward(self, x):\n"
        "        for i in range(3):\n            y = x * i\n        return y\n"
    )
    result = process(Task("a.py", text.encode()), Options())
    assert result.whole
    said = [one.message for one in result.sites if one.api == "torch.nn.Module.forward"]
    assert said == [
        "GRAPH_MODE does not compile line 8: `y` is bound in a branch or loop alone; bind it before"
    ]
