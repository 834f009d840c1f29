"""Finds statements that set a weight which torch's weight_norm computes anew before each call."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.inference import Inference
from mapper.analysis.kinds import WEIGHT_NORMED
from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import Scope
from mapper.analysis.torch_results import is_in_place


def find_lost(module: ParsedModule, inference: Inference) -> Iterator[tuple[ast.Expr, Scope]]:
    """Yield the statements whose whole effect the next call of the layer undoes.

    `self.conv.weight.data.normal_(0, 0.01)` and `nn.init.zeros_(self.conv.weight)` are such.
    """
    for statement, scope in module.names.scopes.home.items():
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            changed = _changed(module, statement.value, scope)
            if changed is not None and _is_computed(changed, inference):
                yield statement, scope


def _changed(module: ParsedModule, call: ast.Call, scope: Scope) -> ast.expr | None:
    """Return the Tensor that a call does no more than to change."""
    meaning = module.names.meaning(call.func, scope)
    if meaning is not None and meaning.name.startswith("torch.nn.init."):
        return call.args[0] if call.args else None
    match call.func:
        case ast.Attribute(value=value, attr=attr) if attr.endswith("_") and is_in_place(attr):
            return value
    return None


def _is_computed(node: ast.expr, inference: Inference) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    if not isinstance(node, ast.Attribute) or node.attr != "weight":
        return False
    return all(one == WEIGHT_NORMED for one in inference.kind(node.value).alternatives())
