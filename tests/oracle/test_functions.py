"""torch.nn.functional's convolutions, migrated and executed on real torch and real MindSpore."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.model.results import Status
from mapper.running.file import Task, process

pytestmark = pytest.mark.oracle

_COUNT = 60  # per function


def _calls(rank: int, transposed: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return random calls as source, with the shapes of their operands."""
    rng = random.Random(10 * rank + transposed)
    name = f"F.conv_transpose{rank}d" if transposed else f"F.conv{rank}d"
    return [_call(rng, name, rank, transposed) for _ in range(_COUNT)]


def _call(rng: random.Random, name: str, rank: int, transposed: bool) -> tuple[str, dict[str, Any]]:
    def extent(low: int, high: int) -> tuple[int, ...]:
        same = rng.random() < 0.5
        values = [rng.randint(low, high) for _ in range(rank)]
        return tuple(values[:1] * rank if same else values)

    groups = rng.choice([1, 2])
    kernel, stride = extent(1, 4), extent(1, 3)
    dilation = extent(1, 2) if not (transposed and rank == 3) else (1,) * rank
    padding = extent(0, 2)
    extra = tuple(rng.randint(0, max(0, s - 1)) for s in stride)
    arguments = [f"stride={_spelled(rng, stride)}", f"groups={groups}"]
    arguments.append(f"dilation={_spelled(rng, dilation)}")
    if transposed:
        arguments.append(f"padding={_spelled(rng, padding)}")
        arguments.append(f"output_padding={_spelled(rng, extra)}")
    elif rng.random() < 0.2:
        arguments[0] = "stride=1"
        arguments.append(f"padding={rng.choice(['same', 'valid'])!r}")
    else:
        arguments.append(f"padding={_spelled(rng, padding)}")
    rng.shuffle(arguments)
    bias = rng.choice(["b", "None", "bias=b", ""])
    text = f"{name}({', '.join(['x', 'w', *([bias] if bias else []), *arguments])})"
    inside = (4, 6 // groups) if transposed else (6, 4 // groups)
    shapes = {"x": (2, 4, *(rng.randint(8, 11) for _ in range(rank))), "w": (*inside, *kernel)}
    return text, shapes


def _spelled(rng: random.Random, values: tuple[int, ...]) -> str:
    if len(set(values)) == 1 and rng.random() < 0.7:
        return str(values[0])
    return str(rng.choice([tuple, list])(values))


@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_migrated_functions_compute_what_torch_computes(rank: int, transposed: bool) -> None:
    import mindspore
    import torch

    cases = _calls(rank, transposed)
    lines = [f"    lambda x, w, b: {text}," for text, _ in cases]
    source = "import torch.nn.functional as F\ncalls = [\n" + "\n".join(lines) + "\n]\n"
    result = process(Task("calls.py", source.encode()), Options(select=("conv",)))
    left = [site.before + ": " + site.message for site in result.sites if site.after is None]
    assert [site.status for site in result.sites] == [Status.MIGRATED] * _COUNT, left
    sides: list[list[Any]] = []
    for text in (source, result.after):
        module: dict[str, Any] = {}
        exec(str(text), module)
        sides.append(module["calls"])
    rng = np.random.default_rng(rank)
    for (text, shapes), ours, theirs in zip(cases, *sides, strict=True):
        x, w = (rng.standard_normal(shapes[n]).astype("float32") for n in "xw")
        b = rng.standard_normal(6).astype("float32")
        expected = ours(*map(torch.tensor, (x, w, b))).numpy()
        found = theirs(*map(mindspore.Tensor, (x, w, b))).asnumpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=text)
