"""What models do beside layers: weights that are tied or scaled, limits, values of open kinds."""

from __future__ import annotations

import textwrap

import pytest

from mapper import migrate_source
from mapper.model.results import Status

NET = """\
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange
from torch.nn import init
from torch.nn.modules.utils import _pair


class Net(nn.Module):
    def __init__(self, n, mean):
        super().__init__()
        self.emb = nn.Embedding(7, 3)
        self.fc = nn.Linear(3, 7)
        self.weird = nn.LayerNorm(3)
{init}

    def forward(self, x, xs):
        y = self.fc(x)
{body}
        return y
"""
DONE = {
    "tied weights": (
        "self.fc.weight = self.emb.weight",
        "self.fc.weight = self.emb.embedding_table",
    ),
    "data that is scaled": (
        "self.fc.weight.data *= n + 1",
        "self.fc.weight.set_data(self.fc.weight * (n + 1))",
    ),
    "data that is divided": (
        "self.fc.bias.data /= 2",
        "self.fc.bias.set_data(self.fc.bias / 2)",
    ),
    "a gain that is not known": (
        "init.xavier_normal_(self.fc.weight, gain=n)",
        "self.fc.weight.set_data(initializer(XavierNormal(n), self.fc.weight.shape, "
        "self.fc.weight.dtype))",
    ),
    "a pair": ("self.size = _pair(n)", "self.size = ntuple(n, 2)"),
    "a Tensor of what may be a size": (
        "self.mean = torch.Tensor(mean).view(-1)",
        "self.mean = float_tensor(mean).view(-1)",
    ),
    "a FloatTensor of what may be a size": (
        "self.mean = torch.FloatTensor(mean)",
        "self.mean = float_tensor(mean)",
    ),
}
COMPUTED = {
    "a relu in place": ("y = F.relu_(y)", "y = ops.relu(y)"),
    "a limit of a dtype": (
        "y = y - torch.finfo(y.dtype).max",
        "y = y - finfo(y.dtype).max",
    ),
    "a Tensor of sizes that is filled": (
        "y = y + torch.Tensor(3, 7).fill_(1 / 2)",
        "y = y + ops.full_like(ops.zeros((3, 7)), 1 / 2)",
    ),
    "a size in a list": (
        "y = F.interpolate(y, size=[x.size(2), 4])",
        "y = ops.interpolate(y, size=tuple([x.shape[2], 4]))",
    ),
    "a transpose of something": ("z = xs[0].transpose(0, 1)", "z = ops.swapaxes(xs[0], 0, 1)"),
    "a repeat of something": ("z = xs[0].repeat(2, 1)", "z = ops.tile(xs[0], (2, 1))"),
    "a repeat by a list": ("z = xs[0].repeat(*xs[1])", "z = ops.tile(xs[0], (*xs[1],))"),
    "an axis of one of what is computed": (
        "y = rearrange(self.fc(x), 'b 1 n -> b n')",
        "y = self.fc(x).squeeze(1)",
    ),
    "a forward with more arguments": ("y = self.forward(**xs)", "y = self.construct(**xs)"),
    "a stack of four axes": (
        "z = torch.stack((y[:, :, :, 0::2].sin(), y[:, :, :, 1::2].cos()), dim=4)",
        "z = ops.stack((y[:, :, :, 0::2].sin(), y[:, :, :, 1::2].cos()), axis=4)",
    ),
}
STANDING = {
    "a table that is shifted": (
        "t = torch.flatten(torch.zeros(2, 3), 1)\nt = t[:, :, None] - t[:, None, :]\n"
        "t = t.permute(1, 2, 0).contiguous()\nt[:, :, 0] += 1\ny = y + t.sum()"
    ),
    "a table of sines": (
        "t = torch.FloatTensor([[1, 2], [3, 4]])\nt[:, 0::2] = torch.sin(t[:, 0::2])\n"
        "t[:, 1::2] = t[:, 1::2] * 2\ny = y + t"
    ),
    "a mask that is looked at": (
        "t = torch.zeros(3) < y.sum()\nif all(t):\n    t[0] = False\ny = y * t"
    ),
    "more arguments where torch knows no others": (
        "self.act = nn.Softmax(dim=1, **xs)\ny = self.act(y)"
    ),
    "a divergence": "y = F.kl_div(y, x, reduction='batchmean')",
}
NORM = "y / ops.norm(y, ord=2.0, dim=-1, keepdim=True).clamp(min=1e-12)"
AROUND = {
    "alone": ("z = {}", "z = {}"),
    "as an argument": ("z = torch.square({})", "z = ops.square({})"),
    "under a method": ("z = {}.sum(0)", "z = ({}).sum(0)"),
    "under an attribute": ("z = {}.size(0)", "z = ({}).shape[0]"),
    "with an index": ("z = {}[0]", "z = ({})[0]"),
    "as an index": ("z = xs[{}]", "z = xs[{}]"),
    "under a power": ("z = {} ** 2", "z = ({}) ** 2"),
    "behind a division": ("z = 2 / {}", "z = 2 / ({})"),
    "behind a sign": ("z = -{}", "z = -({})"),
    "in a comparison": ("z = {} > 0", "z = ({}) > 0"),
    "behind not": ("z = not {}", "z = not ({})"),
    "in parentheses already": ("z = ({}).sum(0)", "z = (({})).sum(0)"),
    "in a template": (
        "z = F.interpolate({}, scale_factor=0.5)",
        "z = ops.interpolate(({}).unsqueeze(2), scale_factor=(1.0, 0.5, 0.5), "
        "mode='nearest').squeeze(2)",
    ),
    "in a pattern": ("z = rearrange({}, 'b 1 n -> b n')", "z = ({}).squeeze(1)"),
    "in an equation": (
        "z = torch.einsum('i,j->ij', {}, x)",
        "z = ({}).expand_dims(-1) * x",
    ),
}
LEFT = {
    "a view of a table that is handed on": (
        "t = torch.zeros(3, 3)\nself.part = t[0]\nt[0] += 1\ny = y + t"
    ),
    "arguments that torch may know": "self.act = nn.Softmax(**xs)\ny = self.act(y)",
    "one's own function that keeps": (
        "def all(t):\n    self.kept = t\n\nt = torch.zeros(3)\nall(t)\nt[0] = 1\ny = y + t"
    ),
    "a weight of another layout": "self.fc.weight = self.weird.weight",
    "a weight among others": "self.fc.weight, self.a = self.emb.weight, 1",
    "data of what is computed": "[self.fc][0].weight.data *= 2",
    "data that is shifted": "self.fc.weight.data <<= 2",
    "a relu in place of what is still read": "F.relu_(y)\ny = y + F.relu_(x)",
    "a Tensor of a Tensor that is filled": "y = torch.Tensor(y).fill_(1)",
}


@pytest.mark.parametrize(("before", "after"), DONE.values(), ids=DONE)
def test_what_is_done_to_layers_becomes_mindspores(before: str, after: str) -> None:
    _check(NET.format(init=textwrap.indent(before, " " * 8), body=""), after)


@pytest.mark.parametrize(("before", "after"), COMPUTED.values(), ids=COMPUTED)
def test_what_is_computed_becomes_mindspores(before: str, after: str) -> None:
    _check(NET.format(init="", body=textwrap.indent(before, " " * 8)), after)


def _check(text: str, after: str) -> None:
    result = migrate_source(text)
    assert [one.message for one in result.sites if one.status is not Status.MIGRATED] == []
    assert f"        {after}\n" in str(result.after) and result.whole


@pytest.mark.parametrize(("before", "after"), AROUND.values(), ids=AROUND)
def test_what_is_written_as_a_quotient_stays_one(before: str, after: str) -> None:
    body = before.format("F.normalize(y, dim=-1)")
    _check(NET.format(init="", body=textwrap.indent(body, " " * 8)), after.format(NORM))


@pytest.mark.parametrize("body", STANDING.values(), ids=STANDING)
def test_what_nothing_else_holds_is_changed_in_place(body: str) -> None:
    result = migrate_source(NET.format(init="", body=textwrap.indent(body, " " * 8)))
    assert [one.message for one in result.sites if one.status is not Status.MIGRATED] == []
    assert result.whole


@pytest.mark.parametrize("line", LEFT.values(), ids=LEFT)
def test_what_would_differ_stays_torchs(line: str) -> None:
    result = migrate_source(NET.format(init="", body=textwrap.indent(line, " " * 8)))
    assert "class Net(nn.Module)" in str(result.after)
