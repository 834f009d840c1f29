"""Parts of topk as they are written: torch's values, dtypes and gradients, in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.test_largest import TEXT

ms = pytest.importorskip("mindspore")
torch = pytest.importorskip("torch")
MODES = {"pynative": 1, "graph": 0}
CALLS = ["x.topk(2, dim=1)", "x.topk(3, 0, False)", "torch.topk(x, k=2)"]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("call", CALLS)
def test_a_part_of_topk_is_torchs(
    call: str, mode: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TEXT.format(f"{call}.values, {call}.indices")
    after = process(Task("net.py", text.encode()), Options()).after
    assert after is not None
    (tmp_path / "largest_of.py").write_text(after)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "largest_of", raising=False)
    net = __import__("largest_of").Net()
    array = np.random.default_rng(0).permutation(60).reshape(4, 5, 3).astype(np.float32)
    x = torch.tensor(array, requires_grad=True)
    values, indices = eval(f"{call}.values, {call}.indices", {"x": x, "torch": torch})
    (values**2).sum().backward()
    before = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        found = net(ms.Tensor(array), None)

        def loss(given: Any) -> Any:
            return (net(given, None)[0] ** 2).sum()

        gradient = ms.grad(loss)(ms.Tensor(array))
    finally:
        ms.set_context(mode=before)
    assert (found[0].dtype, found[1].dtype) == (ms.float32, ms.int64)
    np.testing.assert_array_equal(found[0].asnumpy(), values.detach().numpy())
    np.testing.assert_array_equal(found[1].asnumpy(), indices.numpy())
    np.testing.assert_allclose(gradient.asnumpy(), x.grad.numpy(), atol=1e-5)
