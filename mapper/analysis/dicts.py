"""Finds what a `**name` in a call holds, if `name` is a local dict literal that never changes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from mapper.analysis.scopes import Scope
from mapper.analysis.walk import walk


def known_keys(node: ast.expr, scope: Scope) -> Mapping[str, ast.expr] | None:
    """Return the keys of the dict and the expressions to read them; None when they may vary.

    Known is a dict literal (or `dict(a=…)`), or a name bound once to one in the scope around the
    call and otherwise only unpacked or read: `dd = {'device': device, 'dtype': dtype}`.
    """
    if isinstance(node, ast.Call) and scope.lookup("dict") is not None:
        return None  # a function of the file's own
    if isinstance(node, ast.Dict | ast.Call):
        return _entries(node)
    if not isinstance(node, ast.Name):
        return None
    found = scope.lookup(node.id)
    if found is None or found[0].kind != "function" or len(found[1]) != 1:
        return None
    home, (binding,) = found
    entries = _entries(binding.value) if binding.kind == "assign" and binding.value else None
    if isinstance(binding.value, ast.Call) and scope.lookup("dict") is not None:
        return None
    if entries is None or not _is_only_read(node.id, home.node):
        return None
    return {key: ast.Subscript(node, ast.Constant(key), ast.Load()) for key in entries}


def _entries(node: ast.expr) -> Mapping[str, ast.expr] | None:
    match node:
        case ast.Dict(keys=keys, values=values):
            names = [key.value for key in keys if isinstance(key, ast.Constant)]
            texts = [name for name in names if isinstance(name, str)]
            is_plain = len(texts) == len(keys) == len(set(texts))
            return dict(zip(texts, values, strict=True)) if is_plain else None
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            entries = {k.arg: k.value for k in keywords if k.arg is not None}
            return entries if len(entries) == len(keywords) else None
    return None


@lru_cache(maxsize=1)  # one function may unpack it into many calls
def _is_only_read(name: str, function: ast.AST) -> bool:
    """Say whether the dict is only unpacked or subscripted in the function that binds it."""
    reads = 0
    for node in walk(function):
        match node:
            case ast.keyword(arg=None, value=ast.Name(id=found)) if found == name:
                reads += 1
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                reads += sum(
                    k is None and isinstance(v, ast.Name) and v.id == name for k, v in pairs
                )
            case ast.Subscript(value=ast.Name(id=found), ctx=ast.Load()) if found == name:
                reads += 1
    uses = [n for n in walk(function) if isinstance(n, ast.Name) and n.id == name]
    return sum(isinstance(n.ctx, ast.Load) for n in uses) == reads
