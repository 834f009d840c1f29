"""Losses; `reduction` is 'none', 'mean' or 'sum'."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.proving.semantics.elementwise import log_softmax

Array = NDArray[Any]


def reduced(values: Array, reduction: str) -> Array:
    """Return the values, their mean or their sum."""
    match reduction:
        case "none":
            return np.asarray(values)
        case "mean":
            return np.asarray(values.mean())
        case "sum":
            return np.asarray(values.sum())
    raise ValueError(f"reduction {reduction!r}")


def mse_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Return the squared differences, reduced; shapes are broadcast."""
    return reduced((x - target) ** 2, reduction)


def l1_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """Return the absolute differences, reduced; shapes are broadcast."""
    return reduced(np.abs(x - target), reduction)


def smooth_l1_loss(x: Array, target: Array, beta: float = 1.0, reduction: str = "mean") -> Array:
    """Return d² / (2 beta) for distances d below beta and d - beta / 2 above, reduced."""
    d = np.abs(x - target)
    if beta < 0:
        raise ValueError(f"beta {beta}")
    return reduced(np.where(d < beta, 0.5 * d**2 / (beta or 1), d - 0.5 * beta), reduction)


def huber_loss(x: Array, target: Array, delta: float = 1.0, reduction: str = "mean") -> Array:
    """Return halved squares below delta and delta * (distance - delta / 2) above, reduced."""
    d = np.abs(x - target)
    if delta <= 0:
        raise ValueError(f"delta {delta}")
    return reduced(np.where(d < delta, 0.5 * d**2, delta * (d - 0.5 * delta)), reduction)


def nll_loss(
    x: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Return -x[target] of (N, C, …) and ints (N, …); the mean is weighted by class."""
    if target.dtype.kind != "i":
        raise TypeError(f"class numbers of {target.dtype}")
    kept = target != ignore_index
    index = np.where(kept, target, 0)
    picked = -np.take_along_axis(x, index[:, None], 1)[:, 0]
    share = np.ones(x.shape[1]) if weight is None else weight
    shares = np.where(kept, share[index], 0.0)
    if reduction == "mean":
        return np.asarray((picked * shares).sum() / shares.sum())
    return reduced(picked * shares, reduction)


def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Return nll_loss of log_softmax over axis 1; targets are classes or, of one shape, shares."""
    logs = log_softmax(x, 1)
    share = np.ones(x.shape[1]) if weight is None else weight
    by = share.reshape(-1, *[1] * (x.ndim - 2))
    if target.dtype.kind == "f":
        soft = target * (1 - label_smoothing) + label_smoothing / x.shape[1]
        values = -(logs * soft * by).sum(1)
        return (
            np.asarray(values.sum() / (values.size))
            if reduction == "mean"
            else reduced(values, reduction)
        )
    hard = nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    kept = target != ignore_index
    smooth = np.where(kept, -(logs * by).sum(1), 0.0)
    if reduction == "mean":
        index = np.where(kept, target, 0)
        smooth = np.asarray(smooth.sum() / np.where(kept, share[index], 0.0).sum())
    else:
        smooth = reduced(smooth, reduction)
    return np.asarray((1 - label_smoothing) * hard + label_smoothing / x.shape[1] * smooth)


def binary_cross_entropy(
    x: Array, target: Array, weight: Array | None = None, reduction: str = "mean"
) -> Array:
    """Return the cross entropy of probabilities, whose logarithms are -100 at least, reduced."""
    with np.errstate(divide="ignore"):
        logs, rest = np.maximum(np.log(x), -100), np.maximum(np.log(1 - x), -100)
    values = -(target * logs + (1 - target) * rest)
    return reduced(values if weight is None else values * weight, reduction)


def binary_cross_entropy_with_logits(
    x: Array,
    target: Array,
    weight: Array | None = None,
    pos_weight: Array | None = None,
    reduction: str = "mean",
) -> Array:
    """Return the binary cross entropy of sigmoid(x), reduced; `pos_weight` for targets of 1."""
    positive = target if pos_weight is None else target * pos_weight
    values = positive * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)
    return reduced(values if weight is None else values * weight, reduction)


def kl_div(x: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """Return target * (log target - x), reduced; 'batchmean' divides the sum by the first axis."""
    if log_target:
        values = np.exp(target) * (target - x)
    else:
        values = np.where(target > 0, target * (np.log(np.where(target > 0, target, 1)) - x), 0.0)
    if reduction == "batchmean":
        return np.asarray(values.sum() / len(x))
    return reduced(values, reduction)


def margin_ranking_loss(
    a: Array, b: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    """Return max(0, -target * (a - b) + margin), reduced."""
    return reduced(np.maximum(0, -target * (a - b) + margin), reduction)


def cosine_embedding_loss(
    a: Array, b: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    """Return 1 - cos for targets of 1 and max(0, cos - margin) for -1, reduced; (N, D), (N,)."""
    eps = 1e-12
    cos = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + eps) * ((b * b).sum(-1) + eps))
    return reduced(np.where(target == 1, 1 - cos, np.maximum(0, cos - margin)), reduction)
