"""How far two arrays are apart, and what is allowed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.comparing.judging import (
    MARGIN,
    Record,
    is_rounding_perhaps,
    moved_by_noise,
    tolerance_of,
)
from mapper.comparing.measure import difference
from mapper.comparing.results import Finding, Kind, Run

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


# --- gradients near a kink ------------------------------------------------------------------------


def record(directory: Path, gradient: float) -> Record:
    directory.mkdir()
    np.save(directory / "0.npy", np.array([4.0, gradient]))
    return Record(directory, {"gradients": {"fc.weight": "0.npy"}})


def test_what_a_gradient_is_allowed_is_how_far_torchs_own_moves(tmp_path: Path) -> None:
    torch = record(tmp_path / "torch", 1.0)
    shaken = [record(tmp_path / str(i), value) for i, value in enumerate((1.0, 1.4, 0.8))]
    assert moved_by_noise(torch, shaken) == {"fc.weight": pytest.approx(MARGIN * 0.1)}


def test_only_gradients_that_differ_alone_are_put_down_to_rounding() -> None:
    far = difference(np.ones(2), np.zeros(2))
    gradient = Finding(Kind.GRADIENT, "fc", "", far)
    untrained = Finding(Kind.GRADIENT, "fc", "weight is trained in torch alone")
    output = Finding(Kind.OUTPUT, "", "", far)
    run = Run("pynative", True, 1e-4)
    assert not is_rounding_perhaps(run)
    assert is_rounding_perhaps(replace(run, findings=(gradient, gradient)))
    assert not is_rounding_perhaps(replace(run, findings=(gradient, output)))
    assert not is_rounding_perhaps(replace(run, findings=(gradient, untrained)))
