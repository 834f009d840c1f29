"""Whole models, migrated: both versions run and are held against each other layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.comparing.compare import Frameworks
from mapper.comparing.request import Interpreters, Request, parse_input
from mapper.comparing.results import Comparison
from tests.whole import DIRECTORIES, MODELS, Model, migrated

TOLERANCES = {False: 1e-5, True: 1e-4}
"""Of the output's scale, in evaluation and in training."""


@pytest.fixture(scope="module")
def frameworks() -> Iterator[Frameworks]:
    """Both programs, for all models."""
    with Frameworks(Interpreters()) as both:
        yield both


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Return the migrated directory of each."""
    places = {}
    for directory in DIRECTORIES:
        places[directory] = tmp_path_factory.mktemp("whole") / directory.name
        list(migrated(directory, places[directory]))
    return places


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_migrated_model_computes_what_it_did_in_both_modes(
    frameworks: Frameworks, after: dict[Path, Path], model: Model
) -> None:
    request = Request(
        model.directory,
        after[model.directory],
        model.expression,
        tuple(map(parse_input, model.inputs)),
        train=True,
        modes=("pynative", "graph"),
    )
    result = frameworks.compare(request)
    assert result.names.is_complete, result.names.problems
    assert result.agrees, seen(result)
    assert [(run.mode, run.train) for run in result.runs] == [
        ("pynative", False), ("graph", False), ("pynative", True), ("graph", True),
    ]  # fmt: skip
    for run in result.runs:
        limit = TOLERANCES[run.train]
        assert run.outputs and all(one.largest <= limit for one in run.outputs), run.outputs


def seen(result: Comparison) -> str:
    """Return what a failed assertion is to show."""
    return "\n".join(f"{run.mode}, {run.train}: {run.first or run.failure}" for run in result.runs)
