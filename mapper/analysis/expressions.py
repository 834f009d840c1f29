"""Evaluates the expressions of a function to kinds, given the kinds of the names around it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

from mapper.analysis.annotations import kinds_of_annotation
from mapper.analysis.cells import Cells, ClassInfo, Function, Given, Results
from mapper.analysis.kinds import (
    BOOL,
    DTYPE,
    FLOAT,
    FUNCTION,
    INT,
    LAYER,
    MAKER,
    NEVER,
    NONE,
    NUMBER,
    NUMBERS,
    OBJECT,
    STR,
    TENSOR,
    UNKNOWN,
    WEIGHT_NORMED,
    Kind,
    join,
    many,
    tuple_of,
    words,
)
from mapper.analysis.python_results import METHODS, MODULES
from mapper.analysis.python_results import has_attribute as has_python
from mapper.analysis.scopes import COMPREHENSIONS, FUNCTIONS, Scope, bind_parameters, bind_targets
from mapper.analysis.torch_results import (
    ATTRIBUTES,
    CONTAINER_METHODS,
    LAYER_ATTRIBUTES,
    MODULE_ATTRIBUTES,
    MODULE_METHODS,
    SELF_RETURNING,
    canonical,
    has_attribute,
    is_dtype,
    is_layer_class,
    is_module_name,
    is_tensor_class,
)

TYPING = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "Sequence": "list",
          "Iterable": "iterator", "Iterator": "iterator", "Type": "class"}  # fmt: skip
_NAMES = {"int": INT, "float": FLOAT, "bool": BOOL, "str": STR, "None": NONE}


class Evaluator:
    """Evaluates expressions to kinds in one run of a function; `env` holds its names."""

    def __init__(self, cells: Cells, function: Function, results: Results) -> None:
        self.cells = cells
        self.function = function
        self.scope: Scope = function.scope
        self.env: dict[str, Kind] | None = {}
        self._results = results

    # --- names --------------------------------------------------------------------------------

    def kind(self, node: ast.expr) -> Kind:
        """Return the kind of an expression at this point, and store it for later queries."""
        found = self._kind(node)
        self.cells.kinds[node] = found
        return found

    def _kind(self, node: ast.expr) -> Kind:
        method = _EXPRESSIONS.get(type(node))
        if method is not None:
            return method(self, node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.kind(child)
        return UNKNOWN

    def _name(self, node: ast.Name) -> Kind:
        name, env = node.id, self.env or {}
        if name in env:
            return env[name]
        found = self.scope.lookup(name)
        if found is None:
            return self._unbound(name)
        home = found[0]
        if home is self.function.scope and home.kind == "function":
            return UNKNOWN if name not in home.borrowed else self._cell(home, name)
        if home.kind == "class" and home.node in self.cells.classes:
            return self._read(("attribute", self.cells.classes[home.node], name))
        return self._cell(home, name)

    def _cell(self, home: Scope, name: str) -> Kind:
        return self._read(("name", home, name))

    def _read(self, key: object) -> Kind:
        return self.cells.read(key, self.function)

    def _unbound(self, name: str) -> Kind:
        for star in self.scope.module().stars:
            found = self.cells.starred(star, name)
            if found != UNKNOWN:
                return found
        if name in ("__name__", "__file__", "__doc__"):
            return STR
        if hasattr(builtins, name):
            return Kind("function", f"builtins.{name}")
        return UNKNOWN

    def assign(self, target: ast.expr, kind: Kind) -> None:
        """Give a target its kind."""
        match target:
            case ast.Name(id=name):
                self._bind(name, kind)
                self.cells.kinds[target] = kind
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                for part, one in zip(elts, unpacked(self, kind, elts), strict=True):
                    self.assign(part, one)
            case ast.Starred(value=value):
                self.assign(value, kind)
            case ast.Attribute(value=value, attr=attr):
                self._store(self.kind(value), attr, kind)
            case ast.Subscript(value=value, slice=index):
                self.kind(index)
                self._put(self.kind(value), constant_key(index), kind)

    def _bind(self, name: str, kind: Kind) -> None:
        if self.env is not None:
            self.env[name] = kind
        scope = self.function.scope
        sent = scope.borrowed.get(name)
        if scope.kind == "class":
            self.cells.widen(("attribute", self.cells.classes[scope.node], name), kind)
        elif sent is not None:
            found = scope.lookup(name)
            home = scope.module() if sent == "global" else (found[0] if found else scope)
            self.cells.widen(("name", home, name), kind)
        elif scope.kind == "module" or self.function.is_shared:
            self.cells.widen(("name", scope, name), kind)

    def _store(self, owner: Kind, attr: str, kind: Kind) -> None:
        if any(part.name == "unknown" for part in owner.alternatives()):
            self.cells.widen(("elsewhere", attr), kind)
        for part in owner.alternatives():
            if isinstance(part.of, ClassInfo):
                self.cells.widen(("attribute", part.of, attr), kind)

    def _put(self, owner: Kind, key: str | None, kind: Kind) -> None:
        for part in owner.alternatives():
            for site in part.sites:
                self.cells.widen(("item", site), kind)
                self.cells.widen(("key", site, key), kind)

    def _keyed(self, owner: Kind, key: str) -> Kind:
        """Return what a dict of modules holds under a key."""
        found = join(self._read(("key", site, key)) for site in owner.sites)
        anywhere = join(self._read(("key", site, None)) for site in owner.sites)
        return UNKNOWN if found == NEVER else join((found, anywhere))

    # --- attributes ---------------------------------------------------------------------------

    def _attribute(self, node: ast.Attribute) -> Kind:
        owner = self.kind(node.value)
        return self.attribute(owner, node.attr)

    def attribute(self, owner: Kind, attr: str) -> Kind:
        """Return what an attribute of a value is."""
        if owner.name == "union":
            parts = [one for one in owner.parts if may_have(one, attr)]
            return join(self.attribute(part, attr) for part in parts) if parts else UNKNOWN
        match owner:
            case Kind(name="Tensor" | "Parameter"):
                return ATTRIBUTES.get(attr, Kind("function", ("method", owner, attr)))
            case Kind(name="layer" | "object" | "super", of=ClassInfo()):
                return self._of_instance(owner, attr)
            case Kind(name="class", of=ClassInfo() as info):
                return self._of_class(info, attr)
            case Kind(name="layer", of=WEIGHT_NORMED.of) if attr == "weight":
                return TENSOR
            case Kind(name="layer"):
                known = {**LAYER_ATTRIBUTES, **MODULE_ATTRIBUTES}.get(attr)
                if attr in LAYER_ATTRIBUTES:
                    known = join((known or NEVER, self._read(("elsewhere", attr))))
                return known or Kind("function", ("method", owner, attr))
            case Kind(name="module list") if attr not in CONTAINER_METHODS:
                is_method = attr in MODULE_METHODS or attr in SELF_RETURNING
                if is_method:
                    return Kind("function", ("method", owner, attr))
                return self._keyed(owner, attr)
            case Kind(name="module" | "class" | "function", of=str(name)):
                return self.named(f"{name}.{attr}")
            case Kind(name="module", of=tuple() as imported):
                return self.cells.imported(f"{imported[0]}.{attr}")
            case Kind(name="unknown" | "never"):
                return owner if owner.name == "never" else UNKNOWN
            case Kind(name="dtype" | "device"):
                return {"index": UNKNOWN, "type": STR}.get(attr, UNKNOWN)
            case Kind(name="object", of="numpy.ndarray"):
                return UNKNOWN
        known = METHODS.get((owner.name, attr))
        if known is not None and attr in ("real", "imag", "numerator", "denominator"):
            return known
        return Kind("function", ("method", owner, attr))

    def _of_instance(self, owner: Kind, attr: str) -> Kind:
        info = owner.of
        assert isinstance(info, ClassInfo)
        if attr == "__class__":
            return Kind("class", info)
        classes = info.lineage()[1:] if owner.name == "super" else info.related()
        stored = join(self._read(("attribute", one, attr)) for one in classes)
        stored = join((stored, self._read(("elsewhere", attr))))
        method = info.method(attr, above=owner.name == "super")
        others = [one.methods[attr] for one in classes if attr in one.methods]
        methods = [method] if method else []
        if owner.name != "super":
            methods += [one for one in others if one not in methods and one.owner in info.derived]
        if methods:
            kinds = [self._bound(one, owner) for one in methods]
            return join((stored, *kinds))
        if owner.name == "object" or stored == NONE:
            stored = join((stored, *(self._read(("anything", one)) for one in classes)))
        if stored == NONE:
            return UNKNOWN  # a subclass or other code has to set it
        if stored != NEVER:
            return stored
        if attr in MODULE_ATTRIBUTES:
            return MODULE_ATTRIBUTES[attr]
        is_method = attr in MODULE_METHODS or attr in SELF_RETURNING or attr in _OTHER_METHODS
        if is_method and owner.name != "object":
            return Kind("function", ("method", owner, attr))
        apis = [name for name in info.apis() if is_layer_class(name)]
        if apis and apis != ["torch.nn.Module"] and attr in LAYER_ATTRIBUTES:
            return LAYER_ATTRIBUTES[attr]
        dynamic = join(self._read(("dynamic", one)) for one in classes)
        if dynamic != NEVER:
            return dynamic
        if info.has_unknown_base:
            return Kind("function", ("method", owner, attr))
        return self.cells.nothing(self.function)

    def _bound(self, method: Function, owner: Kind) -> Kind:
        if method.binding == "property":
            self._results.enter(method, Given(), owner)
            return self._read(("result", method))
        return Kind("function", ("bound", method, owner))

    def _of_class(self, info: ClassInfo, attr: str) -> Kind:
        if attr in ("__name__", "__module__", "__doc__"):
            return STR
        method = info.method(attr)
        if method is not None:
            if method.binding == "class":
                return Kind("function", ("bound", method, Kind("class", info)))
            return Kind("function", method)
        found = join(self._read(("attribute", one, attr)) for one in info.lineage())
        return UNKNOWN if found == NEVER else found

    def named(self, name: str) -> Kind:
        """Return the kind of a qualified name that no file of the project defines."""
        if is_module_name(name):
            return Kind("module", name)
        name = canonical(name)
        if is_dtype(name):
            return DTYPE
        if is_layer_class(name) or is_tensor_class(name) or name in MODULES_OF_CLASSES:
            return Kind("class", name)
        known = MODULES.get(name)
        if known is not None and name.endswith((".pi", ".e", ".inf")):
            return known
        head, _, last = name.rpartition(".")
        if last in ("__name__", "__doc__"):
            return STR
        if last[:1].isupper():
            return Kind("class", name)
        return Kind("module" if "." not in name or head == "" else "function", name)

    # --- operators ----------------------------------------------------------------------------

    def _binary(self, node: ast.BinOp) -> Kind:
        return operated(node.op, self.kind(node.left), self.kind(node.right), node)

    def _unary(self, node: ast.UnaryOp) -> Kind:
        operand = self.kind(node.operand)
        if isinstance(node.op, ast.Not):
            return BOOL
        if operand == NEVER:
            return NEVER
        if operand.is_tensor:
            return TENSOR
        if operand == BOOL:
            return INT
        return operand if operand.name in NUMBERS else UNKNOWN

    def _boolean(self, node: ast.BoolOp) -> Kind:
        env = dict(self.env or {})
        kinds: list[Kind] = []
        for index, value in enumerate(node.values):
            kind = self.kind(value)
            is_last = index == len(node.values) - 1
            if isinstance(node.op, ast.Or) and not is_last:
                kind = kind.without("None")
            kinds.append(kind)
            self.narrow(value, isinstance(node.op, ast.And))
        self.env = env
        return join(kinds)

    def narrow(self, test: ast.expr, holds: bool) -> None:
        """Narrow the kinds of names by a condition that holds here, or does not."""

    def _compare(self, node: ast.Compare) -> Kind:
        kinds = [self.kind(node.left), *map(self.kind, node.comparators)]
        if all(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops):
            return BOOL
        if NEVER in kinds:
            return NEVER
        if len(kinds) == 2 and any(kind.is_tensor for kind in kinds):
            return BOOL if NONE in kinds or STR in kinds else TENSOR
        parts = [part for kind in kinds for part in kind.alternatives()]
        return BOOL if all(part.name in _PLAIN for part in parts) else UNKNOWN

    def _conditional(self, node: ast.IfExp) -> Kind:
        self.kind(node.test)
        before = dict(self.env or {})
        self.narrow(node.test, True)
        body = self.kind(node.body)
        self.env = dict(before)
        self.narrow(node.test, False)
        orelse = self.kind(node.orelse)
        self.env = before
        return join((body, orelse))

    # --- displays -----------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Kind:
        value = node.value
        if value is None:
            return NONE
        return _NAMES.get(type(value).__name__, OBJECT)

    def _tuple(self, node: ast.Tuple) -> Kind:
        kinds: list[Kind] = []
        is_open = False
        for one in node.elts:
            kind = self.kind(one)
            if not isinstance(one, ast.Starred):
                kinds.append(kind)
            elif kind.name in ("tuple", "size") and kind.elements is not None:
                kinds.extend(kind.elements)
            else:
                kinds.append(self.item(kind))
                is_open = True
        return many("tuple", join(kinds)) if is_open else tuple_of(kinds)

    def _list(self, node: ast.List | ast.Set) -> Kind:
        for one in node.elts:
            kind = self.kind(one)
            kind = self.item(kind) if isinstance(one, ast.Starred) else kind
            self.cells.widen(("item", node), kind)
        name = "list" if isinstance(node, ast.List) else "set"
        return Kind(name, sites=frozenset({node}))

    def _dict(self, node: ast.Dict) -> Kind:
        for key, value in zip(node.keys, node.values, strict=True):
            kind = self.kind(value)
            if key is None:
                kind = self.item(kind, of_dict=True)
            else:
                self.kind(key)
                self.cells.widen(("key", node, constant_key(key)), kind)
            self.cells.widen(("item", node), kind)
        return Kind("dict", sites=frozenset({node}))

    def _starred(self, node: ast.Starred) -> Kind:
        return self.kind(node.value)

    def _joined(self, node: ast.JoinedStr) -> Kind:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.kind(part.value)
        return STR

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Kind:
        outer, before = self.scope, self.env
        kind = NEVER
        first = self.kind(node.generators[0].iter)
        self.env = dict(before or {})
        self.scope = self.cells.scope_of(node, lambda: _inner_scope(node, outer))
        for index, generator in enumerate(node.generators):
            over = first if index == 0 else self.kind(generator.iter)
            self._assign_inside(generator.target, self.item(over))
            for test in generator.ifs:
                self.kind(test)
                self.narrow(test, True)
        if isinstance(node, ast.DictComp):
            self.kind(node.key)
            kind = self.kind(node.value)
        else:
            kind = self.kind(node.elt)
        self.env, self.scope = before, outer
        name = {ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict"}.get(type(node))
        if name is None:
            return many("iterator", kind)
        self.cells.widen(("item", node), kind)
        return Kind(name, sites=frozenset({node}))

    def _assign_inside(self, target: ast.expr, kind: Kind) -> None:
        """Bind the targets of a comprehension, which are names of its own."""
        match target:
            case ast.Name(id=name):
                assert self.env is not None
                self.env[name] = kind
                self.cells.kinds[target] = kind
                self.cells.widen(("name", self.scope, name), kind)
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                for part, one in zip(elts, unpacked(self, kind, elts), strict=True):
                    self._assign_inside(part, one)
            case ast.Starred(value=value):
                self._assign_inside(value, kind)

    def _lambda(self, node: ast.Lambda) -> Kind:
        outer = self.scope

        def make() -> Scope:
            scope = Scope("function", node, outer)
            bind_parameters(node.args, scope)
            return scope

        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.kind(default)
        function = self.cells.function(node, self.cells.scope_of(node, make), None)
        self.cells.enqueue(function) if function.runs == 0 else None
        return Kind("function", function)

    def _walrus(self, node: ast.NamedExpr) -> Kind:
        kind = self.kind(node.value)
        self.assign(node.target, kind)
        return kind

    def _await(self, node: ast.Await) -> Kind:
        self.kind(node.value)
        return UNKNOWN

    def _yield(self, node: ast.Yield) -> Kind:
        kind = self.kind(node.value) if node.value else NONE
        self.cells.widen(("yielded", self.function), kind)
        return UNKNOWN

    def _yield_from(self, node: ast.YieldFrom) -> Kind:
        self.cells.widen(("yielded", self.function), self.item(self.kind(node.value)))
        return UNKNOWN

    # --- elements -----------------------------------------------------------------------------

    def item(self, kind: Kind, of_dict: bool = False) -> Kind:
        """Return what iterating over a value gives (`of_dict`: the values of a dict)."""
        if kind.name == "union":
            parts = [self.item(one, of_dict) for one in kind.parts if one.name not in _NO_ITEMS]
            return join(parts) if parts else UNKNOWN
        if kind.is_tensor:
            return TENSOR
        if kind.name == "never":
            return NEVER
        if kind.name == "size":
            return INT
        if kind.name == "str":
            return STR
        is_dict = kind.name == "dict" or kind.of in (
            "torch.nn.ModuleDict", "torch.nn.ParameterDict")  # fmt: skip
        if is_dict and not of_dict:
            return UNKNOWN if kind.name == "dict" else STR
        is_container = kind.name in ("tuple", "list", "dict", "set", "iterator", "module list")
        if not is_container and kind.of != "torch.nn.Sequential":
            return UNKNOWN
        return self.held(kind)

    def held(self, kind: Kind) -> Kind:
        """Return what a container holds."""
        held = [*(kind.elements or ())]
        if kind.item is not None:
            held.append(kind.item)
        if not held and not kind.sites and kind.elements is None:
            return UNKNOWN
        return join([*held, *(self._read(("item", site)) for site in kind.sites)])

    def _subscript(self, node: ast.Subscript) -> Kind:
        owner, index = self.kind(node.value), self.kind(node.slice)
        return self.subscripted(owner, node.slice, index)

    def subscripted(self, owner: Kind, index: ast.expr, found: Kind) -> Kind:
        """Return what an element or a slice of a value is."""
        if owner.name == "union":
            parts = [one for one in owner.parts if one.name not in _NO_ITEMS]
            if not parts:
                return UNKNOWN
            return join(self.subscripted(one, index, found) for one in parts)
        is_slice = isinstance(index, ast.Slice)
        if owner.is_tensor:
            return TENSOR
        if owner.name == "never":
            return NEVER
        if owner.name == "size":
            return _sliced(owner, index) if is_slice else INT
        if owner.name == "str":
            return STR
        if owner.name == "tuple":
            return _sliced(owner, index) if is_slice else self._at(owner, index, found)
        if owner.name == "list" or (
            owner.name in ("module list", "layer") and isinstance(owner.of, str)
        ):
            if is_slice:
                return Kind(owner.name, owner.of, None, owner.item or (
                    join(owner.elements) if owner.elements else None), owner.sites)  # fmt: skip
            if owner.name == "layer" and owner.of != "torch.nn.Sequential":
                return UNKNOWN
            return self._at(owner, index, found)
        if owner.name == "dict":
            return self.held(owner)
        if owner.name == "class":
            return owner
        return UNKNOWN

    def _at(self, owner: Kind, index: ast.expr, found: Kind) -> Kind:
        place = constant_index(index)
        elements = owner.elements
        if elements is not None and place is not None and not owner.sites:
            return elements[place] if -len(elements) <= place < len(elements) else UNKNOWN
        return self.held(owner)

    def _slice(self, node: ast.Slice) -> Kind:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.kind(part)
        return Kind("slice")

    # --- calls --------------------------------------------------------------------------------

    def given(self, node: ast.Call) -> Given:
        """Return what a call gives, as kinds."""
        given = Given()
        for one in node.args:
            kind = self.kind(one)
            if not isinstance(one, ast.Starred):
                given.add(one, kind)
            elif kind.name == "tuple" and kind.elements is not None:
                for element in kind.elements:
                    given.add(one, element)
            else:
                given.rest = join((given.rest, kind))
                given.is_open = True
        for keyword in node.keywords:
            kind = self.kind(keyword.value)
            if keyword.arg is None:
                given.is_open = True
            else:
                given.keywords[keyword.arg] = keyword.value, kind
        return given

    def _call(self, node: ast.Call) -> Kind:
        callee = self.kind(node.func)
        given = self.given(node)
        if callee.of == "builtins.super" and callee.name == "function":
            return self._super()
        return self._results.call(self, callee, given, node)

    def _super(self) -> Kind:
        function: Function | None = self.function
        while function is not None and function.owner is None:
            outer = function.scope.parent
            function = self.cells.functions.get(outer.node) if outer else None
        return Kind("super", function.owner) if function and function.owner else UNKNOWN

    # --- annotations --------------------------------------------------------------------------

    def annotated(self, node: ast.expr | None) -> Kind | None:
        """Return the kind that an annotation stands for; None where it is not understood."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError):
                return None
        match node:
            case None:
                return None
            case ast.Constant(value=None):
                return NONE
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _all((self.annotated(left), self.annotated(right)))
            case ast.Subscript(value=value, slice=index):
                return self._parametrised(self._last_word(value), index)
        word = self._last_word(node)
        if word in ("typing.Tuple", "typing.Dict", "typing.List", "typing.Sequence"):
            name = TYPING[word.rpartition(".")[2]]
            return None if word == "typing.Sequence" else many(name, UNKNOWN)
        if word in ("builtins.list", "builtins.dict", "builtins.tuple"):
            return many(word.rpartition(".")[2], UNKNOWN)
        if word.startswith("builtins."):
            return _NAMES.get(word.rpartition(".")[2])
        if any(word.startswith(f"torch.nn.common_types.{size}") for size in ("_size", "_ratio")):
            return None
        if word == "torch.device":
            return Kind("device")
        if word in ("torch.dtype", "torch.Size"):
            return Kind(word.rpartition(".")[2].lower())
        kind = self._kind(node)
        return instance_of(kind) if kind.name == "class" else None

    def _last_word(self, node: ast.expr) -> str:
        kind = self._kind(node)
        return kind.of if isinstance(kind.of, str) else ""

    def _parametrised(self, word: str, index: ast.expr) -> Kind | None:
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        last = word.rpartition(".")[2]
        if word == "typing.Optional":
            return _all((self.annotated(index), NONE))
        if word == "typing.Union":
            return _all(map(self.annotated, parts))
        if word == "typing.Literal":
            names = kinds_of_annotation(ast.Subscript(ast.Name("Literal"), index))
            return join(_NAMES.get(name, UNKNOWN) for name in names) if names else None
        if last in ("Tuple", "tuple") and not isinstance(parts[-1], ast.Constant):
            return tuple_of(self.annotated(part) or UNKNOWN for part in parts)
        if last in ("List", "list", "Tuple", "tuple"):
            return many(last.lower(), self.annotated(parts[0]) or UNKNOWN)
        if last in ("Dict", "dict", "OrderedDict"):
            return many("dict", self.annotated(parts[-1]) or UNKNOWN)
        if last == "Callable":
            made = self.annotated(parts[-1])
            return MAKER if made == LAYER else None
        if word == "typing.Type":
            return self._kind(parts[0]) if len(parts) == 1 else None
        return None


MODULES_OF_CLASSES = frozenset(("torch.Size", "collections.OrderedDict")) - {"torch.Size"}
_OTHER_METHODS = CONTAINER_METHODS | {"forward", "__call__", "__init__", "__setattr__"}
_PLAIN = frozenset((*NUMBERS, *words("str tuple list dict set None size dtype device")))
_NO_ITEMS = (*NUMBERS, "None", "device", "dtype")


def instance_of(kind: Kind) -> Kind:
    """Return the kind of a class's instances, without looking at arguments."""
    of = kind.of
    if isinstance(of, ClassInfo):
        return Kind("layer" if is_module(of) else "object", of)
    if isinstance(of, str):
        if of == "torch.nn.Parameter":
            return Kind("Parameter")
        if is_tensor_class(of) or of in ("torch.autograd.Variable", "torch.nn.Buffer"):
            return TENSOR
        if of == "torch.nn.Module":
            return Kind("layer")
        if is_layer_class(of):
            is_list = of in ("torch.nn.ModuleList", "torch.nn.ModuleDict")
            return Kind("module list" if is_list else "layer", of)
    return UNKNOWN


def is_module(info: ClassInfo) -> bool:
    """Say whether a class derives from torch.nn.Module."""
    return any(is_layer_class(name) for name in info.apis())


def may_have(kind: Kind, attr: str) -> bool:
    """Say whether a value of a kind may have an attribute: an int has no `view`."""
    if kind.is_tensor:
        return has_attribute(attr)
    known = has_python(kind.name, attr)
    if known is not None:
        return known
    if kind.name in ("dtype", "device"):
        return attr in ("type", "index", "is_floating_point", "is_complex", "itemsize")
    return True


def constant_key(node: ast.expr) -> str | None:
    """Return the text that a key is."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None  # type: ignore[attr-defined]


def constant_index(node: ast.expr) -> int | None:
    """Return the number that an index is."""
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None


def _sliced(kind: Kind, index: ast.expr) -> Kind:
    if not isinstance(index, ast.Slice) or kind.elements is None or index.step is not None:
        return kind if kind.elements is None else many(kind.name, join(kind.elements))
    lower = constant_index(index.lower) if index.lower else 0
    upper = constant_index(index.upper) if index.upper else len(kind.elements)
    if lower is None or upper is None:
        return many(kind.name, join(kind.elements))
    return Kind(kind.name, elements=kind.elements[lower:upper])


def unpacked(evaluator: Evaluator, kind: Kind, targets: list[ast.expr]) -> list[Kind]:
    """Return what each target of an unpacking gets."""
    if kind.name == "union":
        ways = [unpacked(evaluator, one, targets) for one in kind.parts
                if one.name not in _NO_ITEMS]  # fmt: skip
        return [join(way) for way in zip(*ways, strict=True)] or [UNKNOWN] * len(targets)
    stars = [i for i, one in enumerate(targets) if isinstance(one, ast.Starred)]
    item = evaluator.item(kind)
    if kind.elements is not None and not kind.sites and not stars:
        if len(kind.elements) == len(targets):
            return list(kind.elements)
        return [UNKNOWN] * len(targets)
    if kind.elements is not None and not kind.sites and len(stars) == 1:
        after = len(targets) - stars[0] - 1
        elements = kind.elements
        if len(elements) >= len(targets) - 1:
            middle = elements[stars[0] : len(elements) - after]
            last = elements[len(elements) - after :]
            return [*elements[: stars[0]], many("list", join(middle)), *last]
    return [many("list", item) if i in stars else item for i in range(len(targets))]


def operated(op: ast.operator, left: Kind, right: Kind, node: ast.AST) -> Kind:
    """Return the kind of an operator's result."""
    if left.name == "never" or right.name == "never":
        return NEVER
    if left.is_tensor or right.is_tensor:
        is_format = isinstance(op, ast.Mod) and not left.is_tensor
        if not is_format or left.name in NUMBERS:
            return TENSOR
    if left.name == "union" or right.name == "union":
        pairs = [(one, two) for one in left.alternatives() for two in right.alternatives()
                 if "None" not in (one.name, two.name)]  # fmt: skip
        return join(operated(op, one, two, node) for one, two in pairs) if pairs else UNKNOWN
    if left.name in NUMBERS and right.name in NUMBERS:
        return _number(op, left.name, right.name)
    if left.name == "str":
        return STR if isinstance(op, ast.Mod | ast.Add | ast.Mult) else UNKNOWN
    if isinstance(op, ast.Mult) and left.name in NUMBERS:
        left, right = right, left
    if isinstance(op, ast.Mult) and right.name in NUMBERS:
        if left.name in ("list", "str"):
            return left
        if left.name == "tuple" and left.elements:
            return many("tuple", join(left.elements))
        return left if left.name == "tuple" else UNKNOWN
    if isinstance(op, ast.Add) and {left.name, right.name} <= {"tuple", "size"}:
        if left.elements is not None and right.elements is not None:
            return tuple_of((*left.elements, *right.elements))
        kinds = [INT if one.name == "size" else one.item or join(one.elements or (UNKNOWN,))
                 for one in (left, right)]  # fmt: skip
        return many("tuple", join(kinds))
    if isinstance(op, ast.Add) and left.name == right.name == "list":
        return join((left, right))
    return UNKNOWN


def _number(op: ast.operator, left: str, right: str) -> Kind:
    if isinstance(op, ast.Div):
        return FLOAT
    if "number" in (left, right):
        return NUMBER
    if "float" in (left, right):
        return FLOAT
    if left == right == "bool" and isinstance(op, ast.BitXor | ast.BitAnd | ast.BitOr):
        return BOOL
    return NUMBER if isinstance(op, ast.Pow) else INT


def _all(kinds: object) -> Kind | None:
    found = list(kinds)  # type: ignore[call-overload]
    return None if None in found else join(found)


def _inner_scope(node: ast.expr, outer: Scope) -> Scope:
    scope = Scope("function", node, outer)
    assert isinstance(node, COMPREHENSIONS)
    for generator in node.generators:
        bind_targets(generator.target, scope, node)
    return scope


_EXPRESSIONS: dict[type[ast.AST], Callable[[Evaluator, Any], Kind]] = {
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.Call: Evaluator._call,
    ast.Constant: Evaluator._constant,
    ast.BinOp: Evaluator._binary,
    ast.UnaryOp: Evaluator._unary,
    ast.BoolOp: Evaluator._boolean,
    ast.Compare: Evaluator._compare,
    ast.IfExp: Evaluator._conditional,
    ast.Tuple: Evaluator._tuple,
    ast.List: Evaluator._list,
    ast.Set: Evaluator._list,
    ast.Dict: Evaluator._dict,
    ast.Starred: Evaluator._starred,
    ast.JoinedStr: Evaluator._joined,
    ast.ListComp: Evaluator._comprehension,
    ast.SetComp: Evaluator._comprehension,
    ast.GeneratorExp: Evaluator._comprehension,
    ast.DictComp: Evaluator._comprehension,
    ast.Lambda: Evaluator._lambda,
    ast.NamedExpr: Evaluator._walrus,
    ast.Subscript: Evaluator._subscript,
    ast.Slice: Evaluator._slice,
    ast.Await: Evaluator._await,
    ast.Yield: Evaluator._yield,
    ast.YieldFrom: Evaluator._yield_from,
}
__all__ = ["FUNCTION", "FUNCTIONS", "Evaluator"]
