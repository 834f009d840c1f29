"""MindSpore's convolution and padding layers on numpy arrays.

They do what MindSpore does, also where its documentation says something else; the tests marked
`oracle` hold them to it. Where MindSpore raises, they raise RefusedError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mapper.proving.semantics.conv import arrays
from mapper.proving.semantics.conv.layer import (
    Array,
    Layer,
    RefusedError,
    Shape,
    is_int,
    positive_int,
)

Arguments = Mapping[str, object]
Pairs = tuple[tuple[int, int], ...]
Version = tuple[int, int]


def convolution(rank: int, arguments: Arguments, version: Version) -> Layer:
    """Return `mindspore.nn.Conv{rank}d` with these arguments (its whole signature by name).

    Raises:
        RefusedError: MindSpore raises TypeError or ValueError for them.
    """
    c = _Common(rank, arguments)
    if version == (2, 0) and rank == 3 and any(p >= k for p, k in _each_side(c.padding, c.dilated)):
        raise RefusedError("MindSpore 2.0's Conv3d wants padding smaller than the dilated kernel")

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        padding = c.padding
        if c.pad_mode == "same":
            padding = tuple(map(_same, x.shape[2:], c.dilated, c.stride))
        weight = parameters["weight"].reshape(weight_shape)
        return arrays.conv(
            x, weight, parameters.get("bias"), stride=c.stride, padding=padding,
            dilation=c.dilation, groups=c.group,
        )  # fmt: skip

    weight_shape = (c.out_channels, c.in_channels // c.group, *c.kernel)
    return Layer(run, c.parameters(weight_shape))


def conv_transpose(rank: int, arguments: Arguments, version: Version) -> Layer:
    """Return `mindspore.nn.Conv{rank}dTranspose` with these arguments.

    Its `output_padding` is the real one only in 3-d. In 2-d, MindSpore 2.0 ignores it and later
    versions pad the result with zeros, after the bias.

    Raises:
        RefusedError: MindSpore raises TypeError or ValueError for them.
    """
    c = _Common(rank, arguments)
    extra = _output_padding(c, arguments, version)
    native, zeros = (extra, (0,) * rank) if rank == 3 else ((0,) * rank, extra)
    if rank == 3:
        check_conv3d_transpose(c.kernel, c.stride, c.dilation, c.group, extra, version)

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        padding, more = c.padding, native
        if c.pad_mode != "pad":
            # The output length is fixed by the mode; the operator crops or extends to reach it.
            lengths = [_mode_length(c.pad_mode, *a) for a in _axes_of(x, c)]
            padding, more = _reach(lengths, x.shape[2:], c)
        weight = parameters["weight"].reshape(weight_shape)
        y = arrays.conv_transpose(
            x, weight, parameters.get("bias"), stride=c.stride, padding=padding,
            output_padding=more, dilation=c.dilation, groups=c.group,
        )  # fmt: skip
        return arrays.pad(y, [(0, z) for z in zeros]) if any(zeros) else y

    weight_shape = (c.in_channels, c.out_channels // c.group, *c.kernel)
    return Layer(run, c.parameters(weight_shape))


def check_conv3d_transpose(
    kernel: Shape, stride: Shape, dilation: Shape, group: int, extra: Shape, version: Version
) -> None:
    """Refuse what the 3-d transposed convolution cannot do, as layer and as operator."""
    if dilation[0] != 1:
        raise RefusedError("the depth dilation of Conv3dTranspose must be 1")
    if math.prod(kernel) > 343:
        raise RefusedError("the kernel of Conv3dTranspose may have at most 343 elements")
    if any(e >= s for e, s in zip(extra, stride, strict=True) if e):
        raise RefusedError("on CPU, output_padding of Conv3dTranspose must be smaller than stride")
    if version == (2, 0) and group != 1:
        raise RefusedError("MindSpore 2.0's Conv3dTranspose takes no group other than 1")


def pad(arguments: Arguments, version: Version) -> Layer:
    """Return `mindspore.nn.Pad`: `paddings` holds a pair for every axis, batch included."""
    modes = {"CONSTANT": "constant", "REFLECT": "reflect", "SYMMETRIC": "symmetric"}
    mode, paddings = arguments["mode"], arguments["paddings"]
    if mode not in modes or mode == "SYMMETRIC":
        raise RefusedError(f"Pad: mode={mode!r}")
    if not isinstance(paddings, tuple) or len(paddings) > 4:
        raise RefusedError("Pad: paddings must be a tuple for at most 4 axes")
    if mode == "REFLECT":
        paddings = _without_bools(paddings)
    pairs = tuple(_pair("Pad", pair) for pair in paddings)

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        if len(pairs) != x.ndim:
            raise RefusedError(f"Pad: {len(pairs)} pairs for an input of {x.ndim} axes")
        return arrays.pad(x, pairs, modes[str(mode)])

    return Layer(run)


def edge_pad(rank: int, mode: str, arguments: Arguments, version: Version) -> Layer:
    """Return `ReflectionPad{rank}d` or `ReplicationPad{rank}d` (`mode` is `reflect` or `edge`).

    Reflection takes bools for ints and pairs for fewer or more than `rank` axes; replication takes
    negative widths, which crop.
    """
    value = arguments["padding"]
    if isinstance(value, list):
        raise RefusedError("padding must be an int or a tuple, got a list")
    if mode == "edge":
        return _pad_last_axes(value, rank, mode, negative=True)
    value = _without_bools(value)
    count = len(value) // 2 if isinstance(value, tuple) else rank
    return _pad_last_axes(value, rank, mode, count)


def circular_pad(arguments: Arguments, version: Version) -> Layer:
    """Return the inserted helper `CircularPad`: `ops.pad(x, padding, mode='circular')`."""
    padding = arguments["padding"]
    if not isinstance(padding, tuple | list) or len(padding) % 2:
        raise RefusedError("ops.pad wants a tuple of pairs, the last axis first")
    return _pad_last_axes(padding, len(padding) // 2, "wrap")


def crop(arguments: Arguments, version: Version) -> Layer:
    """Return the inserted helper `Crop1d`: `x[..., start:x.shape[-1] - end]`."""
    start, end = arguments["start"], arguments["end"]
    if not (isinstance(start, int) and isinstance(end, int) and start >= 0 and end >= 0):
        raise RefusedError(f"Crop1d(start={start!r}, end={end!r})")
    width = (start, end)
    return Layer(lambda x, parameters: arrays.crop(x, [width]))


def sequential(layers: Sequence[Layer]) -> Layer:
    """Return `nn.SequentialCell(*layers)`; a parameter is named by its layer's position."""

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        for index, layer in enumerate(layers):
            own = {name: parameters[f"{index}.{name}"] for name in layer.parameters}
            x = layer.run(x, own)
        return x

    shapes = {
        f"{i}.{name}": s for i, one in enumerate(layers) for name, s in one.parameters.items()
    }
    return Layer(run, shapes)


class _Common:
    """The arguments that all convolutions share, checked as MindSpore checks them."""

    def __init__(self, rank: int, arguments: Arguments) -> None:
        self.in_channels = positive_int("in_channels", arguments["in_channels"])
        self.out_channels = positive_int("out_channels", arguments["out_channels"])
        self.group = positive_int("group", arguments["group"])
        if self.in_channels % self.group or self.out_channels % self.group:
            raise RefusedError("in_channels and out_channels must be divisible by group")
        self.kernel = _axes("kernel_size", arguments["kernel_size"], rank)
        self.stride = _axes("stride", arguments["stride"], rank)
        self.dilation = _axes("dilation", arguments["dilation"], rank)
        self.dilated = tuple(
            d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)
        )
        if not isinstance(arguments["has_bias"], bool):
            raise RefusedError(f"has_bias must be a bool, got {arguments['has_bias']!r}")
        self.has_bias = arguments["has_bias"]
        self.pad_mode = arguments["pad_mode"]
        if rank == 3 and isinstance(self.pad_mode, str):
            self.pad_mode = self.pad_mode.lower()
        if self.pad_mode not in ("same", "valid", "pad"):
            raise RefusedError(f"pad_mode must be 'same', 'valid' or 'pad', got {self.pad_mode!r}")
        self.padding = _padding(arguments["padding"], rank)
        if self.pad_mode != "pad" and any(map(any, self.padding)):
            raise RefusedError(f"padding must be 0 when pad_mode is {self.pad_mode!r}")

    def parameters(self, weight: Shape) -> dict[str, Shape]:
        """Return the parameter shapes; a 1-d weight gets the extra axis of the 2-d operator."""
        if len(self.kernel) == 1:
            weight = (*weight[:2], 1, weight[2])
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.has_bias else {})


def _same(length: int, dilated: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(length / stride) - 1) * stride + dilated - length, 0)
    return total // 2, total - total // 2


def _axes_of(x: Array, c: _Common) -> list[tuple[int, int, int]]:
    return list(zip(x.shape[2:], c.dilated, c.stride, strict=True))


def _mode_length(pad_mode: object, length: int, dilated: int, stride: int) -> int:
    if pad_mode == "same":
        return length * stride
    return length * stride + max(dilated - stride, 0)


def _reach(lengths: Sequence[int], inputs: Sequence[int], c: _Common) -> tuple[Pairs, Shape]:
    """Return the crop and the extension that lead to the output `lengths`."""
    padding, more = [], []
    for want, length, dilated, stride in zip(lengths, inputs, c.dilated, c.stride, strict=True):
        surplus = (length - 1) * stride + dilated - want
        before = max(surplus, 0) // 2
        padding.append((before, max(surplus, 0) - before))
        more.append(max(-surplus, 0))
    return tuple(padding), tuple(more)


def _output_padding(c: _Common, arguments: Arguments, version: Version) -> Shape:
    rank, value = len(c.kernel), arguments.get("output_padding", 0)
    if rank == 1 or (rank == 2 and version == (2, 0)):
        return (0,) * rank
    extra = _axes("output_padding", value, rank, least=0)
    if any(extra) and c.pad_mode != "pad":
        raise RefusedError("output_padding must be 0 when pad_mode is not 'pad'")
    if any(e >= max(s, d) for e, s, d in zip(extra, c.stride, c.dilation, strict=True)):
        raise RefusedError("output_padding must be smaller than either stride or dilation")
    return extra


def _each_side(padding: Pairs, kernel: Shape) -> list[tuple[int, int]]:
    return [(max(pair), k) for pair, k in zip(padding, kernel, strict=True)]


def _axes(name: str, value: object, rank: int, least: int = 1) -> Shape:
    values = (value,) * rank if is_int(value) else value
    if rank == 1 and not is_int(value):
        raise RefusedError(f"{name} must be an int in 1-d, got {value!r}")
    if not isinstance(values, tuple) or len(values) != rank:
        raise RefusedError(f"{name} must be an int or a tuple of {rank} ints, got {value!r}")
    if not all(is_int(v) and v >= least for v in values):
        raise RefusedError(f"{name} must hold ints of at least {least}, got {value!r}")
    return values


def _padding(value: object, rank: int) -> Pairs:
    """Read an int, or in 2-d and 3-d a tuple with two ints for every axis, the first axis first."""
    if is_int(value):
        value = (value,) * (2 * rank)
    elif rank == 1:
        raise RefusedError(f"padding must be an int in 1-d, got {value!r}")
    if not isinstance(value, tuple) or len(value) != 2 * rank:
        raise RefusedError(f"padding must be an int or a tuple of {2 * rank} ints, got {value!r}")
    if not all(is_int(v) and v >= 0 for v in value):
        raise RefusedError(f"padding must hold ints of at least 0, got {value!r}")
    return tuple(zip(value[::2], value[1::2], strict=True))


def _pad_last_axes(
    value: object, rank: int, mode: str, count: int | None = None, negative: bool = False
) -> Layer:
    """Pad as torch's F.pad orders it: pairs from the last axis to the first.

    `count`: for how many axes there are pairs, if not `rank`; `negative`: negative widths crop.
    """
    count = rank if count is None else count
    if is_int(value):
        value = (value,) * (2 * count)
    if not isinstance(value, tuple | list) or len(value) != 2 * count:
        raise RefusedError(f"padding must be an int or a tuple of {2 * rank} ints, got {value!r}")
    flat = list(value)
    pairs = [tuple(flat[i : i + 2]) for i in range(0, len(flat), 2)][::-1]
    least = -math.inf if negative else 0
    wider = [_pair("padding", pair, least) for pair in pairs]

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        if x.ndim != rank + 2:
            raise RefusedError(f"{rank}-d padding of an input with {x.ndim} axes")
        x = arrays.crop(x, [(max(-before, 0), max(-after, 0)) for before, after in wider])
        if not x.size:
            raise RefusedError(f"padding {value!r} crops everything")
        return arrays.pad(x, [(max(before, 0), max(after, 0)) for before, after in wider], mode)

    return Layer(run)


def _pair(name: str, pair: object, least: float = 0) -> tuple[int, int]:
    match pair:
        case (before, after):
            if is_int(before) and is_int(after) and min(before, after) >= least:
                return before, after
    raise RefusedError(f"{name}: wants pairs of ints of at least {least}, got {pair!r}")


def _without_bools(value: Any) -> Any:
    """Return `value` with bools as ints, for the few layers that do not tell them apart."""
    if isinstance(value, tuple):
        return tuple(map(_without_bools, value))
    return int(value) if isinstance(value, bool) else value


LAYERS: dict[str, Callable[[Arguments, Version], Layer]] = {
    **{f"mindspore.nn.Conv{n}d": partial(convolution, n) for n in (1, 2, 3)},
    **{f"mindspore.nn.Conv{n}dTranspose": partial(conv_transpose, n) for n in (1, 2, 3)},
    **{f"mindspore.nn.ReflectionPad{n}d": partial(edge_pad, n, "reflect") for n in (1, 2, 3)},
    **{f"mindspore.nn.ReplicationPad{n}d": partial(edge_pad, n, "edge") for n in (1, 2, 3)},
    "mindspore.nn.Pad": pad,
    "CircularPad": circular_pad,
    "Crop1d": crop,
}
"""Qualified name (or helper class) -> builder from the arguments by name and the version."""
