"""Model files that migrate whole: nothing of torch is left, and a second run changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Status
from mapper.running.file import Task, process
from tests.whole import DIRECTORIES, migrated, sources


@pytest.fixture(scope="module", params=DIRECTORIES, ids=[one.name for one in DIRECTORIES])
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[FileResult]]:
    """Migrate one directory; return where the result lies, and what became of each file."""
    after = tmp_path_factory.mktemp("whole") / "after"
    return after, list(migrated(request.param, after))


def test_every_site_of_a_whole_model_is_migrated_and_no_torch_is_left(
    done: tuple[Path, list[FileResult]],
) -> None:
    after, results = done
    left = [
        f"{result.path}:{site.span.line}: {site.message}"
        for result in results
        for site in result.sites
        if site.status is not Status.MIGRATED
    ]
    assert left == []
    assert sum(len(result.sites) for result in results) > 10
    for path in sources(after):
        assert not re.search(r"\btorch\b", path.read_text("utf-8")), path


def test_a_second_run_over_a_whole_model_changes_nothing(
    done: tuple[Path, list[FileResult]],
) -> None:
    for path in sources(done[0]):
        again = process(Task(str(path), path.read_bytes()), Options())
        assert (again.status, again.sites) == (FileStatus.UNCHANGED, ()), path


HEAD = """import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = {act}

    def forward(self, x):
        {body}
"""


def _net(body: str, act: str = "nn.ReLU(inplace=True)") -> str:
    return HEAD.format(act=act, body="\n        ".join(body.split("\n")))


def _stays(text: str) -> list[str]:
    result = process(Task("net.py", text.encode()), Options())
    return [site.message for site in result.sites if site.status is not Status.MIGRATED]


SEEN_AFTERWARDS = {
    "the changed Tensor is returned beside": "y = self.conv(x)\nreturn self.act(y), y",
    "the changed Tensor is read later": "y = self.conv(x)\nz = self.act(y)\nreturn y + z",
    "another name holds it": "y = self.conv(x)\nz = y\nw = self.act(y)\nreturn z + w",
    "a function in place": "y = self.conv(x)\nz = F.leaky_relu(y, 0.1, inplace=True)\nreturn y + z",
}


@pytest.mark.parametrize("body", SEEN_AFTERWARDS.values(), ids=SEEN_AFTERWARDS)
def test_a_layer_in_place_whose_input_is_seen_afterwards_keeps_its_class_torch(body: str) -> None:
    assert any("changes its input in torch" in words for words in _stays(_net(body)))


WHOLE_CLASSES = {
    "a layer in place is called on what nobody reads afterwards": _net(
        "y = self.conv(x)\ny += x\nreturn self.act(y)"
    ),
    "a layer in place is made with another argument before": _net(
        "return self.act(self.conv(x))", "nn.LeakyReLU(0.1, inplace=True)"
    ),
    "forward of its own is called by name": _net("return self.act(self.conv(x))")
    + "\n    def again(self, x):\n        return self.forward(x)\n",
}


@pytest.mark.parametrize("text", WHOLE_CLASSES.values(), ids=WHOLE_CLASSES)
def test_a_class_migrates_whole(text: str) -> None:
    assert _stays(text) == []
