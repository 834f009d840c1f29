"""Normalisation over the batch, a layer, groups of channels or neighbouring channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    eps: float,
    momentum: float | None,
    training: bool,
    batches: Array | None = None,
) -> Array:
    """Return (N, C, …) normalised by channel; training also moves the running statistics.

    They move by `momentum` (the new one's share) towards the batch's, whose variance is unbiased
    there and biased in the output. Without a momentum they are averages over all `batches`.
    """
    if x.ndim < 2 or (weight is not None and weight.size != x.shape[1]):
        raise ValueError(f"channels of {x.shape}")
    axes, count = (0, *range(2, x.ndim)), x.size // max(x.shape[1], 1)
    if not training and running_mean is not None and running_var is not None:
        return _affine(
            (x - _by(running_mean, x)) / np.sqrt(_by(running_var, x) + eps), weight, bias
        )
    if count < 2 and training:
        raise ValueError("more than one value for each channel is needed in training")
    mean, var = x.mean(axes), x.var(axes)
    if training and batches is not None:
        batches += 1
    if training and running_mean is not None and running_var is not None:
        if momentum is None and batches is None:
            raise TypeError("no momentum, and no count of batches")
        share = 1 / float(batches) if momentum is None and batches is not None else momentum
        running_mean += share * (mean - running_mean)
        running_var += share * (var * count / (count - 1) - running_var)
    return _affine((x - _by(mean, x)) / np.sqrt(_by(var, x) + eps), weight, bias)


def layer_norm(x: Array, shape: Any, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Return (…, *shape) normalised over the last axes; weight and bias have their shape."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes or x.shape[-len(sizes) :] != sizes:
        raise ValueError(f"the last axes of {x.shape} are not {sizes}")
    if 0 in sizes:
        raise ValueError("there is nothing to normalise over")
    axes = tuple(range(-len(sizes), 0))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return np.asarray(y if bias is None else y + bias)


def group_norm(
    x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """Return (N, C, …) normalised over each of `groups` runs of channels; weight (C,)."""
    if x.shape[1] % groups:
        raise ValueError(f"{x.shape[1]} channels in {groups} groups")
    y = x.reshape(x.shape[0], groups, -1)
    y = (y - y.mean(2, keepdims=True)) / np.sqrt(y.var(2, keepdims=True) + eps)
    return _affine(y.reshape(x.shape), weight, bias)


def instance_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    eps: float,
    momentum: float,
    training: bool,
) -> Array:
    """Return (N, C, …) normalised over each channel of each sample; weight (C,).

    With running statistics they are used outside training, and moved by the batch's averages in it.
    """
    axes = tuple(range(2, x.ndim))
    count = int(np.prod(x.shape[2:]))
    if running_mean is not None and running_var is not None:
        if not training:
            y = (x - _by(running_mean, x)) / np.sqrt(_by(running_var, x) + eps)
            return _affine(y, weight, bias)
        unbiased = x.var(axes) * count / (count - 1)
        running_mean += momentum * (x.mean(axes).mean(0) - running_mean)
        running_var += momentum * (unbiased.mean(0) - running_var)
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    return _affine(y, weight, bias)


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """Return (N, C, …) over (k + alpha * mean of squares of `size` channels) ** beta.

    The window of an even size reaches one further down than up.
    """
    widths = [(0, 0)] * x.ndim
    widths[1] = (size // 2, (size - 1) // 2)
    squares = np.pad(x * x, widths)
    mean = sum(squares[:, i : i + x.shape[1]] for i in range(size)) / size
    return np.asarray(x / (k + alpha * mean) ** beta)


def _by(values: Array, x: Array) -> Array:
    return values.reshape(-1, *[1] * (x.ndim - 2))


def _affine(y: Array, weight: Array | None, bias: Array | None) -> Array:
    y = y if weight is None else y * _by(weight, y)
    return np.asarray(y if bias is None else y + _by(bias, y))
