"""Finds what would make a class, or a function that it calls, compute something else as a Cell.

Each check is about a silent difference: MindSpore rebinds a name where torch changes a Tensor in
place; a container loses the names of its parameters or skips its children. Unless such a place is
shown to be harmless, the class stays torch's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.aliasing import Aliases, is_over, parameters
from mapper.analysis.cells import ClassInfo
from mapper.analysis.expectations import NO_TENSOR
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.scopes import DEFINITIONS, FUNCTIONS
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
        self._aliases = Aliases(inference)
        self._changing: dict[ast.AST, bool] = {}

    def of_class(self, one: ModuleClass) -> Iterator[Problem]:
        """Yield why a class cannot become a Cell."""
        for statement in one.node.body:
            if isinstance(statement, FUNCTIONS) and statement.name in _OWN_OF_MODULE:
                if _only_drops_counts(statement):
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

    def of_function(self, function: ast.AST) -> Iterator[Problem]:
        """Yield the in-place changes of a function that other code may see."""
        for statement in ast.walk(function):
            if isinstance(statement, ast.AugAssign):
                yield from self._augmented(statement, function)
            elif isinstance(statement, ast.Assign | ast.Delete):
                yield from self._stored(statement, function)
            if isinstance(statement, ast.stmt) and not isinstance(statement, DEFINITIONS):
                yield from self._layers_in_place(statement, function)

    # --- x += y, x[i] = v ---------------------------------------------------------------------

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
            case ast.Attribute() if self._inference.kind(target).is_tensor:
                yield (
                    statement.lineno,
                    f"`{ast.unparse(target)}` is a Tensor that is changed in place: write it as "
                    "an assignment, for a Parameter with requires_grad=False",
                )
            case ast.Subscript(value=ast.Name(id=name) as value):
                if self._inference.kind(value).is_tensor and not self._aliases.is_private(
                    name, statement, function
                ):
                    yield statement.lineno, _ELEMENT.format(ast.unparse(target))

    def _is_tensor(self, target: ast.Name, statement: ast.AugAssign, function: ast.AST) -> bool:
        """Say whether the name, or what is added to it, holds a Tensor in the function."""
        kinds = [self._inference.kind(target), self._inference.kind(statement.value)]
        kinds += [
            self._inference.kind(node)
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and node.id == target.id
        ]
        if any(part.is_tensor for kind in kinds for part in kind.alternatives()):
            return True
        return not any(kind.is_known for kind in kinds[:1]) and _may_be_given(target.id, function)

    def _stored(self, statement: ast.Assign | ast.Delete, function: ast.AST) -> Iterator[Problem]:
        for target in statement.targets:
            match target:
                case ast.Subscript(value=ast.Name(id=name) as value):
                    if self._inference.kind(value).is_tensor and not self._aliases.is_private(
                        name, statement, function
                    ):
                        yield statement.lineno, _ELEMENT.format(ast.unparse(target))

    # --- layers that change their input -------------------------------------------------------

    def _layers_in_place(self, statement: ast.stmt, function: ast.AST) -> Iterator[Problem]:
        for call in _own_calls(statement):
            if not call.args or not self._changes_input(call):
                continue
            given = call.args[0]
            if self._is_lost(given, statement, function):
                continue
            yield (
                call.lineno,
                f"`{ast.unparse(call)[:60]}` changes its input in torch (inplace=True), which may "
                "be seen afterwards; MindSpore leaves the input as it is: write it without "
                "inplace where both are meant to be the same",
            )

    def _changes_input(self, call: ast.Call) -> bool:
        if self._inference.kind(call).is_layer:  # the call only builds the layer
            return False
        for keyword in call.keywords:
            if keyword.arg == "inplace":
                return not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        return any(map(self._may_change, self._inference.kind(call.func).alternatives()))

    def _may_change(self, layer: Kind) -> bool:
        """Say whether a layer may change its first input in place."""
        if not layer.is_layer:
            return False
        if layer.changes:
            return True
        if isinstance(layer.of, ClassInfo):
            return self._class_changes(layer.of)
        if layer.of == "torch.nn.Sequential":
            children = list(layer.elements or ())
            for child in children:
                parts = list(child.alternatives())
                if any(map(self._may_change, parts)):
                    return True
                if not all(_is_transparent(part) for part in parts):
                    return False
        return False

    def _class_changes(self, info: ClassInfo) -> bool:
        """Say whether the `forward` of a class changes its first input."""
        method = info.method("forward")
        if method is None:
            return False
        if method.node not in self._changing:
            self._changing[method.node] = False  # the answer while `forward` calls itself
            self._changing[method.node] = self._forward_changes(method.node)
        return self._changing[method.node]

    def _forward_changes(self, function: ast.AST) -> bool:
        inputs = parameters(function)[1:]
        if not inputs:
            return False
        for statement in getattr(function, "body", ()):
            for call in _own_calls(statement):
                match call.args[:1]:
                    case [ast.Name(id=name)] if name == inputs[0] and self._changes_input(call):
                        return True
            if _binds(statement, inputs[0]):
                return False
        return False

    def _is_lost(self, given: ast.expr, statement: ast.stmt, function: ast.AST) -> bool:
        """Say whether the Tensor given to a call is not used after the call in this function."""
        if self._aliases.is_lost(given, statement, function):
            return True
        return (
            isinstance(given, ast.Name)
            and is_over(given, statement, function)
            and given.id in parameters(function)
            and self._aliases.is_only_the_callers(given.id, statement, function)
        )


_ELEMENT = (
    "`{}` is assigned to in a Tensor that may have another name: in graph mode MindSpore changes "
    "only this name"
)


def _own_calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls in a statement, those of statements inside it left out."""
    stack: list[ast.AST] = [
        child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)
    ]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            yield node
        stack.extend(one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt))


def _only_drops_counts(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a `_load_from_state_dict` does no more than to drop `num_batches_tracked`.

    MindSpore has no such buffer, so that it does not matter that nobody calls the method.
    """
    if node.name != "_load_from_state_dict":
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


def _is_transparent(layer: Kind) -> bool:
    """Say whether a layer may hand its input on as it is."""
    word = layer.of.rpartition(".")[2] if isinstance(layer.of, str) else ""
    passing = ("Unseen", "Identity", "Sequential", "Flatten", "Unflatten")
    return word in passing or word.startswith("Dropout")


def _binds(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=found)]):
            return found == name
    return False


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
    for part in ast.walk(function):
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
