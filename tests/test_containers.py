"""Children that a Sequential gets as attributes: MindSpore's SequentialCell would skip them."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.model.results import Status
from mapper.running.file import Task, process

CLASS = """import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(3, 3))
        {line}

    def forward(self, x):
        return self.features(x)
"""

FUNCTION = """import torch.nn as nn


def build(model, n):
    block = nn.Sequential(nn.Linear(3, 3))
    {line}
    return block
"""


def messages(source: str) -> list[str]:
    """Return why sites stay, but for imports, which follow them."""
    result = process(Task("net.py", source.encode()), Options())
    return [
        site.message or ""
        for site in result.sites
        if site.status is not Status.MIGRATED and "this import stays" not in (site.message or "")
    ]


@pytest.mark.parametrize(
    ("template", "line"),
    [
        pytest.param(CLASS, "self.add_module('fc', nn.Linear(3, 3))", id="a child of the class"),
        pytest.param(CLASS, "setattr(self, f'fc{n}', nn.Linear(3, 3))", id="set on the class"),
        pytest.param(CLASS, "self.features.rate = 4", id="a number on a Sequential"),
        pytest.param(CLASS, "self.features[0] = nn.Linear(3, 3)", id="an item of a Sequential"),
        pytest.param(FUNCTION, "model.rate = n", id="a number on what is not known"),
    ],
)
def test_it_is_migrated_where_no_sequential_gets_a_child_by_attribute(
    template: str, line: str
) -> None:
    assert messages(template.format(line=line)) == []


@pytest.mark.parametrize(
    ("template", "line"),
    [
        pytest.param(CLASS, "self.features.add_module('fc', nn.ReLU())", id="add_module"),
        pytest.param(CLASS, "self.features.register_module('a', nn.ReLU())", id="register_module"),
        pytest.param(CLASS, "setattr(self.features, f'fc{n}', nn.ReLU())", id="setattr"),
        pytest.param(CLASS, "self.features.fc = nn.ReLU()", id="an attribute"),
        pytest.param(CLASS, "f = self.features; f.fc = nn.ReLU()", id="through another name"),
        pytest.param(FUNCTION, "block.add_module(str(n), nn.ReLU())", id="in a function"),
        pytest.param(FUNCTION, "model.add_module('fc', nn.ReLU())", id="on what is not known"),
        pytest.param(FUNCTION, "model.fc = nn.Linear(3, n)", id="a layer on what is not known"),
        pytest.param(
            FUNCTION.replace("(model, n)", "(model, n, block)").replace("    block = ", "    x = "),
            "block.fc = nn.ReLU()",
            id="on a parameter",
        ),
    ],
)
def test_it_stays_where_a_sequential_gets_a_child_by_attribute(template: str, line: str) -> None:
    found = messages(template.format(line=line))
    assert found
    assert all("MindSpore skips children that are set by attribute" in one for one in found)


def test_a_name_that_mindspore_refuses_for_a_child_is_told() -> None:
    found = messages(CLASS.format(line="self.add_module('my layer{}'.format(n), nn.ReLU())"))
    assert found
    assert all("raises in MindSpore" in one for one in found)
