"""The arrays that a proof feeds to both sides, as the rule's `[inputs]` say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mapper.proving.apis import RaisesError
from mapper.proving.formula import compile_formula
from mapper.proving.semantics.making import TooLargeError, normal
from mapper.rulebook.schema import Rule
from mapper.rulebook.tables import Where

SHAPES = ("(2, 3, 4, 5)", "(3, 4)")
"""Shapes of inputs for which the rule names none."""


def draw(rule: Rule, name: str, values: Mapping[str, object], place: int, seed: int) -> Any:
    """Return the array for one input: the formula's value, or one drawn in the shape it gives.

    Args:
        rule: the rule whose `[inputs]` are meant.
        name: the input.
        values: torch's arguments, which the formula is about.
        place: which of its formulas to take, modulo their number.
        seed: arrays of different seeds differ.

    Raises:
        RaisesError: the formula fails for these arguments, as torch would.
    """
    texts = rule.inputs.get(name) or SHAPES
    formula = compile_formula(texts[place % len(texts)], values, Where(rule.file, f"inputs.{name}"))
    try:
        made: Any = formula(values)
        return made if isinstance(made, np.ndarray) else normal(made, seed)
    except TooLargeError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RaisesError(str(error)) from error
