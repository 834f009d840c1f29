"""Rule pages: complete, executed, found under any name; the examples of the rule files are true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mapper.cli import catalog
from mapper.cli.examples import execute
from mapper.cli.pages import page
from mapper.model.results import Status
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Rule, Verdict
from mapper.rulebook.selection import SelectionError

RULES = load().rules
EXAMPLES = [
    pytest.param((rule, index), id=f"{rule.id}: {rule.examples[index].before}")
    for rule in RULES
    for index in range(len(rule.examples))
]
DOCS = Path(__file__).parents[1] / "docs" / "rules"


@pytest.mark.parametrize("pair", EXAMPLES)
def test_an_example_of_a_rule_says_what_the_tool_does(pair: tuple[Rule, int]) -> None:
    result = execute(pair[0], pair[0].examples[pair[1]])
    example, site = result.example, result.site
    if example.stays:
        assert site.status in (Status.MANUAL, Status.UNSAFE), site.after
        assert site.message
    else:
        assert site.status in (Status.MIGRATED, Status.SHAPE_ONLY), site.message
        assert example.after in (site.after, result.after, result.after.removeprefix("return "))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_page_says_everything_that_the_rule_holds(rule: Rule) -> None:
    text = page(rule)
    assert text.startswith(f"# {rule.id}")
    for row in rule.rows:
        for shown in (row.torch, row.mindspore):
            assert not shown or f"`{shown}`" in text
    for example in rule.examples:
        assert all(line in text for line in example.before.splitlines())
    wrong = rule.verdicts().count(Verdict.CONTRADICTED)
    assert text.count("**contradicted**") == wrong
    for source in rule.provenance:
        assert source.document in text
    assert len(text.split("## Limits")) == (2 if rule.limits else 1)
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_the_pages_in_docs_are_the_ones_that_would_be_written() -> None:
    written = {file.name: file.read_text("utf-8") for file in DOCS.glob("*.md")}
    remedy = "run `tm2ms explain --write docs/rules`"
    assert sorted(written) == sorted(catalog.all_pages()), remedy
    for file, text in catalog.all_pages().items():
        assert written[file] == text, f"{file} is stale: {remedy}"


def test_writing_the_pages_says_what_changed_and_removes_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "TM777.md").write_text("of a rule that went")
    (tmp_path / "notes.md").write_text("somebody's own")
    first = catalog.write_pages(tmp_path)
    assert len(first) == len(catalog.all_pages()) + 1
    assert catalog.write_pages(tmp_path) == []
    assert (tmp_path / "notes.md").exists() and not (tmp_path / "TM777.md").exists()


FOUND = {
    "TM101": "TM101",
    "tm101": "TM101",
    "torch.nn.Conv2d": "TM101",
    "torch.nn.modules.conv.Conv2d": "TM101",
    "nn.Conv2d": "TM101",
    "Conv2d": "TM101",
    "F.conv2d": "TM201",
    "torch.conv2d": "TM201",
    "torch.nn.LazyConv3d": "TM120",
    "mindspore.nn.Conv2dTranspose": "TM104",
    "TM901": "TM901",
}


@pytest.mark.parametrize(("said", "wanted"), FOUND.items())
def test_a_rule_is_found_under_any_of_its_names(said: str, wanted: str) -> None:
    assert catalog.find(said).id == wanted


@pytest.mark.parametrize("said", ["TM1", "torch.nn.Nothing", "", "TM777"])
def test_a_name_of_none_or_several_is_an_error(said: str) -> None:
    with pytest.raises(SelectionError):
        catalog.find(said)


def tm2ms(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mapper", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_explain_prints_the_page_as_it_is() -> None:
    ran = tm2ms("explain", "torch.nn.Conv2d")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == page(catalog.find("TM101"))


def test_explain_of_nothing_and_of_an_unknown_name_is_wrong_usage() -> None:
    assert tm2ms("explain").returncode == 2
    ran = tm2ms("explain", "torch.nn.Conv2")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "did you mean 'torch.nn.Conv2d'?" in ran.stderr


def test_rules_lists_every_rule_for_people_and_for_machines() -> None:
    table = tm2ms("rules").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["rule", *(rule.id for rule in RULES)]
    listed = json.loads(tm2ms("rules", "--output-format", "json").stdout)
    assert [rule["id"] for rule in listed] == [rule.id for rule in RULES]
    assert listed[1]["rows"][0].keys() >= {"number", "torch", "mindspore", "verdict", "evidence"}
    assert tm2ms("rules", "--output-format", "xml").returncode == 2


def test_the_sarif_report_carries_the_page_of_each_rule(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch.nn as nn\nx = nn.Conv2d(3, 8, 3)\n")
    ran = tm2ms("migrate", "--check", "--output-format", "sarif", str(tmp_path / "a.py"))
    rules = json.loads(ran.stdout)["runs"][0]["tool"]["driver"]["rules"]
    (rule,) = [one for one in rules if one["id"] == "TM101"]
    assert rule["help"]["markdown"] == page(catalog.find("TM101"))
