"""Computes the shapes of convolutions, and says what is wrong with arguments that have none.

Pure arithmetic on shapes in torch's order: `x` is (N, C, *spatial), a convolution's weight is
(out, C / groups, *kernel), a transposed one's (C, out / groups, *kernel).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Shape: TypeAlias = "tuple[int, ...]"
Widths: TypeAlias = "Sequence[tuple[int, int]]"


def conv_shape(
    x: Shape,
    weight: Shape,
    *,
    stride: Sequence[int],
    padding: Widths,
    dilation: Sequence[int],
    groups: int,
) -> Shape:
    """Return the shape of `conv` from the shapes of `x` and `weight`, or say why there is none."""
    _check_layer(x, weight, stride, padding, dilation, groups)
    if x[1] != weight[1] * groups:
        raise ValueError(
            f"weight of shape {weight} with groups={groups} takes {weight[1] * groups} channels, "
            f"the input has {x[1]}"
        )
    if weight[0] % groups:
        raise ValueError(f"{weight[0]} output channels do not divide into groups={groups}")
    size = []
    for n, k, s, (a, b), d in zip(x[2:], weight[2:], stride, padding, dilation, strict=True):
        spare = a + n + b - (d * (k - 1) + 1)
        if spare < 0:
            raise ValueError(
                f"kernel {weight[2:]} with dilation {tuple(dilation)} is larger than the input "
                f"{x[2:]} padded by {list(padding)}"
            )
        size.append(spare // s + 1)
    return (x[0], weight[0], *size)


def conv_transpose_shape(
    x: Shape,
    weight: Shape,
    *,
    stride: Sequence[int],
    padding: Widths,
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Shape:
    """Return the shape of `conv_transpose` from those of `x` and `weight`, or say why not."""
    _check_layer(x, weight, stride, padding, dilation, groups)
    if len(output_padding) != len(x) - 2 or min(output_padding, default=0) < 0:
        raise ValueError(
            f"output_padding {tuple(output_padding)} must be {len(x) - 2} numbers of 0 or more"
        )
    if x[1] != weight[0]:
        raise ValueError(f"weight of shape {weight} takes {weight[0]} channels, input has {x[1]}")
    if x[1] % groups:
        raise ValueError(f"{x[1]} input channels do not divide into groups={groups}")
    axes = zip(x[2:], weight[2:], stride, padding, output_padding, dilation, strict=True)
    size = [(n - 1) * s + d * (k - 1) + 1 + o - a - b for n, k, s, (a, b), o, d in axes]
    if min(size, default=1) < 1:
        raise ValueError(
            f"the output would be empty: size {tuple(size)} from input {x[2:]}, kernel "
            f"{weight[2:]} and padding {list(padding)}"
        )
    return (x[0], weight[1] * groups, *size)


def _check_layer(
    x: Shape,
    weight: Shape,
    stride: Sequence[int],
    padding: Widths,
    dilation: Sequence[int],
    groups: int,
) -> None:
    """Check the conditions that plain and transposed convolutions share."""
    rank = len(x) - 2
    if rank < 1 or len(weight) != len(x):
        raise ValueError(f"x {x} and weight {weight} must both be (n, channels, *spatial)")
    if 0 in x[1:] or 0 in weight:
        raise ValueError(f"x {x} and weight {weight} must not be empty (the batch of x may)")
    if groups < 1:
        raise ValueError(f"groups must be 1 or more, not {groups}")
    if not len(stride) == len(padding) == len(dilation) == rank:
        raise ValueError(
            f"stride {tuple(stride)}, padding {list(padding)} and dilation {tuple(dilation)} must "
            f"have one entry for each of {rank} spatial axes"
        )
    if min(stride) < 1 or min(dilation) < 1:
        raise ValueError(f"stride {stride} and dilation {dilation} must be 1 or more")
    if min(map(min, padding)) < 0:
        raise ValueError(f"padding must not be negative: {list(padding)}")
