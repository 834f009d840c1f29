"""Casts to integers and bools that torch's gradients do not pass, and MindSpore's do.

Measured: the gradient of `x.int() * y` by `x` is `y` in MindSpore, and nothing in torch. It shows
where such a Tensor is calculated with. What indexes or is compared is left as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from mapper.analysis.walk import walk
from mapper.running.drafts import Draft
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

_STOP = "mindspore.ops.stop_gradient"
_INTEGERS = frozenset(("bool", "int", "long", "short", "byte", "char"))
_DTYPES = _INTEGERS | {"uint8", "int8", "int16", "int32", "int64"}
_CASTS = ("to", "type", "astype")
_WITHOUT_GRADIENT = frozenset(
    (
        "arange", "argmax", "argmin", "argsort", "zeros", "ones", "full", "randint", "randperm",
        "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "any", "all", "bernoulli",
        "zeros_like", "ones_like", "logical_not", "logical_and", "logical_or", "tensor", "detach",
        "size", "nonzero", "rand", "randn", *_INTEGERS,
    )
)  # fmt: skip
_NO_NUMBERS = frozenset(
    (
        "shape", "size", "dtype", "device", "dim", "ndim", "numel", "numpy", "item", "tolist",
        "detach", "any", "all", "argmax", "argmin", "data", "is_cuda", "nonzero", "requires_grad",
        *_INTEGERS,
    )
)  # fmt: skip
_CALCULATING = frozenset(
    (
        "mul", "add", "sub", "div", "matmul", "mm", "bmm", "cat", "stack", "sum", "mean", "exp",
        "pow", "sqrt", "einsum", "concat", "true_divide", "multiply", "subtract", "divide",
    )
)  # fmt: skip


def stopped(draft: Draft) -> bool:
    """Have a cast stop gradients where torch's cast does and it matters; say whether it is one."""
    reference, write = draft.reference, draft.text
    node = reference.node
    if write is None or reference.call is None or not isinstance(node, ast.Attribute):
        return False
    if not _is_integer(reference.call, node.attr) or not _may_have_gradient(node.value):
        return False
    if not _is_calculated_with(reference.parents[1:], reference.scope.node, 2):
        return False

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        return f"{final.spell(_STOP, reference)}({write(final, edited)})"

    draft.text = text
    return True


def _is_integer(call: ast.Call, name: str) -> bool:
    if name in _INTEGERS:
        return not call.args
    given = [*call.args, *(one.value for one in call.keywords)]
    words = {ast.unparse(one).rpartition(".")[2] for one in given}
    return name in _CASTS and bool(words & _DTYPES)


def _may_have_gradient(value: ast.expr) -> bool:
    match value:
        case ast.Compare():
            return False
        case ast.UnaryOp(operand=operand):
            return _may_have_gradient(operand)
        case ast.BinOp(left=left, right=right, op=ast.BitAnd() | ast.BitOr() | ast.BitXor()):
            return _may_have_gradient(left) and _may_have_gradient(right)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name not in _WITHOUT_GRADIENT
    return True


def _is_calculated_with(above: Sequence[ast.AST], function: ast.AST, depth: int) -> bool:
    """Say whether a Tensor is calculated with; `above` stands around it, inner ones first."""
    for index, node in enumerate(above):
        match node:
            case ast.BinOp() | ast.AugAssign():
                outer = above[index + 1 :]
                return not any(isinstance(one, ast.Compare | ast.Subscript) for one in outer)
            case ast.UnaryOp() | ast.IfExp() | ast.Starred() | ast.List() | ast.Tuple():
                continue
            case ast.Attribute(attr=attr):
                return attr not in _NO_NUMBERS
            case ast.Call(func=ast.Attribute(attr=name)):
                return name in _CALCULATING
            case ast.Assign(targets=[ast.Name(id=name)]) if depth:
                return _is_name_calculated_with(name, function, depth - 1)
            case _:
                return False
    return False


def _is_name_calculated_with(name: str, function: ast.AST, depth: int) -> bool:
    """Say whether a local name is, in the function or module that it stands in."""
    parents = {child: node for node in walk(function) for child in ast.iter_child_nodes(node)}
    for node in parents:
        match node:
            case ast.AugAssign(target=ast.Name(id=other)) if other == name:
                return True
            case ast.Name(id=other, ctx=ast.Load()) if other == name:
                above: list[ast.AST] = []
                inner: ast.AST = node
                while (inner := parents.get(inner, function)) is not function:
                    above.append(inner)
                if _is_calculated_with(above, function, depth):
                    return True
    return False
