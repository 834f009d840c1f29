"""The values or the indices of topk alone."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process

TEXT = """import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x, args):
        return {}
"""

WRITTEN = {
    "indices": ("x.topk(2, dim=1).indices", "ops.topk(x, 2, dim=1)[1].astype(ms.int64)"),
    "values": ("x.topk(k=2).values", "ops.topk(x, k=2)[0]"),
    "a subscript": (
        "torch.topk(x, 2, 1, False)[1]",
        "ops.topk(x, 2, 1, False)[1].astype(ms.int64)",
    ),
    "an operand that is computed": (
        "torch.rand(2, 3).topk(2).indices",
        "ops.topk(ops.rand(2, 3), 2)[1].astype(ms.int64)",
    ),
    "an operand by name": ("torch.topk(input=x, k=1)[0]", "ops.topk(input=x, k=1)[0]"),
}


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN)
def test_a_part_of_topk_is_one_call(case: tuple[str, str]) -> None:
    before, after = case
    result = process(Task("net.py", TEXT.format(before).encode()), Options())
    assert f"        return {after}\n" in (result.after or "")
    assert result.whole


@pytest.mark.parametrize("call", ["x.topk(*args).indices", "torch.topk(x, 2, out=args)[0]"])
def test_arguments_that_are_not_written_out_stay(call: str) -> None:
    assert not process(Task("net.py", TEXT.format(call).encode()), Options()).whole
