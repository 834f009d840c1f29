"""The map of names between two live models, by what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest

from mapper.weights.convert import convert
from mapper.weights.exact import match, ties
from mapper.weights.namemap import Fill, Trouble
from mapper.weights.networks import Entry, Layer, Network, Shape, collisions

Spec = dict[str, tuple[str, dict[str, Shape]]]
"""Path -> (API, names and shapes)."""


def net(spec: Spec, **identities: str) -> Network:
    """Return a model; `identities` by name with `__` for the dot."""
    same = {name.replace("__", "."): one for name, one in identities.items()}
    layers = [Layer(path, api.rpartition(".")[2], api) for path, (api, _) in spec.items()]
    entries = [
        Entry(full := f"{path}.{name}" if path else name, shape, identity=same.get(full, ""))
        for path, (_, names) in spec.items()
        for name, shape in names.items()
    ]
    return Network(tuple(layers), tuple(entries))


def torch(**layers: tuple[str, dict[str, Shape]]) -> Spec:
    return _spec("torch.nn.", layers)


def mindspore(**layers: tuple[str, dict[str, Shape]]) -> Spec:
    return _spec("mindspore.nn.", layers)


def _spec(prefix: str, layers: dict[str, tuple[str, dict[str, Shape]]]) -> Spec:
    """Return a spec with a network on top; `a__0` is the path `a.0`, `top` the network."""
    top = layers.pop("top", ("Module", {}))
    found = {path.replace("__", "."): (prefix + api, e) for path, (api, e) in layers.items()}
    return {"": (prefix + top[0], top[1]), **found}


NORM: dict[str, Shape] = {"weight": (4,), "bias": (4,), "running_mean": (4,), "running_var": (4,)}
GAMMA: dict[str, Shape] = {"gamma": (4,), "beta": (4,)}
MOVING: dict[str, Shape] = {"moving_mean": (4,), "moving_variance": (4,)}
MATCHED: dict[str, tuple[Spec, Spec, dict[str, str]]] = {
    "a model without parameters": (torch(), mindspore(), {}),
    "a convolution keeps its names": (
        torch(conv=("Conv2d", {"weight": (4, 3, 3, 3), "bias": (4,)})),
        mindspore(conv=("Conv2d", {"weight": (4, 3, 3, 3), "bias": (4,)})),
        {"conv.weight": "conv.weight", "conv.bias": "conv.bias"},
    ),
    "a convolution behind an inserted padding layer": (
        torch(conv=("Conv2d", {"weight": (4, 3, 3, 3)})),
        mindspore(
            conv=("SequentialCell", {}),
            conv__0=("ZeroPad2d", {}),
            conv__1=("Conv2d", {"weight": (4, 3, 3, 3)}),
        ),
        {"conv.weight": "conv.1.weight"},
    ),
    "a Sequential with an inserted padding layer": (
        torch(a=("Sequential", {}), a__0=("Conv2d", {"weight": (4, 3, 3, 3)}),
              a__1=("Conv2d", {"weight": (4, 4, 1, 1)})),
        mindspore(a=("SequentialCell", {}), a__0=("SequentialCell", {}),
                  a__0__1=("Conv2d", {"weight": (4, 3, 3, 3)}),
                  a__1=("Conv2d", {"weight": (4, 4, 1, 1)})),
        {"a.0.weight": "a.0.1.weight", "a.1.weight": "a.1.weight"},
    ),
    "a batch normalisation": (
        torch(bn=("BatchNorm2d", {**NORM, "num_batches_tracked": ()})),
        mindspore(bn=("BatchNorm2d", {**MOVING, **GAMMA})),
        {"bn.weight": "bn.gamma", "bn.bias": "bn.beta", "bn.running_mean": "bn.moving_mean",
         "bn.running_var": "bn.moving_variance"},
    ),
    "a batch normalisation of three dimensions": (
        torch(bn=("BatchNorm3d", {"weight": (4,), "running_var": (4,)})),
        mindspore(bn=("BatchNorm3d", {}),
                  bn__bn2d=("BatchNorm2d", {"gamma": (4,), "moving_variance": (4,)})),
        {"bn.weight": "bn.bn2d.gamma", "bn.running_var": "bn.bn2d.moving_variance"},
    ),
    "a one-dimensional kernel gets an axis": (
        torch(c=("Conv1d", {"weight": (4, 3, 5)})),
        mindspore(c=("Conv1d", {"weight": (4, 3, 1, 5)})),
        {"c.weight": "c.weight"},
    ),
    "an embedding, a PReLU, a layer normalisation": (
        torch(e=("Embedding", {"weight": (9, 2)}), p=("PReLU", {"weight": (1,)}),
              n=("LayerNorm", {"weight": (4,), "bias": (4,)})),
        mindspore(e=("Embedding", {"embedding_table": (9, 2)}), p=("PReLU", {"w": (1,)}),
                  n=("LayerNorm", GAMMA)),
        {"e.weight": "e.embedding_table", "p.weight": "p.w", "n.weight": "n.gamma",
         "n.bias": "n.beta"},
    ),
    "lists and modules in modules": (
        torch(blocks=("ModuleList", {}), blocks__0=("Module", {}),
              blocks__0__fc=("Linear", {"weight": (2, 4)})),
        mindspore(blocks=("CellList", {}), blocks__0=("Cell", {}),
                  blocks__0__fc=("Dense", {"weight": (2, 4)})),
        {"blocks.0.fc.weight": "blocks.0.fc.weight"},
    ),
    "parameters and buffers of the network itself": (
        torch(top=("Module", {"scale": (4,), "mask": (2, 2)})),
        mindspore(top=("Cell", {"mask": (2, 2), "scale": (4,)})),
        {"scale": "scale", "mask": "mask"},
    ),
    "the feed-forward layers of a transformer": (
        torch(t=("TransformerEncoderLayer", {}), t__linear1=("Linear", {"weight": (2, 4)})),
        mindspore(t=("TransformerEncoderLayer", {}), t__dense1=("Dense", {"weight": (2, 4)})),
        {"t.linear1.weight": "t.dense1.weight"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), MATCHED.values(), ids=MATCHED)
def test_every_name_has_its_counterpart(
    before: Spec, after: Spec, expected: dict[str, str]
) -> None:
    names = match(net(before), net(after))
    assert {pair.torch: pair.mindspore for pair in names.pairs} == expected
    assert names.problems == () and names.fills == ()


def test_the_count_of_batches_is_dropped_and_comes_back_as_zero() -> None:
    before = torch(bn=("BatchNorm2d", {**NORM, "num_batches_tracked": ()}))
    names = match(net(before), net(mindspore(bn=("BatchNorm2d", {**MOVING, **GAMMA}))))
    state = {f"bn.{name}": np.ones(4) for name in NORM} | {"bn.num_batches_tracked": np.array(7)}
    there = convert(state, names)
    assert there.dropped == ("bn.num_batches_tracked",) and there.is_complete
    back = convert(there.values, names, reverse=True)
    assert back.is_complete and back.values["bn.num_batches_tracked"] == 0
    assert back.values.keys() == state.keys()


def test_what_mindspores_normalisation_has_and_torchs_lacks_is_filled() -> None:
    before = torch(bn=("BatchNorm2d", {"running_mean": (4,), "running_var": (4,)}))
    names = match(net(before), net(mindspore(bn=("BatchNorm2d", {**MOVING, **GAMMA}))))
    assert names.fills == (Fill("bn.gamma", (4,), 1.0), Fill("bn.beta", (4,), 0.0))
    state = {"bn.running_mean": np.zeros(4), "bn.running_var": np.ones(4)}
    done = convert(state, names)
    assert done.is_complete and done.values["bn.gamma"].tolist() == [1, 1, 1, 1]


def test_a_normalisation_that_torch_has_no_module_for_is_extra() -> None:
    names = match(net(torch()), net(mindspore(bn=("BatchNorm2d", GAMMA))))
    assert [one.name for one in names.of(Trouble.EXTRA)] == ["bn.gamma", "bn.beta"]


def test_two_places_are_listed_and_neither_is_taken() -> None:
    after = mindspore(conv__0=("Conv2d", {"weight": (4, 3, 1, 1)}),
                      conv__1=("Conv2d", {"weight": (4, 3, 1, 1)}))  # fmt: skip
    names = match(net(torch(conv=("Conv2d", {"weight": (4, 3, 1, 1)}))), net(after))
    assert names.pairs == ()
    (problem,) = names.problems
    assert problem.trouble is Trouble.AMBIGUOUS
    assert problem.candidates == ("conv.0.weight", "conv.1.weight")


def test_a_missing_name_is_listed_with_those_of_its_shape() -> None:
    before = torch(fc=("Linear", {"weight": (2, 4)}))
    after = mindspore(head=("Dense", {"weight": (2, 4)}), other=("Dense", {"weight": (9, 4)}))
    names = match(net(before), net(after))
    (missing,) = names.of(Trouble.MISSING)
    assert (missing.name, missing.candidates) == ("fc.weight", ("head.weight",))
    assert [one.name for one in names.of(Trouble.EXTRA)] == ["head.weight", "other.weight"]


def test_a_layer_that_was_given_another_attribute_is_found_where_it_is_said_to_be() -> None:
    before = torch(fc=("Linear", {"weight": (2, 4)}))
    names = match(net(before), net(mindspore(head=("Dense", {"weight": (2, 4)}))),
                  paths={"fc": "head"})  # fmt: skip
    assert names.is_complete and names.pairs[0].mindspore == "head.weight"


@pytest.mark.parametrize(
    ("api", "before", "after"),
    [
        ("Linear", (2, 4), (4, 2)),
        ("Linear", (2, 4), (2, 1, 4)),
        ("Conv1d", (4, 3, 5), (4, 3, 5, 2)),
        ("Conv1d", (4, 3, 5), (3, 4, 1, 5)),
    ],
    ids=["transposed", "an axis where none belongs", "an axis of two", "transposed, with an axis"],
)
def test_another_shape_is_listed(api: str, before: Shape, after: Shape) -> None:
    there = net(mindspore(a=(api, {"weight": after})))
    (problem,) = match(net(torch(a=(api, {"weight": before}))), there).problems
    assert problem.trouble is Trouble.MISSHAPEN
    assert str(before) in problem.message and str(after) in problem.message


def test_renames_of_a_rule_win_over_those_built_in() -> None:
    before = torch(p=("PReLU", {"weight": (1,)}))
    after = net(mindspore(p=("PReLU", {"slope": (1,)})))
    assert not match(net(before), after).is_complete
    assert match(net(before), after, {"torch.nn.PReLU": {"weight": "slope"}}).is_complete


def test_one_parameter_for_two_of_torchs_is_refused() -> None:
    before = torch(a=("Linear", {"weight": (2, 2)}), b=("Linear", {"weight": (2, 2)}))
    after = mindspore(a=("Dense", {"weight": (2, 2)}), b=("Dense", {"weight": (2, 2)}))
    names = match(net(before), net(after, a__weight="1", b__weight="1"))
    assert [one.name for one in names.of(Trouble.AMBIGUOUS)] == ["a.weight", "b.weight"]


def test_tied_weights_are_matched_name_by_name_and_untied_ones_are_told() -> None:
    before = torch(a=("Linear", {"weight": (2, 2)}), b=("Linear", {"weight": (2, 2)}))
    after = mindspore(a=("Dense", {"weight": (2, 2)}), b=("Dense", {"weight": (2, 2)}))
    tied = net(before, a__weight="1", b__weight="1")
    same, apart = net(after, a__weight="1", b__weight="1"), net(after)
    assert match(tied, same).is_complete and ties(tied, same, match(tied, same)) == ()
    assert match(tied, apart).is_complete
    assert ties(tied, apart, match(tied, apart)) == (("a.weight", "b.weight"),)


def test_parameters_that_call_themselves_alike_are_told() -> None:
    entries = [Entry("a.0.weight", (2,), called="0.weight", identity="1"),
               Entry("b.0.weight", (2,), called="0.weight", identity="2"),
               Entry("c.weight", (2,), called="d.weight", identity="3"),
               Entry("d.weight", (2,), called="d.weight", identity="3")]  # fmt: skip
    assert collisions(entries) == {"0.weight": ("a.0.weight", "b.0.weight")}


# --- values ---------------------------------------------------------------------------------------


def test_a_kernel_goes_there_and_back() -> None:
    before = torch(c=("Conv1d", {"weight": (4, 3, 5)}))
    names = match(net(before), net(mindspore(c=("Conv1d", {"weight": (4, 3, 1, 5)}))))
    value = np.arange(60.0).reshape(4, 3, 5)
    there = convert({"c.weight": value}, names)
    assert there.values["c.weight"].shape == (4, 3, 1, 5)
    assert np.array_equal(convert(there.values, names, reverse=True).values["c.weight"], value)


def test_a_checkpoint_that_does_not_fit_ends_in_lists() -> None:
    both: dict[str, Shape] = {"weight": (2, 2), "bias": (2,)}
    before = torch(a=("Linear", both), b=("Linear", {"weight": (2, 2)}))
    after = mindspore(a=("Dense", both), b=("Dense", {"weight": (2, 2)}))
    names = match(net(before), net(after))
    done = convert({"a.weight": np.ones((2, 2)), "a.bias": np.ones(3), "c": np.ones(1)}, names)
    assert [one.torch for one in done.matched] == ["a.weight"] == list(done.values)
    assert [one.name for one in done.missing] == ["b.weight"]
    assert [one.name for one in done.extra] == ["c"]
    assert [one.name for one in done.misshapen] == ["a.bias"]
    assert not done.is_complete
