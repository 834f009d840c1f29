"""A layer stays torch's where the program does to it what MindSpore's would not follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.files.source import splice
from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.loader import load
from mapper.running.module import Migrator
from tests.later import (
    ASKED,
    CHANGED,
    DONE_TO,
    ELSEWHERE,
    HARMLESS,
    LOUD,
    OUTSIDE,
    REPLACED,
    UNASKED,
    net,
    wrapped,
)
from tests.projects import write
from tests.shell import tm2ms
from tests.tool import MIGRATOR

WHOLE = Migrator(load(), Options())
MODES = {"convolutions alone": MIGRATOR, "whole files": WHOLE}


def layer(text: str, migrator: Migrator, path: Path | None = None) -> Site:
    """Return the site of the first convolution that is built."""
    sites = migrator.migrate(text, path=path).sites
    return next(site for site in sites if site.before.startswith("nn.Conv2d("))


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_a_convolution_that_nothing_is_done_to_is_migrated(text: str) -> None:
    assert layer(net(text), MIGRATOR).status is Status.MIGRATED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", DONE_TO.values(), ids=DONE_TO)
def test_a_layer_that_is_changed_afterwards_stays(text: str, mode: str) -> None:
    source = net(text)
    site = layer(source, MODES[mode])
    assert site.status is Status.MANUAL
    assert "line " in site.message
    assert "nn.Conv2d(3, 4, 3)" in splice(source, MODES[mode].migrate(source).edits)


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED)
def test_a_layer_whose_weight_torch_changes_stays(text: str) -> None:
    assert layer(net(text), MIGRATOR).status is Status.MANUAL


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED)
def test_in_a_whole_file_what_changes_a_weight_is_rewritten_with_it(text: str) -> None:
    source = net(text)
    after = splice(source, WHOLE.migrate(source).edits)
    assert ("set_data" in after) == ("nn.Conv2d(3, 4, 3)" not in after)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED)
def test_a_layer_that_is_asked_what_it_is_stays_one(text: str, mode: str) -> None:
    assert layer(wrapped(text), MODES[mode]).status is Status.MANUAL


@pytest.mark.parametrize("text", UNASKED.values(), ids=UNASKED)
def test_a_layer_that_nobody_asks_may_become_several(text: str) -> None:
    assert "SequentialCell" in (layer(wrapped(text), MIGRATOR).after or "")


@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED)
def test_a_layer_that_stays_one_may_be_asked(text: str) -> None:
    assert layer(net(text), MIGRATOR).status is Status.MIGRATED


@pytest.mark.parametrize("main", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("mode", MODES)
def test_a_layer_that_another_file_changes_stays(main: str, mode: str, tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", "model.py": net(""), "main.py": main})
    site = layer(net(""), MODES[mode], tmp_path / "model.py")
    assert site.status is Status.MANUAL
    assert "of main.py" in site.message


def test_what_training_code_does_to_a_weight_is_said(tmp_path: Path) -> None:
    main = (
        "from model import Net\nnet = Net()\nnet.conv.weight.data.mul_(0)\n"
        "for x in input():\n    net(x).sum().backward()\n"
    )
    write(tmp_path, {".git/HEAD": "", "model.py": net(""), "main.py": main})
    site = layer(net(""), WHOLE, tmp_path / "model.py")
    assert site.status is Status.MIGRATED
    assert "line 3 of main.py changes its weight in place" in site.message
    assert layer(net(""), MIGRATOR, tmp_path / "model.py").status is Status.MANUAL


MODULES = {
    "a name that is also something else": "    mod = sys.modules[name]\n    mod = net.conv\n",
    "a parameter": "    mod = mod or sys.modules[name]\n",
}


@pytest.mark.parametrize("body", MODULES.values(), ids=MODULES)
def test_what_may_be_a_module_may_be_a_layer(body: str, tmp_path: Path) -> None:
    main = (
        "from model import Net\nimport sys\nnet = Net()\n\n\ndef f(name, key, mod):\n"
        f"{body}    setattr(mod, key, 1)\n\n\nf('x', input(), net.conv)\n"
    )
    write(tmp_path, {".git/HEAD": "", "model.py": net(""), "main.py": main})
    assert layer(net(""), WHOLE, tmp_path / "model.py").status is Status.MANUAL


@pytest.mark.parametrize("main", OUTSIDE.values(), ids=OUTSIDE)
def test_what_another_file_does_to_others_does_not_matter(main: str, tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", "model.py": net(""), "main.py": main})
    assert layer(net(""), MIGRATOR, tmp_path / "model.py").status is Status.MIGRATED


@pytest.mark.parametrize("text", LOUD.values(), ids=LOUD)
def test_what_torch_does_to_a_migrated_layer_is_said(text: str) -> None:
    site = layer(net(text), MIGRATOR)
    assert site.status is Status.MIGRATED
    assert "MindSpore" in site.message
    assert "line " in site.message


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("self.bn.momentum = 0.5", Status.MANUAL),
        ("self.bn.eps = 0.5", Status.MANUAL),
        ("if hasattr(self.bn, 'weight'): x = 1", Status.MANUAL),
        ("if hasattr(self.bn, 'eps'): x = 1", Status.MIGRATED),
        ("self.momentum = 0.5", Status.MIGRATED),
    ],
)
def test_another_layer_of_a_whole_file(text: str, status: Status) -> None:
    sites = WHOLE.migrate(net(f"        {text}\n")).sites
    assert {one.status for one in sites if one.before == "nn.BatchNorm2d(4)"} == {status}


HELD = "import torch\nx = torch.save(1)\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--select", "conv"), 0), (("--select", ""), 0), (("--select", "", "--require", "whole"), 1)],
)
def test_a_file_that_still_holds_torch_fails_where_whole_files_are_required(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    write(tmp_path, {"layers.py": HELD})
    assert tm2ms("migrate", "layers.py", *arguments, cwd=tmp_path).returncode == code


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", REPLACED.values(), ids=REPLACED)
def test_a_layer_whose_parameters_are_replaced_does_not_become_several(
    text: str, mode: str
) -> None:
    assert layer(wrapped(text), MODES[mode]).status is Status.MANUAL
