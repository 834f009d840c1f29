"""The page of a comparison: the network as a list, the first difference on top, no script."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from mapper.comparing.as_html import as_html
from mapper.comparing.lines import Context, Line
from mapper.comparing.request import Request
from mapper.comparing.results import Call, Comparison, Culprit, Difference, Failure, Finding, Kind
from mapper.comparing.results import Run as Compared
from mapper.weights.namemap import NameMap, Problem, Trouble

REQUEST = Request(Path(), Path(), "net:Net()", ())
NONE = Difference(0.0, 0.0, 2.0, (4, 8), (4, 8), "float32", "float32")
SMALL = replace(NONE, largest=3e-8)
NEAR = replace(NONE, largest=9e-6)
FAR = replace(NONE, largest=0.25)
SHAPED = replace(NONE, mindspore_shape=(4, 9), largest=float("inf"))
FINDINGS = (Finding(Kind.OUTPUT, "bn", f"the output {FAR}", FAR),)
FIRST = Culprit("bn", "torch.nn.BatchNorm2d", "net.py:3", "BatchNorm2d", "net.py:4", FINDINGS)


def call(path: str, *outputs: Difference, ran: bool = True) -> Call:
    return Call(path, 0, "torch.nn.Linear", "net.py:3", "Dense", "net.py:4", outputs, 1e-5, ran)


def page(*runs: Compared, context: Context | None = None, names: NameMap | None = None) -> str:
    contexts = [context or Context()] * len(runs)
    return as_html(REQUEST, Comparison(names or NameMap(()), runs), contexts)


class Tags(HTMLParser):
    """Checks that elements are closed in order, and keeps the shades of the list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shades: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "li" and dict(attrs).get("class"):
            self.shades.append(str(dict(attrs)["class"]).split()[0])
        if tag not in ("meta", "dt", "dd"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_two_models_that_agree_are_a_list_in_green() -> None:
    text = page(Compared("pynative", False, 1e-5, (call("fc", NONE), call("", SMALL)), (SMALL,)))
    assert "<h1>both versions agree</h1>" in text
    assert "evaluation, PyNative: agree: the output differs by at most 3.0e-08" in text
    assert Tags(text).shades == ["s0", "s2"]


def test_the_colour_of_a_layer_is_its_difference() -> None:
    calls = (call("a", NONE), call("b", SMALL), call("c", NEAR), call("d", FAR),
             call("e", SHAPED), call("f", ran=False), call("g"))  # fmt: skip
    text = page(Compared("pynative", False, 1e-5, calls, first=FIRST))
    assert Tags(text).shades == ["s0", "s2", "s4", "far", "far", "far", "s0"]
    assert "shape (4, 8) in torch, (4, 9) in MindSpore" in text
    assert "not called in MindSpore" in text


def test_the_first_difference_stands_on_top_with_both_lines_and_what_was_done() -> None:
    lines = Line("net.py:3", "bn = a < b"), Line("net.py:4", "bn = c")
    context = Context(*lines, ("TM301 x, migrated",))
    text = page(Compared("graph", False, 1e-5, (call("bn", FAR),), first=FIRST), context=context)
    top = text[: text.index("<details")]
    for words in ("first difference: bn", "evaluation, GRAPH_MODE", "net.py:3", "bn = a &lt; b",
                  "net.py:4", "bn = c", "TM301 x, migrated"):  # fmt: skip
        assert words in top
    assert "first difference</b>" in text[text.index("<details") :]
    Tags(text)


def test_a_side_that_did_not_run_and_names_without_counterpart_are_told() -> None:
    failure = Failure("MindSpore", "ValueError: no", ("  File net.py, line 3",))
    problem = Problem(Trouble.MISSING, "fc.weight", ("head.weight",), "no place")
    text = page(Compared("graph", False, 1e-5, failure=failure),
                names=NameMap((), problems=(problem,)))  # fmt: skip
    assert "<h1>MindSpore did not run</h1>" in text and "ValueError: no" in text
    assert "fc.weight: no place (candidates: head.weight)" in text
    Tags(text)


def test_a_step_in_training_shows_statistics_and_gradients() -> None:
    run = Compared("graph", True, 1e-4, (), (SMALL,), (("bn.running_mean", FAR),),
                   (("fc.bias", NEAR), ("fc.weight", FAR)))  # fmt: skip
    text = page(run)
    assert Tags(text).shades == ["s1", "far", "s3", "far"]
    assert "bn.running_mean" in text and "after one step" in text


def test_nothing_in_a_name_becomes_markup_and_the_page_asks_for_nothing() -> None:
    hostile = "<script>alert(1)</script>\u202e\x1b[0m"
    run = Compared("pynative", False, 1e-5, (call(hostile, FAR),),
                   first=replace(FIRST, path=hostile))  # fmt: skip
    text = page(run)
    assert "<script" not in text and "\u202e" not in text and "\x1b" not in text
    assert not re.search(r"https?://|url\(|@import|src=", text)
    assert "default-src 'none'" in text
    Tags(text)
