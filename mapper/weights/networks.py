"""Describes a live model: its layers by path, its parameters and buffers by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One module or cell.

    `cls` is its own class; `api` the first class of the framework among its ancestors, which is
    its own for a layer of the framework and `torch.nn.Module` for a network. `source` is
    `file:line` of the assignment that made it. `training` is its mode when it was built.
    `by_batch`: a normalisation of MindSpore's that keeps statistics and never uses them. `is_flat`:
    a Cell that the migration inserted, around a convolution of one dimension.
    """

    path: str
    cls: str
    api: str
    source: str | None = None
    training: bool | None = None
    by_batch: bool = False
    is_flat: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter or buffer of `state_dict()`.

    Entries that are one object have the same `identity`. `called` is the parameter's own name
    (MindSpore's `Parameter.name`), which may differ from its place in the model.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    identity: str = ""
    called: str | None = None
    trains: bool = True

    @property
    def owner(self) -> str:
        """Return the path of the layer that holds it."""
        return self.name.rpartition(".")[0]

    @property
    def last(self) -> str:
        """Return its name in that layer."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Network:
    """A model of one framework."""

    layers: tuple[Layer, ...]
    entries: tuple[Entry, ...]

    @cached_property
    def layer(self) -> Mapping[str, Layer]:
        """Return the layers by their paths."""
        return {layer.path: layer for layer in self.layers}

    @cached_property
    def entry(self) -> Mapping[str, Entry]:
        """Return the entries by their names."""
        return {entry.name: entry for entry in self.entries}

    def api(self, path: str) -> str:
        """Return the framework's class of the layer at a path, "" where there is none."""
        return self.layer[path].api if path in self.layer else ""


def network(description: Mapping[str, Any]) -> Network:
    """Return the network of a JSON description, which lists layers and entries."""
    layers = (Layer(**layer) for layer in description["layers"])
    entries = ({**entry, "shape": tuple(entry["shape"])} for entry in description["entries"])
    return Network(tuple(layers), tuple(Entry(**entry) for entry in entries))


def collisions(entries: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the own names that several parameters share, with the places of these parameters.

    `CellList.append` after the list has become an attribute leaves them without the list's name;
    MindSpore then saves one of them and refuses to optimize or compile.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        if entry.called is not None:
            found.setdefault(entry.called, {}).setdefault(entry.identity or entry.name, entry.name)
    return {name: tuple(places.values()) for name, places in found.items() if len(places) > 1}
