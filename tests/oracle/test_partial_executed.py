"""A partial class on MindSpore: torch's numbers as far as it is migrated, then it raises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper import migrate_source

ms = pytest.importorskip("mindspore")
torch = pytest.importorskip("torch")

TEXT = """\
import torch
import torch.nn as nn

passed = []


class Net(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.way = way

    def forward(self, x):
        x = torch.relu(self.conv(x))
        passed.append(len(x.shape))
        if self.way == "call":
            x = torch.special.airy_ai(x) + x
        if self.way == "statement":
            torch.testing.assert_close(x, x)
        if self.way == "loop":
            for one in torch.special.airy_ai(x):
                x = x + one
        if self.way == "condition" and x.sum() > 0:
            x = torch.special.airy_ai(x)
        return x
"""
MODES = {"pynative": 1, "graph": 0}
WAYS = ["call", "statement", "loop", "condition"]


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    after = migrate_source(TEXT, partial=True).after
    assert after is not None and "import torch" not in after
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("before_it", TEXT), ("after_it", after)):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    return __import__("before_it"), __import__("after_it")


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_it_computes_what_torch_does_until_it_raises(mode: int, nets: tuple[Any, Any]) -> None:
    before, after = nets
    array = np.random.default_rng(0).normal(size=(1, 2, 5, 6)).astype(np.float32)
    theirs, old = before.Net("none"), ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        ours = after.Net("none")
        for name in ("weight", "bias"):
            value = getattr(theirs.conv, name).detach().numpy()
            getattr(ours.conv, name).set_data(ms.Tensor(value))
        wanted = theirs(torch.tensor(array)).detach().numpy()
        np.testing.assert_allclose(ours(ms.Tensor(array)).asnumpy(), wanted, atol=1e-5)
        for way in WAYS:
            after.passed.clear()
            words = "airy_ai.*no rule yet for|assert_close.*no rule yet for"
            with pytest.raises(NotImplementedError, match=f"line \\d+: torch.*({words})"):
                after.Net(way)(ms.Tensor(array))
            assert mode == 0 or after.passed == [4]
    finally:
        ms.set_context(mode=old)
