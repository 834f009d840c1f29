"""Finds methods and attributes of torch's objects: `x.view(…)`, `self.modules()`, `m.weight`.

They are found by the kind of value that they are read from; references through imports are found
by `resolve`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from mapper.analysis.cells import ClassInfo
from mapper.analysis.expressions import is_module
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import UNSEEN, Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import SCOPED, Scope, inner_scopes, own_expressions
from mapper.analysis.walk import children

TENSOR, MODULE, SIZE = "torch.Tensor", "torch.nn.Module", "torch.Size"
SILENT = frozenset(("median", "std", "transpose", "var"))
"""Methods that a MindSpore Tensor has too, and that compute something else without a word."""

LOUD = frozenset(
    (
        "amax",
        "amin",
        "argmax",
        "argmin",
        "backward",
        "bmm",
        "chunk",
        "clamp",
        "clamp_max",
        "clamp_min",
        "contiguous",
        "detach",
        "expand",
        "expand_as",
        "floor_divide",
        "index_select",
        "log_softmax",
        "logsumexp",
        "masked_fill",
        "masked_select",
        "matmul",
        "movedim",
        "narrow",
        "ndimension",
        "nelement",
        "new_empty",
        "new_full",
        "new_ones",
        "new_tensor",
        "new_zeros",
        "numel",
        "permute",
        "repeat_interleave",
        "reshape_as",
        "scatter",
        "scatter_add",
        "size",
        "softmax",
        "topk",
        "tril",
        "triu",
        "type_as",
        "unbind",
        "unfold",
        "unsqueeze",
        "view",
        "view_as",
    )
)
"""Methods whose name tells a Tensor: what is written for them raises where it is none."""

IN_PLACE = frozenset(
    (
        "add_",
        "bernoulli_",
        "clamp_",
        "copy_",
        "div_",
        "exp_",
        "fill_",
        "index_add_",
        "masked_fill_",
        "mul_",
        "normal_",
        "pow_",
        "relu_",
        "scatter_",
        "scatter_add_",
        "sigmoid_",
        "squeeze_",
        "sub_",
        "transpose_",
        "uniform_",
        "unsqueeze_",
        "zero_",
    )
)
"""Methods that change a Tensor: in MindSpore they give a new one, and the old stays as it was."""

OF_MODULES = frozenset(
    ("named_buffers", "named_children", "named_modules", "named_parameters", "parameters")
)
"""Methods whose name tells a module: what is written for them raises where it is none."""

SHARED = frozenset(("max", "min", "repeat", "sort"))
"""Methods that others have too, and that compute something else there when they get arguments."""

OF_UNKNOWN = {f"{TENSOR}.{name}": f"{TENSOR}.{name}_of_unknown" for name in ("repeat", "transpose")}
"""Methods with a function of MindSpore's that refuses all but Tensors, and the rule for it."""

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
        "_load_from_state_dict",
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
            is_unknown = not receiver.is_known and not receiver.is_layer
            if is_unknown and _tells(node, parents[0], scope, LOUD | IN_PLACE):
                owners = iter((TENSOR,))
            if is_unknown and _tells(node, parents[0], scope, OF_MODULES):
                owners = iter((MODULE,))
            if is_unknown and _is_silent(node, parents[0]):
                owners = iter((TENSOR,))
                is_called = isinstance(parents[0], ast.Call) and parents[0].func is node
                problem = (
                    None
                    if is_called and f"{TENSOR}.{node.attr}" in OF_UNKNOWN
                    else (
                        f"what `{ast.unparse(node.value)}` is cannot be told, and a Tensor's "
                        f"`{node.attr}` computes something else in MindSpore: "
                        "annotate it, or write it by hand"
                    )
                )
            for owner in owners:
                above = parents[0]
                call = above if isinstance(above, ast.Call) and above.func is node else None
                api = f"{owner}.{node.attr}"
                yield Reference(api, node, call, scope, None, scope, parents, problem)
                break


def _tells(node: ast.Attribute, above: ast.AST, scope: Scope, names: Collection[str]) -> bool:
    """Say whether a call of a method tells by its name, one of some, what it is read from.

    What is read from an imported module is its function, and from `self` the class's own.
    """
    if not isinstance(above, ast.Call) or above.func is not node:
        return False
    if node.attr not in names:
        return False
    root = node.value
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return True
    found = scope.lookup(root.id)
    is_imported = found is not None and any(one.target for one in found[1])
    return not is_imported and not (root is node.value and root.id in ("self", "cls"))


def _is_silent(node: ast.Attribute, above: ast.AST) -> bool:
    """Say whether a method of an unknown value may be a Tensor's that differs without a word."""
    if node.attr in SILENT:
        return True
    is_called = isinstance(above, ast.Call) and above.func is node
    if not is_called or node.attr not in SHARED:
        return False
    assert isinstance(above, ast.Call)
    names = {keyword.arg for keyword in above.keywords}
    return bool(above.args or names & {"dim", "keepdim"})


def counts_statistics(reference: Reference) -> bool:
    """Say whether running statistics would be counted, were they among a module's parameters.

    MindSpore's `get_parameters` gives them, too, with requires_grad False.
    """
    is_asked = reference.api == f"{MODULE}.parameters" and reference.call is not None
    return is_asked and not _leaves_statistics_out(reference.parents)


def _leaves_statistics_out(parents: Sequence[ast.AST]) -> bool:
    """Say whether a loop over parameters does the same with running statistics among them.

    It does where it asks each for `requires_grad`, gives each `requires_grad = False`, or only
    looks at the first one's dtype.
    """
    for around in parents[1:]:
        if isinstance(around, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp):
            return any(map(_asks_for_gradients, around.generators[0].ifs))
        if isinstance(around, ast.For):
            return all(map(_concerns_trained_alone, around.body))
        if isinstance(around, ast.Call) and ast.unparse(around.func) == "next":
            above = parents[parents.index(around) + 1]
            return isinstance(above, ast.Attribute) and above.attr == "dtype"
    return False


def _asks_for_gradients(test: ast.expr) -> bool:
    """Say whether a condition holds for what is trained alone."""
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    return any(isinstance(one, ast.Attribute) and one.attr == "requires_grad" for one in parts)


def _concerns_trained_alone(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(test=test, orelse=[]):
            return _asks_for_gradients(test)
        case ast.Assign(targets=[ast.Attribute(attr="requires_grad")], value=value):
            return isinstance(value, ast.Constant) and value.value is False
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="requires_grad_"), args=[one])):
            return isinstance(one, ast.Constant) and one.value is False
    return False


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
    elif _is_above(kind, name):
        yield MODULE
    elif kind.is_layer:
        alternatives = list(kind.alternatives())
        if name in MODULE_ATTRIBUTES:
            if not any(_defines(one, name) for one in alternatives):
                yield MODULE
        else:
            for one in alternatives:
                if one.of == UNSEEN.of:
                    continue
                if isinstance(one.of, str) and name in CONTAINERS.get(one.of, (name,)):
                    yield one.of


def _is_above(kind: Kind, name: str) -> bool:
    """Say whether a name is a Module's that is read from `super()`, or from a class of layers."""
    info = kind.of
    if not isinstance(info, ClassInfo) or not is_module(info):
        return False
    if kind.name == "super":
        is_own = name != "forward" and info.method(name, above=True) is not None
        return name in MODULE_ATTRIBUTES and not is_own
    return kind.name == "class" and name == "forward"


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
