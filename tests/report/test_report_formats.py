"""Each format of the one sample run, against its golden file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mapper.model.results import FileResult, FileStatus, Run, Site, Span, Status
from mapper.report import FORMATS, SUFFIXES, View, render
from mapper.report.markdown import code
from mapper.report.sites import location
from tests.report.conftest import Golden

SUFFIX = {"json": "json", "gitlab": "json", "sarif": "json", "markdown": "md", "html": "html"}
BY_FORMAT = [name for name in FORMATS if name != "html"]


@pytest.mark.parametrize("name", BY_FORMAT)
def test_a_format_looks_as_it_did(name: str, run: Run, golden: Golden) -> None:
    golden.check(f"{name}.{SUFFIX.get(name, 'txt')}", render(name, run))


@pytest.mark.parametrize("name", ["full", "concise"])
@pytest.mark.parametrize(
    "view", [View(verbose=True), View(color=True), View(color=True, verbose=True)], ids=str
)
def test_the_formats_for_people_in_detail_and_in_colour(
    name: str, view: View, run: Run, golden: Golden
) -> None:
    marks = "-color" * view.color + "-verbose" * view.verbose
    golden.check(f"{name}{marks}.txt", render(name, run, view))


@pytest.mark.parametrize("name", ["full", "concise"])
def test_colour_changes_nothing_but_colour(name: str, run: Run) -> None:
    coloured = render(name, run, View(color=True, verbose=True))
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render(name, run, View(verbose=True))


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_run_has_a_report(name: str) -> None:
    text = render(name, Run((), mindspore="2.10"))
    if name in ("full", "concise", "diff", "github"):
        assert text == ""
    else:
        assert text.endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_does_not_depend_on_anything_but_its_run(name: str, run: Run) -> None:
    assert render(name, run) == render(name, replace(run))


@pytest.mark.parametrize("name", FORMATS)
def test_an_unreadable_file_with_an_undecodable_name_is_reported(name: str) -> None:
    file = FileResult("bad\udcff.py", FileStatus.FAILED, message="not valid UTF-8")
    text = render(name, Run((file,), mindspore="2.10"))
    text.encode("utf-8")
    if name != "diff":
        assert "not valid UTF-8" in text


def test_markdown_carries_every_site(run: Run) -> None:
    text = render("markdown", run)
    for file in run.files:
        for site in file.sites:
            assert code(location(file, site)) in text


def test_html_carries_every_site(run: Run, golden: Golden) -> None:
    page = render("html", run)
    found = re.search(r'id="data">(.*?)</script>', page)
    assert found
    data = json.loads(found[1])
    golden.check("html-data.json", json.dumps(data, indent=1) + "\n")
    sites = [site for file in data["files"] for site in file["sites"]]
    assert [site["before"] for site in sites] == [s.before for f in run.files for s in f.sites]


def test_a_comment_never_outgrows_its_room(run: Run) -> None:
    many = render("markdown", replace(run, files=run.files * 500))
    assert len(many) < 65_536
    assert "more; the html and json reports carry them all" in many
    assert "too long for a comment" in many
    assert many.count("<details>") == many.count("</details>")


@pytest.mark.parametrize("name", FORMATS)
def test_thousands_of_sites_are_rendered_quickly(name: str, run: Run) -> None:
    many = replace(run, files=run.files * 500)
    start = time.process_time()
    render(name, many, View(verbose=True))
    assert time.process_time() - start < 20


def test_a_million_characters_on_a_line_are_cut_to_the_call() -> None:
    line = "x = '" + "é" * 1_000_000 + "'; c = Conv2d(1, 2, 3); y = '" + "z" * 1_000_000 + "'"
    start = line.index("Conv2d")
    span = Span(1, start + 1, 1, start + 16)
    site = Site("TM102", "torch.nn.Conv2d", None, Status.MANUAL, span, "Conv2d(1, 2, 3)")
    file = FileResult("a.py", FileStatus.UNCHANGED, (site,), before=line)
    text = render("full", Run((file,), mindspore="2.10"))
    assert len(text) < 800
    shown, carets = text.splitlines()[2:4]
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "Conv2d(1, 2, 3)"


def test_a_call_of_many_lines_is_shortened() -> None:
    call = "Conv2d(\n" + "    1,\n" * 100 + ")"
    site = Site("TM102", "a", None, Status.MANUAL, Span(1, 1, 102, 2), call)
    file = FileResult("a.py", FileStatus.UNCHANGED, (site,), before=call)
    text = render("full", Run((file,), mindspore="2.10"))
    assert len(text.splitlines()) < 20
    assert "102 | | )" in text


@pytest.mark.parametrize("span", [Span(9, 1, 9, 2), Span(1, 1, 99, 2), Span(1, 500, 1, 600)])
@pytest.mark.parametrize("cell", [None, 0, 7])
@pytest.mark.parametrize("before", [None, "", "x\n", '{"cells": [{"source": 3}]}', "{}"])
def test_a_span_that_does_not_fit_its_source_is_no_error(
    span: Span, cell: int | None, before: str | None
) -> None:
    site = Site("TM102", "a", None, Status.MANUAL, span, "call", cell=cell)
    file = FileResult("a.ipynb", FileStatus.UNCHANGED, (site,), before=before, after="y")
    for name in FORMATS:
        assert "TM102" in render(name, Run((file,), mindspore="2.10")) or name == "diff"


def test_the_suffixes_of_report_files_name_formats() -> None:
    assert set(SUFFIXES) == {".html", ".md", ".json", ".sarif"}
    assert set(SUFFIXES.values()) <= set(FORMATS)


def test_nothing_heavy_is_imported_before_a_format_is_asked_for() -> None:
    code = (
        "import sys; import mapper.report;"
        "heavy = {'difflib', 'json', 'urllib.parse', 'rich', 'numpy', 'libcst'};"
        "names = {n for n in sys.modules if n.startswith('mapper.report.')};"
        "print(sorted(heavy & set(sys.modules)), sorted(names))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[] ['mapper.report.view']"
