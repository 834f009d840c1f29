"""Weights that torch's `weight_norm` keeps in two parts, as the one weight that these make."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.weights.networks import Entry, Network, Shape

Array = NDArray[Any]
PARTS = ("weight_g", "weight_v")
"""How both frameworks' layers call the parts; MindSpore's is inserted by the migration."""
_PARAMETRIZED = re.compile(r"(?P<owner>(?:.+\.)?)parametrizations\.(?P<name>\w+)\.original1")


@dataclass(frozen=True, slots=True)
class Parts:
    """The name of a weight, and those of the two parts that are in torch's state instead."""

    weight: str
    magnitude: str
    direction: str


def parts(shapes: Mapping[str, Shape], taken: Container[str]) -> tuple[Parts, ...]:
    """Return the weights that are in parts here and one in a model with the names `taken`."""
    return tuple(
        one
        for name in shapes
        for one in _named(name)
        if one.magnitude in shapes
        and one.weight not in shapes
        and not (one.magnitude in taken and one.direction in taken)
        and _fits(shapes[one.magnitude], shapes[one.direction])
    )


def _named(direction: str) -> Iterator[Parts]:
    if direction.endswith("_v"):
        weight = direction.removesuffix("_v")
        yield Parts(weight, f"{weight}_g", direction)
    elif found := _PARAMETRIZED.fullmatch(direction):
        magnitude = f"{direction.removesuffix('1')}0"
        yield Parts(found["owner"] + found["name"], magnitude, direction)


def _fits(magnitude: Shape, direction: Shape) -> bool:
    """Say whether there is one magnitude, or one for each index of an axis."""
    if not magnitude:
        return True
    if len(magnitude) != len(direction):
        return False
    wide = [(one, other) for one, other in zip(magnitude, direction, strict=True) if one != 1]
    return len(wide) < 2 and all(one == other for one, other in wide)


def whole(magnitude: Array, direction: Array) -> Array:
    """Return the weight: the direction, of length one along the axes that share a magnitude."""
    axes = tuple(axis for axis, size in enumerate(magnitude.shape) if size == 1)
    long = direction.astype(np.float64)
    norm = np.sqrt(np.square(long).sum(axes if magnitude.ndim else None, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):  # torch's is no number there, too
        made: Array = (magnitude.astype(np.float64) / norm * long).astype(direction.dtype)
    return made


def with_whole(torch: Network, mindspore: Network) -> tuple[Network, tuple[Parts, ...]]:
    """Return torch's model with these weights in one, where MindSpore's model has them so."""
    shapes = {entry.name: entry.shape for entry in torch.entries}
    found = parts(shapes, mindspore.entry)
    directions = {one.direction: one for one in found}
    magnitudes = {one.magnitude for one in found}
    entries: list[Entry] = []
    for entry in torch.entries:
        if one := directions.get(entry.name):
            entries.append(replace(entry, name=one.weight))
        elif entry.name not in magnitudes:
            entries.append(entry)
    return replace(torch, entries=tuple(entries)), found
