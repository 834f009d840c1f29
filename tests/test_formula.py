"""Formulas: what they compute, and what is refused when a rule is read."""

from __future__ import annotations

import numpy as np
import pytest

from mapper.proving.formula import FormulaError, compile_formula
from mapper.rulebook.tables import Where

COMPUTED = {
    "a parameter": ("slope", 0.5),
    "arithmetic": ("1 - slope * 2", 0.0),
    "a condition": ("slope if slope > 1 else -slope", -0.5),
    "a shape": ("x.shape[0] + x.ndim", 4),
    "a dictionary": ("{'none': False, 'tanh': True}[mode]", True),
    "a function": ("sum(where(x > 0, x, 0))", 3.0),
    "a parameter with the name of a function": ("pad(x, pad)[0, 0]", 0.0),
    "infinity": ("-inf", -np.inf),
}
VALUES = {
    "slope": 0.5, "mode": "tanh", "pad": (1, 0), "x": np.array([[1.0, -2.0], [2.0, -1.0]])
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), COMPUTED.values(), ids=COMPUTED)
def test_a_formula_computes(text: str, value: object) -> None:
    assert compile_formula(text, VALUES, Where("TM1"))(VALUES) == value


REFUSED = {
    "an unknown name": ("x + slop", "slop"),
    "an unknown function": ("rleu(x)", "rleu"),
    "a builtin": ("open('a')", "open"),
    "a method": ("x.sum()", "x.sum"),
    "an attribute": ("x.T", "T"),
    "a private attribute": ("x.__class__", "__class__"),
    "a lambda": ("lambda: 0", "Lambda"),
    "a comprehension": ("[y for y in x]", "comprehension|ListComp"),
    "a statement": ("x = 1", "x = 1"),
    "bytes": ("b'a'", "b'a'"),
    "an argument that is missing": ("where(x, x)", "missing a required argument"),
    "an argument too many": ("softmax(x, -1, -1)", "too many positional arguments"),
    "a keyword that there is not": ("softmax(x, -1, dim=1)", "unexpected keyword argument"),
}


@pytest.mark.parametrize(("text", "word"), REFUSED.values(), ids=REFUSED)
def test_a_formula_is_refused_with_the_rule_and_the_word(text: str, word: str) -> None:
    with pytest.raises(FormulaError, match=f"TM1: .*({word})"):
        compile_formula(text, ["x", "slope"], Where("TM1"))
