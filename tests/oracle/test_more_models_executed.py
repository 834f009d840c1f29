"""What `tests/test_more_models.py` has written, run: torch's values and gradients."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mapper import migrate_source

ms = pytest.importorskip("mindspore")
torch = pytest.importorskip("torch")

TEXT = """\
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange
from torch.nn.modules.utils import _pair


class Net(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way
        self.size = _pair(2)
        self.fc = nn.Linear(4, 4)
        self.emb = nn.Embedding(4, 4)
        if way == "tied":
            self.fc.weight = self.emb.weight
        if way == "scaled":
            self.fc.weight.data *= 0.5
            self.fc.bias.data /= 4

    def forward(self, x, other):
        y = self.fc(x)
        if self.way == "relu_":
            y = F.relu_(y)
        if self.way == "limits":
            y = torch.where(y > 0, y, torch.finfo(y.dtype).max * 1e-38 + torch.finfo(y.dtype).eps)
        if self.way == "size":
            y = F.interpolate(y.unsqueeze(0), size=[other[0].size(0) + 1, 6]).sum(0)
        if self.way == "swapped":
            y = y + other[0].transpose(0, 1).sum()
            y = y * other[0].transpose(0, 1)[:, :1].sum()
        if self.way == "repeated":
            y = y + other[0].repeat(1, 2, 1)
        if self.way == "squeezed":
            y = rearrange(y.mean(1, keepdim=True), "a 1 b -> b a")
        if self.way == "quotients":
            y = y @ F.normalize(y, dim=-1).transpose(-2, -1) + F.normalize(x, dim=-1)[0].sum()
            y = 2 / (F.normalize(y, dim=-1) ** 2 + 1) - F.normalize(y, dim=0).sum(0)
        if self.way == "divergence":
            y = F.kl_div(y, other[0].abs().mean() + x.abs(), reduction="batchmean")
            y = y + F.kl_div(x, (x * 0).detach(), reduction="none").sum()
            y = y + F.kl_div(x, x * x + 1) + F.kl_div(y, x * x + 1, reduction="sum")
        if self.way == "table":
            t = (torch.stack([x[0], x[1]]) * 2).detach()
            t = t.permute(1, 2, 0).contiguous()
            t[:, :, 0] += 3
            t[:, :, 1] = torch.sin(t[:, :, 1])
            y = y * t.sum()
        if self.way == "block":
            with torch.no_grad():
                t, u = self.fc(x + 1), x
            y = y * t + u
        if self.way == "given":
            y = y + self.given(x)[0] + self.given(x)[1]
        if self.way == "tied":
            y = y + self.emb(torch.arange(3))
        return y

    @torch.no_grad()
    def given(self, x):
        return self.fc(x).sin(), x


def float_tensor(data):
    return torch.Tensor(data)


class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    @torch.no_grad()
    def forward(self, x):
        return self.fc(x), [x * 2]


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.teacher = Teacher()

    def forward(self, x):
        y, (z,) = self.teacher(x)
        return x * y + z
"""
WAYS = ["plain", "relu_", "limits", "size", "swapped", "repeated", "squeezed", "block",
        "quotients", "divergence", "table", "given", "tied", "scaled"]  # fmt: skip


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    result = migrate_source(TEXT)
    assert result.whole, [one.message for one in result.sites]
    folder = tmp_path_factory.mktemp("more")
    stand_in = "\n\ndef rearrange(x, pattern):\n    return x.squeeze(1).t()\n"
    before = TEXT.replace("from einops import rearrange\n", "") + stand_in
    (folder / "more_before.py").write_text(before)
    (folder / "more_after.py").write_text(str(result.after))
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("more_before"), importlib.import_module("more_after")
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(params=[1, 0], ids=["pynative", "graph"])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    before = ms.get_context("mode")
    ms.set_context(mode=request.param)
    yield request.param
    ms.set_context(mode=before)


def _same(theirs: Any, ours: Any, arrays: list[np.ndarray[Any, Any]], *more: Any) -> None:
    """Hold values, gradients of the input and gradients of all parameters to torch's."""
    names = {"emb.weight": "emb.embedding_table"}
    own = dict(ours.parameters_and_names())
    for name, value in theirs.named_parameters():
        own[names.get(name, name)].set_data(ms.Tensor(value.detach().numpy()))
    x = torch.tensor(arrays[0], requires_grad=True)
    wanted = theirs(x, *([torch.tensor(one) for one in given] for given in more))
    (wanted**2).sum().backward()
    others = [[ms.Tensor(one) for one in given] for given in more]

    def loss(given: Any) -> Any:
        return (ours(given, *others) ** 2).sum()

    parameters = ours.trainable_params()
    gradient, found = ms.grad(loss, 0, parameters)(ms.Tensor(arrays[0]))
    np.testing.assert_allclose(ours(ms.Tensor(arrays[0]), *others).asnumpy(),
                               wanted.detach().numpy(), rtol=1e-4, atol=1e-5)  # fmt: skip
    np.testing.assert_allclose(gradient.asnumpy(), x.grad.numpy(), rtol=1e-4, atol=1e-4)
    back = {new: old for old, new in names.items()}
    weights = dict(theirs.named_parameters())
    paths = {id(value): path for path, value in own.items()}
    for one, value in zip(parameters, found, strict=True):
        path = paths[id(one)]
        grad = weights[back.get(path, path)].grad
        expected = np.zeros(one.shape, np.float32) if grad is None else grad.numpy()
        np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("way", WAYS)
def test_values_and_gradients_are_torchs(way: str, modules: tuple[Any, Any], mode: int) -> None:
    random = np.random.default_rng(0)
    array = random.normal(size=(2, 4, 4) if way == "repeated" else (3, 3, 4)).astype(np.float32)
    other = random.normal(size=(1, 2, 4)).astype(np.float32)
    torch.manual_seed(0)
    _same(modules[0].Net(way), modules[1].Net(way), [array], [other])


def test_a_teacher_has_no_gradients(modules: tuple[Any, Any], mode: int) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    _same(modules[0].Student(), modules[1].Student(), [array])


def test_what_is_scaled_where_it_is_built_is_scaled(modules: tuple[Any, Any]) -> None:
    plain, scaled = (modules[1].Net(way) for way in ("plain", "scaled"))
    assert np.abs(scaled.fc.weight.asnumpy()).max() < 0.26 < np.abs(plain.fc.weight.asnumpy()).max()


@pytest.mark.parametrize("name", ["swapped", "repeated"])
def test_what_is_no_tensor_raises(name: str, modules: tuple[Any, Any], mode: int) -> None:
    x = ms.Tensor(np.ones((2, 4, 4), np.float32))
    with pytest.raises(TypeError):
        modules[1].Net(name)(x, [np.ones((1, 2, 4), np.float32)])


NUMBERS = [
    3,
    [1, 2.5],
    [[1], [2]],
    np.arange(3),
    np.array([[1.5, 2]]),
    np.arange(4).reshape(2, 2),
]


@pytest.mark.parametrize("data", NUMBERS, ids=repr)
def test_a_tensor_of_numbers_or_of_a_size_is_torchs(data: Any, modules: tuple[Any, Any]) -> None:
    theirs, ours = (one.float_tensor(data) for one in modules)
    assert (tuple(theirs.shape), ours.dtype) == (ours.shape, ms.float32)
    if not isinstance(data, int):  # else torch leaves the values open
        np.testing.assert_array_equal(ours.asnumpy(), theirs.numpy())


@pytest.mark.parametrize("data", [(2, 3), torch.Size([2]), np.int64(3)], ids=repr)
def test_what_may_be_a_size_or_numbers_raises(data: Any, modules: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="a size or numbers"):
        modules[1].float_tensor(data)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_limits_of_a_dtype_are_torchs(dtype: str, modules: tuple[Any, Any]) -> None:
    theirs, ours = torch.finfo(getattr(torch, dtype)), modules[1].finfo(getattr(ms, dtype))
    for name in ("bits", "max", "min", "eps", "tiny", "smallest_normal", "resolution"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12), name


@pytest.mark.parametrize("value", [2, (2, 3), [4, 5], "ab", (1,)], ids=repr)
def test_a_pair_is_torchs(value: Any, modules: tuple[Any, Any]) -> None:
    from torch.nn.modules.utils import _pair

    assert modules[1].ntuple(value, 2) == _pair(value)
