"""Decides whether a Tensor may also be reached by another name, so that in-place changes matter.

MindSpore rebinds where torch changes in place: `x += y` must become a plain assignment, which is
the same only if no other name holds the Tensor. Where that is not known, one is assumed to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mapper.analysis.callers import Caller, passed, visible_calls
from mapper.analysis.cells import ClassInfo
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind, words
from mapper.analysis.scopes import BODIES, COMPREHENSIONS, DEFINITIONS, FUNCTIONS
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import ATTRIBUTES, TENSOR_METHODS, is_in_place
from mapper.analysis.walk import children, walk

_REPEATING = (ast.For, ast.AsyncFor, ast.While, ast.Lambda, *COMPREHENSIONS)
_DEEPEST = 6  # layers, classes and functions looked through behind one another
_FRESH_LAYERS = ("Conv", "Linear", "Bilinear", "BatchNorm", "GroupNorm", "LayerNorm", "Embedding",
                 "InstanceNorm", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool",
                 "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "GELU", "PixelShuffle", "Upsample",
                 "ConvTranspose", "LocalResponseNorm", "PReLU", "Softplus",
                 "weight_norm")  # fmt: skip
_ACTIVATIONS = frozenset(
    words("ReLU ReLU6 SiLU Mish Hardswish Hardsigmoid SELU LeakyReLU ELU CELU Threshold Hardtanh")
)
_PASSING = frozenset(
    words("Unseen Identity Dropout Dropout1d Dropout2d Dropout3d AlphaDropout Flatten")
)
_FRESH_FUNCTIONS = frozenset(
    words(
        """
        cat stack add sub mul div matmul bmm mm einsum exp log sqrt rsqrt pow abs sigmoid tanh
        softmax log_softmax sum mean max_pool2d avg_pool2d conv1d conv2d conv3d linear batch_norm
        layer_norm group_norm interpolate zeros ones randn rand full zeros_like ones_like
        randn_like rand_like relu leaky_relu gelu silu elu softplus adaptive_avg_pool2d
        adaptive_max_pool2d max_pool1d max_pool3d avg_pool1d avg_pool3d clone arange linspace eye
        embedding upsample where cumsum one_hot empty empty_like full_like tensor randint randperm
        bernoulli multinomial topk sort argsort argmax argmin
        """
    )
)
_FRESH_METHODS = frozenset(
    words(
        """
        add sub mul div matmul bmm mm exp log sqrt rsqrt pow abs sigmoid tanh softmax log_softmax
        sum mean clone repeat masked_fill new_zeros new_ones new_full std var prod cumsum gather
        index_select relu clamp norm argmax neg square sin cos flip roll tile
        """
    )
)
_VIEWS = frozenset(
    words(
        """
        view reshape permute transpose t squeeze unsqueeze flatten contiguous expand expand_as
        narrow select unfold detach to float half double cpu cuda type type_as view_as reshape_as
        swapaxes movedim diagonal real imag int long bool unflatten broadcast_to as_strided
        """
    )
)


class Aliases:
    """Answers for one file whether Tensors are private to the name that holds them."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._returns: dict[tuple[ast.AST, ast.AST], bool] = {}
        self._handed_over: dict[tuple[ast.AST, str], bool] = {}

    def is_fresh(self, node: ast.expr, depth: int = _DEEPEST) -> bool:
        """Say whether an expression surely yields a Tensor that nothing else refers to."""
        if depth == 0 or not self._inference.kind(node).is_tensor:
            return False
        match node:
            case ast.BinOp() | ast.UnaryOp() | ast.Compare():
                return True
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_fresh(body, depth - 1) and self.is_fresh(orelse, depth - 1)
            case ast.Call():
                return self._is_fresh_call(node, depth)
        return False

    def is_private(self, name: str, at: ast.stmt, function: ast.AST) -> bool:
        """Say whether nothing else refers to the Tensor that a name has at a statement.

        Then `x += y`, `x.add_(y)` and a layer that works in place may be written `x = x + y` there.
        The name was then given a fresh Tensor before, and no statement since has passed it on.
        """
        return self.is_private_before(name, at, function) and self._gives_nothing(at, name)

    def is_private_before(self, name: str, at: ast.stmt, function: ast.AST) -> bool:
        """Say whether nothing else refers to the Tensor of a name when a statement begins."""
        if _is_captured(name, function):
            return False
        since: list[ast.stmt] = []
        for owner, body, index in reversed(_bodies_around(at, function)):
            for statement in reversed(body[:index]):
                if (value := _assigned(statement, name)) is not None and self.is_fresh(value):
                    return all(self._gives_nothing(one, name) for one in since)
                since.append(statement)
            if isinstance(owner, ast.For | ast.AsyncFor | ast.While):
                since.extend(body[index:])  # the loop's next round
            elif isinstance(owner, ast.Try):
                return False
            if isinstance(owner, ast.If | ast.While):
                since.append(ast.Expr(owner.test))
        is_kept = all(self._gives_nothing(one, name) for one in since)
        return is_kept and self._is_handed_over(name, function)

    def is_lost(self, given: ast.expr, statement: ast.stmt, function: ast.AST) -> bool:
        """Say whether the Tensor given to a call is surely not used after the call."""
        if self.is_fresh(given):
            return True
        return (
            isinstance(given, ast.Name)
            and is_over(given, statement, function)
            and self.is_private_before(given.id, statement, function)
        )

    def _is_handed_over(self, name: str, function: ast.AST) -> bool:
        """Say whether all callers give a parameter a Tensor that they do not use afterwards."""
        if not isinstance(function, FUNCTIONS) or name not in parameters(function):
            return False
        key = function, name
        if key not in self._handed_over:
            self._handed_over[key] = False  # the answer while it calls itself
            module = self._inference.module
            scope = next(one for one in module.names.scopes.all if one.node is function)
            calls = visible_calls(scope, module.uses, module.path)
            given = passed(scope, name, calls) if calls else None
            self._handed_over[key] = (
                given is not None
                and not given.is_hidden
                and len(given.values) == len(calls or ())
                and all(self._loses(caller, value) for caller, value in given.values)
            )
        return self._handed_over[key]

    def _loses(self, caller: Caller, value: ast.expr) -> bool:
        if not isinstance(caller.statement, ast.stmt):
            return False
        around = self._inference.module.names.scopes.home[caller.statement].node
        return self.is_lost(value, caller.statement, around)

    def is_only_the_callers(self, name: str, at: ast.stmt, function: ast.AST) -> bool:
        """Say whether a parameter still holds its argument, which has no other name in here."""
        before = [
            statement
            for _, body, index in _bodies_around(at, function)
            for statement in body[:index]
        ]
        return all(
            _assigned(part, name) is None and self._gives_nothing(statement, name)
            for statement in before
            for part in walk(statement)
        )

    def _gives_nothing(self, statement: ast.stmt, name: str) -> bool:
        """Say whether a statement neither passes the name's Tensor on nor rebinds the name."""
        for part in walk(statement):
            if isinstance(part, ast.NamedExpr | ast.For | ast.With | ast.Global | ast.Nonlocal):
                bound = [one for one in walk(part) if isinstance(one, ast.Name)
                         and one.id == name and not isinstance(one.ctx, ast.Load)]  # fmt: skip
                if isinstance(part, ast.Global | ast.Nonlocal) or any(
                    self._is_target(one, part) for one in bound
                ):
                    return False
            value = _assigned(part, name)
            if value is not None and not (self.is_fresh(value) or self._keeps(value, name)):
                return False
        return all(self._is_harmless(*use, name) for use in _uses(statement, name))

    def _is_target(self, node: ast.Name, part: ast.AST) -> bool:
        targets = [getattr(part, "target", None)]
        targets += [item.optional_vars for item in getattr(part, "items", ())]
        return any(target is not None and node in list(walk(target)) for target in targets)

    # --- what calls give ----------------------------------------------------------------------

    def _is_fresh_call(self, node: ast.Call, depth: int) -> bool:
        callee = self._inference.kind(node.func)
        if any(keyword.arg in ("inplace", "out", None) for keyword in node.keywords):
            return False
        first = node.args[0] if node.args else None
        if callee.is_layer:
            is_fresh = first is not None and self.is_fresh(first, depth - 1)
            return all(self._gives_fresh(one, is_fresh, depth) for one in callee.alternatives())
        match callee.of:
            case str(name) if is_torch(name):
                return name.rpartition(".")[2] in _FRESH_FUNCTIONS
            case ("method", Kind() as owner, str(name)) if owner.is_tensor:
                if name in _FRESH_METHODS:
                    return True
                receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
                passes = name in _VIEWS or is_in_place(name)
                return passes and receiver is not None and self.is_fresh(receiver, depth - 1)
        return False

    def _gives_fresh(self, layer: Kind, is_fresh: bool, depth: int) -> bool:
        """Say whether a layer's result is fresh, given whether its input is."""
        if depth == 0:
            return False
        if isinstance(layer.of, ClassInfo):
            return self._returns_fresh(layer.of, depth)
        word = layer.of.rpartition(".")[2] if isinstance(layer.of, str) else ""
        if word == "Sequential" and layer.elements:
            for child in layer.elements:
                is_fresh = self._gives_fresh(child, is_fresh, depth - 1)
            return is_fresh
        if layer.changes or word in _PASSING:
            return is_fresh
        return word in _ACTIVATIONS or word.startswith(_FRESH_LAYERS)

    def _returns_fresh(self, info: ClassInfo, depth: int) -> bool:
        method = info.method("forward")
        if method is None or info.derived or method.cells is not info.cells:
            return False
        returned = [part for part in walk(method.node) if isinstance(part, ast.Return)]
        return bool(returned) and all(
            self._is_fresh_return(one, method.node, depth - 1) for one in returned
        )

    def _is_fresh_return(self, returned: ast.Return, function: ast.AST, depth: int) -> bool:
        value = returned.value
        if isinstance(value, ast.Name):
            key = function, returned
            if key not in self._returns:
                self._returns[key] = False  # the answer while it calls itself
                self._returns[key] = self.is_private(value.id, returned, function)
            return self._returns[key]
        return value is not None and self.is_fresh(value, depth)

    # --- uses of a name -----------------------------------------------------------------------

    def _keeps(self, value: ast.expr, name: str) -> bool:
        """Say whether a value is the old one of the name, or a view of it."""
        match value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr=attr)) if found == name:
                return attr in _VIEWS or is_in_place(attr)
            case ast.Call(func=func, args=[ast.Name(id=found)]) if found == name:
                callee = self._inference.kind(func)
                return all(
                    _passes(one) or self._gives_fresh(one, False, 2)
                    for one in callee.alternatives()
                )
        return False

    def _is_harmless(
        self, node: ast.Name, parent: ast.AST, above: ast.AST, outermost: ast.AST, name: str
    ) -> bool:
        """Say whether a use of a name does not make the Tensor reachable elsewhere."""
        match parent:
            case ast.Assign() | ast.AugAssign() if not isinstance(node.ctx, ast.Load):
                return True
            case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Return() | ast.AugAssign():
                return True
            case ast.Expr():
                return True
            case ast.Subscript(value=value) if value is node:
                return not isinstance(parent.ctx, ast.Load)  # else it is a view
            case ast.Attribute(attr=attr):
                if attr in ATTRIBUTES and attr not in (
                    "data",
                    "T",
                    "mT",
                    "H",
                    "mH",
                    "real",
                    "imag",
                ):
                    return True
                if not isinstance(above, ast.Call) or above.func is not parent:
                    return False
                if attr in _FRESH_METHODS or attr in ("size", "dim", "item", "numel"):
                    return True
                if is_in_place(attr) and isinstance(outermost, ast.Expr):
                    return True
                return attr in TENSOR_METHODS and _assigns(outermost, name)
            case ast.Call() if parent.func is not node:
                given = [argument for argument in parent.args if argument is node]
                if not given:
                    return False
                return self._is_fresh_call(parent, 2) or _assigns(above, name)
            case ast.List() | ast.Tuple() if isinstance(above, ast.Call):
                return self._is_fresh_call(above, 2)
        return False


def is_over(given: ast.Name, statement: ast.stmt, function: ast.AST) -> bool:
    """Say whether a name's value is not read any more once a statement has read it there."""
    is_last = _assigned(statement, given.id) is not None or not _is_read_later(given, function)
    return is_last and not _is_read_beside(given, statement)


def parameters(function: ast.AST) -> list[str]:
    """Return the names of a function's parameters that may be given by position."""
    arguments = getattr(function, "args", None)
    return [one.arg for one in arguments.args] if isinstance(arguments, ast.arguments) else []


def _is_read_beside(given: ast.Name, statement: ast.stmt) -> bool:
    """Say whether the statement also reads the name elsewhere: `x + self.block(x)`."""
    return any(
        isinstance(node, ast.Name)
        and node is not given
        and node.id == given.id
        and isinstance(node.ctx, ast.Load)
        for node in walk(statement)
    )


def _is_read_later(given: ast.Name, function: ast.AST) -> bool:
    """Say whether the name is read after a place, or anywhere in a loop around that place."""
    for node in walk(function):
        if isinstance(node, _REPEATING) and any(part is given for part in walk(node)):
            return True
    place = (given.lineno, given.col_offset)
    return any(
        isinstance(node, ast.Name)
        and node.id == given.id
        and isinstance(node.ctx, ast.Load)
        and (node.lineno, node.col_offset) > place
        for node in walk(function)
    )


def _is_captured(name: str, function: ast.AST) -> bool:
    """Say whether a function defined inside may use the name, at whatever time it is called."""
    inner = (one for one in walk(function) if one is not function)
    return any(
        isinstance(node, ast.Name) and node.id == name
        for one in inner
        if isinstance(one, (*DEFINITIONS, ast.Lambda))
        for node in walk(one)
    )


_Place = tuple[ast.AST, list[ast.stmt], int]


def _bodies_around(at: ast.stmt, function: ast.AST) -> list[_Place]:
    """Return the lists of statements from a function's own to the one that holds a statement."""
    stack: list[tuple[ast.AST, list[_Place]]] = [(function, [])]
    while stack:
        owner, above = stack.pop()
        for name in BODIES:
            body = getattr(owner, name, None)
            if not isinstance(body, list):
                continue
            for index, one in enumerate(body):
                way = [*above, (owner, body, index)]
                if one is at:
                    return way
                if not isinstance(one, DEFINITIONS):
                    stack.append((one, way))
    return []


def _assigned(statement: ast.AST, name: str) -> ast.expr | None:
    """Return what a statement assigns to the name alone."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
            return statement.value
    return None


def _passes(layer: Kind) -> bool:
    word = layer.of.rpartition(".")[2] if isinstance(layer.of, str) else ""
    return layer.name == "layer" and (layer.changes or word in _PASSING)


def _assigns(node: ast.AST, name: str) -> bool:
    """Say whether a statement assigns to the name itself, and to no other."""
    return isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == [name]


def _uses(function: ast.AST, name: str) -> Iterator[tuple[ast.Name, ast.AST, ast.AST, ast.AST]]:
    """Yield where a name stands in a function, with the three nodes around it."""
    stack: list[tuple[ast.AST, ast.AST, ast.AST, ast.AST]] = []
    stack.extend((child, function, function, function) for child in children(function))
    while stack:
        node, parent, above, outermost = stack.pop()
        if isinstance(node, ast.Name) and node.id == name:
            yield node, parent, above, outermost
        stack.extend((child, node, parent, above) for child in children(node))
