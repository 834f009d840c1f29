"""Writes methods that change their Tensor as assignments: `y.add_(z)` becomes `y = y.add(z)`.

Only where nothing else can hold the Tensor: MindSpore's method gives a new one, and whoever still
had the old one would not see the change.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.aliasing import Aliases
from mapper.analysis.inference import Inference
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.torch_results import is_in_place
from mapper.model.plan import ManualError
from mapper.running.drafts import Draft, Drafter


class InPlaceMethods:
    """The methods in place of one file, as drafts."""

    def __init__(self, drafter: Drafter, inference: Inference) -> None:
        self._drafter = drafter
        self._aliases = Aliases(inference.cells, inference.module)

    def draft(self, reference: Reference) -> Draft:
        """Return the draft of a method in place."""
        try:
            name = self._assigned(reference)
        except ManualError as error:
            draft = self._drafter.in_place(reference, None)
            if draft.is_written:
                draft.leave(str(error))
            return draft
        return self._drafter.in_place(reference, name)

    def _assigned(self, reference: Reference) -> str | None:
        """Return the name that the new Tensor is to be given, None where it has one anyway.

        Raises:
            ManualError: another name may hold the Tensor that torch changes.
        """
        *_, statement = reference.parents
        function = reference.scope.node
        root = _root(reference.node)
        outermost, above = list(_chain(reference))[-1]
        if not isinstance(statement, ast.stmt) or not isinstance(function, FUNCTIONS):
            pass  # code of the module, whose names others may read at any time
        elif self._aliases.is_fresh(root):
            return None
        elif isinstance(root, ast.Name) and self._is_private(root, statement, function):
            if isinstance(above, ast.Expr):
                return root.id if outermost is reference.call else None
            if isinstance(above, ast.Return) or _binds(above, root.id):
                return None
            if self._aliases.is_lost(root, statement, function):
                return None
        held = ast.unparse(root)[:60]
        raise ManualError(
            f"torch changes `{held}` in place, which may have another name, and MindSpore gives a "
            f"new Tensor: assign that to `{held}` where no other name is meant to change"
        )

    def _is_private(self, root: ast.Name, statement: ast.stmt, function: ast.AST) -> bool:
        if self._aliases.is_private(root.id, statement, function):
            return True
        reads = [
            node for node in ast.walk(statement)
            if isinstance(node, ast.Name) and node.id == root.id and isinstance(node.ctx, ast.Load)
        ]  # fmt: skip
        return len(reads) == 1 and self._aliases.is_private_before(root.id, statement, function)


def _root(node: ast.expr) -> ast.expr:
    """Return what a chain of methods in place starts from: `x` of `x.mul_(a).add_`."""
    while isinstance(node, ast.Attribute) and is_in_place(node.attr):
        node = node.value
        if not isinstance(node, ast.Call):
            break
        if not isinstance(node.func, ast.Attribute) or not is_in_place(node.func.attr):
            break
        node = node.func
    return node


def _chain(reference: Reference) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield the calls of a chain of methods in place from a site on, each with what is around."""
    call, *around = reference.parents
    while True:
        yield call, around[0]
        match around:
            case [ast.Attribute(attr=attr), ast.Call() as call, _, *_] if is_in_place(attr):
                around = around[2:]
            case _:
                return


def _binds(statement: ast.AST, name: str) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=found)]):
            return found == name
    return False
