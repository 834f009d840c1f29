"""Which migrated classes and functions torch's code could go on using in silence.

A class of another file that stays torch's may build one that became a Cell, or derive from it. That
raises as soon as a layer or function of MindSpore's is given a torch Tensor, and its containers
refuse torch's layers. But a Cell that only holds what it is given works with torch's layers, too,
and hides their parameters; one that calls what a derived class sets runs as if nothing had changed;
and a test for MindSpore's types is false for torch's layers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence

from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.torch_results import MODULE_METHODS
from mapper.analysis.walk import walk
from mapper.model.record import record
from mapper.planning.forms.scaffold import SEQUENTIAL, ModuleClass
from mapper.planning.forms.type_test import is_type_test
from mapper.rulebook.schema import Kind, Rule
from mapper.running.drafts import Draft, Drafter

_Body = Sequence[ast.stmt]
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
_NUMBER = r"(?:int|float|bool|str|[tT]uple\b.*)"
_PLAIN = re.compile(rf"{_NUMBER}(?: \| None)?|Optional\[{_NUMBER}\]")
_OF_MODULES = {*MODULE_METHODS, "add_module", "register_buffer", "register_parameter"}
_PERHAPS = (
    *_BRANCHES, *FUNCTIONS, ast.ClassDef, ast.Lambda, ast.IfExp, ast.BoolOp, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


@record(frozen=True, slots=True)
class Quiet:
    """The names of a file that torch's code could go on with in silence.

    `used` are classes and functions that may work with torch's layers and Tensors; `bases` classes
    that compute something: as a Cell, one that derives from them does so whatever its `forward`.
    """

    used: frozenset[str]
    bases: frozenset[str]


def find_quiet(
    tree: ast.Module, classes: Sequence[ModuleClass], drafter: Drafter, drafts: Sequence[Draft]
) -> Quiet:
    """Return the names of a file that torch's code could go on with in silence."""
    ruled = [(one, rule) for one in drafts if (rule := drafter.rule(one.reference)) is not None]
    operators = {id(one.reference.node) for one, rule in ruled if _is_operator(one, rule)}
    layers = [one for one, rule in ruled if rule.kind is Kind.LAYER and rule.parameters]
    tests = {id(one.reference.node) for one in drafts if is_type_test(one.reference)}
    found = {
        node.name
        for node in tree.body
        if isinstance(node, FUNCTIONS)
        and any(id(one) in tests for one in walk(node))
        and not _reaches(node.body, operators, ())
    }
    for one in classes:
        is_open = _holds_given(one, classes) or any(id(node) in tests for node in walk(one.node))
        if is_open and not _is_loud(one, operators, layers):
            found.add(one.node.name)
    concrete = (one for one in classes if not _has_to_be_derived(one))
    return Quiet(frozenset(found), frozenset(one.node.name for one in concrete))


def _has_to_be_derived(one: ModuleClass) -> bool:
    """Say whether a class computes nothing itself: its `forward` has to be overridden."""
    forward = one.method("forward")
    return forward is not None and _is_abstract(forward)


def _is_loud(one: ModuleClass, operators: Collection[int], layers: Sequence[Draft]) -> bool:
    """Say whether every call of a module comes to an operator, or is one of a derived class."""
    init, forward = one.method("__init__"), one.method("forward")
    sure = {id(node) for node in _always(init.body)} if init is not None else set()
    own = [layer.site.attribute or "" for layer in layers if id(layer.reference.node) in sure]
    if forward is None:
        return one.root == SEQUENTIAL and bool(own)
    names = {name.partition(".")[0] for name in own}
    return _is_abstract(forward) or _reaches(forward.body, operators, names)


def _holds_given(module: ModuleClass, classes: Sequence[ModuleClass]) -> bool:
    """Say whether a class keeps a parameter that may be a layer, or calls what it does not set.

    What another class of the file sets may be set by a base.
    """
    methods = [one for one in module.node.body if isinstance(one, FUNCTIONS)]
    known = {name for one in classes for name in _set_in(one.node)}
    called = set[str]()
    for method in methods:
        given = set(_unclear(method.args))
        for one in walk(method):
            match one:
                case ast.Assign(targets=targets, value=ast.Name(id=name)) if name in given:
                    if any(isinstance(one, ast.Attribute) for one in targets):
                        return True
                case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                    called.add(name)
    return bool(called - known - _OF_MODULES)


def _set_in(node: ast.ClassDef) -> Iterator[str]:
    """Yield the methods of a class, and the attributes that it sets."""
    for one in walk(node):
        if isinstance(one, FUNCTIONS):
            yield one.name
        elif isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store):
            yield one.attr


def _unclear(arguments: ast.arguments) -> Iterator[str]:
    """Yield the parameters that neither an annotation nor a default says to be no layer."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    defaults.update((one, value) for one, value in keywords if value is not None)
    for one in (*positional, *arguments.kwonlyargs):
        default, words = defaults.get(one), ast.unparse(one.annotation) if one.annotation else ""
        is_plain = isinstance(default, ast.Constant | ast.Tuple | ast.UnaryOp)
        is_plain = is_plain and getattr(default, "value", 0) is not None
        if not is_plain and not _PLAIN.fullmatch(words):
            yield one.arg


def _is_operator(draft: Draft, rule: Rule) -> bool:
    """Say whether a call becomes one of MindSpore's operators, and not a method of a Tensor."""
    first = next(iter(rule.torch.parameters), None)
    if rule.kind is not Kind.FUNCTION or first is None or draft.site.after is None:
        return False
    takes_tensor = first.name == "input" or "Tensor" in first.annotation
    root = re.match(r"\w*", draft.site.after)
    return (
        takes_tensor and root is not None and root[0] not in re.findall(r"\w+", draft.site.before)
    )


def _is_abstract(forward: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a method has to be overridden: it only raises, or is marked as abstract."""
    marks = {ast.unparse(one).rpartition(".")[2] for one in forward.decorator_list}
    *above, last = forward.body
    is_bare = all(
        isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in above
    )
    return "abstractmethod" in marks or (is_bare and isinstance(last, ast.Raise))


def _reaches(body: _Body, operators: Collection[int], layers: Collection[str]) -> bool:
    """Say whether every call of a body comes to one of the operators, or to a layer of `self`."""
    for node in _always(body):
        if id(node) in operators:
            return True
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                if name in layers:
                    return True
    return False


def _always(body: _Body) -> Iterator[ast.AST]:
    """Yield the nodes of a body that are evaluated by every call that does not raise."""
    for statement in body:
        stack: list[ast.AST] = [] if isinstance(statement, _PERHAPS) else [statement]
        if isinstance(statement, ast.If | ast.While):
            stack = [statement.test]
        while stack:
            node = stack.pop()
            yield node
            stack += [one for one in ast.iter_child_nodes(node) if not isinstance(one, _PERHAPS)]
        if any(isinstance(node, ast.Return) for node in walk(statement)):
            return
