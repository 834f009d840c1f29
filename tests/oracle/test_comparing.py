"""The comparer, on a pair of models that are the same, and on every difference planted in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mapper.comparing.compare import Frameworks, compare
from mapper.comparing.request import Interpreters, Request, parse_input
from mapper.comparing.results import Comparison, Kind, SideError

HERE = Path(__file__).parent.parent / "comparing"
INPUTS = (parse_input("4,3,17,19"), parse_input("4,7:int64"))
BOTH = Request(HERE / "before", HERE / "after", "net:Net()", INPUTS, modes=("pynative", "graph"))

TURNED = """

class Turned(nn.Cell):
    def __init__(self, before, after):
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros((before, after), np.float32)))
        self.bias = Parameter(Tensor(np.zeros(after, np.float32)))

    def construct(self, x):
        return ops.matmul(x, self.weight) + self.bias


class Block("""


@pytest.fixture(scope="module")
def frameworks() -> Iterator[Frameworks]:
    """Both programs, for all tests of this file."""
    with Frameworks(Interpreters()) as both:
        yield both


def planted(directory: Path, *edits: tuple[str, str]) -> Path:
    """Return a copy of the model in MindSpore with texts replaced, wherever they stand."""
    text = (HERE / "after" / "net.py").read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (directory / "net.py").write_text(text, "utf-8")
    return directory


def seen(result: Comparison) -> str:
    """Return what a failed assertion is to show."""
    return "\n".join(str(run.first or run.failure) for run in result.runs)


def test_models_that_are_the_same_agree_in_all(frameworks: Frameworks) -> None:
    result = frameworks.compare(replace(BOTH, train=True))
    assert result.names.is_complete, result.names.problems
    assert result.agrees, seen(result)
    assert [(run.mode, run.train) for run in result.runs] == [
        ("pynative", False), ("graph", False), ("pynative", True), ("graph", True),
    ]  # fmt: skip
    assert [run.tolerance for run in result.runs] == [1e-5, 1e-5, 1e-4, 1e-4]
    largest = {one.torch_dtype: one.largest for run in result.runs for one in run.outputs}
    assert 0 < largest["float32"] < 1e-6
    pynative = result.runs[2]
    assert len(pynative.calls) == 21 and all(call.ran for call in pynative.calls)
    assert len(pynative.statistics) == 6 and len(pynative.gradients) == 23
    assert result.notes == () and all(run.notes == () for run in result.runs)


def test_a_call_knows_where_its_layer_is_made(frameworks: Frameworks) -> None:
    result = frameworks.compare(replace(BOTH, modes=("pynative",)))
    places = {call.path: (call.source, call.mindspore_source) for call in result.runs[0].calls}
    lines: dict[tuple[str, str], str] = {}
    for side in ("before", "after"):
        text = (HERE / side / "net.py").read_text("utf-8").splitlines()
        for number, line in enumerate(text, 1):
            name = line.strip().partition(" = ")[0].removeprefix("self.")
            lines.setdefault((side, name), f"net.py:{number}")
    for path, name in {"blocks.1.bn": "bn", "stem.1": "stem", "edge": "edge"}.items():
        assert places[path] == (lines["before", name], lines["after", name])


@dataclass(frozen=True)
class Case:
    """Edits of the model in MindSpore, and the layer that is to be named for them."""

    edits: tuple[tuple[str, str], ...]
    path: str
    kind: Kind
    train: bool = False
    before: str | None = None


def case(old: str, new: str, path: str, kind: Kind, before: str | None = None) -> Case:
    return Case(((old, new),), path, kind, before=before)


def training(old: str, new: str, path: str, kind: Kind) -> Case:
    return Case(((old, new),), path, kind, train=True)


PLANTED = {
    "eps of a batch normalisation": case("eps=1e-3", "eps=1e-5", "stem.1", Kind.OUTPUT),
    "eps of a batch normalisation, left out": case(
        "nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, eps=1e-6)", "blocks.0.bn",
        Kind.OUTPUT),
    "eps of a layer normalisation": case("epsilon=1e-5", "epsilon=1e-3", "norm", Kind.OUTPUT),
    "momentum": training("momentum=0.8", "momentum=0.2", "stem.1", Kind.STATISTICS),
    "momentum, left out": training(", momentum=0.8", "", "stem.1", Kind.STATISTICS),
    "zeros instead of the reflection": case(
        "nn.ReflectionPad2d(2)", "nn.ZeroPad2d(2)", "edge", Kind.OUTPUT),
    "one element less of padding": case(
        "nn.ReflectionPad2d(2)", "nn.ReflectionPad2d((2, 1, 2, 1))", "edge", Kind.OUTPUT),
    "no padding, so that a sum fails": case(
        'channels, 3, pad_mode="pad", padding=1)', 'channels, 3, pad_mode="valid")',
        "blocks.0.conv", Kind.OUTPUT),
    "padding at the other end": case(
        'stride=2, pad_mode="pad", padding=1', 'stride=2, pad_mode="pad", padding=(0, 2, 0, 2)',
        "stem.0", Kind.OUTPUT),
    "a transposed weight of another shape": Case(
        (("\n\nclass Block(", TURNED), ("nn.Dense(8, 5)", "Turned(8, 5)"),
         ("from mindspore import", "import numpy as np\nfrom mindspore import Parameter, Tensor,")),
        "fc", Kind.WEIGHTS),
    "a transposed weight of the same shape": Case(
        (("\n\nclass Block(", TURNED), ("second = nn.CellList([nn.Dense",
          "second = nn.CellList([Turned"),
         ("from mindspore import", "import numpy as np\nfrom mindspore import Parameter, Tensor,")),
        "second.0", Kind.OUTPUT),
    "two layers called in the other order": case(
        "self.bn(self.conv(x))", "self.conv(self.bn(x))", "blocks.0", Kind.INPUT,
        "blocks.0.conv"),
    "two layers made in the other order": case(
        "            nn.BatchNorm2d(8, eps=1e-3, momentum=0.8),\n            nn.ReLU(),\n",
        "            nn.ReLU(),\n            nn.BatchNorm2d(8, eps=1e-3, momentum=0.8),\n",
        "stem.1", Kind.WEIGHTS),
    "two layers that stand for each other": case(
        "self.second[0](ops.relu(self.first[0](x + words)))",
        "self.first[0](ops.relu(self.second[0](x + words)))", "", Kind.INPUT, "first.0"),
    "a layer that is always in evaluation": training(
        "nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, use_batch_statistics=False)",
        "blocks.0.bn", Kind.OUTPUT),
    "a layer that stays in evaluation": training(
        "    def construct(self, x, tokens):\n",
        "    def set_train(self, mode=True):\n"
        "        super().set_train(mode)\n"
        "        self.blocks[1].bn.set_train(False)\n"
        "        return self\n\n"
        "    def construct(self, x, tokens):\n", "blocks.1.bn", Kind.MODE),
    "lists that are filled by append": Case(
        (("self.first = nn.CellList([nn.Dense(8, 8)])",
          "self.first = nn.CellList()\n        self.first.append(nn.Dense(8, 8))"),
         ("self.second = nn.CellList([nn.Dense(8, 8)])",
          "self.second = nn.CellList()\n        self.second.append(nn.Dense(8, 8))")),
        "first.0", Kind.NAME),
    "the slope of a LeakyReLU": case(
        "nn.LeakyReLU(0.1)", "nn.LeakyReLU()", "blocks.0.act", Kind.OUTPUT),
    "an activation of another kind": case("nn.ReLU()", "nn.ReLU6()", "stem.2", Kind.OUTPUT),
    "a missing layer": case(
        "self.act(self.bn(self.conv(x)))", "self.bn(self.conv(x))", "blocks.0.act", Kind.OUTPUT),
    "a missing function": case(
        "ops.relu(self.first[0](x + words))", "self.first[0](x + words)", "", Kind.INPUT,
        "second.0"),
    "a missing function at the end": case(
        "return self.fc(x), words", "return ops.relu(self.fc(x)), words", "", Kind.OUTPUT),
    "a layer called once more": case(
        "self.drop(self.norm(x))", "self.drop(self.norm(self.norm(x)))", "", Kind.INPUT, "drop"),
    "a missing bias": case(
        'padding=1, has_bias=True)\n        self.norm', "padding=1)\n        self.norm", "mixer",
        Kind.WEIGHTS),
    "the rate of a dropout, which MindSpore takes for what is kept": case(
        "nn.Dropout(p=0.3)", "nn.Dropout(0.3)", "drop", Kind.RATE),
    "another dtype": case(
        "return self.fc(x), words", "return self.fc(x).astype('float16'), words", "",
        Kind.OUTPUT),
    "a gradient that is stopped": training(
        "x = self.drop(self.norm(x))", "x = self.drop(ops.stop_gradient(self.norm(x)))", "norm",
        Kind.GRADIENT),
    "an operator that fails": case(
        "ops.relu(x).mean((2, 3))", "ops.relu(x).mean((2, 7))", "", Kind.FAILURE),
    "a layer that fails": case("nn.Dense(8, 5)", "nn.Dense(9, 5)", "fc", Kind.WEIGHTS),
}  # fmt: skip


@pytest.mark.parametrize("one", PLANTED.values(), ids=PLANTED)
def test_a_planted_difference_is_named_at_its_layer(
    frameworks: Frameworks, tmp_path: Path, one: Case
) -> None:
    after = planted(tmp_path, *one.edits)
    request = replace(BOTH, after=after, train=one.train, modes=("pynative",))
    result = frameworks.compare(request)
    first = result.first
    assert first is not None and not result.agrees
    assert (first.path, first.before) == (one.path, one.before), seen(result)
    assert one.kind in [finding.kind for finding in first.findings], seen(result)


@pytest.mark.parametrize(
    "name",
    ["eps of a batch normalisation", "the slope of a LeakyReLU", "lists that are filled by append"],
)
def test_graph_mode_sees_a_planted_difference_too(
    frameworks: Frameworks, tmp_path: Path, name: str
) -> None:
    request = replace(BOTH, after=planted(tmp_path, *PLANTED[name].edits), modes=("graph",))
    assert not frameworks.compare(request).agrees


def test_graph_mode_names_the_statistics_that_differ(
    frameworks: Frameworks, tmp_path: Path
) -> None:
    after = planted(tmp_path, *PLANTED["momentum"].edits)
    first = frameworks.compare(replace(BOTH, after=after, train=True, modes=("graph",))).first
    assert first is not None and first.path == "stem.1"
    assert {one.kind for one in first.findings} == {Kind.STATISTICS}


# --- rounding that goes beyond the tolerance ------------------------------------------------------

DEEP = replace(BOTH, expression="deep:Net()", inputs=(parse_input("4,3,6,7"),), train=True)


def test_rounding_that_adds_up_and_turns_activations_is_no_difference(
    frameworks: Frameworks,
) -> None:
    result = frameworks.compare(DEEP)
    evaluation, _, training, _ = result.runs
    assert all(run.rounding is not None and run.rounding.step is not None for run in result.runs)
    assert evaluation.outputs[0].largest > evaluation.tolerance
    assert max(one.largest for _, one in training.gradients) > training.tolerance
    assert result.agrees, seen(result)
    for run in (evaluation, training):
        assert run.rounding is not None and run.rounding.step is not None
        assert run.rounding.step < 2e-6 and run.rounding.apart < 8 * run.rounding.own
        assert run.findings == ()


def at(block: int, old: str, new: str) -> tuple[str, str]:
    """Return the edit that gives one block of the chain a class of its own."""
    text = (HERE / "after" / "deep.py").read_text("utf-8")
    cls = text[text.index("class Block(") : text.index("class Net(")]
    assert old in cls
    other = cls.replace("class Block(", "class Other(").replace(old, new)
    return text.replace("class Net(", f"{other}class Net(").replace(
        "Block(16) for _ in range(20)",
        f"Other(16) if i == {block} else Block(16) for i in range(20)",
    ), f"blocks.{block}"


HIDDEN = {
    "eps": ("bn1 = nn.BatchNorm2d(channels)", "bn1 = nn.BatchNorm2d(channels, eps=1e-3)", "bn1"),
    "eps, a tenth of torch's more": (
        "bn2 = nn.BatchNorm2d(channels)", "bn2 = nn.BatchNorm2d(channels, eps=1.1e-5)", "bn2"),
    "padding at the other end": (
        "padding=1, group", "padding=(0, 2, 0, 2), group", "deep"),
    "the edge repeated instead of zeros": (
        "self.bn1(self.deep(x))",
        "self.bn1(self.deep(ops.pad(x, (1, 1, 1, 1), 'replicate'))[:, :, 1:-1, 1:-1])", "deep"),
    "the slope": ("nn.LeakyReLU(0.1)", "nn.LeakyReLU(0.1001)", "act"),
    "a transposed weight": (
        "return self.act(self.bn2(self.wide(x)))",
        "weight = self.wide.weight.swapaxes(0, 1)\n"
        "        x = ops.conv2d(x, weight, self.wide.bias, pad_mode='valid')\n"
        "        return self.act(self.bn2(x))",
        "wide"),
    "two normalisations that stand for each other": (
        "x = ops.relu(self.bn1(self.deep(x)))\n        return self.act(self.bn2(self.wide(x)))",
        "x = ops.relu(self.bn2(self.deep(x)))\n        return self.act(self.bn1(self.wide(x)))",
        "bn1"),
}  # fmt: skip


@pytest.mark.parametrize("block", [2, 19])
@pytest.mark.parametrize("edit", HIDDEN.values(), ids=HIDDEN)
def test_rounding_hides_no_difference_however_deep_it_is(
    frameworks: Frameworks, tmp_path: Path, edit: tuple[str, str, str], block: int
) -> None:
    old, new, name = edit
    text, path = at(block, old, new)
    (tmp_path / "deep.py").write_text(text, "utf-8")
    request = replace(DEEP, after=tmp_path, train=False)
    result = frameworks.compare(replace(request, modes=("pynative",)))
    first = result.first
    assert first is not None and not result.agrees
    assert f"{path}.{name}" in (first.path, first.before), seen(result)


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("block", [2, 19])
def test_rounding_hides_no_momentum(
    frameworks: Frameworks, tmp_path: Path, block: int, mode: str
) -> None:
    text, path = at(block, "bn2 = nn.BatchNorm2d(channels)",
                    "bn2 = nn.BatchNorm2d(channels, momentum=0.91)")  # fmt: skip
    (tmp_path / "deep.py").write_text(text, "utf-8")
    first = frameworks.compare(replace(DEEP, after=tmp_path, modes=(mode,))).first
    assert first is not None and first.path == f"{path}.bn2"
    assert {one.kind for one in first.findings} == {Kind.STATISTICS}


@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_rounding_hides_no_gradient_that_is_wrong_at_one_layer(
    frameworks: Frameworks, tmp_path: Path, mode: str
) -> None:
    text, _ = at(10, "self.bn2(self.wide(x))",
                    "self.bn2(self.wide(x) + 0.01 * (x - ops.stop_gradient(x)))")  # fmt: skip
    (tmp_path / "deep.py").write_text(text, "utf-8")
    first = frameworks.compare(replace(DEEP, after=tmp_path, modes=(mode,))).first
    assert first is not None and {one.kind for one in first.findings} == {Kind.GRADIENT}


# --- as the program leaves its model --------------------------------------------------------------


def test_a_cell_that_nobody_sets_to_training_is_named(frameworks: Frameworks) -> None:
    result = frameworks.compare(replace(BOTH, as_built=True, modes=("pynative",)))
    assert result.runs[0].agrees
    first = result.first
    assert first is not None and first.path == ""
    assert Kind.MODE in [one.kind for one in first.findings]


def test_a_cell_that_is_set_to_training_by_the_program_agrees(frameworks: Frameworks) -> None:
    result = frameworks.compare(replace(BOTH, expression="net:built()", as_built=True))
    assert result.agrees, seen(result)


def test_a_layer_that_the_program_leaves_in_evaluation_is_named(
    frameworks: Frameworks, tmp_path: Path
) -> None:
    edit = ("return Net().set_train()",
            "net = Net().set_train()\n    net.drop.set_train(False)\n    return net")  # fmt: skip
    request = replace(BOTH, after=planted(tmp_path, edit), expression="net:built()", as_built=True)
    first = frameworks.compare(request).first
    assert first is not None and first.path == "drop"


# --- weights, random numbers, files ---------------------------------------------------------------


def test_weights_that_are_given_are_used_as_they_are(frameworks: Frameworks) -> None:
    weights = {"fc.weight": np.zeros((5, 8), np.float32), "fc.bias": np.ones(5, np.float32)}
    result = frameworks.compare(replace(BOTH, weights=weights, modes=("pynative",)))
    assert result.agrees, seen(result)
    assert result.runs[0].outputs[0].scale == 1.0


def test_random_numbers_are_the_same_on_both_sides(frameworks: Frameworks, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    (before / "noise.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x + torch.randn_like(x) * torch.rand(3)\n"
    )
    (after / "noise.py").write_text(
        "from mindspore import nn, ops\n\n\nclass Net(nn.Cell):\n"
        "    def construct(self, x):\n"
        "        return x + ops.randn_like(x) * ops.rand(3)\n"
    )
    request = Request(before, after, "noise:Net()", (parse_input("2,3"),))
    result = frameworks.compare(request)
    assert result.agrees and result.runs[0].notes == (), seen(result)
    graph = frameworks.compare(replace(request, modes=("graph",)))
    assert graph.runs[0].notes == ("random numbers cannot be given to a model in GRAPH_MODE",)


def test_single_files_of_any_name_are_compared(frameworks: Frameworks, tmp_path: Path) -> None:
    before = shutil.copy(HERE / "before" / "net.py", tmp_path / "old.py")
    after = shutil.copy(HERE / "after" / "net.py", tmp_path / "new.py")
    request = replace(BOTH, before=Path(before), after=Path(after), modes=("pynative",))
    assert frameworks.compare(replace(request, expression="Net()")).agrees


def test_a_keyword_only_input_is_given_in_every_mode(
    frameworks: Frameworks, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    text = (
        "class Net(nn.{base}):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.{layer}(3, 4)\n\n"
        "    def {method}(self, x, *, strength=None):\n"
        "        return self.fc(x) if strength is None else self.fc(x) * strength\n"
    )
    for directory, framework, names in (
        (before, "torch", {"base": "Module", "layer": "Linear", "method": "forward"}),
        (after, "mindspore", {"base": "Cell", "layer": "Dense", "method": "construct"}),
    ):
        directory.mkdir()
        (directory / "scaled.py").write_text(
            f"from {framework} import nn\n\n\n" + text.format(**names)
        )
    inputs = (parse_input("5,3"), parse_input("strength=5,4"))
    modes = ("pynative", "graph")
    result = frameworks.compare(
        Request(before, after, "scaled:Net()", inputs, train=True, modes=modes)
    )
    assert result.agrees, seen(result)
    assert [run.failure for run in result.runs] == [None] * 4


# --- sides that do not run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "side", "words"),
    [
        ("net:Missing()", "torch", "NameError: name 'Missing' is not defined"),
        ("nowhere:Net()", "torch", "ModuleNotFoundError: No module named 'nowhere'"),
        ("net:nn", "torch", "nn is a builtins.module, not a torch.nn.Module"),
        ("net:exit(3)", "torch", "SystemExit: 3"),
        ("net:__import__('os')._exit(3)", "torch", "ended with 3: nothing on standard error"),
    ],
)
def test_a_side_that_cannot_build_says_so(expression: str, side: str, words: str) -> None:
    with pytest.raises(SideError) as caught:
        compare(replace(BOTH, expression=expression))
    assert (caught.value.failure.side, caught.value.failure.message) == (side, words)


def test_an_input_that_does_not_fit_fails_in_the_users_line(frameworks: Frameworks) -> None:
    with pytest.raises(SideError) as caught:
        frameworks.compare(replace(BOTH, inputs=(parse_input("4,2,9,9"), INPUTS[1])))
    assert caught.value.failure.message.startswith("RuntimeError: ")
    assert any("net.py" in line for line in caught.value.failure.traceback)


def test_an_interpreter_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(SideError, match="cannot be started"):
        compare(BOTH, Interpreters(str(tmp_path / "python"), str(tmp_path / "python")))


def test_an_interpreter_without_the_framework_says_so(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {Interpreters().torch} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(SideError) as caught:
        compare(BOTH, Interpreters(str(python)))
    assert caught.value.failure.message == "ended with 1: ImportError: no torch here"


def test_an_error_in_mindspore_is_told_with_the_users_line(
    frameworks: Frameworks, tmp_path: Path
) -> None:
    after = planted(tmp_path, *PLANTED["an operator that fails"].edits)
    result = frameworks.compare(replace(BOTH, after=after))
    eager, graph = result.failures
    assert eager.message == (
        "ValueError: For primitive[MeanExt], the axis value must be in [-4,4), but got 7."
    )
    assert any("relu(x).mean((2, 7))" in line for line in eager.traceback)
    assert graph.side == "MindSpore" and graph.message
