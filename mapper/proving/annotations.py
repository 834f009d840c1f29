"""Reads a signature's annotations: which values a parameter accepts, and of which kinds they are.

Annotations are Python's: `int`, `float | None`, `tuple[int, int]`, `Literal['mean', 'sum']`,
`Tensor`. As in Python, a `float` may be an int; a bool is neither. A `strict_float` may not, as for
parameters of MindSpore's that raise for an int.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

PLAIN = ("int", "float", "bool", "str", "None", "tuple", "list", "Tensor", "dtype")
"""The kinds of value."""

STRICT_FLOAT = "strict_float"
_NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in PLAIN},
    "Parameter": ("Tensor",),
    "Number": ("int", "float", "bool"),
    STRICT_FLOAT: ("float",),
    "axis": ("int",),
    "Sequence": ("tuple", "list"),
}
ANYTHING = ("Any", "object")
USUAL: Mapping[str, Sequence[object]] = {
    "int": (4, 3, 8, 2, 1),
    "float": (0.5, 0.1, 0.001, 0.9),
    "bool": (True, False),
    "str": (),
    "None": (None,),
    "tuple": ((3, 2), (2, 3)),
    "list": ([3, 2], [2, 3]),
    "dtype": (np.dtype("float64"), np.dtype("longdouble"), np.dtype("int64")),
}
"""Values of each kind that are tried where they are expected."""

OTHERS: Mapping[str, object] = {
    "int": 2, "float": 0.5, "bool": True, "str": "a", "None": None, "tuple": (2, 3), "list": [2, 3]
}  # fmt: skip
"""A value of each kind that is tried where it is not expected."""


class AnnotationError(ValueError):
    """An annotation that is not understood."""


def accepts(annotation: str, value: object) -> bool:
    """Say whether a parameter of that annotation takes a value; without one it takes every value.

    Raises:
        AnnotationError: the annotation is not understood.
    """
    return not annotation or _accepts(_parsed(annotation), value)


def kinds(annotation: str) -> tuple[str, ...]:
    """Return the kinds of value that an annotation names, in its order; none if it admits all."""
    return tuple(dict.fromkeys(_kinds(_parsed(annotation)))) if annotation else ()


def literals(annotation: str) -> tuple[object, ...]:
    """Return the values that a `Literal` annotation lists; it admits no others."""
    if not annotation:
        return ()
    return tuple(
        ast.literal_eval(one)
        for node in ast.walk(_parsed(annotation))
        if isinstance(node, ast.Subscript) and _name(node.value) == "Literal"
        for one in (node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])
    )


def kind_of(value: object) -> str:
    """Return the kind of a value."""
    if isinstance(value, np.ndarray):
        return "Tensor"
    return "None" if value is None else type(value).__name__


def is_tensor(annotation: str) -> bool:
    """Say whether a parameter takes a tensor, or several."""
    return "Tensor" in annotation or "Parameter" in annotation


def takes_many_tensors(annotation: str) -> bool:
    """Say whether a parameter takes a sequence of tensors."""
    return is_tensor(annotation) and "[" in annotation


@lru_cache(maxsize=1024)
def _parsed(annotation: str) -> ast.expr:
    try:
        tree = ast.parse(annotation, mode="eval").body
        _kinds(tree)
    except (SyntaxError, ValueError) as error:
        raise AnnotationError(f"`{annotation}` is no annotation that is understood") from error
    return tree


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _kinds(node: ast.expr) -> list[str]:
    """Return the kinds that a parsed annotation names, repeatedly."""
    match node:
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _kinds(left) + _kinds(right)
        case ast.Constant(value=None):
            return ["None"]
        case ast.Subscript(value=value, slice=inner) if _name(value) == "Literal":
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return [kind_of(ast.literal_eval(part)) for part in parts]
        case ast.Subscript(value=value) if _name(value) in _NAMES:
            return [*_NAMES[_name(value)]]
        case ast.Name() | ast.Attribute() if _name(node) in _NAMES:
            return [*_NAMES[_name(node)]]
        case ast.Name() if _name(node) in ANYTHING:
            return [kind for kind in PLAIN if kind != "Tensor"]
    raise AnnotationError(f"`{ast.unparse(node)}` is no annotation that is understood")


def _accepts(node: ast.expr, value: object) -> bool:
    match node:
        case ast.BinOp(left=left, right=right):
            return _accepts(left, value) or _accepts(right, value)
        case ast.Subscript(value=whole, slice=inner):
            return _accepts_inside(_name(whole), inner, value)
    if _name(node) in ANYTHING:
        return True
    names, kind = _kinds(node), kind_of(value)
    if _name(node) == STRICT_FLOAT:
        return kind == "float"
    return kind in names or (kind == "int" and "float" in names) or _is_dtype(names, value)


def _is_dtype(names: Sequence[str], value: object) -> bool:
    return "dtype" in names and isinstance(value, np.dtype)


def _accepts_inside(name: str, inner: ast.expr, value: object) -> bool:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        wanted = [ast.literal_eval(part) for part in parts]
        return any(type(one) is type(value) and one == value for one in wanted)
    if kind_of(value) not in _NAMES[name] or not isinstance(value, tuple | list):
        return False
    is_repeated = name != "tuple" or (
        isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis
    )
    if is_repeated:
        return all(_accepts(parts[0], one) for one in value)
    return len(parts) == len(value) and all(map(_accepts, parts, value))
