"""Every row of the documents' difference tables has its row in a rule, and the other way round."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mapper.rulebook.loader import load
from mapper.rulebook.schema import MindSporeSide, ParameterSpec, Row, RowKind, Rule, TorchSide

SEEDS = Path(__file__).parents[1] / "seeds"
PAGES = {
    "TM101": ("Conv2d.txt", 12),
    "TM103": ("ConvTranspose1d.md", 13),
    "TM104": ("ConvTranspose2d.zh.md", 13),
    "TM105": ("ConvTranspose3d.txt", 14),
}
REQUIRED = "required"


def rule(identifier: str) -> Rule:
    found = load().by_id(identifier)
    assert found is not None
    return found


def seed(name: str) -> str:
    return (SEEDS / name).read_text(encoding="utf-8")


def table(text: str) -> list[tuple[str, int, str, str, str]]:
    """Read a page's difference table, from markdown and from its flattened form alike."""
    body = re.split(r"(?:### )?(?:Code Example|代码示例) ?1", text)[0]
    cells = [cell.strip() for cell in body.split("|")]
    rows = []
    for i, cell in enumerate(cells):
        number = re.fullmatch(r"(?:Parameter|参数) ?(\d+)", cell)
        if number or cell in ("Single input", "单输入"):
            kind = "parameter" if number else "input"
            torch, mindspore, difference = cells[i + 1 : i + 4]
            rows.append((kind, int(number[1]) if number else 1, torch, mindspore, difference))
    return rows


def as_written(row: Row) -> tuple[str, int, str, str, str]:
    difference = row.original or row.difference
    return (row.kind, row.number, row.torch or "-", row.mindspore or "-", difference)


def read_signature(parameters: str) -> list[tuple[str, object]]:
    pairs = [part.strip().partition("=") for part in parameters.split(",")]
    return [(name, ast.literal_eval(value) if eq else REQUIRED) for name, eq, value in pairs]


def signature(text: str, api: str) -> list[tuple[str, object]]:
    found = re.search(rf"class {re.escape(api)}\(([^)]*)\)", text)
    assert found, f"no signature of {api}"
    return read_signature(found[1])


def documented(side: TorchSide | MindSporeSide) -> list[tuple[str, object]]:
    def default(spec: ParameterSpec) -> object:
        return REQUIRED if spec.required else spec.default

    return [(spec.name, default(spec)) for spec in side.parameters if not spec.undocumented]


@pytest.mark.parametrize("identifier", PAGES)
def test_the_seed_s_table_was_read_whole(identifier: str) -> None:
    name, count = PAGES[identifier]
    rows = table(seed(name))
    assert [row[:2] for row in rows[:-1]] == [("parameter", n) for n in range(1, count + 1)]
    assert rows[-1][:4] == ("input", 1, "input", "x")


@pytest.mark.parametrize("identifier", PAGES)
def test_rows_are_those_of_the_seed_word_for_word(identifier: str) -> None:
    written = [as_written(row) for row in rule(identifier).rows]
    assert written == table(seed(PAGES[identifier][0]))


@pytest.mark.parametrize("identifier", PAGES)
def test_both_signatures_are_those_of_the_seed(identifier: str) -> None:
    found, text = rule(identifier), seed(PAGES[identifier][0])
    for side in (found.torch, found.mindspore):
        assert documented(side) == signature(text, side.api)


@pytest.mark.parametrize("identifier", PAGES)
def test_the_rule_names_its_seed(identifier: str) -> None:
    seeds = [source.seed for source in rule(identifier).provenance]
    assert PAGES[identifier][0] in seeds


def test_every_seed_is_some_rule_s_source() -> None:
    named = {source.seed for found in load().rules for source in found.provenance if source.seed}
    assert named == {path.name for path in SEEDS.iterdir()}


def test_translated_rows_are_in_english() -> None:
    for row in rule("TM104").rows:
        assert row.original, f"row {row.number} lacks the words of the Chinese page"
        assert row.difference.isascii(), f"row {row.number} is not translated"


CONV = ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation"]
UNSEEDED = {
    "TM100": ["weight_init", "bias_init"],
    "TM102": ["weight_init", "bias_init", "data_format"],
}


@pytest.mark.parametrize("identifier", UNSEEDED)
def test_pages_without_a_seed_carry_all_rows(identifier: str) -> None:
    pairs = [(name, name) for name in CONV]
    pairs += [("groups", "group"), ("bias", "has_bias"), ("padding_mode", "pad_mode")]
    pairs += [("", name) for name in UNSEEDED[identifier]]
    rows = [(row.kind, row.number, row.torch, row.mindspore) for row in rule(identifier).rows]
    wanted = [(RowKind.PARAMETER, i, *pair) for i, pair in enumerate(pairs, 1)]
    assert rows == [*wanted, (RowKind.INPUT, 1, "input", "x")]


OPERATOR = "ops.Conv3DTranspose.txt"


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_the_operator_s_signature_is_that_of_its_page() -> None:
    side = rule("TM205").mindspore
    assert documented(side) == signature(seed(OPERATOR), side.api)


def test_every_parameter_of_the_operator_s_page_has_a_row() -> None:
    body = between(seed(OPERATOR), "- Parameters", "- Inputs:")
    names = re.findall(r"(?:^|\.)(\w+) \((?:int|str|Union).*?\) –", body, re.MULTILINE)
    assert len(names) == 11
    rows = [row for row in rule("TM205").rows if row.kind is RowKind.PARAMETER]
    assert [(row.number, row.mindspore) for row in rows if row.mindspore] == list(
        enumerate(names, 1)
    )


def test_every_input_of_the_operator_s_page_has_a_row() -> None:
    body = between(seed(OPERATOR), "- Inputs:", "- Outputs:")
    names = re.findall(r"^(\w+) \(Tensor\)", body, re.MULTILINE)
    rows = [row for row in rule("TM205").rows if row.kind is RowKind.INPUT]
    assert [row.mindspore for row in rows] == names == ["dout", "weight", "bias"]


def test_every_error_of_the_operator_s_page_is_recorded() -> None:
    body = between(seed(OPERATOR), "- Raises", "- Supported Platforms")
    written = [(error.error, error.text) for error in rule("TM205").raises]
    assert written == re.findall(r"^(\w+Error) – (.*)$", body, re.MULTILINE)
    assert len(written) == 10


@pytest.mark.parametrize(
    ("note", "condition"),
    [("only support \\(group=1\\)", "groups != 1"), ("Atlas A2", "output_padding != 0")],
)
@pytest.mark.parametrize("identifier", ["TM105", "TM205"])
def test_every_note_of_the_operator_s_page_is_a_limit(
    identifier: str, note: str, condition: str
) -> None:
    assert note in seed(OPERATOR)
    limits = [limit for limit in rule(identifier).limits if limit.device == "ascend"]
    assert condition in [limit.when.text for limit in limits]
