"""`tm2ms compare` and `tm2ms checkpoint` as far as they need no framework."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mapper.cli.app import app
from mapper.comparing.as_json import as_json
from mapper.comparing.as_text import as_text
from mapper.comparing.request import Request
from mapper.comparing.results import (
    Call,
    Comparison,
    Culprit,
    Difference,
    Failure,
    Finding,
    Kind,
    Run,
)
from mapper.weights.files import read, write
from mapper.weights.namemap import NameMap

COMPARE = ("compare", ".", ".", "net:Net()", "--input", "1,3")


def tm2ms(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code and what went to both streams."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "nowhere", ".", "net:Net()"), "nowhere is neither a file nor a directory"),
        (("compare", ".", ".", "Net()"), "is not of the form package.module:expression"),
        ((*COMPARE, "--mode", "fast"), "--mode must be pynative, graph or both, not 'fast'"),
        ((*COMPARE, "--output-format", "xml"), "--output-format must be table, json or html"),
        ((*COMPARE, "--tolerance", "nan"), "--tolerance wants a number"),
        ((*COMPARE, "--input", "1:complex64"), "complex64 is no dtype of an input"),
        ((*COMPARE, "--input-file", "x.npy"), "x.npy: "),
        ((*COMPARE, "--checkpoint", "x.safetensors"), "x.safetensors: "),
        ((*COMPARE, "--torch-python", "/nowhere/python"), "/nowhere/python cannot be started"),
        (("checkpoint", "a.npz", "b.npz"), "give either --report FILE.json or --model"),
        (("checkpoint", "a.npz", "b.npz", "--report", "r.json", "--model", "a:b"), "give either"),
        (("checkpoint", "a.npz", "b.npz", "--report", "r.json"), "a.npz: "),
        (("checkpoint", "a.txt", "b.npz", "--report", "r.json"), "a.txt: weights are read"),
        (("checkpoint", "a.pth", "b.npz", "--report", "r.json"), "a.pth: no such file"),
        ((*COMPARE, "--checkpoint", "x.ckpt"), "x.ckpt: no such file"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, product, talk = tm2ms(*arguments)
    assert (code, product) == (2, "")
    assert talk.startswith("tm2ms: ") and words in talk and talk.count("\n") == 1


@pytest.mark.parametrize("command", ["compare", "checkpoint"])
def test_help_says_that_the_users_code_is_run(command: str) -> None:
    code, product, _ = tm2ms(command, "--help")
    assert code == 0 and "your code" in " ".join(product.split())


# --- what compare shows ---------------------------------------------------------------------------

FINE = Difference(1e-7, 1e-8, 2.0, (4, 8), (4, 8), "float32", "float32")
FAR = Difference(0.25, 0.125, 2.0, (4, 8), (4, 8), "float32", "float32")
SHAPED = Difference(math.inf, math.inf, 2.0, (4, 8), (4, 9), "float32", "float32", "[0]")


def call(path: str, cls: str, *outputs: Difference, ran: bool = True) -> Call:
    return Call(path, 0, f"net.{cls}", "net.py:3", cls, "net.py:4", outputs, 1e-5, ran)


def shown(run: Run) -> str:
    return as_text(Comparison(NameMap(()), (run,), ("a and b are one parameter in torch alone",)))


def test_a_run_that_agrees_is_a_table_and_a_line() -> None:
    run = Run(
        "pynative", False, 1e-5, (call("conv", "Conv2d", FINE), call("", "Net", FINE)), (FINE,)
    )
    assert shown(run).splitlines() == [
        "evaluation, PyNative",
        "layer                shape  largest  mean",
        "conv         Conv2d  4,8    1.0e-07  1.0e-08",
        "(the model)  Net     4,8    1.0e-07  1.0e-08",
        "agree: the output differs by at most 1.0e-07 of its largest value",
        "",
        "note  a and b are one parameter in torch alone",
    ]


def test_the_first_layer_that_differs_is_named_with_both_lines() -> None:
    findings = (Finding(Kind.OUTPUT, "bn", f"the output {FAR}", FAR),)
    first = Culprit("bn", "torch.nn.BatchNorm2d", "net.py:3", "BatchNorm2d", "net.py:4", findings)
    calls = (call("bn", "BatchNorm2d", FAR), call("up", "Upsample", ran=False),
             call("fc", "Linear", SHAPED))  # fmt: skip
    text = shown(Run("pynative", False, 1e-5, calls, (FAR,), first=first))
    assert "bn     BatchNorm2d  4,8    2.5e-01  1.2e-01  differs\n" in text
    assert "up     Upsample                              not called in MindSpore\n" in text
    assert "shape (4, 8) in torch, (4, 9) in MindSpore\n" in text
    assert (
        "first difference: bn, BatchNorm2d\n"
        "  the output differs by 2.5e-01 of the largest value (1.2e-01 on average)\n"
        "  torch:     net.py:3\n"
        "  MindSpore: net.py:4\n"
    ) in text


def test_a_step_in_training_shows_statistics_and_gradients() -> None:
    run = Run("graph", True, 1e-4, (), (FINE,), (("bn.running_mean", FAR),), (("fc.bias", FINE),),
              losses=(12.5, 12.25))  # fmt: skip
    text = shown(run)
    assert text.startswith("one step in training, GRAPH_MODE\n")
    assert "bn.running_mean  statistics  4,8    2.5e-01  1.2e-01  differs\n" in text
    assert "fc.bias          gradient    4,8    1.0e-07  1.0e-08\n" in text
    assert "loss (a random projection of the outputs): 12.5 in torch, 12.25\n" in text
    value = as_json(Request(Path(), Path(), "net:Net()", ()), Comparison(NameMap(()), (run,)))
    assert json.loads(value)["runs"][0]["losses"] == [12.5, 12.25]


def test_a_dtype_other_than_float32_is_shown_as_inputs_are_written() -> None:
    indices = replace(FINE, torch_dtype="int64", mindspore_dtype="int32")
    run = Run("pynative", False, 1e-5, (call("top", "TopK", indices),), (indices,))
    assert "top    TopK  4,8:int64  1.0e-07  1.0e-08\n" in shown(run)


def test_a_side_that_did_not_run_is_told_with_its_lines() -> None:
    failure = Failure("MindSpore", "ValueError: no", ("  File net.py, line 3", "ValueError: no"))
    text = shown(Run("graph", False, 1e-5, failure=failure))
    assert "did not run: MindSpore: ValueError: no" in text and "    File net.py, line 3" in text


def test_json_has_no_word_for_infinity() -> None:
    run = Run("pynative", False, 1e-5, (call("fc", "Linear", SHAPED),), (SHAPED,))
    request = Request(Path(), Path(), "net:Net()", ())
    value = json.loads(as_json(request, Comparison(NameMap(()), (run,))))
    (output,) = value["runs"][0]["layers"][0]["outputs"]
    assert output["largest"] is None and output["shapes"] == [[4, 8], [4, 9]]
    assert value["agrees"] is True and value["weights"] == {"matched": 0, "problems": []}


# --- checkpoint by a report -----------------------------------------------------------------------


def report(path: Path) -> Path:
    """Write a report of two layers of one class."""
    parameters = {
        "conv": {"weight": {"torch": [4, 3, 5], "mindspore": [4, 3, 1, 5], "path": "1.weight"}},
        "bn": {"weight": {"torch": [4], "mindspore": [4], "path": "gamma"},
               "bias": {"torch": [4], "mindspore": [4], "path": "beta"}},
    }  # fmt: skip
    apis = {"conv": "torch.nn.Conv1d", "bn": "torch.nn.BatchNorm1d"}
    sites = [
        {"api": apis[name], "status": "migrated", "class": "Net", "attribute": name,
         "parameters": one, "proof": {"kind": "exact"}}
        for name, one in parameters.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"files": [{"sites": sites}]}))
    return path


STATE = {
    "module.conv.weight": np.ones((4, 3, 5), np.float32),
    "module.bn.weight": np.ones(4, np.float32),
    "module.bn.bias": np.zeros(4, np.float32),
    "module.bn.num_batches_tracked": np.array(3),
}


def test_a_checkpoint_is_converted_by_the_report(tmp_path: Path) -> None:
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    write(old, STATE)
    code, product, talk = tm2ms(
        "checkpoint", str(old), str(new), "--report", str(report(tmp_path / "r.json"))
    )
    assert (code, product) == (0, "dropped   bn.num_batches_tracked\n")
    assert talk == f"3 names matched, 0 not; 3 written to {new}\n"
    assert {name: value.shape for name, value in read(new).items()} == {
        "conv.1.weight": (4, 3, 1, 5), "bn.gamma": (4,), "bn.beta": (4,),
    }  # fmt: skip


def test_what_does_not_match_is_listed_and_nothing_is_written(tmp_path: Path) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    write(old, STATE | {"module.fc.weight": np.ones((2, 2))})
    arguments = ("checkpoint", str(old), str(new), "--report", str(report(tmp_path / "r.json")))
    code, product, talk = tm2ms(*arguments)
    assert code == 1 and not new.exists() and talk.endswith("nothing is written\n")
    assert product.startswith("missing   fc.weight: no site of the report builds its layer\n")
    code, _, talk = tm2ms(*arguments, "--partial")
    assert code == 1 and len(read(new)) == 3 and "3 written" in talk


def test_a_name_cannot_forge_a_line(tmp_path: Path) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    write(old, STATE | {"module.x\ndropped   y\x1b[2J": np.ones(1)})
    _, product, _ = tm2ms(
        "checkpoint", str(old), str(new), "--report", str(report(tmp_path / "r.json"))
    )
    assert "missing   x\\ndropped   y\\x1b[2J: " in product and "\x1b" not in product


def test_a_layer_that_is_not_in_every_place_of_its_class_is_said(tmp_path: Path) -> None:
    old, new = tmp_path / "old.npz", tmp_path / "new.npz"
    state = {f"module.{at}.{name.removeprefix('module.')}": value
             for at in ("first", "second") for name, value in STATE.items()}  # fmt: skip
    del state["module.first.conv.weight"]
    write(old, state)
    code, product, _ = tm2ms(
        "checkpoint", str(old), str(new), "--report", str(report(tmp_path / "r.json"))
    )
    line = "absent    first.conv: its class builds it elsewhere (second.conv)"
    assert code == 0 and product.splitlines()[0] == line


def test_a_report_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    write(tmp_path / "old.npz", STATE)
    (tmp_path / "r.json").write_text("[]")
    code, _, talk = tm2ms("checkpoint", str(tmp_path / "old.npz"), str(tmp_path / "new.npz"),
                          "--report", str(tmp_path / "r.json"))  # fmt: skip
    assert code == 2 and "is not a JSON report of tm2ms migrate" in talk
