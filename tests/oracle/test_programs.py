"""Programs of several files still build torch's layers after one file of them was migrated."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.projects import ALIAS, TAKING, write

RUN = {case: files for case, files in TAKING.items() if "does not parse" not in case}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Forget the modules of one program before the next, and where they were looked for."""
    path, loaded = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in {"layers", *sys.modules.keys() - loaded}:
        sys.modules.pop(name, None)


def shape(root: Path, main: str) -> tuple[str, tuple[int, ...]]:
    """Run a program, and return the class of its layer and the shape of what that computes."""
    import torch

    sys.modules.pop("layers", None)
    sys.path[:0] = [str(root)]
    layer: Any = runpy.run_path(str(root / main))["layer"]
    name = f"{type(layer).__module__}.{type(layer).__qualname__}"
    return name, tuple(layer(torch.zeros(1, 3, 5, 5)).shape)


@pytest.mark.parametrize("files", RUN.values(), ids=RUN)
def test_a_program_works_as_before(files: dict[str, str], tmp_path: Path) -> None:
    (main,) = files
    roots = [
        write(tmp_path / name, {".git/HEAD": "", "layers.py": ALIAS, **files})
        for name in ("before", "after")
    ]
    layers = roots[1] / "layers.py"
    named = frozenset((str(layers.resolve()),))
    result = process(Task(str(layers), layers.read_bytes()), Options(named=named))
    assert not result.whole
    layers.write_text(result.after or ALIAS)
    before, after = (shape(root, main) for root in roots)
    assert before == after == ("torch.nn.modules.conv.Conv2d", (1, 4, 5, 5))
