"""Reconstructs the torch model of a checkpoint from its names and the migrated model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from mapper.weights.names import CHILDREN
from mapper.weights.networks import Entry, Layer, Network, Shape

Array = NDArray[Any]

TORCH: Mapping[str, str] = {
    "Dense": "Linear",
    "BiDense": "Bilinear",
    "Conv1dTranspose": "ConvTranspose1d",
    "Conv2dTranspose": "ConvTranspose2d",
    "Conv3dTranspose": "ConvTranspose3d",
    "SequentialCell": "Sequential",
    "CellList": "ModuleList",
    "CellDict": "ModuleDict",
    "Cell": "Module",
}
"""MindSpore's layers that torch calls otherwise."""

PREFIX = "module."
"""What DataParallel puts before every name."""


def without_prefix(state: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """Return a state without the prefix of DataParallel, where all of it has the prefix.

    `names` are the model's own: a layer of it that is called `module` keeps its name.
    """
    is_own = any(name.startswith(PREFIX) for name in names)
    if state and not is_own and all(name.startswith(PREFIX) for name in state):
        return {name.removeprefix(PREFIX): value for name, value in state.items()}
    return dict(state)


def torch_network(shapes: Mapping[str, Shape], mindspore: Network) -> Network:
    """Return the torch model that has these names; its classes follow from the migrated model's.

    A layer's class is that of MindSpore's layer at its path. Where that is a SequentialCell which
    the migration put around a layer, it is the class of the only layer in it with parameters.
    """
    there = {renamed(path, mindspore): layer for path, layer in mindspore.layer.items()}
    owners = {name.rpartition(".")[0] for name in shapes}
    paths = {""}
    for owner in owners:
        parts = owner.split(".")
        paths |= {".".join(parts[: i + 1]) for i in range(len(parts))}
    layers = []
    for path in sorted(paths):
        layer = there.get(path)
        if layer is not None and path in owners and _is_around(layer):
            layer = _inner(layer, mindspore) or layer
        name = layer.api.rpartition(".")[2] if layer else ""
        api = f"torch.nn.{TORCH.get(name, name)}" if name else ""
        layers.append(Layer(path, api, api))
    entries = (Entry(name, shape) for name, shape in shapes.items())
    return Network(tuple(layers), tuple(entries))


def renamed(path: str, mindspore: Network) -> str:
    """Return torch's path for a layer at a path of MindSpore's."""
    parts = path.split(".")
    for index in range(1, len(parts)):
        above = mindspore.api(".".join(path.split(".")[:index])).rpartition(".")[2]
        table = CHILDREN.get(f"torch.nn.{above}", {})
        back = {new: old for old, new in table.items()}
        parts[index] = back.get(parts[index], parts[index])
    return ".".join(parts)


def _is_around(layer: Layer) -> bool:
    return layer.api.rpartition(".")[2] == "SequentialCell"


def _inner(layer: Layer, mindspore: Network) -> Layer | None:
    prefix = f"{layer.path}." if layer.path else ""
    owners = {one.owner for one in mindspore.entries if one.name.startswith(prefix)}
    # a normalisation of three dimensions holds one of two: the outer of them is the layer
    tops = {prefix + owner[len(prefix) :].partition(".")[0] for owner in owners}
    return mindspore.layer.get(tops.pop()) if len(tops) == 1 else None
