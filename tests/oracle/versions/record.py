"""Migrate calls for an old MindSpore and record what torch computes: sources and arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mapper.model.options import Options
from mapper.model.results import Site, Status
from tests.oracle import calls, frameworks
from tests.oracle.corners import CORNERS
from tests.oracle.frameworks import CLASSES, Array, Refusal, attempt, import_text, migrate
from tests.oracle.test_functions import _calls as functional_calls
from tests.oracle.test_initialisation import CALLS as FRESH

PER_CLASS = 120
PER_FUNCTION = 40
HEADER = "import torch.nn.functional as F\n"


@dataclass
class Recording:
    """What is written: modules as text, cases that point into them, and their arrays."""

    target: str
    folder: Path
    modules: list[str] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def write(self) -> None:
        """Write `recording.json` and `arrays.npz`."""
        content = {"target": self.target, "modules": self.modules, "cases": self.cases}
        (self.folder / "recording.json").write_text(json.dumps(content), encoding="utf-8")
        np.savez(self.folder / "arrays.npz", **self.arrays)  # type: ignore[arg-type]

    def add(self, case: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Add one case with its arrays."""
        self.arrays.update({f"{len(self.cases)}.{name}": value for name, value in arrays.items()})
        self.cases.append(case)

    def leave(self, message: str) -> None:
        """Count a call that stays, by the reason."""
        self.left[message] = self.left.get(message, 0) + 1


def record(target: str, folder: Path) -> Recording:
    """Record everything for one target version."""
    frameworks.load()
    recording = Recording(target, folder)
    for style, name in enumerate(CLASSES):
        _layers(recording, name, calls.random_calls(name, PER_CLASS), style)
    for rank in (1, 2, 3):
        corners = [call for call in CORNERS if f"{rank}d(" in call]
        _layers(recording, f"corners {rank}d", corners, rank)
    _layers(recording, "fresh", FRESH, 1)
    for rank in (1, 2, 3):
        for transposed in (False, True):
            _functions(recording, functional_calls(rank, transposed)[:PER_FUNCTION])
    recording.write()
    return recording


# --- layers ---


def _layers(recording: Recording, row: str, written: Sequence[str], style: int) -> None:
    """Record a module of the calls that are migrated; the others are asked about one by one."""
    sites, makers, _ = _migrated(recording, written, style)
    good = []
    for call, site, make in zip(written, sites, makers, strict=True):
        layer = attempt(make)
        if site.status is Status.MIGRATED and not isinstance(layer, Refusal):
            good.append(call)
            continue
        recording.leave(site.message)
        if not isinstance(layer, Refusal):
            _left(recording, row, site, layer)
    sites, makers, after = _migrated(recording, good, style)
    for index, (site, make) in enumerate(zip(sites, makers, strict=True)):
        layer, module = make(), len(recording.modules)
        place = {"row": row, "module": module, "index": index, **_words(site)}
        if row == "fresh":
            bound = float(layer.weight[0].numel() ** -0.5)
            recording.add({**place, "kind": "fresh", "bound": bound}, {})
        else:
            _layer(recording, place, layer)
    recording.modules.append(after)


def _migrated(
    recording: Recording, written: Sequence[str], style: int
) -> tuple[list[Site], list[Any], str]:
    """Return the sites in order, torch's makers, and the migrated module."""
    text = calls.module(written, style)
    result = migrate(text, Options(target_version=recording.target, select=("conv",)))
    name = f"for_torch_{len(recording.modules)}"
    makers = import_text(recording.folder, name, text).LAYERS
    sites = sorted(result.sites, key=lambda site: site.span.line)
    return sites, makers, str(result.after)


def _words(site: Site) -> dict[str, Any]:
    pairs = {name: (pair.path, pair.mindspore) for name, pair in site.parameters.items()}
    return {"before": site.before, "after": site.after, "parameters": pairs}


def _layer(recording: Recording, place: dict[str, Any], layer: Any) -> None:
    half = str(layer.weight.dtype) == "torch.float16"
    arrays = {name: p.detach().float().numpy() for name, p in layer.named_parameters()}
    count = 0
    for seed, shape in enumerate(frameworks.input_shapes(layer)):
        x = frameworks.random_input(shape, seed)
        x = x.astype("float16").astype("float32") if half else x
        y = attempt(frameworks.run_torch, layer, x)
        if isinstance(y, Refusal):
            continue
        arrays |= {f"x{count}": x, f"y{count}": y}
        count += 1
    recording.add({**place, "kind": "layer", "inputs": count, "half": half}, arrays)


def _left(recording: Recording, row: str, site: Site, layer: Any) -> None:
    """Record what a person would write for a call that stays, unless torch refuses it."""
    if "has no `dtype` here" in site.message:
        return  # signatures are compared in docs/versions.md; the layer without dtype is legal
    x, written = frameworks.random_input(next(frameworks.input_shapes(layer))), _obvious(layer)
    if isinstance(attempt(frameworks.run_torch, layer, x), Refusal):
        return
    case = {"row": row, "kind": "refused", "before": site.before, "after": site.message}
    recording.add({**case, "obvious": written}, {"x0": x})


def _obvious(layer: Any) -> tuple[str, dict[str, Any]]:
    rank = int(type(layer).__name__[-2])

    def each(name: str) -> tuple[int, ...]:
        value = tuple(getattr(layer, name))
        return value * rank if len(value) == 1 else value

    axes: dict[str, Any] = {name: each(name) for name in ("kernel_size", "stride", "dilation")}
    axes["padding"] = tuple(p for p in each("padding") for _ in range(2))
    if layer.transposed and rank == 3:
        axes["output_padding"] = each("output_padding")
    axes = {name: value[0] if rank == 1 else value for name, value in axes.items()}
    if str(layer.weight.dtype) == "torch.float64":
        axes["dtype"] = "float64"
    rest = {"in_channels": layer.in_channels, "out_channels": layer.out_channels}
    rest |= {"group": layer.groups, "has_bias": layer.bias is not None, "pad_mode": "pad"}
    return f"Conv{rank}d" + ("Transpose" if layer.transposed else ""), rest | axes


# --- functions ---


def _functions(recording: Recording, cases: Sequence[tuple[str, dict[str, Any]]]) -> None:
    lines = [f"    lambda x, w, b: {text},\n" for text, _ in cases]
    source = f"{HEADER}LAYERS = [\n{''.join(lines)}]\n"
    result = migrate(source, Options(target_version=recording.target, select=("conv",)))
    sides: dict[str, Any] = {}
    exec(source, sides)
    module = len(recording.modules)
    recording.modules.append(str(result.after))
    sites = sorted(result.sites, key=lambda site: site.span.line)
    for index, ((text, shapes), site) in enumerate(zip(cases, sites, strict=True)):
        if site.status is not Status.MIGRATED:
            recording.leave(site.message)
            continue
        place = {"row": text.partition("(")[0], "module": module, "index": index, **_words(site)}
        arrays = dict(_operands(index, shapes))
        arrays["y0"] = _torch_function(sides["LAYERS"][index], arrays)
        may_raise = any("not every value works" in text for text in site.assumptions)
        case = {**place, "kind": "function", "inputs": 1, "half": False, "may_raise": may_raise}
        recording.add(case, arrays)


def _operands(seed: int, shapes: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(seed)
    for name, shape in (("x0", shapes["x"]), ("w", shapes["w"]), ("b", (6,))):
        yield name, rng.standard_normal(shape).astype("float32")


def _torch_function(function: Any, arrays: dict[str, Array]) -> Array:
    import torch

    operands = [torch.from_numpy(arrays[name].copy()) for name in ("x0", "w", "b")]
    found: Array = function(*operands).numpy()
    return found
