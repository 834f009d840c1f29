"""Finds assignments that change a Tensor which other names may hold: `x += y` and `x[i] = v`.

In torch they change the Tensor, in MindSpore `x += y` gives the name another one, and graph mode
does so for `x[i] = v`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.aliasing import Aliases
from mapper.analysis.cells import Cells
from mapper.analysis.expectations import NO_TENSOR
from mapper.analysis.kinds import PARAMETER, Kind
from mapper.analysis.walk import walk

Problem = tuple[int, str]


def _is_parameter(kind: Kind) -> bool:
    return kind.without("None") == PARAMETER


class AssignmentChecks:
    """Finds the assignments in place of one file that matter."""

    def __init__(self, cells: Cells, aliases: Aliases) -> None:
        self._kind = cells.kind
        self._aliases = aliases

    def of_statement(self, statement: ast.stmt, function: ast.AST) -> Iterator[Problem]:
        """Yield why it matters that a statement changes a Tensor in place."""
        if isinstance(statement, ast.AugAssign):
            yield from self._augmented(statement, function)
        elif isinstance(statement, ast.Assign | ast.Delete):
            yield from self._stored(statement, function)

    def _augmented(self, statement: ast.AugAssign, function: ast.AST) -> Iterator[Problem]:
        target = statement.target
        match target:
            case ast.Name(id=name):
                if not self._is_tensor(target, statement, function):
                    return
                if not self._aliases.is_private(name, statement, function):
                    yield (
                        statement.lineno,
                        f"`{ast.unparse(statement)[:60]}` changes a Tensor that may have another "
                        f"name, which MindSpore does not: write `{name} = {name} …` where no "
                        "other name is meant to change",
                    )
            case ast.Attribute(value=owner, attr="data") if _is_parameter(self._kind(owner)):
                return  # which is set by set_data, and keeps all its names
            case ast.Attribute() if self._kind(target).is_tensor:
                yield (
                    statement.lineno,
                    f"`{ast.unparse(target)}` is a Tensor that is changed in place: write it as "
                    "an assignment, for a Parameter with requires_grad=False",
                )
            case ast.Subscript(value=value):
                yield from self._added_to_part(statement, value, function)

    def _added_to_part(
        self, statement: ast.AugAssign, value: ast.expr, function: ast.AST
    ) -> Iterator[Problem]:
        """Yield why it matters that a part of a Tensor is changed, or a Tensor in a list."""
        name = value.id if isinstance(value, ast.Name) else ""
        text = ast.unparse(statement.target)
        if self._kind(value).is_tensor:
            if not self._aliases.is_private(name, statement, function):
                yield statement.lineno, _ELEMENT.format(text)
            return
        kinds = self._kind(statement.target), self._kind(statement.value)
        is_tensor = kinds[0].is_tensor or (not kinds[0].is_known and kinds[1].is_tensor)
        if is_tensor and not self._aliases.holds_own(name, statement, function):
            yield (
                statement.lineno,
                f"`{text}` is a Tensor that is changed in place, which may have another name: "
                f"write `{text} = {text} …` where no other name is meant to change",
            )

    def _is_tensor(self, target: ast.Name, statement: ast.AugAssign, function: ast.AST) -> bool:
        """Say whether the name, or what is added to it, holds a Tensor in the function."""
        kinds = [self._kind(target), self._kind(statement.value)]
        kinds += [
            self._kind(node)
            for node in walk(function)
            if isinstance(node, ast.Name) and node.id == target.id
        ]
        if any(part.is_tensor for kind in kinds for part in kind.alternatives()):
            return True
        return not any(kind.is_known for kind in kinds[:1]) and _may_be_given(target.id, function)

    def _stored(self, statement: ast.Assign | ast.Delete, function: ast.AST) -> Iterator[Problem]:
        for target in statement.targets:
            match target:
                case ast.Tuple(elts=elements) | ast.List(elts=elements):
                    for one in elements:
                        if isinstance(one, ast.Subscript) and (self._kind(one.value).is_tensor):
                            yield statement.lineno, _SEVERAL.format(ast.unparse(one))
                case ast.Subscript(value=value) if self._is_view(value):
                    yield statement.lineno, _VIEW.format(ast.unparse(target))
                case ast.Subscript(value=ast.Name(id=name) as value):
                    is_tensor = self._kind(value).is_tensor or self._is_made_a_view(value, function)
                    if is_tensor and not self._aliases.is_private(name, statement, function):
                        yield statement.lineno, _ELEMENT.format(ast.unparse(target))

    def _is_made_a_view(self, name: ast.Name, function: ast.AST) -> bool:
        """Say whether a name of which nothing is known is assigned a view: `m = m.view(-1)`."""
        return not self._kind(name).is_known and any(
            isinstance(one, ast.Assign)
            and isinstance(one.value, ast.Call)
            and any(isinstance(two, ast.Name) and two.id == name.id for two in one.targets)
            and self._is_view(one.value)
            for one in walk(function)
        )

    def _is_view(self, value: ast.expr) -> bool:
        """Say whether an expression may give a part or a view of a Tensor."""
        kind = self._kind(value)
        if kind.is_known and not kind.is_tensor:
            return False
        match value:
            case ast.NamedExpr(value=inner):
                return self._is_view(inner)
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_view(body) or self._is_view(orelse)
            case ast.Call(func=ast.Attribute(attr=name)):
                return kind.is_tensor or name in _VIEWS
            case ast.Attribute(attr=name):
                return name in ("T", "mT", "data", "real", "imag")
            case ast.Subscript(value=inner):
                return kind.is_tensor and self._kind(inner).is_tensor
        return kind.is_tensor and not isinstance(value, ast.Name)


_VIEWS = frozenset(
    (
        "view", "view_as", "reshape", "flatten", "ravel", "detach", "squeeze", "unsqueeze", "t",
        "transpose", "permute", "narrow", "select", "expand", "expand_as", "diagonal", "unflatten",
        "swapaxes", "movedim", "contiguous", "unfold",
    )
)  # fmt: skip
"""Methods that give a view of a Tensor, whatever else has such a name."""
_VIEW = (
    "`{}` is assigned to in a view of a Tensor, which changes the Tensor in torch and may not in "
    "MindSpore: assign to the Tensor itself"
)
_SEVERAL = (
    "`{}` is assigned to together with others, so that torch may read what it changed already: "
    "write one assignment after the other"
)
_ELEMENT = (
    "`{}` is assigned to in a Tensor that may have another name: in graph mode MindSpore changes "
    "only this name"
)


def _may_be_given(name: str, function: ast.AST, depth: int = 4) -> bool:
    """Say whether a name may hold a Tensor of the caller's: a parameter, or a view of one.

    A parameter with a default, and one whose name is that of a number, is taken for a number.
    """
    arguments = getattr(function, "args", None)
    if not isinstance(arguments, ast.arguments) or depth == 0:
        return False
    positional = [*arguments.posonlyargs, *arguments.args]
    first = len(positional) - len(arguments.defaults)
    if any(one.arg == name and one.annotation is None for one in positional[:first]):
        return name not in ("self", "cls") and not NO_TENSOR.fullmatch(name)
    for part in walk(function):
        match part:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                root = value
                while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                    root = root.func if isinstance(root, ast.Call) else root.value
                if isinstance(root, ast.Name) and root.id != name and (
                    _may_be_given(root.id, function, depth - 1)
                ):  # fmt: skip
                    return True
    return False
