"""What is to be compared: two versions of the source, one expression, inputs."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.weights.names import Renames

Array = NDArray[Any]
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
# `2,16:int64<1000`; a scalar is `:float32` alone
_SHAPE = re.compile(r"(?P<shape>\d+(?:\s*,\s*\d+)*)?,?(?::(?P<dtype>\w+)(?:<(?P<below>\d+))?)?")


class InputError(ValueError):
    """An input that cannot be understood or read; the message says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """One argument of the model: drawn with a shape and dtype, or `values` that are given.

    Integers are drawn from zero up to `below`; without it, below the least number of rows that an
    embedding of the model has, and below ten where it has none. `name` makes it a keyword.
    """

    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    below: int | None = None
    name: str | None = None
    values: Array | None = field(default=None, compare=False)

    def drawn(self, random: np.random.Generator, rows: int) -> Array:
        """Return its values; `rows` is the least number of rows of an embedding."""
        if self.values is not None:
            return self.values
        if self.dtype == "bool":
            return random.integers(0, 2, self.shape).astype(bool)
        if self.dtype.startswith("float"):
            return np.asarray(random.standard_normal(self.shape)).astype(self.dtype)
        return np.asarray(random.integers(0, self.below or rows, self.shape)).astype(self.dtype)


def parse_input(text: str) -> Input:
    """Return the input that `1,3,224,224`, `2,16:int64`, `2,16:int64<1000` or `mask=2,16:bool` is.

    Raises:
        InputError: it is written in another way.
    """
    name, given, rest = text.partition("=")
    if not given:
        name, rest = "", text
    found = _SHAPE.fullmatch(rest.strip())
    if found is None or not rest.strip() or (given and not name.isidentifier()):
        raise InputError(f"{text!r} is no input: write 1,3,224,224 or 2,16:int64<1000")
    dtype = found["dtype"] or "float32"
    if dtype not in DTYPES:
        raise InputError(f"{dtype} is no dtype of an input: one of {', '.join(DTYPES)}")
    if found["below"] and (dtype == "bool" or dtype.startswith("float")):
        raise InputError(f"{text!r}: a bound is for integers, not for {dtype}")
    shape = tuple(int(size) for size in (found["shape"] or "").split(",") if size)
    return Input(shape, dtype, int(found["below"]) if found["below"] else None, name or None)


def read_input(path: str | Path, name: str | None = None) -> Input:
    """Return the input that a `.npy` file holds.

    Raises:
        InputError: it cannot be read, or holds Python objects.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path}: several arrays; give one .npy file for each input")
    return Input(values.shape, str(values.dtype), None, name, values)


@dataclass(frozen=True, slots=True)
class Request:
    """One comparison.

    `before` and `after` are directories that come first on the module path of their side, or single
    files. `expression` is `package.module:expression`, evaluated in the namespace of the module on
    both sides; for single files the module is the file's name, and may be left out.

    The weights are those that torch draws with `seed`; with `stir`, weights that are all zero or
    all one are moved first, since they would hide a difference. Or they are `weights`, by torch's
    names, as they are. `train`: also one step in training. `as_built`: that step in the modes
    (training or evaluation) in which the program leaves its layers.
    `tolerance` is relative to the largest value: 1e-5 by default, and 1e-4 in training.
    """

    before: Path
    after: Path
    expression: str
    inputs: tuple[Input, ...]
    train: bool = False
    as_built: bool = False
    modes: tuple[str, ...] = ("pynative",)
    tolerance: float | None = None
    weights: Mapping[str, Array] | None = field(default=None, compare=False)
    stir: bool = True
    seed: int = 0
    renames: Renames = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Say whether a step in training belongs to it."""
        return self.train or self.as_built


@dataclass(frozen=True, slots=True)
class Interpreters:
    """The Python interpreters in which the frameworks are installed."""

    torch: str = sys.executable
    mindspore: str = sys.executable


def place(path: Path, expression: str) -> tuple[str, str, str]:
    """Return the directory for the module path, the module, and the expression in it.

    Raises:
        InputError: there is no such place, or no module is named.
    """
    module, colon, inner = expression.partition(":")
    if path.is_file():
        return str(path.resolve().parent), path.stem, inner if colon else expression
    if not path.is_dir():
        raise InputError(f"{path} is neither a file nor a directory")
    if not re.fullmatch(r"\w+(\.\w+)*", module) or not inner.strip():
        raise InputError(f"{expression!r} is not of the form package.module:expression")
    return str(path.resolve()), module, inner.strip()
