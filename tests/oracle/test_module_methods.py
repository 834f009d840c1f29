"""What inserted functions and classes tell of a migrated model is what torch tells of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process

pytestmark = pytest.mark.oracle

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.bn1 = nn.BatchNorm1d(3)
        self.bn3 = nn.BatchNorm3d(3)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU())
        self.norm = nn.LayerNorm(5)
        self.group = nn.GroupNorm(2, 4)
        self.bare = nn.InstanceNorm2d(4)
        self.words = nn.Embedding(7, 5)
        self.parts = nn.ModuleDict({'a': nn.Linear(5, 6), 'b': nn.Sequential(nn.Linear(6, 7))})
        self.again = self.features

    def forward(self, x):
        return self.parts.b(self.parts['a'](x))


def names():
    return [(name, tuple(one.shape)) for name, one in Net().named_parameters()]


def below():
    return [name for name, _ in Net().features.named_parameters('deep')]


def count():
    return sum(one.numel() for one in Net().parameters()), len(list(Net().bn3.parameters()))


def parts():
    parts = Net().parts
    items = [key for key, _ in parts.items()]
    return list(parts), len(parts), 'a' in parts, items, list(parts.keys())


@torch.no_grad()
def untrained(net, x):
    return net(x) * 2


def groups(net):
    both = dict(net.named_parameters())
    kept = [both[name] for name in sorted(both) if name.endswith('bias')]
    rest = [both[name] for name in sorted(both) if not name.endswith('bias')]
    return torch.optim.AdamW(
        [{'params': kept, 'weight_decay': 0.0}, {'params': rest, 'weight_decay': 0.3}],
        lr=0.1, betas=(0.8, 0.95),
    )


def drawn(x, count):
    return torch.multinomial(x, count)
"""


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the names of the module before and after its migration."""
    result = process(Task("net.py", NET.encode()), Options())
    assert result.whole and result.after is not None
    before: dict[str, Any] = {"__name__": "before"}
    after: dict[str, Any] = {"__name__": "after"}
    exec(compile(NET, "before.py", "exec"), before)
    exec(compile(result.after, "after.py", "exec"), after)
    return before, after


@pytest.mark.parametrize("function", ["names", "below", "count", "parts"])
def test_a_function_gives_the_same(
    function: str, both: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    before, after = both
    found = before[function]()
    assert found and found == after[function]()


def test_a_layer_that_may_be_without_parameters_raises(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    after = both[1]
    layer = after["nn"].BatchNorm2d(3, affine=False)
    with pytest.raises(ValueError, match="affine=False"):
        list(after["named_parameters"](layer))


def test_no_gradient_flows_through_what_is_untrained(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    import mindspore

    after = both[1]
    net, x = after["Net"](), mindspore.ops.ones((2, 5))

    def loss(x: Any) -> Any:
        return (after["untrained"](net, x) * x[:, :1]).sum() + (x * x).sum()

    value = (after["untrained"](net, x)).sum(axis=1).asnumpy()
    (gradient,) = [mindspore.grad(loss)(x).asnumpy()]
    expected = 2 * np.ones((2, 5), np.float32)
    expected[:, 0] += value
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_an_optimizer_takes_the_same_steps(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    import mindspore
    import torch

    before, after = both
    here, there = before["Net"](), after["Net"]()
    theirs = dict(after["named_parameters"](there))
    for name, one in here.named_parameters():
        theirs[name].set_data(mindspore.Tensor(one.detach().numpy().reshape(theirs[name].shape)))
    first, second = before["groups"](here), after["groups"](there)
    order = [one for group in first.param_groups for one in group["params"]]
    random = np.random.default_rng(0)
    for _ in range(4):
        gradients = [random.standard_normal(one.shape).astype(np.float32) for one in order]
        for one, gradient in zip(order, gradients, strict=True):
            one.grad = torch.tensor(gradient)
        first.step()
        second(tuple(map(mindspore.Tensor, gradients)))
    for name, one in here.named_parameters():
        np.testing.assert_allclose(theirs[name].asnumpy(), one.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_draws_follow_the_weights_and_put_nothing_back(
    count: int, both: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    import mindspore

    weights = np.array([[0.5, 0.0, 0.2, 0.3]] * 3000, np.float32)
    found = both[1]["drawn"](mindspore.Tensor(weights), count)
    assert found.dtype == mindspore.int64 and found.shape == (3000, count)
    drawn = found.asnumpy()
    assert all(len(set(row)) == count for row in drawn.tolist())
    shares = np.bincount(drawn[:, 0], minlength=4) / 3000
    np.testing.assert_allclose(shares, weights[0], atol=0.04)
    assert shares[1] == 0
