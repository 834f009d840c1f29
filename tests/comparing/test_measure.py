"""How far two arrays are apart, and what is allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mapper.comparing.judging import tolerance_of
from mapper.comparing.measure import difference

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


def test_what_is_allowed_grows_with_the_root_of_the_depth() -> None:
    assert [tolerance_of(None, False, depth) for depth in (0, 16, 64)] == [1e-5, 1e-5, 2e-5]
    assert tolerance_of(None, True, 64) == 2e-4
    assert tolerance_of(1e-3, True, 64) == 1e-3
