"""The kinds of what calls return: of torch's functions and layers, of methods, of own functions."""

from __future__ import annotations

import ast

from mapper.analysis.cells import Cells, ClassInfo, Function, Given
from mapper.analysis.expressions import Evaluator, instance_of, is_module
from mapper.analysis.kinds import (
    FLOAT,
    INT,
    LAYER,
    NEVER,
    NONE,
    NUMBERS,
    OBJECT,
    PARAMETER,
    SIZE,
    STR,
    TENSOR,
    UNKNOWN,
    UNSEEN,
    WEIGHT_NORMED,
    Kind,
    join,
    many,
    tuple_of,
)
from mapper.analysis.python_results import BUILTINS, METHODS, MODULES
from mapper.analysis.torch_names import is_torch
from mapper.analysis.torch_results import (
    BY_DIM,
    FUNCTIONS,
    LAYERS,
    MODULE_METHODS,
    PAIR,
    SELF_RETURNING,
    TENSOR_METHODS,
    WRAPPERS,
    has_attribute,
    in_place_at,
    is_in_place,
    is_layer_class,
    is_tensor_class,
    is_torch_function,
)
from mapper.analysis.torch_results import METHODS as TENSOR_RESULTS

_EINOPS = frozenset(("rearrange", "reduce", "repeat", "pack", "unpack", "einsum"))
_GROWING = {"append": 0, "add": 0, "insert": 1, "add_module": 1, "setdefault": 1}
_DEEPEST = 12  # layers within layers that one call goes through
_COPYING = frozenset(("list", "tuple", "set", "iter", "reversed", "sorted", "frozenset"))


class CallResults:
    """Tells the kinds that calls in one file return, and records what they pass to functions."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def call(self, evaluator: Evaluator, callee: Kind, given: Given, node: ast.Call) -> Kind:
        """Return the kind of a call's result, and record its arguments for the called function."""
        if callee.name == "union":
            parts = [one for one in callee.parts if one.name != "None"]
            return join(self.call(evaluator, part, given, node) for part in parts)
        if callee.name in ("never", "module"):
            return NEVER  # to call a module raises
        is_own = callee.of is not None and not isinstance(callee.of, str)
        if not is_own and any(kind == NEVER for _, kind in given.args):
            return NEVER  # nothing has come here yet
        if callee.name == "class":
            return self._made(evaluator, callee, given, node)
        if callee.is_layer or callee.name == "object":
            return self.layer(evaluator, callee, given, node)
        if callee.name != "function":
            self._lose(given)
            is_layer = callee.name == "unknown" and _may_change(given)
            return _changing() if is_layer and not _has_tensor(given) else UNKNOWN
        match callee.of:
            case Function() as function:
                return self.function(function, given)
            case ("bound", Function() as function, Kind() as owner):
                return self.function(function, given, owner)
            case ("method", Kind() as owner, str(name)):
                return self._method(evaluator, owner, name, given, node)
            case ("makes", Kind()):
                self._lose(given)
                return _changing() if given.is_open or _may_change(given) else UNSEEN
            case ("partial", Kind() as inner):
                self._lose(given)
                return self.call(evaluator, inner, Given(is_open=True), node)
            case str(name) if name.startswith("builtins."):
                return self._builtin(evaluator, name.removeprefix("builtins."), given, node)
            case str(name):
                return self._named(evaluator, name, given, node)
        self._lose(given)
        return UNKNOWN

    # --- functions of the file ----------------------------------------------------------------

    def function(self, function: Function, given: Given, owner: Kind | None = None) -> Kind:
        """Return what a function of the file returns."""
        self.enter(function, given, owner)
        if function.cells is not self._cells and not function.cells.is_done:
            return UNKNOWN  # two files that import each other
        result = self._cells.read(("result", function), self._reader)
        if function.binding == "unknown" or isinstance(function.node, ast.AsyncFunctionDef):
            return UNKNOWN
        if function.is_generator:
            held = self._cells.read(("yielded", function), self._reader)
            return many("iterator", held)
        if result in (UNKNOWN, NEVER):
            return function.cells.results.get(function, result)
        return result

    _reader: Function | None = None

    def reading(self, function: Function) -> None:
        """Record which function is being run, since it depends on the cells that it reads."""
        self._reader = function

    def enter(self, function: Function, given: Given, owner: Kind | None) -> None:
        """Record the arguments of a call for the parameters of a function of the file."""
        if function.cells is not self._cells:
            return
        names = [one.arg for one in function.parameters()]
        is_plain = function.owner is None or function.binding == "static"
        if not is_plain and owner is not None:
            if owner.name == "super":
                owner = Kind("layer", owner.of)
            names = names[1:]
        arguments: ast.arguments = function.node.args  # type: ignore[attr-defined]
        keyword_only = [one.arg for one in arguments.kwonlyargs]
        taken: dict[str, Kind] = {}
        for name, (_, kind) in zip(names, given.args, strict=False):
            taken[name] = kind
        for name in (*names, *keyword_only):
            if name in given.keywords:
                taken[name] = given.keywords[name][1]
            elif name not in taken and given.is_open:
                taken[name] = UNKNOWN
        if arguments.vararg is not None:
            extra = [kind for _, kind in given.args[len(names) :]]
            if extra or given.is_open:
                kind = UNKNOWN if given.is_open else join(extra)
                self._cells.widen(("parameter", function, arguments.vararg.arg), kind)
        for name, kind in taken.items():
            self._cells.widen(("parameter", function, name), kind)

    def _lose(self, given: Given) -> None:
        """Record that functions passed to unknown code may be called with anything."""
        for _, kind in (*given.args, *given.keywords.values()):
            self._escape(kind, UNKNOWN)

    def _escape(self, kind: Kind, argument: Kind) -> None:
        for part in kind.alternatives():
            function = part.of
            if isinstance(function, tuple) and function[0] == "bound":
                function = function[1]
            if isinstance(function, Function) and part.name == "function":
                if function.cells is not self._cells:
                    continue
                for one in function.parameters()[function.owner is not None :]:
                    self._cells.widen(("parameter", function, one.arg), argument)

    # --- classes and layers -------------------------------------------------------------------

    def _made(self, evaluator: Evaluator, callee: Kind, given: Given, node: ast.Call) -> Kind:
        of = callee.of
        if isinstance(of, ClassInfo):
            made = instance_of(callee)
            method = of.method("__init__")
            if method is not None:
                self.enter(method, given, made)
            return made if not of.has_unknown_base or is_module(of) else Kind("object", of)
        name = of if isinstance(of, str) else ""
        if name == "torch.Size":
            return SIZE
        if name == "collections.OrderedDict":
            return self._dict(evaluator, given, node)
        if name == "torch.nn.Sequential":
            return self._sequential(evaluator, given, node)
        if name in ("torch.nn.ModuleList", "torch.nn.ModuleDict"):
            return self._filled(evaluator, Kind("module list", name), given, node)
        if name in WRAPPERS:
            return self._wrapped(last_word(name), given)
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if is_layer_class(name):
            if name.endswith(("Pool1d", "Pool2d", "Pool3d")):
                flag = given.is_true(5, "return_indices")
                if "Adaptive" in name:
                    flag = given.is_true(1, "return_indices")
                if "Max" in name and "Unpool" not in name and flag is not False:
                    return Kind("layer", name, (PAIR,) if flag else (UNKNOWN,))
            return Kind("layer", name, changes=callee.changes or _changes(name, given))
        if is_tensor_class(name):
            return TENSOR
        return UNKNOWN

    def _sequential(self, evaluator: Evaluator, given: Given, node: ast.Call) -> Kind:
        made = Kind("layer", "torch.nn.Sequential")
        is_dict = len(given.args) == 1 and given.args[0][1].name == "dict"
        if given.is_open or is_dict:
            return self._filled(evaluator, made, given, node)
        if not given.args:
            return Kind("layer", "torch.nn.Sequential", sites=frozenset({node}))
        for _, kind in given.args:
            self._cells.widen(("item", node), kind)
        return Kind("layer", made.of, tuple(kind for _, kind in given.args), None,
                    frozenset({node}))  # fmt: skip

    def _filled(self, evaluator: Evaluator, made: Kind, given: Given, node: ast.Call) -> Kind:
        """Return a container whose children come out of a list or dict."""
        sources = [kind for _, kind in given.args]
        if given.rest != NEVER:
            sources.append(given.rest)
        for source in sources:
            item = evaluator.item(source, of_dict=True)
            if item.name == "tuple" and item.elements and item.elements[0].name == "str":
                item = item.elements[-1]
            if item.name == "list":
                item = evaluator.item(item).without("str")
            self._cells.widen(("item", node), item)
        behind = [kind.sites for kind in sources if made.of == "torch.nn.ModuleDict"]
        return Kind(made.name, made.of, sites=frozenset({node}).union(*behind))

    def layer(self, evaluator: Evaluator, layer: Kind, given: Given, node: ast.Call) -> Kind:
        """Return the kind of a layer's output."""
        if self._depth > _DEEPEST:
            return UNKNOWN  # a layer that holds itself
        self._depth += 1
        found = self._layer(evaluator, layer, given, node)
        self._depth -= 1
        return found

    _depth = 0

    def _layer(self, evaluator: Evaluator, layer: Kind, given: Given, node: ast.Call) -> Kind:
        of = layer.of
        if isinstance(of, ClassInfo):
            return self._own_layer(evaluator, layer, of, given, node)
        if of == "torch.nn.Sequential":
            return self._through(evaluator, layer, given, node)
        if of == "torch.nn.Identity":
            return given.kind(0) or UNKNOWN
        if not isinstance(of, str) or layer.name != "layer":
            return UNKNOWN
        if layer.elements:
            return layer.elements[0]
        if of in ("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"):
            first = given.kind(0)
            state = tuple_of((TENSOR, TENSOR)) if of.endswith("LSTM") else TENSOR
            out = TENSOR if first is not None and first.is_tensor else UNKNOWN
            return tuple_of((out, state))
        return LAYERS.get(of, TENSOR)

    def _own_layer(
        self, evaluator: Evaluator, layer: Kind, info: ClassInfo, given: Given, node: ast.Call
    ) -> Kind:
        for name in ("__call__", "forward"):
            methods = [info.method(name)]
            methods += [one.methods.get(name) for one in info.derived]
            found = [one for one in methods if one is not None]
            if found and methods[0] is not None:
                return join(self.function(one, given, layer) for one in found)
        apis = [name for name in info.apis() if name != "torch.nn.Module"]
        if len(apis) == 1 and is_layer_class(apis[0]):
            sites = frozenset({info.node}) if apis[0] == "torch.nn.Sequential" else frozenset()
            base = Kind("layer", apis[0], sites=sites)
            return self.layer(evaluator, base, given, node)
        forward = evaluator.attribute(layer, "forward")
        if forward.name == "function" and isinstance(forward.of, Function):
            return self.function(forward.of, given)
        return UNKNOWN

    def _through(self, evaluator: Evaluator, layer: Kind, given: Given, node: ast.Call) -> Kind:
        """Return the output of a Sequential: the last child's, or any child's without an order.

        An unknown child is assumed to return a Tensor, as nearly all do.
        """
        added = join(self._cells.read(("grown", site), self._reader) for site in layer.sites)
        if layer.elements is not None and added == NEVER:
            current = given
            result = given.kind(0) or UNKNOWN
            for child in layer.elements:
                result = self._child(evaluator, child, current, node)
                current = Given()
                current.add(None, result)
            return result
        items = evaluator.held(layer)
        first = given.kind(0) or UNKNOWN
        results: list[Kind] = []
        for child in items.alternatives():
            result = self._child(evaluator, child, given, node)
            results.append(result)
        found = join(results)
        if found.is_known and found != first:
            again = Given()
            again.add(None, found)
            found = join((found, *(self._child(evaluator, child, again, node)
                                   for child in items.alternatives())))  # fmt: skip
        return TENSOR if found.name in ("unknown", "never") and first.is_tensor else found

    def _child(self, evaluator: Evaluator, child: Kind, given: Given, node: ast.Call) -> Kind:
        result = self.call(evaluator, child, given, node)
        return TENSOR if result == UNKNOWN else result

    # --- methods ------------------------------------------------------------------------------

    def _method(
        self, evaluator: Evaluator, owner: Kind, name: str, given: Given, node: ast.Call
    ) -> Kind:
        if owner.is_tensor:
            return self._of_tensor(evaluator, owner, name, given)
        self._grow(evaluator, owner, name, given, node)
        if owner.is_layer or owner.name == "super" or isinstance(owner.of, ClassInfo):
            return self._of_layer(evaluator, owner, name, given, node)
        known = METHODS.get((owner.name, name))
        if known is not None:
            return known
        if owner.name == "dict":
            return self._of_dict(evaluator, owner, name, given)
        if owner.name in ("list", "set", "tuple") and name in ("pop", "popleft", "copy"):
            return owner if name == "copy" else evaluator.held(owner)
        if owner.name == "list" and name in _GROWING:
            return NONE
        if owner.name == "iterator" and name == "__next__":
            return evaluator.item(owner)
        self._lose(given)
        return UNKNOWN

    def _grow(
        self, evaluator: Evaluator, owner: Kind, name: str, given: Given, node: ast.Call
    ) -> None:
        """Record what `append`, `insert` and the like add to a container."""
        kind = NEVER
        if name in _GROWING:
            kind = given.kind(_GROWING[name]) or given.kind(9, "module") or UNKNOWN
        elif name in ("extend", "update"):
            kind = evaluator.item(given.kind(0) or UNKNOWN, of_dict=True)
        if kind == NEVER:
            return
        sites = set(owner.sites)
        if isinstance(owner.of, ClassInfo):
            sites.add(owner.of.node)
        for site in sites:
            self._cells.widen(("item", site), kind)
            self._cells.widen(("grown", site), kind)

    def _of_tensor(self, evaluator: Evaluator, owner: Kind, name: str, given: Given) -> Kind:
        if name in ("size", "stride"):
            if given.is_open:
                return UNKNOWN
            whole = SIZE if name == "size" else many("tuple", INT)
            return INT if given.args or given.keywords else whole
        if name in BY_DIM:
            return reduced(given, first=0)
        if name == "type":
            return TENSOR if given.args or given.keywords else STR
        if name == "nonzero" and given.keywords:
            return many("tuple", TENSOR)
        if name in ("unique", "unique_consecutive") and not given.keywords and len(given.args) < 2:
            return TENSOR
        if name in TENSOR_RESULTS:
            return TENSOR_RESULTS[name]
        if is_in_place(name):
            self._escape(given.kind(0) or NEVER, UNKNOWN)
            return owner
        return TENSOR if name in TENSOR_METHODS else UNKNOWN

    def _of_layer(
        self, evaluator: Evaluator, owner: Kind, name: str, given: Given, node: ast.Call
    ) -> Kind:
        info = owner.of if isinstance(owner.of, ClassInfo) else None
        text = given.text(0, "name")
        if info is not None and name in _STORING:
            kind = given.kind(1, _STORING[name]) or NONE
            if name == "register_buffer" and kind == UNKNOWN:
                kind = TENSOR
            if name == "register_parameter" and kind == UNKNOWN:
                kind = PARAMETER
            key = ("attribute", info, text) if text else ("dynamic", info)
            self._cells.widen(key, kind)
        if name == "apply":
            self._escape(given.kind(0) or NEVER, LAYER)
        if name in ("forward", "__call__"):
            if owner.name == "super":
                return self._super_forward(evaluator, owner, given, node)
            if info is None:
                return self.layer(evaluator, owner, given, node)
        if name == "__init__" and owner.name == "super" and info is not None:
            bases = [part.of for base in info.bases for part in base.alternatives()]
            if "torch.nn.Sequential" in bases:
                self._fill_own(evaluator, info, given)
            return NONE
        if name in ("values", "items", "keys") and owner.of == "torch.nn.ModuleDict":
            return self._of_dict(evaluator, owner, name, given)
        if name in SELF_RETURNING:
            return owner if owner.name != "super" else Kind("layer", owner.of)
        if owner.is_layer and name in ("append", "extend", "insert"):
            return owner
        return MODULE_METHODS.get(name, UNKNOWN)

    def _super_forward(
        self, evaluator: Evaluator, owner: Kind, given: Given, node: ast.Call
    ) -> Kind:
        info = owner.of
        assert isinstance(info, ClassInfo)
        apis = [name for name in info.apis() if is_layer_class(name) and name != "torch.nn.Module"]
        if len(apis) != 1:
            return UNKNOWN
        sites = frozenset({info.node}) if apis[0] == "torch.nn.Sequential" else frozenset()
        return self.layer(evaluator, Kind("layer", apis[0], sites=sites), given, node)

    def _fill_own(self, evaluator: Evaluator, info: ClassInfo, given: Given) -> None:
        """Record the children that a subclass of Sequential passes to the base's `__init__`."""
        for _, kind in given.args:
            held = evaluator.item(kind, of_dict=True) if kind.name == "dict" else kind
            self._cells.widen(("item", info.node), held)
        if given.rest != NEVER:
            self._cells.widen(("item", info.node), evaluator.item(given.rest))

    def _of_dict(self, evaluator: Evaluator, owner: Kind, name: str, given: Given) -> Kind:
        held = evaluator.held(owner)
        if name == "values":
            return many("iterator", held)
        if name == "keys":
            return many("iterator", STR if owner.name != "dict" else UNKNOWN)
        if name == "items":
            key = STR if owner.name != "dict" else UNKNOWN
            return many("iterator", tuple_of((key, held)))
        if name in ("pop", "setdefault"):
            return join((held, given.kind(1) or NEVER))
        if name == "get":
            return join((held, given.kind(1) or NONE))
        return owner if name == "copy" else UNKNOWN

    # --- functions by name --------------------------------------------------------------------

    def _named(self, evaluator: Evaluator, name: str, given: Given, node: ast.Call) -> Kind:
        head, _, last = name.rpartition(".")
        if name == "functools.partial":
            return self._partial(evaluator, given, node)
        if name in WRAPPERS:
            return self._wrapped(last_word(name), given)
        if name == "typing.cast" and len(given.args) == 2:
            return evaluator.annotated(given.node(0)) or given.args[1][1]
        if name == "copy.deepcopy" or name == "copy.copy":
            return given.kind(0) or UNKNOWN
        if name == "typing.TypeVar" and (given.text(0) or "").lower() == "torch.tensor":
            return Kind("class", "torch.Tensor")
        if head == "einops" and last in _EINOPS:
            first = given.kind(0) or UNKNOWN
            held = evaluator.item(first) if first.name in ("list", "tuple") else first
            if not held.is_tensor:
                return UNKNOWN
            several = {"pack": tuple_of([TENSOR, UNKNOWN]), "unpack": many("list", TENSOR)}
            return several.get(last, TENSOR)
        if is_torch(name):
            self._lose(given)
            return self._torch(evaluator, name, last, given)
        if head in ("itertools",):
            return self._itertools(evaluator, last, given)
        self._lose(given)
        return MODULES.get(name, UNKNOWN)

    def _wrapped(self, name: str, given: Given) -> Kind:
        layer = given.kind(0)
        is_plain = layer is not None and layer.name == "layer" and isinstance(layer.of, str)
        if name == "weight_norm" and is_plain and given.text(1, "name") in (None, "weight"):
            return WEIGHT_NORMED
        if name in ("weight_norm", "spectral_norm"):
            for attr in ("weight", given.text(1, "name") or "weight"):
                self._cells.widen(("elsewhere", attr), TENSOR)  # it is computed from now on
        return given.kind(0) or UNKNOWN

    def _torch(self, evaluator: Evaluator, name: str, last: str, given: Given) -> Kind:
        if name in [f"torch.{one}" for one in BY_DIM]:
            return reduced(given, first=1)
        if name == "torch.where" and len(given.args) + len(given.keywords) == 1:
            return many("tuple", TENSOR)
        if name == "torch.nonzero" and given.keywords:
            return many("tuple", TENSOR)
        if name in ("torch.unique", "torch.unique_consecutive"):
            return TENSOR if not given.keywords and len(given.args) < 3 else UNKNOWN
        if name.startswith("torch.nn.functional.") and "max_pool" in last:
            if last.endswith("_with_indices"):
                return PAIR
            place = 2 if "adaptive" in last else 6
            flag = given.is_true(place, "return_indices")
            return UNKNOWN if flag is None else (PAIR if flag else TENSOR)
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if name.startswith("torch.nn.init.") and last.endswith("_"):
            first = given.kind(0)
            return first if first is not None and first.is_tensor else TENSOR
        if has_attribute(last) and name.startswith("torch.Tensor."):
            return TENSOR if last in TENSOR_METHODS else UNKNOWN
        return TENSOR if is_torch_function(name) else UNKNOWN

    def _partial(self, evaluator: Evaluator, given: Given, node: ast.Call) -> Kind:
        inner = given.kind(0) or UNKNOWN
        rest = Given(given.args[1:], given.keywords, given.rest, True)
        self._lose(rest)
        if inner.name == "class" and isinstance(inner.of, str):
            given = Given(given.args[1:], given.keywords)
            return Kind("class", inner.of, changes=_changes(inner.of, given))
        if inner.name in ("function", "class"):
            return Kind("function", ("partial", inner))
        return UNKNOWN

    def _itertools(self, evaluator: Evaluator, last: str, given: Given) -> Kind:
        kinds = [kind for _, kind in given.args]
        if last == "chain" and not given.is_open:
            return many("iterator", join(map(evaluator.item, kinds)))
        if last == "pairwise" and kinds:
            item = evaluator.item(kinds[0])
            return many("iterator", tuple_of((item, item)))
        if last in ("zip_longest", "product") and not given.is_open:
            items = [evaluator.item(kind) for kind in kinds]
            if last == "zip_longest":
                items = [join((item, given.kind(9, "fillvalue") or NONE)) for item in items]
            return many("iterator", tuple_of(items))
        return UNKNOWN

    def _builtin(self, evaluator: Evaluator, name: str, given: Given, node: ast.Call) -> Kind:
        kinds = [kind for _, kind in given.args]
        item = evaluator.item(kinds[0]) if kinds else NEVER
        if name in BUILTINS:
            if name == "setattr":
                self._set(evaluator, given)
            return BUILTINS[name]
        if name == "enumerate":
            return many("iterator", tuple_of((INT, item)))
        if name == "zip":
            if given.is_open:
                return many("iterator", many("tuple", UNKNOWN))
            return many("iterator", tuple_of(evaluator.item(kind) for kind in kinds))
        if name in ("map", "filter"):
            return self._mapped(evaluator, name, given, node)
        if name in _COPYING:
            return self._copied(evaluator, name, kinds, node)
        if name in ("max", "min", "sum"):
            return self._chosen(name, kinds, item, given)
        if name == "abs" and kinds:
            return kinds[0] if kinds[0].name in NUMBERS or kinds[0].is_tensor else UNKNOWN
        if name == "round" and kinds:
            if kinds[0].is_tensor or kinds[0].name not in NUMBERS:
                return TENSOR if kinds[0].is_tensor else UNKNOWN
            return INT if len(kinds) == 1 else FLOAT
        if name == "pow" and kinds and kinds[0].is_tensor:
            return TENSOR
        if name == "next":
            return join((item, *kinds[1:]))
        if name == "getattr":
            return self._get(evaluator, given)
        if name == "dict":
            return self._dict(evaluator, given, node)
        if name == "type" and len(kinds) == 1:
            is_own = kinds[0].name in ("layer", "object") and kinds[0].of is not None
            return Kind("class", kinds[0].of) if is_own else UNKNOWN
        if name[:1].isupper():
            return OBJECT  # an exception
        self._lose(given)
        return UNKNOWN

    def _mapped(self, evaluator: Evaluator, name: str, given: Given, node: ast.Call) -> Kind:
        if len(given.args) < 2 or given.is_open:
            self._lose(given)
            return many("iterator", UNKNOWN)
        inner = Given()
        for _, kind in given.args[1:]:
            inner.add(None, evaluator.item(kind))
        if given.args[0][1] == NONE:
            return many("iterator", inner.args[0][1])
        result = self.call(evaluator, given.args[0][1], inner, node)
        return many("iterator", result if name == "map" else inner.args[0][1])

    def _copied(self, evaluator: Evaluator, name: str, kinds: list[Kind], node: ast.Call) -> Kind:
        if not kinds:
            return Kind("list" if name == "list" else name, sites=frozenset({node}))
        kind = kinds[0]
        if name == "tuple":
            if kind.elements is not None and not kind.sites:
                return tuple_of(kind.elements)
            return many("tuple", evaluator.item(kind))
        item = evaluator.item(kind)
        if name in ("iter", "reversed"):
            return many("iterator", item)
        self._cells.widen(("item", node), item)
        return Kind("set" if "set" in name else "list", sites=frozenset({node}))

    def _chosen(self, name: str, kinds: list[Kind], item: Kind, given: Given) -> Kind:
        if given.is_open or not kinds:
            return UNKNOWN
        if name == "sum":
            start = kinds[1] if len(kinds) > 1 else INT
            if item.is_tensor:
                return join((TENSOR, start))
            return item if item.name in NUMBERS and start == INT else UNKNOWN
        if len(kinds) == 1:
            return item
        return TENSOR if all(kind.is_tensor for kind in kinds) else join(kinds)

    def _dict(self, evaluator: Evaluator, given: Given, node: ast.Call) -> Kind:
        for _, kind in given.args:
            item = evaluator.item(kind, of_dict=True)
            if item.name == "tuple" and item.elements and len(item.elements) == 2:
                item = item.elements[1]
            self._cells.widen(("item", node), item)
        for name, (_, kind) in given.keywords.items():
            self._cells.widen(("item", node), kind)
            self._cells.widen(("key", node, name), kind)
        if given.is_open:
            self._cells.widen(("item", node), UNKNOWN)
        return Kind("dict", sites=frozenset({node}))

    def _set(self, evaluator: Evaluator, given: Given) -> None:
        owner, kind = given.kind(0), given.kind(2)
        if owner is None or kind is None:
            return
        text = given.text(1)
        for part in owner.alternatives():
            if isinstance(part.of, ClassInfo):
                key = ("attribute", part.of, text) if text else ("dynamic", part.of)
                self._cells.widen(key, kind)
                if text is None and not _prefix(given.node(1)):
                    self._cells.widen(("anything", part.of), kind)

    def _get(self, evaluator: Evaluator, given: Given) -> Kind:
        owner, text = given.kind(0) or UNKNOWN, given.text(1)
        default = given.kind(2) or NEVER
        if text is not None:
            return join((evaluator.attribute(owner, text), default))
        if isinstance(owner.of, ClassInfo):
            held = join(self._cells.read(("dynamic", one), self._reader)
                        for one in owner.of.related())  # fmt: skip
            fixed = self._numbered(evaluator, owner, given.node(1))
            return join((held, fixed, default)) if join((held, fixed)) != NEVER else UNKNOWN
        return UNKNOWN

    def _numbered(self, evaluator: Evaluator, owner: Kind, name: ast.expr | None) -> Kind:
        """Return what `getattr(self, f"layer{i}")` may be: the attributes of such names."""
        prefix = _prefix(name)
        if not prefix or not isinstance(owner.of, ClassInfo):
            return NEVER
        names = {attr for one in owner.of.related() for attr in self._cells.attributes(one)}
        kinds = [evaluator.attribute(owner, one) for one in sorted(names) if one.startswith(prefix)
                 and one != prefix]  # fmt: skip
        return join(kinds)


_STORING = {"register_buffer": "tensor", "register_parameter": "param", "add_module": "module",
            "register_module": "module"}  # fmt: skip


def _prefix(name: ast.expr | None) -> str:
    """Return what a computed name of an attribute starts with."""
    match name:
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), *_]):
            return prefix
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
            return text.partition("%")[0]
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return text.partition("{")[0]
    return ""


def _may_change(given: Given) -> bool:
    """Say whether a layer that is made so may be told to work in place."""
    return "inplace" in given.keywords and given.is_true(99, "inplace") is not False


def _changing() -> Kind:
    return Kind("layer", UNSEEN.of, changes=True)


def _has_tensor(given: Given) -> bool:
    return any(part.is_tensor for _, kind in given.args for part in kind.alternatives())


def _changes(name: str, given: Given) -> bool:
    """Say whether a layer may work in place: `inplace` is given and not False."""
    place = in_place_at(name)
    return place is not None and given.is_true(place, "inplace") is not False


def last_word(name: str) -> str:
    """Return the last word of a qualified name."""
    return name.rpartition(".")[2]


def reduced(given: Given, first: int) -> Kind:
    """Return the kind of `max`, `min`, `median`: a Tensor over all, a pair along a dimension."""
    if given.is_open:
        return UNKNOWN
    if "other" in given.keywords:
        return TENSOR
    if "dim" in given.keywords or "axis" in given.keywords or len(given.args) > first + 1:
        return PAIR
    if len(given.args) <= first:
        return TENSOR
    kind = given.args[first][1]
    if kind.is_tensor:
        return TENSOR
    return PAIR if kind.name in NUMBERS else UNKNOWN
