"""One module: from its text to sites, edits and proofs."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapper import sound
from mapper.aliases import Alias, find_aliases
from mapper.around import Reads, attribute_reads, remarks
from mapper.bind import BindError
from mapper.calls import CallRewriter, Rewritten, Spelling
from mapper.contexts import advice
from mapper.imports import Imports, Module
from mapper.names import Reference, read_names, wanted_lines
from mapper.options import Options
from mapper.outcome import Note, Proof, Site, Span, Status
from mapper.plan import ManualError
from mapper.rule import Kind, Rule
from mapper.rulebook import Rulebook
from mapper.source import Edit, LineIndex
from mapper.suppress import Suppressions
from mapper.type_tests import both, is_type_test, tests_already
from mapper.verify import DisprovedError

_WANTED = r"onv(?:_?[Tt]ranspose)?[123]d"
_LEFT = (BindError, ManualError, DisprovedError)


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of one module: its sites, and the edits that write it."""

    sites: tuple[Site, ...] = ()
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()


class InternalError(Exception):
    """The result of a rewrite is not sound; nothing is written."""


@dataclass(slots=True, eq=False)
class _Draft:
    """A site on its way. `text` writes it under the names that the file ends up with.

    `reference` is the torch reference behind it, `node` what is replaced. `stays`: the reference
    is still there afterwards.
    """

    reference: Reference
    node: ast.expr
    site: Site
    text: Callable[[Imports], str] | None = None
    stays: bool = False

    def leave(self, message: str) -> None:
        """Leave the site to a person after all."""
        self.text = None
        self.site = replace(
            self.site, status=Status.MANUAL, message=message, after=None, proof=Proof(),
            parameters={}, assumptions=(),
        )  # fmt: skip


class Migrator:
    """Rewrites modules; what one proof has cost, the next module gets for nothing."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._rulebook = rulebook
        self._options = options
        self._calls = CallRewriter(rulebook, options)

    def migrate(
        self,
        text: str,
        newline: str = "\n",
        off: Suppressions | None = None,
        path: Path | None = None,
    ) -> Migration:
        """Rewrite one module's text; what is switched off is reported and left.

        `path` is where the module stands in its project, which is looked at and never run.

        Raises:
            SyntaxError: the text is not Python.
            InternalError: the rewritten text would not be sound.
        """
        module = self._parse(text, newline, path)
        references = list(module.names.references(wanted_lines(text, module.names, _WANTED)))
        drafts = list(self._drafts(module, references, off)) if references else []
        edits = self._write(module, drafts)
        if edits:
            _check(module, edits)
        notes = off.notes() if off else ()
        return Migration(tuple(draft.site for draft in drafts), tuple(edits), notes)

    def _canonical(self, name: str) -> str | None:
        rule = self._rulebook.working(name)
        return rule.torch.canonical(name) if rule else None

    def _counterpart(self, torch: str) -> str | None:
        rule = self._rulebook.working(torch)
        return rule.mindspore.api or None if rule else None

    def _parse(self, text: str, newline: str, path: Path | None) -> Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the migrated code, and not ours to give
            tree = ast.parse(text)
        names = read_names(tree, text, self._canonical, _WANTED, path)
        return Module(text, tree, names, LineIndex(text), newline, path)

    # --- sites ---

    def _drafts(
        self, module: Module, references: Sequence[Reference], off: Suppressions | None
    ) -> Iterator[_Draft]:
        """Yield the drafts of all sites in source order."""
        imports = Imports(module, [], self._counterpart)
        reads = attribute_reads(module.text)
        aliases = find_aliases(references)
        aliased = {id(reference) for alias in aliases for reference in alias.held}
        drafts = [
            self._draft(module, reference, imports, reads, off)
            for reference in references
            if id(reference) not in aliased
        ]
        for alias in aliases:
            drafts.extend(self._alias(module, alias, imports, off))
        _leave_outer_calls(drafts)
        return iter(sorted(drafts, key=lambda d: (d.node.lineno, d.node.col_offset)))

    def _new(
        self, module: Module, reference: Reference, node: ast.expr, off: Suppressions | None
    ) -> _Draft:
        rule = self._rule(reference)
        site = Site(
            rule=rule.id,
            api=reference.api,
            target=rule.mindspore.api or None,
            status=Status.MANUAL,
            span=_span(module, node),
            before=module.source(node),
        )
        if off and (reason := off.reason(rule.id, reference.api, site.span)) is not None:
            site = replace(site, status=Status.IGNORED, message=reason)
        return _Draft(reference, node, site)

    def _rule(self, reference: Reference) -> Rule:
        rule = self._rulebook.working(reference.api)
        assert rule is not None
        return rule

    def _draft(
        self,
        module: Module,
        reference: Reference,
        imports: Imports,
        reads: Reads,
        off: Suppressions | None,
    ) -> _Draft:
        draft = self._new(module, reference, reference.call or reference.node, off)
        if draft.site.status is Status.IGNORED:
            return draft
        try:
            _check_place(reference, self._rule(reference))
            if reference.call is not None:
                self._call(module, draft, reference.call, imports, reads)
            elif is_type_test(reference):
                self._type_test(module, draft, imports)
            else:
                raise ManualError(advice(reference))
        except _LEFT as error:
            draft.leave(str(error))
        except RecursionError:
            draft.leave("the call is nested too deeply: put its arguments into variables")
        return draft

    def _call(
        self, module: Module, draft: _Draft, call: ast.Call, imports: Imports, reads: Reads
    ) -> None:
        reference = draft.reference
        rule = self._rule(reference)
        done = self._calls.rewrite(
            module, call, reference.scope, rule, _spelling(imports, reference)
        )
        layer = len(done.plan.before) if done.plan.before or done.plan.after else None
        around = remarks(reference, module.names, reads, layer)
        draft.site = _judged(draft.site, done, around)

        def text(final: Imports) -> str:
            return self._again(module, call, done, final, _spelling(final, reference))

        draft.text = text if self._is_written(draft.site) else None

    def _again(
        self, module: Module, call: ast.Call, done: Rewritten, final: Imports, spelling: Spelling
    ) -> str:
        """Return the call's text under the final names, which see to the imports they need."""
        if not final.is_plain:
            return self._calls.again(module, call, done, spelling)
        for api in done.spelled:
            spelling.write(api)
        return done.text

    def _type_test(self, module: Module, draft: _Draft, imports: Imports) -> None:
        reference, target = draft.reference, draft.site.target
        assert target is not None

        def text(final: Imports) -> str:
            return both(reference, draft.site.before, final.spell(target, reference))

        is_done = tests_already(reference, module.names, target)
        draft.stays = True
        draft.text = None if is_done else text
        draft.site = replace(
            draft.site,
            status=Status.MIGRATED,
            after=draft.site.before if is_done else text(imports),
            message="tests for torch's class and MindSpore's: both may be in the tree",
        )

    def _is_written(self, site: Site) -> bool:
        unsafe = site.status is Status.UNSAFE and self._options.unsafe
        return unsafe or site.status in (Status.MIGRATED, Status.SHAPE_ONLY)

    # --- local names for classes ---

    def _alias(
        self, module: Module, alias: Alias, imports: Imports, off: Suppressions | None
    ) -> list[_Draft]:
        """Rewrite the classes a name may hold together with every call through it, or neither."""
        held = [self._new(module, reference, reference.node, off) for reference in alias.held]
        calls = [self._new(module, alias.held[0], call, off) for call in alias.calls]
        for draft in calls:
            draft.site = replace(draft.site, through=alias.name)
        everything = [*held, *calls]
        if any(draft.site.status is Status.IGNORED for draft in everything):
            for draft in everything:
                if draft.site.status is not Status.IGNORED:
                    draft.leave(f"`{alias.name}` is switched off at another place")
            return everything
        try:
            if alias.problem:
                raise ManualError(f"{alias.problem}, so calls through it stay as they are")
            for draft, call in zip(calls, alias.calls, strict=True):
                self._aliased_call(module, draft, call, alias, imports)
        except _LEFT as error:
            for draft in everything:
                draft.leave(f"`{alias.name}` stands for torch's class here: {error}")
            return everything
        for draft in held:
            _rename(draft, imports)
        return everything

    def _aliased_call(
        self, module: Module, draft: _Draft, call: ast.Call, alias: Alias, imports: Imports
    ) -> None:
        """Rewrite a call for every class that the name may hold; all must read the same."""
        done = []
        for reference in alias.held:
            rule = self._rule(reference)
            _check_place(reference, rule)
            spelling = _spelling(imports, reference).under(rule.mindspore.api, alias.name)
            done.append(self._calls.rewrite(module, call, reference.scope, rule, spelling))
        if len({one.text for one in done}) > 1:
            apis = " and ".join(f"`{one.rule.torch.api}`" for one in done)
            raise ManualError(f"line {call.lineno} would have to read differently for {apis}")
        draft.site = _judged(draft.site, done[0], [f"called through `{alias.name}`"])
        reference, first = alias.held[0], done[0]

        def text(final: Imports) -> str:
            spelling = _spelling(final, reference).under(first.rule.mindspore.api, alias.name)
            return self._again(module, call, first, final, spelling)

        if not self._is_written(draft.site):
            raise ManualError(draft.site.message)
        draft.text = text

    # --- the whole module ---

    def _write(self, module: Module, drafts: Sequence[_Draft]) -> list[Edit]:
        written = [(draft, draft.text) for draft in drafts if draft.text is not None]
        if not written:
            return []
        gone = [draft.reference for draft, _ in written if not draft.stays]
        imports = Imports(module, gone, self._counterpart)
        edits = []
        for draft, text in written:
            try:
                after = text(imports)
            except _LEFT as error:  # not under the final names: then without this one
                draft.leave(str(error))
                return self._write(module, drafts)
            draft.site = replace(draft.site, after=after)
            edits.append(Edit(module.start(draft.node), module.end(draft.node), after))
        edits.extend(imports.edits())
        return sorted(edits, key=lambda edit: (edit.start, edit.end))


def _check(module: Module, edits: Sequence[Edit]) -> None:
    """Insist that the result parses."""
    try:
        sound.check(module.text, module.tree, module.index, edits)
    except SyntaxError as error:
        raise InternalError(f"the rewritten text does not parse: {error}") from error


def _check_place(reference: Reference, rule: Rule) -> None:
    """Raise ManualError where nothing can be rewritten, whatever the arguments."""
    if reference.problem:
        raise ManualError(f"{reference.problem}: import the torch name by itself")
    if reference.call is not None and rule.kind is Kind.MANUAL:
        raise ManualError(rule.remedy)
    if any(isinstance(parent, ast.JoinedStr) for parent in reference.parents):
        raise ManualError("the call stands inside an f-string: put it into a variable first")
    if reference.call is None and rule.kind is not Kind.LAYER:
        raise ManualError(advice(reference))


def _judged(site: Site, done: Rewritten, around: Iterable[str]) -> Site:
    """Return the site with its status and evidence."""
    status, words = Status.MIGRATED, [*done.plan.notes, *around]
    assumptions = [*done.plan.assumptions, *done.verdict.assumptions]
    if done.plan.shape_only:
        status = Status.SHAPE_ONLY
        difference = done.verdict.difference
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
        parameters=done.verdict.parameters,
        proof=done.verdict.proof,
    )


def _rename(draft: _Draft, imports: Imports) -> None:
    """Let a bare reference name the MindSpore class."""
    reference, target = draft.reference, draft.site.target
    assert target is not None
    draft.text = lambda final: final.spell(target, reference)
    draft.site = replace(
        draft.site, status=Status.MIGRATED, after=imports.spell(target, reference),
        message="every call through this name is rewritten",
    )  # fmt: skip


def _leave_outer_calls(drafts: list[_Draft]) -> None:
    """A call and a rewritten site in its arguments would be two edits of one text: leave both."""
    inside = {
        id(parent)
        for draft in drafts
        if draft.text is not None and draft.node in (draft.reference.node, draft.reference.call)
        for parent in draft.reference.parents
        if isinstance(parent, ast.Call) and parent is not draft.node
    }
    outer = {id(d.node) for d in drafts if d.text is not None and id(d.node) in inside}
    for draft in drafts:
        around = {id(parent) for parent in draft.reference.parents}
        if id(draft.node) in outer:
            draft.leave("another convolution stands in its arguments: put that into a variable")
        elif draft.text is not None and around & outer:
            draft.leave("it stands in another convolution's arguments: put it into a variable")


def _spelling(imports: Imports, reference: Reference) -> Spelling:
    return Spelling(functools.partial(_spell, imports, reference), imports.read)


def _spell(imports: Imports, reference: Reference, api: str) -> str:
    return imports.spell(api, reference)


def _span(module: Module, node: ast.expr) -> Span:
    return Span(
        *module.index.position(module.start(node)), *module.index.position(module.end(node))
    )
