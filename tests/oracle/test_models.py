"""Whole models, migrated: both versions run and are held against each other layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.comparing import side
from mapper.comparing.compare import Frameworks
from mapper.comparing.request import Interpreters, Request, parse_input
from mapper.comparing.results import Comparison
from tests.oracle.frameworks import Array
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


def test_a_sum_in_place_of_what_two_calls_share_is_seen(
    frameworks: Frameworks, tmp_path: Path
) -> None:
    """GRAPH_MODE computes two equal calls once, and `x += y` then changes what both share."""
    model = MODELS["resnet, called twice by its wrapper"]
    after = tmp_path / "whole"
    list(migrated(model.directory, after))
    blocks = after / "resnet" / "blocks.py"
    text = blocks.read_text("utf-8")
    assert "out = out + identity" in text
    blocks.write_text(text.replace("out = out + identity", "out += identity"), "utf-8")
    inputs, modes = tuple(map(parse_input, model.inputs)), ("pynative", "graph")
    request = Request(model.directory, after, model.expression, inputs, modes=modes)
    eager, graph = frameworks.compare(request).runs
    assert eager.agrees and not graph.agrees


def seen(result: Comparison) -> str:
    """Return what a failed assertion is to show."""
    return "\n".join(f"{run.mode}, {run.train}: {run.first or run.failure}" for run in result.runs)


# --- how they start -------------------------------------------------------------------------------

SEEDS = 12
SURE = 5.0  # standard errors


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_migrated_model_starts_from_torchs_distributions(
    frameworks: Frameworks, after: dict[Path, Path], model: Model
) -> None:
    place = after[model.directory]
    inputs = tuple(map(parse_input, model.inputs))
    request = Request(model.directory, place, model.expression, inputs, modes=())
    names = frameworks.compare(request).names
    here = started(model.directory, model.expression, torch_state)
    there = started(place, model.expression, mindspore_state)
    assert names.pairs
    for pair in names.pairs:
        differs = apart(here[pair.torch], there[pair.mindspore])
        assert not differs, f"{pair.torch}: {differs}"


def torch_state(model: Any, seed: int | None = None) -> dict[str, Array]:
    import torch

    if seed is not None:
        torch.manual_seed(seed)
        return {}
    return {name: value.numpy() for name, value in model.state_dict().items()}


def mindspore_state(model: Any, seed: int | None = None) -> dict[str, Array]:
    import mindspore

    if seed is not None:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        mindspore.set_seed(seed)
        return {}
    return {name: value.asnumpy() for name, value in model.state_dict().items()}


def started(directory: Path, expression: str, state: Any) -> dict[str, Array]:
    """Return by name the values with which a model starts, of several seeds together."""
    module, _, inner = expression.partition(":")
    found: dict[str, list[Array]] = {}
    with side.modules_of(str(directory)):
        for seed in range(SEEDS):
            state(None, seed)
            for name, value in state(side.evaluate(module, inner)).items():
                found.setdefault(name, []).append(value.astype(np.float64).ravel())
    return {name: np.concatenate(values) for name, values in found.items()}


def apart(torch: Array, mindspore: Array) -> str:
    """Return in what two samples are not of one distribution: mean, spread, or shape."""
    if torch.std() == 0.0 or mindspore.std() == 0.0:
        same = np.array_equal(np.unique(torch), np.unique(mindspore))
        return "" if same else f"{torch[:3]} in torch, {mindspore[:3]} in MindSpore"
    error = math.sqrt(2 / torch.size)  # of the difference of two means, in standard deviations
    if abs(torch.mean() - mindspore.mean()) > SURE * error * torch.std():
        return f"mean {torch.mean():.4g} in torch, {mindspore.mean():.4g} in MindSpore"
    if abs(math.log(mindspore.std() / torch.std())) > SURE * error:
        return f"deviation {torch.std():.4g} in torch, {mindspore.std():.4g} in MindSpore"
    # 0.80 of a normal distribution's deviation, 0.87 of a uniform one's
    flat = [np.abs(one - one.mean()).mean() / one.std() for one in (torch, mindspore)]
    if abs(flat[0] - flat[1]) > SURE * error:
        return f"mean deviation {flat[0]:.3f} of the deviation in torch, {flat[1]:.3f}"
    return ""


OTHERS = {
    "another mean": (lambda random: random.normal(0.1, 1.0, 20_000), "mean "),
    "another deviation": (lambda random: random.normal(0.0, 1.1, 20_000), "deviation "),
    "another shape": (lambda random: random.uniform(-(3**0.5), 3**0.5, 20_000), "mean deviation"),
    "a constant": (lambda random: np.zeros(20_000), "["),
}


@pytest.mark.parametrize(("draw", "words"), OTHERS.values(), ids=OTHERS)
def test_another_distribution_is_seen(draw: Any, words: str) -> None:
    usual = np.random.default_rng(0).normal(0.0, 1.0, 20_000)
    assert apart(usual, np.random.default_rng(1).normal(0.0, 1.0, 20_000)) == ""
    assert apart(usual, draw(np.random.default_rng(1))).startswith(words)
