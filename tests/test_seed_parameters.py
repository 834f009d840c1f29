"""Every row of the seed documents' tables: what the tool writes for that parameter."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import pytest

from mapper.analysis.bind import bind
from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Rule
from mapper.running.module import Migrator
from tests.documents import OPERATOR, PAGES, Row, rows

ROWS = [row for seed in PAGES for row in rows(seed)]
OPERATOR_ROWS = rows(OPERATOR)
ABSENT = "absent"

Case = tuple[str, dict[str, Any]]

_SHARED: dict[str, list[Case]] = {
    "in_channels": [("4, 8, 3", {"in_channels": 4})],
    "out_channels": [("4, 8, 3", {"out_channels": 8})],
    "groups": [("4, 8, 3, groups=2", {"group": 2}), ("4, 8, 3", {"group": 1})],
    "bias": [
        ("4, 8, 3", {"has_bias": True}),
        ("4, 8, 3, bias=False", {"has_bias": False}),
        ("4, 8, 3, bias=None", {"has_bias": False}),
    ],
    "pad_mode": [
        ("4, 8, 3", {"pad_mode": "valid", "padding": 0}),
        ("4, 8, 3, padding=1", {"pad_mode": "pad", "padding": 1}),
    ],
    "weight_init": [("4, 8, 3", {"weight_init": ABSENT})],
    "bias_init": [("4, 8, 3", {"bias_init": ABSENT})],
    "data_format": [("4, 8, 3", {"data_format": ABSENT})],
}
_TRANSPOSED: dict[str, list[Case]] = {
    "padding_mode": [
        ("4, 8, 3, padding_mode='zeros'", {"pad_mode": "valid"}),
        ("4, 8, 3, padding=1, padding_mode='zeros'", {"pad_mode": "pad", "padding": 1}),
    ],
}
CASES: Mapping[str, Mapping[str, list[Case]]] = {
    "Conv2d.txt": _SHARED | {
        "kernel_size": [("4, 8, [3, 2]", {"kernel_size": (3, 2)})],
        "stride": [("4, 8, 3, [2, 1]", {"stride": (2, 1)}), ("4, 8, 3, (2,)", {"stride": 2})],
        "dilation": [("4, 8, 3, dilation=[2, 1]", {"dilation": (2, 1)})],
        "padding": [
            ("4, 8, 3, padding=(1, 2)", {"pad_mode": "pad", "padding": (1, 1, 2, 2)}),
            ("4, 8, 3, padding='same'", {"pad_mode": "same", "padding": 0}),
            ("4, 8, 3, padding='valid'", {"pad_mode": "valid", "padding": 0}),
        ],
        "padding_mode": [
            ("4, 8, 3, padding=1, padding_mode='zeros'", {"pad_mode": "pad", "padding": 1}),
            ("4, 8, 3, padding=1, padding_mode='reflect'", {"pad_mode": "valid", "": ["Pad"]}),
            (
                "4, 8, 3, padding=1, padding_mode='replicate'",
                {"pad_mode": "valid", "": ["ReplicationPad2d"]},
            ),
            (
                "4, 8, 3, padding=1, padding_mode='circular'",
                {"pad_mode": "valid", "": ["CircularPad"]},
            ),
        ],
    },
    "ConvTranspose1d.md": _SHARED | _TRANSPOSED | {
        "kernel_size": [("4, 8, [3]", {"kernel_size": 3})],
        "stride": [("4, 8, 3, (2,)", {"stride": 2})],
        "padding": [("4, 8, 3, padding=(1,)", {"pad_mode": "pad", "padding": 1})],
        "dilation": [("4, 8, 3, dilation=[2]", {"dilation": 2})],
        "output_padding": [
            (
                "4, 8, 3, stride=2, padding=1, output_padding=1",
                {"pad_mode": "pad", "padding": 0, "output_padding": ABSENT, "": ["Crop1d"]},
            ),
            ("4, 8, 3, stride=2, output_padding=1", {"pad_mode": "pad", "": ["Pad", "Crop1d"]}),
        ],
    },
    "ConvTranspose2d.zh.md": _SHARED | _TRANSPOSED | {
        "kernel_size": [("4, 8, [3, 2]", {"kernel_size": (3, 2)})],
        "stride": [("4, 8, 3, [2, 1]", {"stride": (2, 1)})],
        "padding": [("4, 8, 5, padding=(2, 1)", {"pad_mode": "pad", "padding": (2, 2, 1, 1)})],
        "dilation": [("4, 8, 3, dilation=[2, 1]", {"dilation": (2, 1)})],
        "output_padding": [
            (
                "4, 8, 3, stride=2, padding=1, output_padding=1",
                {"padding": (1, 0, 1, 0), "output_padding": 0},
            ),
            ("4, 8, 3, stride=2, output_padding=1", {"padding": (0, 1, 0, 1), "": ["Pad"]}),
        ],
    },
    "ConvTranspose3d.txt": _SHARED | _TRANSPOSED | {
        "kernel_size": [("4, 8, [3, 2, 1]", {"kernel_size": (3, 2, 1)})],
        "stride": [("4, 8, 3, [2, 1, 2]", {"stride": (2, 1, 2)})],
        "padding": [("4, 8, 3, padding=(0, 1, 2)", {"padding": (0, 0, 1, 1, 2, 2)})],
        "dilation": [("4, 8, 3, dilation=[1, 2, 2]", {"dilation": (1, 2, 2)})],
        "output_padding": [
            (
                "4, 8, 3, stride=2, padding=1, output_padding=[1, 0, 1]",
                {"padding": 1, "output_padding": (1, 0, 1)},
            ),
        ],
    },
}  # fmt: skip
"""Torch arguments, and what MindSpore's arguments are then; "" names the layers around it."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_in_the_rule_with_a_verdict(row: Row) -> None:
    found = [r for r in _rule(row.seed).rows if (str(r.kind), r.number) == (row.kind, row.number)]
    assert [(r.torch, r.mindspore) for r in found] == [(row.torch, row.mindspore)]
    assert found[0].evidence


@pytest.mark.parametrize("row", [r for r in ROWS if r.kind == "parameter"], ids=lambda r: r.id)
def test_a_parameter_is_carried_over(row: Row) -> None:
    rule = _rule(row.seed)
    for arguments, expected in CASES[row.seed][row.torch or row.mindspore]:
        site = _site(rule, arguments)
        assert site.status is Status.MIGRATED, site.message
        assert site.proof.kind == "exact" and site.proof.max_abs_error == 0
        written, around = _written(site.after or "", rule)
        assert around == expected.get("", []), arguments
        found = {name: written.get(name, ABSENT) for name in expected if name}
        assert found == {n: v for n, v in expected.items() if n}, arguments


@pytest.mark.parametrize("seed", PAGES[1:])
def test_only_zeros_can_be_the_padding_mode_of_a_transposed_convolution(seed: str) -> None:
    site = _site(_rule(seed), "4, 8, 3, padding_mode='reflect'")
    assert site.status is Status.MANUAL and "torch itself" in site.message


@pytest.mark.parametrize("seed", PAGES)
def test_initialisers_are_written_where_the_defaults_are_others(seed: str) -> None:
    site = _site(_rule(seed), "4, 8, 3", "2.0")
    assert "weight_init=" in str(site.after) and "bias_init=" in str(site.after)


@pytest.mark.parametrize("row", [r for r in ROWS if r.kind == "input"], ids=lambda r: r.id)
def test_an_input_has_the_documented_names(row: Row) -> None:
    """That the frameworks take just these is tests/oracle/test_seed_documents.py's to show."""
    rule = _rule(row.seed)
    assert (rule.torch.inputs, rule.mindspore.inputs) == ((row.torch,), (row.mindspore,))


# --- ops.Conv3DTranspose: what the inserted function hands to the operator ---


class _Tensor:
    """A tensor of which only the shape is known."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.added: list[Any] = []

    def __add__(self, other: Any) -> _Tensor:
        self.added.append(other)
        return self

    def reshape(self, *shape: int) -> tuple[str, tuple[int, ...]]:
        return "reshaped", shape


class _Ops:
    """Stands for mindspore.ops, and writes down how the operator is built and called."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.output = _Tensor()

    def Conv3DTranspose(self, *positional: Any, **named: Any) -> Any:  # noqa: N802
        names = [row.mindspore for row in OPERATOR_ROWS if row.kind == "parameter"]
        self.given.update(zip(names, positional, strict=False))
        self.given.update(named)

        def call(dout: Any, weight: Any) -> _Tensor:
            self.given.update(dout=dout, weight=weight)
            return self.output

        return call


X, WEIGHT = _Tensor(32, 16, 10, 32, 32), _Tensor(16, 3, 4, 6, 2)
HANDED_ON = {
    "in_channel": 16,
    "out_channel": 6,
    "kernel_size": (4, 6, 2),
    "mode": ABSENT,
    "pad_mode": "pad",
    "pad": (1, 1, 2, 2, 0, 0),
    "stride": (2, 2, 2),
    "dilation": (1, 2, 1),
    "group": 2,
    "output_padding": (1, 0, 1),
    "data_format": ABSENT,
    "dout": X,
    "weight": WEIGHT,
}


@pytest.mark.parametrize("row", OPERATOR_ROWS, ids=lambda row: row.id)
def test_the_operator_gets_what_its_page_describes(row: Row) -> None:
    rule = _rule(OPERATOR)
    assert row.mindspore in [r.mindspore for r in rule.rows if str(r.kind) == row.kind]
    space: dict[str, Any] = {"ops": (ops := _Ops())}
    source = HELPERS["ms_conv_transpose3d"].source
    exec(source.format(name="conv_transpose", nn="nn", ops="ops"), space)
    named = {
        "stride": [2],
        "padding": (1, 2, 0),
        "output_padding": [1, 0, 1],
        "dilation": (1, 2, 1),
    }
    space["conv_transpose"](X, WEIGHT, _Tensor(6), groups=2, **named)
    if row.mindspore == "bias":
        assert "bias" not in ops.given  # the page: only None is supported; it is added behind
        assert ops.output.added == [("reshaped", (1, -1, 1, 1, 1))]
    else:
        assert ops.given.get(row.mindspore, ABSENT) == HANDED_ON[row.mindspore]


# --- reading what was written ---


def _rule(seed: str) -> Rule:
    (rule,) = [r for r in load().rules if seed in [p.seed for p in r.provenance]]
    return rule


def _site(rule: Rule, arguments: str, version: str = "2.10") -> Site:
    call = f"{rule.torch.api.removeprefix('torch.')}({arguments})"
    options = Options(target_version=version, select=("conv",))
    (site,) = Migrator(load(), options).migrate(f"from torch import nn\nnet = {call}\n").sites
    return site


def _written(text: str, rule: Rule) -> tuple[dict[str, object], list[str]]:
    """Return the convolution's arguments, defaults included where known, and the other layers."""
    tree = ast.parse(text, mode="eval").body
    assert isinstance(tree, ast.Call)
    calls = [tree]
    if ast.unparse(tree.func).endswith("SequentialCell"):
        calls = [a for a in tree.args if isinstance(a, ast.Call)]
    names = [ast.unparse(call.func).rpartition(".")[2] for call in calls]
    target = rule.mindspore.api.rpartition(".")[2]
    bound = bind(calls[names.index(target)], rule.mindspore.parameters)
    defaults = {
        p.name: p.default for p in rule.mindspore.parameters
        if p.default is not None and p.name != "data_format"
    }  # fmt: skip
    given = {name: ast.literal_eval(argument.value) for name, argument in bound.items()}
    return {**defaults, **given}, [name for name in names if name != target]
