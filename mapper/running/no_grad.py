"""Writes code under `torch.no_grad()`: what leaves it is cut off from gradients.

MindSpore differentiates functions, and has no public counterpart. But all that no_grad does is
done where a value leaves the block or the function: `mindspore.ops.stop_gradient`, which takes
whatever it is given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mapper.analysis.inference import Inference
from mapper.analysis.kinds import NUMBERS, Kind
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import DEFINITIONS
from mapper.analysis.walk import walk
from mapper.model.plan import ManualError
from mapper.model.results import Status
from mapper.running.drafts import Draft, Drafter, Text, decorated_span
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

APIS = frozenset(("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad"))
_PLAIN = NUMBERS | {
    "str",
    "None",
    "size",
    "dtype",
    "device",
    "function",
    "class",
    "module",
    "layer",
}
_FILLING = ("append", "add", "extend", "insert", "update", "setdefault", "put")
_STOP = "mindspore.ops.stop_gradient"
_GONE = "nothing of MindSpore's records gradients here; what leaves it is cut off from them"


class NoGradients:
    """The uses of `no_grad` in one file that can be written, as drafts."""

    def __init__(self, drafter: Drafter, inference: Inference) -> None:
        self._drafter = drafter
        self._inference = inference

    def drafts(self, reference: Reference) -> Sequence[Draft]:
        """Return the drafts for a use that is understood, none for any other."""
        if reference.api not in APIS or reference.problem:
            return []
        around = reference.parents[1:] if reference.call is not None else reference.parents
        used = reference.call or reference.node
        if reference.call is not None and (reference.call.args or reference.call.keywords):
            return []
        match around[0] if around else None:
            case ast.withitem(optional_vars=None):
                statement = around[1]
                assert isinstance(statement, ast.With)
                made = [self._with(reference, used)]
                body, function = statement.body, reference.scope.node
            case ast.FunctionDef() as function if used in function.decorator_list:
                made = [self._decorator(reference, used, function)]
                body = function.body
            case _:
                return []
        if getattr(function, "name", "") == "forward":
            return []  # GRAPH_MODE compiles no `with`, and a model's own gradients are meant
        try:
            leaving = list(self._leaving(body, function))
        except ManualError:
            return []
        made += [self._cut(reference, value) for value in leaving]
        for draft in made:
            draft.others = made
        if any(draft.site.status is Status.IGNORED for draft in made):
            for draft in made:
                draft.leave("it is switched off at another place")
        return made

    # --- drafts -------------------------------------------------------------------------------

    def _with(self, reference: Reference, used: ast.expr) -> Draft:
        draft = self._drafter.new(reference, used)

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            if not isinstance(final, WholeImports):
                raise ManualError("import nullcontext from contextlib, and write it here")
            return f"{final.spell('contextlib.nullcontext')}()"

        return self._put(draft, text, _GONE)

    def _decorator(self, reference: Reference, used: ast.expr, function: ast.FunctionDef) -> Draft:
        draft = self._drafter.new(reference, used)
        span = decorated_span(used, function)
        if self._drafter.module.source(span).split() != (
            f"@{self._drafter.module.source(used)}".split()
        ):
            draft.leave("a comment stands beside the decorator: take it away by hand")
            return draft
        draft.node = span
        return self._put(draft, lambda final, edited: "", _GONE)

    def _cut(self, reference: Reference, value: ast.expr) -> Draft:
        at = replace(reference, node=value, call=None)
        draft = self._drafter.new(at, value)

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            given = edited.source(value)
            if isinstance(value, ast.Tuple) and not given.startswith("("):
                given = f"({given})"
            return f"{final.spell(_STOP, at)}({given})"

        return self._put(draft, text, "")

    def _put(self, draft: Draft, text: Text, message: str) -> Draft:
        if draft.site.status is not Status.IGNORED:
            draft.text = text
            draft.site = replace(draft.site, status=Status.MIGRATED, message=message)
        return draft

    # --- what leaves --------------------------------------------------------------------------

    def _leaving(self, body: Sequence[ast.stmt], function: ast.AST) -> Iterator[ast.expr]:
        """Yield the expressions whose values are seen outside of a body, and may be Tensors.

        Raises:
            ManualError: some leave in another way.
        """
        inside = [part for statement in body for part in walk(statement)]
        own = _bound(inside) - _read_outside(function, set(map(id, inside)))
        if isinstance(function, ast.Module):
            own = {name for name in own if not self._drafter.module.names.is_taken(name)}
        for part in inside:
            match part:
                case ast.Return(value=ast.expr() as value):
                    yield from self._tensor(value)
                case ast.Assign(targets=targets, value=value):
                    if not all(_is_own(target, own) for target in targets):
                        yield from self._tensor(value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    if not _is_own(target, own):
                        yield from self._tensor(value)
                case ast.AugAssign(target=target, value=value):
                    is_plain = self._is_plain(value) and not self._inference.kind(target).is_tensor
                    if not _is_own(target, own) and not is_plain:
                        raise ManualError("it adds to what is seen outside")
                case ast.Call(func=ast.Attribute(value=ast.expr() as held, attr=attr)) if (
                    attr in _FILLING and not _is_own(held, own)
                ):
                    for argument in [*part.args, *(word.value for word in part.keywords)]:
                        yield from self._tensor(argument)
                case ast.For(target=target) | ast.NamedExpr(target=target):
                    if not _is_own(target, own):
                        raise ManualError("a loop's name is seen outside")
                case ast.withitem(optional_vars=ast.expr() as target) if not _is_own(target, own):
                    raise ManualError("a name is seen outside")
                case ast.Yield() | ast.YieldFrom() | ast.Lambda() | ast.Global() | ast.Nonlocal():
                    raise ManualError("it may be seen outside at another time")
                case _ if isinstance(part, DEFINITIONS):
                    raise ManualError("a definition inside is called at another time")

    def _tensor(self, value: ast.expr) -> Iterator[ast.expr]:
        if not self._is_plain(value):
            if isinstance(value, ast.Starred):
                raise ManualError("what is given is not written out")
            yield value

    def _is_plain(self, value: ast.expr) -> bool:
        """Say whether a value is surely no Tensor, and holds none."""
        kind: Kind = self._inference.kind(value)
        return kind.name != "unknown" and all(one.name in _PLAIN for one in kind.alternatives())


def _bound(inside: Sequence[ast.AST]) -> set[str]:
    return {one.id for one in inside if isinstance(one, ast.Name)
            and not isinstance(one.ctx, ast.Load)}  # fmt: skip


def _read_outside(function: ast.AST, inside: set[int]) -> set[str]:
    """Return the names that a function, or a module, reads outside of a part of it."""
    return {one.id for one in walk(function) if isinstance(one, ast.Name)
            and isinstance(one.ctx, ast.Load) and id(one) not in inside}  # fmt: skip


def _is_own(target: ast.expr, own: set[str]) -> bool:
    """Say whether a target is one of the body's own names, or several of them."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_own(one, own) for one in target.elts)
    if isinstance(target, ast.Starred):
        return _is_own(target.value, own)
    return isinstance(target, ast.Name) and target.id in own
