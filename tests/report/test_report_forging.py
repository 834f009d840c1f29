"""Names and sources from strangers cannot forge a line, a command, a link or markup."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.model.results import FileResult, FileStatus, Note, Run, Site, Span, Status
from mapper.report import FORMATS, View, render
from mapper.report.as_html import embedded
from mapper.report.markdown import code, prose
from mapper.report.summary import statistics
from mapper.report.visible import json_text, one_line, visible

EVIL = [
    "\n::error file=a.py::forged",
    "\r::set-output name=x::forged",
    "\x1b[2K\x1b[1A\x1b]8;;file:///\x07forged",
    "\u202eforged\u2066",
    "\u2028forged\u2029forged\x85forged\x0bforged\x0c",
    "</script><script>forged()</script>",
    "<!--<script>forged",
    "```\nforged\n````\n~~~",
    "| forged | cell |\n| --- | --- |",
    "`forged` ``forged`` `",
    "[forged](javascript:forged) ![forged](//forged) <a href=forged>",
    "@team #123 https://forged.example www.forged.example :forged: $forged$ \\| \\`",
    "</details><h1>forged</h1>&lt;forged",
    "%0A::error::forged,line=1:x",
    "\x00\x7f\x9b31m\ud800\udcff\u200b\ufeff\U000e0041",
    "[bold]forged[/bold] [idx]",
]


def run_with(evil: str) -> Run:
    span = Span(1, 1, 1, 5)
    sites = tuple(
        Site(
            evil,
            evil,
            evil,
            status,
            span,
            evil,
            evil,
            evil,
            (evil,),
            cell=cell,
        )
        for status in Status
        for cell in (None, 0)
    )
    notes = (Note(1, evil), Note(1, evil, cell=0))
    return Run(
        (
            FileResult(evil, FileStatus.CHANGED, sites, None, notes, evil + "\n", "x" + evil),
            FileResult(evil, FileStatus.FAILED, message=evil),
        ),
        mindspore="2.10",
    )


def clean(text: str, keep: str = "\n") -> bool:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return not any(c not in keep and unicodedata.category(c) in hidden for c in text)


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "diff"])
def test_nothing_unprintable_gets_out(name: str, evil: str) -> None:
    assert clean(render(name, run_with(evil), View(verbose=True)), "\n\t")


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("name", ["concise", "github"])
def test_line_formats_have_as_many_lines_as_findings(name: str, evil: str) -> None:
    text = render(name, run_with(evil), View(verbose=True))
    assert len(text.splitlines()) == text.count("\n") == 2 * len(Status) + 2 + 1


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_github_commands_start_only_where_we_start_them(evil: str) -> None:
    for line in render("github", run_with(evil)).splitlines():
        found = re.fullmatch(r"::(error|warning|notice) ([^\n]*?)::([^\n]*)", line)
        assert found
        properties = dict(part.split("=", 1) for part in found[2].split(","))
        assert set(properties) <= {"file", "line", "endLine", "col", "endColumn", "title"}
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", found[0])


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_blocks_of_the_full_format_start_with_a_place(evil: str) -> None:
    plain = render("full", run_with(evil), View(verbose=True))
    assert plain.count("\n\n") == 2 * len(Status) + 2 + 1
    for line in plain.splitlines():
        assert not line.startswith(("::", "forged"))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("href", "src")]


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_markdown_has_no_markup_but_ours(evil: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    tags = Tags()
    tags.feed(renderer.render(render("markdown", run_with(evil))))
    ours = "h2 h3 p table thead tbody tr th td code pre details summary strong br ul li"
    assert set(tags.seen) <= set(ours.split())
    assert tags.links == []
    assert tags.seen.count("h2") == 1
    assert tags.seen.count("details") == tags.seen.count("summary")
    assert tags.seen.count("tr") == (1 + len(Status)) + (1 + 4) + (1 + 1) + (1 + 4) + (1 + 4) + (
        1 + 2
    )


@given(st.text())
def test_code_spans_hold_any_text(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    cell = f"| a |\n| --- |\n| x {code(text)} y |\n"
    html = markdown_it.MarkdownIt("commonmark").enable("table").render(cell)
    assert html.count("<td>") == 1
    found = re.search(r"<code>(.*)</code>", html)
    shown = visible(text)
    if shown.strip():
        import html as escapes

        assert found
        assert escapes.unescape(found[1]) == shown


@given(st.text(alphabet=st.sampled_from("ab `*_[]()<>|@#:/\\~!&;\n-.1$")))
def test_prose_is_only_prose(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    cell = f"| a |\n| --- |\n| x {prose(text)} y |\n"
    tags = Tags()
    tags.feed(markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(cell))
    assert [tag for tag in tags.seen if tag != "code"] == [
        *("table", "thead", "tr", "th", "tbody", "tr", "td")
    ]


def test_mentions_references_and_links_are_cut() -> None:
    text = prose("@team #12 https://x.example www.x.example a@b.example")
    for live in ("@team", "#12", "https://", "www.x", "a@b"):
        assert live not in text


@given(st.text(alphabet=st.characters()))
def test_what_is_visible_is_clean_and_stays_so(text: str) -> None:
    shown = visible(text)
    assert clean(shown, "")
    assert visible(shown) == shown
    assert clean(one_line(text), "")


@given(st.text())
def test_text_that_can_be_printed_is_left_alone(text: str) -> None:
    if text.isprintable():
        assert visible(text) == text


@given(st.text(alphabet=st.characters()))
def test_embedded_json_cannot_leave_its_element(text: str) -> None:
    data = embedded({"text": text})
    assert not set(data) & set("<>&\u2028\u2029")
    assert json_text({"text": text}).isascii()


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_the_html_page_has_two_scripts_whatever_is_in_it(evil: str) -> None:
    page = render("html", run_with(evil))
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page
    assert "{{" not in page.split('id="data"')[0]
    assert "default-src 'none'" in page


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_statistics_keep_their_lines(evil: str) -> None:
    table = statistics(run_with(evil))
    assert len(table.splitlines()) == table.count("\n") == 2
    assert clean(table)


@pytest.mark.parametrize("huge", ["x\n" * 500_000, "x" * 1_000_000], ids=["lines", "line"])
@pytest.mark.parametrize("name", ["concise", "full", "github", "markdown"])
def test_huge_calls_and_messages_do_not_push_the_others_out(name: str, huge: str) -> None:
    span = Span(1, 1, 500_001, 1) if "\n" in huge else Span(1, 1, 1, 1_000_001)
    site = Site("TM102", "a", "b", Status.MANUAL, span, huge, huge, huge, (huge,))
    file = FileResult("a.py", FileStatus.CHANGED, (site, site), None, (), huge, "y" + huge)
    text = render(name, Run((file,), "2.10"), View(verbose=True))
    assert len(text) < 20_000
    assert text.count("a.py:1:1") == 2 or name == "github"
