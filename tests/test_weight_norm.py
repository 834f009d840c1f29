"""weight_norm: a Cell that is inserted, and what torch does to a weight that it computes anew."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.running.file import Task, process

NET = """\
import torch
import torch.nn as nn
from torch.nn.utils import weight_norm


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = weight_norm({layer})
        self.plain = nn.Conv1d(4, 4, 1)
        {statement}

    def forward(self, x):
        return self.plain(self.conv(x))
"""


def _migrated(layer: str, statement: str = "pass") -> FileResult:
    text = NET.format(layer=layer, statement=statement)
    return process(Task("net.py", text.encode()), Options())


def test_the_layer_inside_is_migrated_by_its_own_rule() -> None:
    result = _migrated("nn.Conv1d(4, 4, 3, padding=1)")
    assert result.whole and result.after is not None
    assert (
        "self.conv = WeightNorm(nn.Conv1d(4, 4, 3, pad_mode='pad', padding=1, has_bias=True))"
        in result.after
    )
    assert result.after.index("class WeightNorm(nn.Cell)") < result.after.index("class Net")


LOST = {
    "of the weight's data": "self.conv.weight.data.normal_(0, 0.01)",
    "of the weight": "self.conv.weight.zero_()",
    "an initialiser": "nn.init.kaiming_normal_(self.conv.weight)",
}


@pytest.mark.parametrize("statement", LOST.values(), ids=LOST)
def test_what_the_next_call_undoes_is_dropped(statement: str) -> None:
    result = _migrated("nn.Conv1d(4, 4, 3)", statement)
    assert result.whole and result.after is not None
    assert "        pass  # weight_norm computes this weight anew\n" in result.after
    (site,) = [one for one in result.sites if one.before == statement]
    assert "has no effect there" in site.message


def test_a_statement_beside_another_is_dropped_without_a_comment() -> None:
    result = _migrated("nn.Conv1d(4, 4, 3)", f"{LOST['of the weight']}; self.n = 3")
    assert result.whole and "        pass; self.n = 3\n" in (result.after or "")


def test_a_layer_beside_it_is_initialised() -> None:
    result = _migrated("nn.Conv1d(4, 4, 3)", "self.plain.weight.data.normal_(0, 0.01)")
    assert result.whole and "self.plain.weight.set_data(" in (result.after or "")


LEFT = {
    "the weight is read": ("nn.Conv1d(4, 4, 3)", "self.n = self.conv.weight.sum()"),
    "the weight is set": ("nn.Conv1d(4, 4, 3)", "self.conv.weight = None"),
    "the norm is taken away": (
        "nn.Conv1d(4, 4, 3)", "torch.nn.utils.remove_weight_norm(self.conv)"
    ),
    "a layer that becomes two": ("nn.ConvTranspose1d(4, 4, 3, 2, output_padding=1)", "pass"),
    "a layer that becomes two, by a name": (
        "self.plain", "self.x = weight_norm(nn.Conv1d(4, 4, 3, padding=1, padding_mode='reflect'))"
    ),
    "another parameter": ("nn.Conv1d(4, 4, 3), name='bias'", "pass"),
    "a late axis": ("nn.Conv1d(4, 4, 3), dim=2", "pass"),
    "the last axis, which torch takes for all": ("nn.Conv1d(4, 4, 3), 'weight', -1", "pass"),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "statement"), LEFT.values(), ids=LEFT)
def test_what_the_inserted_cell_would_not_follow_is_left(layer: str, statement: str) -> None:
    result = _migrated(layer, statement)
    assert not result.whole and "class Net(nn.Cell)" not in (result.after or "")
    assert any(site.status is not Status.MIGRATED for site in result.sites)
