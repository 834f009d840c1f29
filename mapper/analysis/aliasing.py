"""Decides whether a Tensor may also be reached by another name, so that in-place changes matter.

MindSpore rebinds where torch changes in place: `x += y` must become a plain assignment, which is
the same only if no other name holds the Tensor. Where that is not known, one is assumed to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from mapper.analysis.callers import Caller, passed, visible_calls
from mapper.analysis.cells import Cells, ClassInfo, Function
from mapper.analysis.kinds import NUMBERS, Kind, words
from mapper.analysis.layer_order import LayerOrder, listed
from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import BODIES, COMPREHENSIONS, DEFINITIONS, FUNCTIONS
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import (
    ATTRIBUTES,
    IN_PLACE_FUNCTIONS,
    TENSOR_METHODS,
    in_place_at,
    is_in_place,
)
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
        sin cos softmax log_softmax sum mean max_pool2d avg_pool2d conv1d conv2d conv3d linear
        batch_norm
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
        sum mean clone repeat masked_fill new_zeros new_ones new_full new_empty std var prod
        cumsum gather index_select relu clamp norm argmax neg square sin cos flip roll tile
        """
    )
)
_ASKING = frozenset(("all", "any", "bool", "float", "int", "len", "print"))
"""Functions of Python's that keep nothing of what they are given."""
_LEGACY = frozenset(("Tensor", "FloatTensor", "LongTensor"))
"""Classes whose calls make a Tensor of sizes, of numbers or of another Tensor."""
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

    def __init__(self, cells: Cells, module: ParsedModule | None = None) -> None:
        self._cells = cells
        self._module = module  # without it, what callers do is not looked at
        self._returns: dict[tuple[ast.AST, ast.AST], bool] = {}
        self._asked = set[ast.AST]()
        self._handed_over: dict[tuple[ast.AST, str], bool] = {}

    def is_fresh(self, node: ast.expr, depth: int = _DEEPEST) -> bool:
        """Say whether an expression surely yields a Tensor that nothing else refers to."""
        if depth == 0 or not self._cells.kind(node).is_tensor:
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
                value = _assigned(statement, name)
                is_own = value is not None and (self.is_fresh(value) or self._is_number(value))
                if is_own or self._is_packed(statement, name):
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

    def _is_packed(self, statement: ast.stmt, name: str) -> bool:
        """Say whether a statement joins Tensors into a new one: `x, shapes = pack([x, y], p)`."""
        match statement:
            case ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id=found), ast.Name(id=other)])],
                value=ast.Call(func=func),
            ):
                is_it = found == name != other
                return is_it and self._cells.kind(func).of == "einops.pack"
        return False

    def _is_number(self, value: ast.expr) -> bool:
        """Say whether a value is a number, which nothing changes: `loss = 0` before `loss += x`."""
        return all(one.name in NUMBERS for one in self._cells.kind(value).alternatives())

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
        module = self._module
        if module is None or not isinstance(function, FUNCTIONS):
            return False
        if name not in parameters(function):
            return False
        key = function, name
        if key not in self._handed_over:
            self._handed_over[key] = False  # the answer while it calls itself
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
        assert self._module is not None
        around = self._module.names.scopes.home[caller.statement].node
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

    def holds_own(self, name: str, at: ast.stmt, function: ast.AST) -> bool:
        """Say whether nothing but a list of the function refers to the Tensors that it holds.

        It was made of fresh Tensors, and none of them was given another name before a statement.
        """
        made = [value for part in walk(function) if (value := _assigned(part, name)) is not None]
        match made:
            case [ast.ListComp(elt=element)] if self.is_fresh(element):
                pass
            case [ast.List(elts=elements)] if elements and all(map(self.is_fresh, elements)):
                pass
            case _:
                return False
        end = _last_line(function, at)
        return all(
            node.lineno > end or self._is_part(node, parent, above)
            for node, parent, above, _ in _uses(function, name)
        )

    def _is_part(self, node: ast.Name, parent: ast.AST, above: ast.AST) -> bool:
        """Say whether a use of a list reads a Tensor out of it to compute with, or its length."""
        if isinstance(node.ctx, ast.Store):
            return True
        match parent:
            case ast.Subscript(value=value) if value is node:
                if isinstance(parent.ctx, ast.Store):
                    return True
                is_computed = isinstance(above, ast.BinOp | ast.AugAssign | ast.Subscript)
                return is_computed or (isinstance(above, ast.Call) and self.is_fresh(above))
        return (
            isinstance(parent, ast.Call)
            and isinstance(parent.func, ast.Name)
            and (parent.func.id == "len")
        )

    def _gives_nothing(self, statement: ast.stmt, name: str) -> bool:
        """Say whether a statement neither passes the name's Tensor on nor rebinds the name."""
        value = _assigned(statement, name)
        if value is not None and self._keeps(value, name):
            reads = [one for one, *_ in _uses(statement, name) if isinstance(one.ctx, ast.Load)]
            if len(reads) == 1:
                return True
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
        callee = self._cells.kind(node.func)
        if any(keyword.arg in ("inplace", "out", None) for keyword in node.keywords):
            return False
        if works_in_place(node, callee):
            return False
        first = node.args[0] if node.args else None
        if callee.is_layer:
            is_fresh = first is not None and self.is_fresh(first, depth - 1)
            return all(self.gives_fresh(one, is_fresh, depth) for one in callee.alternatives())
        match callee.of:
            case str(name) if is_torch(name):
                word = name.rpartition(".")[2]
                if word in _LEGACY:  # what it is given alone may be a Tensor
                    return len(node.args) > 1 or isinstance(first, ast.List | ast.Constant)
                if word in _VIEWS:
                    return first is not None and self.is_fresh(first, depth - 1)
                return word in _FRESH_FUNCTIONS
            case ("method", Kind() as owner, str(name)) if owner.is_tensor:
                if name in _FRESH_METHODS:
                    return True
                receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
                passes = name in _VIEWS or is_in_place(name)
                return passes and receiver is not None and self.is_fresh(receiver, depth - 1)
        return False

    def gives_fresh(self, layer: Kind, is_fresh: bool, depth: int = _DEEPEST) -> bool:
        """Say whether a layer's result is fresh, given whether its input is."""
        if depth == 0:
            return False
        if layer.parts:
            return all(self.gives_fresh(part, is_fresh, depth - 1) for part in layer.parts)
        if isinstance(layer.of, ClassInfo):
            return self._returns_fresh(layer.of, depth)
        word = layer.of.rpartition(".")[2] if isinstance(layer.of, str) else ""
        if word == "Sequential":
            for child in layer.elements or ():
                is_fresh = self.gives_fresh(child, is_fresh, depth - 1)
            return is_fresh or any(self._holds_fresh(site, depth - 1) for site in layer.sites)
        if layer.changes or word in _PASSING:
            return is_fresh
        return word in _ACTIVATIONS or word.startswith(_FRESH_LAYERS)

    def _holds_fresh(self, site: ast.AST, depth: int) -> bool:
        """Say whether a layer that `nn.Sequential(…)` is given gives what is fresh.

        What follows it, also what is added later, hands that on or gives something new again.
        """
        if not isinstance(site, ast.Call) or site in self._asked:
            return False
        self._asked.add(site)  # a layer may hold itself
        found = self.order.gives_new(site) or any(
            self.gives_fresh(self._cells.kind(one), False, depth) for one in listed(site)
        )
        self._asked.discard(site)
        return found

    @cached_property
    def order(self) -> LayerOrder:
        """The order of the layers that the file puts in containers."""
        tree = self._cells.scopes.module.node
        assert isinstance(tree, ast.Module)
        return LayerOrder(tree, self._is_new)

    def _is_new(self, layer: ast.expr) -> bool:
        kind = self._cells.kind(layer)
        return kind.is_layer and self.gives_fresh(kind, False)

    def _returns_fresh(self, info: ClassInfo, depth: int) -> bool:
        if info.cells is not self._cells:
            return Aliases(info.cells)._returns_fresh(info, depth)
        method = info.method("forward")
        if method is None and info.apis() == ["torch.nn.Sequential"]:
            return any(self._holds_fresh(one, depth) for one in walk(info.node) if _is_start(one))
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
            case ast.Call(func=ast.Attribute(value=ast.Call() as inner, attr=attr)) if (
                attr in _VIEWS
            ):
                return self._keeps(inner, name)
            case ast.Call(func=func, args=[ast.Name(id=found), *_]) if found == name:
                callee = self._cells.kind(func)
                if isinstance(callee.of, str) and callee.name == "function":
                    return is_torch(callee.of) and callee.of.rpartition(".")[2] in _VIEWS
                return len(value.args) == 1 and all(
                    _passes(one) or self.gives_fresh(one, False, 2) for one in callee.alternatives()
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
                if not isinstance(parent.ctx, ast.Load):
                    return True
                match above:  # it is a view, from which something new may be computed at once
                    case ast.BinOp() | ast.UnaryOp() | ast.Compare():
                        return True
                    case ast.Call(args=args):
                        return parent in args and self._is_fresh_call(above, 2)
                return False
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
            case ast.Call(func=ast.Name(id=function)) if function in _ASKING:
                return not isinstance(self._cells.kind(parent.func).of, Function)
            case ast.Call() if parent.func is not node:
                given = [argument for argument in parent.args if argument is node]
                if not given:
                    return False
                return self._is_fresh_call(parent, 2) or _assigns(above, name)
            case ast.List() | ast.Tuple() if isinstance(above, ast.Call):
                return self._is_fresh_call(above, 2)
        return False


def works_in_place(call: ast.Call, callee: Kind) -> bool:
    """Say whether a function is given `inplace`, by name or by position, and it may be true."""
    for keyword in call.keywords:
        if keyword.arg == "inplace":
            return not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
    is_function = callee.name == "function" and isinstance(callee.of, str)
    if is_function and str(callee.of) in IN_PLACE_FUNCTIONS:
        return True
    place = in_place_at(str(callee.of)) if is_function else None
    if place is None:
        return False
    if any(isinstance(one, ast.Starred) for one in call.args[: place + 1]):
        return True
    given = call.args[place : place + 1]
    return any(not (isinstance(one, ast.Constant) and not one.value) for one in given)


def _is_start(node: ast.AST) -> bool:
    """Say whether a node is `super().__init__(…)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr)):
            return attr == "__init__"
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
    inner = [one for one in getattr(function, "body", ()) if isinstance(one, DEFINITIONS)]
    anywhere = {node for one in inner for node in walk(one)}  # they may be called later
    return any(
        isinstance(node, ast.Name)
        and node.id == given.id
        and isinstance(node.ctx, ast.Load)
        and ((node.lineno, node.col_offset) > place or node in anywhere)
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


def _last_line(function: ast.AST, at: ast.stmt) -> int:
    """Return the last line of a statement, or of the loops around it."""
    owners = [owner for owner, _, _ in _bodies_around(at, function)]
    loops = [one for one in owners if isinstance(one, ast.For | ast.AsyncFor | ast.While)]
    return max(one.end_lineno or one.lineno for one in (at, *loops))


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
