"""What can be asked for, and how inputs are written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mapper.comparing import side
from mapper.comparing.request import Input, InputError, parse_input, place, read_input


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,3,224,224", Input((1, 3, 224, 224))),
        ("5", Input((5,))),
        ("5,", Input((5,))),
        ("2, 16:int64", Input((2, 16), "int64")),
        ("2,16:int64<1000", Input((2, 16), "int64", 1000)),
        (":int64<1000", Input((), "int64", 1000)),
        (":float64", Input((), "float64")),
        ("mask=2,16:bool", Input((2, 16), "bool", None, "mask")),
    ],
)
def test_an_input_is_read(text: str, expected: Input) -> None:
    assert parse_input(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,,2", "1,-2", "1:complex64", "1:float32<3", "1:bool<2", "a b=1", "=1", "1:int64<"],
)
def test_what_is_no_input_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_input(text)


@pytest.mark.parametrize(
    ("one", "dtype", "below"),
    [
        (Input((400,)), "float32", np.inf),
        (Input((400,), "float16"), "float16", np.inf),
        (Input((400,), "int64"), "int64", 7),
        (Input((400,), "int32", 3), "int32", 3),
        (Input((400,), "bool"), "bool", 2),
    ],
    ids=str,
)
def test_values_are_drawn_as_asked(one: Input, dtype: str, below: float) -> None:
    values = one.drawn(np.random.default_rng(0), rows=7)
    assert (values.shape, values.dtype.name) == ((400,), dtype)
    if below < np.inf:
        assert (values.min(), values.max()) == (0, below - 1)


def test_an_array_is_read_from_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(6).reshape(2, 3))
    one = read_input(tmp_path / "x.npy")
    assert one.shape == (2, 3)
    assert one.drawn(np.random.default_rng(0), rows=1).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_file_that_runs_code_or_holds_no_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("1 2 3")
    np.savez(tmp_path / "many.npz", a=np.ones(2))
    for name in ("objects.npy", "text.npy", "many.npz", "missing.npy"):
        with pytest.raises(InputError):
            read_input(tmp_path / name)


def test_a_directory_needs_a_module_and_a_file_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("")
    root = str(tmp_path.resolve())
    assert place(tmp_path, "models.resnet:build()[0]") == (root, "models.resnet", "build()[0]")
    assert place(tmp_path / "old.py", "build()") == (root, "old", "build()")
    assert place(tmp_path / "old.py", ":build()") == (root, "old", "build()")
    assert place(tmp_path / "old.py", "new:build()") == (root, "old", "build()")


@pytest.mark.parametrize("expression", ["build()", "models:", ":build()", "a-b:c", "a.:c"])
def test_what_names_no_module_is_refused(tmp_path: Path, expression: str) -> None:
    with pytest.raises(InputError, match=r"package\.module:expression"):
        place(tmp_path, expression)


def test_a_place_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a file nor a directory"):
        place(tmp_path / "nothing", "a:b")


def test_packages_without_an_init_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "unheard" / "of").mkdir(parents=True)
    (tmp_path / "unheard" / "of" / "model.py").write_text("value = 1\n")
    for _ in range(2):
        with side.modules_of(str(tmp_path)):
            assert side.evaluate("unheard.of.model", "value") == 1
        assert not [name for name in sys.modules if name.startswith("unheard")]


def test_an_object_among_the_modules_that_answers_every_attribute_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Anything:
        def __getattr__(self, name: str) -> object:
            return object()

    (tmp_path / "unseen.py").write_text("value = 1\n")
    with side.modules_of(str(tmp_path)):
        side.evaluate("unseen", "value")
        monkeypatch.setitem(sys.modules, "unseen_classes", Anything())
    assert "unseen" not in sys.modules
    assert "unseen_classes" in sys.modules
