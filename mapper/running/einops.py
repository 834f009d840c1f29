"""The names that a file takes from einops, as drafts: patterns written out, layers inserted."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import SCOPED, Scope, inner_scopes, own_expressions
from mapper.analysis.walk import children
from mapper.model.plan import ManualError
from mapper.model.results import Proof, Status
from mapper.planning.forms import einops
from mapper.running.drafts import Draft, Drafter, Text
from mapper.running.einsum import einsum_text, einsum_words
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.template import is_loose
from mapper.writing.whole_imports import WholeImports

_FUNCTIONS = {f"einops.{name}": name for name in ("rearrange", "repeat", "reduce")}
_PACKING = {"einops.pack": "pack", "einops.unpack": "unpack"}
_EINSUM = "einops.einsum"
_LAYERS = {
    "einops.layers.torch.Rearrange": ("Rearrange", "rearrange"),
    "einops.layers.torch.Reduce": ("Reduce", "reduce"),
}
_NONE = "einops does not work on MindSpore's Tensors: write it with reshape, permute and the like"


def einops_drafts(drafter: Drafter) -> Iterator[Draft]:
    """Yield a draft for every use of a name that the file imports from einops."""
    names = drafter.module.names
    found: dict[str, str] = {}
    for _, local, binding in names.imports():
        target = binding.target or ""
        if target.partition(".")[0] == "einops":
            found[local] = target
    if not found:
        return
    for node, scope, parents in _names(names.scopes.home):
        if node.id not in found:
            continue
        behind = scope.lookup(node.id)
        if behind is None or not any(one.target == found[node.id] for one in behind[1]):
            continue
        api, whole, above = found[node.id], node, parents
        while above and isinstance(above[0], ast.Attribute):
            whole, above = above[0], above[1:]  # type: ignore[assignment]
            api += f".{whole.attr}"  # type: ignore[attr-defined]
        call = above[0] if above and isinstance(above[0], ast.Call) else None
        if call is not None and call.func is not whole:
            call = None
        is_sure = len(behind[1]) == 1 and behind[0] is names.scopes.module
        reference = Reference(api, whole, call, scope, None, scope, tuple(above))
        yield _draft(drafter, reference, is_sure)


def _draft(drafter: Drafter, reference: Reference, is_sure: bool) -> Draft:
    """Return the draft of one use; without a text where it is left to a person."""
    draft = drafter.new(reference, reference.call or reference.node)
    if draft.site.status is Status.IGNORED:
        return draft
    try:
        if not is_sure:
            raise ManualError(f"what `{ast.unparse(reference.node)}` is depends on what is run")
        text = _text(reference)
        draft.text = text
        draft.site = replace(draft.site, status=Status.MIGRATED, proof=Proof("rule"))
    except ManualError as error:
        draft.leave(str(error))
    return draft


def _text(reference: Reference) -> Text:
    """Return what writes a use of einops."""
    call = reference.call
    if call is None:
        raise ManualError(_NONE)
    words = [keyword.arg for keyword in call.keywords]
    if any(isinstance(one, ast.Starred) for one in call.args) or None in words:
        raise ManualError("its arguments are handed on by stars: write them out")
    sizes = {word.arg: word.value for word in call.keywords if word.arg}
    if reference.api in _FUNCTIONS:
        return _function(reference.api, call, sizes)
    if reference.api in _LAYERS:
        return _layer(reference.api, call, sizes)
    if reference.api in _PACKING and not sizes:
        return _packing(_PACKING[reference.api], call)
    if reference.api == _EINSUM and not sizes and call.args:
        return einsum_text(reference, einsum_words(call.args[-1]), call.args[:-1])
    raise ManualError(_NONE)


def _packing(name: str, call: ast.Call) -> Text:
    """Return what writes `pack` and `unpack`: inserted functions that are told the axes."""
    if len(call.args) != (2 if name == "pack" else 3):
        raise ManualError(_NONE)
    before, star, after = _literal(call.args[-1]).partition("*")
    axes = [len(before.split())] + ([len(after.split())] if name == "pack" else [])
    if not star or "*" in after or not (before + after).replace(" ", "a").isalnum():
        raise ManualError(f"`{before}{star}{after}` is no pattern of einops")

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        given = [edited.source(one) for one in call.args[:-1]]
        return f"{final.spell(name, _nowhere(call))}({', '.join([*given, *map(str, axes)])})"

    return text


def _function(api: str, call: ast.Call, sizes: dict[str, ast.expr]) -> Text:
    """Return what writes a call of a function: its pattern as reshape, permute, reductions."""
    operation = _FUNCTIONS[api]
    args = [*call.args]
    if operation == "reduce" and "reduction" in sizes:
        args.append(sizes.pop("reduction"))
    if len(args) != (3 if operation == "reduce" else 2):
        raise ManualError(_NONE)
    pattern = einops.parse(_literal(args[1]))
    einops.check(pattern, [*sizes], operation)
    reduction = _reduction(args[2]) if operation == "reduce" else None
    once = einops.written_once(pattern, "", dict.fromkeys(sizes, "n"), reduction)
    if not _is_name(args[0]) and once is None:
        raise ManualError(
            f"`{ast.unparse(args[0])[:40]}` would be computed several times: "
            "put it into a variable first"
        )
    for name, value in sizes.items():
        if any(isinstance(part, ast.Call) for part in ast.walk(value)):
            raise ManualError(f"put the size of `{name}` into a variable first")

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        texts = {name: _tight(value, edited) for name, value in sizes.items()}
        if not _is_name(args[0]):
            return einops.written_once(pattern, _tight(args[0], edited), texts, reduction) or ""
        return einops.written(pattern, edited.source(args[0]), texts, reduction)

    return text


def _layer(api: str, call: ast.Call, sizes: dict[str, ast.expr]) -> Text:
    """Return what writes the building of a layer: an inserted layer that does the same."""
    name, operation = _LAYERS[api]
    reduction = sizes.pop("reduction", None)
    args = [*call.args, *([reduction] if reduction is not None else [])]
    if len(args) != (2 if operation == "reduce" else 1):
        raise ManualError(_NONE)
    pattern = einops.parse(_literal(args[0]))
    einops.check(pattern, [*sizes], operation)
    if operation == "reduce":
        _reduction(args[1])
        if pattern.has_rest:
            raise ManualError("an ellipsis says not how many axes there are: write it in construct")
        kept = [name for name in pattern.given if name in pattern.wanted]
        if {*map(len, (*pattern.left, *pattern.right))} != {1} or kept != [*pattern.wanted]:
            raise ManualError("it splits or moves axes, too: write a Rearrange before it")

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        function = edited.source(call.func)
        return final.spell(name, _nowhere(call)) + edited.source(call)[len(function) :]

    return text


def _nowhere(call: ast.Call) -> Reference:
    """Return a reference for what is spelled without one of the file's own imports."""
    return Reference("", call.func, call, None, None, None, ())  # type: ignore[arg-type]


def _literal(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=str(text))]):
            return text
    raise ManualError("its pattern does not stand here: " + _NONE)


def _reduction(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)) if text in einops.REDUCTIONS:
            return text
    raise ManualError("its reduction is none of mean, sum, max and min in words")


def _is_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _tight(node: ast.expr, edited: EditedText) -> str:
    """Return an expression as text, in parentheses where it is computed."""
    text = edited.source(node)
    return f"({text})" if is_loose(text) or isinstance(node, ast.Tuple) else text


def _names(
    home: Mapping[ast.AST, Scope],
) -> Iterator[tuple[ast.Name, Scope, tuple[ast.AST, ...]]]:
    """Yield the names that are read, each with its scope and what is around it."""
    for statement, outer in home.items():
        stack: list[tuple[ast.AST, Scope, tuple[ast.AST, ...]]] = [
            (node, outer, (statement,)) for node in own_expressions(statement)
        ]
        while stack:
            node, scope, parents = stack.pop()
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                yield node, scope, parents
            inside: Iterable[tuple[ast.AST, Scope]] = ((one, scope) for one in children(node))
            if isinstance(node, SCOPED):
                inside = inner_scopes(node, scope)
            stack.extend((child, inner, (node, *parents)) for child, inner in inside)
