"""Where a program builds a model and then calls or trains it.

A torch module starts in training mode, a Cell does not. In graph mode, setting a Cell's flag has no
effect any more if it was never set before the first call. So a model that is built outside of
classes gets a `set_train()`, unless the program sets the mode itself.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from mapper.analysis.cells import ClassInfo
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import Scope
from mapper.analysis.walk import walk

_MODES = ("train", "eval")
_TRAINED = ("Dropout", "BatchNorm", "InstanceNorm", "SyncBatchNorm", "AlphaDropout", "Transformer",
            "MultiheadAttention", "LSTM", "GRU", "RNN", "Sequential", "ModuleList",
            "ModuleDict")  # fmt: skip
"""Layers of torch's that compute otherwise in training, or may hold such layers."""


def find_constructions(
    module: ParsedModule, inference: Inference, models: Collection[ast.ClassDef]
) -> Iterator[tuple[ast.Call, Scope]]:
    """Yield the calls that build a model which is then called or trained in the same function."""
    inside = {id(node) for model in models for node in walk(model)}
    for statement, scope in module.names.scopes.home.items():
        if id(statement) in inside:
            continue
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                if _builds(inference, call) and _is_run(name, scope.node, statement):
                    yield call, scope
        for node in walk(statement) if _is_simple(statement) else ():
            match node:
                case ast.Call(func=ast.Call() as call) if _builds(inference, call):
                    yield call, scope


def _builds(inference: Inference, call: ast.Call) -> bool:
    """Say whether a call yields a model whose mode matters and has not been set on the way."""
    match call.func:
        case ast.Attribute(attr=name) if name in _MODES:
            return False
        case ast.Attribute(value=ast.Call() as inner, attr="to" | "cuda" | "cpu" | "float"):
            return _builds(inference, inner)
    kind = inference.kind(call)
    return kind.is_layer and any(map(_has_modes, kind.alternatives()))


def _has_modes(kind: Kind) -> bool:
    if isinstance(kind.of, ClassInfo):
        return True
    word = kind.of.rpartition(".")[2] if isinstance(kind.of, str) else ""
    return word.startswith(_TRAINED)


def _is_simple(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Assign | ast.Expr | ast.Return | ast.AugAssign)


def _is_run(name: str, around: ast.AST, statement: ast.stmt) -> bool:
    """Say whether a name is called or handed on after a statement, and its mode never set."""
    is_run = False
    for parent in walk(around):
        for child in ast.iter_child_nodes(parent):
            if not isinstance(child, ast.Name) or child.id != name:
                continue
            if not isinstance(child.ctx, ast.Load) or child.lineno < statement.lineno:
                continue
            match parent:
                case ast.Attribute(attr=attr) if attr in _MODES:
                    return False
                case ast.Call():  # called, or handed to a function
                    is_run = True
                case ast.Attribute(attr="parameters" | "named_parameters"):
                    is_run = True
    return is_run
