"""Each format of the one sample run, against its golden file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from mapper.outcome import FileResult, FileStatus, Run
from mapper.report import FORMATS, SUFFIXES, View, render
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
    import re

    coloured = render(name, run, View(color=True, verbose=True))
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render(name, run, View(verbose=True))


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_run_has_a_report(name: str, golden: Golden) -> None:
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


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("full", "concise")])
def test_every_site_is_in_the_formats_that_promise_it(name: str, run: Run) -> None:
    if name == "diff":
        pytest.skip("a diff carries changes")
    text = render(name, run)
    for file in run.files:
        for site in file.sites:
            assert site.before.splitlines()[0][:9] in text or site.rule in text


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
