"""Programs that try to be silently different, executed before and after with both frameworks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.attacks.case import Case
from tests.oracle.programs import Program, judged
from tests.test_attacks import CASES


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_program_computes_the_same_or_is_left_to_torch(
    case: Case, tmp_path: Path, both_frameworks: None
) -> None:
    random = np.random.default_rng(0)
    inputs = tuple(random.standard_normal(shape).astype(np.float32) for shape in case.inputs)
    made = Program(
        case.files, inputs, case.select, case.only, trains=True, gradients=True
    )  # fmt: skip
    found = judged(made, tmp_path)
    expected = ("left", "raises") if case.becomes == "left" else (case.becomes,)
    assert found.word in expected, found.story or found.reason
