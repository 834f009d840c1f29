"""Tells whether MindSpore's CellDict can do what a file does with torch's ModuleDict."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mapper.analysis.find import CONTAINERS, MODULE_ATTRIBUTES
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.walk import walk

MODULE_DICT = "torch.nn.ModuleDict"
_METHODS = MODULE_ATTRIBUTES | CONTAINERS[MODULE_DICT]


def needs_own(module: ParsedModule, references: Iterable[Reference], inference: Inference) -> bool:
    """Say whether a ModuleDict of the file does what a CellDict does not.

    A CellDict takes no CellList, CellDict or SequentialCell, and GRAPH_MODE does not find its
    layers as attributes.
    """
    values = [value for one in references if one.api == MODULE_DICT and one.call is not None
              for value in _values(one.call)]  # fmt: skip
    for node in walk(module.tree):
        match node:
            case ast.Attribute(value=held, attr=attr) if _is_dict(inference.kind(held)):
                if attr not in _METHODS and not attr.startswith("_"):
                    return True
                values += _given(node, module)
            case ast.Assign(targets=[ast.Subscript(value=held)], value=value):
                if _is_dict(inference.kind(held)):
                    values.append(value)
    return any(_is_container(part) for one in values for part in inference.kind(one).alternatives())


def _given(node: ast.Attribute, module: ParsedModule) -> Iterator[ast.expr]:
    """Yield the layers that `add_module` and `update` put into a dict."""
    for call in walk(module.tree):
        if isinstance(call, ast.Call) and call.func is node:
            yield from _values(call)
            yield from call.args


def _values(call: ast.Call) -> Iterator[ast.expr]:
    """Yield what a mapping in a call holds: in a display, a comprehension, `dict(…)`, pairs."""
    for one in call.args:
        match one:
            case ast.Dict(values=values):
                yield from values
            case ast.DictComp(value=value):
                yield value
            case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
                yield from (keyword.value for keyword in keywords)
                yield from _values(one)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                pairs = [one for one in items if isinstance(one, ast.Tuple | ast.List)]
                yield from (one.elts[1] for one in pairs if len(one.elts) == 2)
            case ast.ListComp(elt=ast.Tuple(elts=[_, value])):
                yield value
            case ast.GeneratorExp(elt=ast.Tuple(elts=[_, value])):
                yield value


def _is_dict(kind: Kind) -> bool:
    return any(one.of == MODULE_DICT for one in kind.alternatives())


def _is_container(kind: Kind) -> bool:
    return kind.name == "module list" or kind.of == "torch.nn.Sequential"
