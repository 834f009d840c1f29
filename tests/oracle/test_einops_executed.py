"""What is written for patterns of einops, on MindSpore in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapper.planning.forms import einops
from mapper.rulebook.helpers import HELPERS
from tests.patterns import CASES, meant

ms = pytest.importorskip("mindspore")
MODES = {"pynative": 1, "graph": 0}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_patterns_written_out_compute_what_they_mean(
    case: Any, mode: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, pattern, shape, sizes, reduction = case
    text = einops.written(
        einops.parse(pattern), "x", {n: str(v) for n, v in sizes.items()}, reduction
    )
    lines = ["from mindspore import nn", ""]
    is_layer = operation == "rearrange"
    if is_layer:
        lines += [HELPERS["Rearrange"].source.format(name="Rearrange", nn="nn", ops="ops"), ""]
    lines += ["class Net(nn.Cell):", "    def construct(self, x):", f"        return {text}", ""]
    (tmp_path / "written_pattern.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "written_pattern", raising=False)
    module = __import__("written_pattern")
    nets = [module.Net()]
    if is_layer:
        nets.append(module.Rearrange(pattern, **sizes))
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    before = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        for net in nets:
            found = net(ms.Tensor(x)).asnumpy()
            np.testing.assert_allclose(found, meant(pattern, x, sizes, reduction), atol=1e-6)
    finally:
        ms.set_context(mode=before)
