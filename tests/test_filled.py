"""Containers that are made empty and filled afterwards: gathered first, or left with a reason."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Status
from mapper.running.file import Task, process

HEAD = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        {body}

    def helper(self):
        return len(self.layers)

    def forward(self, x):
        return x
"""


def _migrated(body: str, head: str = HEAD) -> FileResult:
    text = head.format(body="\n        ".join(body.split("\n")))
    return process(Task("net.py", text.encode()), Options())


WRITTEN = {
    "a list of layers that is never filled": (
        "self.layers = nn.ModuleList([nn.ReLU()])",
        "self.layers = nn.CellList([nn.ReLU()])",
    ),
    "a list that is filled in a loop": (
        "self.layers = nn.ModuleList()\nfor i in range(n):\n    self.layers.append(nn.ReLU())",
        "layers = []\nfor i in range(n):\n    layers.append(nn.ReLU())\n"
        "self.layers = nn.CellList(layers)",
    ),
    "comments at the ends of lines": (
        "self.layers = nn.ModuleList([])  # all\nself.layers.append(nn.ReLU())  # the last",
        "layers = []  # all\nlayers.append(nn.ReLU())  # the last\n"
        "self.layers = nn.CellList(layers)",
    ),
    "a name that is taken": (
        "layers = 3\nself.layers = nn.ModuleList()\nself.layers.append(nn.Linear(layers, 2))",
        "layers = 3\nlayers_list = []\nlayers_list.append(nn.Dense(layers, 2))\n"
        "self.layers = nn.CellList(layers_list)",
    ),
    "reads of the length meanwhile": (
        "self.layers = nn.ModuleList()\nwhile len(self.layers) < n:\n"
        "    self.layers.append(nn.ReLU())",
        "layers = []\nwhile len(layers) < n:\n    layers.append(nn.ReLU())\n"
        "self.layers = nn.CellList(layers)",
    ),
    "a generator to begin with": (
        "self.layers = nn.ModuleList(nn.ReLU() for _ in range(n))\nself.layers.append(nn.ReLU())",
        "layers = list(nn.ReLU() for _ in range(n))\nlayers.append(nn.ReLU())\n"
        "self.layers = nn.CellList(layers)",
    ),
    "a variable": (
        "layers = nn.ModuleList()\nlayers.append(nn.ReLU())\nself.layers = layers",
        "layers = []\nlayers.append(nn.ReLU())\nlayers = nn.CellList(layers)\nself.layers = layers",
    ),
    "layers by name": (
        "self.layers = nn.Sequential()\nself.layers.add_module('a', nn.ReLU())",
        "layers = OrderedDict()\nlayers['a'] = nn.ReLU()\nself.layers = nn.SequentialCell(layers)",
    ),
    "a dict": (
        "self.layers = nn.ModuleDict()\nself.layers['a'] = nn.ReLU()",
        "layers = {}\nlayers['a'] = nn.ReLU()\nself.layers = nn.CellDict(layers)",
    ),
}


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN)
def test_layers_are_gathered_and_the_container_is_made_of_them(case: tuple[str, str]) -> None:
    before, after = case
    result = _migrated(before)
    assert "\n        ".join(after.split("\n")) in (result.after or "")
    assert result.whole
    again = process(Task("net.py", (result.after or "").encode()), Options())
    assert (again.status, again.sites) == (FileStatus.UNCHANGED, ())


def test_an_ordered_dict_is_imported_where_layers_have_names() -> None:
    result = _migrated("self.layers = nn.Sequential()\nself.layers.add_module('a', nn.ReLU())")
    assert "from collections import OrderedDict\n" in (result.after or "")


LEFT = {
    "a method reads it meanwhile": (
        "self.layers = nn.ModuleList()\nfor i in range(n):\n    self.layers.append(nn.ReLU())\n"
        "    self.size = self.helper()\nself.layers.append(nn.ReLU())"
    ),
    "self is given away meanwhile": (
        "self.layers = nn.ModuleList()\nprint(self)\nself.layers.append(nn.ReLU())"
    ),
    "it has another name": (
        "self.layers = nn.ModuleList()\nother = self.layers\nself.layers.append(nn.ReLU())\n"
        "self.other = other"
    ),
    "the function may be left before": (
        "self.layers = nn.ModuleList()\nif n:\n    return\nself.layers.append(nn.ReLU())"
    ),
    "a round of the loop may be left before": (
        "for i in range(n):\n    block = nn.ModuleList()\n    if i:\n        continue\n"
        "    block.append(nn.ReLU())"
    ),
    "layers with names and without": (
        "self.layers = nn.Sequential(nn.ReLU())\nself.layers.add_module('a', nn.ReLU())"
    ),
    "two statements on a line": (
        "self.layers = nn.ModuleList(); self.size = n\nself.layers.append(nn.ReLU())"
    ),
    "it is filled where it is not made": (
        "if n:\n    self.layers = nn.ModuleList()\nself.layers.append(nn.ReLU())"
    ),
    "children are asked for in an order that would change": (
        "self.layers = nn.ModuleList()\nself.norm = nn.BatchNorm2d(3)\n"
        "self.layers.append(nn.ReLU())\nself.all = nn.Sequential(*self.children())"
    ),
    "a Sequential that another function gets": (
        "self.layers = self.build()\nself.layers.add_module('a', nn.ReLU())"
    ),
}


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_what_could_not_be_gathered_stays_with_a_reason(body: str) -> None:
    head = HEAD + "\n    def build(self):\n        return nn.Sequential(nn.ReLU())\n"
    result = _migrated(body, head)
    left = [one.message or "" for one in result.sites if one.status is Status.MANUAL]
    assert any("layers" in one or "block" in one for one in left)
    assert "CellList" not in (result.after or "") and not result.whole
