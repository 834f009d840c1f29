"""Files of weights that are read and written by numpy alone."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.weights.files import DTYPES, PIECE, Array, FileError, are_equal, as_float32, read, write

VALUES: dict[str, Array] = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.count": np.array(7, np.int64),
    "b.mask": np.array([True, False]),
    "b.empty": np.zeros((0, 4), np.float16),
}


def raw(path: Path, header: Any, data: bytes = b"", size: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text + data)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    write(path, VALUES)
    found = read(path)
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        assert found[name].dtype == value.dtype and np.array_equal(found[name], value)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_no_values_are_a_file_too(tmp_path: Path) -> None:
    write(tmp_path / "none.safetensors", {})
    assert read(tmp_path / "none.safetensors") == {}


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_of_the_format_is_carried(tmp_path: Path, name: str) -> None:
    dtype = DTYPES[name]
    data = bytes(range(2 * dtype.itemsize)) if name != "BOOL" else b"\0\1"
    header = {"x": {"dtype": name, "shape": [2], "data_offsets": [0, len(data)]}}
    first = read(raw(tmp_path / "a.safetensors", header, data))
    write(tmp_path / "b.safetensors", first)
    assert read(tmp_path / "b.safetensors")["x"].tobytes() == data
    assert f'"{name}"'.encode() in (tmp_path / "b.safetensors").read_bytes()


def test_bfloat16_becomes_numbers(tmp_path: Path) -> None:
    numbers = np.array([1.0, -2.5, 0.0], np.float32)
    data = (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    found = read(raw(tmp_path / "a.safetensors", header, data))["x"]
    assert as_float32(found).tolist() == numbers.tolist()
    assert as_float32(numbers) is numbers


DAMAGED: dict[str, tuple[Any, bytes, int | None]] = {
    "an empty header": (b"", b"", None),
    "no JSON": (b"{]", b"", None),
    "no object": ([1], b"", None),
    "a header longer than the file": ({"x": 1}, b"", 10**6),
    "a header of absurd length": ({}, b"", 2**60),
    "a dtype that is unknown": (
        {"x": {"dtype": "F4", "shape": [1], "data_offsets": [0, 1]}}, b"x", None),
    "values beyond the end": (
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234", None),
    "fewer values than its shape": (
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234", None),
    "offsets in the wrong order": (
        {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}}, b"1234", None),
    "no offsets": ({"x": {"dtype": "F32", "shape": [1]}}, b"1234", None),
    "an entry that is no object": ({"x": 3}, b"", None),
}  # fmt: skip


@pytest.mark.parametrize(("header", "data", "size"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused(
    tmp_path: Path, header: Any, data: bytes, size: int | None
) -> None:
    with pytest.raises(FileError):
        read(raw(tmp_path / "a.safetensors", header, data, size))


@pytest.mark.parametrize("name", ["a.txt", "a", "missing.safetensors", "text.npz"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.npz").write_text("not a zip file")
    with pytest.raises(FileError, match=name):
        read(tmp_path / name)


def test_pickled_values_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}]))
    with pytest.raises(FileError):
        read(tmp_path / "a.npz")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="complex128"):
        write(tmp_path / "a.safetensors", {"x": np.ones(2, complex)})
    with pytest.raises(FileError):
        write(tmp_path / "no" / "a.safetensors", VALUES)
    assert list(tmp_path.iterdir()) == []


def test_values_of_several_pieces_are_carried_and_compared(tmp_path: Path) -> None:
    size = PIECE // 4 + 3
    values = {"a": np.arange(size, dtype=np.float32), "b": np.zeros(size, np.float32)}
    values["c"] = values["a"].copy()
    write(tmp_path / "a.safetensors", values)
    found = read(tmp_path / "a.safetensors")
    write(tmp_path / "b.safetensors", found)  # also after the memory of the first was given back
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert are_equal(found["a"], found["c"]) and not are_equal(found["a"], found["b"])
    values["c"][-1] = -1
    assert not are_equal(found["a"], values["c"])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.ones(2), np.ones(2), True),
        (np.ones(2), np.ones((2, 1)), False),
        (np.ones(2), np.ones(2, np.float32), False),
        (np.array(np.nan), np.array(np.nan), True),
        (np.zeros((0, 2)), np.zeros((0, 2)), True),
    ],
    ids=["equal", "of another shape", "of another dtype", "not a number", "empty"],
)
def test_arrays_are_equal_by_their_bytes(one: Array, other: Array, expected: bool) -> None:
    assert are_equal(one, other) is expected


def test_what_is_no_number_for_numpy_is_no_float32(tmp_path: Path) -> None:
    header = {"x": {"dtype": "F8_E5M2", "shape": [2], "data_offsets": [0, 2]}}
    found = read(raw(tmp_path / "a.safetensors", header, b"12"))["x"]
    with pytest.raises(FileError, match="float8_e5m2"):
        as_float32(found)
