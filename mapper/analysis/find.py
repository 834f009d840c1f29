"""Methods and attributes of torch's objects in a file: `x.view(…)`, `self.modules()`, `m.weight`.

They are found by the kind of value that they are read from; references through imports are found
by `resolve`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import SCOPED, Scope, inner_scopes, own_expressions
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import children

TENSOR, MODULE, SIZE = "torch.Tensor", "torch.nn.Module", "torch.Size"


def find_methods(module: ParsedModule, inference: Inference) -> Iterator[Reference]:
    """Yield the methods and attributes that are read from Tensors, layers and sizes."""
    for statement, home in module.names.scopes.home.items():
        for node, scope, parents in _attributes(statement, home):
            for owner in _owners(inference.receiver(node), node.attr):
                call = parents[0] if isinstance(parents[0], ast.Call) else None
                if call is not None and call.func is not node:
                    call = None
                yield Reference(f"{owner}.{node.attr}", node, call, scope, None, scope, parents)
                break


def _owners(kind: Kind, name: str) -> Iterator[str]:
    """Yield the torch class that an attribute of a value belongs to, if one does."""
    if kind.is_tensor:
        yield TENSOR
    elif kind.name == "size":
        yield SIZE
    elif kind.is_layer:
        yield MODULE


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


def is_torch_name(reference: Reference) -> bool:
    """Say whether a reference is to torch through an import, not through a value's kind."""
    return reference.root is not None and is_torch(reference.api)
