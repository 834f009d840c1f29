"""What is written for equations of einsum: torch's values and gradients, in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapper.planning.forms import einsum
from tests.equations import CASES

ms = pytest.importorskip("mindspore")
torch = pytest.importorskip("torch")
MODES = {"pynative": 1, "graph": 0}
ODD = {"half": np.float16, "double": np.float64, "int": np.int64, "short": np.int32}


@pytest.fixture
def net(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes a Cell of an equation."""

    def made(equation: str, count: int) -> Any:
        names = [f"x{index}" for index in range(count)]
        terms = [einsum.Term(name, ()) for name in names]
        text = einsum.written(einsum.parse(equation), terms, "ops.matmul").text
        lines = ["from mindspore import nn, ops", "", "class Net(nn.Cell):"]
        lines += [f"    def construct(self, {', '.join(names)}):", f"        return {text}", ""]
        (tmp_path / "written_equation.py").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(__import__("sys").modules, "written_equation", raising=False)
        return __import__("written_equation").Net()

    return made


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equations_written_out_compute_torchs_values_and_gradients(
    case: Any, mode: int, net: Any
) -> None:
    equation, shapes = case
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(shape).astype(np.float32) for shape in shapes]
    theirs = [torch.tensor(one, requires_grad=True) for one in arrays]
    wanted = torch.einsum(equation, *theirs)
    weights = draw.standard_normal(wanted.shape).astype(np.float32)
    (wanted * torch.tensor(weights)).sum().backward()
    ours, factor = [ms.Tensor(one) for one in arrays], ms.Tensor(weights)
    before = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        built = net(equation, len(ours))
        found = built(*ours)

        def loss(*given: Any) -> Any:
            return (built(*given) * factor).sum()

        gradients = ms.grad(loss, tuple(range(len(ours))))(*ours)
    finally:
        ms.set_context(mode=before)
    assert found.shape == tuple(wanted.shape) and found.dtype == ms.float32
    np.testing.assert_allclose(found.asnumpy(), wanted.detach().numpy(), atol=2e-5)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for one, other in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.grad.numpy(), atol=2e-5)


@pytest.mark.parametrize("dtype", ODD.values(), ids=ODD)
@pytest.mark.parametrize("equation", ["bij,bkj->bik", "i,j->ij", "bi,bi->b"])
def test_the_dtype_of_the_operands_is_that_of_the_result(
    equation: str, dtype: Any, net: Any
) -> None:
    sizes = {"b": 2, "i": 3, "j": 4, "k": 5}
    shapes = [[sizes[name] for name in term] for term in equation.split("->")[0].split(",")]
    draw = np.random.default_rng(1)
    arrays = [draw.integers(-4, 5, shape).astype(dtype) for shape in shapes]
    wanted = torch.einsum(equation, *map(torch.tensor, arrays)).numpy()
    found = net(equation, len(arrays))(*map(ms.Tensor, arrays)).asnumpy()
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
