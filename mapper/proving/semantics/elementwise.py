"""Functions of each number on its own, and of the numbers along one axis (softmax)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ERF = np.frompyfunc(math.erf, 1, 1)


def where(condition: Array, a: Any, b: Any) -> Array:
    """Return `a` where the condition holds and `b` elsewhere; shapes are broadcast."""
    return np.asarray(np.where(condition, a, b))


def clip(x: Array, low: Any = None, high: Any = None) -> Array:
    """Return `x` held between two bounds, either of which may be None; shape of `x`."""
    if low is None and high is None:
        raise ValueError("at least one bound is needed")
    return np.clip(x, low, high)


def maximum(a: Any, b: Any) -> Array:
    """Return the larger of both, element by element; shapes are broadcast."""
    return np.asarray(np.maximum(a, b))


def minimum(a: Any, b: Any) -> Array:
    """Return the smaller of both, element by element; shapes are broadcast."""
    return np.asarray(np.minimum(a, b))


def exp(x: Array) -> Array:
    """Return e to the power of `x`; shape of `x`."""
    return np.asarray(np.exp(x))


def expm1(x: Array) -> Array:
    """Return e to the power of `x`, less 1; shape of `x`."""
    return np.asarray(np.expm1(x))


def log(x: Array) -> Array:
    """Return the natural logarithm; shape of `x`."""
    return np.asarray(np.log(x))


def log1p(x: Array) -> Array:
    """Return the natural logarithm of 1 + `x`; shape of `x`."""
    return np.asarray(np.log1p(x))


def sqrt(x: Array) -> Array:
    """Return the square root; shape of `x`."""
    return np.asarray(np.sqrt(x))


def rsqrt(x: Array) -> Array:
    """Return 1 over the square root; shape of `x`."""
    return np.asarray(1 / np.sqrt(x))


def absolute(x: Array) -> Array:
    """Return the absolute value; shape of `x`."""
    return np.asarray(np.abs(x))


def sign(x: Array) -> Array:
    """Return -1, 0 or 1; shape of `x`."""
    return np.asarray(np.sign(x))


def sin(x: Array) -> Array:
    """Return the sine; shape of `x`."""
    return np.asarray(np.sin(x))


def cos(x: Array) -> Array:
    """Return the cosine; shape of `x`."""
    return np.asarray(np.cos(x))


def floor(x: Array) -> Array:
    """Return the largest whole number not above; shape of `x`."""
    return np.asarray(np.floor(x))


def ceil(x: Array) -> Array:
    """Return the smallest whole number not below; shape of `x`."""
    return np.asarray(np.ceil(x))


def round_half_even(x: Array) -> Array:
    """Return the nearest whole number, the even one of two; shape of `x`."""
    return np.asarray(np.round(x))


def power(x: Any, exponent: Any) -> Array:
    """Return `x` to the power of `exponent`; shapes are broadcast."""
    return np.asarray(np.power(x, exponent))


def erf(x: Array) -> Array:
    """Return the error function; shape of `x`."""
    return np.asarray(_ERF(x)).astype(np.result_type(x, np.float32))


def relu(x: Array) -> Array:
    """Return max(x, 0); shape of `x`."""
    return np.maximum(x, np.zeros((), x.dtype))


def relu6(x: Array) -> Array:
    """Return `x` held between 0 and 6; shape of `x`."""
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, slope: float) -> Array:
    """Return `x`, times `slope` where it is negative; shape of `x`."""
    return np.where(x >= 0, x, x * slope)


def prelu(x: Array, weight: Array) -> Array:
    """Return leaky_relu with one slope, or one for each channel (axis 1); shape of `x`."""
    if weight.size not in (1, x.shape[1] if x.ndim > 1 else 1):
        raise ValueError(f"{weight.size} slopes for {x.shape}")
    slope = weight.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else weight
    return np.where(x >= 0, x, x * slope)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return `x`, alpha * (exp(x) - 1) where it is negative; shape of `x`."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """Return `x`, alpha * (exp(x / alpha) - 1) where it is negative; shape of `x`."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def selu(x: Array) -> Array:
    """Return elu with the two constants that keep mean and variance; shape of `x`."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); shape of `x`."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def logsigmoid(x: Array) -> Array:
    """Return log(sigmoid(x)); shape of `x`."""
    return np.asarray(-np.logaddexp(0, -x))


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent; shape of `x`."""
    return np.asarray(np.tanh(x))


def gelu(x: Array, approximate: bool = False) -> Array:
    """Return x * Phi(x), or its approximation by tanh; shape of `x`."""
    if approximate:
        inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return np.asarray(0.5 * x * (1 + inner))
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def silu(x: Array) -> Array:
    """Return x * sigmoid(x); shape of `x`."""
    return x * sigmoid(x)


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + exp(beta x)) / beta, `x` itself where beta x > threshold; shape of `x`."""
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def mish(x: Array) -> Array:
    """Return x * tanh(softplus(x)); shape of `x`."""
    return np.asarray(x * np.tanh(np.logaddexp(0, x)))


def hardsigmoid(x: Array) -> Array:
    """Return x / 6 + 1 / 2 held between 0 and 1; shape of `x`."""
    return np.clip(x / 6 + 0.5, 0, 1)


def hardswish(x: Array) -> Array:
    """Return x * hardsigmoid(x); shape of `x`."""
    return x * hardsigmoid(x)


def hardtanh(x: Array, low: float = -1.0, high: float = 1.0) -> Array:
    """Return `x` held between two bounds; shape of `x`."""
    if not low <= high:
        raise ValueError(f"{low} is above {high}")
    return np.clip(x, low, high)


def hardshrink(x: Array, bound: float = 0.5) -> Array:
    """Return `x`, 0 where it is within the bound; shape of `x`."""
    return np.where(np.abs(x) > bound, x, np.zeros((), x.dtype))


def softshrink(x: Array, bound: float = 0.5) -> Array:
    """Return `x` moved towards 0 by the bound, 0 where it is within; shape of `x`."""
    return np.asarray(np.sign(x) * np.maximum(np.abs(x) - bound, 0))


def tanhshrink(x: Array) -> Array:
    """Return x - tanh(x); shape of `x`."""
    return np.asarray(x - np.tanh(x))


def softsign(x: Array) -> Array:
    """Return x / (1 + |x|); shape of `x`."""
    return np.asarray(x / (1 + np.abs(x)))


def threshold(x: Array, bound: float, value: float) -> Array:
    """Return `x` where it is above the bound, `value` elsewhere; shape of `x`."""
    return np.where(x > bound, x, value)


def glu(x: Array, axis: int = -1) -> Array:
    """Return the first half along an axis times the sigmoid of the second; half that axis."""
    if x.shape[axis] % 2:
        raise ValueError(f"axis {axis} of {x.shape} has no halves")
    first, second = np.split(x, 2, axis)
    return first * sigmoid(second)


def softmax(x: Array, axis: int) -> Array:
    """Return exp(x) over its sum along an axis; shape of `x`."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def log_softmax(x: Array, axis: int) -> Array:
    """Return the logarithm of softmax; shape of `x`."""
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))
