"""The parameter names of MindSpore's layers where torch's layers use other names."""

from __future__ import annotations

from collections.abc import Mapping

Renames = Mapping[str, Mapping[str, str]]
"""torch API -> torch's name -> MindSpore's name below the layer, "" where it has none."""

_AFFINE = {"weight": "gamma", "bias": "beta"}
_STATISTICS = {
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
    "num_batches_tracked": "",
}
_NORM = {**_AFFINE, **_STATISTICS}

BUILT_IN: Renames = {
    "torch.nn.BatchNorm1d": _NORM,
    "torch.nn.BatchNorm2d": _NORM,
    "torch.nn.BatchNorm3d": {name: new and f"bn2d.{new}" for name, new in _NORM.items()},
    "torch.nn.SyncBatchNorm": _NORM,
    "torch.nn.InstanceNorm1d": _NORM,
    "torch.nn.InstanceNorm2d": _NORM,
    "torch.nn.InstanceNorm3d": _NORM,
    "torch.nn.GroupNorm": _AFFINE,
    "torch.nn.LayerNorm": _AFFINE,
    "torch.nn.Embedding": {"weight": "embedding_table"},
    "torch.nn.PReLU": {"weight": "w"},
}
"""What is renamed; every other parameter keeps its name."""

CHILDREN: Renames = {
    "torch.nn.TransformerEncoderLayer": {"linear1": "dense1", "linear2": "dense2"},
    "torch.nn.TransformerDecoderLayer": {"linear1": "dense1", "linear2": "dense2"},
}
"""Layers inside a layer of the framework that MindSpore calls otherwise."""

WIDER = frozenset({"torch.nn.Conv1d", "torch.nn.ConvTranspose1d"})
"""Layers whose weight has an axis of one more in MindSpore."""

NEUTRAL: Mapping[str, float] = {
    "gamma": 1.0,
    "beta": 0.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
}
"""What MindSpore's normalisations always have and torch's need not, with what does nothing."""

AFFINE = frozenset({"gamma", "beta"})
"""Those that are not trained where the normalisation was made without them."""

STATISTICS = frozenset({"moving_mean", "moving_variance"})
"""Those that are not used where the normalisation takes the statistics of each batch."""

NORMALISATIONS = ("BatchNorm", "SyncBatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm")


def is_normalisation(api: str) -> bool:
    """Say whether a class, by its qualified name, is a normalisation of either framework."""
    return api.rpartition(".")[2].startswith(NORMALISATIONS)


def rename(api: str, name: str, more: Renames) -> str:
    """Return MindSpore's name for a layer's parameter; `more` wins over what is built in."""
    for table in (more, BUILT_IN):
        if name in table.get(api, {}):
            return table[api][name]
    return name


def is_only_mindspores(api: str, name: str, more: Renames) -> bool:
    """Say whether torch's layer calls otherwise what MindSpore's calls by this name."""
    return any(
        new == name != old and name not in table.get(api, {})
        for table in (more, BUILT_IN)
        for old, new in table.get(api, {}).items()
    )


def added_axis(torch: tuple[int, ...], mindspore: tuple[int, ...]) -> int | None:
    """Return where MindSpore's shape has an axis of one that torch's lacks, the last place first.

    With several such places any will do: the values have the same layout in memory.
    """
    if len(mindspore) != len(torch) + 1:
        return None
    for axis in reversed(range(len(mindspore))):
        if mindspore[axis] == 1 and mindspore[:axis] + mindspore[axis + 1 :] == torch:
            return axis
    return None
