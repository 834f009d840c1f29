"""Torch calls with literal arguments: a deterministic generator, and how they are spelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

_COMMON = ("in_channels", "out_channels", "kernel_size", "stride", "padding")
PLAIN = (*_COMMON, "dilation", "groups", "bias", "padding_mode", "device", "dtype")
TRANSPOSED = (
    *_COMMON, "output_padding", "groups", "bias", "dilation", "padding_mode", "device", "dtype",
)  # fmt: skip
_DEFAULTS = {
    "stride": "1", "padding": "0", "output_padding": "0", "dilation": "1", "groups": "1",
    "bias": "True", "padding_mode": "'zeros'", "device": "None", "dtype": "None",
}  # fmt: skip
MODES = ("zeros", "reflect", "replicate", "circular")

STYLES = (
    ("import torch\nimport torch.nn as nn\n", "nn."),
    ("import torch\n", "torch.nn."),
    ("import torch\nfrom torch import nn\n", "nn."),
    (
        "import torch\nfrom torch.nn import (\n    Conv1d, Conv2d, Conv3d,\n"
        "    ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,\n)\n",
        "",
    ),
    ("import torch\nimport torch.nn as tnn\n", "tnn."),
    ("import torch\nfrom torch.nn.modules import conv\n", "conv."),
)
"""How a module imports torch, and what stands before the class name then."""


def module(calls: Sequence[str], style: int) -> str:
    """Return a module that holds one function for each call, one on a line."""
    header, prefix = STYLES[style % len(STYLES)]
    lines = [f"    lambda: {prefix}{call},\n" for call in calls]
    return f"{header}\nLAYERS = [\n{''.join(lines)}]\n"


def random_calls(name: str, count: int) -> list[str]:
    """Return that many different calls of a class, the same every time; torch accepts all."""
    random = Random(name)
    calls: dict[str, None] = {}
    while len(calls) < count:
        calls[_Generator(name, random).call()] = None
    return list(calls)


@dataclass(frozen=True, slots=True)
class _Generator:
    name: str
    random: Random

    def call(self) -> str:
        values = dict(self._values())
        names = TRANSPOSED if self._transposed else PLAIN
        positional = self.random.choice((0, 2, 3, 3, 3, 4, 5, 6, len(names)))
        first, rest = names[:positional], [n for n in names[positional:] if n in values]
        if self.random.random() < 0.5:
            self.random.shuffle(rest)
        texts = [values.get(n) or _DEFAULTS[n] for n in first]
        texts += [f"{n}={values[n]}" for n in rest]
        return f"{self.name}({', '.join(texts)}{self.random.choice(('', '', '', ','))})"

    @property
    def _transposed(self) -> bool:
        return "Transpose" in self.name

    @property
    def _rank(self) -> int:
        return int(self.name[-2])

    def _values(self) -> Iterator[tuple[str, str]]:
        """Yield the given parameters.

        torch takes a tuple of one for all axes, but not for every parameter: it raises at the first
        call for `kernel_size`, and for `padding` and `dilation` with a mode other than zeros.
        """
        yield from self._channels()
        words = dict(self._words())
        yield from words.items()
        usual = words.get("padding_mode", "'zeros'") == "'zeros'" or self._rank == 1
        sizes = (1, 2, 3, 3, 4, 5) if self._rank < 3 else (1, 2, 2, 3, 3, 4)
        yield "kernel_size", self._spell(self._draw(sizes), short=self._rank == 1)
        same = not self._transposed and self.random.random() < 0.15
        stride = [1] * self._rank if same else self._draw((1, 1, 2, 3))
        yield from self._maybe("stride", stride, 1)
        dilation = self._dilation()
        yield from self._maybe("dilation", dilation, 1, short=usual)
        if same:
            yield "padding", "'same'"
        elif not self._transposed and self.random.random() < 0.05:
            yield "padding", "'valid'"
        else:
            yield from self._maybe("padding", self._draw((0, 1, 1, 2, 3)), 0, short=usual)
        if self._transposed:
            extra = [self.random.randrange(n) for n in self._limits(stride, dilation)]
            yield from self._maybe("output_padding", extra, 0)

    def _channels(self) -> Iterator[tuple[str, str]]:
        groups = self.random.choice((1, 1, 1, 2, 0))
        inputs = self.random.choice((1, 2, 3, 4)) * max(groups, 1)
        groups = groups or inputs
        yield "in_channels", str(inputs)
        yield "out_channels", str(groups * self.random.choice((1, 2, 3)))
        if groups > 1 or self.random.random() < 0.2:
            yield "groups", str(groups)

    def _dilation(self) -> list[int]:
        dilation = self._draw((1, 1, 1, 2, 3))
        if self.name == "ConvTranspose3d" and self.random.random() < 0.9:
            dilation[0] = 1  # MindSpore takes no other
        return dilation

    def _limits(self, stride: list[int], dilation: list[int]) -> list[int]:
        if self.name == "ConvTranspose3d" and self.random.random() < 0.9:
            return stride  # MindSpore takes less than torch
        return [min(3, max(pair)) for pair in zip(stride, dilation, strict=True)]

    def _words(self) -> Iterator[tuple[str, str]]:
        if self.random.random() < 0.6:
            yield "bias", self.random.choice(("True", "True", "False", "False", "None"))
        if self.random.random() < (0.2 if self._transposed else 0.5):
            yield "padding_mode", repr(self.random.choice(MODES[: 1 if self._transposed else 4]))
        if self.random.random() < 0.08:
            yield "device", self.random.choice(("'cpu'", "None", "torch.device('cpu')"))
        if self.random.random() < 0.1:
            yield "dtype", self.random.choice(("torch.float16", "torch.float32", "None"))

    def _draw(self, options: Sequence[int]) -> list[int]:
        if self.random.random() < 0.5:
            return [self.random.choice(options)] * self._rank
        return [self.random.choice(options) for _ in range(self._rank)]

    def _maybe(
        self, name: str, values: list[int], default: int, short: bool = True
    ) -> Iterator[tuple[str, str]]:
        if any(v != default for v in values) or self.random.random() < 0.3:
            yield name, self._spell(values, short)

    def _spell(self, values: list[int], short: bool) -> str:
        """Write one int per axis as an int, a tuple or a list; `short`: also as one of one."""
        full = [str(tuple(values)), str(values)]
        if len(set(values)) > 1:
            return self.random.choice(full)
        one = values[0]
        ones = [f"({one},)", f"[{one}]"] if short else []
        return self.random.choice([str(one), str(one), str(one), *ones, *full])
