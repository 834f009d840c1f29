"""Every function that a rule's formula may call, by its name.

The functions belong to no framework; a rule's two formulas say how torch and MindSpore use them.
They take float64 arrays (which stand for float32), ints and bools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from mapper.proving.semantics import (
    elementwise,
    linear,
    losses,
    making,
    normalisation,
    pooling,
    reductions,
    resizing,
    shaping,
)

MODULES: tuple[ModuleType, ...] = (
    elementwise, reductions, shaping, linear, normalisation, pooling, resizing, losses, making,
)  # fmt: skip


def _public(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and not isinstance(value, type)
    }


PYTHON: Mapping[str, Callable[..., Any]] = {
    "bool": bool, "float": float, "int": int, "isinstance": isinstance, "len": len, "list": list,
    "range": range, "str": str, "tuple": tuple,
}  # fmt: skip
"""Python's own, for what is no array."""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **PYTHON,
    **{name: function for module in MODULES for name, function in _public(module).items()},
}
