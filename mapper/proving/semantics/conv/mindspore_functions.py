"""MindSpore's functional convolutions, and the inserted helper functions, on numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from mapper.proving.semantics.conv import arrays, mindspore_layers, torch_layers
from mapper.proving.semantics.conv.layer import Array, Layer, RefusedError, Shape, is_int
from mapper.proving.semantics.conv.mindspore_layers import Arguments, Version


def convolution(rank: int, arguments: Arguments, version: Version) -> Layer:
    """Return `mindspore.ops.conv{rank}d`; `weight` is its shape, `bias` whether it is given.

    Padding takes one int per axis here, and in 1-d stride and dilation may be 1-tuples.

    Raises:
        RefusedError: MindSpore raises TypeError or ValueError for these arguments.
    """
    weight = _weight(arguments)
    groups = arguments["groups"]
    layer = {
        "in_channels": weight[1] * groups if is_int(groups) else groups,
        "out_channels": weight[0],
        "kernel_size": weight[2] if rank == 1 else weight[2:],
        "stride": _scalar(rank, arguments["stride"]),
        "dilation": _scalar(rank, arguments["dilation"]),
        "padding": _doubled(rank, arguments["padding"]),
        "pad_mode": arguments["pad_mode"],
        "group": groups,
        "has_bias": bool(arguments["bias"]),
    }
    inner = mindspore_layers.convolution(rank, layer, version)
    return Layer(inner.run, {**inner.parameters, "weight": weight})


def conv_transpose(rank: int, arguments: Arguments, version: Version) -> Layer:
    """Return the inserted helper `ms_conv_transpose{rank}d`: torch's signature and values.

    It enlarges the input where output_padding exceeds padding, and crops less on the right.
    """
    weight = _weight(arguments)
    groups = arguments["groups"]
    c = torch_layers.convolution(
        rank,
        True,
        {
            **arguments,
            "in_channels": weight[0],
            "out_channels": weight[1] * groups if is_int(groups) else groups,
            "kernel_size": weight[2:],
            "padding_mode": "zeros",
        },
    )
    if rank == 3:
        mindspore_layers.check_conv3d_transpose(
            c.kernel_size, c.stride, c.dilation, c.groups, c.output_padding or (), version
        )
    extra = c.output_padding or (0,) * rank
    longer = [
        max(0, -((before - o) // s))
        for (before, _), o, s in zip(c.padding, extra, c.stride, strict=True)
    ]
    padding = [
        (before, before + q * s - o)
        for (before, _), q, s, o in zip(c.padding, longer, c.stride, extra, strict=True)
    ]

    def run(x: Array, parameters: Mapping[str, Array]) -> Array:
        x = arrays.pad(x, [(0, q) for q in longer])
        return arrays.conv_transpose(
            x, parameters["weight"], parameters.get("bias"), stride=c.stride, padding=padding,
            output_padding=(0,) * rank, dilation=c.dilation, groups=c.groups,
        )  # fmt: skip

    return Layer(run, c.parameters)


def _weight(arguments: Arguments) -> Shape:
    weight = arguments["weight"]
    assert isinstance(weight, tuple)
    return weight


def _scalar(rank: int, value: object) -> object:
    if rank == 1 and isinstance(value, tuple | list) and len(value) == 1:
        return value[0]
    return value


def _doubled(rank: int, padding: object) -> object:
    """Return a padding of one int per axis in the form that the layers take."""
    if isinstance(padding, tuple | list):
        if len(padding) != rank:
            raise RefusedError(f"padding must be an int or {rank} ints, got {padding!r}")
        return padding[0] if rank == 1 else tuple(p for p in padding for _ in range(2))
    return padding


FUNCTIONS: dict[str, Callable[[Arguments, Version], Layer]] = {
    **{f"mindspore.ops.conv{n}d": partial(convolution, n) for n in (1, 2, 3)},
    **{f"ms_conv_transpose{n}d": partial(conv_transpose, n) for n in (1, 2, 3)},
}
"""Qualified name (or helper function) -> builder from the arguments by name and the version."""
