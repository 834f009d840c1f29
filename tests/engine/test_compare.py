"""What small inputs cannot show: MindSpore refuses them, and computes something else for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from mapper.proving.semantics.conv import mindspore_layers, torch_layers
from mapper.proving.semantics.conv.compare import Comparer, Difference, Evidence
from mapper.proving.semantics.conv.layer import Layer, RefusedError
from mapper.rulebook.conditions import Version
from mapper.rulebook.loader import load

TORCH = {"stride": 1, "dilation": 1, "groups": 1, "bias": False, "padding_mode": "zeros"}
CHANNELS = {"in_channels": 4, "out_channels": 4}
VERSION = Version(2, 10)


@dataclass(frozen=True, slots=True)
class _Conv2d:
    """MindSpore's layer with a padding that need not be torch's."""

    kernel_size: int
    padding: object

    def layer(self, channels: Mapping[str, object]) -> Layer:
        side = load().signature("mindspore.nn.Conv2d")
        assert side is not None
        given: dict[str, object] = {}
        given.update({p.name: p.default_in(VERSION) for p in side.parameters_in(VERSION)})
        given.update(CHANNELS)
        given.update(kernel_size=self.kernel_size, pad_mode="pad", padding=self.padding)
        given = {name: channels.get(name, value) for name, value in given.items()}
        return mindspore_layers.LAYERS["mindspore.nn.Conv2d"](given, (2, 10))

    def key(self, channels: Mapping[str, object]) -> str:
        return repr((self, sorted(channels.items())))


def _compared(kernel: int, torch_padding: int, padding: object) -> Evidence | Difference:
    arguments = {**TORCH, **CHANNELS, "kernel_size": kernel, "padding": torch_padding}
    torch = torch_layers.convolution(2, False, arguments)
    return Comparer().compare(torch, _Conv2d(kernel, padding))


@pytest.mark.parametrize("kernel", [7, 9, 12])
@pytest.mark.parametrize("padding", [0, 1, (1, 0, 0, 1)])
def test_less_padding_is_a_difference_though_all_small_inputs_are_refused(
    kernel: int, padding: object
) -> None:
    found = _compared(kernel, kernel // 2, padding)
    assert isinstance(found, Difference)
    assert "output shape" in found.words


def test_the_same_padding_is_equal() -> None:
    assert isinstance(_compared(9, 4, 4), Evidence)


def test_what_is_refused_for_every_input_is_refused() -> None:
    with pytest.raises(RefusedError):
        _compared(9, 4, (4, 4))
