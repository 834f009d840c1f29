"""One call: bound, planned, rendered and proved; the way every rewritten call takes."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mapper.arguments import BoundCall
from mapper.bind import Argument, bind
from mapper.conditions import Version
from mapper.dicts import known_keys
from mapper.imports import Module
from mapper.layout import LayoutError, render
from mapper.options import Options
from mapper.plan import ManualError, Plan
from mapper.rule import Effect, Rule
from mapper.rulebook import Rulebook
from mapper.scopes import Binding, Scope
from mapper.strategies import plan
from mapper.values import symbols
from mapper.verify import Claim, Verdict, Verifier


@dataclass(frozen=True, slots=True)
class Spelling:
    """How MindSpore names are written at one place of a file, and read back."""

    write: Callable[[str], str]
    read: Callable[[ast.expr], str | None]

    def under(self, api: str, name: str) -> Spelling:
        """Return this spelling with a local name for one API."""

        def read(node: ast.expr) -> str | None:
            is_name = isinstance(node, ast.Name) and node.id == name
            return api if is_name else self.read(node)

        return Spelling(lambda wanted: name if wanted == api else self.write(wanted), read)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A call that was planned, written and proved."""

    rule: Rule
    plan: Plan
    arguments: Mapping[str, Argument]
    text: str
    spelled: frozenset[str]
    """The MindSpore names in the text."""
    verdict: Verdict


class CallRewriter:
    """Rewrites calls; what one proof has cost, the next gets for nothing."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._options = options
        self._version = Version.parse(options.target_version)
        self._verifier = Verifier(rulebook)

    def rewrite(
        self, module: Module, call: ast.Call, scope: Scope, rule: Rule, spelling: Spelling
    ) -> Rewritten:
        """Return the source that takes the call's place, with its proof.

        Raises:
            BindError, ManualError, DisprovedError: why it is left to a person.
        """
        arguments = bind(call, rule.torch.parameters, lambda node: known_keys(node, scope))
        bound = BoundCall(
            rule,
            arguments,
            functools.partial(_source, module),
            functools.partial(_qualified, module, scope),
            self._version,
            self._options.recipe,
            _constants(arguments, scope) if self._options.recipe == "table" else {},
        )
        decided = plan(bound)
        decided.notes.extend(self._limits(bound))
        spelled = set[str]()

        def write(api: str) -> str:
            spelled.add(api)
            return spelling.write(api)

        text = _render(module, call, decided, arguments, Spelling(write, spelling.read))
        verdict = self._prove(rule, arguments, decided, text, spelling)
        return Rewritten(rule, decided, arguments, text, frozenset(spelled), verdict)

    def again(self, module: Module, call: ast.Call, done: Rewritten, spelling: Spelling) -> str:
        """Return the source under the names that the file ends up with; proved when it differs."""
        text = _render(module, call, done.plan, done.arguments, spelling)
        if text != done.text:
            self._prove(done.rule, done.arguments, done.plan, text, spelling)
        return text

    def _limits(self, call: BoundCall) -> list[str]:
        """Return the findings of this target; a limit that rules the rewrite out is an error."""
        findings = []
        values: dict[str, object] = {}
        for name in call.rule.torch.names:
            qualified = call.qualified(call.node(name)) or ""
            if (found := call.known(name)) is not None:
                values[name] = found.value
            elif qualified.startswith("torch."):
                values[name] = qualified
        for limit in call.rule.limits:
            if limit.applies(self._version, self._options.device):
                holds = limit.when.holds(values, call.rank)
                if holds and limit.effect is Effect.MANUAL:
                    raise ManualError(limit.text)
                if holds or (holds is None and self._options.device != "any"):
                    findings.append(limit.text)
        return findings

    def _prove(
        self,
        rule: Rule,
        arguments: Mapping[str, Argument],
        decided: Plan,
        text: str,
        spelling: Spelling,
    ) -> Verdict:
        return self._verifier.prove(
            Claim(
                rule=rule,
                arguments={name: argument.value for name, argument in arguments.items()},
                written=text,
                read=spelling.read,
                version=self._version,
                assumed={**decided.unsafe, **decided.fixed},
                shape_only=decided.shape_only,
                may_raise=bool(decided.assumptions),
                reduce=self._options.reduce,
                input_size=self._options.input_size,
            )
        )


def _render(
    module: Module,
    call: ast.Call,
    decided: Plan,
    arguments: Mapping[str, Argument],
    spelling: Spelling,
) -> str:
    start = module.start(call)
    places = {name: argument.index for name, argument in arguments.items()}
    try:
        return render(
            module.source(call),
            call,
            lambda line, column: module.index.offset(line, column) - start,
            decided,
            places,
            spelling.write,
            module.newline,
        )
    except LayoutError as error:
        raise ManualError(str(error)) from error


def _constants(arguments: Mapping[str, Argument], scope: Scope) -> dict[str, object]:
    """Return the numbers behind the names in the arguments that are bound just once."""
    found: dict[str, object] = {}
    for name in {name for argument in arguments.values() for name in symbols(argument.value)}:
        match scope.lookup(name):
            case (_, [Binding(kind="assign", value=ast.Constant(value=int(value)))]):
                found[name] = value
    return dict(sorted(found.items()))


def _source(module: Module, node: ast.expr) -> str:
    """Return an expression's text; one of our own making is put into words."""
    return module.source(node) if hasattr(node, "lineno") else ast.unparse(node)


def _qualified(module: Module, scope: Scope, node: ast.expr) -> str | None:
    found = module.names.meaning(node, scope)
    return found.name if found and not found.problem else None
