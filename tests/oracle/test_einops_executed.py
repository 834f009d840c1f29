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
    once = einops.written_once(
        einops.parse(pattern), "x", {n: str(v) for n, v in sizes.items()}, reduction
    )
    lines = ["from mindspore import nn", ""]
    is_layer = operation == "rearrange"
    if is_layer:
        lines += [HELPERS["Rearrange"].source.format(name="Rearrange", nn="nn", ops="ops"), ""]
    lines += ["class Net(nn.Cell):", "    def construct(self, x):", f"        return {text}", ""]
    lines += ["class Once(nn.Cell):", "    def construct(self, x):", f"        return {once}", ""]
    (tmp_path / "written_pattern.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "written_pattern", raising=False)
    module = __import__("written_pattern")
    nets = [module.Net(), *([module.Once()] if once else [])]
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


PACKED = {
    "Tensors of other lengths": ("b * d", [(2, 3, 4), (2, 5, 4), (2, 4)]),
    "one Tensor": ("* h w", [(2, 3, 4, 5)]),
    "a star at the end": ("b *", [(2, 3, 4), (2, 5)]),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("case", PACKED.values(), ids=PACKED)
def test_packed_tensors_are_joined_and_come_back(
    case: Any, mode: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern, shapes = case
    before, _, after = (len(side.split()) for side in pattern.partition("*"))
    lines = ["from mindspore import nn, ops", ""]
    for name in ("pack", "unpack"):
        lines += [HELPERS[name].source.format(name=name, nn="nn", ops="ops"), ""]
    lines += [
        "class Net(nn.Cell):",
        "    def construct(self, *given):",
        f"        x, shapes = pack(given, {before}, {after})",
        f"        return x, unpack(x * 2, shapes, {before})",
        "",
    ]
    (tmp_path / "packed.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "packed", raising=False)
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(shape).astype(np.float32) for shape in shapes]
    parts = [
        one.reshape((*one.shape[:before], -1, *one.shape[one.ndim - after :])) for one in arrays
    ]
    old = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        joined, split = __import__("packed").Net()(*map(ms.Tensor, arrays))
    finally:
        ms.set_context(mode=old)
    np.testing.assert_array_equal(joined.asnumpy(), np.concatenate(parts, before))
    for one, array in zip(split, arrays, strict=True):
        np.testing.assert_array_equal(one.asnumpy(), 2 * array)
