"""Type tests such as `isinstance(m, nn.Conv2d)`, written so that they hold for both frameworks.

A tree may still hold torch layers (from a library, or left for a person), so the MindSpore class
is added beside torch's: the test is then true for just the objects that it was true for.
"""

from __future__ import annotations

import ast

from mapper.analysis.resolve import Names, Reference

_INSTANCE = ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")
_UPSAMPLE = ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")
_TOLD_APART: dict[str, tuple[str, ...]] = {
    "GroupNorm": _INSTANCE,
    **dict.fromkeys(_INSTANCE, ("GroupNorm", *_INSTANCE)),
    **dict.fromkeys(_UPSAMPLE, _UPSAMPLE),
    "Hardtanh": ("ReLU6",),
    "ConstantPad2d": ("ZeroPad2d",),
    "BatchNorm2d": ("BatchNorm3d",),
    "Dropout": ("LSTM", "GRU", "RNN"),
}
"""Classes, and others of which MindSpore's answer is another one than torch's.

They are one class in MindSpore, or no longer one under the other, or hold one of the class inside.
"""


def told_apart(reference: Reference) -> tuple[str, ...]:
    """Return the layers that MindSpore tells from the one of a type test otherwise than torch."""
    if not (is_type_test(reference) or is_compared(reference)):
        return ()
    around = reference.parents[0]
    beside = ast.unparse(around) if isinstance(around, ast.Tuple) else ""
    name = reference.api.rpartition(".")[2]
    others = _TOLD_APART.get(name, ()) if reference.api.startswith("torch.nn.") else ()
    return tuple(one for one in others if one != name and one not in beside)


def is_type_test(reference: Reference) -> bool:
    """Say whether the reference is a class in `isinstance`, `issubclass` or `type(m) in (…)`."""
    inner: ast.AST = reference.node
    for parent in reference.parents:
        match parent:
            case ast.Tuple():
                inner = parent
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
                return classes is inner
            case ast.Compare(
                left=ast.Call(func=ast.Name(id="type"), args=[_]),
                ops=[ast.In() | ast.NotIn()],
                comparators=[ast.Tuple() as classes],
            ):
                return classes is inner
            case _:
                return False
    return False


def is_compared(reference: Reference) -> bool:
    """Say whether the reference is the class in `type(m) is nn.Conv2d` or `m.__class__ == …`."""
    match reference.parents[:1]:
        case (ast.Compare(left=left, comparators=[right]),):
            return any(map(_is_class_of, (left, right)))
    return False


def _is_class_of(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="type"), args=[_]) | ast.Attribute(attr="__class__"):
            return True
    return False


def only_moves(reference: Reference) -> bool:
    """Say whether `if isinstance(x, torch.cuda.FloatTensor): y = y.cuda()` does no more."""
    match reference.parents[:2]:
        case (ast.Call(func=ast.Name(id="isinstance")) as test, ast.If(test=tested) as guarded):
            is_it = tested is test and not guarded.orelse
            return is_it and all(map(_moves, guarded.body))
    return False


def _moves(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=moved), attr="cuda"), args=[], keywords=[]
            ),
        ):
            return name == moved
    return False


def tested_by(reference: Reference) -> ast.expr | None:
    """Return what a type test asks about; None where the reference is no type test."""
    if not is_type_test(reference):
        return None
    for parent in reference.parents:
        match parent:
            case ast.Call(args=[tested, _]) | ast.Compare(left=ast.Call(args=[tested])):
                return tested
    return None


def tests_already(reference: Reference, names: Names, target: str) -> bool:
    """Say whether the MindSpore class stands beside torch's already."""
    around = reference.parents[0]
    if not isinstance(around, ast.Tuple):
        return False
    found = [names.meaning(element, reference.scope) for element in around.elts]
    return any(meaning is not None and meaning.name == target for meaning in found)


def both(reference: Reference, text: str, mindspore: str) -> str:
    """Return the source that tests for either class."""
    pair = f"{text}, {mindspore}"
    return pair if isinstance(reference.parents[0], ast.Tuple) else f"({pair})"
