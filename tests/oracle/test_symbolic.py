"""The fixture whose arguments are names, on both frameworks, for several of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapper.files.source import splice
from mapper.model.options import Options
from mapper.rulebook.loader import load
from mapper.running.module import Migrator
from tests.oracle.frameworks import import_text
from tests.oracle.trials import Outcome, compare_layers

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "symbolic" / "input" / "blocks.py"
WIDTH = 16
LAYERS = {
    "Separable": ("along", "depth", "point"),
    "Stage": ("wide", "even", "framed", "either", "mode", "paired", "square", "branch"),
}
ARGUMENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "Separable": (
        {},
        {"kernel": 5, "border": 2},
        {"border": (2, 0)},
        {"kernel": 2, "border": [1, 2], "norm": 1},
    ),
    "Stage": (
        {"sizes": (3, 5)},
        {"sizes": (2, 3), "padding": "valid", "bias": True},
        {"sizes": (1, 4), "padding": 2, "bias": 0},
    ),
}
CASES = [
    pytest.param(block, arguments, name, id=f"{block} {arguments} {name}")
    for block, several in ARGUMENTS.items()
    for arguments in several
    for name in LAYERS[block]
]


@pytest.mark.parametrize(("block", "arguments", "name"), CASES)
def test_a_layer_of_the_fixture_computes_the_same(
    block: str, arguments: dict[str, Any], name: str, tmp_path: Path
) -> None:
    text = FILE.read_text("utf-8")
    found = Migrator(load(), Options(select=("conv",))).migrate(text)
    modules = [
        import_text(tmp_path, name, source)
        for name, source in (("before", text), ("after", splice(text, found.edits)))
    ]
    torch_layer, layer = (getattr(getattr(m, block)(WIDTH, **arguments), name) for m in modules)
    paths = {path: path for path, _ in torch_layer.named_parameters()}
    assert type(layer).__module__.startswith("mindspore")
    assert compare_layers(lambda: torch_layer, lambda: layer, paths) == (Outcome.EQUAL, "")


def test_a_mode_that_the_file_does_not_have_raises(tmp_path: Path) -> None:
    text = FILE.read_text("utf-8")
    after = splice(text, Migrator(load(), Options(select=("conv",))).migrate(text).edits)
    module = import_text(tmp_path, "after", after)
    with pytest.raises(KeyError, match="reflect"):
        module.Stage(WIDTH, (3, 5), mode="reflect")
