"""Files of weights that numpy alone can read and write: `.safetensors` and `.npz`.

Values are read as they are needed and written piece by piece, and what was read is given back, so
that a file may be larger than memory. bfloat16 and numbers of eight bits, which numpy lacks, are
carried as their bytes. The library of `.safetensors` cannot do either for numpy: its `safe_open`
raises a TypeError for bfloat16 and makes whole arrays of the rest, and `save_file` keeps in memory
what it has read. The oracle tests hold its reader and writer against those of this module.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
HEADER_LIMIT = 100 << 20  # the limit of the `safetensors` library
PIECE = 16 << 20  # bytes that are in memory at a time

DTYPES: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "C64": np.dtype("<c8"),
    "BF16": np.dtype([("bfloat16", "<u2")]),
    "F8_E4M3": np.dtype([("float8_e4m3fn", "u1")]),
    "F8_E5M2": np.dtype([("float8_e5m2", "u1")]),
}
"""The dtypes of the format; a field of bytes by torch's name stands for what numpy lacks."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class FileError(Exception):
    """A file of weights cannot be read or written; the message says why."""


def as_float32(value: Array) -> Array:
    """Return bfloat16, which is carried as its bytes, as numbers; other values as they are."""
    if value.dtype.names is None:
        return value
    if value.dtype != DTYPES["BF16"]:
        raise FileError(f"{value.dtype.names[0]} cannot be made numbers of")
    wide: Array = value["bfloat16"].astype(np.uint32) << 16
    return wide.view(np.float32)


def are_equal(one: Array, other: Array) -> bool:
    """Say whether two arrays hold the same bytes; a piece of each is in memory at a time."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    pieces = zip(_pieces(one), _pieces(other), strict=True)
    return all(piece.tobytes() == second.tobytes() for piece, second in pieces)


def _pieces(value: Array) -> Iterator[Array]:
    """Return an array bit by bit; the memory of a piece of a file is given back behind it."""
    flat = value.reshape(-1)
    mapped = getattr(value, "_mmap", None)
    step = max(1, PIECE // max(1, value.itemsize))
    for start in range(0, flat.size, step):
        yield flat[start : start + step]
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def read(path: Path) -> dict[str, Array]:
    """Return the arrays of a file by name; their values are read when they are used.

    Raises:
        FileError: it is of another kind, damaged, or cannot be read.
    """
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz}
    try:
        found: dict[str, Array] = _reader(path, readers)(path)
        return found
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: {_said(error)}") from error


def write(path: Path, values: Mapping[str, Array]) -> None:
    """Write arrays by name; the file is there as a whole or not at all.

    Raises:
        FileError: it is of another kind, or cannot be written.
    """
    writers = {".safetensors": _write_safetensors, ".npz": _write_npz}
    part = path.with_name(f".{path.name}.part")
    try:
        _reader(path, writers)(part, values)
        part.replace(path)
    except (OSError, ValueError, KeyError) as error:
        part.unlink(missing_ok=True)
        raise FileError(f"{path}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _reader(path: Path, known: Mapping[str, Any]) -> Any:
    if path.suffix not in known:
        raise ValueError(f"weights are read and written as {' or '.join(known)}")
    return known[path.suffix]


def _read_npz(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _write_npz(path: Path, values: Mapping[str, Array]) -> None:
    with path.open("wb") as file:
        np.savez(file, **dict[str, Any](values))


def _read_safetensors(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        first = file.read(8)
        size = struct.unpack("<Q", first)[0] if len(first) == 8 else HEADER_LIMIT + 1
        if size > HEADER_LIMIT:
            raise ValueError("not a safetensors file")
        text = file.read(size)
        if len(text) < size:
            raise ValueError("it ends within its header")
        header = json.loads(text)
    start, end = 8 + size, path.stat().st_size
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")
    header.pop("__metadata__", None)
    return {name: _mapped(path, name, one, start, end) for name, one in header.items()}


def _mapped(path: Path, name: str, one: Mapping[str, Any], start: int, end: int) -> Array:
    if one["dtype"] not in DTYPES:
        raise ValueError(f"{name} has the dtype {one['dtype']}, which cannot be carried")
    dtype, shape = DTYPES[one["dtype"]], tuple(one["shape"])
    first, last = one["data_offsets"]
    fits = 0 <= first <= last <= end - start and min(shape, default=0) >= 0
    if not fits or last - first != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} does not fit into the file")
    if first == last:  # nothing can be mapped
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start + first, shape or (1,)).reshape(shape)


def _write_safetensors(path: Path, values: Mapping[str, Array]) -> None:
    header, place = {}, 0
    for name, value in values.items():
        dtype = value.dtype.newbyteorder("<") if value.dtype.names is None else value.dtype
        if dtype not in NAMES:
            raise ValueError(f"{name} has the dtype {value.dtype}, which the format lacks")
        offsets = [place, place + value.nbytes]
        header[name] = {"dtype": NAMES[dtype], "shape": value.shape, "data_offsets": offsets}
        place += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in values.values():
            little = value.dtype.newbyteorder("<") if value.dtype.names is None else value.dtype
            for piece in _pieces(value):
                np.ascontiguousarray(piece, little).tofile(file)
