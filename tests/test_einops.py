"""Patterns of einops: what is written for them computes what they mean, or they stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.planning.forms import einops
from mapper.running.file import Task, process
from tests.patterns import CASES, meant


class _Tensor(np.ndarray):
    """The methods of a Tensor that are written."""

    def permute(self, *order: int) -> Any:
        return self.transpose(*order)

    def expand_dims(self, axis: int) -> Any:
        return np.expand_dims(self, axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Any:
        sizes = [own if size == -1 else size for own, size in zip(self.shape, shape, strict=True)]
        return np.broadcast_to(self, sizes, subok=True)

    def flatten(self, start: int, end: int = -1) -> Any:  # type: ignore[override]
        kept = self.shape[end % self.ndim + 1 :]
        return self.reshape((*self.shape[:start], -1, *kept))

    def amax(self, axis: Any) -> Any:
        return self.max(axis)

    def amin(self, axis: Any) -> Any:
        return self.min(axis)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written_is_what_the_pattern_means(case: Any) -> None:
    operation, pattern, shape, sizes, reduction = case
    x = np.random.default_rng(0).standard_normal(shape).view(_Tensor)
    parsed = einops.parse(pattern)
    einops.check(parsed, list(sizes), operation)
    text = einops.written(parsed, "x", {name: name for name in sizes}, reduction)
    found = eval(text, {"x": x, **sizes})
    np.testing.assert_allclose(np.asarray(found), meant(pattern, x, sizes, reduction), atol=1e-12)


ONCE = {name: case for name, case in CASES.items() if "(" not in case[1].partition("->")[0]}


@pytest.mark.parametrize("case", ONCE.values(), ids=ONCE)
def test_what_has_its_operand_once_means_the_same(case: Any) -> None:
    _, pattern, shape, sizes, reduction = case
    x = np.random.default_rng(0).standard_normal(shape).view(_Tensor)
    text = einops.written_once(
        einops.parse(pattern), "x", {name: name for name in sizes}, reduction
    )
    if text is None:
        assert "..." in pattern or "1" in pattern.partition("->")[0]
        return
    found = eval(text, {"x": x, **sizes})
    np.testing.assert_allclose(np.asarray(found), meant(pattern, x, sizes, reduction), atol=1e-12)


def test_sizes_that_do_not_divide_raise() -> None:
    x = np.zeros((2, 3, 7)).view(_Tensor)
    text = einops.written(einops.parse("b n (h d) -> b h n d"), "x", {"h": "2"})
    with pytest.raises(ValueError, match="reshape"):
        eval(text, {"x": x})


HEAD = """import torch
from einops import einsum, parse_shape, rearrange, reduce, repeat, pack, unpack
from einops.layers.torch import Rearrange, Reduce
from torch import nn


class Net(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.layer = {layer}
        self.heads = p

    def forward(self, x, pattern='a b -> b a', n=2, m=3):
        y = {value}
        return y
"""


def _migrated(value: str = "x", layer: str = "nn.ReLU()") -> FileResult:
    return process(Task("net.py", HEAD.format(value=value, layer=layer).encode()), Options())


WRITTEN = {
    "a pattern that changes nothing": ("rearrange(x, 'a b -> a b')", "y = x\n"),
    "axes that change places": ("rearrange(x, 'a b -> b a')", "y = x.permute(1, 0)\n"),
    "heads split off": (
        "rearrange(x, 'b n (h d) -> b h n d', h=self.heads)",
        "y = x.reshape(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)\n",
    ),
    "heads joined": (
        "rearrange(x, 'b h n d -> b n (h d)')",
        "y = x.permute(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)\n",
    ),
    "a size that is computed": (
        "rearrange(x, 'b (h w) -> b w h', h=n + 1)",
        "y = x.reshape(x.shape[0], (n + 1), -1).permute(0, 2, 1)\n",
    ),
    "a repeated row": (
        "repeat(x, 'd -> b d', b=n)",
        "y = x.expand_dims(0).broadcast_to((n, -1))\n",
    ),
    "a mean": ("reduce(x, 'b n d -> b d', 'mean')", "y = x.mean(1)\n"),
    "a mean over what an ellipsis stands for": (
        "reduce(x, 'b ... -> b', 'mean')",
        "y = x.reshape(x.shape[0], -1).mean(1)\n",
    ),
    "an operand that is computed": (
        "rearrange(x + 1, 'b h w c -> b c (h w)')",
        "y = (x + 1).permute(0, 3, 1, 2).flatten(2)\n",
    ),
    "an operand that a call gives": (
        "repeat(self.layer(x), 'b c -> b (c r) 1', r=n)",
        "y = self.layer(x).expand_dims(2).broadcast_to((-1, -1, n)).flatten(1).expand_dims(2)\n",
    ),
    "Tensors that are packed": ("pack([x, x], 'b * d')", "y = pack([x, x], 1, 1)\n"),
    "Tensors that are unpacked": ("unpack(x, n, 'b *')", "y = unpack(x, n, 1)\n"),
    "an equation": (
        "einsum(x, x, 'b i d, b j d -> b i j')",
        "y = ops.matmul(x, x.swapaxes(-2, -1))\n",
    ),
}


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN)
def test_a_function_of_einops_is_written_out(case: tuple[str, str]) -> None:
    value, after = case
    result = _migrated(value)
    assert after in (result.after or "")
    assert result.whole and "import einops" not in (result.after or "")
    assert "from einops" not in (result.after or "")


def test_a_layer_of_einops_becomes_an_inserted_cell() -> None:
    layers = "Rearrange('b c (h p) -> b h (p c)', p=p), Reduce('b n d -> b d', 'mean')"
    layer = f"nn.Sequential({layers})"
    after = _migrated(layer=layer).after or ""
    assert layer.replace("nn.Sequential", "nn.SequentialCell") in after
    assert "class Rearrange(nn.Cell):" in after and "class Reduce(nn.Cell):" in after
    assert "import" not in after.split("class Rearrange")[1]


INSIDE = {
    "a lambda": (
        "map(lambda t: rearrange(t, 'a b -> b a'), [x])",
        "map(lambda t: t.permute(1, 0), [x])",
    ),
    "a comprehension": (
        "[rearrange(t, 'a b -> b a') for t in (x, x)]",
        "[t.permute(1, 0) for t in (x, x)]",
    ),
    "a default of a lambda": ("(lambda f=repeat: f)(x)", ""),
    "another name of a lambda": (
        "(lambda reduce: reduce(x, 1))(x)",
        "(lambda reduce: reduce(x, 1))",
    ),
}


@pytest.mark.parametrize("case", INSIDE.values(), ids=INSIDE)
def test_names_are_found_in_expressions_with_scopes_of_their_own(case: tuple[str, str]) -> None:
    value, after = case
    result = _migrated(value)
    assert after in (result.after or "")
    assert result.whole is bool(after)


LEFT = {
    "a pattern in a variable": "rearrange(x, pattern)",
    "an ellipsis in a group on the left": "rearrange(x, '(a ...) b -> b')",
    "an operand whose shape is needed": "rearrange(x + 1, 'a (b c) -> b a c', b=2)",
    "a size that nothing says": "rearrange(x, 'a (b c) -> a b c')",
    "axes that are lost": "rearrange(x, 'a b -> a')",
    "an axis that comes from nowhere": "rearrange(x, 'a -> a b', b=n)",
    "a reduction of another name": "reduce(x, 'a b -> a', 'prod')",
    "a function that is handed on": "rearrange",
    "a function without a counterpart": "parse_shape(x, 'a b')",
    "a pattern of pack without a star": "pack([x], 'a b')",
    "a pattern of pack that is handed on": "pack([x], pattern)",
    "arguments by stars": "rearrange(x, 'a (b c) -> a b c', **{'b': n})",
    "no pattern at all": "rearrange(x, 'a b')",
    "a layer's reduction over an ellipsis": "Reduce('b ... -> b', 'mean')(x)",
    "an axis that stands twice": "rearrange(x, 'a a -> a a')",
}


@pytest.mark.parametrize("value", LEFT.values(), ids=LEFT)
def test_what_einops_says_otherwise_stays_with_a_reason(value: str) -> None:
    result = _migrated(value)
    left = [one for one in result.sites if one.api.startswith("einops.")]
    assert any(one.status is Status.MANUAL and one.message for one in left)
    assert not result.whole and "from einops" in (result.after or result.before or "")


def test_a_layer_that_splits_and_reduces_stays() -> None:
    assert not _migrated(layer="Reduce('b c (h p) -> b c h', 'mean', p=p)").whole


def test_a_name_that_is_not_of_einops_is_not_touched() -> None:
    text = (
        "import torch\n\n\ndef rearrange(x, p):\n    return x\n\n\n"
        "y = rearrange(torch.ones(2), 'a -> a')\n"
    )
    result = process(Task("net.py", text.encode()), Options())
    assert "rearrange(ops.ones((2)), 'a -> a')" in (result.after or "")


def test_what_is_packed_is_new_and_may_be_added_to() -> None:
    text = HEAD.format(value="x", layer="nn.ReLU()").replace(
        "        y = x\n",
        "        x, ps = pack([x, x], 'b * d')\n        x += n\n"
        "        y, _ = unpack(x, ps, 'b * d')\n",
    )
    result = process(Task("net.py", text.encode()), Options())
    assert result.whole
    assert "        x = x + n\n" in (result.after or "")


def test_what_several_names_hold_is_left() -> None:
    text = HEAD.format(value="x", layer="nn.ReLU()").replace(
        "        y = x\n",
        "        x, ps = pack([x, x], 'b * d')\n        z = x\n        x += n\n        y = z\n",
    )
    assert not process(Task("net.py", text.encode()), Options()).whole
