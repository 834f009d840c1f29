"""The engine's two accounts of layers against the layers themselves.

Both ways: equal shapes and values where the framework computes, and a refusal where it raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from mapper.proving.semantics.conv import mindspore_layers, torch_layers
from mapper.proving.semantics.conv.layer import Layer
from mapper.rulebook.conditions import Version
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import Rulebook, load
from tests.oracle.frameworks import (
    CLASSES,
    Array,
    Refusal,
    Shape,
    attempt,
    disagreement,
    fold,
    parameters_of,
    random_input,
    run_mindspore,
    run_torch,
)

Arguments = dict[str, Any]
Tally = Counter[tuple[str, str, str]]
TRANSPOSED = tuple(f"Conv{n}dTranspose" for n in (1, 2, 3))
MINDSPORE = (*CLASSES[:3], *TRANSPOSED)
AXES = ("kernel_size", "stride", "padding", "dilation")
COUNT = 150
LAX = ("Conv3d", "CircularPad")
"""They compute something for inputs smaller than the kernel, or than the padding; torch raises."""
ALL_KINDS = (1, 2, 3, (1,), (2, 1), [1, 2], (1, 2, 3), (2, 2, 2), 0, -1, True, 1.0, None, "same")


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load()


@pytest.mark.parametrize("name", CLASSES)
def test_torch_convolutions(name: str, rulebook: Rulebook, tally: Tally) -> None:
    side = _Torch(name, rulebook)
    _check(side, torch_arguments(name), "torch layers", tally)


@pytest.mark.parametrize("name", MINDSPORE)
def test_mindspore_convolutions(name: str, rulebook: Rulebook, tally: Tally) -> None:
    side = _MindSpore(name, rulebook)
    _check(side, mindspore_arguments(name), "MindSpore layers", tally)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [*product(CLASSES, AXES), *product(CLASSES[3:], ["output_padding"])],
)
def test_every_kind_of_value_for_torch(
    name: str, parameter: str, rulebook: Rulebook, tally: Tally
) -> None:
    side = _Torch(name, rulebook)
    base = {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 2}
    cases = [{**base, parameter: value} for value in ALL_KINDS]
    _check(side, cases, "torch layers", tally)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [*product(MINDSPORE, AXES), *product(TRANSPOSED[1:], ["output_padding"])],
)
def test_every_kind_of_value_for_mindspore(
    name: str, parameter: str, rulebook: Rulebook, tally: Tally
) -> None:
    side = _MindSpore(name, rulebook)
    base = {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 2, "pad_mode": "pad"}
    wide = ((1, 0, 2, 1), (1, 0, 2, 1, 0, 1), [1, 1, 1, 1], (1, -1, 1, 1), np.int64(1))
    cases = [{**base, parameter: value} for value in (*ALL_KINDS, *wide)]
    _check(side, cases, "MindSpore layers", tally)


@pytest.mark.parametrize("name", MINDSPORE)
def test_what_mindspore_says_to_other_values(name: str, rulebook: Rulebook, tally: Tally) -> None:
    side = _MindSpore(name, rulebook)
    base = {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "pad_mode": "pad"}
    odd: list[Arguments] = [
        *({"has_bias": value} for value in (True, False, None, 0, 1, np.bool_(True), "yes")),
        *({"group": value} for value in (1, 2, 3, 4, 0, -1, True, 2.0, None)),
        *({"pad_mode": value} for value in ("same", "valid", "pad", "Same", "PAD", "zeros", None)),
        *({"pad_mode": m, "padding": 1} for m in ("same", "valid", "pad")),
        *({"pad_mode": m, "padding": (0, 0, 0, 0)} for m in ("same", "valid", "pad")),
        *({"in_channels": value} for value in (0, -1, True, 4.0, None, 1)),
        *({"out_channels": value} for value in (0, -1, True, 4.0, None, 1)),
    ]
    _check(side, [{**base, **change} for change in odd], "MindSpore layers", tally)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["ReflectionPad", "ReplicationPad"])
def test_border_paddings(kind: str, rank: int, rulebook: Rulebook, tally: Tally) -> None:
    side = _MindSpore(f"{kind}{rank}d", rulebook)
    random = Random(f"{kind}{rank}")
    widths = [tuple(random.randrange(4) for _ in range(2 * rank)) for _ in range(40)]
    odd: list[Any] = [
        0,
        1,
        2,
        -1,
        True,
        1.0,
        None,
        (1,),
        (1, 1),
        [1, 2],
        (0, 0),
        (-1, 1),
        (1, 2, 3),
        (1.0, 1),
    ]
    odd += [(True, 1) * rank, (), (1.0,) * (2 * rank), (1,) * 8, (1,) * 10, "1", (-1, -2) * rank]
    odd += [(1, -1) * rank, (-6, 3) * rank, (-20, 1) * rank]
    odd += [(1,) * 4, [1, 0, 2, 1], (1,) * 6, [1, 2, 0, 0, 1, 2], (0,) * (2 * rank)]
    _check(side, [{"padding": p} for p in (*widths, *odd)], "MindSpore layers", tally)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["CONSTANT", "REFLECT"])
def test_pad(mode: str, rank: int, rulebook: Rulebook, tally: Tally) -> None:
    side = _MindSpore("Pad", rulebook, rank)
    random = Random(f"{mode}{rank}")
    cases: list[Arguments] = []
    for _ in range(40):
        pairs = tuple((random.randrange(3), random.randrange(3)) for _ in range(rank))
        channels = (random.randrange(2), 0) if random.random() < 0.2 else (0, 0)
        cases.append({"paddings": ((0, 0), channels, *pairs), "mode": mode})
    cases += [
        {"paddings": pairs, "mode": mode}
        for pairs in (
            ((0, 0),) * (rank + 2), ((0, 0),) * (rank + 1), ((0, 0), (0, 0), (1, 1)),
            [(0, 0), (0, 0), *[(1, 1)] * rank], ((0, 0), (0, 0), *[[1, 1]] * rank), 1, (1, 1), None,
            ((0, 0), (0, 0), *[(1, -1)] * rank), ((0, 0), (0, 0), *[(1,)] * rank),
            ((0, 0), (0, 0), *[(9, 9)] * rank), ((0, 0), (0, 0), *[(True, 1)] * rank),
        )
    ]  # fmt: skip
    cases.append({"paddings": ((0, 0),) * (rank + 2), "mode": mode.lower()})
    _check(side, cases, "MindSpore layers", tally)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_circular_padding(rank: int, rulebook: Rulebook, tally: Tally) -> None:
    side = _MindSpore("CircularPad", rulebook, rank)
    random = Random(rank)
    widths = [tuple(random.randrange(4) for _ in range(2 * rank)) for _ in range(40)]
    odd = [[1, 1] * rank, (1,), (1, 1, 1), (0,) * (2 * rank), (9, 9) * rank, 1, None, (1, True)]
    _check(side, [{"padding": p} for p in (*widths, *odd)], "MindSpore layers", tally)


# --- random arguments -----------------------------------------------------------------------------


def torch_arguments(name: str) -> Iterator[Arguments]:
    random, rank = Random(name), int(name[-2])
    for _ in range(COUNT):
        draw = _Draw(random, rank)
        arguments = draw.shared() | {"groups": random.choice((1, 1, 2)), "bias": draw.truth()}
        if "Transpose" in name:
            arguments["output_padding"] = draw.axes((0, 0, 1, 2))
            arguments["padding"] = draw.axes((0, 1, 2, 3))
        else:
            modes = ("zeros", "zeros", "reflect", "replicate", "circular")
            arguments["padding_mode"] = random.choice(modes)
            words = ("same", "valid") if random.random() < 0.3 else ()
            arguments["padding"] = random.choice(words or (draw.axes((0, 1, 2, 3)),))
        yield arguments


def mindspore_arguments(name: str) -> Iterator[Arguments]:
    random, rank = Random(name), int(name[4])
    for _ in range(COUNT):
        draw = _Draw(random, rank, short=False)
        arguments = draw.shared() | {"group": random.choice((1, 1, 2)), "has_bias": draw.truth()}
        arguments["pad_mode"] = random.choice(("pad", "pad", "same", "valid"))
        if name == "Conv3dTranspose" and random.random() < 0.9:
            arguments["dilation"] = (1, random.choice((1, 2)), random.choice((1, 3)))
        if arguments["pad_mode"] == "pad":
            arguments["padding"] = draw.axes((0, 1, 2, 3), sides=2)
        if name in ("Conv2dTranspose", "Conv3dTranspose") and random.random() < 0.5:
            arguments["output_padding"] = draw.axes((0, 0, 1, 2))
        yield arguments


@dataclass(frozen=True, slots=True)
class _Draw:
    random: Random
    rank: int
    short: bool = True
    """Tuples of one are drawn too."""

    def shared(self) -> Arguments:
        channels = {n: 2 * self.random.choice((1, 2)) for n in ("in_channels", "out_channels")}
        return channels | {
            "kernel_size": self.axes((1, 2, 3, 4)),
            "stride": self.axes((1, 1, 2, 3)),
            "dilation": self.axes((1, 1, 2, 3)),
        }

    def axes(self, options: Sequence[int], sides: int = 1) -> object:
        if self.random.random() < 0.5 or (self.rank == 1 and not self.short):
            return self.random.choice(options)
        if self.short and self.random.random() < 0.1:
            return (self.random.choice(options),)
        return tuple(self.random.choice(options) for _ in range(self.rank * sides))

    def truth(self) -> bool:
        return self.random.random() < 0.6


# --- both sides -----------------------------------------------------------------------------------


class _Torch:
    """A torch class and the engine's account of it."""

    def __init__(self, name: str, rulebook: Rulebook) -> None:
        import torch

        self.name, self.rank, self._real = name, int(name[-2]), getattr(torch.nn, name)
        rule = rulebook.by_api(f"torch.nn.{name}")
        assert rule is not None
        self._defaults = {p.name: p.default for p in rule.torch.parameters if not p.required}

    def real(self, arguments: Arguments) -> Any:
        return self._real(**arguments)

    def ours(self, arguments: Arguments) -> Layer:
        transposed = "Transpose" in self.name
        given = {**self._defaults, **arguments}
        return torch_layers.layer(torch_layers.convolution(self.rank, transposed, given))

    def parameters(self, layer: Any) -> Mapping[str, Array]:
        return {name: p.detach().numpy() for name, p in layer.named_parameters()}

    def run(self, layer: Any, x: Array) -> Array:
        return run_torch(layer, x)


class _MindSpore:
    """A MindSpore class (or an inserted helper) and the engine's account of it."""

    VERSION = Version(2, 10)

    def __init__(self, name: str, rulebook: Rulebook, rank: int = 0) -> None:
        self.name = name
        self.rank = rank or int(name.removesuffix("Transpose")[-2])
        qualified = name if name in HELPERS else f"mindspore.nn.{name}"
        self._ours = mindspore_layers.LAYERS[qualified]
        if name in HELPERS:
            parameters: Sequence[Any] = HELPERS[name].parameters
        else:
            signature = rulebook.signature(qualified)
            assert signature is not None
            parameters = signature.parameters_in(self.VERSION)
        self._defaults = {p.name: p.default_in(self.VERSION) for p in parameters if not p.required}

    def real(self, arguments: Arguments) -> Any:
        from mindspore import nn, ops

        if self.name == "CircularPad":
            return lambda x: ops.pad(x, arguments["padding"], mode="circular")
        return getattr(nn, self.name)(**arguments)

    def ours(self, arguments: Arguments) -> Layer:
        return self._ours({**self._defaults, **arguments}, (2, 10))

    def parameters(self, layer: Any) -> Mapping[str, Array]:
        if not hasattr(layer, "parameters_and_names"):
            return {}
        return {name: p.asnumpy() for name, p in parameters_of(layer).items()}

    def run(self, layer: Any, x: Array) -> Array:
        return run_mindspore(layer, x)


def _check(
    side: _Torch | _MindSpore,
    cases: Iterator[Arguments] | list[Arguments],
    table: str,
    tally: Tally,
) -> None:
    findings = []
    for arguments in cases:
        real, ours = attempt(side.real, arguments), attempt(side.ours, arguments)
        count = partial(_count, tally, table, side)
        if words := next(_compare(side, arguments, real, ours, count), ""):
            findings.append(f"{side.name}({arguments}): {words}")
    assert not findings, fold(findings)


def _count(tally: Tally, table: str, side: _Torch | _MindSpore, column: str) -> None:
    tally[table, side.name, column] += 1


def _compare(
    side: _Torch | _MindSpore,
    arguments: Arguments,
    real: Any,
    ours: Any,
    count: Callable[[str], None],
) -> Iterator[str]:
    parameters: Mapping[str, Array] = {}
    if not isinstance(real, Refusal):
        parameters = side.parameters(real)
        if not isinstance(ours, Refusal) and _shapes(parameters) != dict(ours.parameters):
            yield f"parameters {dict(ours.parameters)} instead of {_shapes(parameters)}"
    exact = {name: value.astype(np.float64) for name, value in parameters.items()}
    for seed, shape in enumerate(_shapes_to_try(side, arguments)):
        x = random_input(shape, seed)
        expected = real if isinstance(real, Refusal) else attempt(side.run, real, x)
        found = ours
        if not isinstance(ours, Refusal):
            found = attempt(ours.run, x.astype(np.float64), exact)
        if _is_lax(side, expected, found):
            count("computed beyond torch")
            continue
        count("refused" if isinstance(expected, Refusal) else "computed")
        if isinstance(expected, Refusal) or isinstance(found, Refusal):
            if type(expected) is not type(found):
                yield f"{shape}: real {_brief(expected)}, ours {_brief(found)}"
        elif words := disagreement(expected, found):
            yield f"{shape}: {words}"


def _is_lax(side: _Torch | _MindSpore, expected: Any, found: Any) -> bool:
    """Say whether the engine refuses just the input, as torch does, and the framework does not."""
    if isinstance(expected, Refusal) or getattr(found, "error", "") != "ValueError":
        return False  # a RefusedError is about the arguments
    return not expected.size or (isinstance(side, _MindSpore) and side.name in LAX)


def _shapes(parameters: Mapping[str, Array]) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in parameters.items()}


def _shapes_to_try(side: _Torch | _MindSpore, arguments: Arguments) -> Iterator[Shape]:
    channels = arguments.get("in_channels", 2)
    channels = channels if isinstance(channels, int) and channels > 0 else 2
    for sizes in ((11, 10, 12), (8, 9, 7), (3, 4, 2)):
        yield (2, int(channels), *sizes[: side.rank])


def _brief(result: Any) -> str:
    return str(result) if isinstance(result, Refusal) else f"computes {result.shape}"
