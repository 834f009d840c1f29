"""Reads and writes weights in files of every kind.

A `.pth` or `.ckpt` is read by its framework, in a process that has it; the rest by numpy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapper.comparing.measure import Array
from mapper.comparing.process import Side
from mapper.comparing.request import Interpreters, place
from mapper.weights import files
from mapper.weights.networks import Network, network

TORCH = (".pth", ".pt", ".bin")
MINDSPORE = (".ckpt",)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of weights holds: arrays by name, and the names of what is none."""

    values: dict[str, Array]
    ignored: tuple[str, ...] = ()


@contextmanager
def states(interpreters: Interpreters) -> Iterator[States]:
    """Yield a reader and writer; arrays that it has read can be used while it is open."""
    with tempfile.TemporaryDirectory(prefix="tm2ms-") as directory:
        yield States(interpreters, Path(directory))


class States:
    """Reads and writes weights; those of a framework's own files pass through a directory."""

    def __init__(self, interpreters: Interpreters, directory: Path) -> None:
        self._interpreters, self._directory = interpreters, directory
        self._count = 0

    def read(self, path: Path) -> Contents:
        """Return what a file holds.

        Raises:
            FileError: numpy cannot read it, or it is of an unknown kind.
            SideError: the framework cannot read it.
        """
        side = self._side(path)
        if side is not None and not path.is_file():
            raise files.FileError(f"{path}: no such file")
        if side is None:
            return Contents(files.read(path))
        out = self._new()
        with side:
            found = side.ask("read", path=str(path.resolve()), out=str(out))
        values = {name: np.load(out / file, mmap_mode="r") for name, file in found["files"].items()}
        return Contents(values, tuple(found["ignored"]))

    def kept(self, value: Array) -> Array:
        """Return an array out of a file, which is read as it is needed."""
        file = self._new().with_suffix(".npy")
        np.save(file, value, allow_pickle=False)
        loaded: Array = np.load(file, mmap_mode="r")
        return loaded

    def write(self, path: Path, values: Mapping[str, Array]) -> None:
        """Write arrays by name; the file is there as a whole or not at all.

        Raises:
            FileError: numpy cannot write it, or it is of an unknown kind.
            SideError: the framework cannot write it.
        """
        side = self._side(path)
        if side is None:
            files.write(path, values)
            return
        out = self._new()
        out.mkdir()
        names = {}
        for index, (name, value) in enumerate(values.items()):
            names[name] = f"{index}.npy"
            np.save(out / names[name], value, allow_pickle=False)
        part = path.resolve().with_name(f"part-{path.name}")
        try:
            with side:
                side.ask("write", path=str(part), values=names, directory_of_values=str(out))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def model(self, expression: str) -> Network:
        """Return the layers and parameters of a migrated model. This executes the user's code.

        Raises:
            InputError: the expression names no module.
            SideError: it does not build.
        """
        directory, module, inner = place(Path.cwd(), expression)
        program = self._interpreters.mindspore
        with Side("MindSpore", program, "side_mindspore.py") as side:
            answer = side.ask("build", directory=directory, module=module, expression=inner, seed=0)
        return network(answer)

    def _side(self, path: Path) -> Side | None:
        if path.suffix in TORCH:
            return Side("torch", self._interpreters.torch, "side_torch.py")
        if path.suffix in MINDSPORE:
            return Side("MindSpore", self._interpreters.mindspore, "side_mindspore.py")
        return None

    def _new(self) -> Path:
        self._count += 1
        return self._directory / str(self._count)
