"""`tm2ms checkpoint` and `tm2ms compare` with both frameworks, from file to file."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mapper.cli.app import app
from mapper.weights.files import read, write

MODELS = Path(__file__).parent.parent / "comparing"


def tm2ms(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture
def state(torch: Any) -> dict[str, Any]:
    """Weights of the model in torch, of which a part suffices to tell them apart."""
    nn = torch.nn
    bn = nn.BatchNorm2d
    layers = {
        "stem": nn.Sequential(nn.Conv2d(3, 8, 3), bn(8)),
        "edge": nn.Conv2d(8, 8, 3),
        "blocks": nn.ModuleList(
            nn.ModuleDict({"conv": nn.Conv2d(8, 8, 3, bias=False), "bn": bn(8)}) for _ in range(2)
        ),
        "first": nn.ModuleList([nn.Linear(8, 8)]),
        "second": nn.ModuleList([nn.Linear(8, 8)]),
        "words": nn.Embedding(12, 8),
        "mixer": nn.Conv1d(8, 8, 3),
        "norm": nn.LayerNorm(8),
        "fc": nn.Linear(8, 5),
    }
    found: dict[str, Any] = nn.ModuleDict(layers).state_dict()
    return found


@pytest.mark.parametrize("suffix", [".ckpt", ".npz", ".safetensors"])
def test_the_weights_of_torch_load_into_the_migrated_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: Any, state: dict[str, Any], suffix: str
) -> None:
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "old.pth")
    new = tmp_path / f"new{suffix}"
    monkeypatch.chdir(MODELS / "after")
    code, product, talk = tm2ms("checkpoint", str(tmp_path / "old.pth"), str(new),
                                "--model", "net:Net()")  # fmt: skip
    assert code == 0, product + talk
    assert product.splitlines() == [
        *(
            f"dropped   {name}.num_batches_tracked"
            for name in ("blocks.0.bn", "blocks.1.bn", "stem.1")
        ),
        "ignored   epoch: no array among the weights",
    ]
    ms = importlib.import_module("mindspore")
    found = ms.load_checkpoint(str(new)) if suffix == ".ckpt" else read(new)
    values = {name: np.asarray(getattr(one, "asnumpy", lambda o=one: o)())
              for name, one in found.items()}  # fmt: skip
    assert len(values) == len(state) - 3
    assert np.array_equal(values["mixer.weight"][:, :, 0], state["mixer.weight"].numpy())
    assert np.array_equal(values["edge.1.weight"], state["edge.weight"].numpy())
    assert np.array_equal(values["words.embedding_table"], state["words.weight"].numpy())


def test_the_library_of_the_format_reads_what_is_written(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(True)}
    write(tmp_path / "ours.safetensors", values)
    library.save_file(values, tmp_path / "theirs.safetensors")
    for found in (library.load_file(tmp_path / "ours.safetensors"),
                  read(tmp_path / "theirs.safetensors")):  # fmt: skip
        assert {name: value.tolist() for name, value in found.items()} == {
            "a": [[0, 1, 2], [3, 4, 5]], "b": True,
        }  # fmt: skip


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_numbers_that_numpy_lacks_are_the_same_to_the_library_of_the_format(
    tmp_path: Path, torch: Any, dtype: str
) -> None:
    library = pytest.importorskip("safetensors.torch")
    values = {"a": torch.arange(-3, 3).reshape(2, 3).to(getattr(torch, dtype))}
    library.save_file(values, tmp_path / "theirs.safetensors")
    carried = read(tmp_path / "theirs.safetensors")
    assert carried["a"].dtype.names == (dtype,)
    write(tmp_path / "ours.safetensors", carried)
    found = library.load_file(tmp_path / "ours.safetensors")["a"]
    assert found.dtype == values["a"].dtype
    assert found.float().tolist() == values["a"].float().tolist()


def test_the_library_of_the_format_reads_no_bfloat16_for_numpy(tmp_path: Path) -> None:
    # why `mapper.weights.files` reads the format itself
    pytest.importorskip("safetensors")
    carried = np.zeros(3, "<u2").view(np.dtype([("bfloat16", "<u2")]))
    write(tmp_path / "one.safetensors", {"a": carried})
    text = "import sys, safetensors as s; s.safe_open(sys.argv[1], 'np').get_tensor('a')"
    # in a process of its own: MindSpore brings a library that teaches numpy the dtype
    done = subprocess.run([sys.executable, "-c", text, str(tmp_path / "one.safetensors")],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1 and "TypeError: data type 'bfloat16'" in done.stderr


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, torch: Any) -> None:
    torch.save({"state_dict": Path("x")}, tmp_path / "old.pth")
    code, _, talk = tm2ms("checkpoint", str(tmp_path / "old.pth"), str(tmp_path / "new.npz"),
                          "--model", "net:Net()")  # fmt: skip
    assert code == 2 and "UnpicklingError" in talk


def test_compare_takes_a_checkpoint_and_answers_in_json(
    tmp_path: Path, torch: Any, state: dict[str, Any]
) -> None:
    torch.save(state, tmp_path / "old.pth")
    arguments = ("compare", str(MODELS / "before"), str(MODELS / "after"), "net:Net()",
                 "--input", "2,3,9,9", "--input", "tokens=2,5:int64<12",
                 "--checkpoint", str(tmp_path / "old.pth"), "--output-format", "json")  # fmt: skip
    code, product, talk = tm2ms(*arguments)
    assert code == 0, product + talk
    found = json.loads(product)
    assert found["agrees"] and found["weights"] == {"matched": 29, "problems": []}
    assert found["runs"][0]["layers"][0]["path"] == "stem.0"


def test_compare_ends_with_one_where_models_differ_and_with_two_where_one_fails(
    tmp_path: Path,
) -> None:
    text = (MODELS / "after" / "net.py").read_text("utf-8")
    before = str(MODELS / "before" / "net.py")
    for number, (old, new, code, words) in enumerate([
        ("LeakyReLU(0.1)", "LeakyReLU(0.3)", 1, "first difference: blocks.0.act, LeakyReLU\n"),
        ("mean((2, 3))", "mean((2, 9))", 2, "did not run: MindSpore: ValueError: "),
    ]):  # fmt: skip
        after = tmp_path / f"new{number}.py"
        after.write_text(text.replace(old, new))
        done = tm2ms("compare", before, str(after), "Net()", "--input", "2,3,9,9",
                     "--input", "2,5:int64")  # fmt: skip
        assert done[0] == code and words in done[1]
