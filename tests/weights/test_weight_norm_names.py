"""Weights that weight_norm keeps in two parts, joined where the migrated model has one."""

from __future__ import annotations

import numpy as np
import pytest

from mapper.weights.namemap import Trouble
from mapper.weights.networks import Entry, Layer, Network, Shape
from mapper.weights.sites import sites
from mapper.weights.static import match_report
from mapper.weights.weight_norm import Parts, parts, whole, with_whole
from tests.weights.test_static import CONV, site

OLD: dict[str, Shape] = {"a.weight_g": (8, 1, 1), "a.weight_v": (8, 3, 3), "a.bias": (8,)}
NEW: dict[str, Shape] = {
    "a.parametrizations.weight.original0": (8, 1, 1),
    "a.parametrizations.weight.original1": (8, 3, 3),
}
OF_A = Parts("a.weight", "a.weight_g", "a.weight_v")


@pytest.mark.parametrize(
    ("shapes", "taken", "expected"),
    [
        (OLD, {"a.weight", "a.bias"}, [OF_A]),
        (NEW, {"a.weight"}, [Parts("a.weight", *NEW)]),
        ({"weight_g": (), "weight_v": (2, 4)}, {"weight"},
         [Parts("weight", "weight_g", "weight_v")]),
        ({"r.weight_hh_l0_g": (16, 1), "r.weight_hh_l0_v": (16, 4)}, {"r.weight_hh_l0"},
         [Parts("r.weight_hh_l0", "r.weight_hh_l0_g", "r.weight_hh_l0_v")]),
        ({"a.weight_g": (1, 4, 1), "a.weight_v": (8, 4, 3)}, {"a.weight"}, [OF_A]),
        (OLD, {"a.weight_g", "a.weight_v"}, []),
        (OLD | {"a.weight": (8, 3, 3)}, {"a.weight"}, []),
        ({"a.weight_v": (8, 3, 3)}, {"a.weight"}, []),
        ({"a.weight_g": (8, 3, 1), "a.weight_v": (8, 3, 3)}, {"a.weight"}, []),
        ({"a.weight_g": (4, 1, 1), "a.weight_v": (8, 3, 3)}, {"a.weight"}, []),
        ({"a.weight_g": (8,), "a.weight_v": (8, 3, 3)}, {"a.weight"}, []),
        ({"a.weight_orig": (8, 3), "a.weight_u": (8,), "a.weight_v": (3,)}, {"a.weight"}, []),
    ],
    ids=["of a hook", "of a parametrization", "of one length", "of another name", "along axis 1",
         "kept in two", "beside the weight", "without a magnitude", "of two axes",
         "of another size", "of fewer axes", "of spectral_norm"],
)  # fmt: skip
def test_parts_are_found_where_the_model_has_one_weight(
    shapes: dict[str, Shape], taken: set[str], expected: list[Parts]
) -> None:
    assert list(parts(shapes, taken)) == expected


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 1, 1), (1, 2)), ((1, 3, 1), (0, 2)), ((), (0, 1, 2))]
)
def test_the_weight_has_the_length_that_is_given(shape: Shape, axes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    direction = random.standard_normal((4, 3, 5)).astype(np.float32)
    magnitude = random.uniform(0.5, 2.0, shape).astype(np.float32)
    made = whole(magnitude, direction)
    length = np.sqrt((made**2).sum(axes, keepdims=bool(shape)))
    assert made.dtype == np.float32 and np.allclose(length, magnitude, rtol=1e-6)
    ratio = made / direction
    assert np.allclose(ratio, ratio.max(axes, keepdims=True), rtol=1e-5)


def test_a_model_of_torch_has_the_weight_that_mindspores_has() -> None:
    layers = (Layer("a", "Conv1d", "torch.nn.Conv1d"),)
    torch = Network(layers, tuple(Entry(*one) for one in OLD.items()))
    mindspore = Network((), (Entry("a.weight", (8, 3, 1, 3)), Entry("a.bias", (8,))))
    found, joined = with_whole(torch, mindspore)
    assert joined == (OF_A,)
    assert {one.name: one.shape for one in found.entries} == {
        "a.weight": (8, 3, 3), "a.bias": (8,),
    }  # fmt: skip
    assert with_whole(torch, torch) == (torch, ())


def test_a_report_does_not_know_whether_the_migrated_layer_has_one_weight() -> None:
    shapes: dict[str, Shape] = {"a.weight_g": (8, 1, 1, 1), "a.weight_v": (8, 3, 3, 3)}
    names = match_report(shapes, sites({"files": [{"sites": [site("Net.a", "Conv2d", CONV)]}]}))
    assert names.pairs == ()
    told = [one for one in names.problems if "weight_norm" in one.message]
    assert [(one.trouble, one.name) for one in told] == [
        (Trouble.MISSING, "a.weight_g"), (Trouble.MISSING, "a.weight_v"),
    ]  # fmt: skip
