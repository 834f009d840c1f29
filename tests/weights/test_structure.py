"""A checkpoint is held against the classes of the report, from their source."""

from __future__ import annotations

import textwrap

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Run
from mapper.report.as_json import document
from mapper.running.file import Task, process
from mapper.weights.definitions import definitions
from mapper.weights.namemap import NameMap, Trouble
from mapper.weights.networks import Shape
from mapper.weights.sites import sites
from mapper.weights.static import match_report

HEAD = """\
from collections import OrderedDict

import torch
from torch import nn


"""
FORWARD = """
    def forward(self, x):
        return x


"""


def cls(name: str, *lines: str, base: str = "nn.Module", given: str = "n, m") -> str:
    """Return the source of a class whose `__init__` has these lines."""
    body = "".join(f"        {line}\n" for line in lines)
    head = f"class {name}({base}):\n    def __init__(self, {given}):\n"
    return f"{head}        super().__init__()\n{body}{FORWARD}"


def migrated(*classes: str) -> FileResult:
    return process(Task("net.py", (HEAD + "".join(classes)).encode()), Options())


def matched(shapes: dict[str, Shape], *classes: str) -> NameMap:
    """Return the map by the report of a file with these classes."""
    result = migrated(*classes)
    report = document(Run((result,), "2.10"))
    return match_report(shapes, sites(report), definitions(report))


def conv(*names: str) -> dict[str, Shape]:
    return {f"{name}.weight": (8, 8, 3, 3) for name in names}


def norm(*names: str) -> dict[str, Shape]:
    lasts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{last}": (8,) for name in names for last in lasts}


BLOCK = cls("Block", "self.conv1 = nn.Conv2d(n, m, 3, bias=False)", "self.bn1 = nn.BatchNorm2d(m)",
            "self.down = None")  # fmt: skip
NET = cls("Net", "self.layers = nn.Sequential(*[Block(n, m) for _ in range(3)])",
          "self.fc = nn.Linear(n, m)")  # fmt: skip
WHOLE: dict[str, Shape] = {
    **conv("layers.0.conv1", "layers.1.conv1"), **norm("layers.0.bn1", "layers.1.bn1"),
    "fc.weight": (5, 8), "fc.bias": (5,),
}  # fmt: skip


def test_a_checkpoint_of_the_classes_is_matched() -> None:
    names = matched(WHOLE, BLOCK, NET)
    assert names.is_complete and len(names.pairs) == len(WHOLE)


def test_a_wrapper_that_the_report_does_not_have_may_be_around_it() -> None:
    state = {f"model.net.{name}": shape for name, shape in WHOLE.items()}
    assert matched(state, BLOCK, NET).is_complete


SPOILT: dict[str, dict[str, str | None]] = {
    "a layer of which nothing is there": {"layers.1.conv1.weight": None},
    "a layer below a name that no class has": {"layers.0.conv1.weight": "other.conv1.weight"},
    "a layer beside others under a name that its class does not have": {
        "layers.0.conv1.weight": "layers.0.conv2.weight"
    },
    "a layer in a layer": {"layers.0.conv1.weight": "layers.0.conv1.0.weight"},
    "a name below a parameter": {"fc.bias": "fc.weight.bias"},
    "a place far behind the others": {
        name: name.replace("layers.1", "layers.17") for name in WHOLE if "layers.1" in name
    },
    "a place that is no number of a list's": {
        name: name.replace("layers.1", "layers.01") for name in WHOLE if "layers.1" in name
    },
    "a parameter of the model that its class does not keep": {"fc.bias": "bias"},
    "a layer where the class has none": {"layers.0.conv1.weight": "layers.0.down.weight"},
}


@pytest.mark.parametrize("changed", SPOILT.values(), ids=SPOILT)
def test_what_the_classes_do_not_have_is_listed(changed: dict[str, str | None]) -> None:
    state = {changed.get(name, name): shape for name, shape in WHOLE.items()}
    new = {name for name in changed.values() if name}
    names = matched({name: shape for name, shape in state.items() if name}, BLOCK, NET)
    assert names.problems and not new & {one.torch for one in names.pairs}


def test_a_name_is_added_beside_the_right_one() -> None:
    names = matched({**WHOLE, "layers.0.conv1.0.weight": (8, 8, 3, 3)}, BLOCK, NET)
    assert "layers.0.conv1.0.weight" in {one.name for one in names.of(Trouble.MISSING)}


KEPT = cls("Frozen", 'self.register_buffer("weight", torch.ones(n))',
           'self.register_buffer("bias", torch.zeros(n))',
           'self.register_buffer("cache", torch.zeros(n), persistent=False)')  # fmt: skip


def test_the_buffers_of_a_class_are_there_together_or_listed() -> None:
    net = cls("Net", "self.norm = Frozen(n, m)", "self.fc = nn.Linear(n, m)")
    whole: dict[str, Shape] = {"norm.weight": (8,), "norm.bias": (8,), "fc.weight": (5, 8),
                               "fc.bias": (5,)}  # fmt: skip
    assert matched(whole, KEPT, net).is_complete
    for name in ("norm.weight", "norm.bias"):
        torn = {key: shape for key, shape in whole.items() if key != name}
        assert name in {one.name for one in matched(torn, KEPT, net).problems}


SHARED = cls("Shared", "self.conv1 = nn.Conv2d(n, m, 3)", "self.act = nn.ReLU()",
             "self.body = nn.Sequential(self.conv1, self.act)", "self.again = self.body",
             )  # fmt: skip


def test_a_layer_under_two_names_is_matched_under_both() -> None:
    state = {**conv("conv1", "body.0", "again.0"),
             **{f"{at}.bias": (8,) for at in ("conv1", "body.0", "again.0")}}  # fmt: skip
    names = matched(state, SHARED)
    assert names.is_complete and {one.mindspore for one in names.pairs} == set(state)
    assert not matched({**state, **conv("body.1")}, SHARED).is_complete


def test_a_layer_under_two_names_is_known_by_what_its_first_name_is() -> None:
    shared = cls(
        "Shared", "self.norm1 = nn.BatchNorm3d(n)", "self.body = nn.Sequential(self.norm1)"
    )
    names = matched({**norm("norm1", "body.0")}, shared, BLOCK)
    assert "body.0.bn2d.gamma" in {one.mindspore for one in names.pairs}


CHOSEN = cls("Net", "self.body = nn.Sequential(nn.Conv2d(n, m, 3, bias=False), norm(m))",
             given="n, m, norm=nn.BatchNorm2d")  # fmt: skip
OTHER = cls("Other", "self.deep = nn.Sequential(nn.Conv3d(n, m, 3), norm(m))",
            given="n, m, norm=nn.BatchNorm3d")  # fmt: skip


def test_a_class_that_the_model_does_not_use_decides_nothing() -> None:
    state = {**conv("body.0"), **norm("body.1")}
    names = matched(state, CHOSEN, OTHER)
    assert names.is_complete and "body.1.gamma" in {one.mindspore for one in names.pairs}
    use = "def build():\n    return Net(3, 8, Other)\n"
    assert {one.trouble for one in matched(state, CHOSEN, OTHER, use).problems} == {
        Trouble.AMBIGUOUS
    }


ELSEWHERE = cls("Part", "self.a = build(n, m)", "self.b = nn.Linear(m, m, bias=m > 3)")
PARTS = cls("Parts", "self.parts = nn.ModuleList([Part(n, m), Part(n, m)])")
BUILD = "def build(n, m):\n    return nn.Linear(n, m, bias=n > m)\n\n\n"


def test_a_layer_has_the_same_names_in_all_places_of_its_class() -> None:
    state: dict[str, Shape] = {f"parts.{i}.{at}.{last}": shape for i in (0, 1) for at in "ab"
                               for last, shape in (("weight", (8, 8)), ("bias", (8,)))}  # fmt: skip
    assert matched(state, BUILD, ELSEWHERE, PARTS).is_complete
    for name in ("parts.0.a.bias", "parts.1.b.bias"):
        torn = {key: shape for key, shape in state.items() if key != name}
        found = {one.name: one.message for one in matched(torn, BUILD, ELSEWHERE, PARTS).problems}
        assert "in other places" in found[name]
    bare = {key: shape for key, shape in state.items() if "bias" not in key}
    assert matched(bare, BUILD, ELSEWHERE, PARTS).is_complete


RIGHT: dict[str, tuple[list[str], dict[str, Shape]]] = {
    "layers named by a dict": (
        [cls("Net", "self.body = nn.Sequential(OrderedDict([('one', nn.Linear(n, m))]))",
             "self.heads = nn.ModuleDict({'a': nn.Linear(n, m)})")],
        {"body.one.weight": (8, 8), "body.one.bias": (8,), "heads.a.weight": (8, 8),
         "heads.a.bias": (8,)},
    ),
    "layers that are added under names that are computed": (
        [cls("Net", "for i in range(2):", "    self.add_module(f'part{i}', nn.Linear(n, m))")],
        {"part0.weight": (8, 8), "part0.bias": (8,), "part1.weight": (8, 8), "part1.bias": (8,)},
    ),
    "a class that is a list of layers": (
        [cls("Pair", base="nn.Sequential").replace(
            "super().__init__()", "super().__init__(nn.Conv2d(n, m, 3, bias=False), nn.ReLU())"),
         cls("Net", "self.pair = Pair(n, m)")],
        conv("pair.0"),
    ),
    "a class that is a list of layers from elsewhere": (
        [cls("Pair", base="nn.Sequential", given="*given").replace(
            "super().__init__()", "super().__init__(*given)"),
         cls("Net", "self.pair = Pair(nn.Conv2d(n, m, 3, bias=False))")],
        conv("pair.0"),
    ),
    "a class that derives from another": (
        [BLOCK, cls("Deep", "self.conv2 = nn.Conv2d(n, m, 3, bias=False)", base="Block").replace(
            "super().__init__()", "super().__init__(n, m)"),
         cls("Net", "self.deep = Deep(n, m)")],
        {**conv("deep.conv1", "deep.conv2"), **norm("deep.bn1")},
    ),
    "a layer that a method builds": (
        [cls("Net", "self.conv = self.build(n)") + "    def build(self, n):\n"
         "        return nn.Conv2d(n, n, 3, bias=False)\n\n\n"],
        conv("conv"),
    ),
    "an attention": (
        [cls("Net", "self.attn = nn.MultiheadAttention(n, m)")],
        {"attn.in_proj_weight": (12, 4), "attn.in_proj_bias": (12,),
         "attn.out_proj.weight": (4, 4), "attn.out_proj.bias": (4,)},
    ),
    "a class that derives from another library's": (
        ["import library\n", cls("Net", "self.act = nn.ReLU()", base="library.Base")],
        conv("head", "tail"),
    ),
    "a model that is one layer": ([BLOCK], {"weight": (8, 8, 3, 3)}),
}  # fmt: skip


@pytest.mark.parametrize(("classes", "state"), RIGHT.values(), ids=RIGHT)
def test_what_the_classes_have_is_no_fault(classes: list[str], state: dict[str, Shape]) -> None:
    report = document(Run((migrated(*classes),), "2.10"))
    names = match_report(state, sites(report), definitions(report))
    faults = [str(one) for one in names.problems if "no site" not in one.message]
    assert faults == []


def test_a_layer_that_other_code_replaces_may_be_another_or_none() -> None:
    code = textwrap.dedent("""\
        def headless(net):
            net.fc = nn.Identity()
            return net
    """)
    state = {name: shape for name, shape in WHOLE.items() if "fc" not in name}
    assert not matched(state, BLOCK, NET).is_complete
    assert matched(state, BLOCK, NET, code).is_complete


ABSENT: dict[str, tuple[list[str], dict[str, Shape], str]] = {
    "a layer at its place in a list": (
        [cls("Net", "self.body = nn.Sequential(nn.Conv2d(n, m, 3, bias=False), nn.ReLU(), "
             "nn.Conv2d(n, m, 3, bias=False))")],
        conv("body.2"), "body.0",
    ),
    "a layer of a list in which each has weights": (
        [BLOCK, cls("Net", "self.body = nn.ModuleList([Block(n, m) for _ in range(n)])")],
        {**conv("body.1.conv1"), **norm("body.1.bn1")}, "body.1.conv1.weight",
    ),
    "the first weights of an attention": (
        [cls("Net", "self.attn = nn.MultiheadAttention(n, m)")],
        {"attn.out_proj.weight": (4, 4), "attn.out_proj.bias": (4,)}, "attn.in_proj_weight",
    ),
    "a class where a parameter is": (
        [BLOCK, cls("Net", "self.part = Block(n, m)", "self.fc = nn.Linear(n, m)")],
        {"part": (8,), "fc.weight": (5, 8), "fc.bias": (5,)}, "part",
    ),
    "a parameter that another class keeps": (
        [cls("Other", "self.scale = nn.Parameter(torch.ones(n))"),
         cls("Net", "self.scale = n", "self.fc = nn.Linear(n, m)")],
        {"scale": (8,), "fc.weight": (5, 8), "fc.bias": (5,)}, "scale",
    ),
    "a layer where the class keeps a parameter": (
        [cls("Net", "self.scale = nn.Parameter(torch.ones(n))", "self.fc = nn.Linear(n, m)")],
        {"scale.weight": (8,), "fc.weight": (5, 8), "fc.bias": (5,)}, "scale.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("classes", "state", "name"), ABSENT.values(), ids=ABSENT)
def test_what_a_class_has_in_another_way_is_listed(
    classes: list[str], state: dict[str, Shape], name: str
) -> None:
    assert name in {one.name for one in matched(state, *classes).problems}
