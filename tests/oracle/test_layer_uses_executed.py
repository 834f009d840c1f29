"""Programs that do something to a layer after it is built, executed before and after.

Migrated as whole files they compute the same, raise, or stay torch's: an attribute that is set
later, a type test, a parameter that is replaced, an initialiser, a wrapper (`tests/later.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.later import (
    ASKED,
    CHANGED,
    DONE_TO,
    ELSEWHERE,
    HARMLESS,
    LOUD,
    REPLACED,
    UNASKED,
    net,
    wrapped,
)
from tests.oracle.frameworks import import_text
from tests.oracle.programs import Program, judged

INPUT = np.random.default_rng(0).standard_normal((2, 3, 9, 8)).astype(np.float32)


def built(text: str) -> str:
    """Return a program's text with a function that gives its model."""
    model = "net" if "\nnet = " in f"\n{text}" else "Net()"
    return f"{text}\n\ndef build():\n    return {model}\n"


def becomes(files: dict[str, str], folder: Path) -> str:
    """Return what became of a program, and show it where that is a silent difference."""
    found = judged(Program(files, (INPUT,), trains=True, gradients=True), folder)
    assert found.word not in ("different", "broken", "refused"), found.story or found.reason
    return found.word


def model(maker: Any, text: str) -> dict[str, str]:
    source = maker(text)
    return {"main.py": built(source)}


TO_ONE_LAYER = {
    **{f"done to: {name}": (net, text, "left") for name, text in DONE_TO.items()},
    **{f"harmless: {name}": (net, text, "equal or left") for name, text in HARMLESS.items()},
    **{f"wrapped: {name}": (wrapped, text, "left") for name, text in DONE_TO.items()},
    **{f"asked: {name}": (wrapped, text, "left") for name, text in ASKED.items()},
    **{f"unasked: {name}": (wrapped, text, "equal") for name, text in UNASKED.items()},
    **{f"replaced: {name}": (wrapped, text, "left") for name, text in REPLACED.items()},
    **{f"loud: {name}": (net, text, "equal, left or raises") for name, text in LOUD.items()},
}


@pytest.mark.parametrize(("maker", "text", "words"), TO_ONE_LAYER.values(), ids=TO_ONE_LAYER)
def test_what_a_program_does_to_a_layer(
    maker: Any, text: str, words: str, tmp_path: Path, both_frameworks: None
) -> None:
    assert becomes(model(maker, text), tmp_path) in words


@pytest.mark.parametrize("main", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_another_file_does_to_a_layer(
    main: str, tmp_path: Path, both_frameworks: None
) -> None:
    files = {"model.py": net(""), "main.py": built(f"from model import Net\n{main}")}
    assert becomes(files, tmp_path) in ("left", "raises")


STARTED = {
    **CHANGED,
    **{name: text for name, text in LOUD.items() if "weight_norm" not in name},
    "constants": "        nn.init.constant_(self.conv.weight, 0.5)\n"
    "        nn.init.zeros_(self.conv.bias)\n",
    "constants, in a loop by the class's name": "        for m in self.modules():\n"
    "            if m.__class__.__name__.find('Conv') != -1:\n"
    "                m.weight.data.fill_(0.25)\n",
    "arithmetic on constants": "        nn.init.ones_(self.conv.weight)\n"
    "        self.conv.weight.data.mul_(3)\n        self.conv.bias.data.zero_().add_(2)\n",
}


@pytest.mark.parametrize("text", STARTED.values(), ids=STARTED)
def test_what_a_program_starts_from(text: str, tmp_path: Path, both_frameworks: None) -> None:
    """What torch sets to one number is that number in MindSpore, and what it draws is drawn."""
    import mindspore
    import torch

    source = net(text)
    result = process(Task("module.py", source.encode()), Options())
    before = import_text(tmp_path, "before", source).Net()
    after = import_text(tmp_path, "after", result.after or source).Net()
    if isinstance(after, torch.nn.Module):
        return
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    compared = 0
    for name, parameter in before.conv.named_parameters():
        old = parameter.detach().numpy()
        new = dict(after.conv.parameters_and_names())[name].asnumpy()
        assert (old.std() == 0) == (new.std() == 0), name
        if old.std() == 0:
            assert np.array_equal(old, new), name
        compared += 1
    assert compared == 2
