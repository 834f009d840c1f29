"""Casts whose dtype is a value: the device goes, the dtype stays."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process

TEXT = """import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x, what, dtype=torch.float32):
        device = x.device
        y = torch.relu(x)
        return {}
"""

WRITTEN = {
    "a dtype by name": ("y.to(torch.float16)", "y.to(ms.float16)"),
    "a type by name": ("y.type(torch.float16)", "y.astype(ms.float16)"),
    "the dtype of another Tensor": ("y.to(x.dtype)", "y.to(x.dtype)"),
    "a type in a parameter": ("y.type(dtype)", "y.astype(dtype)"),
    "a device and a dtype": ("y.to(device, dtype=x.dtype)", "y.to(x.dtype)"),
    "both by position": ("y.to(x.device, dtype)", "y.to(dtype)"),
    "a device alone": ("y.to(device)", "y"),
    "both by name": ("y.to(dtype=what, device=device)", "y.to(what)"),
    "the dtype and place of another Tensor": ("y.to(x)", "y.astype(x.dtype)"),
    "a dtype of what is not known": ("y.to(self.other.dtype)", "y.to(self.other.dtype)"),
    "a type of what is not known": ("y.type(self.dtype)", "y.astype(self.dtype)"),
}


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN)
def test_a_cast_keeps_its_dtype_and_loses_its_device(case: tuple[str, str]) -> None:
    before, after = case
    result = process(Task("net.py", TEXT.format(before).encode()), Options())
    assert f"        return {after}\n" in (result.after or "")
    assert result.whole


@pytest.mark.parametrize("call", ["y.type(what)", "y.to(what)", "y.to(what, dtype)"])
def test_what_may_be_a_device_a_dtype_or_a_tensor_stays(call: str) -> None:
    text = TEXT.replace("what, dtype", "what=None, dtype").format(call)
    assert not process(Task("net.py", text.encode()), Options()).whole
