"""The map of names from a report and the names in a checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from mapper.weights.namemap import Trouble
from mapper.weights.networks import Shape
from mapper.weights.sites import sites
from mapper.weights.static import match_report

Parameters = dict[str, tuple[str, list[int], list[int]]]

CONV: Parameters = {"weight": ("weight", [8, 3, 3, 3], [8, 3, 3, 3])}
PADDED: Parameters = {"weight": ("1.weight", [8, 3, 3, 3], [8, 3, 3, 3])}
NORM: Parameters = {
    "weight": ("gamma", [8], [8]),
    "bias": ("beta", [8], [8]),
    "running_mean": ("moving_mean", [8], [8]),
    "running_var": ("moving_variance", [8], [8]),
}
WIDE: Parameters = {"weight": ("weight", [4, 3, 5], [4, 3, 1, 5])}


def site(
    where: str, api: str, parameters: Parameters, kind: str = "sampled", status: str = "migrated"
) -> dict[str, Any]:
    """Return a site of the report; `where` is `Class.attribute`, "" for neither."""
    cls, _, attribute = where.partition(".")
    return {
        "status": status,
        "class": cls or None,
        "attribute": attribute or None,
        "api": f"torch.nn.{api}",
        "proof": {"kind": kind},
        "parameters": {
            name: {"path": path, "torch": torch, "mindspore": mindspore}
            for name, (path, torch, mindspore) in parameters.items()
        },
    }


def registered(before: str) -> dict[str, Any]:
    """Return the site of a call that registers a buffer."""
    return {**site("", "Module.register_buffer", {}, "rule"), "before": before}


def names(
    shapes: dict[str, Shape], *found: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Trouble]]:
    """Return what is matched and what is not; the report says nothing of classes."""
    report = {"files": [{"sites": list(found)}]}
    made = match_report(shapes, sites(report))
    pairs = {pair.torch: pair.mindspore for pair in made.pairs}
    return pairs, {one.name: one.trouble for one in made.problems}


def test_an_empty_checkpoint_needs_no_site() -> None:
    assert names({}) == ({}, {})


MATCHED: dict[str, tuple[dict[str, Shape], list[dict[str, Any]], dict[str, str]]] = {
    "an attribute of a block, by any path": (
        {"layer1.0.conv1.weight": (64, 64, 3, 3)},
        [site("Block.conv1", "Conv2d", CONV)],
        {"layer1.0.conv1.weight": "layer1.0.conv1.weight"},
    ),
    "an inserted padding layer": (
        {"conv.weight": (8, 3, 3, 3)},
        [site("Net.conv", "Conv2d", PADDED)],
        {"conv.weight": "conv.1.weight"},
    ),
    "a batch normalisation with its count": (
        {f"bn.{n}": (8,) for n in NORM} | {"bn.num_batches_tracked": ()},
        [site("Net.bn", "BatchNorm2d", NORM)],
        {f"bn.{n}": f"bn.{new[0]}" for n, new in NORM.items()},
    ),
    "a position of a Sequential, told apart by the names beside it": (
        {"f.0.weight": (8, 3, 3, 3), **{f"f.1.{n}": (8,) for n in NORM}},
        [site("Net.f", "Conv2d", CONV), site("Net.f", "BatchNorm2d", NORM)],
        {"f.0.weight": "f.0.weight", **{f"f.1.{n}": f"f.1.{new[0]}" for n, new in NORM.items()}},
    ),
    "a bias that a symbolic argument decides": (
        {"f.weight": (8, 3, 3, 3), "f.bias": (8,)},
        [site("Net.f", "Conv2d", PADDED)],
        {"f.weight": "f.1.weight", "f.bias": "f.1.bias"},
    ),
    "an LSTM, whose parameters the report does not list": (
        {"rnn.weight_ih_l0": (16, 3), "rnn.weight_hh_l0": (16, 4)},
        [site("Net.rnn", "LSTM", {}, "rule")],
        {"rnn.weight_ih_l0": "rnn.weight_ih_l0", "rnn.weight_hh_l0": "rnn.weight_hh_l0"},
    ),
    "an attention with weights of their own for all three": (
        {f"attn.{name}_proj_weight": (4, 4) for name in "qkv"} | {"attn.bias_k": (1, 1, 4)},
        [site("Net.attn", "MultiheadAttention", {}, "rule")],
        {
            f"attn.{name}": f"attn.{name}"
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight", "bias_k")
        },
    ),
    "an LSTM that projects its state": (
        {"rnn.weight_ih_l0": (16, 3), "rnn.weight_hh_l0": (16, 2), "rnn.weight_hr_l0": (2, 4)},
        [site("Net.rnn", "LSTM", {}, "rule")],
        {f"rnn.weight_{name}_l0": f"rnn.weight_{name}_l0" for name in ("ih", "hh", "hr")},
    ),
    "a layer under weight_norm, whose parts the inserted Cell has, too": (
        {"conv.weight_g": (8, 1, 1, 1), "conv.weight_v": (8, 3, 3, 3), "conv.bias": (8,)},
        [
            site("Net.conv", "utils.weight_norm", {}, "rule"),
            site("Net.conv", "Conv2d", CONV),
            {**site("", "utils.weight_norm", {}, "rule"), "before": "weight_norm"},
            {
                **site("", "utils.weight_norm", {}, "rule"),
                "before": "self.conv.weight.zero_()",
                "after": "pass  # weight_norm computes this weight anew",
            },
        ],
        {f"conv.{name}": f"conv.{name}" for name in ("weight_g", "weight_v", "bias")},
    ),
    "an attention with the layer inside of it": (
        {"attn.in_proj_weight": (12, 4), "attn.out_proj.weight": (4, 4)},
        [site("Net.attn", "MultiheadAttention", {}, "rule")],
        {
            "attn.in_proj_weight": "attn.in_proj_weight",
            "attn.out_proj.weight": "attn.out_proj.weight",
        },
    ),
    "layers that no attribute is known of": (
        {"layers.0.weight": (16, 3, 3, 3)},
        [site("", "Conv2d", CONV)],
        {"layers.0.weight": "layers.0.weight"},
    ),
    "a parameter of the class itself": (
        {"enc.scale": (4,)},
        [site("Encoder.scale", "Parameter", {})],
        {"enc.scale": "enc.scale"},
    ),
    "buffers and parameters of the class itself, of any class": (
        {"enc.scale": (4,), "enc.mask": (2, 2), "enc.shift": (4,)},
        [
            site("Encoder.scale", "Parameter", {}),
            registered('self.register_buffer("mask", torch.ones(2, 2))'),
            registered("self.register_buffer(name='shift', tensor=torch.ones(4))"),
        ],
        {"enc.scale": "enc.scale", "enc.mask": "enc.mask", "enc.shift": "enc.shift"},
    ),
}


@pytest.mark.parametrize(("shapes", "found", "expected"), MATCHED.values(), ids=MATCHED)
def test_a_name_is_matched_where_all_sites_agree(
    shapes: dict[str, Shape], found: list[dict[str, Any]], expected: dict[str, str]
) -> None:
    assert names(shapes, *found) == (expected, {})


@pytest.mark.parametrize(
    "found",
    [
        [registered("self.register_buffer(name, value)")],
        [registered("self.register_buffer(")],
        [site("A.mask", "Parameter", {}), site("B.scale", "Parameter", {})],
        [site("A.mask", "Parameter", {})],
    ],
    ids=["a name that is not written out", "no expression", "of two classes", "one of the two"],
)
def test_what_no_one_class_keeps_is_missing(found: list[dict[str, Any]]) -> None:
    assert names({"enc.mask": (2,), "enc.scale": (4,)}, *found) == (
        {}, {"enc.mask": Trouble.MISSING, "enc.scale": Trouble.MISSING},
    )  # fmt: skip


def test_a_one_dimensional_kernel_gets_its_axis() -> None:
    report = {"files": [{"sites": [site("Net.c", "Conv1d", WIDE)]}]}
    (pair,) = match_report({"c.weight": (6, 2, 7)}, sites(report)).pairs
    assert (pair.mindspore_shape, pair.axis) == ((6, 2, 1, 7), 2)


def test_two_classes_that_disagree_are_listed() -> None:
    found = [site("A.conv", "Conv2d", CONV), site("B.conv", "Conv2d", PADDED)]
    shapes: dict[str, Shape] = {"a.conv.weight": (8, 3, 3, 3)}
    assert names(shapes, *found) == ({}, {"a.conv.weight": Trouble.AMBIGUOUS})


def test_a_layer_that_each_possible_class_builds_is_said_where_it_is_not() -> None:
    found = [site(f"{cls}.{name}", "Conv2d", CONV) for cls, names_ in
             {"Basic": ("a", "b"), "Deep": ("a", "b", "c")}.items() for name in names_]  # fmt: skip
    shapes = dict.fromkeys(
        (f"{at}.weight" for at in ("0.a", "0.b", "1.b", "2.a", "2.b", "2.c", "3.a", "3.c")),
        (8, 3, 3, 3),
    )
    made = match_report(shapes, sites({"files": [{"sites": found}]}))
    assert made.is_complete and made.elsewhere == (
        "1.a: its class builds it elsewhere (0.a, 2.a, 3.a)",
        "3.b: its class builds it elsewhere (0.b, 1.b, 2.b)",
    )


SURE = {
    "nn.Linear(a, b)": {"bias"},
    "nn.Linear(a, b, True)": {"bias"},
    "nn.Linear(a, b, bias=True, device=None)": {"bias"},
    "nn.Linear(a, b, flag)": set(),
    "nn.Linear(a, b, bias=flag)": set(),
    "nn.Linear(*sizes)": set(),
    "nn.Linear(a, b, **more)": set(),
    "linear": set(),
    "build(a, b)": set(),
}


@pytest.mark.parametrize(("before", "missing"), SURE.items(), ids=SURE)
def test_a_bias_is_missing_where_the_call_says_that_there_is_one(
    before: str, missing: set[str]
) -> None:
    both: Parameters = {"weight": ("weight", [4, 8], [4, 8]), "bias": ("bias", [4], [4])}
    found = {**site("Net.fc", "Linear", both), "before": before}
    _, problems = names({"fc.weight": (4, 8)}, found)
    listed = missing and {"weight", *missing}  # what is beside a missing name is not sure, either
    assert problems == {f"fc.{name}": Trouble.MISSING for name in listed}


def test_all_shapes_of_a_layer_decide_between_sites() -> None:
    both: Parameters = {"weight": ("weight", [4, 8], [4, 8]), "bias": ("bias", [4], [4])}
    found = (site("Net.fc", "Linear", both), site("", "BatchNorm2d", NORM))
    assert names({"fc.weight": (2, 8), "fc.bias": (2,)}, *found) == (
        {"fc.weight": "fc.weight", "fc.bias": "fc.bias"}, {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("api", "shapes", "expected"),
    [
        ("BatchNorm2d", dict.fromkeys(NORM, (8,)), {name: new for name, (new, *_) in NORM.items()}),
        ("Conv1d", {"weight": (8, 3, 3), "bias": (8,)}, {"weight": "weight", "bias": "bias"}),
        ("Embedding", {"weight": (9, 3)}, {"weight": "embedding_table"}),
    ],
)  # fmt: skip
def test_a_class_that_is_handed_on_may_be_any_layer(
    api: str, shapes: dict[str, Shape], expected: dict[str, str]
) -> None:
    handed = {**site("", api, {}), "before": f"nn.{api}"}
    state = {f"a.layer.{name}": shape for name, shape in shapes.items()}
    pairs, problems = names(state, handed)
    assert pairs == {f"a.layer.{name}": f"a.layer.{new}" for name, new in expected.items()}
    assert problems == {}
    tested = {**handed, "proof": {"kind": "rule"}}  # isinstance(m, nn.Conv1d)
    assert names(state, tested)[0] == {}


FITS = {
    "nn.Conv2d(a, b, 3)": ((8, 4, 3, 3), (8,), True),
    "nn.Conv2d(a, b, 3), another kernel": ((8, 4, 5, 5), (8,), False),
    "nn.Conv2d(a, b, 3), turned": ((3, 3, 4, 8), (3,), False),
    "nn.Conv2d(a, b, k)": ((8, 4, 5, 5), (8,), True),
    "nn.Conv2d(a, b, k), another bias": ((8, 4, 5, 5), (4,), False),
    "nn.Conv2d(a, 8, k)": ((4, 4, 5, 5), (4,), False),
    "nn.Conv2d(3, b, k)": ((4, 4, 5, 5), (4,), False),
    "nn.Conv2d(3, b, k, groups=g)": ((4, 4, 5, 5), (4,), True),
    "nn.Conv2d(3, b, k, 1, 0, 1, g)": ((4, 4, 5, 5), (4,), True),
    "nn.Conv2d(a, b, (3, 3))": ((8, 4, 3, 5), (8,), False),
    "build(3, 8, 3)": ((8, 4, 5, 5), (8,), True),
}


@pytest.mark.parametrize(("call", "expected"), FITS.items(), ids=FITS)
def test_sizes_that_are_written_out_must_be_those_of_the_checkpoint(
    call: str, expected: tuple[Shape, Shape, bool]
) -> None:
    weight, bias, fits = expected
    both: Parameters = {
        "weight": ("weight", [8, 3, 3, 3], [8, 3, 3, 3]),
        "bias": ("bias", [8], [8]),
    }
    before = call[: call.rindex(")") + 1]
    pairs, _ = names({"conv.weight": weight, "conv.bias": bias},
                     {**site("Net.conv", "Conv2d", both), "before": before})  # fmt: skip
    assert bool(pairs) is fits


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [({"bias"}, {"bias"}), ({"running_var"}, {"running_var"}), ({"weight", "bias"}, set()),
     ({"running_mean", "running_var"}, set())],
)  # fmt: skip
def test_a_normalisation_has_both_or_none(lacking: set[str], missing: set[str]) -> None:
    state: dict[str, Shape] = {f"bn.{name}": (8,) for name in NORM if name not in lacking}
    _, problems = names(state, {**site("Net.bn", "BatchNorm2d", NORM), "before": "norm(8)"})
    assert problems == {f"bn.{name}": Trouble.MISSING for name in missing and NORM}


@pytest.mark.parametrize("name", ["weight", "conv.weight.weight", "other.0.weight"])
def test_a_name_at_a_place_where_no_layer_is_built_is_missing(name: str) -> None:
    found = [site("Net.conv", "Conv2d", CONV), site("Net.scale", "Parameter", {})]
    assert names({name: (8, 3, 3, 3)}, *found) == ({}, {name: Trouble.MISSING})


def test_a_class_that_is_handed_on_may_contradict_a_site() -> None:
    handed = {**site("", "Conv2d", {}), "before": "nn.Conv2d"}
    _, problems = names({"b.proj.weight": (8, 3, 3, 3)}, site("A.proj", "Conv2d", PADDED), handed)
    assert problems == {"b.proj.weight": Trouble.AMBIGUOUS}


def test_known_shapes_decide_between_sites() -> None:
    found = [site("A.conv", "Conv2d", CONV, "exact"), site("B.conv", "Conv2d", PADDED)]
    shapes: dict[str, Shape] = {"a.conv.weight": (9, 3, 3, 3)}
    assert names(shapes, *found) == ({"a.conv.weight": "a.conv.1.weight"}, {})


def test_a_name_that_no_site_builds_is_missing() -> None:
    found = [site("Net.conv", "Conv2d", CONV), site("Net.fc", "Linear", CONV, status="manual")]
    assert names({"fc.weight": (8, 3, 3, 3)}, *found)[1] == {"fc.weight": Trouble.MISSING}


def test_a_name_is_missing_where_a_layer_lacks_a_parameter_beside_it() -> None:
    shapes: dict[str, Shape] = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,)}
    assert names(shapes, site("Net.conv", "Conv2d", CONV, "exact"))[0] == {}


ABSENT: dict[str, tuple[dict[str, Shape], list[dict[str, Any]], set[str]]] = {
    "a parameter of a layer whose arguments are known": (
        {"f.weight": (8, 3, 3, 3)},
        [site("Net.f", "Conv2d", {**CONV, "bias": ("bias", [8], [8])}, "exact")],
        {"f.bias", "f.weight"},
    ),
    "a weight, whatever the arguments are": (
        {"f.bias": (8,)}, [site("Net.f", "Conv2d", CONV)], {"f.weight", "f.bias"},
    ),
    "a layer beside others of its class": (
        {"net.f.weight": (8, 3, 3, 3)},
        [site("Net.f", "Conv2d", CONV), site("Net.g", "Conv2d", CONV)],
        {"net.g.weight"},
    ),
    "not a layer that one of several blocks has": (
        {"a.f.weight": (8, 3, 3, 3), "b.f.weight": (8, 3, 3, 3), "b.g.weight": (8, 3, 3, 3)},
        [site("Net.f", "Conv2d", CONV), site("Net.g", "Conv2d", CONV)],
        set(),
    ),
    "not a layer of a class that is not there": (
        {"f.weight": (8, 3, 3, 3)},
        [site("Net.f", "Conv2d", CONV), site("Other.g", "Conv2d", CONV)],
        set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("shapes", "found", "expected"), ABSENT.values(), ids=ABSENT)
def test_what_the_report_builds_and_the_checkpoint_lacks_is_listed(
    shapes: dict[str, Shape], found: list[dict[str, Any]], expected: set[str]
) -> None:
    assert names(shapes, *found)[1] == dict.fromkeys(expected, Trouble.MISSING)


def test_shapes_are_those_of_the_model_only_where_arguments_are_written_out() -> None:
    one = site("Net.f", "Conv2d", CONV, "exact")
    shapes: dict[str, Shape] = {"f.weight": (32, 3, 3, 3)}
    for before, trouble in {
        "nn.Conv2d(3, 8, 3, bias=False)": {"f.weight": Trouble.MISSING},
        "nn.Conv2d(3, width, 3, bias=False)": {},
        "nn.Conv2d(3, *given)": {},
    }.items():
        assert names(shapes, one | {"before": before})[1] == trouble


TORN: dict[str, dict[str, Shape]] = {
    "a weight that is turned": {"weight_ih_l0": (3, 16), "weight_hh_l0": (16, 4)},
    "a weight that is flat": {"weight_ih_l0": (48,), "weight_hh_l0": (16, 4)},
    "a weight without its other half": {"weight_ih_l0": (16, 3)},
    "a bias without its other half": {
        "weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,),
    },
    "biases alone": {"bias_ih_l0": (16,), "bias_hh_l0": (16,)},
    "a name that it does not have": {
        "weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "weight_ih_l": (16, 3),
    },
}  # fmt: skip


@pytest.mark.parametrize("shapes", TORN.values(), ids=TORN)
def test_what_no_recurrent_layer_has_is_missing(shapes: dict[str, Shape]) -> None:
    state = {f"rnn.{name}": shape for name, shape in shapes.items()}
    assert names(state, site("Net.rnn", "LSTM", {}, "rule")) == (
        {}, dict.fromkeys(state, Trouble.MISSING),
    )  # fmt: skip


@pytest.mark.parametrize(("rank", "axis"), [(3, 2), (4, None), (2, None)])
def test_the_parts_of_a_one_dimensional_kernel_get_its_axis(rank: int, axis: int | None) -> None:
    shape = (8, 3, 5, 5)[:rank]
    report = {"files": [{"sites": [site("Net.c", "utils.weight_norm", {}, "rule")]}]}
    state = {"c.weight_g": (8, 1, 1, 1)[:rank], "c.weight_v": shape, "c.bias": (8,)}
    axes = {one.torch: one.axis for one in match_report(state, sites(report)).pairs}
    assert axes == {"c.weight_g": axis, "c.weight_v": axis, "c.bias": None}


EXTENTS: dict[str, list[Shape]] = {
    "nn.Parameter(torch.ones(a))": [(8,), (8, 1)],
    "nn.Parameter(torch.zeros(1, n, dim))": [(1, 4, 5), (5, 4, 1)],
    "nn.Parameter(0.02 * torch.randn((a, 3)))": [(8, 3), (3, 8)],
    "nn.Parameter(torch.full((a, b), 1e-5), requires_grad=True)": [(8, 3), (24,)],
    "nn.Parameter(torch.Tensor(a, b))": [(8, 3), (24,)],
}
UNSAID = ["nn.Parameter(data)", "nn.Parameter(torch.ones(*size))", "nn.Parameter(torch.ones(f(x)))",
          "nn.Parameter(torch.full(size, 1.0))", "nn.Parameter(torch.ones(a).view(1, -1))",
          "nn.Parameter(torch.ones(a) + other)", "nn.Parameter(torch.ones(size=s))",
          "nn.Parameter"]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "shape", "is_matched"),
    [*((call, good, True) for call, (good, _) in EXTENTS.items()),
     *((call, bad, False) for call, (_, bad) in EXTENTS.items()),
     *((call, (8, 1), True) for call in UNSAID)],
)  # fmt: skip
def test_a_parameter_of_a_class_has_the_shape_that_its_call_says(
    before: str, shape: Shape, is_matched: bool
) -> None:
    found = {**site("Net.scale", "Parameter", {}, "rule"), "before": before}
    assert bool(names({"scale": shape}, found)[0]) is is_matched
