"""The evaluator computes what Python computes, or says that it does not know."""

from __future__ import annotations

import ast
import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.analysis.evaluate import LIMIT, UnknownError, evaluate, is_repeatable, symbols
from mapper.analysis.sequences import elements

NAMES = {"k": 3, "p": (1, 2), "flag": True, "s": "same", "n": None}


def _node(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


LEAVES = st.sampled_from([*NAMES, "0", "1", "2", "5", "-1", "1.5", "True", "None", "'zeros'"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "//", "%", "/"])
    compare = st.sampled_from(["==", "!=", "<", ">="])
    return st.one_of(
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, binary, inner),
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, compare, inner),
        st.builds(lambda a, t, b: f"({a} if {t} else {b})", inner, inner, inner),
        st.builds(lambda a, b: f"({a}, {b})", inner, inner),
        st.builds(lambda a, b: f"[{a}, {b}]", inner, inner),
        st.builds(lambda a, n: f"({a},) * {n}", inner, st.integers(0, 3)),
        st.builds(lambda a: f"[{a} for _ in range(2)]", inner),
        st.builds(lambda a, b: f"tuple(x + x for x in ({a}, {b}))", inner, inner),
        st.builds(lambda a, b: f"[x // 2 for x in [{a}, {b}]]", inner, inner),
        st.builds(lambda a: f"isinstance({a}, (tuple, list))", inner),
        st.builds(lambda a: f"isinstance({a}, str)", inner),
        st.builds(lambda a, b, i: f"({a}, {b})[{i}]", inner, inner, st.integers(-2, 2)),
        st.builds(lambda a, b: f"{{'zeros': {a}, 'other': 1}}[{b}]", inner, inner),
        st.builds(lambda a: f"(not {a})", inner),
        st.builds(lambda a: f"({a} is None)", inner),
        st.builds(lambda a, b: f"({a} or {b})", inner, inner),
        st.builds(lambda a: f"math.ceil({a})", inner),
        st.builds(lambda a, b: f"max({a}, {b})", inner, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, _larger, max_leaves=8)


@given(EXPRESSIONS)
def test_what_is_computed_is_what_python_computes(text: str) -> None:
    try:
        ours: object = evaluate(_node(text), NAMES)
    except UnknownError:
        ours = UnknownError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `0 is None`
            expected = eval(text, {"math": math, **NAMES})
    except Exception:
        assert ours is UnknownError
        return
    if ours is not UnknownError:
        assert (type(ours), repr(ours)) == (type(expected), repr(expected))


KNOWN = {
    "an element of a symbol": ("p[1]", 2),
    "a tuple of a symbol": ("tuple(p)", (1, 2)),
    "a test of a symbol's type": ("isinstance(k, int)", True),
    "a choice by type": ("p[0] if isinstance(p, (tuple, list)) else p", 1),
    "a mode looked up": ("{'same': 'pad'}[s]", "pad"),
    "a comprehension": ("[x // 2 for x in (3, 5)]", [1, 2]),
    "a comprehension over a symbol": ("tuple(x for x in p for _ in range(2))", (1, 1, 2, 2)),
    "a range": ("range(2)", [0, 1]),
    "a repeated display": ("2 * [k]", [3, 3]),
}


@pytest.mark.parametrize(("text", "value"), KNOWN.values(), ids=KNOWN)
def test_a_value_is_found(text: str, value: object) -> None:
    assert evaluate(_node(text), NAMES) == value


UNKNOWN = [
    "other", "p[7]", "{'zeros': 1}[s]", "k[0]", "isinstance(k, Tensor)", "f(k)", "10 ** 40",
    f"{LIMIT} * 2", "tuple(x for x in k)",
    "tuple(x for x in p if x)", "tuple(x for x in p for _ in range(60))",
    "[x for x in range(10 ** 9)]", "'%09d' % 3", "tuple(k)",
    "[[x for x in range(60)] for _ in range(60)]",
]  # fmt: skip


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_has_no_value_or_too_large_a_one_is_unknown(text: str) -> None:
    with pytest.raises(UnknownError):
        evaluate(_node(text), NAMES)


ELEMENTS = {
    "a display": ("(a, b)", ["a", "b"]),
    "a repetition": ("(a,) * 2", ["a", "a"]),
    "a repetition the other way round": ("2 * [a, 1]", ["a", "1", "a", "1"]),
    "a comprehension over a display": ("[x // 2 for x in (3, k)]", ["3 // 2", "k // 2"]),
    "a comprehension over a range": ("tuple(i for i in range(2))", ["0", "1"]),
    "an empty one": ("()", []),
    "an unpacked display": ("(*a, b)", None),
    "an unknown length": ("[x for x in ks]", None),
    "a condition": ("[x for x in (1, 2) if x]", None),
    "two loops": ("[x for x in (1, 2) for _ in y]", None),
    "a scope inside": ("[(lambda: x) for x in (1, 2)]", None),
    "more than are written out": ("(a,) * 65", None),
    "a name": ("a", None),
}


@pytest.mark.parametrize(("text", "expected"), ELEMENTS.values(), ids=ELEMENTS)
def test_elements_are_read_off_the_source(text: str, expected: list[str] | None) -> None:
    found = elements(_node(text))
    assert (found if found is None else [ast.unparse(one) for one in found]) == expected


def test_the_symbols_of_a_comprehension_are_those_of_its_elements() -> None:
    assert list(symbols(_node("[k // x for x in (s, 2)]"))) == ["k", "s"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("p[0] if isinstance(p, tuple) else p", True, id="a test of types"),
        pytest.param("[k for _ in range(2)]", True, id="a comprehension"),
        pytest.param("f(k)", False, id="an unknown call"),
        pytest.param("(y := k)", False, id="a walrus"),
    ],
)
def test_evaluating_twice_is_harmless_or_not(text: str, expected: bool) -> None:
    assert is_repeatable(_node(text)) is expected
