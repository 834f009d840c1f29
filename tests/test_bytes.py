"""Not a byte is lost: random modules in every encoding, line end and layout.

Each module has its imports above a marker line and its code below. What stands above may only gain
or change import lines; what stands below may only change inside the reported spans.
"""

from __future__ import annotations

import ast
import codecs
import json
import re
import sys
import warnings
from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.files.source import LineIndex, decode
from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Run, Site
from mapper.report import render
from mapper.running.file import Task, process
from tests.counter import count

MARKER = "# ---- below: the code"
WRITTEN = Run((), "2.10")

HEADS = [
    ["import torch.nn as nn"],
    ["import torch", "import torch.nn as nn"],
    ["from torch import nn"],
    ["import os; import torch.nn as nn; import sys"],
    ["import torch.nn as nn  # layers"],
    ["from torch import (", "    nn,  # layers", "    Tensor,", ")"],
    ["try:", "    import torch.nn as nn", "except ImportError:", "    raise"],
    ["if True:", "\timport torch.nn as nn", "else:", "\tfrom torch import nn"],
    ["import mindspore.nn as mnn", "import torch.nn as nn"],
    ['"""A module."""', "from __future__ import annotations", "", "import torch.nn as nn"],
    ["import torch, \\", "    torch.nn as nn"],
    ["x = 1", "import torch.nn as nn"],
]
CALLS = [
    "nn.Conv2d(3, 8, 3)",
    "nn.Conv2d(3,8,3,padding=1)",
    "nn . Conv1d ( 3 , 8 , 3 , bias = False )",
    "nn.Conv3d(3, 8, [1, 3, 3], padding=[0, 1, 1])",
    "nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)",
    "nn.ConvTranspose1d(8, 4, 4, 2, 1)",
    "nn.Conv2d(c, c, k, padding=k // 2, groups=c)",
    "nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')",
    "nn.Conv1d(3, 8, 3, padding=1, padding_mode='circular')",
    "nn.Conv2d(3, 8, 3, device=d)",
    "nn.Conv2d(*sizes)",
    "nn.Conv2d(3, 8, wrong=1)",
    "nn.LazyConv2d(8, 3)",
    "isinstance(x, nn.Conv2d)",
    "nn.Linear(3, 8)",
    "other.nn.Conv2d(3, 8, 3)",
]
BROKEN_CALLS = [
    ["nn.Conv2d(", "    3,", "    8,", "    kernel_size=3,", "    padding=1,", ")"],
    ["nn.Conv2d(  # stem", "\t3,  # in", "\t8,", "\t3", ")"],
    ["nn.Conv2d(3,", "          8, 3,", "          padding=1)"],
    ["nn.Conv2d(3, 8, \\", "  3, padding=(1,", "  2))"],
    ["nn.Conv2d(", "    3, 8, 3,", "    device=d,  # where", "    bias=False,", ")"],
]
PLACES = [
    "a = {0}",
    "a = {0}; b = {0}",
    "a = [{0}, {0}]",
    "f(x, {0}, key={0})",
    "a = {0} if b else None  # {0}",
    "a = lambda c: {0}",
    "a = [{0} for c in (4, 8)]",
    "print((w := {0}))",
    "a = '{0}', {0}",
    "a = '''",
    "print({0})  ",
    "\fa = {0}",
    "a = {0}\f",
    "größe = 'ßé', {0}, 'é'",
    "a = f'{{x}}', {0}, f\"é{{x!r:>10}}\"",
    "assert {0}, 'é'",
]
WIDE = ["日本 = '語🎉', {0}, '🎉'", "a = f'🎉{{x}}', {0}", "𝔞 = {0}"]
BLOCKS = [
    ["def f(c, x={0}):", "    return {0}"],
    ["def f(c):", "\tif c:", "\t\treturn {0}", "\treturn c"],
    ["class A:", "  c = {0}", "", "  def f(self):", "    self.c = {0}"],
    ["@attach({0})", "def f(): pass"],
    ["match x:", "    case [nm, *_] if {0}:", "        y = {0}", "    case _: pass"],
    ["with open(x) as g: a = {0}"],
    ["try:", "    a = {0}", "except* E as e:", "    b = {0}"],
    ["async def f():", "    await g({0})"],
    ["for i in range(3): a = {0}"],
    ["if (n := {0}):", "    pass"],
]
PLAIN = ["", "", "# Kommentar: ü nn.Conv2d(3, 8, 3)", "x = 1  ", "\f", '"""nn.Conv2d(3, 8, 3)"""',
         "s = '''nn.Conv2d(", "3, 8, 3)'''"]  # fmt: skip
if sys.version_info >= (3, 12):
    BLOCKS.append(["type T = int", "def f[T](x: T): return {0}"])


@st.composite
def lines(draw: st.DrawFn, wide: bool) -> list[str]:
    """Draw the lines below the marker."""
    found: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["place", "place", "block", "broken", "plain"]))
        call = draw(st.sampled_from(CALLS))
        if kind == "place":
            place = draw(st.sampled_from(PLACES + (WIDE if wide else [])))
            found.append(place.replace("a = '''", "s = 1").format(call.replace("'", '"')))
        elif kind == "block":
            found += [line.format(call) for line in draw(st.sampled_from(BLOCKS))]
        elif kind == "broken":
            first, *rest = draw(st.sampled_from(BROKEN_CALLS))
            found += [f"a = {first}", *rest]
        else:
            text = draw(st.sampled_from(PLAIN[:6]))
            found += PLAIN[6:] if draw(st.booleans()) else [text]
    return found


@st.composite
def modules(draw: st.DrawFn) -> bytes:
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "bom", "latin-1", "cp1252"]))
    wide = encoding in ("utf-8", "bom")
    head = draw(st.sampled_from(HEADS))
    if not wide:
        head = [f"# -*- coding: {encoding} -*-", *head]
    every = [*head, "", MARKER, *draw(lines(wide))]
    newline = draw(st.sampled_from(["\n", "\r\n", "\r", "mixed"]))
    ends = [draw(st.sampled_from(["\n", "\r\n", "\r"])) if newline == "mixed" else newline
            for _ in every]  # fmt: skip
    if draw(st.booleans()):
        ends[-1] = ""
    text = "".join(line + end for line, end in zip(every, ends, strict=True))
    mark = codecs.BOM_UTF8 if encoding == "bom" else b""
    return mark + text.encode("utf-8" if wide else encoding)


def run(data: bytes) -> FileResult:
    return process(Task("x.py", data), Options(select=("conv",)))


def output(data: bytes, result: FileResult) -> bytes:
    encoded = result.encoded()
    return data if encoded is None else encoded


def parts(text: str) -> tuple[str, str]:
    head, marker, body = text.partition(MARKER)
    assert marker
    return head, body


def spliced(text: str, sites: tuple[Site, ...]) -> str:
    """Put the reported rewrites over the reported spans."""
    index = LineIndex(text)
    for site in sorted(sites, key=lambda s: (s.span.line, s.span.column), reverse=True):
        start = index.line_start(site.span.line) + site.span.column - 1
        end = index.line_start(site.span.end_line) + site.span.end_column - 1
        assert text[start:end] == site.before
        if WRITTEN.is_written(site) and site.after is not None:
            text = text[:start] + site.after + text[end:]
    return text


def kept(head: str) -> list[str]:
    """Return the lines of a head that hold no import."""
    return [line for line in head.splitlines() if line.strip() and "import " not in line]


def is_subsequence(few: list[str], many: list[str]) -> bool:
    rest: Iterator[str] = iter(many)
    return all(line in rest for line in few)


SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(modules())
def test_only_the_reported_spans_and_the_imports_change(data: bytes) -> None:
    result = run(data)
    assert result.status is not FileStatus.FAILED, result.message
    source = decode(data)
    after = decode(output(data, result))
    assert (after.encoding, after.bom) == (source.encoding, source.bom)
    assert parts(after.text)[1] == parts(spliced(source.text, result.sites))[1]
    old, new = kept(parts(source.text)[0]), kept(parts(after.text)[0])
    assert is_subsequence([line for line in old if "nn" not in line], new)
    if result.status is FileStatus.UNCHANGED:
        assert output(data, result) == data


def spliced_as_reported(text: str, report: str) -> str:
    """Do the edits of the JSON report with nothing but its numbers: lines, and columns in them."""
    ends = [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]
    starts = [0, *ends]
    for site in reversed(json.loads(report)["files"][0]["sites"]):
        start = starts[site["line"] - 1] + site["column"] - 1
        end = starts[site["end_line"] - 1] + site["end_column"] - 1
        assert text[start:end] == site["before"]
        if site["status"] == "migrated" and site["after"] is not None:
            text = text[:start] + site["after"] + text[end:]
    return text


@SETTINGS
@given(modules())
def test_the_json_report_is_enough_to_do_the_edits(data: bytes) -> None:
    result = run(data)
    report = render("json", Run((result,), "2.10"))
    after = decode(output(data, result)).text
    assert parts(spliced_as_reported(decode(data).text, report))[1] == parts(after)[1]


COOKIES = [
    "utf-8",
    "latin-1",
    "cp1252",
    "ascii",
    "koi8-r",
    "euc-jp",
    "utf-16",
    "utf-7",
    "rot13",
    "x",
]
LETTERS = ["", "é", "ß€", "日本", "🎉", "\x81"]


@SETTINGS
@given(*map(st.sampled_from, (COOKIES, COOKIES, LETTERS, ["\n", "\r\n", "\r"])), st.booleans())
def test_a_wrong_cookie_is_refused_in_words_or_costs_no_byte(
    cookie: str, encoding: str, letters: str, newline: str, mark: bool
) -> None:
    above = newline.join(
        [f"# coding: {cookie}", "import torch.nn as nn", f"s = '{letters}'", "c = "]
    )
    call, below = "nn.Conv2d(3, 8, 3)", f"{newline}# {letters}"
    try:
        start, site, end = (part.encode(encoding) for part in (above, call, below))
    except (LookupError, UnicodeError):
        start, site, end = (part.encode() for part in (above, call, below))
    data = codecs.BOM_UTF8 * mark + start + site + end
    result = run(data)
    if result.status is FileStatus.CHANGED:
        after = output(data, result)
        assert after.endswith(end) and after.count(b"mindspore") == 1
        kept = start.partition(b"import torch.nn as nn")[2]
        assert kept + b"nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)" + end in after
    else:
        message = result.message or ""
        assert (result.status is FileStatus.FAILED) == bool(message)
        assert "internal error" not in message and "\n" not in message


@SETTINGS
@given(modules())
def test_twice_is_once_and_the_output_parses(data: bytes) -> None:
    once = output(data, run(data))
    text = decode(once).text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "<after>", "exec")
    again = run(once)
    assert again.status is FileStatus.UNCHANGED, again.message
    assert output(once, again) == once


@SETTINGS
@given(modules())
def test_every_reference_is_reported_once(data: bytes) -> None:
    sites = run(data).sites
    assert len(sites) == count(decode(data).text)
    assert len({(s.span.line, s.span.column) for s in sites}) == len(sites)
    assert list(sites) == sorted(sites, key=lambda s: (s.span.line, s.span.column))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["x.py", "x.ipynb"]))
def test_no_bytes_at_all_raise(noise: bytes, path: str) -> None:
    result = process(Task(path, b"# torch Conv2d\n" + noise), Options(select=("conv",)))
    assert result.status in FileStatus
    assert "internal error" not in (result.message or "")


@settings(max_examples=200, deadline=None)
@given(modules(), st.data())
def test_a_torn_file_is_done_or_refused(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    result = run(data[:cut])
    assert "internal error" not in (result.message or "")
    if result.status is FileStatus.CHANGED:
        ast.parse(decode(result.encoded() or b"").text)
