"""Checkpoints held against a migrated model alone."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from mapper.weights.checkpoint import torch_network, without_prefix
from mapper.weights.convert import Array, Conversion, convert
from mapper.weights.exact import match
from mapper.weights.networks import Entry, Layer, Network, Shape

MODEL: dict[str, tuple[str, dict[str, Shape]]] = {
    "": ("Cell", {"scale": (4,)}),
    "conv": ("SequentialCell", {}),
    "conv.0": ("ZeroPad2d", {}),
    "conv.1": ("Conv2d", {"weight": (4, 3, 3, 3), "bias": (4,)}),
    "bn": ("BatchNorm2d", {"moving_mean": (4,), "moving_variance": (4,), "gamma": (4,),
                           "beta": (4,)}),
    "deep": ("BatchNorm3d", {}),
    "deep.bn2d": ("BatchNorm2d", {"moving_mean": (2,), "moving_variance": (2,), "gamma": (2,),
                                  "beta": (2,)}),
    "blocks": ("CellList", {}),
    "blocks.0": ("SequentialCell", {}),
    "blocks.0.0": ("Conv1d", {"weight": (4, 4, 1, 3)}),
    "blocks.0.1": ("PReLU", {"w": (1,)}),
    "words": ("Embedding", {"embedding_table": (9, 4)}),
    "fc": ("Dense", {"weight": (2, 4), "bias": (2,)}),
}  # fmt: skip
MINDSPORE = Network(
    tuple(Layer(path, api, f"mindspore.nn.{api}") for path, (api, _) in MODEL.items()),
    tuple(
        Entry(f"{path}.{name}" if path else name, shape)
        for path, (_, names) in MODEL.items()
        for name, shape in names.items()
    ),
)
SHAPES: dict[str, Shape] = {
    "scale": (4,),
    "conv.weight": (4, 3, 3, 3), "conv.bias": (4,),
    "bn.weight": (4,), "bn.bias": (4,), "bn.running_mean": (4,), "bn.running_var": (4,),
    "bn.num_batches_tracked": (),
    "deep.weight": (2,), "deep.bias": (2,), "deep.running_mean": (2,), "deep.running_var": (2,),
    "deep.num_batches_tracked": (),
    "blocks.0.0.weight": (4, 4, 3), "blocks.0.1.weight": (1,),
    "words.weight": (9, 4), "fc.weight": (2, 4), "fc.bias": (2,),
}  # fmt: skip


def state(shapes: dict[str, Shape] = SHAPES) -> dict[str, Array]:
    source = np.random.default_rng(0)
    return {name: source.standard_normal(shape) for name, shape in shapes.items()}


def shapes(values: dict[str, Array]) -> dict[str, Shape]:
    return {name: value.shape for name, value in values.items()}


def converted(values: dict[str, Array], model: Network = MINDSPORE) -> Conversion:
    names = match(torch_network(shapes(values), model), model, values_are_same=lambda *_: False)
    return convert(values, names)


def test_a_checkpoint_of_the_model_is_converted_as_a_whole() -> None:
    values = state()
    done = converted(values)
    assert done.is_complete, done.problems
    assert {name: value.shape for name, value in done.values.items()} == {
        entry.name: entry.shape for entry in MINDSPORE.entries
    }
    assert np.array_equal(done.values["conv.1.weight"], values["conv.weight"])
    assert np.array_equal(done.values["deep.bn2d.gamma"], values["deep.weight"])
    assert np.array_equal(done.values["blocks.0.0.weight"][:, :, 0], values["blocks.0.0.weight"])


def test_normalisations_are_filled_where_mindspore_does_not_train_them() -> None:
    less = {name: shape for name, shape in SHAPES.items() if name not in ("bn.weight", "bn.bias")}
    assert [one.name for one in converted(state(less)).extra] == ["bn.beta", "bn.gamma"]
    entries = tuple(
        replace(entry, trains=not entry.name.startswith("bn.")) for entry in MINDSPORE.entries
    )
    done = converted(state(less), Network(MINDSPORE.layers, entries))
    assert done.is_complete and set(done.filled) == {"bn.gamma", "bn.beta"}


def test_statistics_are_filled_where_mindspore_does_not_use_them() -> None:
    less = {name: shape for name, shape in SHAPES.items() if not name.startswith("bn.running")}
    extra = ["bn.moving_mean", "bn.moving_variance"]
    assert [one.name for one in converted(state(less)).extra] == extra
    layers = tuple(replace(one, by_batch=one.path == "bn") for one in MINDSPORE.layers)
    done = converted(state(less), Network(layers, MINDSPORE.entries))
    assert done.is_complete and list(done.filled) == extra
    assert converted(state(), Network(layers, MINDSPORE.entries)).filled == ()


@pytest.mark.parametrize(
    ("name", "new"),
    [("bn.weight", "bn.gamma"), ("deep.weight", "deep.bn2d.gamma"), ("words.weight",
     "words.embedding_table")],
)  # fmt: skip
def test_a_name_of_mindspores_is_none_of_torchs(name: str, new: str) -> None:
    values = state()
    values[new] = values.pop(name)
    done = converted(values)
    assert new not in done.values and "converted already?" in {
        one.name: one.message for one in done.missing
    }[new]  # fmt: skip


def test_two_names_of_one_parameter_are_matched_when_their_values_are_equal() -> None:
    entries = (Entry("a.weight", (2, 2), identity="1"), Entry("b.weight", (2, 2), identity="1"))
    layers = (Layer("a", "Dense", "mindspore.nn.Dense"), Layer("b", "Dense", "mindspore.nn.Dense"))
    tied = Network(layers, entries)
    torch = torch_network({"a.weight": (2, 2), "b.weight": (2, 2)}, tied)
    assert match(torch, tied, values_are_same=lambda one, other: True).is_complete
    assert not match(torch, tied, values_are_same=lambda one, other: False).is_complete


def test_a_checkpoint_that_keeps_tied_weights_once_fills_both_names() -> None:
    entries = (Entry("a.weight", (2, 2), identity="1"), Entry("b.weight", (2, 2), identity="1"))
    layers = (Layer("a", "Dense", "mindspore.nn.Dense"), Layer("b", "Dense", "mindspore.nn.Dense"))
    tied = Network(layers, entries)
    value = np.eye(2)
    done = converted({"a.weight": value}, tied)
    assert done.is_complete and list(done.values) == ["a.weight", "b.weight"]
    apart = Network(layers, tuple(replace(entry, identity="") for entry in entries))
    assert [one.name for one in converted({"a.weight": value}, apart).extra] == ["b.weight"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a.b", "c"], ["a.b", "c"]),
        (["module.a.b", "module.c"], ["a.b", "c"]),
        (["module.a", "b"], ["module.a", "b"]),
    ],
)
def test_the_prefix_of_dataparallel_is_taken_off(names: list[str], expected: list[str]) -> None:
    assert list(without_prefix({name: np.ones(1) for name in names}, ["a.b"])) == expected


def test_a_layer_of_the_model_that_is_called_module_keeps_its_name() -> None:
    state = {"module.fc.weight": np.ones(1)}
    assert list(without_prefix(state, ["module.fc.weight", "head.weight"])) == list(state)


def _spoil(values: dict[str, Array], source: random.Random) -> str:
    """Change one entry of a state; return in what way, "" for none."""
    name = source.choice(sorted(values))
    way = source.choice(["", "renamed", "moved", "missing", "extra", "reshaped"])
    value = values[name]
    if way == "renamed":
        values[f"{name}_"] = values.pop(name)
    elif way == "moved":
        values[f"other.{name}"] = values.pop(name)
    elif way == "missing":
        del values[name]
    elif way == "extra":
        values[f"{name.rpartition('.')[0]}.more"] = value
    elif way == "reshaped":
        values[name] = source.choice(
            [value[None], value.repeat(2, -1) if value.ndim else value[None]]
        )
    return f"{name} {way}" if way else ""


@pytest.mark.parametrize("seed", range(500))
def test_a_spoilt_checkpoint_ends_in_a_list_and_never_in_a_wrong_file(seed: int) -> None:
    source = random.Random(seed)
    good, values = state(), state()
    spoilt = list(filter(None, (_spoil(values, source) for _ in range(source.choice([0, 1, 3])))))
    done = converted(values)
    if not spoilt:
        assert done.is_complete
    if [one for one in spoilt if "num_batches_tracked" not in one]:  # a count is not needed
        assert not done.is_complete, spoilt
    places = {entry.name: entry.shape for entry in MINDSPORE.entries}
    right = converted(good).values
    for name, value in done.values.items():
        assert value.shape == places[name] and np.array_equal(value, right[name])
