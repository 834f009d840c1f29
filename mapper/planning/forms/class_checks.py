"""Finds what would make a class, or a function that it calls, compute something else as a Cell.

Each check is about a silent difference: MindSpore rebinds a name where torch changes a Tensor in
place; a container loses the names of its parameters or skips its children. Unless such a place is
shown to be harmless, the class stays torch's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.inference import Inference
from mapper.analysis.scopes import FUNCTIONS
from mapper.planning.forms.scaffold import ModuleClass

Problem = tuple[int, str]
_PLAIN = ("int", "float", "bool", "number", "str")

_OWN_OF_MODULE = frozenset(
    (
        "__call__", "__delattr__", "__getattr__", "__setattr__", "_apply", "_load_from_state_dict",
        "_save_to_state_dict", "add_module", "apply", "buffers", "children", "cuda", "cpu", "eval",
        "load_state_dict", "modules", "named_buffers", "named_children", "named_modules",
        "named_parameters", "parameters", "register_buffer", "register_parameter",
        "requires_grad_", "state_dict", "to", "train", "type", "zero_grad",
    )
)  # fmt: skip
"""Methods of torch.nn.Module that torch itself calls, or that others call on every module."""

_LAYER_NAMES = frozenset(
    (
        "to", "compile", "apply", "state_dict", "buffers", "get_flags", "recompute", "shard",
        "cast_inputs",
    )
)  # fmt: skip
"""Methods of a Cell: a layer may not be kept under such a name."""


class ClassChecks:
    """Finds the silent differences between the torch modules of one file and Cells."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def of_class(self, one: ModuleClass) -> Iterator[Problem]:
        """Yield why a class cannot become a Cell."""
        for statement in one.node.body:
            if isinstance(statement, FUNCTIONS) and statement.name in _OWN_OF_MODULE:
                if only_drops_counts(statement):
                    continue
                yield (
                    statement.lineno,
                    f"`{statement.name}` replaces a method of torch.nn.Module, which a Cell does "
                    "not call: write it for MindSpore by hand",
                )
        buffers = _buffers(one.node)
        for node in ast.walk(one.node):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    if name in buffers:
                        yield (
                            node.lineno,
                            f"the buffer `{name}` is assigned to, which raises in MindSpore: make "
                            "it a Parameter with requires_grad=False",
                        )
                    elif name in _LAYER_NAMES:
                        yield node.lineno, f"a Cell has a method `{name}`: give it another name"
        if one.root == "torch.nn.Sequential":
            yield from _sequential(one, self._inference)


def only_drops_counts(node: ast.AST) -> bool:
    """Say whether a `_load_from_state_dict` does no more than to drop `num_batches_tracked`.

    MindSpore has no such buffer, so that it does not matter that nobody calls the method.
    """
    if not isinstance(node, ast.FunctionDef) or node.name != "_load_from_state_dict":
        return False
    body = [one for statement in node.body for one in ast.walk(statement)]
    texts = {one.value for one in body if isinstance(one, ast.Constant)}
    calls = [ast.unparse(one.func) for one in body if isinstance(one, ast.Call)]
    simple = ast.Assign | ast.If | ast.Delete | ast.Expr
    return (
        texts == {"num_batches_tracked"}
        and set(calls) <= {"super", "super()._load_from_state_dict"}
        and all(isinstance(one, simple) for one in body if isinstance(one, ast.stmt))
        and not any(isinstance(one, ast.Subscript | ast.Attribute)
                    and isinstance(one.ctx, ast.Store) for one in body)
    )  # fmt: skip


def _buffers(node: ast.ClassDef) -> set[str]:
    """Return the names that a class registers as buffers."""
    found = set[str]()
    for part in ast.walk(node):
        match part:
            case ast.Call(
                func=ast.Attribute(attr="register_buffer"), args=[ast.Constant(value=str(name)), *_]
            ):
                found.add(name)
    return found


def _sequential(one: ModuleClass, inference: Inference) -> Iterator[Problem]:
    """Yield where a subclass of Sequential gets children that SequentialCell would skip."""
    if one.method("forward") is not None:
        return
    plain = {
        target
        for node in ast.walk(one.node)
        if isinstance(node, ast.Assign) and inference.kind(node.value).name in _PLAIN
        for target in node.targets
    }
    for node in ast.walk(one.node):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                if node in plain:
                    continue
                yield (
                    node.lineno,
                    f"`self.{name}` is set in a subclass of Sequential, whose children MindSpore "
                    "skips when they are set by attribute: pass them to `super().__init__`",
                )
            case ast.Call(func=ast.Attribute(attr="add_module")):
                yield (
                    node.lineno,
                    "add_module in a subclass of Sequential: MindSpore skips children that are "
                    "added so: pass them to `super().__init__(OrderedDict(…))`",
                )
