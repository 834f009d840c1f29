"""torch.nn's convolutions, as torch 2.13 computes them, on numpy arrays.

Measured against torch itself by the tests marked `oracle`; refusals follow torch's own checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.proving.semantics.conv import arrays
from mapper.proving.semantics.conv.layer import (
    Array,
    Layer,
    RefusedError,
    Shape,
    is_int,
    positive_int,
)

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass(frozen=True, slots=True)
class Convolution:
    """The arguments of a torch convolution, normalised to one int per spatial axis.

    `padding` holds (before, after) pairs; `output_padding` is None for a plain convolution.
    """

    in_channels: int
    out_channels: int
    kernel_size: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int
    bias: bool
    padding_mode: str = "zeros"
    output_padding: Shape | None = None

    @property
    def weight(self) -> Shape:
        """Return the shape of the weight."""
        if self.output_padding is None:
            return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    @property
    def parameters(self) -> dict[str, Shape]:
        """Return the shapes of all parameters."""
        return {"weight": self.weight} | ({"bias": (self.out_channels,)} if self.bias else {})


def convolution(rank: int, transposed: bool, arguments: Mapping[str, object]) -> Convolution:
    """Normalise the arguments of `torch.nn.Conv{rank}d` or `ConvTranspose{rank}d`.

    `arguments` maps every parameter of torch's signature to its value.

    Raises:
        RefusedError: torch raises for these arguments, in the constructor or at the first call.
    """
    channels_in = positive_int("in_channels", arguments["in_channels"])
    channels_out = positive_int("out_channels", arguments["out_channels"])
    groups = positive_int("groups", arguments["groups"])
    for name, channels in (("in_channels", channels_in), ("out_channels", channels_out)):
        if channels % groups:
            raise RefusedError(f"{name} must be divisible by groups ({channels} by {groups})")
    _refuse_short("kernel_size", arguments["kernel_size"], rank)
    kernel = _axes("kernel_size", _without_bools(arguments["kernel_size"]), rank, 1)
    stride = _axes("stride", arguments["stride"], rank, 1)
    dilation = _axes("dilation", arguments["dilation"], rank, 1)
    mode = arguments["padding_mode"]
    if mode != "zeros" and (mode not in _PAD_MODES or transposed):
        raise RefusedError(f"padding_mode={mode!r} is not supported")
    output_padding = None
    if transposed:
        output_padding = _axes("output_padding", arguments["output_padding"], rank, 0)
        if any(o >= max(s, d) for o, s, d in zip(output_padding, stride, dilation, strict=True)):
            raise RefusedError("output_padding must be smaller than either stride or dilation")
        if isinstance(arguments["padding"], str):
            raise RefusedError("a transposed convolution takes no string padding")
    padding = _padding(arguments["padding"], kernel, stride, dilation)
    if mode != "zeros":
        _refuse_short("padding", arguments["padding"], rank)
        if arguments["padding"] == "same":
            padding = _only_first(padding, arguments["dilation"])
    return Convolution(
        channels_in, channels_out, kernel, stride, padding, dilation, groups,
        bool(arguments["bias"]), str(mode), output_padding,
    )  # fmt: skip


def layer(convolution: Convolution) -> Layer:
    """Return the layer that computes what torch computes."""
    c = convolution
    mode = _PAD_MODES.get(c.padding_mode)
    padding = c.padding if mode is None else ((0, 0),) * len(c.padding)

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        weight, bias = parameters["weight"], parameters.get("bias")
        if c.output_padding is not None:
            return arrays.conv_transpose(
                x, weight, bias, stride=c.stride, padding=padding,
                output_padding=c.output_padding, dilation=c.dilation, groups=c.groups,
            )  # fmt: skip
        if mode is not None:
            x = arrays.pad(x, c.padding, mode)
        return arrays.conv(
            x, weight, bias, stride=c.stride, padding=padding,
            dilation=c.dilation, groups=c.groups,
        )  # fmt: skip

    return Layer(run, c.parameters)


def _padding(
    value: object, kernel: Shape, stride: Shape, dilation: Shape
) -> tuple[tuple[int, int], ...]:
    if value == "valid":
        return ((0, 0),) * len(kernel)
    if value == "same":
        if any(s != 1 for s in stride):
            raise RefusedError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(value, str):
        raise RefusedError(f"invalid padding string {value!r}: expected 'valid' or 'same'")
    return tuple((p, p) for p in _axes("padding", value, len(kernel), 0))


def _only_first(
    padding: tuple[tuple[int, int], ...], dilation: object
) -> tuple[tuple[int, int], ...]:
    """Drop what torch drops: with a `dilation` of one element it pads the first axis only."""
    count = len(dilation) if isinstance(dilation, tuple | list) else len(padding)
    return tuple(pair if i < count else (0, 0) for i, pair in enumerate(padding))


def _without_bools(value: object) -> object:
    """Return `value` with bools as ints: `kernel_size` makes a shape, where torch takes them."""
    if isinstance(value, tuple | list):
        return [_without_bools(item) for item in value]
    return int(value) if isinstance(value, bool) else value


def _refuse_short(name: str, value: object, rank: int) -> None:
    """Refuse one element for several axes where torch takes it and raises at the first call."""
    if isinstance(value, tuple | list) and len(value) < rank:
        raise RefusedError(f"{name}={value!r}: an int or {rank} ints are needed here")


def _axes(name: str, value: object, rank: int, least: int) -> Shape:
    """Spread an int or a one-element sequence over the axes, as torch does."""
    items = list(value) if isinstance(value, tuple | list) else [value]
    if len(items) == 1:
        items *= rank
    if len(items) != rank:
        raise RefusedError(f"{name} must be an int or {rank} ints, got {value!r}")
    ints = tuple(item for item in items if is_int(item))
    if len(ints) != rank:
        raise RefusedError(f"{name} must be an int or a tuple of ints, got {value!r}")
    if min(ints) < least:
        raise RefusedError(f"{name}={value!r}: {'non-positive' if least else 'negative'} value")
    return ints
