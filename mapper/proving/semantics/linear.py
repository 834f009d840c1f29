"""Products of matrices, and lookups in a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return x @ weight.T + bias: (…, in) with a weight (out, in) gives (…, out)."""
    y = np.asarray(x @ weight.T)
    return y if bias is None else y + bias


def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product over the last two axes, the others broadcast."""
    return np.asarray(np.matmul(a, b))


def bmm(a: Array, b: Array) -> Array:
    """Return the products of a batch: (B, n, m) and (B, m, p) give (B, n, p)."""
    if a.ndim != 3 or b.ndim != 3 or len(a) != len(b):
        raise ValueError(f"shapes {a.shape} and {b.shape} are no batches of matrices")
    return np.asarray(np.matmul(a, b))


def bilinear(a: Array, b: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return a W b + bias: (…, i), (…, j) with a weight (out, i, j) gives (…, out)."""
    y = np.einsum("...i,oij,...j->...o", a, weight, b)
    return np.asarray(y if bias is None else y + bias)


def embedding(index: Array, table: Array, padding_idx: int | None = None) -> Array:
    """Return the rows of a table (n, d) at the indices: shape of `index` and d.

    `padding_idx` is a row as any other: it only gets no gradient.
    """
    if padding_idx is not None and not -len(table) <= padding_idx < len(table):
        raise IndexError(f"padding_idx {padding_idx} for {len(table)} rows")
    if index.dtype.kind != "i" or (index.size and not 0 <= index.min() <= index.max() < len(table)):
        raise IndexError(f"an index of {index.dtype} for {len(table)} rows")
    return np.asarray(table[index])


def one_hot(index: Array, classes: int) -> Array:
    """Return int64 with 1 at each index: shape of `index` and the number of classes."""
    count = int(index.max()) + 1 if classes == -1 else classes
    return np.eye(count, dtype=np.int64)[index]


def cosine_similarity(a: Array, b: Array, axis: int = 1, eps: float = 1e-8) -> Array:
    """Return the cosine between vectors along an axis, which is gone."""
    na, nb = (np.sqrt((v * v).sum(axis)) for v in (a, b))
    return np.asarray((a * b).sum(axis) / (np.maximum(na, eps) * np.maximum(nb, eps)))


def normalize(x: Array, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Array:
    """Return `x` over its p-norm along an axis, which counts as eps at least; shape of `x`."""
    size = (np.abs(x) ** p).sum(axis, keepdims=True) ** (1 / p)
    return np.asarray(x / np.maximum(size, eps))
