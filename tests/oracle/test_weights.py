"""Weights from file to file and both versions held against each other, by the commands alone."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mapper.cli.app import app
from mapper.comparing import side
from mapper.weights.files import read, write
from tests.oracle.frameworks import Array

ROOT = Path(__file__).parent.parent.parent
WHOLE = ROOT / "fixtures" / "whole"
INPUTS = ("--input", "2,3,12,12", "--input", "2,7:int64")
COUNTS = [f"{name}.num_batches_tracked" for name in (
    "blocks.0.bn", "blocks.1.bn", "blocks.2.bn", "bn", "deep", "stem.1")]  # fmt: skip


@pytest.fixture(scope="module")
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture(scope="module")
def ms() -> Any:
    return importlib.import_module("mindspore")


def tm2ms(*arguments: object) -> tuple[int, list[str], str]:
    """Return the exit code, the lines on standard output, and standard error."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def built(directory: Path, module: str, expression: str) -> Any:
    """Return a model that the code of a directory builds."""
    with side.modules_of(str(directory)):
        return side.evaluate(module, expression)


def drawn(torch: Any, model: Any) -> dict[str, Any]:
    """Give every parameter and buffer of torch's values of its own, and return the state."""
    random = torch.Generator().manual_seed(5)
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            value.fill_(3)
        elif name.endswith("var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=random))
        else:
            value.copy_(0.3 * torch.randn(value.shape, generator=random))
    return dict(model.state_dict())


@dataclass(frozen=True)
class Place:
    """Where the model lies before and after its migration, with torch's state beside."""

    before: Path
    after: Path
    report: Path
    state: dict[str, Any]

    @property
    def root(self) -> Path:
        return self.before.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, torch: Any) -> Iterator[Place]:
    """Migrate the model whose weights have other names or shapes, by the command."""
    root = tmp_path_factory.mktemp("weights")
    before, after, report = root / "before", root / "after", root / "report.json"
    before.mkdir()
    (before / "renamed.py").write_text((WHOLE / "renamed" / "renamed.py").read_text("utf-8"))
    code, _, talk = tm2ms("migrate", before, "--output", after, "--report", report)
    assert code == 0 and "1 whole" in talk, talk
    yield Place(before, after, report, drawn(torch, built(before, "renamed", "Renamed()")))


@pytest.fixture
def at(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Work where the migrated model is found."""
    monkeypatch.chdir(place.after)
    return place


def save(torch: Any, state: dict[str, Any], path: Path) -> Path:
    """Write a state of torch's as a file of that kind."""
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        write(path, {name: value.numpy() for name, value in state.items()})
    return path


def load(ms: Any, path: Path, net: Any) -> Any:
    """Load a file as the page says, by MindSpore alone; every name must have its place."""
    values = ms.load_checkpoint(str(path), format=path.suffix.removeprefix("."))
    assert values.keys() == net.state_dict().keys()
    net.load_state_dict(values)
    return net


def outputs(torch: Any, ms: Any, model: Any, net: Any) -> Iterator[tuple[Array, Array]]:
    """Yield what both models compute of the same inputs, in evaluation."""
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 12, 12)).astype(np.float32)
    tokens = random.integers(0, 12, (2, 7))
    model.eval()
    net.set_train(False)
    with torch.no_grad():
        here = model(torch.from_numpy(x), torch.from_numpy(tokens))
    there = net(ms.Tensor(x), ms.Tensor(tokens))
    for one, other in zip(here, there, strict=True):
        yield one.numpy(), other.asnumpy()


# --- from file to file ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [(".pth", ".ckpt"), (".safetensors", ".safetensors")],
)
def test_the_migrated_model_computes_what_torchs_did_with_the_converted_weights(
    at: Place, tmp_path: Path, torch: Any, ms: Any, old: str, new: str
) -> None:
    source = save(torch, at.state, tmp_path / f"old{old}")
    code, lines, talk = tm2ms("checkpoint", source, tmp_path / f"new{new}",
                              "--model", "renamed:Renamed()")  # fmt: skip
    assert code == 0, lines
    assert lines == [*(f"dropped   {name}" for name in COUNTS),
                     "filled    plain.gamma", "filled    plain.beta"]  # fmt: skip
    assert talk.startswith("63 names matched, 0 not; 65 written to ")
    model = built(at.before, "renamed", "Renamed()")
    model.load_state_dict(at.state)
    net = load(ms, tmp_path / f"new{new}", built(at.after, "renamed", "Renamed()"))
    for here, there in outputs(torch, ms, model, net):
        assert np.abs(here - there).max() <= 1e-5 * np.abs(here).max()


def test_what_is_around_and_beside_the_weights_is_taken_off_and_said(
    at: Place, tmp_path: Path, torch: Any
) -> None:
    inner = {f"module.{name}": value for name, value in at.state.items()} | {"module.calls": 7}
    torch.save({"epoch": 3, "state_dict": inner, "optimizer": {"state": {}}}, tmp_path / "old.pth")
    code, lines, _ = tm2ms("checkpoint", tmp_path / "old.pth", tmp_path / "nested.safetensors",
                           "--model", "renamed:Renamed()")  # fmt: skip
    assert code == 0 and lines[-3:] == [
        "ignored   epoch: no array among the weights",
        "ignored   optimizer: no array among the weights",
        "ignored   module.calls: no array among the weights",
    ]
    plain = save(torch, at.state, tmp_path / "plain.safetensors")
    assert tm2ms("checkpoint", plain, tmp_path / "new.safetensors",
                 "--model", "renamed:Renamed()")[0] == 0  # fmt: skip
    assert (tmp_path / "nested.safetensors").read_bytes() == (
        tmp_path / "new.safetensors"
    ).read_bytes()


def test_the_way_back_gives_torchs_state(at: Place, tmp_path: Path, torch: Any, ms: Any) -> None:
    """The file is one that MindSpore has saved itself, with a word of its own beside."""
    old = save(torch, at.state, tmp_path / "old.pth")
    assert tm2ms("checkpoint", old, tmp_path / "new.ckpt", "--model", "renamed:Renamed()")[0] == 0
    net = load(ms, tmp_path / "new.ckpt", built(at.after, "renamed", "Renamed()"))
    own = tmp_path / "own.ckpt"
    ms.save_checkpoint(net.state_dict(), str(own), append_dict={"who": "me"})
    code, lines, _ = tm2ms("checkpoint", own, tmp_path / "back.pth", "--reverse",
                           "--model", "renamed:Renamed()", "--report", at.report)  # fmt: skip
    assert code == 0, lines
    assert "ignored   who: no array among the weights" in lines
    assert {"dropped   plain.beta", "dropped   plain.gamma"} <= set(lines)
    found = torch.load(tmp_path / "back.pth", weights_only=True)
    built(at.before, "renamed", "Renamed()").load_state_dict(found)  # strict
    for name, value in at.state.items():
        assert torch.equal(found[name], 0 * value if name in COUNTS else value), name


def test_what_mindspore_leaves_out_of_a_file_is_listed_on_the_way_back(
    at: Place, tmp_path: Path, ms: Any
) -> None:
    """It saves a parameter with two places once, and no buffers."""
    own, back = tmp_path / "own.ckpt", tmp_path / "back.safetensors"
    ms.save_checkpoint(built(at.after, "renamed", "Renamed()"), str(own))
    code, lines, talk = tm2ms("checkpoint", own, back, "--reverse", "--model",
                              "renamed:Renamed()", "--report", at.report)  # fmt: skip
    assert code == 1 and "nothing is written" in talk and not back.exists()
    (line,) = [one for one in lines if one.startswith(("missing", "extra", "ambiguous"))]
    assert line.startswith("missing   shift: save_checkpoint(net) leaves buffers out")


def test_without_a_report_the_way_back_lists_what_may_be_torchs_or_the_migrations(
    at: Place, tmp_path: Path, ms: Any
) -> None:
    own, back = tmp_path / "own.ckpt", tmp_path / "back.safetensors"
    ms.save_checkpoint(built(at.after, "renamed", "Renamed()").state_dict(), str(own))
    code, lines, _ = tm2ms("checkpoint", own, back, "--reverse", "--model", "renamed:Renamed()")
    listed = {line.split()[1].rstrip(":") for line in lines if line.startswith("ambiguous")}
    assert code == 1 and not back.exists()
    assert listed == {"edge.1.weight", "edge.1.bias", "blocks.1.conv.1.weight"}


def test_a_report_alone_decides_by_classes_and_knows_layers_under_two_names(
    at: Place, tmp_path: Path, torch: Any
) -> None:
    old, new = save(torch, at.state, tmp_path / "old.pth"), tmp_path / "new.safetensors"
    other = tmp_path / "other.safetensors"
    assert tm2ms("checkpoint", old, new, "--report", at.report)[0] == 0
    assert tm2ms("checkpoint", old, other, "--model", "renamed:Renamed()")[0] == 0
    values, others = read(new), read(other)
    assert {"blocks.0.conv.weight", "blocks.1.conv.1.weight", "again.weight"} <= values.keys()
    assert all(np.array_equal(value, others[name]) for name, value in values.items())


def test_a_report_alone_lists_what_no_class_has(at: Place, tmp_path: Path, torch: Any) -> None:
    state = {**at.state, "other.scale": at.state["scale"]}
    old, new = save(torch, state, tmp_path / "old.pth"), tmp_path / "new.safetensors"
    code, lines, talk = tm2ms("checkpoint", old, new, "--report", at.report)
    assert code == 1 and not new.exists() and "--model builds the migrated model" in talk
    listed = [line for line in lines if not line.startswith("dropped")]
    assert listed == ["missing   other.scale: Renamed has no such attribute"]


def test_a_report_alone_gives_the_file_that_the_model_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any
) -> None:
    before, after = WHOLE.parent / "demo", tmp_path / "after"
    report, old = tmp_path / "report.json", tmp_path / "old.pth"
    assert tm2ms("migrate", before, "--output", after, "--report", report)[0] == 0
    save(torch, drawn(torch, built(before, "model", "Denoiser(8)")), old)
    monkeypatch.chdir(after)
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    assert tm2ms("checkpoint", old, one, "--report", report)[0] == 0
    assert tm2ms("checkpoint", old, other, "--model", "model:Denoiser(8)")[0] == 0
    values, others = read(one), read(other)
    assert values.keys() == others.keys() and "stem.1.weight" in values
    assert all(np.array_equal(value, others[name]) for name, value in values.items())


def test_random_checkpoints_end_in_a_list_or_in_the_right_file() -> None:
    command = [sys.executable, "fuzz/checkpoints.py", "60", "3", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 promises broken" in done.stdout


# --- both versions run ----------------------------------------------------------------------------


def test_compare_agrees_with_the_weights_of_a_checkpoint(
    at: Place, tmp_path: Path, torch: Any
) -> None:
    state = {name: value for name, value in at.state.items() if name != "scale"}
    old = save(torch, {"model": state, "step": 3}, tmp_path / "old.pth")
    code, lines, talk = tm2ms("compare", at.before, at.after, "renamed:Renamed()", *INPUTS,
                              "--checkpoint", old, "--train", "--mode", "both")  # fmt: skip
    assert code == 0, lines
    assert sum(line.startswith("agree") for line in lines) == 4
    assert sum(line.startswith("loss (a random projection") for line in lines) == 2
    assert any(line.split() == ["words", "Embedding", "2,7,8", "0.0e+00", "0.0e+00"]
               for line in lines)  # fmt: skip
    assert lines[-1] == "note  1 weights are not in the checkpoint, and stay as drawn: scale"
    assert "step is no array among the weights: ignored" in talk


TURNED = """

class Turned(nn.Cell):
    def __init__(self, before, after):
        super().__init__()
        self.weight = ms.Parameter(ops.zeros((before, after)))

    def construct(self, x):
        return ops.matmul(x, self.weight)


class Renamed("""


@dataclass(frozen=True)
class Planted:
    """A change in the migrated model, and the lines with which the command names its layer."""

    edits: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    train: bool = False


PLANTED = {
    "eps": Planted(
        (("epsilon=1e-05", "epsilon=1e-03"),), ("first difference: norm, LayerNorm",)),
    "momentum": Planted(
        (("has_bias=True), nn.BatchNorm2d(width)",
          "has_bias=True), nn.BatchNorm2d(width, momentum=0.8)"),),
        ("first difference: stem.1, BatchNorm2d",), train=True),
    "padding": Planted(
        (("nn.ReplicationPad2d(2)", "nn.ReflectionPad2d(2)"),),
        ("first difference: edge, Conv2d",)),
    "a swapped layer": Planted(
        (("self.act(self.bn(self.conv(x)))", "self.bn(self.act(self.conv(x)))"),),
        ("first difference: blocks.0, Block",
         "  in its code ahead of the call of blocks.0.bn")),
    "a transposed weight": Planted(
        (("\n\nclass Renamed(", TURNED),
         ("nn.Dense(width, width, has_bias=False)", "Turned(width, width)")),
        ("first difference: out, Linear",)),
}  # fmt: skip


@pytest.mark.parametrize("one", PLANTED.values(), ids=PLANTED)
def test_a_planted_difference_is_named_by_the_command_at_its_layer(
    place: Place, tmp_path: Path, torch: Any, one: Planted
) -> None:
    text = (place.after / "renamed.py").read_text("utf-8")
    for old, new in one.edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "renamed.py").write_text(text, "utf-8")
    more = ("--train",) if one.train else ()
    weights = save(torch, place.state, tmp_path / "old.pth")
    code, lines, _ = tm2ms("compare", place.before / "renamed.py", tmp_path / "renamed.py",
                           "Renamed()", *INPUTS, *more, "--checkpoint", weights)  # fmt: skip
    assert code == 1
    start = lines.index(one.lines[0])
    assert lines[start : start + len(one.lines)] == list(one.lines)
    told = [line.split()[0] for line in lines[start:] if " renamed.py:" in line]
    assert told[:2] == ["torch:", "MindSpore:"]


# --- models that a person has finished ------------------------------------------------------------


def pair(directory: Path, before: str, after: str) -> None:
    """Write both versions of a model."""
    for name, text in (("before", before), ("after", after)):
        (directory / f"{name}.py").write_text(text, "utf-8")


NORMED = """
import torch.nn as nn
from torch.nn.utils import parametrizations, weight_norm


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = weight_norm(nn.Conv1d(3, 8, 3, padding=1))
        self.second = parametrizations.weight_norm(nn.Conv1d(8, 8, 3, padding=1))
        self.up = weight_norm(nn.ConvTranspose1d(8, 4, 4, 2, padding=1), dim=1)
        self.fc = weight_norm(nn.Linear(4, 2), dim=None)

    def forward(self, x):
        return self.fc(self.up(self.second(self.first(x))).transpose(1, 2))
"""
PLAIN = """
from mindspore import nn


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(3, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.second = nn.Conv1d(8, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.up = nn.Conv1dTranspose(8, 4, 4, 2, pad_mode="pad", padding=1, has_bias=True)
        self.fc = nn.Dense(4, 2)

    def construct(self, x):
        return self.fc(self.up(self.second(self.first(x))).swapaxes(1, 2))
"""


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_in_two_parts_are_joined_as_torch_joins_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any
) -> None:
    pair(tmp_path, NORMED, PLAIN)
    monkeypatch.chdir(tmp_path)
    model = built(tmp_path, "before", "Net()")
    torch.save(drawn(torch, model), "old.pth")
    code, lines, _ = tm2ms("checkpoint", "old.pth", "new.npz", "--model", "after:Net()")
    assert code == 0 and lines[0] == (
        "joined    first.weight: of first.weight_g and first.weight_v, as weight_norm does"
    )
    model(torch.zeros(1, 3, 4))  # makes the weights
    for name, value in read(Path("new.npz")).items():
        path, _, last = name.rpartition(".")
        expected = getattr(model.get_submodule(path), last).detach().numpy()
        assert np.allclose(value.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6), name
    arguments = ("compare", "before.py", "after.py", "Net()", "--input", "2,3,16",
                 "--checkpoint", "old.pth")  # fmt: skip
    code, lines, _ = tm2ms(*arguments)
    assert code == 0 and "note  fc.weight is one weight in MindSpore" in "\n".join(lines)
    code, lines, _ = tm2ms(*arguments, "--train")
    assert code == 1 and "  weight is trained in MindSpore alone" in lines


TIED = {
    "before": """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.out = nn.Linear(4, 9, bias=False)
        self.out.weight = self.words.weight

    def forward(self, x):
        return self.out(self.words(x))
""",
    "after": """
from mindspore import nn


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.out = nn.Dense(4, 9, has_bias=False)
        self.out.weight = self.words.embedding_table

    def construct(self, x):
        return self.out(self.words(x))
""",
}


@pytest.mark.parametrize("names", [("words.weight", "out.weight"), ("words.weight",)])
def test_tied_weights_are_carried_under_both_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any, names: tuple[str, ...]
) -> None:
    pair(tmp_path, **TIED)
    monkeypatch.chdir(tmp_path)
    state = drawn(torch, built(tmp_path, "before", "Net()"))
    torch.save({name: state[name] for name in names}, "old.pth")
    assert tm2ms("checkpoint", "old.pth", "new.npz", "--model", "after:Net()")[0] == 0
    values = read(Path("new.npz"))
    assert values.keys() == {"words.embedding_table", "out.weight"}
    assert all(np.array_equal(one, state["out.weight"].numpy()) for one in values.values())
    if len(names) == 1:
        code, lines, _ = tm2ms("compare", "before.py", "after.py", "Net()", "--input", "2,5:int64",
                               "--checkpoint", "old.pth", "--train")  # fmt: skip
        assert code == 0 and not any(line.startswith("note") for line in lines)


def test_weights_that_differ_are_not_tied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any
) -> None:
    pair(tmp_path, TIED["before"].replace("        self.out.weight = self.words.weight\n", ""),
         TIED["after"])  # fmt: skip
    monkeypatch.chdir(tmp_path)
    torch.save(drawn(torch, built(tmp_path, "before", "Net()")), "old.pth")
    code, lines, _ = tm2ms("checkpoint", "old.pth", "new.npz", "--model", "after:Net()")
    assert code == 1 and not Path("new.npz").exists()
    assert [line.split()[:2] for line in lines] == [
        ["ambiguous", "out.weight:"], ["ambiguous", "words.weight:"],
    ]  # fmt: skip


BY_BATCH = {
    "before": """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3, track_running_stats=False)
        self.deep = nn.BatchNorm3d(3, track_running_stats=False, affine=False)

    def forward(self, x):
        return self.bn(self.deep(x.unsqueeze(2)).squeeze(2))
""",
    "after": """
from mindspore import nn


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3, use_batch_statistics=True)
        self.deep = nn.BatchNorm3d(3, use_batch_statistics=True, affine=False)

    def construct(self, x):
        return self.bn(self.deep(x.unsqueeze(2)).squeeze(2))
""",
}


def test_statistics_that_are_not_kept_in_torch_go_neither_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any
) -> None:
    pair(tmp_path, **BY_BATCH)
    monkeypatch.chdir(tmp_path)
    state = drawn(torch, built(tmp_path, "before", "Net()"))
    torch.save(state, "old.pth")
    code, lines, _ = tm2ms("checkpoint", "old.pth", "new.ckpt", "--model", "after:Net()")
    assert code == 0 and "filled    bn.moving_mean" in lines
    code, lines, _ = tm2ms("compare", "before.py", "after.py", "Net()", "--input", "4,3,5,5",
                           "--checkpoint", "old.pth", "--train", "--mode", "both")  # fmt: skip
    assert code == 0, lines
    code, lines, _ = tm2ms("checkpoint", "new.ckpt", "back.pth", "--reverse",
                           "--model", "after:Net()")  # fmt: skip
    assert code == 0 and "dropped   bn.moving_variance" in lines
    found = torch.load("back.pth", weights_only=True)
    assert found.keys() == {"bn.weight", "bn.bias"}
    assert all(torch.equal(value, state[name]) for name, value in found.items())


def test_statistics_that_mindspore_alone_would_use_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any
) -> None:
    pair(tmp_path, BY_BATCH["before"], BY_BATCH["after"].replace("use_batch_statistics=True",
         "use_batch_statistics=None"))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    torch.save(drawn(torch, built(tmp_path, "before", "Net()")), "old.pth")
    code, lines, _ = tm2ms("checkpoint", "old.pth", "new.ckpt", "--model", "after:Net()")
    assert code == 1 and not Path("new.ckpt").exists()
    assert [line.split()[1] for line in lines if line.startswith("extra")] == [
        "bn.moving_mean:", "bn.moving_variance:", "deep.bn2d.moving_mean:",
        "deep.bn2d.moving_variance:",
    ]  # fmt: skip
