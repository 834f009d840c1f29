"""Calls with literal arguments, migrated by the tool and run on both frameworks."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper.model.results import Site, Status
from tests.oracle import calls
from tests.oracle.corners import (
    CORNERS,
    DTYPES,
    PADDED_ON_ONE_AXIS,
    REFUSED_BY_MINDSPORE,
    REFUSED_BY_TORCH,
)
from tests.oracle.frameworks import (
    CLASSES,
    TOLERANCE,
    Refusal,
    attempt,
    copy_parameters,
    disagreement,
    fold,
    import_text,
    input_shapes,
    matches,
    migrate,
    obvious,
    parameters_of,
    random_input,
    run_mindspore,
    run_torch,
)

PER_CLASS = 280
PER_MODULE = 70
HALF = 5e-3  # what float16 leaves of the output's largest value
Tally = Counter[tuple[str, str, str]]

MODULES = [
    (f"{name}-{start // PER_MODULE}", calls.random_calls(name, PER_CLASS)[start:][:PER_MODULE])
    for name in CLASSES
    for start in range(0, PER_CLASS, PER_MODULE)
]
MODULES += [("corners", list(CORNERS)), ("all refused", [*REFUSED_BY_TORCH, *REFUSED_BY_MINDSPORE])]

TORCH_REFUSES = (r"^torch ", r"\btorch itself ")
MINDSPORE_CANNOT = (
    r"depth dilation of Conv3dTranspose must be 1",
    r"at most 343 elements",
    r"output_padding of Conv3dTranspose must be smaller than stride",
    r"MindSpore has no (float64|complex) kernel",
)


def test_there_are_at_least_1500_configurations() -> None:
    written = {call.rstrip(",)") for _, module in MODULES for call in module}
    assert len(written) >= 1500


@pytest.mark.parametrize(
    ("style", "module"),
    [(index, module) for index, (_, module) in enumerate(MODULES)],
    ids=[name for name, _ in MODULES],
)
def test_what_is_migrated_computes_what_torch_computes(
    style: int, module: list[str], tmp_path: Path, tally: Tally
) -> None:
    text = calls.module(module, style)
    result = migrate(text)
    assert result.after is not None
    before = import_text(tmp_path, "written_for_torch", text).LAYERS
    after = import_text(tmp_path, "written_for_mindspore", result.after).LAYERS
    sites = sorted(result.sites, key=lambda site: site.span.line)
    assert len(sites) == len(module)
    findings = []
    for site, make_torch, make_mindspore in zip(sites, before, after, strict=True):
        tally["literal calls", site.api.removeprefix("torch.nn."), site.status] += 1
        finding = next(_findings(site, make_torch, make_mindspore), "")
        if finding:
            findings.append(f"{site.before}\n    -> {site.after}\n    {finding}")
    assert not findings, fold(findings)


@pytest.mark.parametrize("call", REFUSED_BY_TORCH + REFUSED_BY_MINDSPORE)
def test_what_a_framework_refuses_is_left_alone(call: str) -> None:
    [site] = migrate(f"import torch\nLAYER = lambda: torch.nn.{call}\n").sites
    patterns = TORCH_REFUSES if call in REFUSED_BY_TORCH else MINDSPORE_CANNOT
    assert site.status is Status.MANUAL
    assert matches(site.message, patterns), site.message


@pytest.mark.parametrize("call", PADDED_ON_ONE_AXIS)
def test_what_torch_pads_on_one_axis_only_is_left_alone(call: str) -> None:
    [site] = migrate(f"import torch\nLAYER = lambda: torch.nn.{call}\n").sites
    assert site.status is Status.MANUAL
    assert site.message.startswith("output shape"), site.message


@pytest.mark.parametrize("call", CORNERS)
def test_what_both_frameworks_can_do_is_migrated(call: str) -> None:
    [site] = migrate(f"import torch\nLAYER = lambda: torch.nn.{call}\n").sites
    assert site.status is Status.MIGRATED, site.message
    assert site.proof.kind == "exact"


def _findings(site: Site, make_torch: Any, make_mindspore: Any) -> Iterator[str]:
    torch_layer = attempt(make_torch)
    if site.status is Status.MIGRATED:
        yield from _differences(site, torch_layer, attempt(make_mindspore))
    elif site.status is not Status.MANUAL:
        yield f"has status {site.status}"
    elif matches(site.message, TORCH_REFUSES):
        if not isinstance(_result(torch_layer), Refusal):
            yield f"torch does not refuse it: {site.message}"
    elif not matches(site.message, MINDSPORE_CANNOT):
        yield f"is not expected to be left: {site.message}"
    elif not isinstance(_obvious_result(torch_layer), Refusal):
        yield f"MindSpore does not refuse the obvious rewrite: {site.message}"


def _result(torch_layer: Any) -> Any:
    if isinstance(torch_layer, Refusal):
        return torch_layer
    return attempt(lambda: run_torch(torch_layer, random_input(next(input_shapes(torch_layer)))))


def _obvious_result(torch_layer: Any) -> Any:
    layer = attempt(obvious, torch_layer)
    if isinstance(layer, Refusal):
        return layer
    x = random_input(next(input_shapes(torch_layer)))
    dtype = DTYPES.get(str(torch_layer.weight.dtype))
    return attempt(run_mindspore, layer, x.astype(dtype) if dtype else x)


def _differences(site: Site, torch_layer: Any, layer: Any) -> Iterator[str]:
    if isinstance(torch_layer, Refusal) or isinstance(layer, Refusal):
        yield f"torch: {torch_layer}, MindSpore: {layer}"
        return
    yield from _parameter_differences(site, torch_layer, layer)
    half = str(torch_layer.weight.dtype) == "torch.float16"
    dtype = parameters_of(layer)[site.parameters["weight"].path].dtype if half else None
    for seed, shape in enumerate(
        input_shapes(torch_layer, 1 + zlib.crc32(site.before.encode()) % 2)
    ):
        x = random_input(shape, seed)
        x = x.astype("float16").astype("float32") if half else x
        expected = attempt(run_torch, torch_layer, x)
        found = attempt(run_mindspore, layer, x, dtype)
        if isinstance(expected, Refusal) or isinstance(found, Refusal):
            yield f"{shape}: torch {expected}, MindSpore {found}"
        elif words := disagreement(expected, found, HALF if half else TOLERANCE):
            yield f"{shape}: {words}"


def _parameter_differences(site: Site, torch_layer: Any, layer: Any) -> Iterator[str]:
    paths = {name: pair.path for name, pair in site.parameters.items()}
    if words := copy_parameters(torch_layer, layer, paths):
        yield words
    for name, parameter in torch_layer.named_parameters():
        pair = site.parameters[name]
        found = parameters_of(layer)[pair.path]
        if (tuple(parameter.shape), found.shape) != (pair.torch, pair.mindspore):
            yield f"the report is wrong about {name}: {pair}"
        if str(parameter.dtype).partition(".")[2] != str(found.dtype).lower():
            yield f"{name} is {found.dtype} instead of {parameter.dtype}"
