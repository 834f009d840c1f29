"""Finds methods and attributes of torch's objects: `x.view(…)`, `self.modules()`, `m.weight`.

They are found by the kind of value that they are read from; references through imports are found
by `resolve`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.cells import ClassInfo
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import SCOPED, Scope, inner_scopes, own_expressions
from mapper.analysis.walk import children

TENSOR, MODULE, SIZE = "torch.Tensor", "torch.nn.Module", "torch.Size"
SILENT = frozenset(("std", "transpose", "var"))
"""Methods that a MindSpore Tensor has too, and that compute something else without a word."""

PARAMETER = "torch.nn.Parameter"
PARAMETER_ATTRIBUTES = frozenset(
    (
        "add_",
        "clamp_",
        "copy_",
        "data",
        "div_",
        "fill_",
        "mul_",
        "normal_",
        "requires_grad",
        "sub_",
        "uniform_",
        "zero_",
    )
)
"""What a Parameter has otherwise than a Tensor in MindSpore: what changes it becomes set_data."""

SIZE_ATTRIBUTES = frozenset(("numel",))
"""What torch.Size has that a tuple has not."""

MODULE_ATTRIBUTES = frozenset(
    (
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "load_state_dict",
        "modules",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_module",
        "register_parameter",
        "requires_grad_",
        "set_extra_state",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "zero_grad",
    )
)
"""The public methods and attributes of torch.nn.Module."""

_LIST = frozenset(("append", "extend", "insert", "pop"))
CONTAINERS = {
    "torch.nn.Sequential": _LIST,
    "torch.nn.ModuleList": _LIST,
    "torch.nn.ModuleDict": frozenset(("clear", "items", "keys", "pop", "update", "values")),
}
"""What containers have beside it; any other name is a layer in them, as it is in MindSpore."""


def find_methods(module: ParsedModule, inference: Inference) -> Iterator[Reference]:
    """Yield the methods and attributes that are read from Tensors, layers and sizes."""
    for statement, home in module.names.scopes.home.items():
        for node, scope, parents in _attributes(statement, home):
            receiver = inference.receiver(node)
            owners = _owners(receiver, node.attr)
            if node.attr in PARAMETER_ATTRIBUTES and _is_parameter(node.value, inference):
                owners = iter((PARAMETER,))
            if node.attr == "forward" and not receiver.is_known:
                owners = iter((MODULE,))  # for anything but a Cell, what is written raises
            problem = None
            if node.attr in SILENT and not receiver.is_known and not receiver.is_layer:
                owners = iter((TENSOR,))
                problem = (
                    f"what `{ast.unparse(node.value)}` is cannot be told, and a Tensor's "
                    f"`{node.attr}` computes something else in MindSpore"
                )
            for owner in owners:
                above = parents[0]
                call = above if isinstance(above, ast.Call) and above.func is node else None
                api = f"{owner}.{node.attr}"
                yield Reference(api, node, call, scope, None, scope, parents, problem)
                break


def _is_parameter(node: ast.expr, inference: Inference) -> bool:
    """Say whether an expression is a Parameter, or the `data` of one, which is the same."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    return inference.kind(node).without("None").name == "Parameter"


def _owners(kind: Kind, name: str) -> Iterator[str]:
    """Yield the torch class that an attribute of a value belongs to, if one does.

    A name that a class of the file defines itself is not torch's.
    """
    if kind.is_tensor:
        yield TENSOR
    elif kind.name == "size" and name in SIZE_ATTRIBUTES:
        yield SIZE
    elif kind.is_layer:
        alternatives = list(kind.alternatives())
        if name in MODULE_ATTRIBUTES:
            if not any(_defines(one, name) for one in alternatives):
                yield MODULE
        else:
            for one in alternatives:
                if isinstance(one.of, str) and name in CONTAINERS.get(one.of, (name,)):
                    yield one.of


def _defines(kind: Kind, name: str) -> bool:
    return isinstance(kind.of, ClassInfo) and name != "forward" and kind.of.method(name) is not None


def _attributes(
    statement: ast.AST, home: Scope
) -> Iterator[tuple[ast.Attribute, Scope, tuple[ast.AST, ...]]]:
    """Yield the attributes in a statement's own expressions, with what is around each."""
    stack: list[tuple[ast.AST, Scope, tuple[ast.AST, ...]]] = [
        (node, home, (statement,)) for node in own_expressions(statement)
    ]
    while stack:
        node, scope, parents = stack.pop()
        if isinstance(node, ast.Attribute):
            yield node, scope, parents
        around = (node, *parents)
        if isinstance(node, SCOPED):
            stack.extend((child, inner, around) for child, inner in inner_scopes(node, scope))
        else:
            stack.extend((child, scope, around) for child in children(node))
