"""Write docs/coverage.md: `PYTHONPATH=. python docs/generate/coverage.py`.

Every parameter row and every example of every seed document, with the tests that prove it and the
verdict. tests/test_coverage.py fails when the page is stale or names a test that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mapper.rulebook.loader import load
from mapper.rulebook.schema import Kind, Rule
from tests.documents import OPERATOR, PAGES, Example, Row, examples, rows

ROOT = Path(__file__).parents[2]
NAMES = Path(__file__).with_name("names.tsv")
REASONS = {
    "torch.nn.utils.weight_norm": "it makes a layer's weight anew at each call, from two of its "
    "own; MindSpore has no counterpart",
    "torch.nn.quantized.FloatFunctional": "quantization is not migrated",
    "torch.Tensor.values": "what `max` and `sort` return is a pair in MindSpore, and which of "
    "them a name holds is not followed",
}
"""Why there is no rule for a name of model files."""
PAGE = ROOT / "docs" / "coverage.md"
SEED_ROWS, SEED_EXAMPLES = "tests/test_seed_parameters.py", "tests/test_seed_examples.py"
DOCUMENTS = "tests/oracle/test_seed_documents.py"
SHARED = (
    "test_the_default_recipe_writes_the_value_exact_form",
    "test_the_table_recipe_writes_the_documents_half",
    "test_both_halves_have_the_printed_shape",
    "test_the_engine_computes_the_printed_shape",
)
NO_BIAS = "has_bias is forgotten in the MindSpore half: the tool writes it"
SHIFTED = "right shape, shifted values: 'same' crops elsewhere than torch"
FAULTS = {
    "Conv2d.txt-example-2": (NO_BIAS, "test_mistake_the_bias_is_forgotten"),
    "Conv2d.txt-example-3": (
        "the channel axis is padded too, so the weight has 122 channels; and has_bias is forgotten",
        "test_mistake_the_channel_axis_is_reflected",
    ),
    "Conv2d.txt-example-4": (NO_BIAS, "test_mistake_the_bias_is_forgotten"),
    "ConvTranspose1d.md-example-2": (
        SHIFTED,
        "test_mistake_same_shifts_a_transposed_convolution[ConvTranspose1d.md-example-2]",
    ),
    "ConvTranspose2d.zh.md-example-2": (
        f"{SHIFTED}; the table recipe follows example 4 instead (nn.Pad behind the layer)",
        "test_mistake_same_shifts_a_transposed_convolution[ConvTranspose2d.zh.md-example-2]",
    ),
    "ConvTranspose2d.zh.md-example-4": (
        "right shape, wrong last row and column: torch computes them, zeros are not the same",
        "test_mistake_zeros_stand_for_output_padding",
    ),
    "ConvTranspose3d.txt-example-1": (
        SHIFTED,
        "test_mistake_same_shifts_a_transposed_convolution[ConvTranspose3d.txt-example-1]",
    ),
}


def page() -> str:
    """Return the whole page."""
    parts = [
        "# Coverage of the seed documents",
        "Written by `PYTHONPATH=. python docs/generate/coverage.py`. Every parameter row and every "
        "example of the five documents in `tests/seeds`, with the tests that prove it. "
        "`confirmed`: measurement agrees with the row; `contradicted`: it does not, and the rule "
        "says how. The tests in `tests/oracle` need both frameworks.",
    ]
    for seed in (*PAGES, OPERATOR):
        parts += [f"## {seed}", *_section(seed)]
    parts += ["## Names of model files", *_names()]
    return "\n\n".join(parts) + "\n"


def names() -> dict[str, int]:
    """Return the names that complete half of the model files, and how many files use each.

    In the order in which they complete files, most first: counted over 620 files of 52 public
    repositories.
    """
    lines = NAMES.read_text("utf-8").splitlines()[1:]
    return {name: int(files) for name, _, files in (line.partition("\t") for line in lines)}


def without_rule() -> list[str]:
    """Return those of the names for which there is no rule."""
    rulebook = load()
    return [name for name in names() if rulebook.by_api(name) is None]


def _names() -> Iterator[str]:
    rulebook, counts = load(), names()
    rules = [rule for name in counts if (rule := rulebook.by_api(name)) is not None]
    by_hand = [rule.torch.api for rule in rules if rule.kind is Kind.MANUAL]
    yield (
        f"`docs/generate/names.tsv`: the {len(counts)} names that complete half of 620 model files "
        f"of 52 public repositories. {len(rules)} have a rule; {len(by_hand)} of these rules say "
        "what to write by hand: " + ", ".join(f"`{name}`" for name in sorted(set(by_hand))) + "."
    )
    missing = [(f"`{one}`", str(counts[one]), REASONS[one]) for one in without_rule()]
    yield _table(("without a rule", "files", "why"), missing)


def _section(seed: str) -> Iterator[str]:
    rule = _rule(seed)
    yield f"Rule {rule.id}, `{rule.torch.api}`."
    yield _table(("row", "PyTorch", "MindSpore", "verdict", "proved by"), map(_row, rows(seed)))
    shown = _operator_example() if seed == OPERATOR else map(_example, examples(seed))
    yield _table(("example", "printed shape", "verdict", "proved by"), shown)


def tests(row: Row) -> list[str]:
    """Return the ids of the tests that prove a row."""
    if row.seed == OPERATOR:
        found = [f"{SEED_ROWS}::test_the_operator_gets_what_its_page_describes[{row.id}]"]
    else:
        found = [f"{SEED_ROWS}::test_a_row_is_in_the_rule_with_a_verdict[{row.id}]"]
        if row.kind == "parameter":
            found.append(f"{SEED_ROWS}::test_a_parameter_is_carried_over[{row.id}]")
    if row.kind == "input":
        found.append(f"{DOCUMENTS}::test_the_inputs_go_by_the_documented_names[{row.id}]")
    return found


def example_tests(example: Example) -> list[str]:
    """Return the ids of the tests that prove an example."""
    found = [f"{SEED_EXAMPLES}::{name}[{example.id}]" for name in SHARED]
    if example.id in FAULTS:
        found.append(f"{SEED_EXAMPLES}::{FAULTS[example.id][1]}")
    oracle = (
        "test_the_documents_source_prints_what_it_says",
        "test_the_migrated_call_computes_what_torch_computes",
    )
    return [*found, *(f"{DOCUMENTS}::{name}[{example.id}]" for name in oracle)]


def operator_tests() -> list[str]:
    """Return the ids of the tests of the operator's one example."""
    return [
        f"{SEED_EXAMPLES}::test_the_operators_example_has_the_printed_shape",
        f"{SEED_EXAMPLES}::test_the_operator_is_what_the_functional_call_becomes",
        f"{DOCUMENTS}::test_the_operators_example_prints_what_it_says",
    ]


def _row(row: Row) -> tuple[str, ...]:
    found = [r for r in _rule(row.seed).rows if _is(r.kind, row.kind) and _same(r, row)]
    verdict = str(found[0].verdict) if found else "open"
    name = f"{row.kind} {row.number}"
    return name, _code(row.torch), _code(row.mindspore), verdict, _listed(tests(row))


def _is(kind: object, name: str) -> bool:
    return str(kind) == name


def _same(rule_row: object, row: Row) -> bool:
    names = getattr(rule_row, "torch", ""), getattr(rule_row, "mindspore", "")
    return (
        names[1] == row.mindspore if row.seed == OPERATOR else names == (row.torch, row.mindspore)
    )


def _example(example: Example) -> tuple[str, ...]:
    verdict = "reproduced"
    if example.id in FAULTS:
        verdict = f"the document is wrong: {FAULTS[example.id][0]}"
    return str(example.number), str(example.shapes[0]), verdict, _listed(example_tests(example))


def _operator_example() -> list[tuple[str, ...]]:
    return [("1", "(32, 3, 13, 37, 33)", "reproduced", _listed(operator_tests()))]


def _rule(seed: str) -> Rule:
    (rule,) = [r for r in load().rules if seed in [p.seed for p in r.provenance]]
    return rule


def _listed(ids: list[str]) -> str:
    return "<br>".join(f"`{name}`" for name in ids)


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"


def _table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    body = [head, ("---",) * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in body)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
