"""Decides what becomes of each torch reference, before the file's imports are settled."""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from mapper.analysis.bind import BindError, OpaqueError
from mapper.analysis.find import OF_UNKNOWN
from mapper.analysis.layer_uses import LayerUses
from mapper.analysis.module import ParsedModule
from mapper.analysis.program import program_of
from mapper.analysis.replaced import Setting, settings_of_methods
from mapper.analysis.resolve import Reference
from mapper.analysis.walk import walk
from mapper.files.suppressions import Suppressions
from mapper.model.options import Options
from mapper.model.plan import ManualError
from mapper.model.results import Proof, Site, Span, Status
from mapper.planning.advice import advice, is_annotation
from mapper.planning.forms.alias import Alias, Held, find_aliases
from mapper.planning.forms.class_checks import only_drops_counts
from mapper.planning.forms.later import check_later, loud_uses
from mapper.planning.forms.subclass import Subclass, find_subclass
from mapper.planning.forms.type_test import (
    both,
    is_type_test,
    only_moves,
    tests_already,
    told_apart,
)
from mapper.planning.remarks import attribute_reads, remarks
from mapper.proving.request import DisprovedError
from mapper.rulebook.helpers import Helper
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.mapping import counterpart
from mapper.rulebook.schema import Kind, Rule
from mapper.running.adapters import Adapter
from mapper.running.built import built_by
from mapper.running.calls import CallRewriter, IndirectCall, Rewritten, Spelling
from mapper.running.values import Values
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.template import in_context
from mapper.writing.whole_imports import WholeImports

_ANNOTATIONS = {"torch.jit.Final": "typing.Final"}
"""Annotations of torch's that `typing` has as well."""
LEFT = (BindError, ManualError, DisprovedError)
"""The errors that say why a site is left to a person."""


Text = Callable[[Imports | WholeImports, EditedText], str]
"""Writes a site under the names that the file ends up with, around what is written inside it."""

UNCOVERED = "TM000"
"""The rule id of names that no rule is there for."""

_RENAMED = (Kind.CLASS, Kind.CONSTANT)
"""Kinds of rules for names that are exchanged wherever they stand."""

_HANDED_ON = (Kind.LAYER, Kind.FUNCTION)
"""Kinds of rules for what is called, and may be handed on as a value."""


@dataclass(slots=True, eq=False)
class Draft:
    """A site before the file's imports are settled; `text` writes it with the final names.

    `reference` is the torch reference behind it, `node` what is replaced. `stays`: the reference
    is still there afterwards. `others` are written only together with it. `is_around`: it stands
    around what is written for the same node. `kept` is the site as it
    was, its text and node, where it raises instead, or goes with one around it that does
    (`is_inside`).
    """

    reference: Reference
    node: ast.expr | ast.stmt
    site: Site
    text: Text | None = None
    stays: bool = False
    others: Sequence[Draft] = field(default_factory=list)
    is_around: bool = False
    kept: tuple[Site, Text | None, ast.expr | ast.stmt] | None = None
    is_inside: bool = False

    @property
    def is_written(self) -> bool:
        """Say whether it is to be written, or needs no change to be MindSpore's."""
        return self.text is not None

    @property
    def is_gone(self) -> bool:
        """Say whether its reference to torch is no longer there."""
        return self.is_written and (not self.stays or self.kept is not None)

    @property
    def order(self) -> tuple[int, int, bool, int, int, bool]:
        """Return the sort key: by where sites end, inner ones before those around them.

        What is empty, and only inserts, comes behind all that ends at its place.
        """
        node = self.node
        end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        start = node.lineno, node.col_offset
        return (*end, start == end, -start[0], -start[1], self.is_around)

    def fitted(self, text: str) -> str:
        """Return a text as it may stand where the site does, in parentheses where it must be."""
        around = [self.reference.node, *self.reference.parents]
        for node, above in pairwise(around):
            if node is self.node:
                return in_context(text, above, node)
        return text

    def uncover(self, message: str) -> None:
        """Leave the site torch's, because a rule is missing for it or for a site it depends on."""
        self.leave(message)
        self.site = replace(self.site, status=Status.UNCOVERED)

    def leave(self, message: str) -> None:
        """Leave the site to a person after all."""
        self.restore()
        self.text = None
        self._empty(Status.MANUAL, message)
        for other in self.others:
            if other.text is not None:
                other.leave(message)

    def let_raise(self, node: ast.expr | ast.stmt, text: Text, message: str) -> None:
        """Have a call that raises written for a site that is left to a person."""
        self.kept = self.site, self.text, self.node
        self.node, self.text = node, text
        self.site = replace(self.site, message=message)

    def go_with(self, status: Status, message: str) -> None:
        """Leave the site to whoever writes what is around it, and raises."""
        self.kept = self.site, self.text, self.node
        self.is_inside, self.text = True, _as_it_is
        self._empty(status, message)

    def restore(self) -> None:
        """Let the site be what it was before it, or what is around it, was to raise."""
        if self.kept is not None:
            (self.site, self.text, self.node), self.kept = self.kept, None
            self.is_inside = False

    def _empty(self, status: Status, message: str) -> None:
        self.site = replace(
            self.site, status=status, message=message, after=None, proof=Proof(), parameters={},
            assumptions=(),
        )  # fmt: skip


class Drafter:
    """Drafts the sites of one module."""

    def __init__(
        self,
        module: ParsedModule,
        rulebook: Rulebook,
        calls: CallRewriter,
        options: Options,
        off: Suppressions | None,
        imports: Imports,
        values: Values,
    ) -> None:
        self._values = values
        self.targets: dict[str, str] = {}
        """What stands for a name of torch's in this file, where its rule names another."""
        self._waiting: list[Draft] = []
        self.is_whole = options.is_whole
        self.module = module
        self._rulebook = rulebook
        self._calls = calls
        self.options = options
        self._off = off
        self._imports = imports
        self._edited = EditedText(module)
        self._reads = attribute_reads(module.text)
        self._uses = LayerUses(module, options)

    @functools.cached_property
    def _set_methods(self) -> list[Setting]:
        """Return where the program sets methods of torch's Tensor and Module."""
        files = program_of(self.module).files.items()
        return [
            one for path, file in files for one in settings_of_methods(file.tree, file.text, path)
        ]

    def drafts(self, references: Sequence[Reference]) -> list[Draft]:
        """Return the drafts of all sites in source order."""
        drafts: list[Draft] = []
        followed = set[int]()
        layers = [one for one in references if self._is_layer(one)] if self.is_whole else references
        for alias in find_aliases(layers, self.module.names, self.module.uses):
            done = self._alias(alias)
            is_left = any(one.site.status is Status.MANUAL for one in done)
            if not (self.is_whole and is_left):
                followed.update(id(held.reference) for held in alias.held)
                drafts.extend(done)
        for reference in references:
            if id(reference) in followed:
                continue
            subclass = find_subclass(reference) if self._is_layer(reference) else None
            drafts.extend(self._subclass(subclass) if subclass else [self._single(reference)])
        self._hand_on()
        drafts.extend(map(self._renamed, self.module.names.renamed()))
        return sorted(drafts, key=lambda draft: (draft.node.lineno, draft.node.col_offset))

    def new(
        self, reference: Reference, node: ast.expr | ast.stmt, through: str | None = None
    ) -> Draft:
        """Return the draft of a site of which nothing is decided yet, unless it is switched off."""
        rule = self._rulebook.by_api(reference.api)
        other = counterpart(reference.api) if rule is None else None
        target = rule.mindspore.api if rule else other.api if other else ""
        target = self.targets.get(reference.api, target)
        owner, attribute = built_by(reference, node, self.module.names)
        site = Site(
            rule=rule.id if rule else UNCOVERED,
            api=reference.api,
            target=target or None,
            status=Status.MANUAL,
            span=_span(self.module, node),
            before=self.module.source(node),
            through=through,
            owner=owner,
            attribute=attribute,
        )
        off = self._off
        if off and (reason := off.reason(site.rule, reference.api, site.span)) is not None:
            site = replace(site, status=Status.IGNORED, message=reason)
        return Draft(reference, node, site)

    def put(self, draft: Draft, text: Text, message: str = "") -> None:
        """Have a site written with proof kind `rule`: no argument of it decides a number."""
        draft.text = text
        draft.site = replace(
            draft.site,
            status=Status.MIGRATED,
            after=text(self._imports, self._edited),
            message=message,
            proof=Proof("rule") if self.is_whole else Proof(),
        )

    def rule(self, reference: Reference) -> Rule | None:
        """Return the rule that decides a reference, if there is one."""
        return self._rulebook.by_api(reference.api)

    def _is_layer(self, reference: Reference) -> bool:
        rule = self._rulebook.by_api(reference.api)
        return rule is not None and rule.kind in (Kind.LAYER, Kind.MANUAL)

    def _rule(self, reference: Reference) -> Rule:
        rule = self._rulebook.by_api(reference.api)
        assert rule is not None
        return rule

    # --- one reference ---

    def _single(self, reference: Reference) -> Draft:
        rule = self._rulebook.by_api(reference.api)
        if rule is not None and (span := _decorator(reference, rule)) is not None:
            return self._without(reference, span)
        is_renamed = rule is not None and _is_renamed(rule, reference)
        call = None if is_renamed else reference.call
        draft = self.new(reference, call or reference.node)
        if draft.site.status is Status.IGNORED:
            return draft
        if rule is None:
            draft.uncover(_no_rule(reference.api))
            return draft
        if self.is_whole and reference.api in _ANNOTATIONS and reference.call is None:
            self._annotation(draft, _ANNOTATIONS[reference.api])
            return draft
        try:
            kinds = (*_HANDED_ON, *_RENAMED) if self.is_whole else (Kind.LAYER, *_RENAMED)
            if isinstance(getattr(reference.node, "ctx", None), ast.Store | ast.Del):
                raise ManualError(f"`{draft.site.before}` is assigned to: write it by hand")
            _check_place(reference, rule, kinds)
            if other := self._uses.mentioned(told_apart(reference)):
                raise ManualError(
                    f"MindSpore's classes do not tell it from `{other}` as torch's do"
                )
            if is_renamed or (self.is_whole and rule.kind is Kind.LAYER and _is_named(reference)):
                self._rename(draft, "")
            elif reference.call is not None:
                self._call(draft, reference.call)
            elif is_type_test(reference) and rule.kind is Kind.FUNCTION:
                self._old_type(draft)
            elif is_type_test(reference):
                self._type_test(draft)
            elif self.is_whole and rule.kind in _HANDED_ON:
                self._waiting.append(draft)
            else:
                raise ManualError(advice(reference))
        except LEFT as error:
            draft.leave(str(error))
        except RecursionError:
            draft.leave("the call is nested too deeply: put its arguments into variables")
        return draft

    def _without(self, reference: Reference, span: ast.expr) -> Draft:
        """Return the draft that takes a decorator away: the line up to what is decorated."""
        draft = self.new(reference, reference.node)
        if draft.site.status is Status.IGNORED:
            return draft
        if self.module.source(span).split() != f"@{self.module.source(reference.node)}".split():
            draft.leave("a comment stands beside the decorator: take it away by hand")
            return draft
        draft.node = span
        self.put(draft, lambda final, edited: "", "the decorator goes: it is for torch alone")
        return draft

    def _annotation(self, draft: Draft, api: str) -> None:
        """Write what `typing` has as well, where the imports of the file are exchanged."""
        name = api.rpartition(".")[2]
        if draft.reference.problem:
            draft.leave(draft.reference.problem)
            return

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            if not isinstance(final, WholeImports):
                raise ManualError(f"import {name} from typing, and write it here")
            return final.spell(api)

        draft.text = text
        draft.site = replace(draft.site, status=Status.MIGRATED, after=name, proof=Proof("rule"))

    def _call(self, draft: Draft, call: ast.Call) -> None:
        reference = draft.reference
        rule = self._rule(reference)
        try:
            done = self._calls.rewrite(
                self.module, call, reference.scope, rule, _spelling(self._imports, reference)
            )
        except OpaqueError as error:
            if not self.is_whole:
                raise
            self._open_call(draft, call, rule, error)
            return
        layer = len(done.plan.before) if done.plan.before or done.plan.after else None
        later = check_later(self._uses, call, rule, layer is not None)
        around = remarks(reference, self.module.names, self._reads, layer) + later
        if not self.is_whole and rule.kind is Kind.LAYER:  # else torch's function is a site itself
            around += loud_uses(self._uses, call, rule)
        draft.site = _judged(draft.site, done, around)

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            return self._again(call, done, final, edited, _spelling(final, reference), None).text

        draft.text = text if draft.site.is_written(self.options.unsafe) else None

    def _open_call(self, draft: Draft, call: ast.Call, rule: Rule, why: OpaqueError) -> None:
        """Let a function take the arguments that are not written out, under torch's names."""
        try:
            adapter = self._values.adapter(rule)
            adapter.check(call)
        except ManualError as error:
            raise ManualError(f"{why}; {error}") from error

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            written = edited.source(call)
            return final.define(adapter.helper) + written[len(edited.source(call.func)) :]

        self._put_adapter(draft, adapter, text, "its arguments are not written out")

    def _put_adapter(self, draft: Draft, adapter: Adapter, text: Text, words: str) -> None:
        site = _judged(draft.site, adapter.done, [words])
        after = text(self._imports, self._edited)
        draft.site = replace(site, after=after, parameters={})
        draft.text = text if draft.site.is_written(self.options.unsafe) else None

    def _hand_on(self) -> None:
        """Write the classes and functions that are handed on as values."""
        waiting, self._waiting = self._waiting, []
        wanted = [
            (one.reference, self._rule(one.reference), _spelling(self._imports, one.reference))
            for one in waiting
        ]
        for draft, value in zip(waiting, self._values.decide(wanted), strict=True):
            if isinstance(value, ManualError):
                draft.leave(f"`{draft.site.before}` is handed on: {value}")
            elif value.adapter is not None:
                text = functools.partial(_defined, value.adapter.helper)
                self._put_adapter(draft, value.adapter, text, value.words)
            elif value.partial is not None and value.done is not None:
                self._hold_value(draft, value.partial, value.done, value.words)
            else:
                try:
                    self._rename(draft, value.words)
                except ManualError as error:
                    draft.leave(str(error))
                    continue
                if value.done is not None:
                    done = _judged(draft.site, value.done, [value.words])
                    draft.site = replace(done, after=draft.site.after, parameters={})

    def _hold_value(self, draft: Draft, partial: ast.Call, done: Rewritten, words: str) -> None:
        """Let a partial of a class read as MindSpore's."""
        call, way = done.call, IndirectCall(partial)
        draft.node = partial
        draft.site = replace(
            draft.site, span=_span(self.module, partial), before=self.module.source(partial)
        )

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            spelling = _spelling(final, draft.reference)
            return self._calls.again(self.module, call, done, spelling, edited, way).fixed or ""

        draft.text = text
        draft.site = replace(_judged(draft.site, done, [words]), after=done.fixed, parameters={})

    def _again(
        self,
        call: ast.Call,
        done: Rewritten,
        final: Imports | WholeImports,
        edited: EditedText,
        spelling: Spelling,
        way: IndirectCall | None,
    ) -> Rewritten:
        """Return the call spelled with the final names."""
        partial = way.partial if way else None
        is_edited = edited.has_edits(call) or (partial is not None and edited.has_edits(partial))
        if is_edited or not final.is_plain:
            return self._calls.again(self.module, call, done, spelling, edited, way)
        for api in done.spelled:
            spelling.write(api)
        return done

    def _old_type(self, draft: Draft) -> None:
        """Write a test for `torch.cuda.FloatTensor` that decides no more than placement."""
        reference = draft.reference
        if not reference.api.endswith("Tensor") or not only_moves(reference):
            raise ManualError(advice(reference))
        words = "what it guards only moves to a device, and placement belongs to the context"
        self.put(draft, lambda final, edited: final.spell("mindspore.Tensor", reference), words)

    def _type_test(self, draft: Draft) -> None:
        reference, target = draft.reference, _target(draft)

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            return both(reference, edited.source(draft.node), final.spell(target, reference))

        is_done = tests_already(reference, self.module.names, target)
        draft.stays = True
        draft.text = None if is_done else text
        draft.site = replace(
            draft.site,
            status=Status.MIGRATED,
            after=draft.site.before if is_done else text(self._imports, self._edited),
            message="tests for torch's class and MindSpore's: both may be in the tree",
        )

    def _renamed(self, reference: Reference) -> Draft:
        """Report an import that hands a class on to other files under a name of its own."""
        assert reference.root is not None
        name = reference.root.id
        draft = self.new(reference, reference.node, name)
        if draft.site.status is not Status.IGNORED:
            draft.leave(
                f"other files import `{reference.api}` from here as `{name}`, and what they do "
                "with it is not found: import it there from torch, under its own name"
            )
        return draft

    def method(self, reference: Reference, like: str | None = None, is_set: bool = False) -> Draft:
        """Return the draft of a method or attribute of a Tensor, a layer or a size.

        `like`: the API whose rule is followed, where that is another one's. `is_set`: it is
        assigned to as in torch.
        """
        rule = self._rulebook.by_api(like or reference.api)
        call = reference.call if rule is not None and rule.kind is not Kind.ATTRIBUTE else None
        draft = self.new(reference, call or reference.node)
        if draft.site.status is Status.IGNORED:
            return draft
        if rule is not None and like in OF_UNKNOWN.values():
            draft.site = replace(draft.site, rule=rule.id)
        try:
            if reference.problem:
                raise ManualError(reference.problem)
            for one in self._set_methods:
                if one.sets(reference.api, lambda name: None):
                    raise ManualError(f"{one.file} sets `{one.api}` (line {one.line})")
            if rule is None:
                draft.uncover(_no_rule(reference.api))
            elif not (is_set or _is_read(reference, rule)):
                raise ManualError(f"`{draft.site.before}` is assigned to: write it by hand")
            elif rule.kind is Kind.MANUAL and only_drops_counts(reference.scope.node):
                words = "nobody calls it in MindSpore, and the counts that it drops are not there"
                self.put(draft, lambda final, edited: edited.source(draft.node), words)
            elif rule.kind is Kind.MANUAL:
                raise ManualError(rule.remedy)
            elif rule.kind is Kind.METHOD and reference.call is None:
                raise ManualError(f"the method `{draft.site.before}` is handed on: call it here")
            else:
                self._method(draft, rule)
        except LEFT as error:
            draft.leave(str(error))
        return draft

    def is_in_place(self, reference: Reference) -> bool:
        """Say whether a rule tells what a method leaves in the Tensor that it changes."""
        rule = self._rulebook.by_api(reference.api)
        return rule is not None and rule.in_place

    def in_place(self, reference: Reference, name: str | None) -> Draft:
        """Return the draft that writes what a method leaves in its Tensor.

        `name`: what the new Tensor is assigned to, where the method is a statement.
        """
        rule = self._rule(reference)
        is_told = rule.write or rule.mindspore.api
        draft = self.method(reference, None if is_told else reference.api.removesuffix("_"))
        expression = draft.text
        if name is None or expression is None:
            return draft

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            return f"{name} = {expression(final, edited)}"

        draft.text = text
        draft.site = replace(draft.site, after=text(self._imports, self._edited))
        return draft

    def _method(self, draft: Draft, rule: Rule) -> None:
        reference = draft.reference
        assert isinstance(reference.node, ast.Attribute)
        way = IndirectCall(receiver=reference.node.value)
        call = reference.call if rule.kind is Kind.METHOD else None
        call = call or ast.copy_location(ast.Call(reference.node, [], []), reference.node)
        spelling = _spelling(self._imports, reference)
        done = self._calls.rewrite(self.module, call, reference.scope, rule, spelling, way)
        draft.site = _judged(draft.site, done, ())

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            again = self._calls.again(
                self.module, call, done, _spelling(final, reference), edited, way
            )
            return again.text

        draft.text = text if draft.site.is_written(self.options.unsafe) else None

    # --- classes under another name, and their calls: all or nothing ---

    def _alias(self, alias: Alias) -> list[Draft]:
        """Rewrite the classes a name may hold together with every call through it, or neither."""
        held = [self.new(one.reference, one.node) for one in alias.held]
        calls = [self.new(alias.held[0].reference, call, alias.name) for call in alias.calls]
        everything = [*held, *calls]
        if _is_any_ignored(everything, alias.name):
            return everything
        try:
            if alias.problem:
                raise ManualError(alias.problem)
            words = f"called through `{alias.name}`"
            done = [self._call_through(draft, alias.held, words) for draft in calls]
            for index, draft in enumerate(held):
                self._hold(draft, alias.held[index], calls[0], [one[index] for one in done])
        except LEFT as error:
            for index, draft in enumerate(everything):
                advised = self._advised(draft, alias.held) if index >= len(held) else ""
                draft.leave(
                    f"`{alias.name}` stands for torch's class here: {error}; so it stays, and so "
                    f"do the calls through it{advised}"
                )
            return everything
        return _together(everything)

    def _hold(self, draft: Draft, held: Held, call: Draft, rewritten: Sequence[Rewritten]) -> None:
        """Let what an alias holds name the MindSpore class, with the arguments fixed there."""
        words, first = "every call through this name is rewritten", rewritten[0]
        if first.fixed is None:
            self._rename(draft, words)
            return
        if len({one.fixed for one in rewritten}) > 1:
            raise ManualError("its arguments would have to read differently for some calls")

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            assert isinstance(call.node, ast.Call)
            spelling, way = _spelling(final, held.reference), IndirectCall(held.partial)
            return self._again(call.node, first, final, edited, spelling, way).fixed or ""

        draft.text = text
        draft.site = replace(draft.site, status=Status.MIGRATED, after=first.fixed, message=words)

    def _subclass(self, subclass: Subclass) -> list[Draft]:
        """Rewrite a base class together with the call of its `__init__`, or neither."""
        reference = subclass.reference
        name = subclass.node.name
        base = self.new(reference, reference.node)
        calls = [self.new(reference, call, name) for call in subclass.calls]
        everything = [base, *calls]
        if _is_any_ignored(everything, name):
            return everything
        try:
            _check_place(reference, self._rule(reference))
            if problem := subclass.problem or self._others_problem(subclass):
                raise ManualError(problem)
            for draft in calls:
                (done,) = self._call_through(draft, (Held(reference),), f"initialises `{name}`")
                if done.plan.before or done.plan.after:
                    raise ManualError("MindSpore needs a layer beside the convolution here")
        except LEFT as error:
            held = (Held(reference),)
            for draft in everything:
                advised = self._advised(draft, held) if draft in calls else ""
                draft.leave(
                    f"`{name}` derives from `{base.site.before}` and stays torch's: {error}; "
                    f"rewrite the class by hand (`forward` becomes `construct`){advised}"
                )
            return everything
        self._rename(base, "all that it does is to pass arguments on")
        return _together(everything)

    def _others_problem(self, subclass: Subclass) -> str | None:
        """Say why something else may rely on the subclass being torch's."""
        module, name = self.module, subclass.node.name
        if module.names.is_taken(name):
            return "other files import it and may derive from it"
        for node in walk(module.tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id == name:
                        return f"`{node.name}` derives from it"
        return None

    def _call_through(self, draft: Draft, held: Sequence[Held], words: str) -> list[Rewritten]:
        """Rewrite a call for every class that its function may be.

        Raises:
            ManualError: they would not read the same.
        """
        call = draft.node
        assert isinstance(call, ast.Call)
        for one in held:
            _check_place(one.reference, self._rule(one.reference))
        done = [self._rewrite_through(call, one) for one in held]
        if len({one.text for one in done}) > 1:  # what is known of the arguments, by rank
            done = [self._rewrite_through(call, one, is_known=False) for one in held]
        if len({one.text for one in done}) > 1:
            apis = " and ".join(f"`{one.rule.torch.api}`" for one in done)
            raise ManualError(f"line {call.lineno} would have to read differently for {apis}")
        later = list[str]()
        for through in done:
            is_wrapped = bool(through.plan.before or through.plan.after)
            later += check_later(self._uses, call, through.rule, is_wrapped)
        draft.site = _judged(draft.site, done[0], [words, *later])
        if not draft.site.is_written(self.options.unsafe):
            raise ManualError(draft.site.message)
        first = held[0]

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            spelling = _spelling(final, first.reference)
            return self._again(
                call, done[0], final, edited, spelling, IndirectCall(first.partial)
            ).text

        draft.text = text
        return done

    def _rewrite_through(self, call: ast.Call, held: Held, is_known: bool = True) -> Rewritten:
        scope = self.module.names.scopes.around(call)
        spelling, rule = _spelling(self._imports, held.reference), self._rule(held.reference)
        way = IndirectCall(held.partial, is_known)
        try:
            return self._calls.rewrite(self.module, call, scope, rule, spelling, way)
        except LEFT as error:
            api = held.reference.api
            raise ManualError(f"line {call.lineno} for `{api}`: {error}") from error

    def _advised(self, draft: Draft, held: Sequence[Held]) -> str:
        """Say how the call would read, where that is known."""
        texts = {}
        for one in {one.reference.api: one for one in held}.values():
            call, rule = draft.node, self._rule(one.reference)
            if isinstance(call, ast.Call) and rule.kind is Kind.LAYER:
                with contextlib.suppress(*LEFT):
                    texts[rule.mindspore.api] = self._rewrite_through(call, one).text
        said = [f"for `{api}` it reads `{text}`" for api, text in texts.items()]
        return "; ".join(["", *said])

    def _rename(self, draft: Draft, words: str) -> None:
        """Let a bare reference name the MindSpore class."""
        reference, target = draft.reference, _target(draft)
        self.put(draft, lambda final, edited: final.spell(target, reference), words)


def _is_renamed(rule: Rule, reference: Reference) -> bool:
    """Say whether only the name is exchanged: a class with a signature is called by its rule."""
    return rule.kind in _RENAMED and not (reference.call is not None and rule.torch.parameters)


def _is_read(reference: Reference, rule: Rule) -> bool:
    """Say whether an attribute is read, or is a Parameter's that may be assigned to as in torch."""
    is_same = rule.torch.api == "torch.nn.Parameter.requires_grad"
    return is_same or isinstance(getattr(reference.node, "ctx", None), ast.Load)


def _no_rule(api: str) -> str:
    """Say that a name has no rule, and what its counterpart may be."""
    other = counterpart(api)
    return f"no rule yet for `{api}`" + (f"; {other.words}" if other else "")


def _is_named(reference: Reference) -> bool:
    """Say whether a class is only named, in a type test or an annotation."""
    return reference.call is None and (is_type_test(reference) or is_annotation(reference))


def _is_any_ignored(drafts: Sequence[Draft], name: str) -> bool:
    """Leave all of the drafts if one is switched off, and say whether that is so."""
    if all(draft.site.status is not Status.IGNORED for draft in drafts):
        return False
    for draft in drafts:
        if draft.site.status is not Status.IGNORED:
            draft.leave(f"`{name}` is switched off at another place")
    return True


def _decorator(reference: Reference, rule: Rule) -> ast.expr | None:
    """Return what a decorator takes up, from its `@` to what follows, where it changes nothing.

    It changes nothing where the rule says that a call of it becomes its argument.
    """
    above = reference.parents[0] if reference.parents else None
    if not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return None
    places = [i for i, one in enumerate(above.decorator_list) if one is reference.node]
    texts = [write.text for write in rule.write]
    if not places or not rule.torch.names or texts != [f"{{{rule.torch.names[0]}}}"]:
        return None
    return decorated_span(reference.node, above)


def decorated_span(
    node: ast.expr, above: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
) -> ast.expr:
    """Return what a decorator takes up, from its `@` to what follows, as an expression."""
    following = [*above.decorator_list, above][above.decorator_list.index(node) + 1]
    return ast.Name(
        "", ast.Load(), lineno=node.lineno, col_offset=above.col_offset,
        end_lineno=following.lineno, end_col_offset=above.col_offset,
    )  # fmt: skip


def _check_place(
    reference: Reference, rule: Rule, kinds: Sequence[Kind] = (Kind.LAYER, *_RENAMED)
) -> None:
    """Raise ManualError where nothing can be rewritten, whatever the arguments."""
    if reference.problem:
        raise ManualError(f"{reference.problem}: import the torch name by itself")
    if reference.call is not None and rule.kind is Kind.MANUAL:
        raise ManualError(rule.remedy)
    if any(isinstance(parent, ast.JoinedStr) for parent in reference.parents):
        raise ManualError("the call stands inside an f-string: put it into a variable first")
    if reference.call is None and rule.kind not in kinds:
        raise ManualError(advice(reference))


def _judged(site: Site, done: Rewritten, around: Iterable[str]) -> Site:
    """Return the site with its status and evidence."""
    status, words = Status.MIGRATED, [*done.plan.notes, *around]
    assumptions = [*done.plan.assumptions, *done.proved.assumptions]
    if done.plan.shape_only:
        status = Status.SHAPE_ONLY
        difference = done.proved.difference
        words.append(
            f"the documents' recipe keeps the shape only: {difference}"
            if difference
            else "the documents' recipe: the values happen to agree here"
        )
    if done.plan.unsafe:
        status = Status.UNSAFE
        words.append("written only with --unsafe: a wrong assumption would go unnoticed")
        assumptions += [f"`{name}` is {value!r}" for name, value in done.plan.unsafe.items()]
    return replace(
        site,
        status=status,
        after=done.text,
        message="; ".join(words),
        assumptions=tuple(dict.fromkeys(assumptions)),
        parameters=done.proved.parameters,
        proof=done.proved.proof,
    )


def _target(draft: Draft) -> str:
    """Return the one MindSpore name that a reference becomes."""
    if draft.site.target is None:
        raise ManualError(
            f"no name of MindSpore's alone stands for `{draft.site.before}`: write it by hand"
        )
    return draft.site.target


def _as_it_is(final: Imports | WholeImports, edited: EditedText) -> str:
    return ""


def _defined(helper: Helper, final: Imports | WholeImports, edited: EditedText) -> str:
    return final.define(helper)


def _together(drafts: list[Draft]) -> list[Draft]:
    for draft in drafts:
        draft.others = drafts
    return drafts


def _spelling(imports: Imports | WholeImports, reference: Reference) -> Spelling:
    return Spelling(functools.partial(_spell, imports, reference), imports.read)


def _spell(imports: Imports | WholeImports, reference: Reference, api: str) -> str:
    return imports.spell(api, reference)


def _span(module: ParsedModule, node: ast.expr | ast.stmt) -> Span:
    return Span(
        *module.index.position(module.start(node)), *module.index.position(module.end(node))
    )
