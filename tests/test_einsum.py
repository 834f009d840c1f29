"""Equations of einsum: what is written for them computes what they mean, or they stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.planning.forms import einsum
from mapper.running.file import Task, process
from tests.equations import CASES


class _Tensor(np.ndarray):
    """The methods of a Tensor that are written and numpy has otherwise."""

    def permute(self, *order: int) -> Any:
        return self.transpose(*order)

    def expand_dims(self, axis: int) -> Any:
        return np.expand_dims(self, axis)


def _computed(equation: str, arrays: list[Any]) -> Any:
    names = [f"x{index}" for index in range(len(arrays))]
    terms = [einsum.Term(name, ()) for name in names]
    text = einsum.written(einsum.parse(equation), terms, "matmul").text
    values = {name: array.view(_Tensor) for name, array in zip(names, arrays, strict=True)}
    return np.asarray(eval(text, {"matmul": np.matmul, **values}))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written_is_what_the_equation_means(case: Any) -> None:
    equation, shapes = case
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(shape) for shape in shapes]
    wanted = np.einsum(equation.replace(" ", ""), *arrays)
    np.testing.assert_allclose(_computed(equation, arrays), wanted, atol=1e-12)


_OPERAND = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True)


@given(st.lists(_OPERAND, min_size=1, max_size=3), st.permutations("abcde"), st.integers(0, 5))
def test_any_equation_is_written_out(terms: list[list[str]], names: list[str], most: int) -> None:
    result = [name for name in names if any(name in term for term in terms)][:most]
    equation = ",".join("".join(term) for term in terms) + "->" + "".join(result)
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(["abcde".index(name) + 2 for name in one]) for one in terms]
    found, wanted = _computed(equation, arrays), np.einsum(equation, *arrays)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_sizes_that_differ_raise() -> None:
    with pytest.raises(ValueError, match="matmul"):
        _computed("ij,jk->ik", [np.ones((2, 3)), np.ones((4, 2))])


HEAD = """import torch
from torch import einsum, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.ReLU()

    def forward(self, x, equation, ys):
        y = {value}
        return y
"""


def _migrated(value: str) -> FileResult:
    return process(Task("net.py", HEAD.format(value=value).encode()), Options())


WRITTEN = {
    "axes that change places": ("einsum('ij->ji', x)", "y = x.swapaxes(-2, -1)\n"),
    "an operand that is computed": (
        "torch.einsum('bid,bjd->bij', self.layer(x), x) * 2",
        "y = ops.matmul(self.layer(x), x.swapaxes(-2, -1)) * 2\n",
    ),
    "a sum as an operand": (
        "torch.einsum('i,j->ij', x + 1, x)",
        "y = (x + 1).expand_dims(-1) * x\n",
    ),
    "a product inside a power": (
        "torch.einsum('i,j->ij', x, x) ** 2",
        "y = (x.expand_dims(-1) * x) ** 2\n",
    ),
    "an equation with a needless f": (
        "einsum(f'bij,bjk->bik', x, x)",
        "y = ops.matmul(x, x)\n",
    ),
    "operands in a list": (
        "torch.einsum('i,i->', [x, x])",
        "y = ops.matmul(x.expand_dims(-2), x.expand_dims(-1)).squeeze((0, 1))\n",
    ),
}


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN)
def test_a_call_of_einsum_is_written_out(case: tuple[str, str]) -> None:
    value, after = case
    result = _migrated(value)
    assert after in (result.after or "")
    assert result.whole


LEFT = {
    "an equation in a variable": "torch.einsum(equation, x, x)",
    "a diagonal": "torch.einsum('ii->i', x)",
    "operands by a star": "torch.einsum('ij,jk->ik', *ys)",
    "another number of operands": "torch.einsum('ij,jk->ik', x)",
    "an axis that comes from nowhere": "torch.einsum('ij->ik', x)",
    "an ellipsis before axes that move": "torch.einsum('...ijk->...kij', x)",
    "an ellipsis that is summed over": "torch.einsum('...i->i', x)",
    "a list of axes": "torch.einsum(x, [0, 1], [1, 0])",
    "einsum handed on": "map(torch.einsum, ys)",
}


@pytest.mark.parametrize("value", LEFT.values(), ids=LEFT)
def test_what_cannot_be_written_out_stays_with_a_reason(value: str) -> None:
    result = _migrated(value)
    left = [one for one in result.sites if one.api == "torch.einsum"]
    assert any(one.status is Status.MANUAL and one.message for one in left)
    assert not result.whole
