"""From the state of a migrated model back to torch's names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapper.weights.convert import Array, Conversion, convert
from mapper.weights.namemap import Trouble
from mapper.weights.networks import Entry, Layer, Network, Shape
from mapper.weights.reverse import match_back, match_report_back
from mapper.weights.sites import Built, sites
from mapper.weights.static import match_report
from tests.weights.test_checkpoint_names import MINDSPORE, converted, state
from tests.weights.test_static import CONV, NORM, PADDED, WIDE, registered, site

REPORT: list[dict[str, Any]] = [
    site("Net.conv", "Conv2d", {**PADDED, "bias": ("1.bias", [8], [8])}),
    site("Net.bn", "BatchNorm2d", NORM),
    site("Block.wide", "Conv1d", WIDE),
    site("Net.scale", "Parameter", {}),
    site("Net.rnn", "LSTM", {}, "rule"),
    site("Net.attn", "MultiheadAttention", {}, "rule"),
    registered('self.register_buffer("mask", torch.ones(5))'),
    site("Net.heads", "Linear", {"weight": ("weight", [2, 3], [2, 3])}),
]


def built(*found: dict[str, Any]) -> tuple[Built, ...]:
    return sites({"files": [{"sites": list(found or REPORT)}]})


def same(one: Conversion, good: dict[str, Array]) -> bool:
    """Say whether a conversion is complete and gives these values; counts of batches are zero."""
    assert one.is_complete, one.problems
    return one.values.keys() == good.keys() and all(
        np.array_equal(value, one.values[name]) or name.endswith("num_batches_tracked")
        for name, value in good.items()
    )


def test_a_model_and_a_report_lead_back_to_the_checkpoint() -> None:
    good = state()
    there = converted(good)
    back = convert(there.values, match_back(MINDSPORE, built()), reverse=True)
    assert same(back, good)
    assert back.filled == ("bn.num_batches_tracked", "deep.num_batches_tracked")
    assert back.values["blocks.0.0.weight"].shape == (4, 4, 3)


def test_a_layer_that_may_have_been_put_around_is_listed_without_a_report() -> None:
    names = match_back(MINDSPORE)
    assert {one.name: one.candidates for one in names.problems} == {
        "conv.1.weight": ("conv.1.weight", "conv.weight"),
        "conv.1.bias": ("conv.1.bias", "conv.bias"),
    }
    done = convert(converted(state()).values, names, reverse=True)
    assert not done.is_complete and "conv.weight" not in done.values


def test_a_sequential_of_torch_keeps_its_positions() -> None:
    layers = tuple(
        replace(one, api="mindspore.nn.ReLU") if one.path == "conv.0" else one
        for one in MINDSPORE.layers
    )
    names = match_back(Network(layers, MINDSPORE.entries))
    assert names.is_complete and "conv.1.weight" in names.to_mindspore()


def test_what_does_nothing_and_is_not_trained_has_no_counterpart() -> None:
    entries = tuple(replace(one, trains=not one.name.startswith("bn.")) for one in
                    MINDSPORE.entries)  # fmt: skip
    frozen = Network(MINDSPORE.layers, entries)
    names = match_back(frozen, built(), frozenset({"bn.gamma", "bn.beta"}))
    assert [one.mindspore for one in names.fills] == ["bn.gamma", "bn.beta"]
    kept = match_back(frozen, built(), frozenset())
    assert "bn.weight" in kept.to_mindspore()


def test_statistics_that_are_never_used_have_no_counterpart() -> None:
    layers = tuple(replace(one, by_batch=one.path == "bn") for one in MINDSPORE.layers)
    names = match_back(Network(layers, MINDSPORE.entries), built())
    assert [one.mindspore for one in names.fills] == ["bn.moving_mean", "bn.moving_variance"]
    back = convert(converted(state()).values, names, reverse=True)
    assert back.is_complete
    assert back.dropped == ("bn.moving_mean", "bn.moving_variance")
    assert not any("bn.running" in one or "bn.num" in one for one in back.values)


def test_a_parameter_is_found_by_its_own_name_once_for_all_its_places() -> None:
    tied = Network(
        (Layer("a", "Dense", "mindspore.nn.Dense"), Layer("b", "Dense", "mindspore.nn.Dense")),
        (Entry("a.weight", (2, 2), identity="1", called="b.weight"),
         Entry("b.weight", (2, 2), identity="1", called="b.weight"),
         Entry("c", (3,), identity="2", called="scale")),
    )  # fmt: skip
    values = {"b.weight": np.eye(2), "scale": np.ones(3)}
    back = convert(values, match_back(tied, names=values), reverse=True)
    assert back.is_complete and list(back.values) == ["a.weight", "b.weight", "c"]
    assert np.array_equal(back.values["a.weight"], np.eye(2))


def test_a_name_that_two_parameters_have_is_neithers() -> None:
    both = Network((), (Entry("a", (2,), identity="1", called="w"),
                        Entry("b", (2,), identity="2", called="w")))  # fmt: skip
    back = convert({"w": np.ones(2)}, match_back(both, names=["w"]), reverse=True)
    assert [one.name for one in back.missing] == ["a", "b"] and back.values == {}
    assert [one.name for one in back.extra] == ["w"]


def test_a_buffer_that_mindspore_left_out_is_said_so() -> None:
    one = Network((), (Entry("a", (2,), called="a"), Entry("mask", (2,))))
    back = convert({"a": np.ones(2)}, match_back(one, names=["a"]), reverse=True)
    (problem,) = back.problems
    assert problem.name == "mask" and "net.state_dict()" in problem.message


STATE = {
    "conv.weight": np.ones((8, 3, 3, 3)), "conv.bias": np.zeros(8),
    **{f"bn.{name}": np.full(8, 2.0) for name in NORM}, "bn.num_batches_tracked": np.array(0),
    "blocks.1.wide.weight": np.ones((4, 3, 5)), "scale": np.ones(3),
    "rnn.weight_ih_l0": np.ones((8, 2)), "rnn.weight_hh_l0": np.ones((8, 2)),
    "attn.in_proj_weight": np.ones((12, 4)), "attn.out_proj.weight": np.zeros((4, 4)),
    "mask": np.ones(5), "heads.a.weight": np.ones((2, 3)),
}  # fmt: skip


def test_a_report_alone_leads_there_and_back() -> None:
    forward = match_report({name: value.shape for name, value in STATE.items()}, built())
    there = convert(STATE, forward)
    assert there.is_complete and "conv.1.bias" in there.values
    shapes = {name: value.shape for name, value in there.values.items()}
    assert same(convert(there.values, match_report_back(shapes, built()), reverse=True), STATE)


@pytest.mark.parametrize(
    ("name", "found", "trouble"),
    [
        ("fc.weight", [site("Net.conv", "Conv2d", CONV)], Trouble.MISSING),
        ("conv.weight", [site("Net.conv", "Conv2d", PADDED)], Trouble.MISSING),
        ("a.conv.1.weight", [site("A.conv", "Conv2d", CONV), site("B.conv", "Conv2d", PADDED)],
         Trouble.AMBIGUOUS),
    ],
    ids=["no site", "a site that puts it elsewhere", "two classes that disagree"],
)  # fmt: skip
def test_a_name_the_report_does_not_lead_back_from_is_listed(
    name: str, found: list[dict[str, Any]], trouble: Trouble
) -> None:
    names = match_report_back({name: (8, 3, 3, 3)}, built(*found))
    assert names.pairs == () and [one.trouble for one in names.problems] == [trouble]


@pytest.mark.parametrize(("is_flat", "shape"), [(True, (8, 4, 3)), (False, (8, 4, 1, 3))])
def test_the_parts_of_a_one_dimensional_kernel_lose_their_axis(is_flat: bool, shape: Shape) -> None:
    layer = Layer("conv", "net.WeightNorm", "mindspore.nn.Cell", is_flat=is_flat)
    parts = (Entry("conv.weight_g", (8, 1, 1, 1)), Entry("conv.weight_v", (8, 4, 1, 3)),
             Entry("conv.bias", (8,)))  # fmt: skip
    values = {one.name: np.ones(one.shape) for one in parts}
    back = convert(values, match_back(Network((layer,), parts)), reverse=True)
    assert back.is_complete and back.values["conv.weight_v"].shape == shape
    assert back.values["conv.weight_g"].ndim == len(shape) and back.values["conv.bias"].ndim == 1


def test_a_report_leads_the_parts_of_a_weight_there_and_back() -> None:
    state = {"conv.weight_g": np.ones((4, 1, 1)), "conv.weight_v": np.ones((4, 3, 5)),
             "conv.bias": np.ones(4)}  # fmt: skip
    found = built(site("Net.conv", "utils.weight_norm", {}, "rule"),
                  site("Net.conv", "Conv1d", {**WIDE, "bias": ("bias", [4], [4])}))  # fmt: skip
    there = convert(state, match_report({n: v.shape for n, v in state.items()}, found))
    assert there.values["conv.weight_v"].shape == (4, 3, 1, 5)
    shapes = {name: value.shape for name, value in there.values.items()}
    assert same(convert(there.values, match_report_back(shapes, found), reverse=True), state)
