"""The shapes of parameters, as far as the calls say them that make them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from mapper.weights.networks import Shape

Extent = tuple[int | None, ...]
"""A shape; None is a size that is computed."""
MAKERS = frozenset({"ones", "zeros", "empty", "rand", "randn", "full", "Tensor", "FloatTensor"})
"""What makes a tensor whose shape is in its arguments."""
GATED = re.compile(r"(?P<what>weight|bias)_(?P<from>ih|hh|hr)(?P<layer>(_l\d+(_reverse)?)?)")
"""The parameters of a recurrent layer."""
ATTENTION = frozenset({"in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight",
                       "v_proj_weight", "bias_k", "bias_v", "weight", "bias"})  # fmt: skip
"""Those of an attention, and of the layer inside of it."""


def extent_of(call: ast.Call | None) -> Extent | None:
    """Return the shape of the tensor that is kept by a call, None where the call does not say it.

    A number among the arguments may multiply or divide the tensor.
    """
    values = [*call.args, *(one.value for one in call.keywords)] if call else []
    made = [one for value in values if (one := _made(value)) is not None]
    if len(made) != 1 or not made[0].args or made[0].keywords:
        return None
    first = made[0].args[0]
    if isinstance(first, ast.Tuple | ast.List):
        given = first.elts
    else:
        given = [] if _name(made[0]) == "full" else made[0].args
    if not given or any(isinstance(one, ast.Starred | ast.Call) for one in given):
        return None
    return tuple(_size(one) for one in given)


def _made(value: ast.expr) -> ast.Call | None:
    if isinstance(value, ast.BinOp):
        sides = [one for one in (value.left, value.right) if not isinstance(one, ast.Constant)]
        return _made(sides[0]) if len(sides) == 1 else None
    return value if isinstance(value, ast.Call) and _name(value) in MAKERS else None


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _size(value: ast.expr) -> int | None:
    match value:
        case ast.Constant(value=int(size)):
            return size
    return None


def may_be(shape: Shape, extent: Extent | None) -> bool:
    """Say whether a shape may be one of which some sizes are known."""
    return extent is None or (
        len(shape) == len(extent)
        and all(known in (None, size) for size, known in zip(shape, extent, strict=True))
    )


def agree(shapes: Mapping[str, Shape]) -> bool:
    """Say whether these may be the parameters of one recurrent layer, or of an attention."""
    rows: dict[str, set[int]] = {}
    parts: dict[str, set[str]] = {}
    for name, shape in shapes.items():
        found = GATED.fullmatch(name)
        if found is None and name not in ATTENTION:
            return False
        if len(shape) != (3 if name in ("bias_k", "bias_v") else 1 if "bias" in name else 2):
            return False
        if found is None or found["from"] != "hr":
            layer = found["layer"] if found else name.removesuffix("weight").removesuffix("bias")
            rows.setdefault(layer, set()).add(shape[0])
        if found is not None and found["from"] != "hr":
            parts.setdefault(found["what"] + found["layer"], set()).add(found["from"])
    is_weighted = any("weight" in name for name in shapes)
    is_whole = is_weighted and all(len(found) == 2 for found in parts.values())
    return is_whole and all(len(sizes) == 1 for sizes in rows.values())
