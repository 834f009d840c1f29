"""Notes with which arguments and inputs the classes of a tree are built and called.

A part of the program `finding.py`: larger models that it runs build and call the smaller ones.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accepted_inputs import as_input

CALLS = 6  # that are kept of a class


@dataclass
class Seen:
    """With which arguments instances of a class were built and called, as texts and inputs."""

    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def put(self, expression: str, inputs: tuple[str, ...]) -> None:
        """Add one, if it is new and there are not many."""
        if (expression, inputs) not in self.calls and len(self.calls) < CALLS:
            self.calls.append((expression, inputs))


class Watch:
    """Notes how the classes of a tree are built and called while larger models run."""

    def __init__(self) -> None:
        self.seen: dict[type, Seen] = {}
        self.names: dict[Any, str] = {}  # classes and functions of whole files: expressions

    def add(self, cls: type, expression: str | None) -> None:
        """Watch a class; with an expression that gives it, others may be built with it."""
        if cls in self.seen:
            return
        self.seen[cls] = Seen()
        if expression is not None:
            self.names[cls] = expression
        if issubclass(cls, torch.jit.ScriptModule):  # compiled: its methods are no functions
            return
        old_init, old_forward = cls.__init__, cls.forward

        @functools.wraps(old_init)
        def init(instance: Any, *args: Any, **kwargs: Any) -> None:
            if type(instance) is cls and "_given_as" not in instance.__dict__:
                instance.__dict__["_given_as"] = self.expression(cls, args, kwargs)
            old_init(instance, *args, **kwargs)

        @functools.wraps(old_forward)
        def forward(instance: Any, *args: Any, **kwargs: Any) -> Any:
            given = instance.__dict__.get("_given_as")
            if type(instance) is cls and given is not None:
                inputs = positional(old_forward, instance, args, kwargs)
                if inputs is not None:
                    self.seen[cls].put(given, inputs)
            return old_forward(instance, *args, **kwargs)

        cls.__init__ = init
        cls.forward = forward

    def expression(self, cls: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Return the text that builds an instance, if one can be written."""
        if cls not in self.names:
            return None
        parts = [self.text(one) for one in args]
        named = {name: self.text(one) for name, one in kwargs.items()}
        if None in parts or None in named.values():
            return None
        every = [*map(str, parts), *(f"{name}={one}" for name, one in named.items())]
        return f"{self.names[cls]}({', '.join(every)})"

    def text(self, value: Any) -> str | None:
        """Return the text of a value that is the same on both sides; None for others."""
        if value is None or isinstance(value, bool | int | str) or type(value) is float:
            return repr(value) if not isinstance(value, float) or np.isfinite(value) else None
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            parts = [self.text(one) for one in value]
            if None in parts:
                return None
            inner = ", ".join(map(str, parts))
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if parts else "()"
        if type(value) is dict:
            pairs = [(self.text(key), self.text(one)) for key, one in value.items()]
            if any(None in pair for pair in pairs):
                return None
            return "{" + ", ".join(f"{key}: {one}" for key, one in pairs) + "}"
        if isinstance(value, torch.nn.Module):
            return value.__dict__.get("_given_as")
        with contextlib.suppress(TypeError):
            return self.names.get(value)
        return None


def positional(
    function: Any, instance: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """Return the inputs of a call by position, if all that are given are Tensors."""
    try:
        bound = inspect.signature(function).bind(instance, *args, **kwargs)
    except (TypeError, ValueError):
        return None
    given = [*bound.args[1:]]
    while given and given[-1] is None:
        given.pop()
    if bound.kwargs or not given or not all(map(torch.is_tensor, given)):
        return None
    return tuple(map(as_input, given))
