"""Fresh MindSpore layers, as the tool writes them, start from torch's distribution.

torch draws weight and bias uniformly between -1/sqrt(n) and 1/sqrt(n), where n counts the elements
of `weight[0]`. The tool writes no initialiser for MindSpore 2.10: the defaults must do the same.
For 2.0 it writes torch's out; here they run on 2.10, and on 2.0 by hand (docs/versions.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.model.results import Status
from tests.oracle.frameworks import Array, import_text, migrate, parameters_of

CALLS = (
    "Conv1d(8, 64, 3)",
    "Conv1d(8, 64, 3, groups=2)",
    "Conv1d(32, 32, 5, groups=32)",
    "Conv1d(4, 64, 1)",
    "Conv1d(8, 64, 4, padding=2, padding_mode='reflect')",
    "Conv1d(8, 64, 4, padding=2, padding_mode='circular')",
    "Conv1d(8, 64, 4, padding='same', padding_mode='replicate')",
    "Conv2d(8, 64, 3)",
    "Conv2d(8, 64, (1, 5), groups=4)",
    "Conv2d(64, 64, 3, groups=64)",
    "Conv2d(8, 64, 3, padding=1, padding_mode='reflect')",
    "Conv2d(8, 64, 3, dtype=torch.float16)",
    "Conv3d(4, 64, 3)",
    "Conv3d(8, 64, (1, 3, 3), groups=2)",
    "Conv3d(4, 64, 3, padding=1, padding_mode='replicate')",
    "ConvTranspose1d(16, 64, 4, 2, 1)",
    "ConvTranspose1d(16, 64, 4, 2, 1, groups=4)",
    "ConvTranspose1d(64, 32, 3, stride=2, padding=1, output_padding=1)",
    "ConvTranspose1d(32, 64, 3, stride=2, output_padding=1)",
    "ConvTranspose2d(16, 64, 4, 2, 1)",
    "ConvTranspose2d(64, 16, (3, 1))",
    "ConvTranspose2d(16, 64, 3, groups=4)",
    "ConvTranspose2d(64, 32, 3, stride=2, output_padding=1)",
    "ConvTranspose3d(8, 64, 3)",
    "ConvTranspose3d(64, 16, (1, 3, 2), groups=2)",
    "ConvTranspose3d(16, 32, 3, stride=2, padding=1, output_padding=1)",
)
WEIGHTS, BIASES = 20_000, 4_000


@pytest.mark.parametrize("target", ["2.10", "2.0"])
@pytest.mark.parametrize("call", CALLS)
def test_fresh_layers_start_as_torchs_do(call: str, target: str, tmp_path: Path) -> None:
    import mindspore

    mindspore.set_seed(1)
    if target == "2.0":  # which takes neither
        call = call.replace(", dtype=torch.float16", "")
        if call.startswith("ConvTranspose3d"):
            call = call.replace(", groups=2", "")
    make_torch, make_mindspore, paths = _makers(call, tmp_path, target)
    bound = 1 / math.sqrt(make_torch().weight[0].numel())
    for name, count in (("weight", WEIGHTS), ("bias", BIASES)):
        _assert_uniform(f"torch {name}", _torch_values(make_torch, name, count), bound)
        found = _mindspore_values(make_mindspore, paths[name], count)
        _assert_uniform(f"MindSpore {name}", found, bound)


@pytest.mark.parametrize("call", ["Conv2d(4, 8, 3)", "ConvTranspose1d(4, 8, 3)"])
def test_two_fresh_layers_differ(call: str, tmp_path: Path) -> None:
    _, make, paths = _makers(call, tmp_path)
    first, second = (parameters_of(make())[paths["weight"]].asnumpy() for _ in range(2))
    assert not np.array_equal(first, second)


def _makers(
    call: str, folder: Path, target: str = "2.10"
) -> tuple[Callable[[], Any], Callable[[], Any], dict[str, str]]:
    text = f"import torch\n\n\ndef make():\n    return torch.nn.{call}\n"
    result = migrate(text, Options(target_version=target, select=("conv",)))
    [site] = result.sites
    assert site.status is Status.MIGRATED and result.after is not None
    assert ("weight_init=" in str(site.after)) is (target == "2.0")
    before = import_text(folder, "for_torch", text).make
    after = import_text(folder, "for_mindspore", result.after).make
    return before, after, {name: pair.path for name, pair in site.parameters.items()}


def _torch_values(make: Callable[[], Any], name: str, count: int) -> Array:
    values: list[Array] = []
    while sum(map(len, values)) < count:
        values.append(getattr(make(), name).detach().float().numpy().ravel())
    return np.concatenate(values)


def _mindspore_values(make: Callable[[], Any], path: str, count: int) -> Array:
    values: list[Array] = []
    while sum(map(len, values)) < count:
        values.append(parameters_of(make())[path].asnumpy().astype(np.float32).ravel())
    return np.concatenate(values)


def _assert_uniform(what: str, values: Array, bound: float) -> None:
    """Check bounds, mean, variance and quartiles of a uniform distribution over (-bound, bound)."""
    share = values.astype(np.float64) / bound
    assert 0.99 < np.abs(share).max() < 1.001, f"{what}: largest {np.abs(share).max():.4f} bounds"
    assert abs(share.mean()) < 0.05, f"{what}: mean {share.mean():.4f} bounds"
    assert share.var() * 3 == pytest.approx(1, rel=0.05), f"{what}: variance"
    quartiles = np.quantile(share, (0.25, 0.5, 0.75))
    assert quartiles == pytest.approx([-0.5, 0, 0.5], abs=0.06), f"{what}: quartiles {quartiles}"


_LOOP = """\
import torch
import torch.nn as nn


def framed():
    return nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect")


def found(layers):
    return [m for m in layers if isinstance(m, nn.Conv2d)]
"""


def test_an_initialisation_loop_finds_the_convolution_in_a_sequential_cell(tmp_path: Path) -> None:
    import mindspore.nn as ms_nn

    module = import_text(tmp_path, "loop", str(migrate(_LOOP).after))
    cell = module.framed()
    assert isinstance(cell, ms_nn.SequentialCell)
    (layer,) = module.found(one for _, one in cell.cells_and_names())
    assert isinstance(layer, ms_nn.Conv2d)
    assert layer.weight.shape == (8, 4, 3, 3)
