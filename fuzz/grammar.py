"""Calls out of a grammar, bound by the tool and by Python itself: no disagreement is allowed.

Run: python fuzz/grammar.py [CASES] [SEED]
The oracle is `inspect.signature(...).bind` on TORCH below, which was read off the installed torch
2.13.0 (`inspect.signature` of the classes, the first line of the functions' documentation) and not
off the tool's rule files. Prints the counts; exits 1 on disagreement.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from mapper.analysis.bind import BindError, bind
from mapper.rulebook.loader import load
from mapper.rulebook.schema import ParameterSpec

_LAYER = "in_channels, out_channels, kernel_size, stride=0, padding=0"
_REST = "padding_mode=0, device=0, dtype=0"
_KINDS = {
    "torch.nn.Conv{}d": f"{_LAYER}, dilation=0, groups=0, bias=0, {_REST}",
    "torch.nn.ConvTranspose{}d": (
        f"{_LAYER}, output_padding=0, groups=0, bias=0, dilation=0, {_REST}"
    ),
    "torch.nn.functional.conv{}d": (
        "input, weight, bias=0, stride=0, padding=0, dilation=0, groups=0"
    ),
    "torch.nn.functional.conv_transpose{}d": (
        "input, weight, bias=0, stride=0, padding=0, output_padding=0, groups=0, dilation=0"
    ),
}
TORCH = {api.format(rank): text for api, text in _KINDS.items() for rank in (1, 2, 3)}
VALUES = (
    "1",
    "3",
    "-1",
    "k",
    "(3, 3)",
    "'same'",
    "None",
    "True",
    "a.b[0]",
    "f(x, *y)",
    "lambda: 0",
)
STRANGE = ("in_chanels", "self", "padding_", "dim", "channels", "size", "weigth")


def specs(api: str) -> Sequence[ParameterSpec]:
    """Return torch's parameters of an API."""
    rule = load().by_api(api)
    assert rule is not None, api
    return rule.torch.parameters


def signature(api: str) -> inspect.Signature:
    """Return torch's signature as Python's own."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    made = []
    for part in TORCH[api].split(", "):
        name, has_default, _ = part.partition("=")
        default = 0 if has_default else inspect.Parameter.empty
        made.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(made)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Draw an API, its positional arguments, and its keywords, which may be wrong or repeat."""
    api = draw(st.sampled_from(list(TORCH)))
    names = list(signature(api).parameters)
    value = st.sampled_from(VALUES)
    required = TORCH[api].split("=")[0].count(",")
    count = draw(st.integers(0, required) | st.integers(0, len(names) + 2))
    positional = draw(st.lists(value, min_size=count, max_size=count))
    open_ = st.sampled_from(names[count:] or names)
    keyword = st.one_of(open_, open_, open_, st.sampled_from(names), st.sampled_from(STRANGE))
    chosen = draw(st.lists(keyword, max_size=6, unique=True))
    if draw(st.booleans()):  # most calls are right
        chosen += [n for n in names[count:required] if n not in chosen]
        chosen = draw(st.permutations(chosen))
    return api, positional, [(name, draw(value)) for name in chosen]


def tool(text: str, api: str) -> dict[str, str] | None:
    """Return what the tool binds, or None when it refuses."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    try:
        return {name: ast.unparse(a.value) for name, a in bind(call, specs(api)).items()}
    except BindError:
        return None


def python(
    api: str, positional: list[str], keywords: list[tuple[str, str]]
) -> dict[str, str] | None:
    """Return what Python binds, or None when it refuses."""
    try:
        return dict(signature(api).bind(*positional, **dict(keywords)).arguments)
    except TypeError:
        return None


def main(cases: int, number: int) -> int:
    """Compare over so many cases; return the exit code."""
    seen: Counter[str] = Counter()
    distinct: set[str] = set()

    @seed(number)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls())
    def compare(case: tuple[str, list[str], list[tuple[str, str]]]) -> None:
        api, positional, keywords = case
        inside = ", ".join([*positional, *(f"{name}={value}" for name, value in keywords)])
        text = f"{api}({inside})"
        theirs = python(*case)
        wanted = None
        if theirs is not None:
            wanted = {n: ast.unparse(ast.parse(v, mode="eval").body) for n, v in theirs.items()}
        ours = tool(text, api)
        distinct.add(text)
        seen["accepted" if wanted is not None else "refused"] += 1
        if ours != wanted:
            seen["disagreements"] += 1
            if seen["disagreements"] <= 5:
                print(f"{text}\n  tool   {ours}\n  Python {wanted}")

    compare()
    total = seen["accepted"] + seen["refused"]
    print(
        f"cases {total}, distinct {len(distinct)}, accepted {seen['accepted']}, "
        f"refused {seen['refused']}, disagreements {seen['disagreements']}"
    )
    return int(seen["disagreements"] > 0 or total < cases)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [100_000, 0][len(numbers) :])))
