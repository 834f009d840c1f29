"""What the code of one file does to objects that may be layers, wherever they come from."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from mapper.analysis.reach import Place
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import children, walk

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
    rb"weight_norm|spectral_norm|_parametrization|structured|[a-z0-9]_\(|"
    rb"setattr|__dict__|\bvars\b|isinstance|issubclass|__class__|\btype\b|(?:has|get)attr"
    rb"|\.(?:add|sub|mul|div)_\b|\.\s*\w+\s*(?:,[^=\n]*|\)|\]|:[^=\n]*)?[-+*/|&@]*=(?!=)|\bdel\b"
    rb"|for\s[\w\s.,]*\.\w+\s+in\b|\brepr\b|_get_name|\b(?:named_)?modules\b|named_parameters"
)
_OUTSIDE = re.compile(rb"^(?:async )?def \w+\(\s*self\b", re.MULTILINE)
_SET_ON_SELF = re.compile(rb"\bself\.\w++(?!\s*[.\[(])")
_LAYER_TEST = re.compile(r"Conv[123]?d?$|ConvTranspose[123]?d|_ConvNd|_ConvTransposeNd|Sequential")


class Doing(StrEnum):
    """What is done to a layer."""

    SET = "sets"
    CHANGE = "changes"
    TEST = "tests"
    ASK = "asks for"
    WRAP = "wraps"
    START = "initialises"
    LIST = "lists"


@dataclass(frozen=True, slots=True, eq=False)
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
    trains: bool = False
    """Whether the file trains by torch: it calls `loss.backward()`."""
    is_by_name: bool = False
    """Whether it is the name of the class that is asked for."""
    strings: frozenset[str] = frozenset()
    """The texts in the function around, which the name may be compared with."""

    def concerns(self, names: frozenset[str]) -> bool:
        """Say whether one of these attributes may be meant."""
        if self.names:
            return bool(self.names & names)
        return any(name.startswith(self.starts) for name in names)


def may_use(text: bytes) -> bool:
    """Say whether `uses_of` may find anything in a file's text; errs towards yes.

    What methods set on `self` is no use, unless they stand outside of a class.
    """
    if not _OUTSIDE.search(text):
        text = _SET_ON_SELF.sub(b"self", text)
    return _MARKS.search(text) is not None


def uses_of(path: Path | None, tree: ast.Module) -> Iterator[LayerUse]:
    """Yield what the code of one file does to objects that may be layers."""
    stack: list[tuple[ast.AST, Place]] = [(tree, Place(path))]
    beside: dict[ast.AST, frozenset[str]] = {}
    wrappers, lists, trains = _wrappers(tree), set(_lists(tree)), _trains(tree)
    while stack:
        node, place = stack.pop()
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for one in node.values:
                beside[one] = _strings(other for other in node.values if other is not one)
        for use in (*_stores(node, place), *_calls(node, place, wrappers), *_tests(node, place)):
            if not (_is_own(use.node, use.place) or _is_module(use.node, use.place)):
                yield replace(use, words=beside.get(node, use.words), trains=trains)
        if (named := _named(node)) is not None and not _is_own(named, place):
            around = next(place.function(), tree)
            strings = frozenset(
                one.value
                for one in walk(around)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
            assert isinstance(node, ast.expr)
            yield _use(Doing.TEST, node, named, place, is_by_name=True, strings=strings)
        if node in lists:
            assert isinstance(node, ast.Call)
            yield _use(Doing.LIST, node, node, place, trains=trains)
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            place = Place(path, (*place.around, node))
        stack.extend((child, place) for child in children(node))


_LISTING = ("modules", "named_modules", "named_parameters")


def _lists(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls whose number, order or names of layers and parameters the code depends on.

    It does not where a loop has nothing but tests of what it finds, and lets the names be.
    """
    harmless = set[ast.AST]()
    for node in walk(tree):
        match node:
            case ast.For(target=target, iter=found, body=body):
                is_tested = all(isinstance(one, ast.If) for one in body)
                tested: list[ast.AST] = [*body]
            case (
                ast.GeneratorExp(elt=element, generators=[one])
                | ast.ListComp(elt=element, generators=[one])
                | ast.SetComp(elt=element, generators=[one])
            ):
                target, found = one.target, one.iter
                is_tested = bool(one.ifs) or _last_of(element) == "isinstance"
                tested = [element, *one.ifs]
            case _:
                continue
        match found:
            case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner]):
                found = inner
        match target:
            case ast.Tuple(elts=[ast.Name(id=name), _]):
                is_read = any(map(partial(_reads, name), tested))
            case ast.Tuple():
                is_read = True
            case _:
                is_read = False
        is_parameters = isinstance(found, ast.Call) and _last(found.func) == "named_parameters"
        if not is_read and (is_tested or is_parameters):
            harmless.add(found)
    for node in walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in _LISTING:
                if node not in harmless:
                    yield node


def _last_of(node: ast.expr) -> str:
    return _last(node.func) if isinstance(node, ast.Call) else ""


def _reads(name: str, node: ast.AST) -> bool:
    """Say whether code depends on the place that a name in dots gives, or on all of the name.

    It does not where it prints it, or looks for a word in it.
    """
    match node:
        case ast.Call(func=ast.Name(id="print")):
            return False
        case (
            ast.Compare(
                left=ast.Constant(value=str(word)),
                ops=[ast.In() | ast.NotIn()],
                comparators=[ast.Name()],
            )
            | ast.Call(
                func=ast.Attribute(value=ast.Name(), attr="startswith" | "endswith" | "find"),
                args=[ast.Constant(value=str(word))],
            )
        ) if word.isidentifier():
            return False
    if isinstance(node, ast.Name):
        return node.id == name
    return any(_reads(name, child) for child in children(node))


def _strings(nodes: Iterable[ast.expr]) -> frozenset[str]:
    """Return the texts that `classname.find("Conv") != -1` and its like look for."""
    found = set[str]()
    for node in nodes:
        for part in walk(node):
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


def _is_module(node: ast.expr, place: Place) -> bool:
    """Say whether an object is a Python module: `sys.modules[name]`, or a name for that alone."""
    match node:
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id="sys"), attr="modules")):
            return True
        case ast.Name(id=name):
            function = next(
                (one for one in reversed(place.around) if isinstance(one, FUNCTIONS)), None
            )
        case _:
            return False
    if function is None or any(
        arg.arg == name for arg in walk(function) if isinstance(arg, ast.arg)
    ):
        return False
    stored = [
        one for one in walk(function)
        if isinstance(one, ast.Name) and one.id == name and not isinstance(one.ctx, ast.Load)
    ]  # fmt: skip
    values = [
        one.value for one in walk(function)
        if isinstance(one, ast.Assign) and one.targets[0] in stored
    ]  # fmt: skip
    is_borrowed = any(
        name in one.names for one in walk(function) if isinstance(one, ast.Global | ast.Nonlocal)
    )
    are_modules = all(not isinstance(one, ast.Name) and _is_module(one, place) for one in values)
    return bool(values) and len(values) == len(stored) and are_modules and not is_borrowed


def _trains(tree: ast.Module) -> bool:
    """Say whether a file calls `backward`, which neither Tensors nor losses of MindSpore have."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
        for node in walk(tree)
    )


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
    for node in walk(tree):
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
                names = frozenset(("Sequential",) if "Sequential" in ast.unparse(classes) else ())
                yield _use(Doing.TEST, node, base, place, names)
        case (
            ast.Call(func=ast.Name(id="type" | "repr"), args=[base])
            | ast.Attribute(value=base, attr="__class__", ctx=ast.Load())
            | ast.Call(func=ast.Attribute(value=base, attr="_get_name"))
        ):
            yield _use(Doing.TEST, node, base, place)
        case (
            ast.Call(func=ast.Name(id="hasattr"), args=[base, ast.Constant(value=str(name))])
            | ast.Call(func=ast.Name(id="getattr"), args=[base, ast.Constant(value=str(name)), _])
        ):
            yield _use(Doing.ASK, node, base, place, frozenset((name,)))


def _named(node: ast.AST) -> ast.expr | None:
    """Return the object whose class an expression gives the name of."""
    match node:
        case (
            ast.Attribute(value=found, attr="__name__" | "__qualname__")
            | ast.Call(func=ast.Name(id="str" | "repr"), args=[found])
        ):
            match found:
                case (
                    ast.Call(func=ast.Name(id="type"), args=[base])
                    | ast.Attribute(value=base, attr="__class__")
                ):
                    return base
        case ast.Call(func=ast.Attribute(value=base, attr="_get_name")):
            return base
    return None


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
