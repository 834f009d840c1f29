"""The scaffolding of a class that derives from torch.nn.Module: its base and its `forward`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS

MODULE, SEQUENTIAL = "torch.nn.Module", "torch.nn.Sequential"
_ROOTS = (MODULE, SEQUENTIAL, "torch.nn.ModuleList", "torch.nn.ModuleDict")

_NO_MODULES = frozenset(("object", "ABC", "abc.ABC"))

_RESERVED = frozenset(
    (
        "cls_name",
        "phase",
        "param_prefix",
        "cells",
        "name_cells",
        "parameter_layout_dict",
        "bprop_debug",
        "construct",
        "_cells",
        "_params",
        "arguments_key",
        "_scope",
    )
)
"""Attributes that MindSpore's Cell has for itself: setting one breaks it (facts: measured)."""

_RESERVED_METHODS = frozenset(
    (
        "construct",
        "cells",
        "name_cells",
        "cells_and_names",
        "parameters_and_names",
        "get_parameters",
        "trainable_params",
        "set_train",
        "set_grad",
        "set_data",
        "compile",
        "to_float",
        "insert_child_to_cell",
        "insert_param_to_cell",
    )
)
"""Methods of a Cell that a torch class may define for a purpose of its own."""


@dataclass(slots=True, eq=False)
class ModuleClass:
    """A class of the file that is a torch module; `base` is the reference to torch's class."""

    node: ast.ClassDef
    base: Reference | None
    root: str
    """The torch class that it derives from, directly or through classes of this file."""
    problems: list[tuple[int, str]] = field(default_factory=list)

    def method(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return a method that the class itself defines."""
        for statement in self.node.body:
            if isinstance(statement, FUNCTIONS) and statement.name == name:
                return statement
        return None


def find_classes(
    module: ParsedModule, references: Sequence[Reference], inferred: Sequence[ast.ClassDef]
) -> list[ModuleClass]:
    """Return the classes of the file that are torch modules, those without a torch base last.

    `inferred` are those whose bases are torch modules defined in other files.
    """
    found: dict[ast.ClassDef, ModuleClass] = {}
    for reference in references:
        parent = reference.parents[0] if reference.parents else None
        is_base = isinstance(parent, ast.ClassDef) and reference.node in parent.bases
        if isinstance(parent, ast.ClassDef) and is_base and reference.api in _ROOTS:
            found[parent] = ModuleClass(parent, reference, reference.api)
    pending = [
        scope.node
        for scope in module.names.scopes.all
        if isinstance(scope.node, ast.ClassDef) and scope.node not in found
    ]
    is_growing = True
    while is_growing:
        is_growing = False
        for node in [one for one in pending if one not in found]:
            for base in node.bases:
                behind = _class_of(module, base, node)
                if behind is not None and behind in found:
                    found[node] = ModuleClass(node, None, found[behind].root)
                    is_growing = True
    for node in inferred:
        found.setdefault(node, ModuleClass(node, None, MODULE))
    for node in pending:
        unknown = None if node in found else _unknown_base(module, node, references)
        if unknown is not None:
            words = f"its base `{ast.unparse(unknown)}` is not found, and may be a torch module"
            found[node] = ModuleClass(node, None, MODULE, [(unknown.lineno, words)])
    for one in found.values():
        one.problems.extend(_problems(one))
    return list(found.values())


def _unknown_base(
    module: ParsedModule, node: ast.ClassDef, references: Sequence[Reference]
) -> ast.expr | None:
    """Return the imported base of a class with layers and a `forward`, which MindSpore never calls.

    Left as it is, such a class would run the `construct` that it inherits, without a word.
    """
    has_forward = any(isinstance(one, FUNCTIONS) and one.name == "forward" for one in node.body)
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    if not has_forward or not any(
        one.api.startswith("torch.nn.") and one.call is not None and one.node.lineno in lines
        for one in references
    ):
        return None
    for base in node.bases:
        if _class_of(module, base, node) is None and ast.unparse(base) not in _NO_MODULES:
            return base
    return None


def _class_of(module: ParsedModule, base: ast.expr, node: ast.ClassDef) -> ast.ClassDef | None:
    if not isinstance(base, ast.Name):
        return None
    home = module.names.scopes.home.get(node)
    found = home.lookup(base.id) if home else None
    match found:
        case (_, [binding]) if isinstance(binding.statement, ast.ClassDef):
            return binding.statement
    return None


def name_of(module: ParsedModule, definition: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Name:
    """Return the name in `def forward` as an expression with its position."""
    start = module.index.offset(definition.lineno, definition.col_offset)
    found = re.compile(r"(?:async\s+)?def\s+(\w+)").match(module.text, start)
    assert found is not None
    line, column = module.index.ast_position(found.start(1))
    end_line, end_column = module.index.ast_position(found.end(1))
    name = ast.Name(definition.name, ast.Load())
    name.lineno, name.col_offset = line, column
    name.end_lineno, name.end_col_offset = end_line, end_column
    return name


def _problems(one: ModuleClass) -> Iterator[tuple[int, str]]:
    """Yield why the class cannot become a Cell: lines and reasons."""
    node = one.node
    if node.keywords:
        yield node.lineno, "it has a metaclass or class keywords, which a Cell has of its own"
    for statement in node.body:
        if isinstance(statement, FUNCTIONS) and statement.name in _RESERVED_METHODS:
            yield (
                statement.lineno,
                f"its method `{statement.name}` is one of MindSpore's Cell: give it another name",
            )
        if isinstance(statement, ast.AsyncFunctionDef) and statement.name == "forward":
            yield statement.lineno, "an asynchronous `forward` has no counterpart"
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()) if (
                name in _RESERVED
            ):
                yield (
                    inner.lineno,
                    f"the attribute `{name}` is one of MindSpore's Cell: give it another name",
                )
