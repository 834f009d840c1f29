"""How far two arrays are apart, and what is allowed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.comparing.judging import Record, tolerance_of
from mapper.comparing.measure import difference
from mapper.comparing.results import Culprit, Finding, Kind, Run
from mapper.comparing.rounding import MARGIN, allowed, is_rounding_perhaps, own_rounding

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("torch", "mindspore", "largest", "mean"),
    [
        ([], [], 0.0, 0.0),
        ([1.0, -4.0], [1.0, -4.0], 0.0, 0.0),
        ([1.0, -4.0], [1.0, -3.0], 0.25, 0.125),
        ([0.0, 0.0], [0.0, 0.5], 0.5, 0.25),
        ([NAN, 2.0], [NAN, 2.0], 0.0, 0.0),
        ([INF, 2.0], [INF, 2.0], 0.0, 0.0),
        ([INF, 2.0], [-INF, 2.0], INF, INF),
        ([NAN, 2.0], [1.0, 2.0], INF, INF),
        ([1.0, 2.0], [NAN, 2.0], INF, INF),
        ([INF, 2.0], [INF, 1.0], 0.5, 0.25),
        ([1.0], [1.0, 2.0], INF, INF),
    ],
)
def test_a_difference_is_in_parts_of_torchs_largest_value(
    torch: list[float], mindspore: list[float], largest: float, mean: float
) -> None:
    found = difference(np.array(torch), np.array(mindspore))
    assert (found.largest, found.mean) == (largest, mean)


@pytest.mark.parametrize(
    ("torch", "mindspore", "same"),
    [
        ("float32", "float32", True),
        ("int64", "int32", True),
        ("float32", "float16", False),
        ("int64", "float32", False),
        ("bool", "int32", False),
    ],
)
def test_a_dtype_of_another_kind_is_a_difference(torch: str, mindspore: str, same: bool) -> None:
    found = difference(np.ones(2, torch), np.ones(2, mindspore))
    assert found.largest == 0 and found.exceeds(1.0) is not same


def test_what_is_allowed_is_more_in_training_and_may_be_given() -> None:
    assert [tolerance_of(None, train) for train in (False, True)] == [1e-5, 1e-4]
    assert tolerance_of(1e-3, True) == 1e-3


# --- rounding -------------------------------------------------------------------------------------


def record(directory: Path, output: float, gradient: float) -> Record:
    directory.mkdir()
    np.save(directory / "0.npy", np.array([2.0, output]))
    np.save(directory / "1.npy", np.array([4.0, gradient]))
    answer = {"outputs": [{"at": "", "file": "0.npy"}], "gradients": {"fc.weight": "1.npy"}}
    return Record(directory, answer)


def test_torchs_own_rounding_is_the_largest_of_several_by_value(tmp_path: Path) -> None:
    exact = record(tmp_path / "exact", 1.0, 1.0)
    rounded = [record(tmp_path / str(i), 1.0 + i, 1.0 - i / 4) for i in range(3)]
    own = own_rounding(exact, rounded)
    assert own == {(Kind.OUTPUT, ""): 1.0, (Kind.GRADIENT, "fc.weight"): 0.125}
    assert allowed(own)[Kind.GRADIENT, "fc.weight"] == MARGIN * 0.125


def test_values_that_differ_may_be_rounding_and_other_findings_may_not() -> None:
    output = Finding(Kind.OUTPUT, "", "", difference(np.ones(2), np.full(2, 1.5)))
    untrained = Finding(Kind.GRADIENT, "fc", "weight is trained in torch alone")
    inner = Culprit("fc", "Linear", None, None, None, (output,))
    run = Run("pynative", True, 1e-4)
    assert not is_rounding_perhaps(run)
    assert not is_rounding_perhaps(replace(run, findings=(untrained,)))
    assert is_rounding_perhaps(replace(run, findings=(untrained, output)))
    assert is_rounding_perhaps(replace(run, first=inner))
