"""What a reference that is not a call is used for, and what a person can do about it."""

from __future__ import annotations

import ast

from mapper.names import Reference


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
    match parent:
        case ast.ClassDef(name=derived):
            return (
                f"`{derived}` derives from `{name}`: MindSpore's class takes other arguments, and "
                "`construct` in place of `forward`; rewrite the subclass by hand"
            )
        case ast.arg() | ast.AnnAssign() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return f"`{name}` is an annotation: change it together with the code that it describes"
        case ast.Assign() | ast.IfExp() | ast.NamedExpr():
            return (
                f"`{name}` gets another name here: calls through that name are not rewritten; "
                + _by_hand(reference.api)
            )
        case ast.arguments() | ast.keyword():
            return (
                f"`{name}` is passed on as a value: whoever calls it uses torch's argument names; "
                "rewrite these calls first, then this reference"
            )
        case ast.Attribute(attr=attribute):
            return f"`{name}.{attribute}` reaches into torch's class: no counterpart is known"
    return (
        f"`{name}` is used as a value: whoever calls it uses torch's argument names; rewrite these "
        "calls first, then this reference"
    )


def _by_hand(api: str) -> str:
    """Say how to write the calls through another name."""
    if api.startswith("torch.nn.functional."):
        return (
            "call the function directly, or rewrite the calls by hand (`pad_mode='pad'` beside "
            "`padding`; a transposed one has no counterpart that only differs in its names)"
        )
    return (
        "call the class directly, or rewrite the calls by hand (groups -> group, "
        "bias -> has_bias, padding -> pad_mode and padding)"
    )
