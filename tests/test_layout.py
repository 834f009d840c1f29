"""The two writers: what the plain one writes, libcst writes too, to the character."""

from __future__ import annotations

import ast

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.files.source import LineIndex
from mapper.model.plan import Keywords, Plan
from mapper.writing import call_writer as plain
from mapper.writing import cst_writer as rewrite
from mapper.writing.layout import LayoutError

VALUES = (
    "3",
    "(1, 2)",
    "[3,\n 5]",
    "k // 2",
    "'é'",
    "f(a, b=1)",
    "(k)",
    "-1",
    "a if b else c",
    "(\n2)",
)
GAPS = ("", " ", "  ", "\n    ", " \n\t", "\n\n  ", "  # why\n    ", "\t", "\n # one\n\t# two\n  ")
FEW = ("", " ", "\n        ", "  # why\n        ")


def spell(name: str) -> str:
    return name.rpartition(".")[2]


def parsed(text: str, plan: Plan) -> tuple[str | None, dict[str, int]]:
    """Return what the plain writer makes of a call whose arguments are called p0, p1 and so on."""
    call = ast.parse(f"({text}\n)", mode="eval").body
    assert isinstance(call, ast.Call)
    index = LineIndex(f"({text}\n)")
    places = {f"p{i}": i for i in range(len(call.args) + len(call.keywords))}
    offset = lambda line, column: index.offset(line, column) - 1  # noqa: E731
    return plain.render(text, call, offset, plan, places, spell), places


def both(text: str, plan: Plan, newline: str = "\n") -> tuple[str | None, str]:
    """Return what either writer makes of the call."""
    own, places = parsed(text, plan)
    return own, rewrite.render(text, plan, places, spell, newline)


@st.composite
def calls(draw: st.DrawFn, gaps: tuple[str, ...]) -> tuple[str, int]:
    """Draw a call, laid out somehow, and how many arguments it has."""
    gap = st.sampled_from(gaps)
    positional = draw(st.lists(st.sampled_from(VALUES), max_size=4))
    named = draw(st.lists(st.sampled_from(VALUES), min_size=0 if positional else 1, max_size=4))
    blanks = ("", "", " ")
    equal = draw(st.sampled_from(("=", "=", " = ")))
    tail = draw(st.lists(st.just("**more"), max_size=1))
    texts = positional + [f"k{i}{equal}{value}" for i, value in enumerate(named)] + tail
    text = draw(st.sampled_from(("nn.Conv2d(", "é . Conv2d (", "Conv2d("))) + draw(gap)
    for number, argument in enumerate(texts):
        is_last = number == len(texts) - 1
        comma = "" if is_last and draw(st.booleans()) else draw(st.sampled_from(blanks)) + ","
        text += argument + comma + draw(gap)
    return text + ")", len(texts)


@st.composite
def plans(draw: st.DrawFn, count: int) -> Plan:
    """Draw a plan for a call of so many arguments, of which one always stays."""
    value = st.sampled_from((*VALUES, "'pad'"))
    word = st.sampled_from(("pad_mode", "padding", "group"))
    keywords = st.lists(st.tuples(word, value), max_size=2) | st.tuples(st.just(""), value).map(
        lambda one: [one]
    )
    places = draw(st.sets(st.integers(1, max(1, count - 1)), max_size=count))
    changes: dict[str, Keywords] = {f"p{i}": draw(keywords) for i in sorted(places) if i < count}
    added = draw(st.lists(st.tuples(st.just("has_bias"), value), max_size=2))
    return Plan("mindspore.nn.Conv2d", changes, added)


def check(drawn: tuple[str, int], plan: Plan, newline: str) -> None:
    text = drawn[0].replace("\n", newline)
    try:
        own, libcst = both(text, plan, newline)
    except (LayoutError, cst.CSTValidationError):  # a positional argument behind a keyword
        return
    assert own in (None, libcst)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from((GAPS, FEW)), st.sampled_from(("\n", "\r\n", "\r")))
def test_wherever_the_plain_writer_writes_libcst_writes_the_same(
    data: st.DataObject, gaps: tuple[str, ...], newline: str
) -> None:
    drawn = data.draw(calls(gaps))
    check(drawn, data.draw(plans(drawn[1])), newline)


PLAIN = {
    "one line": "nn.Conv2d(3, 8, 3)",
    "no blanks": "nn.Conv2d(3,8,k1=3)",
    "blanks everywhere": "nn . Conv2d ( 3 , 8 , k2 = 3 , )",
    "one argument a line": "nn.Conv2d(\n    3,\n    8,\n    k2=3,\n)",
    "a hanging indent": "nn.Conv2d(3, 8,\n          3)",
    "wide characters": "nn.Conv2d('é', k1='日本🎉', k2=3)",
    "a value over lines that stays": "nn.Conv2d(3, (1,\n 2), 3)",
    "unpacking that stays": "nn.Conv2d(3, 8, 3, **more)",
    "a comment": "nn.Conv2d(3,  # in\n 8, 3)",
    "a comment on a line of its own": "nn.Conv2d(\n    3, 8, 3,\n    # bias=False\n)",
    "a comment at the end, without a comma": "nn.Conv2d(3, 8, 3  # k\n)",
    "a comment at the start": "nn.Conv2d(  # one\n    3, 8, 3)",
    "a comment in a value that stays": "nn.Conv2d(3, (8,  # k\n), 3)",
    "an empty line": "nn.Conv2d(3,\n\n 8, 3)",
}
NOT_PLAIN = {
    "a comment before a comma": "nn.Conv2d(3  # in\n, 8, 3)",
    "a backslash": "nn.Conv2d(3, \\\n 8, 3)",
    "a value in parentheses": "nn.Conv2d((3), 8, 3)",
    "the function in parentheses": "(nn.Conv2d)(3, 8, 3)",
    "the function over lines": "nn.\\\nConv2d(3, 8, 3)",
    "a comma at the start of a line": "nn.Conv2d(3\n, 8, 3)",
    "a generator": "nn.Conv2d(x for x in y)",
    "a starred argument behind a keyword": "nn.Conv2d(k=3, *a)",
    "nothing": "nn.Conv2d()",
    "a form feed": "nn.Conv2d(3,\f 8)",
}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_the_plain_writer_writes(text: str) -> None:
    plan = Plan("mindspore.nn.Conv2d", {"p2": [("kernel_size", "5")]}, [("has_bias", "True")])
    plan.changes = {} if "**" in text else plan.changes
    own, libcst = both(text, plan)
    assert own == libcst


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_the_plain_writer_leaves(text: str) -> None:
    assert parsed(text, Plan("mindspore.nn.Conv2d"))[0] is None


UNSURE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a changed value in parentheses": ("f(k0=(1))", [("", "1")]),
    "a changed `**`": ("f(**k)", [("", "1")]),
    "a value over lines that is not the call's": ("f(1)", [("a", "b +\nc")]),
    "a walrus that gets a keyword": ("f(k := 3)", [("a", "k := 3")]),
    "a comment in a value": ("f(1)", [("a", "(1, # one\n)")]),
    "a comment in a value that goes": ("f((1, # one\n))", [("a", "1")]),
    "a comment behind an argument that goes": ("f(1,  # one\n2)", []),
    "a line behind an argument that goes": ("f(1,\n\n2)", []),
    "a value with blanks around": ("f(1)", [("a", " b")]),
    "a name that Python reads otherwise": ("f(ﬁ=1)", [("", "2")]),
}


@pytest.mark.parametrize(("text", "keywords"), UNSURE.values(), ids=UNSURE)
def test_the_plain_writer_leaves_what_it_is_not_sure_of(
    text: str, keywords: list[tuple[str, str]]
) -> None:
    assert parsed(text, Plan("mindspore.nn.Conv2d", {"p0": keywords}))[0] is None
