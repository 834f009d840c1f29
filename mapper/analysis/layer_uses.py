"""What a program does to layers after they are built that a MindSpore layer does not follow.

Measured: an attribute such as `stride` that is set on a MindSpore layer changes nothing and raises
nothing; nor does `weight.data.mul_(…)`; and a layer that became a SequentialCell is of another
class, whose `weight` and `bias` are not those of the convolution.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapper import limits
from mapper.analysis.cells import ClassInfo
from mapper.analysis.inference import File, Project
from mapper.analysis.kinds import Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.project_files import entries, find, parse, plain_text, root_of
from mapper.analysis.reach import RECURSIVE, Place, Reach, Reached
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import children
from mapper.model.record import record

NO_COUNTERPART = frozenset(("forward", "_conv_forward"))
"""Methods that torch calls by these names and MindSpore does not."""
_UNUSED = frozenset(
    (
        "in_channels", "out_channels", "in_features", "out_features", "num_features",
        "num_channels", "device", "dtype",
    )
)  # fmt: skip
"""Attributes that torch does not compute with either."""
_ARITHMETIC = ("add_", "sub_", "mul_", "div_")
_WRAPPERS = frozenset(
    (
        "weight_norm", "spectral_norm", "remove_weight_norm", "remove_spectral_norm",
        "register_parametrization", "l1_unstructured", "random_unstructured", "ln_structured",
    )
)  # fmt: skip
"""Functions of torch.nn.utils that put something into a layer: they raise on a Cell."""
_INIT = re.compile(
    r"(?:kaiming|xavier|trunc)_\w+_|(?:zeros|ones|normal|uniform|constant|eye|dirac|orthogonal|sparse|fill|zero|copy|clamp)_"
)
"""What initialises a Parameter of torch's, and raises on one of MindSpore's (measured)."""
_MARKS = re.compile(
    rb"weight_norm|spectral_norm|_parametrization|structured|\w_\(|"
    rb"setattr|__dict__|\bvars\b|isinstance|issubclass|__class__|\btype\b|(?:has|get)attr"
    rb"|\.(?:add|sub|mul|div)_\b|\.\s*\w+\s*(?:,[^=\n]*|\)|\]|:[^=\n]*)?[-+*/|&@]*=(?!=)|\bdel\b"
    rb"|for\s[\w\s.,]*\.\w+\s+in\b"
)
_LAYER_TEST = re.compile(r"Conv[123]?d?$|ConvTranspose[123]?d|_ConvNd|_ConvTransposeNd|Sequential")
_OTHER_VALUES = frozenset(
    (
        "Tensor", "Parameter", "int", "float", "bool", "number", "str", "tuple", "list", "dict",
        "set", "size", "None", "dtype", "device", "module", "iterator",
    )
)  # fmt: skip
_NAMING = ("named_modules", "named_children", "_modules", "split", "rsplit", "rpartition")
"""What gives the names that layers have in what holds them."""


class Doing(StrEnum):
    """What is done to a layer."""

    SET = "sets"
    CHANGE = "changes"
    TEST = "tests"
    ASK = "asks for"
    WRAP = "wraps"
    START = "initialises"


@record(frozen=True, slots=True)
class LayerUse:
    """A place where a program does something to an object that may be a layer.

    `node` is the object. `names` are the attributes concerned, none for any.
    """

    doing: Doing
    text: str
    node: ast.expr
    place: Place
    line: int
    names: frozenset[str] = frozenset()
    starts: str = ""
    """What the name begins with, where more of it is not known."""
    key: ast.expr | None = None
    """What gives the name, where that is not known."""
    words: frozenset[str] = frozenset()
    """Parts of class names that the object is tested for in the same condition."""
    parameter: ast.expr | None = None
    """The Parameter that a method changes."""

    def concerns(self, names: frozenset[str]) -> bool:
        """Say whether one of these attributes may be meant."""
        if self.names:
            return bool(self.names & names)
        return any(name.startswith(self.starts) for name in names)


class LayerUses:
    """The uses of layers in the program that a file belongs to.

    `is_whole`: what the file does to a Parameter that is known as one is rewritten there.
    """

    def __init__(self, module: ParsedModule, is_whole: bool) -> None:
        path = module.path
        self._own = path.resolve() if path is not None else None
        self._module = module
        self._is_whole = is_whole
        self._found: list[LayerUse] | None = None
        self._reach: Reach | None = None
        self._reached: dict[tuple[LayerUse, bool], Reached] = {}
        self._apis: dict[LayerUse, frozenset[str] | None] = {}
        self._kinds = Project()
        self._trees: dict[Path | None, ast.Module] = {}
        self._files: dict[Path | None, File] = {}

    def of(self, call: ast.expr, api: str, wanted: Wanted) -> Iterator[LayerUse]:
        """Yield what is done to the layer that a call of the file builds."""
        for use in self._all():
            if use.words and not any(word in api.rpartition(".")[2] for word in use.words):
                continue
            if not wanted.asks(use) or not self._holds(use, call, self._is_direct(use, wanted)):
                continue
            if use not in self._apis:
                self._apis[use] = self._concerned(use)
            apis = self._apis[use]
            if apis is None or api in apis:
                yield use

    def _is_direct(self, use: LayerUse, wanted: Wanted) -> bool:
        """Say whether a search through all layers is none that the use is lost by.

        In another file's training code `named_modules()` raises on a Cell.
        """
        is_foreign = self._is_whole and use.place.file != self._own
        is_question = use.doing in (Doing.TEST, Doing.ASK)
        return wanted.is_met_inside(use) or (is_foreign and is_question)

    def place(self, use: LayerUse) -> str:
        """Return in words where a use stands."""
        path = use.place.file
        return f"line {use.line}" + (f" of {path.name}" if path and path != self._own else "")

    def _all(self) -> list[LayerUse]:
        if self._found is None:
            self._found = []
            for path, tree in self._sources(is_marked=True):
                self._trees[path] = tree
                self._found += sorted(_uses(path, tree), key=lambda use: use.line)
        return self._found

    def _sources(self, is_marked: bool) -> Iterator[tuple[Path | None, ast.Module]]:
        data = self._module.text.encode("utf-8", "replace")
        if not is_marked or _MARKS.search(data):
            yield self._own, self._module.tree
        for path in _other_files(self._own) if self._own else ():
            if not is_marked or _is_marked(path):
                parsed = parse(path)
                if parsed is not None:
                    yield path, parsed.tree

    def _holds(self, use: LayerUse, call: ast.expr, is_direct: bool) -> bool:
        if self._reach is None:
            self._reach = Reach()
            for path, tree in self._sources(is_marked=False):
                self._reach.add(path, tree)
        key = use, is_direct
        if key not in self._reached:
            past = RECURSIVE if is_direct else frozenset[str]()
            is_child = use.key is not None and self._is_name_of_child(self._reach, use)
            found = self._reach.reached(use.node, use.place, past)
            self._reached[key] = Reached() if is_child else found
        found = self._reached[key]
        if found.is_open and use.doing in (Doing.SET, Doing.CHANGE):
            return use.place.file == self._own  # for layers of this file, by a caller not seen
        return found.holds(self._own, call)

    def _is_name_of_child(self, reach: Reach, use: LayerUse) -> bool:
        """Say whether a name that is set is one that a layer has in what holds it."""
        assert use.key is not None
        found = reach.reached(use.key, use.place)
        return any(
            isinstance(part, ast.Attribute) and part.attr in _NAMING
            for value in found.values
            for part in ast.walk(value.node)
        )

    def _concerned(self, use: LayerUse) -> frozenset[str] | None:
        """Return the torch layers that the object may be of; None where that is not known."""
        path = use.place.file
        if path not in self._files:
            self._files[path] = self._kinds.add(path, self._trees[path])
        file = self._files[path]
        is_rewritten = self._is_whole and path == self._own and use.parameter is not None
        if is_rewritten and use.parameter and file.kind(use.parameter).name == "Parameter":
            return frozenset()
        return _apis(file.kind(use.node))


@record(frozen=True, slots=True)
class Wanted:
    """What of a layer matters: `set` must not be set, `asked` not be asked for or tested.

    `changed` are the weights that no method may change. `is_wrapped`: it becomes a layer that
    holds the one meant in torch; `inner` are the attributes that this one inside has.
    """

    set: frozenset[str]
    asked: frozenset[str]
    changed: frozenset[str]
    is_wrapped: bool
    inner: frozenset[str]
    is_said: bool = False
    """Whether what raises counts, too."""

    def is_met_inside(self, use: LayerUse) -> bool:
        """Say whether a search through all layers finds the one inside, as torch finds it."""
        is_set = use.doing is Doing.SET and bool(use.names) and use.names <= self.inner
        return self.is_wrapped and (is_set or use.doing in (Doing.TEST, Doing.ASK))

    def asks(self, use: LayerUse) -> bool:
        """Say whether a use of such a layer would go wrong unnoticed."""
        match use.doing:
            case Doing.SET:
                return use.concerns(self.set)
            case Doing.CHANGE:
                return use.concerns(self.changed)
            case Doing.ASK:
                return bool(use.names & self.asked)
            case Doing.WRAP:
                return self.is_said
            case Doing.START:
                return self.is_said and bool(use.names & self.changed)
        return self.is_wrapped


def settable(parameters: frozenset[str], state: frozenset[str]) -> frozenset[str]:
    """Return the attributes that torch computes with, of a layer with these parameters."""
    return parameters - state - _UNUSED | NO_COUNTERPART


@lru_cache(limits.PARSED_FILES)
def _is_marked(path: Path) -> bool:
    text = plain_text(path)
    return text is not None and _MARKS.search(text) is not None


@lru_cache(limits.PARSED_FILES)
def _other_files(own: Path) -> tuple[Path, ...]:
    """Return the files that a file's layers may come to.

    These import it, or such a file, or are imported by one of them.
    """
    found = [own.resolve()]
    for path in found:  # grows meanwhile
        if len(found) < limits.HANDED_FILES:
            found += [one for one in _importers(path) if one not in found]
    beside = dict.fromkeys(found)
    for path in found:
        beside.update((one, None) for one in _imported(path))
    return tuple(path for path in beside if path != found[0])


def _importers(path: Path) -> Iterator[Path]:
    """Yield the files of the project that import a file, as Python would find it."""
    word = path.parent.name if path.stem == "__init__" else path.stem
    for entry in entries(root_of(path.parent)) or ():
        if word in entry.words and path in _imported(entry.path):
            yield entry.path


@lru_cache(limits.PARSED_FILES)
def _imported(path: Path) -> tuple[Path, ...]:
    """Return the files of the project that a file imports."""
    return tuple(dict.fromkeys(_imports(path)))


def _imports(path: Path) -> Iterator[Path]:
    parsed = parse(path)
    for node in ast.walk(parsed.tree) if parsed is not None else ():
        modules = list[str]()
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                dot = "." if module else ""
                modules = [base, *(f"{base}{dot}{alias.name}" for alias in names)]
        for module in modules:
            if (file := find(module, path)) is not None:
                yield file


# --- what one file does -------------------------------------------------------------------------


def _uses(path: Path | None, tree: ast.Module) -> Iterator[LayerUse]:
    stack: list[tuple[ast.AST, Place]] = [(tree, Place(path))]
    beside: dict[ast.AST, frozenset[str]] = {}
    wrappers = _wrappers(tree)
    while stack:
        node, place = stack.pop()
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for one in node.values:
                beside[one] = _strings(other for other in node.values if other is not one)
        for use in (*_stores(node, place), *_calls(node, place, wrappers), *_tests(node, place)):
            if not _is_own(use.node, use.place):
                yield replace(use, words=beside.get(node, use.words))
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            place = Place(path, (*place.around, node))
        stack.extend((child, place) for child in children(node))


def _strings(nodes: Iterable[ast.expr]) -> frozenset[str]:
    """Return the texts that `classname.find("Conv") != -1` and its like look for."""
    found = set[str]()
    for node in nodes:
        for part in ast.walk(node):
            match part:
                case ast.Call(func=ast.Attribute(attr="find"), args=[ast.Constant(value=text)]):
                    found.add(str(text))
    return frozenset(found)


def _is_own(node: ast.expr, place: Place) -> bool:
    """Say whether an object is `self`: classes that derive from layers are looked at as such."""
    match node:
        case ast.Name(id=name):
            return place.owner(name) is not None
        case ast.Call(func=ast.Name(id="super")):
            return True
    return False


def _apis(kind: Kind) -> frozenset[str] | None:
    """Return the torch layers that an object may be of; None where that is not known."""
    found = set[str]()
    for part in kind.alternatives():
        if part.name == "layer" and isinstance(part.of, str):
            found.add(part.of)
        elif part.name not in _OTHER_VALUES and not isinstance(part.of, ClassInfo):
            return None
    return frozenset(found)


def _stores(node: ast.AST, place: Place) -> Iterator[LayerUse]:
    """Yield the attributes that are set by name: in assignments, loops and deletions."""
    match node:
        case ast.Attribute(value=base, attr=attr) if not isinstance(node.ctx, ast.Load):
            yield _use(Doing.SET, node, base, place, frozenset((attr,)))
        case ast.Subscript(value=base, slice=key) if not isinstance(node.ctx, ast.Load):
            held = _namespace(base)
            if held is not None:
                yield _set(node, held, key, place)


def _namespace(node: ast.expr) -> ast.expr | None:
    """Return the object whose namespace an expression is."""
    match node:
        case ast.Attribute(value=base, attr="__dict__"):
            return base
        case ast.Call(func=ast.Name(id="vars"), args=[base]):
            return base
    return None


def _calls(node: ast.AST, place: Place, wrappers: frozenset[str]) -> Iterator[LayerUse]:
    match node:
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[base, key, *_]):
            yield _set(node, base, key, place)
        case ast.Call(
            func=ast.Attribute(value=owner, attr="__setattr__" | "__delattr__"), args=args
        ):
            match args:
                case [base, key, _]:
                    yield _set(node, base, key, place)
                case [key, _]:
                    yield _set(node, owner, key, place)
        case ast.Call(func=ast.Attribute(value=owner, attr=attr), args=args, keywords=keywords) if (
            attr in ("update", "setdefault", "__setitem__") and (held := _namespace(owner))
        ):
            names = frozenset(one.arg for one in keywords if one.arg)
            if len(names) == len(keywords) and not args:
                yield _use(Doing.SET, node, held, place, names)
            else:
                key = args[0] if args and attr != "update" else ast.Name("keys", ast.Load())
                yield _set(node, held, key, place)
        case ast.Call(func=ast.Attribute(value=target, attr=attr)) if attr in _ARITHMETIC:
            yield from _changed(Doing.CHANGE, node, target, place)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[target, *_]) if (
            name in wrappers
        ):
            yield _use(Doing.WRAP, node, target, place)
        case ast.Call(func=func, args=args) if _INIT.fullmatch(_last(func)):
            for target in args[:1]:
                yield from _changed(Doing.START, node, target, place)
            if isinstance(func, ast.Attribute):
                yield from _changed(Doing.START, node, func.value, place)


def _changed(doing: Doing, node: ast.expr, target: ast.expr, place: Place) -> Iterator[LayerUse]:
    """Yield the use that changes `m.weight` or `m.weight.data`."""
    if isinstance(target, ast.Attribute) and target.attr == "data":
        target = target.value
    if isinstance(target, ast.Attribute):
        names = frozenset((target.attr,))
        yield _use(doing, node, target.value, place, names, parameter=target)


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _wrappers(tree: ast.Module) -> frozenset[str]:
    """Return the names that a file has for the functions that wrap a layer."""
    found = set(_WRAPPERS)
    for node in ast.walk(tree):
        match node:
            case ast.alias(name=name, asname=str(other)) if name.rpartition(".")[2] in _WRAPPERS:
                found.add(other)
            case ast.Assign(targets=[ast.Name(id=other)], value=value) if _last(value) in found:
                found.add(other)
    return frozenset(found)


def _set(node: ast.expr, base: ast.expr, key: ast.expr, place: Place) -> LayerUse:
    """Return the use that sets what `key` names."""
    match key:
        case ast.Constant(value=name):
            return _use(Doing.SET, node, base, place, frozenset((str(name),)))
        case (
            ast.JoinedStr(values=[ast.Constant(value=str(start)), *_])
            | ast.BinOp(left=ast.Constant(value=str(start)), op=ast.Add())
        ):
            return _use(Doing.SET, node, base, place, starts=start)
        case ast.BinOp(left=ast.Constant(value=str(start)), op=ast.Mod()):
            return _use(Doing.SET, node, base, place, starts=start.partition("%")[0])
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(start)), attr="format")):
            return _use(Doing.SET, node, base, place, starts=start.partition("{")[0])
    return _use(Doing.SET, node, base, place, key=key)


def _tests(node: ast.AST, place: Place) -> Iterator[LayerUse]:
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[base, classes]):
            if _may_be_layers(classes):
                yield _use(Doing.TEST, node, base, place)
        case (
            ast.Call(func=ast.Name(id="type"), args=[base])
            | ast.Attribute(value=base, attr="__class__", ctx=ast.Load())
        ):
            yield _use(Doing.TEST, node, base, place)
        case (
            ast.Call(func=ast.Name(id="hasattr"), args=[base, ast.Constant(value=str(name))])
            | ast.Call(func=ast.Name(id="getattr"), args=[base, ast.Constant(value=str(name)), _])
        ):
            yield _use(Doing.ASK, node, base, place, frozenset((name,)))


def _may_be_layers(classes: ast.expr) -> bool:
    """Say whether the classes of a test may be one of a convolution, or a Sequential."""
    match classes:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return any(map(_may_be_layers, elements))
        case ast.BinOp(left=left, right=right):
            return _may_be_layers(left) or _may_be_layers(right)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            is_class = name[:1].isupper() and not name.isupper()
            return _LAYER_TEST.search(name) is not None or not (is_class or hasattr(builtins, name))
    return True


def _use(
    doing: Doing,
    node: ast.expr,
    base: ast.expr,
    place: Place,
    names: frozenset[str] = frozenset(),
    **more: Any,
) -> LayerUse:
    return LayerUse(doing, ast.unparse(node), base, place, node.lineno, names, **more)
