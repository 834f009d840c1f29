"""The Cell that is inserted for weight_norm computes, and learns, what torch's layer does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.comparing.compare import Frameworks
from mapper.comparing.request import Interpreters, Request, parse_input
from mapper.model.options import Options
from mapper.running.file import Task, process

pytestmark = pytest.mark.oracle

NET = """\
import torch.nn as nn
from torch.nn.utils import weight_norm


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = weight_norm({layer})

    def forward(self, x):
        return self.layer(x)
"""
LAYERS = {
    "Conv1d": ("nn.Conv1d(4, 6, 3, 2, 3, 2, 2)", "2,4,11"),
    "Conv1d, without a bias": ("nn.Conv1d(4, 6, 3, bias=False)", "2,4,11"),
    "Conv2d": ("nn.Conv2d(4, 6, (3, 2), (2, 1), (3, 1), 2, 2)", "2,4,11,9"),
    "Conv2d, over all axes": ("nn.Conv2d(4, 6, 3, padding=1), dim=None", "2,4,5,6"),
    "Conv2d, over the others than the second": ("nn.Conv2d(4, 6, 3), dim=1", "2,4,5,6"),
    "ConvTranspose1d": ("nn.ConvTranspose1d(4, 6, 4, 2, 1)", "2,4,11"),
    "ConvTranspose1d, over the others than the second": (
        "nn.ConvTranspose1d(4, 6, 5, 3, 2), dim=1", "2,4,7"
    ),
    "ConvTranspose2d": ("nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2)", "2,4,5,7"),
    "ConvTranspose2d, unpadded": ("nn.ConvTranspose2d(4, 6, 3, 2, bias=False)", "2,4,5,7"),
    "Linear": ("nn.Linear(5, 3)", "2,4,5"),
    "Linear, without a bias": ("nn.Linear(5, 3, bias=False), dim=1", "2,4,5"),
}  # fmt: skip


@pytest.fixture(scope="module")
def frameworks() -> Iterator[Frameworks]:
    """Both programs, for all layers."""
    with Frameworks(Interpreters()) as both:
        yield both


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_a_layer_under_weight_norm(
    layer: str, shape: str, frameworks: Frameworks, tmp_path: Path
) -> None:
    text = NET.format(layer=layer)
    for side in ("before", "after"):
        (tmp_path / side).mkdir()
    (tmp_path / "before" / "net.py").write_text(text)
    result = process(Task("net.py", text.encode(), str(tmp_path / "before")), Options())
    assert result.whole and result.after is not None
    (tmp_path / "after" / "net.py").write_text(result.after)
    compared = frameworks.compare(
        Request(
            tmp_path / "before",
            tmp_path / "after",
            "net:Net()",
            (parse_input(shape),),
            train=True,
            modes=("pynative", "graph"),
        )
    )
    assert compared.names.is_complete, compared.names.problems
    names = {pair.torch for pair in compared.names.pairs}
    assert (
        {"layer.weight_g", "layer.weight_v"}
        <= names
        <= {f"layer.{name}" for name in ("weight_g", "weight_v", "bias")}
    )
    assert len(compared.runs) == 4
    for run in compared.runs:
        assert run.agrees and not run.failure, (run.mode, run.train, run.first or run.failure)
