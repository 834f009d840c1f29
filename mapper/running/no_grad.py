"""Writes code under `torch.no_grad()`: what leaves it is cut off from gradients.

MindSpore differentiates functions, and has no public counterpart. But all that no_grad does is
done where a value leaves the block or the function: `mindspore.ops.stop_gradient`, which takes
whatever it is given.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
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
_HANDING_ON = frozenset(
    ("to", "contiguous", "cuda", "cpu", "float", "double", "half", "type", "type_as", "get", "pop")
)
"""Methods that may give what they are called on, or what it holds."""
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
                body, function = statement.body, reference.scope.node
                if getattr(function, "name", "") == "forward":
                    made = self._block(reference, statement)
                else:
                    made = [self._with(reference, used)]
            case ast.FunctionDef() as function if used in function.decorator_list:
                made = [self._decorator(reference, used, function)]
                body = function.body
            case _:
                return []
        if not made:
            return []
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

    def _block(self, reference: Reference, statement: ast.With) -> list[Draft]:
        """Return the draft that writes a block of a forward without its `with`.

        GRAPH_MODE compiles none, and binds no name in what may not be reached.
        """
        module, first = self._drafter.module, statement.body[0]
        item = statement.items[0].context_expr
        behind = module.text[module.end(item) : module.start(first)]
        above, below = (module.text[: module.start(one)].rpartition("\n")[2]
                        for one in (statement, first))  # fmt: skip
        header, newline, _ = behind.partition("\n")
        is_plain = len(statement.items) == 1 and header.strip() == ":" and newline
        if not is_plain or not (below.startswith(above) and below.isspace()) or _is_long(statement):
            return []
        draft = self._drafter.new(reference, reference.call or reference.node)
        draft.node, draft.is_around = statement, True

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            whole, at = edited.source(statement), edited.offsets(statement)
            inside = whole[
                whole.index("\n", at(item.end_lineno or 0, item.end_col_offset or 0)) + 1 :
            ]
            return re.sub(rf"^{below}", above, inside, flags=re.MULTILINE).removeprefix(above)

        return [self._put(draft, text, _GONE)]

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
        draft.is_around = True

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
        self._made = _Made(body, inside, self._inference)
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
        if self._is_plain(value) or self._made.is_from_outside(value):
            return
        if isinstance(value, ast.Starred):
            raise ManualError("what is given is not written out")
        if isinstance(value, ast.Tuple | ast.List) and any(
            self._made.is_from_outside(one) for one in value.elts
        ):
            for one in value.elts:
                yield from self._tensor(one)
            return
        if not self._made.is_made(value):
            raise ManualError("it may be what is there before, which keeps its gradients")
        yield value

    def _is_plain(self, value: ast.expr) -> bool:
        """Say whether a value is surely no Tensor, and holds none."""
        kind: Kind = self._inference.kind(value)
        return kind.name != "unknown" and all(one.name in _PLAIN for one in kind.alternatives())


class _Made:
    """What a body under no_grad computes; a value that it only hands on keeps its gradients."""

    def __init__(
        self, body: Sequence[ast.stmt], inside: Sequence[ast.AST], inference: Inference
    ) -> None:
        self._inference = inference
        counts = _counts(inside)
        self._values: dict[str, list[ast.expr | None]] = {name: [] for name in counts}
        self._surely: set[str] = set()
        for part in inside:
            match part:
                case ast.Assign(targets=targets, value=value):
                    for name, one in ((n, o) for t in targets for n, o in _assigned(t, value)):
                        self._values[name].append(one)
                        self._surely |= {name} if part in body else set()
        for name, count in counts.items():
            self._values[name] += [None] * (count - len(self._values[name]))

    def is_from_outside(self, value: ast.expr) -> bool:
        """Say whether a value is a name that the body does not bind."""
        return isinstance(value, ast.Name) and value.id not in self._values

    def is_made(self, value: ast.expr | None) -> bool:
        """Say whether a value is surely computed in the body, or no Tensor."""
        match value:
            case ast.Call(func=ast.Attribute(value=held, attr=attr)) if attr in _HANDING_ON:
                return self.is_made(held)
            case ast.Call() | ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Constant():
                return True
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
                return all(map(self.is_made, parts))
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_made(body) and self.is_made(orelse)
            case ast.Dict(values=parts):
                return all(map(self.is_made, parts))
            case ast.ListComp(elt=element):
                return self.is_made(element)
            case ast.Subscript(value=held):
                return self.is_made(held) or self._inference.kind(held).is_tensor
            case ast.Attribute(value=held):
                return self.is_made(held)
            case ast.Name(id=name) if name in self._surely:
                known = self._values[name]
                self._surely.discard(name)  # the answer while it is asked again
                found = all(map(self.is_made, known))
                self._surely.add(name)
                return found
        return False


def _is_long(statement: ast.stmt) -> bool:
    """Say whether a text of several lines stands in a statement."""
    return any(
        isinstance(one, ast.Constant | ast.JoinedStr)
        and isinstance(getattr(one, "value", ""), str | bytes)
        and one.lineno != one.end_lineno
        for one in walk(statement)
    )


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that an assignment binds, each with its value or what that is part of."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        values = [value] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(values):
            values = value.elts
        for one, part in zip(target.elts, values, strict=True):
            yield from _assigned(one, part)


def _counts(inside: Sequence[ast.AST]) -> Counter[str]:
    """Return how often each name is bound."""
    return Counter(one.id for one in inside if isinstance(one, ast.Name)
                   and not isinstance(one.ctx, ast.Load))  # fmt: skip


def _bound(inside: Sequence[ast.AST]) -> set[str]:
    return set(_counts(inside))


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
