"""What a reference that is not a call is used for, and what a person can do about it."""

from __future__ import annotations

import ast

from mapper.analysis.annotations import in_annotation
from mapper.analysis.resolve import Reference


def advice(reference: Reference) -> str:
    """Say why a bare reference was left, and what to do."""
    parent = reference.parents[0]
    name = ast.unparse(reference.node)
    if not isinstance(getattr(reference.node, "ctx", None), ast.Load):
        return f"`{name}` itself is replaced here: what its calls then mean cannot be told"
    for where in reference.parents:
        if isinstance(where, ast.Call) and ast.unparse(where.func) in ("isinstance", "issubclass"):
            return (
                f"`{name}` is tested here: use the MindSpore class once every layer that gets here "
                "is migrated (a layer that became a SequentialCell holds its convolution inside)"
            )
    if _is_called_at_once(reference):
        return (
            f"`{name}` is one of several classes, of which one is called at once: put it into a "
            "variable of its own first (`conv = …`, then `conv(…)`)"
        )
    if is_annotation(reference):
        return f"`{name}` is an annotation: change it together with the code that it describes"
    match parent:
        case ast.ClassDef(name=derived):
            return (
                f"`{derived}` derives from `{name}`: MindSpore's class takes other arguments, and "
                "`construct` in place of `forward`; rewrite the subclass by hand"
            )
        case ast.Assign() | ast.AnnAssign() | ast.IfExp() | ast.NamedExpr():
            return (
                f"`{name}` gets another name here: calls through that name are not rewritten; "
                + _by_hand(reference.api)
            )
        case ast.Attribute(attr=attribute):
            return f"`{name}.{attribute}` reaches into torch's class: no counterpart is known"
        case ast.Dict(keys=keys) if reference.node in keys:
            return (
                f"`{name}` is looked up here: add an entry for the MindSpore class beside it, "
                "for layers that are migrated"
            )
        case ast.List() | ast.Tuple() | ast.Set():
            return (
                f"`{name}` stands in a collection: if layers are tested against it, add the "
                "MindSpore class beside it; if it is called, its calls use torch's argument names: "
                "rewrite them first, then this reference"
            )
    return (
        f"`{name}` is {_use(parent)}: whoever calls it uses torch's argument names; rewrite these "
        "calls first, then this reference"
    )


def _is_called_at_once(reference: Reference) -> bool:
    """Say whether the reference stands in the function of a call: `(A if flag else B)(…)`."""
    inner: ast.AST = reference.node
    for parent in reference.parents:
        match parent:
            case ast.Call(func=function):
                return function is inner
            case ast.Dict(values=values) if inner in values:
                inner = parent
            case ast.Subscript(value=value) if value is inner:
                inner = parent
            case ast.IfExp() | ast.Tuple() | ast.List():
                inner = parent
            case _:
                return False
    return False


def is_annotation(reference: Reference) -> bool:
    """Say whether the reference is an annotation, or a part of one: `Conv2d | None`."""
    return in_annotation(reference.node, reference.parents)


def _use(parent: ast.AST) -> str:
    match parent:
        case ast.Return():
            return "returned"
        case ast.arguments():
            return "the default of a parameter"
        case ast.Call(func=ast.Name(id="partial") | ast.Attribute(attr="partial")):
            return "given to `partial`"
        case ast.Call() | ast.keyword():
            return "passed on as a value"
    return "used as a value"


def _by_hand(api: str) -> str:
    """Say how to write the calls through another name."""
    if api.startswith("torch.nn.functional.conv_transpose"):
        return "call the function directly: MindSpore has none with torch's arguments"
    if api.startswith("torch.nn.functional."):
        return (
            "call the function directly, or rewrite the calls by hand (padding -> pad_mode and "
            "padding)"
        )
    return (
        "call the class directly, or rewrite the calls by hand (groups -> group, "
        "bias -> has_bias, padding -> pad_mode and padding)"
    )
