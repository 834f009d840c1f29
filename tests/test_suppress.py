"""`# tm2ms:` comments and the selection: what is left, why it says so, what is of no use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.rulebook.loader import load
from mapper.rulebook.selection import SelectionError, names
from mapper.running.file import Task, process

HEAD = "import torch.nn as nn\n"


def run(text: str, path: str = "a.py", **options: object) -> FileResult:
    return process(Task(path, text.encode()), Options(**{"select": ("conv",), **options}))  # type: ignore[arg-type]


def states(result: FileResult) -> list[str]:
    return [str(site.status) for site in result.sites]


LEFT = {
    "on the call's line": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore\n",
    "with its rule": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM101]\n",
    "with the beginning of its rule": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM1]\n",
    "with a torch name": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[torch.nn.Conv2d]\n",
    "with another spelling": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[nn.Conv2d]\n",
    "with several rules and blanks": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[ TM101 ]\n",
    "with a reason behind it": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore (a stub)\n",
    "without blanks": "x = nn.Conv2d(3, 8, 3)  #tm2ms:ignore\n",
    "behind another comment": "x = nn.Conv2d(3, 8, 3)  # noqa: X # tm2ms: ignore\n",
    "on the first line of a long call": "x = nn.Conv2d(  # tm2ms: ignore\n    3, 8, 3,\n)\n",
    "on the last line of a long call": "x = nn.Conv2d(\n    3, 8, 3,\n)  # tm2ms: ignore\n",
    "behind a backslash": "x = nn.Conv2d(3, 8, 3) \\\n    .half()  # tm2ms: ignore\n",
    "on a reference without a call": "x = nn.Conv2d  # tm2ms: ignore\n",
    "for the whole file": "# tm2ms: skip-file\nx = nn.Conv2d(3, 8, 3)\n",
    "for the whole file, said last": "x = nn.Conv2d(3, 8, 3)\n    # tm2ms: skip-file\n",
    "with carriage returns only": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore\ry = 1\r",
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_a_comment_leaves_the_site(text: str) -> None:
    result = run(HEAD + text)
    assert states(result) == ["ignored"]
    assert result.after == result.before
    assert "# tm2ms:" in result.sites[0].message
    assert result.notes == ()


WRITTEN = {
    "a comment on another line": "# tm2ms: ignore\nx = nn.Conv2d(3, 8, 3)\n",
    "a comment inside the call": "x = nn.Conv2d(\n    3,  # tm2ms: ignore\n    8, 3)\n",
    "the words in a string": "x = nn.Conv2d(3, 8, 3); y = '# tm2ms: ignore'\n",
    "another rule": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM102]\n",
    "a rule that is none": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM777]\n",
    "empty brackets": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[]\n",
    "a misspelt word": "x = nn.Conv2d(3, 8, 3)  # tm2ms: ingore\n",
    "skip-file behind code": "x = nn.Conv2d(3, 8, 3)  # tm2ms: skip-file\n",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_comment_that_does_not_mean_the_site_leaves_nothing(text: str) -> None:
    result = run(HEAD + text)
    assert states(result) == ["migrated"]
    assert len(result.notes) == ("'#" not in text), result.notes


REMARKS = {
    "unused on a line without a site": ("x = 1  # tm2ms: ignore\n", "unused `# tm2ms: ignore`"),
    "unused in a file without torch": ("x = 1  # tm2ms: ignore\n", "unused `# tm2ms: ignore`"),
    "unused for the file": ("# tm2ms: skip-file\n", "unused `# tm2ms: skip-file`"),
    "one of two rules unused": (
        "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM101, TM105]\n",
        "unused `# tm2ms: ignore[TM105]`",
    ),
    "a rule that does not exist": (
        "x = nn.Conv2d(3, 8, 3)  # tm2ms: ignore[TM101, TM777]\n",
        "'TM777' names no rule",
    ),
    "a word that does not exist": ("x = 1  # tm2ms: ingore\n", "not understood: `# tm2ms: ingore`"),
    "skip-file with brackets": ("# tm2ms: skip-file[TM1]\n", "not understood"),
    "skip-file behind code": ("x = 1  # tm2ms: skip-file\n", "on a line of its own only"),
}


@pytest.mark.parametrize(("text", "said"), REMARKS.values(), ids=REMARKS.keys())
def test_what_is_of_no_use_is_remarked_with_its_line(text: str, said: str) -> None:
    result = run((HEAD if "torch" not in said and "nn." in text else "\n") + text)
    (note,) = result.notes
    assert said in note.message
    assert note.line == 2


def test_only_the_marked_call_of_two_is_left_and_torch_stays_imported() -> None:
    result = run(HEAD + "a = nn.Conv2d(3, 8, 3)  # tm2ms: ignore\nb = nn.Conv2d(3, 8, 3)\n")
    assert states(result) == ["ignored", "migrated"]
    assert result.after is not None
    assert "a = nn.Conv2d(3, 8, 3)  # tm2ms: ignore\nb = ms_nn.Conv2d" in result.after
    again = run(result.after)
    assert again.after == result.after
    assert states(again) == ["ignored"]
    assert again.notes == ()


def test_a_comment_under_a_selection_that_leaves_the_site_anyway_counts_as_used() -> None:
    text = HEAD + "a = nn.Conv2d(3, 8, 3)  # tm2ms: ignore\n"
    result = run(text, ignore=("TM101",))
    assert result.notes == ()
    assert "# tm2ms:" in result.sites[0].message


SITES = HEAD + "a = nn.Conv1d(3, 8, 3)\nb = nn.Conv2d(3, 8, 3)\nc = nn.LazyConv2d(8, 3)\n"
SELECTIONS = {
    "nothing said": ({}, "mig mig man"),
    "one rule": ({"select": ("TM101",)}, "ign mig ign"),
    "a beginning": ({"select": ("TM10",)}, "mig mig ign"),
    "a torch name": ({"select": ("torch.nn.Conv1d",)}, "mig ign ign"),
    "a torch name of a rule for many": ({"select": ("torch.nn.LazyConv1d",)}, "ign ign ign"),
    "a longer spelling": ({"select": ("torch.nn.modules.conv.Conv1d",)}, "mig ign ign"),
    "ignored": ({"ignore": ("TM120", "torch.nn.Conv1d")}, "ign mig ign"),
    "all but one": ({"select": ("TM1",), "ignore": ("TM101",)}, "mig ign man"),
    "the more specific wins": ({"select": ("TM101",), "ignore": ("TM1",)}, "ign mig ign"),
    "a tie is ignored": ({"select": ("TM101",), "ignore": ("TM101",)}, "ign ign ign"),
    "for this file": ({"per_file_ignores": (("a.py", ("TM101",)),)}, "mig ign man"),
    "for its directory": ({"per_file_ignores": (("src", ("TM101",)),)}, "mig ign man"),
    "for files below": ({"per_file_ignores": (("src/*", ("TM1",)),)}, "ign ign ign"),
    "for other files": ({"per_file_ignores": (("b.py", ("TM1",)),)}, "mig mig man"),
    "for all files but others": ({"per_file_ignores": (("!b.py", ("TM101",)),)}, "mig ign man"),
    "for all files but this": ({"per_file_ignores": (("!a.py", ("TM101",)),)}, "mig mig man"),
}


@pytest.mark.parametrize(("options", "wanted"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_a_selection_leaves_what_it_does_not_mean(options: dict[str, object], wanted: str) -> None:
    result = run(SITES, "src/a.py", root=str(Path.cwd()), **options)
    assert " ".join(state[:3] for state in states(result)) == wanted
    for site in result.sites:
        assert (site.status is Status.IGNORED) is site.message.startswith("switched off by")


UNKNOWN = {
    "an id that does not exist": ("TM777", "`tm2ms rules` lists them"),
    "a signature's id": ("TM901", "names no rule"),
    "a typing error": ("torch.nn.Conv2", "did you mean 'torch.nn.Conv2d'?"),
    "another layer": ("torch.nn.Nothing", "names no rule"),
}


@pytest.mark.parametrize(("text", "said"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_name_of_nothing_is_an_error_with_what_is_near(text: str, said: str) -> None:
    with pytest.raises(SelectionError, match="names no rule") as caught:
        names(load(), [text])
    assert said in str(caught.value)


def test_in_a_notebook_the_note_names_the_cell() -> None:
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": source}
        for source in ("import torch.nn as nn", "a = nn.Conv2d(3, 8, 3)\nb = 1  # tm2ms: ignore")
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    result = run(text, "a.ipynb")
    assert states(result) == ["migrated"]
    assert [(note.cell, note.line) for note in result.notes] == [(1, 2)]


def test_a_file_that_mentions_neither_costs_no_tokenizing(monkeypatch: pytest.MonkeyPatch) -> None:
    import mapper.files.suppressions

    monkeypatch.setattr(mapper.files.suppressions, "_comments", pytest.fail)
    assert states(run(HEAD + "a = nn.Conv2d(3, 8, 3)  # a comment\n")) == ["migrated"]
