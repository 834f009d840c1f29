"""Writes containers that are filled after they are made: first a Python list, then the CellList."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mapper.analysis.inference import Inference
from mapper.analysis.resolve import Reference
from mapper.model.plan import ManualError
from mapper.model.results import Proof, Status
from mapper.planning.forms.filled import DICT, LIST, SEQUENTIAL, Filled, find_filled
from mapper.running.drafts import Draft, Drafter, Text
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

_CELLS = {
    LIST: "mindspore.nn.CellList",
    DICT: "mindspore.nn.CellDict",
    SEQUENTIAL: "mindspore.nn.SequentialCell",
}
_ORDERED = "collections.OrderedDict"
_LATE = "it is set after the other layers of this function now: the order of `children()` differs"
_ELSEWHERE = {
    "append": "parameters of a layer that is appended to a CellList of a Cell lose the list's "
    "name: gather the layers in a Python list, and make the CellList of it",
    "add_module": "MindSpore passes over what is added by name to a container that is made "
    "already: give it an OrderedDict of all its layers",
}


class FilledContainers:
    """The containers of one file that are filled after they are made, as drafts."""

    def __init__(
        self, drafter: Drafter, references: Sequence[Reference], inference: Inference
    ) -> None:
        self._drafter = drafter
        self._inference = inference
        self._made = {id(one.node): one for one in references}
        found = find_filled(drafter.module, inference)
        self._found = [
            one
            for one in found
            if id(one.call.func) in self._made
            and not (one.problem and one.is_keyed and one.api == SEQUENTIAL)
        ]
        self._calls = {id(call.func) for one in self._found for call in one.adds}

    @property
    def gathered(self) -> list[ast.Call]:
        """Return the calls that fill a container and become items of a list or dict."""
        return [call for one in self._found if not one.problem for call in one.adds]

    def handles(self, reference: Reference) -> bool:
        """Say whether a method's site is among the drafts, or is to be left for its receiver."""
        return id(reference.node) in self._calls or self._reason(reference) is not None

    def stray(self, reference: Reference) -> Iterator[Draft]:
        """Yield the draft of a method that fills a container which is not made right before."""
        reason = self._reason(reference)
        if id(reference.node) not in self._calls and reason is not None:
            draft = self._drafter.new(reference, reference.node)
            if draft.site.status is not Status.IGNORED:
                draft.leave(reason)
            yield draft

    def _reason(self, reference: Reference) -> str | None:
        owner, _, name = reference.api.rpartition(".")
        assert isinstance(reference.node, ast.Attribute)
        if owner in (LIST, SEQUENTIAL) and name in ("append", "extend", "insert"):
            return _ELSEWHERE["append"]
        if name == "add_module":
            kinds = self._inference.kind(reference.node.value).alternatives()
            if any(kind.of in (LIST, DICT) for kind in kinds):
                return _ELSEWHERE[name]
        return None

    def drafts(self) -> Iterator[Draft]:
        """Yield the drafts of all containers."""
        for one in self._found:
            drafts = list(self._of(one))
            for draft in drafts:
                draft.others = drafts
            off = any(draft.site.status is Status.IGNORED for draft in drafts)
            for draft in drafts:
                if (one.problem or off) and draft.site.status is not Status.IGNORED:
                    draft.leave(f"{one.problem or 'switched off at another place'}: {_words(one)}")
            yield from drafts

    def _of(self, one: Filled) -> Iterator[Draft]:
        made = self._made[id(one.call.func)]
        if one.problem:
            for call in one.adds:
                yield self._draft(one, made, call)
            return
        yield self._draft(one, made, one.creation, self._creation(one))
        calls = {id(held): call for call, held in _by_name(one)}
        for node in one.uses:
            if id(node) in calls:
                yield self._draft(one, made, calls[id(node)], _keyed(one, calls[id(node)]))
            elif isinstance(one.target, ast.Attribute):
                yield self._draft(one, made, node, _named(one.name))
        assert one.last is not None
        end = _line_end(self._drafter, one.last)
        yield self._draft(one, made, end, self._conversion(one, made, end))

    def _draft(
        self, one: Filled, made: Reference, node: ast.expr | ast.stmt, text: Text | None = None
    ) -> Draft:
        method = "add_module" if one.is_keyed else "append"
        api = f"{one.api}.{method}" if isinstance(node, ast.expr) else one.api
        at = node if isinstance(node, ast.expr) else one.call
        reference = replace(made, api=api, node=at, call=None, root=None)
        draft = self._drafter.new(reference, node)
        draft.site = replace(draft.site, target=self._cell(one))
        if text is not None and draft.site.status is not Status.IGNORED:
            draft.text = text
            draft.site = replace(
                draft.site,
                status=Status.MIGRATED,
                message=_LATE if one.is_late and node is one.creation else "",
                proof=Proof("rule"),
            )
        return draft

    def _cell(self, one: Filled) -> str:
        return self._drafter.targets.get(one.api, _CELLS[one.api])

    def _creation(self, one: Filled) -> Text:
        """Return what makes the list or dict."""
        is_ordered = one.api == SEQUENTIAL and one.is_keyed
        names = self._drafter.module.names

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            if not is_ordered:
                return f"{one.name} = {_gathered(one, edited)}"
            if isinstance(final, WholeImports):
                return f"{one.name} = {final.spell(_ORDERED)}()"
            if "OrderedDict" not in names.scopes.module.bindings:
                raise ManualError("import OrderedDict from collections")
            return f"{one.name} = OrderedDict()"

        return text

    def _conversion(self, one: Filled, made: Reference, end: ast.Name) -> Text:
        module = self._drafter.module
        start = module.start(one.creation)
        indent = module.text[start - one.creation.col_offset : start]
        target = module.source(one.target)

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            cell = final.spell(self._cell(one), made)
            line = f"{indent}{target} = {cell}({one.name})"
            return f"{edited.source(end)}{edited.newline}{line}"

        return text


def _gathered(one: Filled, edited: EditedText) -> str:
    """Return the list or dict of the layers that the container is made with."""
    args = one.call.args
    if one.api == SEQUENTIAL:
        return f"[{', '.join(map(edited.source, args))}]"
    if not args:
        return "{}" if one.api == DICT else "[]"
    (given,) = args
    if isinstance(given, ast.List | ast.ListComp | ast.Dict | ast.DictComp):
        return edited.source(given)
    word = "dict" if one.api == DICT else "list"
    text = edited.source(given)
    return f"{word}{text}" if isinstance(given, ast.GeneratorExp) else f"{word}({text})"


def _named(name: str) -> Text:
    return lambda final, edited: name


def _by_name(one: Filled) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield the calls of add_module with what they are called on."""
    for call in one.adds:
        match call.func:
            case ast.Attribute(value=value, attr="add_module"):
                yield call, value


def _keyed(one: Filled, call: ast.Call) -> Text:
    """Return what writes `x.add_module(name, layer)`."""

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        given = dict(zip(("name", "module"), call.args, strict=False))
        given.update({word.arg: word.value for word in call.keywords if word.arg})
        if set(given) != {"name", "module"}:
            raise ManualError("add_module is called in another way")
        key, value = (edited.source(given[word]) for word in ("name", "module"))
        return f"{one.name}[{key}] = {value}"

    return text


def _words(one: Filled) -> str:
    kind = "an OrderedDict" if one.is_keyed else "a Python list"
    return f"gather the layers in {kind}, and make the {_CELLS[one.api][10:]} of it"


def _line_end(drafter: Drafter, statement: ast.stmt) -> ast.Name:
    """Return an empty expression at the end of a statement's last line, behind its comment."""
    module = drafter.module
    line, column = module.index.ast_position(module.line_end(module.end(statement)))
    node = ast.Name("", ast.Load())
    node.lineno = node.end_lineno = line
    node.col_offset = node.end_col_offset = column
    return node
