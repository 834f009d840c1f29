"""Interprets a function with kinds in place of values, statement by statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from mapper.analysis.calls import CallResults
from mapper.analysis.cells import Cells, ClassInfo, Function
from mapper.analysis.expectations import expectations
from mapper.analysis.expressions import Evaluator, instance_of, is_module, operated
from mapper.analysis.kinds import (
    BOOL,
    LAYER,
    MAKER,
    NEVER,
    NONE,
    STR,
    TENSOR,
    UNKNOWN,
    Kind,
    join,
    many,
)
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import is_layer_class
from mapper.analysis.walk import walk

Env = dict[str, Kind] | None
_MAKERS = re.compile(r"norm|act|conv|pool|nonlin|relu|linear|drop", re.IGNORECASE)
"""In the names of parameters that classes of layers are given to."""
_ROUNDS = 6  # through the body of a loop; what still changes then is unknown
_TRANSPARENT = ("torch.no_grad", "torch.enable_grad", "torch.inference_mode", "torch.jit.",
                "torch.cuda.amp.", "torch.amp.", "torch.compile", "functools.lru_cache",
                "functools.cache", "functools.wraps", "torch.compiler.", "torch.fx.",
                "torch._dynamo.", "abc.abstractmethod", "typing.no_type_check",
                "typing.overload")  # fmt: skip


class Flow(Evaluator):
    """One run of one function; `env` is None where control flow cannot get."""

    env: Env

    def __init__(self, cells: Cells, function: Function, results: CallResults) -> None:
        super().__init__(cells, function, results)
        self._calls = results
        self._breaks: list[list[Env]] = []
        self._continues: list[list[Env]] = []
        self._raises: list[list[Env]] = []

    def run(self) -> None:
        """Run the function once, with the kinds of its parameters known so far."""
        node = self.function.node
        self._calls.reading(self.function)
        self.env = {}
        if isinstance(node, ast.Lambda):
            self._parameters(node.args)
            kind = self.kind(node.body)
            self.cells.widen(("result", self.function), kind)
            return
        if isinstance(node, FUNCTIONS):
            self._parameters(node.args)
            if isinstance(self._stub(node), ast.AST):
                self._annotated_result(node)
                return
        self.block(node.body)  # type: ignore[attr-defined]
        if isinstance(node, FUNCTIONS):
            if self.env is not None:
                self.cells.widen(("result", self.function), NONE)
            self._annotated_result(node)

    def _stub(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST | None:
        """Return the `raise` of a function that does nothing else; None for other functions."""
        body = [one for one in node.body if not (isinstance(one, ast.Expr)
                and isinstance(one.value, ast.Constant))]  # fmt: skip
        is_stub = len(body) == 1 and isinstance(body[0], ast.Raise)
        return body[0] if is_stub else None

    def _annotated_result(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        found = self.cells.read(("result", self.function), None)
        if found not in (UNKNOWN, NEVER):
            return
        kind = self.annotated(node.returns)
        if kind is not None and kind != UNKNOWN and not self.function.is_generator:
            self.cells.results[self.function] = kind

    # --- parameters ---------------------------------------------------------------------------

    def _parameters(self, arguments: ast.arguments) -> None:
        assert self.env is not None
        function = self.function
        every = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(every) - len(arguments.defaults))
        defaults += arguments.defaults
        pairs = [*zip(every, defaults, strict=True)]
        pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        has_self = function.owner is not None and function.binding != "static"
        for index, (one, default) in enumerate(pairs):
            if has_self and index == 0 and every:
                self.env[one.arg] = self._self()
            else:
                self.env[one.arg] = self._parameter(one, default)
            self.cells.kinds[one] = self.env[one.arg]
        for rest, name in ((arguments.vararg, "tuple"), (arguments.kwarg, "dict")):
            if rest is not None:
                kind = self._read(("parameter", function, rest.arg))
                given = self.annotated(rest.annotation)
                self.env[rest.arg] = many(name, given or (UNKNOWN if kind == NEVER else kind))
        if function.is_shared:
            for name, kind in self.env.items():
                self.cells.widen(("name", function.scope, name), kind)

    def _self(self) -> Kind:
        info = self.function.owner
        assert info is not None
        if self.function.binding == "class":
            return Kind("class", info)
        is_layer = is_module(info) or (info.has_unknown_base and "forward" in info.methods)
        return Kind("layer" if is_layer else "object", info)

    def _parameter(self, one: ast.arg, default: ast.expr | None) -> Kind:
        """Return the kind of a parameter, by its annotation, calls, default and uses."""
        function = self.function
        given = self._read(("parameter", function, one.arg))
        start = self._default(default)
        annotated = self.annotated(one.annotation)
        if annotated is not None and annotated.name not in ("unknown", "layer", "class"):
            return join((annotated, start, NEVER if given == UNKNOWN else given))
        if annotated is not None and given in (UNKNOWN, NEVER):
            return join((annotated, start))
        if given in (UNKNOWN, NEVER) and self._makes_layers(one.arg, start):
            return join((MAKER, start))
        expected = self._expected(one.arg, default, start)
        key = function, one.arg
        if given in (NEVER, UNKNOWN):
            is_open = expected is None or key in self.cells.called
            if is_open and given == NEVER and key in self.cells.called:
                return start
            if expected is None:
                if given == UNKNOWN:
                    return UNKNOWN
                is_number = start.is_known and start != NONE
                return start if is_number else join((start, self.cells.nothing(function)))
            if given == NEVER:
                self.cells.assumed[key] = expected
            return join((expected, start))
        return join((given, start))

    def _makes_layers(self, name: str, start: Kind) -> bool:
        """Say whether a parameter of a module's `__init__` is a class of layers, by its use."""
        function = self.function
        if function.name != "__init__" or function.owner is None or not is_module(function.owner):
            return False
        if start not in (NEVER, NONE) and start.name != "class":
            return False
        return _MAKERS.search(name) is not None and any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
            for node in walk(function.node)
        )

    def _default(self, default: ast.expr | None) -> Kind:
        if default is None:
            return NEVER
        scope, env = self.scope, self.env
        assert scope.parent is not None
        self.scope, self.env = scope.parent, {}
        kind = self._kind(default)
        self.scope, self.env = scope, env
        return kind

    def _expected(self, name: str, default: ast.expr | None, start: Kind) -> Kind | None:
        node = self.function.node
        if node not in self.cells.expected:
            self.cells.expected[node] = expectations(node)
        found = self.cells.expected[node].get(name)
        if found is None or (start not in (NEVER, NONE)):
            return None
        info = self.function.owner
        is_forward = self.function.name == "forward" and info is not None
        if is_forward and start == NEVER and found.of_forward(name):
            return TENSOR
        if is_forward and start == NONE and (found.is_tensor or found.likely):
            return None if found.against else TENSOR
        return TENSOR if found.of_helper() else None

    # --- statements ---------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Run statements one after the other, as far as control flow gets."""
        for statement in body:
            if self.env is None:
                return
            for raised in self._raises:
                raised.append(dict(self.env))
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=value):
                self.kind(value)
            case ast.Assign(targets=targets, value=value):
                kind = self.kind(value)
                for target in targets:
                    self.assign(target, kind)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                self._annotated_assign(target, annotation, value)
            case ast.AugAssign(target=target, op=op, value=value):
                self._augmented(target, op, value, node)
            case ast.Return(value=value):
                kind = self.kind(value) if value is not None else NONE
                self.cells.widen(("result", self.function), kind)
                self.env = None
            case ast.If():
                self._if(node)
            case ast.For() | ast.AsyncFor():
                self._for(node)
            case ast.While():
                self._while(node)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                for item in items:
                    self.kind(item.context_expr)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, UNKNOWN)
                self.block(body)
            case ast.Try():
                self._try(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node)
            case ast.ClassDef():
                self._class(node)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Assert(test=test):
                self.kind(test)
                self.narrow(test, True)
            case ast.Raise():
                if node.exc is not None:
                    self.kind(node.exc)
                self.env = None
            case ast.Break() | ast.Continue():
                left = self._breaks if isinstance(node, ast.Break) else self._continues
                if left:
                    left[-1].append(self.env)
                self.env = None
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name) and self.env is not None:
                        self.env.pop(target.id, None)
            case ast.Match():
                self._match(node)

    def _annotated_assign(
        self, target: ast.expr, annotation: ast.expr, value: ast.expr | None
    ) -> None:
        kind = self.kind(value) if value is not None else NEVER
        said = self.annotated(annotation)
        if kind in (NEVER, UNKNOWN) and said is not None:
            kind = said
        if value is None and not isinstance(target, ast.Name):
            return
        if value is None and self.scope.kind != "class":
            return  # a declaration binds nothing
        if kind != NEVER:
            self.assign(target, kind)

    def _augmented(
        self, target: ast.expr, op: ast.operator, value: ast.expr, node: ast.AST
    ) -> None:
        right = self.kind(value)
        load = _loading(target)
        left = self._kind(load)
        self.cells.kinds[target] = left
        if isinstance(target, ast.Attribute):
            self.kind(target.value)
        elif isinstance(target, ast.Subscript):
            self.kind(target.value), self.kind(target.slice)
        if left.name in ("list", "module list") and isinstance(op, ast.Add):
            for site in left.sites:
                self.cells.widen(("item", site), self.item(right))
            self.assign(target, left)
            return
        self.assign(target, operated(op, left, right, node))
        self.cells.kinds[target] = left

    def _if(self, node: ast.If) -> None:
        self.kind(node.test)
        before = dict(self.env or {})
        self.narrow(node.test, True)
        self.block(node.body)
        after_body = self.env
        self.env = before
        self.narrow(node.test, False)
        self.block(node.orelse)
        self.env = joined([after_body, self.env])

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        over = self.kind(node.iter)
        item = self.item(over) if isinstance(node, ast.For) else UNKNOWN
        self._loop(node.body, node.orelse, lambda: self.assign(node.target, item))

    def _while(self, node: ast.While) -> None:
        def enter() -> None:
            self.kind(node.test)
            self.narrow(node.test, True)

        self._loop(node.body, node.orelse, enter)
        if isinstance(node.test, ast.Constant) and node.test.value and not self._has_left:
            self.env = None

    _has_left = True

    def _loop(self, body: list[ast.stmt], orelse: list[ast.stmt], enter: object) -> None:
        assert callable(enter)
        start = self.env
        left: list[Env] = []
        for number in range(_ROUNDS):
            before = dict(start or {})
            self.env = dict(before)
            self._breaks.append([])
            self._continues.append([])
            enter()
            self.block(body)
            left = self._breaks.pop()
            again = joined([before, self.env, *self._continues.pop()]) or {}
            if again == before:
                break
            start = again
            if number == _ROUNDS - 2:
                start = {name: kind if before.get(name) == kind else UNKNOWN
                         for name, kind in again.items()}  # fmt: skip
        self._has_left = bool(left)
        self.env = dict(start or {})
        self.block(orelse)
        self.env = joined([self.env, *left])

    def _try(self, node: ast.Try) -> None:
        self._raises.append([dict(self.env or {})])
        self.block(node.body)
        if self.env is not None:
            self._raises[-1].append(dict(self.env))
        raised = joined(self._raises.pop())
        self.block(node.orelse) if self.env is not None else None
        ends = [self.env]
        for handler in node.handlers:
            self.env = dict(raised or {})
            if handler.type is not None:
                self.kind(handler.type)
            if handler.name:
                self.assign(ast.Name(handler.name, ast.Store()), UNKNOWN)
            self.block(handler.body)
            ends.append(self.env)
        self.env = joined(ends)
        if node.finalbody:
            is_over = self.env is None
            self.env = joined([self.env, raised])
            self.block(node.finalbody)
            self.env = None if is_over else self.env

    def _match(self, node: ast.Match) -> None:
        self.kind(node.subject)
        before = dict(self.env or {})
        ends: list[Env] = [before]
        for case in node.cases:
            self.env = dict(before)
            for part in ast.walk(case.pattern):
                captured = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(captured, str):
                    self._bind(captured, UNKNOWN)
            if case.guard is not None:
                self.kind(case.guard)
            self.block(case.body)
            ends.append(self.env)
        self.env = joined(ends)

    # --- definitions --------------------------------------------------------------------------

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.kind(default)
        info = self.cells.classes.get(self.scope.node) if self.scope.kind == "class" else None
        function = self.cells.function(node, self.cells.scope_of(node), info)
        function.binding = self._decorated(node, "method" if info else "plain")
        if function.runs == 0:
            self.cells.enqueue(function)
        if info is not None:
            if node.name in ("__new__", "__init_subclass__"):
                function.binding = "class"
            info.methods[node.name] = function
        elif function.binding == "unknown":
            self._bind(node.name, UNKNOWN)
        else:
            self._bind(node.name, Kind("function", function))

    def _decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef, plain: str) -> str:
        for decorator in node.decorator_list:
            kind = self.kind(decorator.func if isinstance(decorator, ast.Call) else decorator)
            name = kind.of if isinstance(kind.of, str) else ""
            if name == "builtins.staticmethod":
                plain = "static"
            elif name == "builtins.classmethod":
                plain = "class"
            elif name in ("builtins.property", "functools.cached_property"):
                plain = "property"
            elif not name.startswith(_TRANSPARENT):
                return "unknown"
        return plain

    def _class(self, node: ast.ClassDef) -> None:
        scope = self.cells.scope_of(node)
        if node not in self.cells.classes:
            self.cells.classes[node] = ClassInfo(node.name, node, self.cells)
        info = self.cells.classes[node]
        info.bases = [self.kind(base) for base in node.bases]
        for base in info.bases:
            for part in base.alternatives():
                self._derive(info, part.of)
        for decorator in node.decorator_list:
            self.kind(decorator)
        inner = Flow(self.cells, self.cells.function(node, scope, None), self._calls)
        inner.function.outer = self.function
        inner.block(node.body)
        self._calls.reading(self.function)
        self._bind(node.name, Kind("class", info))

    def _derive(self, info: ClassInfo, base: object) -> None:
        is_own = isinstance(base, ClassInfo) and base.cells is self.cells and base is not info
        if isinstance(base, ClassInfo) and is_own and info not in base.derived:
            base.derived.append(info)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        scope = self.function.scope
        for alias in node.names:
            if alias.name == "*":
                continue
            name = alias.asname or alias.name.partition(".")[0]
            bindings = scope.bindings.get(name) or scope.module().bindings.get(name) or []
            targets = [one.target for one in bindings if one.alias is alias]
            target = targets[0] if targets else None
            self._bind(name, self.imported(target) if target else UNKNOWN)

    def imported(self, target: str) -> Kind:
        """Return the kind of an imported name: a definition of the project, or a qualified name."""
        if not is_torch(target):
            found = self.cells.imported(target)
            if found != UNKNOWN:
                return found
        return UNKNOWN if target.startswith(".") else self.named(target)

    # --- conditions ---------------------------------------------------------------------------

    def narrow(self, test: ast.expr, holds: bool) -> None:
        """Use that a condition holds here, or that it does not."""
        if self.env is None:
            return
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.narrow(operand, not holds)
            case ast.BoolOp(op=op, values=values) if isinstance(op, ast.And) is holds:
                for value in values:
                    self.narrow(value, holds)
            case ast.Name(id=name) if holds and name in self.env:
                self._narrow(name, self.env[name].without("None"))
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[other]) if (
                isinstance(other, ast.Constant) and other.value is None and name in self.env
            ):
                if isinstance(op, ast.Is | ast.Eq) is holds:
                    self._narrow(name, NONE)
                else:
                    self._narrow(name, self.env[name].without("None"))
            case ast.Call(func=func, args=[ast.Name(id=name), *rest]) if name in self.env:
                self._narrow_type(self._kind(func), name, rest, holds)

    def _narrow(self, name: str, kind: Kind) -> None:
        assert self.env is not None
        if kind != NEVER:
            self.env[name] = kind

    def _narrow_type(self, func: Kind, name: str, rest: list[ast.expr], holds: bool) -> None:
        assert self.env is not None
        kind = self.env[name]
        if func.of == "torch.is_tensor":
            tested = [TENSOR]
        elif func.of == "builtins.isinstance" and len(rest) == 1:
            classes = rest[0].elts if isinstance(rest[0], ast.Tuple) else [rest[0]]
            tested = [self._tested(self._kind(one)) for one in classes]
        else:
            return
        names = {one.name for one in tested}
        if "unknown" in names:
            if holds and kind != UNKNOWN:
                self.env[name] = UNKNOWN if not kind.is_known else kind
            return
        if not holds:
            plain = [one for one in tested if one.name != "layer"]
            self._narrow(name, kind.without(*[one.name for one in plain]))
            if TENSOR in tested:
                self._narrow(name, self.env[name].without("Tensor", "Parameter"))
            return
        kept = [part for part in kind.alternatives() if self._passes(part, tested)]
        if kind.name == "unknown" or not kept or kind == LAYER:
            self._narrow(name, join(tested))
        else:
            self._narrow(name, join(kept))

    def _passes(self, part: Kind, tested: Sequence[Kind]) -> bool:
        for one in tested:
            if one.name == part.name and (part.name != "layer" or one.of in (None, part.of)):
                return True
            if one.is_tensor and part.is_tensor:
                return True
            if (one.name, part.name) in (("tuple", "size"), ("int", "bool")):
                return True
            if isinstance(part.of, ClassInfo) and one.of is not None and part.name == "layer":
                above = [*part.of.lineage(), *part.of.apis()]
                if one.of in above:
                    return True
        return False

    def _tested(self, kind: Kind) -> Kind:
        """Return what an instance of a tested class is."""
        simple = {"int": Kind("int"), "float": Kind("float"), "bool": BOOL, "str": STR,
                  "tuple": many("tuple", UNKNOWN), "list": many("list", UNKNOWN),
                  "dict": many("dict", UNKNOWN)}  # fmt: skip
        name = kind.of if isinstance(kind.of, str) else ""
        if name.startswith("builtins."):
            return simple.get(name.removeprefix("builtins."), UNKNOWN)
        if name == "torch.nn.Module" or (kind.name == "class" and is_layer_class(name)):
            return instance_of(kind)
        return instance_of(kind) if kind.name == "class" else UNKNOWN


def joined(envs: Sequence[Env]) -> Env:
    """Return the kinds of names where several paths of control flow meet."""
    ways = [env for env in envs if env is not None]
    if not ways:
        return None
    if len(ways) == 1:
        return dict(ways[0])
    names = dict.fromkeys(name for env in ways for name in env)
    return {name: join(env[name] for env in ways if name in env) for name in names}


def _loading(target: ast.expr) -> ast.expr:
    """Return the expression that reads what an augmented assignment changes."""
    match target:
        case ast.Name(id=name):
            return ast.copy_location(ast.Name(name, ast.Load()), target)
        case ast.Attribute(value=value, attr=attr):
            return ast.copy_location(ast.Attribute(value, attr, ast.Load()), target)
        case ast.Subscript(value=value, slice=index):
            return ast.copy_location(ast.Subscript(value, index, ast.Load()), target)
    return target
