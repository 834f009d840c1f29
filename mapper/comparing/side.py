"""What the programs share that run the models, `side_torch.py` and `side_mindspore.py`.

Each runs in an interpreter that has its framework. This project need not be installed there, and
Python may be as old as 3.9, so each program loads this file from beside itself and nothing else.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import inspect
import json
import os
import sys
import textwrap
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable  # noqa: UP035  (Python 3.9)

import numpy as np

FRAMES = 3  # shown of a traceback that passes through no file of the user's


class Refused(Exception):  # noqa: N818
    """The model cannot be run as asked; the message says why."""


# --- requests -------------------------------------------------------------------------------------


def serve(commands: Mapping[str, Callable[[Any], Any]]) -> None:
    """Answer requests until standard input ends, one line of JSON each.

    The user's code may print and read: its standard output is standard error, its input is empty.
    """
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.dont_write_bytecode = True
    for line in requests:
        request = json.loads(line)
        try:
            answer = {"value": commands[request["do"]](request)}
        except (Exception, SystemExit) as error:
            answer = {"error": described(error, request.get("directory", str(Path.cwd())))}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def described(error: BaseException, directory: str) -> dict[str, Any]:
    """Return an error's message, and the part of its traceback that is in the user's code."""
    if isinstance(error, Refused):
        return {"message": str(error), "traceback": []}
    root = os.path.realpath(directory) + os.sep
    every = traceback.extract_tb(error.__traceback__)
    frames = [one for one in every if os.path.realpath(one.filename).startswith(root)]
    frames = frames or every[-FRAMES:]
    lines = "".join(traceback.format_list(frames)).rstrip().splitlines()
    words = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return {"message": words[0], "traceback": [*lines, *words]}


# --- the user's module ----------------------------------------------------------------------------


@contextlib.contextmanager
def modules_of(directory: str) -> Iterator[None]:
    """Put a directory first on the module path; afterwards remove what was imported from it.

    Both versions of a model have modules of the same names, and a program may build several models.
    """
    before = dict(sys.modules)
    kept = list(sys.path)
    sys.path.insert(0, directory)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = kept
        root = os.path.realpath(directory)
        new = [name for name in sys.modules if name not in before]
        # listed before any is removed: a namespace package's path is computed from its parent
        for name in [name for name in new if _is_in(sys.modules[name], root)]:
            del sys.modules[name]


def _is_in(module: Any, root: str) -> bool:
    # sys.modules may hold anything: torch.classes has an object for every attribute's name
    path = getattr(module, "__path__", None)
    places = [getattr(module, "__file__", None), *(path if isinstance(path, Iterable) else ())]
    return any(
        os.path.realpath(one).startswith(root + os.sep) for one in places if isinstance(one, str)
    )


def evaluate(module: str, expression: str) -> Any:
    """Return an expression's value in the namespace of a module."""
    namespace = vars(importlib.import_module(module))
    return eval(expression, namespace)


# --- where a layer is made ------------------------------------------------------------------------


class Sources:
    """Finds the assignments that make the layers of a model."""

    def __init__(self, root: str, is_ours: Callable[[type], bool]) -> None:
        self.root = os.path.realpath(root)
        self.is_ours = is_ours
        self._known: dict[type, dict[str, str]] = {}

    def of(self, path: str, classes: Mapping[str, type]) -> str | None:
        """Return `file:line` of the assignment that makes a layer; of the model itself, its class.

        The assignment is looked for in the nearest class above that is the user's: a layer of a
        Sequential is made where the Sequential is.
        """
        parts = path.split(".") if path else []
        for length in reversed(range(len(parts))):
            above = classes.get(".".join(parts[:length]))
            if above is not None and self.is_ours(above):
                for cls in above.__mro__:
                    found = self._assignments(cls).get(parts[length])
                    if found:
                        return found
                return self._assignments(above).get("")
        own = classes.get(path)
        return self._assignments(own).get("") if own is not None else None

    def _assignments(self, cls: type) -> dict[str, str]:
        if cls not in self._known:
            self._known[cls] = self._read(cls) if self.is_ours(cls) else {}
        return self._known[cls]

    def _read(self, cls: type) -> dict[str, str]:
        """Return `file:line` of each attribute that a class assigns, and as "" of the class."""
        try:
            file = os.path.realpath(inspect.getsourcefile(cls) or "")
            lines, first = inspect.getsourcelines(cls)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            return {}
        if file.startswith(self.root + os.sep):
            file = os.path.relpath(file, self.root)
        found = {"": f"{file}:{first}"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute):
                        found.setdefault(target.attr, f"{file}:{first + node.lineno - 1}")
        return found


def qualified(cls: type) -> str:
    """Return the name of a class with its module."""
    return f"{cls.__module__}.{cls.__qualname__}"


# --- values ---------------------------------------------------------------------------------------


class Recorder:
    """Records what layers get and return, in order: events in memory, their tensors in files."""

    def __init__(self, directory: str, is_tensor: Callable[[Any], bool], numpy: Any) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.is_tensor = is_tensor
        self.numpy = numpy
        self.events: list[dict[str, Any]] = []
        self.calls: dict[str, int] = {}
        self.open: list[tuple[str, int]] = []
        self._files = 0

    def enter(self, path: str, values: Any) -> None:
        """Record that a layer is called."""
        call = self.calls[path] = self.calls.get(path, -1) + 1
        self.open.append((path, call))
        self._note("in", path, call, values)

    def leave(self, path: str, values: Any) -> int:
        """Record what a layer returns, and return which of its calls it was."""
        # calls that raised are still open
        while self.open and self.open[-1][0] != path:
            self.open.pop()
        call = self.open.pop()[1] if self.open else 0
        self._note("out", path, call, values)
        return call

    def _note(self, event: str, path: str, call: int, values: Any) -> None:
        self.events.append(
            {"event": event, "path": path, "call": call, "values": self.values(values)}
        )

    def values(self, value: Any) -> list[dict[str, Any]]:
        """Return the tensors and numbers in a value, the tensors as names of files."""
        return [self._value(at, one) for at, one in leaves(value, self.is_tensor)]

    def _value(self, at: str, value: Any) -> dict[str, Any]:
        if not self.is_tensor(value):
            return {"at": at, "value": repr(value)}
        array, dtype = self.numpy(value)
        return {"at": at, "dtype": dtype, "shape": list(array.shape), "file": self.save(array)}

    def save(self, array: Any) -> str:
        """Write an array and return its file's name."""
        name = f"{self._files}.npy"
        self._files += 1
        np.save(self.directory / name, array, allow_pickle=False)
        return name


def leaves(value: Any, is_tensor: Callable[[Any], bool], at: str = "") -> Iterator[tuple[str, Any]]:
    """Return the tensors and plain numbers in nested containers, each with its place."""
    if is_tensor(value) or isinstance(value, (bool, int, float, str)):
        yield at, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(one, is_tensor, f"{at}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from leaves(one, is_tensor, f"{at}[{index}]")
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), is_tensor, f"{at}.{field.name}")


def replaced(value: Any, change: Callable[[str, Any], Any], at: str = "") -> Any:
    """Return nested containers with each other value replaced by `change(place, value)`.

    Places are written as in `leaves`.
    """
    if isinstance(value, dict):
        return type(value)((k, replaced(v, change, f"{at}[{k!r}]")) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        parts = [replaced(one, change, f"{at}[{i}]") for i, one in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return change(at, value)


def projection(seed: int, index: int, shape: tuple[int, ...]) -> Any:
    """Return the factors by which an output goes into the loss, the same on both sides.

    A plain sum would hide differences that cancel out.
    """
    return np.random.default_rng([seed, index]).standard_normal(shape)


def draw(seed: int, index: int, kind: str, shape: tuple[int, ...]) -> Any:
    """Return the numbers of the n-th random draw of a forward pass, the same on both sides."""
    source = np.random.default_rng([seed, 7919, index])
    return source.standard_normal(shape) if kind == "normal" else source.random(shape)


def read_values(directory: str, listed: Mapping[str, str]) -> dict[str, Any]:
    """Return arrays by name from the files that hold them."""
    root = Path(directory)
    return {name: np.load(root / file, allow_pickle=False) for name, file in listed.items()}
