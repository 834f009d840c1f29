"""The helper classes, as the tool inserts them, against numpy and torch."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np
import pytest

from mapper.model.options import Options
from tests.oracle.frameworks import Refusal, attempt, import_text, migrate, random_input

SOURCE = """\
import torch.nn as nn
WRAP = nn.Conv1d(2, 3, 3, padding=1, padding_mode='circular')
CROP = nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1)
"""
SIZES = (7, 6, 5)


@pytest.fixture(scope="module")
def inserted(tmp_path_factory: pytest.TempPathFactory, both_frameworks: None) -> ModuleType:
    """Return a rewritten module with both helper classes."""
    result = migrate(SOURCE)
    assert result.after is not None
    return import_text(tmp_path_factory.mktemp("helpers"), "with_helpers", result.after)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_circular_pad_is_numpys_wrap_and_torchs_circular(rank: int, inserted: ModuleType) -> None:
    import mindspore
    import torch

    random = Random(rank)
    x = random_input((2, 3, *SIZES[:rank]))
    for _ in range(30):
        pairs = [(random.randrange(5), random.randrange(5)) for _ in range(rank)]
        flat = tuple(width for pair in reversed(pairs) for width in pair)
        found = inserted.CircularPad(flat)(mindspore.Tensor(x)).asnumpy()
        assert np.array_equal(found, np.pad(x, [(0, 0), (0, 0), *pairs], mode="wrap"))
        expected = torch.nn.functional.pad(torch.from_numpy(x), flat, mode="circular")
        assert np.array_equal(found, expected.numpy())


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("end", [None, 0, 1, 3])
def test_crop_drops_columns_at_both_ends(start: int, end: int | None, inserted: ModuleType) -> None:
    import mindspore

    x = random_input((2, 3, 8))
    layer = inserted.Crop1d(start) if end is None else inserted.Crop1d(start, end)
    assert np.array_equal(layer(mindspore.Tensor(x)).asnumpy(), x[..., start : 8 - (end or 0)])


def test_helpers_have_no_parameters_and_stand_in_a_sequential_cell(inserted: ModuleType) -> None:
    from mindspore import nn

    assert list(inserted.CircularPad((1, 1)).parameters_and_names()) == []
    assert [name for name, _ in inserted.WRAP.parameters_and_names()] == ["1.weight", "1.bias"]
    assert [name for name, _ in inserted.CROP.parameters_and_names()] == ["0.weight", "0.bias"]
    assert isinstance(inserted.WRAP, nn.SequentialCell)


def test_the_reported_path_is_the_parameters_name_in_a_checkpoint(inserted: ModuleType) -> None:
    from mindspore import nn

    class Model(nn.Cell):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = inserted.WRAP

    names = {parameter.name for parameter in Model().get_parameters()}
    sites = {site.target: site for site in migrate(SOURCE).sites}
    paths = {pair.path for pair in sites["mindspore.nn.Conv1d"].parameters.values()}
    assert names == {f"conv.{path}" for path in paths}


def test_helpers_work_in_graph_mode(inserted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import mindspore
    import torch

    monkeypatch.setitem(sys.modules, inserted.__name__, inserted)  # it is looked up by its name
    x = random_input((2, 3, 7))
    wrap = attempt(_in_graph_mode, inserted.CircularPad((2, 1)), mindspore.Tensor(x))
    assert not isinstance(wrap, Refusal), wrap
    expected = torch.nn.functional.pad(torch.from_numpy(x), (2, 1), mode="circular")
    assert np.array_equal(wrap, expected.numpy())
    crop = attempt(_in_graph_mode, inserted.Crop1d(1, 2), mindspore.Tensor(x))
    assert not isinstance(crop, Refusal), crop
    assert np.array_equal(crop, x[..., 1:-2])


def _in_graph_mode(layer: object, x: object) -> object:
    import mindspore

    run = mindspore.jit(layer.construct)  # type: ignore[attr-defined]
    return run(x).asnumpy()


TRANSPOSED = {
    "1-d": (1, "F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1)"),
    "1-d, longer than its padding": (1, "F.conv_transpose1d(x, w, b, 3, 0, 2)"),
    "1-d, sequences": (1, "F.conv_transpose1d(x, w, None, (2,), [1], dilation=(2,))"),
    "2-d": (2, "F.conv_transpose2d(x, w, b, 2, 1, 1)"),
    "2-d, longer than its padding": (2, "F.conv_transpose2d(x, w, b, (3, 2), (0, 1), (2, 1))"),
    "2-d, dilated": (2, "F.conv_transpose2d(x, w, dilation=(1, 2))"),
    "3-d": (3, "F.conv_transpose3d(x, w, b, 2, 1, 1)"),
    "3-d, sequences": (3, "F.conv_transpose3d(x, w, None, (3, 2, 1), (0, 1, 0), (2, 1, 0))"),
}


@pytest.mark.parametrize("mode", ["pynative", "jit", "graph"])
@pytest.mark.parametrize(("rank", "call"), TRANSPOSED.values(), ids=TRANSPOSED)
def test_an_inserted_function_has_torchs_values_and_gradients_in_every_mode(
    rank: int,
    call: str,
    mode: str,
    tmp_path: Path,
    both_frameworks: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mindspore
    import torch

    source = f"import torch.nn.functional as F\n\ndef run(x, w, b):\n    return {call}\n"
    before = import_text(tmp_path, "function_before", source)
    result = migrate(source)
    assert result.after is not None
    after = import_text(tmp_path, "function_after", result.after)
    monkeypatch.setitem(sys.modules, "function_after", after)
    shapes = ((2, 4, 5, 6, 4)[: rank + 2], (4, 3, *(3,) * rank), (3,))
    arrays = [random_input(shape, seed) for seed, shape in enumerate(shapes)]
    given = [torch.tensor(one, requires_grad=True) for one in arrays]
    output = before.run(*given)
    (output * output).sum().backward()
    wanted = [output.detach(), *(one.grad for one in given if one.grad is not None)]

    run = mindspore.jit(after.run) if mode == "jit" else after.run

    def loss(*operands: object) -> object:
        found = run(*operands)
        return (found * found).sum()

    tensors = [mindspore.Tensor(one) for one in arrays]
    if mode == "graph":
        mindspore.set_context(mode=mindspore.GRAPH_MODE)
    try:
        gradient = mindspore.grad(loss, (0, 1, 2))
        gradient = gradient if mode == "pynative" else mindspore.jit(gradient)
        found = [run(*tensors), *gradient(*tensors)]
    finally:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    for expected, one in zip(wanted, found, strict=False):
        np.testing.assert_allclose(one.asnumpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (4, 3)])
def test_a_diagonal_is_torchs_with_its_gradient(
    shape: tuple[int, ...],
    mode: int,
    tmp_path: Path,
    both_frameworks: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mindspore
    import torch

    text = (
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n        return torch.diag(x) * 2, x.diag()\n"
    )
    after = migrate(text, Options()).after
    assert after is not None
    (tmp_path / "diagonals.py").write_text(after)
    monkeypatch.syspath_prepend(str(tmp_path))  # GRAPH_MODE imports the module by its name
    monkeypatch.delitem(sys.modules, "diagonals", raising=False)
    net = __import__("diagonals").Net()
    array = random_input(shape).astype(np.float32)
    given = torch.tensor(array, requires_grad=True)
    (torch.diag(given) ** 2).sum().backward()
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mode)
    try:
        twice, once = net(mindspore.Tensor(array))

        def loss(x: mindspore.Tensor) -> mindspore.Tensor:
            return (net(x)[1] ** 2).sum()

        gradient = mindspore.grad(loss)(mindspore.Tensor(array))
    finally:
        mindspore.set_context(mode=before)
    assert np.array_equal(once.asnumpy(), torch.diag(given).detach().numpy())
    assert np.array_equal(twice.asnumpy(), 2 * torch.diag(given).detach().numpy())
    assert once.dtype == mindspore.float32
    assert np.allclose(gradient.asnumpy(), given.grad.numpy())


PADDED = [
    ((-2, -1, -1, -2), "F.pad(x, self.given)"),
    ((1, -2, 3, -3), "F.pad(x, self.given, value=1.5)"),
    ((2, -1), "F.pad(x, (self.given[0], self.given[1]))"),
    ((-1, 2, 1, -1), "F.pad(x, self.given, mode='reflect')"),
    ((-1, 2, 1, -1), "F.pad(x, self.given, mode='replicate')"),
    ((1, 2, 0, 1), "F.pad(x, self.given)"),
]
SPREAD = [
    ((), "torch.var(x, dim=1)"),
    ((), "torch.var(x, dim=(1, 2), keepdim=True, unbiased=False)"),
    ((), "torch.var(x)"),
    ((), "torch.std(x, dim=1)"),
    ((), "torch.std(x, 1, keepdim=True, unbiased=False)"),
    ((), "torch.std(x)"),
    ((), "x.std(dim=-1)"),
    ((), "x.std(dim=(1, 2), correction=0, keepdim=True)"),
]


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
@pytest.mark.parametrize(
    ("given", "call", "constant"),
    [(*one, False) for one in (*PADDED, *SPREAD)] + [(*one, True) for one in SPREAD],
    ids=lambda value: "constant" if value is True else None,
)
def test_what_crops_and_what_does_not_vary_has_torchs_values_and_gradients(
    given: tuple[int, ...],
    call: str,
    constant: bool,
    mode: int,
    tmp_path: Path,
    both_frameworks: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mindspore
    import torch

    text = (
        "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"
        "class Net(nn.Module):\n    def __init__(self, given):\n        super().__init__()\n"
        f"        self.given = given\n\n    def forward(self, x):\n        return {call}\n"
    )
    after = migrate(text, Options()).after
    assert after is not None
    monkeypatch.syspath_prepend(str(tmp_path))  # GRAPH_MODE imports the module by its name
    for name, source in (("spread_before", text), ("spread_after", after)):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    array = random_input((2, 4, 6)).astype(np.float32)
    array = np.ones_like(array) if constant else array
    x = torch.tensor(array, requires_grad=True)
    wanted = __import__("spread_before").Net(given)(x)
    factor = random_input(tuple(wanted.shape), 1).astype(np.float32)
    (wanted * torch.from_numpy(factor)).sum().backward()
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mode)
    try:
        net, weight = __import__("spread_after").Net(given), mindspore.Tensor(factor)

        def loss(x: mindspore.Tensor) -> mindspore.Tensor:
            return (net(x) * weight).sum()

        # the second call of mindspore.ops.pad is the one that is wrong
        found = [net(mindspore.Tensor(array)).asnumpy() for _ in range(2)]
        gradient = mindspore.grad(loss)(mindspore.Tensor(array)).asnumpy()
    finally:
        mindspore.set_context(mode=before)
    for one in found:
        np.testing.assert_allclose(one, wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-4, atol=1e-5)
