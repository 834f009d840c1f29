"""Guesses what a function expects of a parameter from how its body uses the name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mapper.analysis.kinds import words
from mapper.analysis.python_results import TYPES
from mapper.analysis.torch_results import TENSOR_ONLY, has_attribute
from mapper.analysis.walk import children

_SIZES = frozenset(
    words(
        """
        view reshape expand repeat permute transpose flatten unflatten tile unsqueeze squeeze
        range chunk split new_zeros new_ones
        """
    )
)  # what is given to these is a number, or a tuple of numbers
NO_TENSOR = re.compile(
    r"[A-Z]|(.*_)?(size|shape|dims?|num|idx|index|name|mode|height|width|type|dtype|device|"
    r"rate|prob|return|kind|key|scale_factor|length|step|steps|fn|func|callback|verbose|use|h|w)"
    r"|(num|n|is|use|return|with|do|output|get|need|needs|should|max|min)_.*|[hwnbctd]|"
    r"args|kwargs|kw|cfg|config|opt|options"
)
"""Names of parameters that mostly hold numbers, flags or settings."""


class Expectation:
    """What the uses of one parameter say about it."""

    __slots__ = ("_only_numbers", "against", "is_tensor", "likely", "uses", "weak")

    def __init__(self) -> None:
        self.uses = 0
        self.is_tensor = False  # a method that only Tensors have is called on it
        self.likely = False  # a method or attribute of Tensors is used
        self.against = False
        self.weak = False
        self._only_numbers = True

    def of_forward(self, name: str) -> bool:
        """Say whether a parameter of `forward` is assumed to be a Tensor."""
        if self.against:
            return False
        if self.is_tensor or self.likely:
            return True
        return not self.weak and self.uses > 0 and not NO_TENSOR.fullmatch(name)

    def of_helper(self) -> bool:
        """Say whether a parameter of another function is assumed to be a Tensor."""
        return self.is_tensor and not self.against

    def see(self, node: ast.Name, parent: ast.AST, above: ast.AST | None) -> None:
        """Record one use of the name."""
        self.uses += 1
        match parent:
            case ast.Attribute(attr=attr):
                is_call = isinstance(above, ast.Call) and above.func is parent
                if has_attribute(attr) and not _is_python(attr):
                    self.likely = True
                    self.is_tensor |= is_call and (attr in TENSOR_ONLY or _is_size(attr))
                elif attr not in ("training", "__class__"):
                    self.against |= not has_attribute(attr)
            case ast.Subscript(value=value, slice=index) if value is node:
                if isinstance(index, ast.Constant) and isinstance(index.value, str):
                    self.against = True
                elif isinstance(index, ast.Tuple | ast.Slice):
                    self.likely |= isinstance(index, ast.Tuple)
                    self.weak |= isinstance(index, ast.Slice)
                else:
                    self.weak = True
            case ast.For(iter=value) | ast.comprehension(iter=value) if value is node:
                self.weak = True
            case ast.Starred() | ast.keyword(arg=None):
                self.against |= isinstance(parent, ast.keyword)
                self.weak = True
            case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value) if value is node:
                self.weak = True
            case ast.Call(func=ast.Name(id="isinstance" | "callable" | "issubclass")):
                self.against = True
            case ast.Call(func=ast.Name(id="len" | "enumerate" | "zip" | "list" | "tuple")):
                self.weak = True
            case ast.Call(func=ast.Name(id="range" | "int" | "getattr" | "hasattr" | "str")):
                self.against = True
            case ast.Call(func=func) if func is node:
                self.against = True
            case ast.Call(func=ast.Attribute(attr=attr) | ast.Name(id=attr)) if attr in _SIZES:
                self.weak = True
            case ast.Compare(comparators=others):
                texts = [one for one in others if isinstance(one, ast.Constant)
                         and isinstance(one.value, str)]  # fmt: skip
                is_in = any(isinstance(op, ast.In | ast.NotIn) for op in parent.ops)
                self.against |= bool(texts) or is_in
            case ast.FormattedValue():
                self.weak = True


def _is_size(attr: str) -> bool:
    return attr in ("size", "dim")


def _is_python(attr: str) -> bool:
    """Say whether some type of Python's own has the attribute, too."""
    return any(hasattr(one, attr) for one in TYPES.values())


def expectations(function: ast.AST) -> dict[str, Expectation]:
    """Return what a function's body says about each parameter, until that is rebound."""
    arguments: ast.arguments = function.args  # type: ignore[attr-defined]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found = {one.arg: Expectation() for one in every}
    body = function.body  # type: ignore[attr-defined]
    roots = body if isinstance(body, list) else [body]
    live = dict(found)
    for statement in roots:
        for node, parent, above in _names(statement, function):
            if isinstance(node.ctx, ast.Load) and node.id in live:
                live[node.id].see(node, parent, above)
        for name in _stored(statement):
            live.pop(name, None)  # later uses are of the new value
    return found


def _stored(statement: ast.AST) -> Iterator[str]:
    for node, _, _ in _names(statement, statement):
        if not isinstance(node.ctx, ast.Load):
            yield node.id


def _names(
    node: ast.AST, parent: ast.AST, above: ast.AST | None = None
) -> Iterator[tuple[ast.Name, ast.AST, ast.AST | None]]:
    stack: list[tuple[ast.AST, ast.AST, ast.AST | None]] = [(node, parent, above)]
    while stack:
        one, outer, further = stack.pop()
        if isinstance(one, ast.Name):
            yield one, outer, further
        stack.extend((child, one, outer) for child in children(one))
