"""Classes and functions of torch's that are handed on as values, and what is written for them.

MindSpore's own takes the place where every call that it reaches reads the same for both; else an
inserted function that takes torch's arguments. So a call through a name stays as it is, and what
files hand to one another is called in one way: torch's.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from mapper.analysis.bind import BindError
from mapper.analysis.handed import Follower, Handed, Reached
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.model.plan import ManualError
from mapper.model.record import record
from mapper.planning.forms.partial import joined
from mapper.proving.request import DisprovedError
from mapper.rulebook.schema import Rule
from mapper.running.adapters import Adapter, Adapters
from mapper.running.calls import CallRewriter, IndirectCall, Rewritten, Spelling

_LEFT = (BindError, ManualError, DisprovedError)

Modules = Callable[[Path], ParsedModule | None]
"""Another file of the project, parsed."""


@record(frozen=True, slots=True)
class Value:
    """What is written for a class as a value: its MindSpore name, or an adapter.

    `partial` is the `functools.partial(…)` that is rewritten with it, and `fixed` how that reads.
    """

    words: str
    done: Rewritten | None = None
    adapter: Adapter | None = None
    partial: ast.Call | None = None


class Values:
    """Decides about the values of one file."""

    def __init__(
        self, module: ParsedModule, calls: CallRewriter, adapters: Adapters, modules: Modules
    ) -> None:
        self._module = module
        self._calls = calls
        self._adapters = adapters
        self._modules = modules
        self._follower: Follower | None = None

    def decide(
        self, wanted: Sequence[tuple[Reference, Rule, Spelling]]
    ) -> list[Value | ManualError]:
        """Return what becomes of each value, in order."""
        found = [self._decided(*one) for one in wanted]
        by_api = defaultdict[str, list[int]](list)
        for index, (reference, _, _) in enumerate(wanted):
            by_api[reference.api].append(index)
        for places in by_api.values():
            self._agree([wanted[place] for place in places], places, found)
        return [value for _, value in found]

    def adapter(self, rule: Rule) -> Adapter:
        """Return the function that takes torch's arguments.

        Raises:
            ManualError: there is none.
        """
        return self._adapters.of(rule)

    def _decided(
        self, reference: Reference, rule: Rule, spelling: Spelling
    ) -> tuple[Handed, Value | ManualError]:
        handed = self._followed(reference.node)
        try:
            return handed, self._value(reference, rule, spelling, handed)
        except ManualError as error:
            return handed, error

    def _followed(self, node: ast.expr) -> Handed:
        if self._follower is None:
            names = self._module.names
            self._follower = Follower(self._module.tree, self._module.path, names.is_taken)
        return self._follower.follow(node)

    def _value(self, reference: Reference, rule: Rule, spelling: Spelling, handed: Handed) -> Value:
        """Decide what takes the place of a class: MindSpore's, or an inserted function."""
        why = handed.problem
        if (words := _in_place(reference)) and (
            why is not None or any(one.file is not None for one in handed.calls)
        ):
            raise ManualError(words)
        if why is None:
            try:
                done = [self._read_through(one, rule, spelling) for one in handed.calls]
                return _plain(reference, handed, done)
            except _LEFT as error:
                why = str(error)
        if handed.is_tested or handed.needs_class:
            line = f" (line {handed.needs_class})" if handed.needs_class else ""
            raise ManualError(
                f"it must be a class{line}, and as MindSpore's it would be called with torch's "
                f"arguments: {why}"
            )
        adapter = self._adapters.of(rule)
        for one in handed.calls:
            adapter.check(joined(one.partial, one.call) if one.partial else one.call)
        return Value(f"whoever calls it uses torch's arguments: {why}", adapter=adapter)

    def _read_through(self, reached: Reached, rule: Rule, spelling: Spelling) -> Rewritten:
        """Rewrite a call that the value reaches, which must read the same afterwards."""
        call = reached.call
        module = self._module if reached.file is None else self._modules(reached.file)
        if module is None:
            raise ManualError(f"{reached.file} cannot be read")
        way = IndirectCall(reached.partial, home=self._home(reached))
        scope = module.names.scopes.around(call)
        done = self._calls.rewrite(module, call, scope, rule, spelling, way)
        where = f"line {call.lineno}" + (f" of {reached.file.name}" if reached.file else "")
        if done.text != module.source(call):
            raise ManualError(f"{where} would read differently")
        if reached.partial is not None and done.fixed is not None:
            is_own = reached.file is None
            if not is_own and not _is_same_partial(reached.partial, done.fixed):
                raise ManualError(f"the partial of {where} would read differently")
        return done

    def _home(self, reached: Reached) -> ParsedModule | None:
        """Return the module of a call's partial where the call stands in another one.

        Raises:
            ManualError: the partial has names, which mean nothing where the call is.
        """
        if reached.partial is None or reached.home == reached.file:
            return None
        given = [*reached.partial.args[1:], *(one.value for one in reached.partial.keywords)]
        names = [one.id for value in given for one in ast.walk(value) if isinstance(one, ast.Name)]
        home = self._module if reached.home is None else self._modules(reached.home)
        if names or home is None:
            words = f"`{names[0]}` of another file" if names else "another file"
            raise ManualError(f"the partial of line {reached.partial.lineno} takes {words}")
        return home

    def _agree(
        self,
        wanted: Sequence[tuple[Reference, Rule, Spelling]],
        places: Sequence[int],
        found: list[tuple[Handed, Value | ManualError]],
    ) -> None:
        """Let values that may be compared be one object: all plain, or all of one adapter."""
        if not any(found[place][0].is_compared for place in places):
            return
        reference, rule, _ = wanted[0]
        values = [found[place][1] for place in places]
        refused = next((one for one in values if isinstance(one, ManualError)), None)
        if refused is None and self._is_elsewhere(reference.api.rpartition(".")[2]):
            refused = ManualError("it is compared, and other files hand on the same class")
        is_adapted = any(isinstance(one, Value) and one.adapter is not None for one in values)
        for place in places:
            handed = found[place][0]
            if refused is None and is_adapted and (handed.is_tested or handed.needs_class):
                refused = ManualError("it is compared, and must be a class elsewhere")
        for place, old in zip(places, values, strict=True):
            if refused is not None:
                found[place] = found[place][0], refused
            elif is_adapted and isinstance(old, Value) and old.adapter is None:
                words = "it is compared with what takes torch's arguments"
                new = Value(words, adapter=self._adapters.of(rule))
                found[place] = found[place][0], new

    def _is_elsewhere(self, word: str) -> bool:
        """Say whether another file of the project may hand on a class of that name."""
        assert self._follower is not None
        return self._follower.is_handed_on_elsewhere(word)


def _in_place(reference: Reference) -> str:
    """Say that a partial makes layers that work in place, which other files would not know of."""
    match reference.parents[:1]:
        case (ast.Call(args=[first, *_], keywords=keywords),) if first is reference.node:
            for keyword in keywords:
                is_off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
                if keyword.arg == "inplace" and not is_off:
                    return (
                        "what it makes changes its input in torch (inplace=True), which may be "
                        "seen where it is called; MindSpore leaves the input as it is: write it "
                        "without inplace where both are meant to be the same"
                    )
    return ""


def _plain(reference: Reference, handed: Handed, done: Sequence[Rewritten]) -> Value:
    """Return MindSpore's own class as what takes the place, with its partial if one changes."""
    own = reference.parents[0] if reference.parents else None
    partials = {id(one.partial): one.partial for one in handed.calls if one.partial is not None}
    texts = {one.fixed for one in done if one.fixed is not None}
    lines = sorted({one.call.lineno for one in handed.calls})
    words = "it is handed on, and nothing of it is called"
    if lines:
        listed = ", ".join(map(str, lines[:5])) + (", …" if lines[5:] else "")
        words = f"what is called through it reads the same (line {listed})"
    first = done[0] if done else None
    changed = [
        partial for partial in partials.values()
        if any(not _is_same_partial(partial, text) for text in texts)
    ]  # fmt: skip
    if not changed:
        return Value(words, first)
    if len(partials) > 1 or len(texts) > 1 or changed[0] is not own:
        raise ManualError(f"the partial of line {changed[0].lineno} would read differently")
    return Value(words, first, partial=changed[0])


def _is_same_partial(partial: ast.Call, fixed: str) -> bool:
    """Say whether a partial keeps its arguments, whatever its class is called."""
    after = ast.parse(f"({fixed}\n)", mode="eval").body
    assert isinstance(after, ast.Call)
    pairs = [(one.args[1:], [(k.arg, k.value) for k in one.keywords]) for one in (partial, after)]
    texts = [
        ([ast.dump(one) for one in args], [(name, ast.dump(value)) for name, value in keywords])
        for args, keywords in pairs
    ]
    return texts[0] == texts[1]
