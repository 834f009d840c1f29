"""The source line of a layer, and what the migration does there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.cli.difference_context import context_of
from mapper.comparing.lines import line_of
from mapper.comparing.results import Culprit

BEFORE = """\
from collections import OrderedDict
from torch import nn


@decorated
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.LeakyReLU(),
        )
        self.named = nn.Sequential(OrderedDict([
            ("a", nn.Conv2d(3, 8, 3)),
            ("b", nn.Sequential(nn.ReLU(), nn.Tanh())),
        ]))
        self.items = nn.ModuleList([nn.Linear(2, 2),
                                    nn.Linear(3, 3)])
        self.table = nn.ModuleDict({"x": nn.ReLU(), "y": nn.Linear(4, 4)})
        self.made = nn.Sequential(*[nn.Linear(2, 2) for _ in range(3)])
        self.fc = nn.Linear(8,
                            5)
"""
SHOWN = {
    "no place": (None, "fc", None),
    "what is no place": ("net.py", "fc", None),
    "a file that is not there": ("gone.py:3", "fc", "gone.py:3"),
    "a line where nothing begins": ("net.py:22", "fc", "net.py:22"),
    "an assignment over two lines": ("net.py:21", "fc", "net.py:21  self.fc = nn.Linear(8, 5)"),
    "an element of a Sequential": ("net.py:9", "stem.1", "net.py:11  nn.LeakyReLU()"),
    "below a list of a network": ("net.py:9", "blocks.1.stem.0", "net.py:10  nn.Conv2d(3, 8, 3)"),
    "an element of an OrderedDict": ("net.py:13", "named.a", "net.py:14  nn.Conv2d(3, 8, 3)"),
    "an element in an element": ("net.py:13", "named.b.1", "net.py:15  nn.Tanh()"),
    "an element of a list": ("net.py:17", "items.1", "net.py:18  nn.Linear(3, 3)"),
    "an element of a dict": ("net.py:19", "table.y", "net.py:19  nn.Linear(4, 4)"),
    "elements that are not written out": (
        "net.py:20", "made.1",
        "net.py:20  self.made = nn.Sequential(*[nn.Linear(2, 2) for _ in range(3)])"),
    "the network itself": ("net.py:6", "", "net.py:6  class Net(nn.Module):"),
    "the network by its decorator": ("net.py:5", "", "net.py:6  class Net(nn.Module):"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "path", "expected"), SHOWN.values(), ids=SHOWN)
def test_the_line_of_a_layer_is_that_of_its_element(
    tmp_path: Path, place: str | None, path: str, expected: str | None
) -> None:
    (tmp_path / "net.py").write_text(BEFORE)
    line = line_of(tmp_path, place, path)
    assert (None if line is None else str(line)) == expected
    if line is not None and line.text:
        assert line == line_of(tmp_path / "net.py", place, path)


def culprit(place: str, there: str) -> Culprit:
    return Culprit("stem.1", "torch.nn.LeakyReLU", place, "LeakyReLU", there, ())


@pytest.mark.parametrize(
    ("written", "last"),
    [("0.01", ""), ("0.3", "tm2ms writes nn.LeakyReLU(alpha=0.01), which is not what stands in ")],
    ids=["as the tool writes it", "changed by hand"],
)
def test_what_was_done_there_is_what_migrate_does(tmp_path: Path, written: str, last: str) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    net = (
        "class Net({}):\n    def __init__(self):\n        super().__init__()\n        self.stem = "
    )
    (before / "net.py").write_text(
        f"from torch import nn\n\n\n{net.format('nn.Module')}nn.Sequential(nn.Conv2d(3, 8, 3),\n"
        "            nn.LeakyReLU())\n"
    )
    (after / "net.py").write_text(
        f"from mindspore import nn\n\n\n{net.format('nn.Cell')}nn.SequentialCell(nn.Conv2d(3, 8, 3"
        f"),\n            nn.LeakyReLU(alpha={written}))\n"
    )
    found = context_of(before, after, culprit("net.py:7", "net.py:7"))
    assert str(found.torch) == "net.py:8  nn.LeakyReLU()"
    assert str(found.mindspore) == f"net.py:8  nn.LeakyReLU(alpha={written})"
    assert found.done[0] == "TM302 torch.nn.LeakyReLU -> mindspore.nn.LeakyReLU, migrated"
    assert [one.strip() for one in found.done if "tm2ms writes" in one] == (
        [f"{last}net.py:8"] if last else []
    )


def test_nothing_is_told_of_nothing(tmp_path: Path) -> None:
    assert context_of(tmp_path, tmp_path, None).done == ()
    assert context_of(tmp_path, tmp_path, culprit("gone.py:3", "gone.py:3")).done == ()
