"""One module: from its text to sites, edits and proofs."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mapper.bind import Argument, BindError, bind
from mapper.contexts import advice
from mapper.dicts import known_keys
from mapper.imports import Imports, Module
from mapper.names import Names, Reference, wanted_lines
from mapper.options import Options
from mapper.outcome import Note, Proof, Site, Span, Status
from mapper.plan import ManualError, Plan
from mapper.rulebook import Effect, Kind, Rule, Rulebook, Version
from mapper.source import Edit, LineIndex, splice
from mapper.strategies import STRATEGIES, BoundCall, plan
from mapper.suppress import Suppressions
from mapper.verify import Claim, DisprovedError, Verdict, Verifier

_WANTED = r"(?:Lazy)?Conv(?:Transpose)?[123]d|conv(?:_transpose)?[123]d"


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of one module: its sites, and the edits that write it."""

    sites: tuple[Site, ...] = ()
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()


class InternalError(Exception):
    """The result of a rewrite is not sound; nothing is written."""


@dataclass(slots=True)
class _Draft:
    """A reference on its way: the site so far, and what is needed to render it again."""

    reference: Reference
    site: Site
    plan: Plan | None = None
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    unsafe: bool = False

    @property
    def is_written(self) -> bool:
        written = {Status.MIGRATED, Status.SHAPE_ONLY, *([Status.UNSAFE] if self.unsafe else [])}
        return self.plan is not None and self.site.status in written


class Migrator:
    """Rewrites modules; what one proof has cost, the next module gets for nothing."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._rulebook = rulebook
        self._options = options
        self._version = Version.parse(options.target_version)
        self._verifier = Verifier(rulebook)

    def canonical(self, name: str) -> str | None:
        """Return the API behind a qualified torch name."""
        rule = self._rulebook.by_api(name)
        return rule.torch.canonical(name) if rule else None

    def migrate(
        self, text: str, newline: str = "\n", off: Suppressions | None = None
    ) -> Migration:
        """Rewrite one module's text; what is switched off is reported and left.

        Raises:
            SyntaxError: the text is not Python.
            InternalError: the rewritten text would not be sound.
        """
        module = self._parse(text, newline)
        references = list(module.names.references(wanted_lines(text, module.names, _WANTED)))
        if not references:
            return Migration(notes=off.notes() if off else ())
        provisional = Imports(module, [], self._counterpart)
        drafts = [self._draft(module, reference, provisional, off) for reference in references]
        _leave_outer_calls(drafts)
        edits = self._write(module, drafts)
        if edits:
            self._check(module, splice(text, edits), drafts)
        notes = off.notes() if off else ()
        return Migration(tuple(draft.site for draft in drafts), tuple(edits), notes)

    def _parse(self, text: str, newline: str) -> Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the migrated code, and not ours to give
            tree = ast.parse(text)
        names = Names(tree, self.canonical, ":=" in text)
        return Module(text, tree, names, LineIndex(text), newline)

    def _counterpart(self, torch: str) -> str | None:
        rule = self._rulebook.by_api(torch)
        return rule.mindspore.api or None if rule else None

    # --- one reference ---

    def _draft(
        self, module: Module, reference: Reference, imports: Imports, off: Suppressions | None
    ) -> _Draft:
        rule = self._rulebook.by_api(reference.api)
        assert rule is not None
        site = Site(
            rule=rule.id,
            api=reference.api,
            target=rule.mindspore.api or None,
            status=Status.MANUAL,
            span=_span(module, reference.call or reference.node),
            before=module.source(reference.call or reference.node),
        )
        if off and (reason := off.reason(rule.id, reference.api, site.span)) is not None:
            return _Draft(reference, replace(site, status=Status.IGNORED, message=reason))
        try:
            return self._rewrite(module, _Draft(reference, site), rule, imports)
        except (BindError, ManualError, DisprovedError) as error:
            return _Draft(reference, replace(site, message=str(error)))

    def _rewrite(self, module: Module, draft: _Draft, rule: Rule, imports: Imports) -> _Draft:
        call = _writable_call(draft.reference, rule)
        scope = draft.reference.scope
        arguments = bind(call, rule.torch.parameters, lambda node: known_keys(node, scope))
        bound = BoundCall(
            rule,
            arguments,
            functools.partial(_source, module),
            functools.partial(_qualified, module.names, draft.reference),
            self._version,
            self._options.recipe,
        )
        decided = plan(bound)
        decided.notes.extend(self._limits(bound))
        after = self._render(module, draft.reference, decided, arguments, imports)
        verdict = self._prove(rule, arguments, decided, after, imports)
        site = _judged(draft.site, decided, verdict, after)
        return _Draft(draft.reference, site, decided, arguments, self._options.unsafe)

    def _limits(self, call: BoundCall) -> list[str]:
        """Return the findings of this target; a limit that rules the rewrite out is an error."""
        findings = []
        values = {
            spec.name: found.value
            for spec in call.rule.torch.parameters
            if (found := call.known(spec.name)) is not None
        }
        for limit in call.rule.limits:
            if limit.applies(self._version, self._options.device):
                holds = limit.when.holds(values, call.rank)
                if holds and limit.effect is Effect.MANUAL:
                    raise ManualError(limit.text)
                if holds or (holds is None and self._options.device != "any"):
                    findings.append(limit.text)
        return findings

    def _render(
        self,
        module: Module,
        reference: Reference,
        decided: Plan,
        arguments: Mapping[str, Argument],
        imports: Imports,
    ) -> str:
        from mapper.rewrite import LayoutError, render

        assert reference.call is not None
        places = {name: argument.index for name, argument in arguments.items()}
        spell = functools.partial(_spell, imports, reference)
        try:
            return render(module.source(reference.call), decided, places, spell, module.newline)
        except LayoutError as error:
            raise ManualError(str(error)) from error

    def _prove(
        self,
        rule: Rule,
        arguments: Mapping[str, Argument],
        decided: Plan,
        after: str,
        imports: Imports,
    ) -> Verdict:
        return self._verifier.prove(
            Claim(
                rule=rule,
                arguments={name: argument.value for name, argument in arguments.items()},
                written=after,
                read=imports.read,
                version=self._version,
                assumed=decided.unsafe,
                shape_only=decided.shape_only,
                may_raise=bool(decided.assumptions),
                reduce=self._options.reduce,
                input_size=self._options.input_size,
            )
        )

    # --- the whole module ---

    def _write(self, module: Module, drafts: Sequence[_Draft]) -> list[Edit]:
        written = [draft for draft in drafts if draft.is_written]
        if not written:
            return []
        imports = Imports(module, [draft.reference for draft in written], self._counterpart)
        edits = []
        for draft in written:
            assert draft.plan is not None and draft.reference.call is not None
            after = self._render(module, draft.reference, draft.plan, draft.arguments, imports)
            if after != draft.site.after:
                rule = self._rulebook.by_api(draft.reference.api)
                assert rule is not None
                self._prove(rule, draft.arguments, draft.plan, after, imports)
                draft.site = replace(draft.site, after=after)
            call = draft.reference.call
            edits.append(Edit(module.start(call), module.end(call), after))
        edits.extend(imports.edits())
        return sorted(edits, key=lambda edit: (edit.start, edit.end))

    def _check(self, before: Module, text: str, drafts: Sequence[_Draft]) -> None:
        """Insist that the result parses and that just the references left over are still there."""
        try:
            module = self._parse(text, before.newline)
        except SyntaxError as error:
            raise InternalError(f"the rewritten text does not parse: {error}") from error
        found = module.names.references(wanted_lines(text, module.names, _WANTED))
        left = [d.reference.api for d in drafts if not d.is_written]
        if sorted(r.api for r in found) != sorted(left):
            raise InternalError("the rewritten text holds other references than expected")


def _writable_call(reference: Reference, rule: Rule) -> ast.Call:
    """Return the call that may be rewritten in place, or raise ManualError."""
    if reference.problem:
        raise ManualError(f"{reference.problem}: import the torch name by itself")
    if reference.call is None:
        raise ManualError(advice(reference))
    if rule.kind is Kind.MANUAL:
        raise ManualError(rule.remedy)
    if rule.strategy not in STRATEGIES:
        raise ManualError(f"{rule.summary} This rewrite is not built yet")
    if any(isinstance(parent, ast.JoinedStr) for parent in reference.parents):
        raise ManualError("the call stands inside an f-string: put it into a variable first")
    return reference.call


def _judged(site: Site, decided: Plan, verdict: Verdict, after: str) -> Site:
    """Return the site with its status and evidence."""
    status, words = Status.MIGRATED, list(decided.notes)
    assumptions = [*decided.assumptions, *verdict.assumptions]
    if decided.shape_only:
        status = Status.SHAPE_ONLY
        words.append(
            f"the documents' recipe keeps the shape only: {verdict.difference}"
            if verdict.difference
            else "the documents' recipe: the values happen to agree here"
        )
    if decided.unsafe:
        status = Status.UNSAFE
        words.append("written only with --unsafe: a wrong assumption would go unnoticed")
        assumptions += [f"`{name}` is {value!r}" for name, value in decided.unsafe.items()]
    return replace(
        site,
        status=status,
        after=after,
        message="; ".join(words),
        assumptions=tuple(dict.fromkeys(assumptions)),
        parameters=verdict.parameters,
        proof=verdict.proof,
    )


def _leave_outer_calls(drafts: list[_Draft]) -> None:
    """A call with another rewritten call in its arguments would be edited twice: leave it."""
    inside = {
        id(parent)
        for draft in drafts
        if draft.is_written
        for parent in draft.reference.parents
        if isinstance(parent, ast.Call) and parent is not draft.reference.call
    }
    for draft in drafts:
        if draft.is_written and id(draft.reference.call) in inside:
            message = "another convolution stands in its arguments: put that into a variable first"
            draft.site = replace(
                draft.site, status=Status.MANUAL, message=message, after=None, proof=Proof(),
                parameters={}, assumptions=(),
            )  # fmt: skip


def _source(module: Module, node: ast.expr) -> str:
    """Return an expression's text; one of our own making is put into words."""
    return module.source(node) if hasattr(node, "lineno") else ast.unparse(node)


def _qualified(names: Names, reference: Reference, node: ast.expr) -> str | None:
    found = names.meaning(node, reference.scope)
    return found.name if found and not found.problem else None


def _spell(imports: Imports, reference: Reference, api: str) -> str:
    return imports.spell(api, reference)


def _span(module: Module, node: ast.expr) -> Span:
    return Span(
        *module.index.position(module.start(node)), *module.index.position(module.end(node))
    )
