"""`benchmarks/classes.py` on a small tree: what it finds, and a wrong class that is planted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.shell import environment

ROOT = Path(__file__).parents[2]
MODEL = """\
import missing_package
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, slope):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.LeakyReLU(slope)

    def forward(self, x, scale):
        return self.act(self.norm(self.conv(x))) * scale


class Net(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.stem = nn.Conv2d(channels, 5, 1)
        self.block = Block(5, slope=channels / 30)
        self.fc = nn.Linear(5, 2)

    def forward(self, x):
        x = self.block(self.stem(x), x.mean(dim=(1, 2, 3), keepdim=True))
        return self.fc(x.mean(dim=(2, 3)))


class Words(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.table = nn.Embedding(vocab, dim)

    def forward(self, tokens):
        return self.table(tokens)


class Given(nn.Module):
    def forward(self, x, how):
        return {"double": x * 2}[how]
"""


def executed(tree: Path, keep: Path, code: int) -> dict[str, str]:
    """Run the command in PyNative and return what each class came to."""
    done = subprocess.run(
        [sys.executable, "benchmarks/classes.py", str(tree), "--keep", str(keep),
         "--modes", "pynative", "--write", str(keep / "page.md")],
        cwd=ROOT,
        env=environment(GLOG_v="4"),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    lines = (keep / tree.name / "verdicts.jsonl").read_text("utf-8").splitlines()
    return {one["cls"]: one["kind"] for one in map(json.loads, lines)}


def test_classes_are_built_run_and_judged_and_a_planted_one_differs(tmp_path: Path) -> None:
    tree, keep = tmp_path / "somebody+nets", tmp_path / "keep"
    (tree / ".git").mkdir(parents=True)
    (tree / "net.py").write_text(MODEL, "utf-8")

    assert executed(tree, keep, 0) == {"Block": "equal", "Net": "equal", "Words": "equal"}
    found = map(json.loads, (keep / tree.name / "found.jsonl").read_text("utf-8").splitlines())
    known = {one["class"]: one for one in found if "class" in one}
    assert known["Block"]["expression"].endswith(".Block(5, slope=0.1)"), "as Net builds it"
    assert known["Block"]["inputs"] == ["2,5,32,32", "2,1,1,1"], "as Net calls it"
    assert known["Words"]["inputs"] == ["2,7:int64"]
    assert known["Given"]["reason"].startswith("torch takes no input")
    page = (keep / "page.md").read_text("utf-8")
    assert "| somebody/nets | 1 | 1 | 4 | 3 | 3 | 0 | 0 | 0 | 0 | 0 |" in page

    after = keep / tree.name / "after" / "net.py"
    text = after.read_text("utf-8")
    assert "nn.LeakyReLU(slope)" in text
    after.write_text(text.replace("nn.LeakyReLU(slope)", "nn.LeakyReLU(0.2)"), "utf-8")
    (keep / tree.name / "verdicts.jsonl").unlink()
    kinds = {"Block": "different", "Net": "different", "Words": "equal"}
    assert executed(tree, keep, 1) == kinds
