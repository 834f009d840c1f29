"""Binding a call to torch's signature: what Python's own binding accepts, with the same values."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.analysis.bind import Argument, BindError, bind
from mapper.rulebook.loader import load
from mapper.rulebook.schema import ParameterSpec, Rule

RULES = [
    rule
    for rule in load().rules
    if rule.torch.parameters and not any(spec.variadic for spec in rule.torch.parameters)
]


def call(text: str) -> ast.Call:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call)
    return node


def rule(api: str) -> Rule:
    found = load().by_api(f"torch.nn.{api}")
    assert found is not None
    return found


def unpack(node: ast.expr) -> Mapping[str, ast.expr] | None:
    """Know the keys of `dict(a=…)`, as the tool knows those of a local dict."""
    if isinstance(node, ast.Call):
        return {str(k.arg): k.value for k in node.keywords}
    return None


def bound(text: str, api: str = "Conv2d") -> dict[str, str]:
    arguments = bind(call(text), rule(api).torch.parameters, unpack)
    return {name: ast.unparse(argument.value) for name, argument in arguments.items()}


REFUSED = {
    "nothing": ("f()", "lacks `in_channels`, `out_channels`, `kernel_size`"),
    "too few": ("f(3, 8)", "lacks `kernel_size`"),
    "too few with keywords": ("f(3, kernel_size=3)", "lacks `out_channels`"),
    "too many": ("f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)", "at most 11 arguments, 12 are given"),
    "an unknown keyword": ("f(3, 8, 3, pad=1)", "no parameter `pad`"),
    "MindSpore's keyword": ("f(3, 8, 3, has_bias=True)", "no parameter `has_bias`"),
    "given by position and name": ("f(3, 8, 3, in_channels=3)", "`in_channels` is given twice"),
    "given by name and dict": ("f(3, 8, 3, bias=1, **dict(bias=2))", "`bias` is given twice"),
    "given by two dicts": ("f(3, 8, 3, **dict(a=1), **dict(a=2))", "no parameter `a`"),
    "a star": ("f(*sizes)", "`*` arguments hide"),
    "a star at the end": ("f(3, 8, 3, *more)", "`*` arguments hide"),
    "a star and a double star": ("f(*sizes, **more)", "and `**more` may hold stride, padding"),
    "a double star": ("f(3, 8, 3, **more)", "`**more` may hold stride, padding, dilation"),
    "a double star that is a call": ("f(3, 8, 3, **more(1)[0])", "`**more(1)[0]` may hold stride"),
    "a double star with everything": ("f(**more)", "`**more` may hold stride"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_a_call_that_cannot_be_bound_says_why(text: str, words: str) -> None:
    with pytest.raises(BindError) as error:
        bound(text)
    assert words in str(error.value)


def test_an_opaque_double_star_names_only_what_is_not_given() -> None:
    with pytest.raises(BindError) as error:
        bound("f(3, 8, 3, 1, bias=False, **more)")
    listed = str(error.value).partition("may hold ")[2].partition(", which")[0]
    assert listed == "padding, dilation, groups, padding_mode, device, dtype"


BOUND = {
    "positional": ("f(3, 8, k)", {"in_channels": "3", "out_channels": "8", "kernel_size": "k"}),
    "keywords": (
        "f(kernel_size=k, out_channels=8, in_channels=3)",
        {"kernel_size": "k", "out_channels": "8", "in_channels": "3"},
    ),
    "mixed": (
        "f(3, 8, kernel_size=3, bias=b)",
        {"in_channels": "3", "out_channels": "8", "kernel_size": "3", "bias": "b"},
    ),
    "a known dict": (
        "f(3, 8, 3, **dict(device=d))",
        {"in_channels": "3", "out_channels": "8", "kernel_size": "3", "device": "d"},
    ),
    "a generator as an argument": (
        "f(3, 8, (k for k in ks))",
        {"in_channels": "3", "out_channels": "8", "kernel_size": "(k for k in ks)"},
    ),
}


@pytest.mark.parametrize(("text", "expected"), BOUND.values(), ids=BOUND)
def test_a_call_is_bound_in_the_users_order(text: str, expected: dict[str, str]) -> None:
    assert list(bound(text).items()) == list(expected.items())


def test_the_transposed_signature_has_its_own_order() -> None:
    positional = bound("f(1, 2, 3, 4, 5, 6, 7, 8, 9, 'zeros')", "ConvTranspose2d")
    assert (positional["output_padding"], positional["groups"], positional["dilation"]) == (
        "6", "7", "9",
    )  # fmt: skip


def test_arguments_know_their_place() -> None:
    arguments = bind(call("f(3, 8, bias=b, kernel_size=3)"), rule("Conv2d").torch.parameters)
    places = {n: (a.index, a.positional, a.unpacked) for n, a in arguments.items()}
    assert places == {
        "in_channels": (0, True, False),
        "out_channels": (1, True, False),
        "bias": (2, False, False),
        "kernel_size": (3, False, False),
    }


def test_unpacked_arguments_share_their_place() -> None:
    text = "f(3, 8, 3, **dict(device=d, dtype=t))"
    arguments = bind(call(text), rule("Conv2d").torch.parameters, unpack)
    assert arguments["device"] == Argument(arguments["device"].value, 3, unpacked=True)
    assert arguments["dtype"].index == 3


# --- as Python binds ------------------------------------------------------------------------------


def by_python(parameters: tuple[ParameterSpec, ...], text: str) -> dict[str, object] | None:
    """Let Python bind the call to a function of that signature; None where it refuses."""
    plain, only = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    empty = inspect.Parameter.empty
    signature = inspect.Signature(
        [
            inspect.Parameter(
                p.name, only if p.keyword_only else plain, default=empty if p.required else 0
            )
            for p in parameters
        ]
    )
    try:
        return dict(eval(text, {"f": lambda *a, **k: signature.bind(*a, **k).arguments}))
    except TypeError:
        return None


def by_us(parameters: tuple[ParameterSpec, ...], text: str) -> dict[str, object] | None:
    try:
        arguments = bind(call(text), parameters, unpack)
    except BindError:
        return None
    return {name: ast.literal_eval(argument.value) for name, argument in arguments.items()}


VALUES = st.sampled_from(["3", "(1, 2)", "[1, 2]", "'same'", "None", "True", "-1", "1.5"])


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[ParameterSpec, ...], str]:
    parameters = draw(st.sampled_from(RULES)).torch.parameters
    names = [p.name for p in parameters]
    positional = draw(st.integers(0, len(names) + 1))
    # Mostly names that are still free, now and then one that is taken or unknown.
    free = [name for name in names[positional:] if draw(st.integers(0, 9)) < 7]
    odd = draw(st.lists(st.sampled_from([*names, "pad_mode", "group"]), max_size=1))
    keywords = draw(st.permutations(list(dict.fromkeys([*free, *odd]))))
    cut = draw(st.integers(0, len(keywords)))
    texts = [draw(VALUES) for _ in range(positional)]
    texts += [f"{name}={draw(VALUES)}" for name in keywords[:cut]]
    if held := keywords[cut:]:
        texts.append(f"**dict({', '.join(f'{name}={draw(VALUES)}' for name in held)})")
    return parameters, f"f({', '.join(texts)})"


@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls())
def test_calls_are_bound_as_python_binds_them(case: tuple[tuple[ParameterSpec, ...], str]) -> None:
    parameters, text = case
    assert by_us(parameters, text) == by_python(parameters, text)
