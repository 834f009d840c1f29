"""Rewrites one call: binds, plans, renders and proves it. Every rewritten call goes this way."""

from __future__ import annotations

import ast
import copy
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from mapper.analysis.bind import Argument, bind
from mapper.analysis.dicts import known_keys
from mapper.analysis.effects import Surroundings, difference
from mapper.analysis.evaluate import symbol, symbols
from mapper.analysis.find import SILENT
from mapper.analysis.knowledge import Knowledge
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Names
from mapper.analysis.scopes import Binding, Scope
from mapper.analysis.shadowing import clashing, clashing_in, misread
from mapper.analysis.torch_names import is_torch
from mapper.model.options import Options
from mapper.model.plan import Api, ManualError, Plan, Template
from mapper.model.record import record
from mapper.planning.bound_call import BoundCall
from mapper.planning.forms.partial import CLASS, as_one, joined, split
from mapper.planning.strategies import plan
from mapper.proving.prover import Prover
from mapper.proving.request import ProofRequest, ProofResult, Read
from mapper.proving.run_text import DTYPES
from mapper.proving.sampling import LIKELY, Seen
from mapper.rulebook.conditions import Version
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import Effect, Kind, Rule
from mapper.writing.edited_text import EditedText
from mapper.writing.layout import LayoutError
from mapper.writing.render import render
from mapper.writing.template import render_template, stands_in_parentheses


@record(frozen=True, slots=True)
class Spelling:
    """How MindSpore names are written at one place of a file, and read back."""

    write: Callable[[str], str]
    read: Callable[[ast.expr], str | None]

    def under(self, api: str, function: ast.expr) -> Spelling:
        """Return this spelling with an expression of the file's own for one API."""
        text = ast.unparse(function)

        def read(node: ast.expr) -> str | None:
            return api if ast.unparse(node) == text else self.read(node)

        return Spelling(lambda wanted: text if wanted == api else self.write(wanted), read)


@record(frozen=True, slots=True)
class IndirectCall:
    """How a call reaches an API that it does not name: `conv(…)`, `super().__init__(…)`.

    `partial` is the `functools.partial(…)` in between, which fixes some of the arguments, and
    `home` its module where that is not the call's.
    `is_known`: what the file says of the arguments decides how they are written.
    """

    partial: ast.Call | None = None
    is_known: bool = True
    receiver: ast.expr | None = None
    """What a method is called on: its first argument."""
    home: ParsedModule | None = None

    @property
    def is_method(self) -> bool:
        """Say whether the call is that of a method."""
        return self.receiver is not None


@record(frozen=True, slots=True)
class Rewritten:
    """A call that was planned, written and proved."""

    rule: Rule
    call: ast.Call
    plan: Plan
    arguments: Mapping[str, Argument]
    text: str
    spelled: frozenset[str]
    """The MindSpore names in the text."""
    proved: ProofResult
    seen: Mapping[str, Seen]
    """What the file says of the symbols in the arguments."""
    bound: BoundCall
    fixed: str | None = None
    """What becomes of the `functools.partial` on the way."""


class CallRewriter:
    """Rewrites calls; proofs are cached."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._options = options
        self._version = Version.parse(options.target_version)
        self._rulebook = rulebook
        self._prover = Prover(rulebook)
        self._knowledge: Knowledge | None = None

    def rewrite(
        self,
        module: ParsedModule,
        call: ast.Call,
        scope: Scope,
        rule: Rule,
        spelling: Spelling,
        way: IndirectCall | None = None,
    ) -> Rewritten:
        """Return the source that takes the call's place, with its proof.

        Raises:
            BindError, ManualError, DisprovedError: why it is left to a person.
        """
        whole = _whole(call, way)
        known = self._known(module)
        about = Scope("function", call) if way and not way.is_known else scope
        arguments = bind(
            whole, rule.torch.parameters, lambda node: known_keys(node, scope), rule.unchanged
        )
        bound = BoundCall(
            rule,
            arguments,
            functools.partial(_source, EditedText(module), way),
            functools.partial(_qualified, module, scope),
            self._version,
            self._options.recipe,
            functools.partial(known.kinds, scope=about),
            functools.partial(known.values, scope=about),
            _constants(arguments, scope) if self._options.recipe == "table" else {},
        )
        given = [*whole.args, *(keyword.value for keyword in whole.keywords)]
        if name := misread(given, scope, module.names):
            raise ManualError(
                f"`{name}` is not Python's here: put what it returns into a variable first"
            )
        decided = plan(bound)
        decided.notes.extend(self._limits(bound))
        if not self._options.is_whole:
            decided.assumptions.extend(self._torch_only(module, scope, given))
        spelled = set[str]()

        def write(api: str) -> str:
            spelled.add(api)
            return spelling.write(api)

        noted = Spelling(write, spelling.read)
        text, fixed = _render(EditedText(module), call, decided, arguments, noted, way)
        _check_names(call, text, spelled, scope, module.names)
        _check_order(call, text, way, fixed, self._around(module, scope))
        seen = _seen(known, about, arguments)
        proved = self._prove(bound, decided, call, text, fixed, spelling, way, seen)
        names = frozenset(spelled)
        return Rewritten(rule, call, decided, arguments, text, names, proved, seen, bound, fixed)

    def again(
        self,
        module: ParsedModule,
        call: ast.Call,
        done: Rewritten,
        spelling: Spelling,
        edited: EditedText,
        way: IndirectCall | None = None,
    ) -> Rewritten:
        """Return the call spelled with the file's final names, proved anew if the text differs.

        The proof is about the arguments as in the source; the result has them as in `edited`.
        """
        text, fixed = _render(EditedText(module), call, done.plan, done.arguments, spelling, way)
        if (text, fixed) != (done.text, done.fixed):
            self._prove(done.bound, done.plan, call, text, fixed, spelling, way, done.seen)
        if edited.has_edits(call) or (way and way.partial and edited.has_edits(way.partial)):
            decided = plan(replace(done.bound, text=functools.partial(_source, edited, way)))
            text, fixed = _render(edited, call, decided, done.arguments, spelling, way)
        return replace(done, text=text, fixed=fixed)

    def prove(self, rule: Rule, before: ast.expr, after: str, spelling: Spelling) -> ProofResult:
        """Hold a text to a call of torch's, both under the names that a spelling reads.

        Raises:
            DisprovedError: they differ.
        """
        return self._prover.prove(
            ProofRequest(
                rule=rule,
                before=before,
                after=after,
                read_before=spelling.read,
                read_after=spelling.read,
                version=self._version,
                reduce=self._options.reduce,
                input_size=self._options.input_size,
            )
        )

    def _known(self, module: ParsedModule) -> Knowledge:
        if self._knowledge is None or self._knowledge.module is not module:
            self._knowledge = Knowledge(module)
        return self._knowledge

    def _torch_only(
        self, module: ParsedModule, scope: Scope, given: Sequence[ast.expr]
    ) -> list[str]:
        """Return what is assumed of Tensor methods in the arguments, which stay as they are here.

        Raises:
            ManualError: MindSpore's method of that name computes something else.
        """
        found: list[str] = []
        for node in [part for one in given for part in ast.walk(one)]:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = node.func.attr
            rule = self._rulebook.by_api(f"torch.Tensor.{name}")
            is_same = rule is None or rule.mindspore.api == f"mindspore.Tensor.{name}"
            if (is_same and name not in SILENT) or _qualified(module, scope, node.func):
                continue
            text = ast.unparse(node)
            if name in SILENT:
                raise ManualError(
                    f"`{text}` of a Tensor computes something else in MindSpore: migrate the file "
                    "as a whole, or put it into a variable first"
                )
            found.append(f"`{text}` is of no Tensor (MindSpore's has no such method)")
        return found

    def _around(self, module: ParsedModule, scope: Scope) -> Surroundings:
        """Return what the file and those it imports say of the effects of expressions."""
        names = module.names

        def is_idle(call: ast.Call) -> bool:
            return is_torch(_qualified(module, scope, call.func) or "")

        def is_steady(name: str) -> bool:
            return not any(name in one.borrowed for one in names.scopes.all)

        return Surroundings(
            functools.partial(self._known(module).acts, scope=scope), is_steady, is_idle
        )

    def _limits(self, call: BoundCall) -> list[str]:
        """Return the findings for the target version and device.

        Raises:
            ManualError: a limit rules the rewrite out.
        """
        findings = []
        values: dict[str, object] = {}
        for name in call.rule.torch.names:
            qualified = call.qualified(call.node(name)) or ""
            if (found := call.known(name)) is not None:
                values[name] = found.value
            elif is_torch(qualified):
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
        bound: BoundCall,
        decided: Plan,
        call: ast.Call,
        text: str,
        fixed: str | None,
        spelling: Spelling,
        way: IndirectCall | None,
        seen: Mapping[str, Seen],
    ) -> ProofResult:
        """Prove what is written for a call, both texts with all arguments written out."""
        rule = bound.rule
        is_method = way is not None and way.is_method
        if way is not None and not is_method:
            spelling = spelling.under(decided.target, call.func)
        read = bound.qualified if is_method else _read_torch(rule.torch.api, call.func, bound)
        before: ast.expr = call.func
        if rule.kind is not Kind.ATTRIBUTE:
            before = _written_out(call, bound, way.receiver if way else None)
            if way is not None and way.receiver is not None:  # `x.to(device)` may be as `x.cuda`
                name = rule.torch.api.rpartition(".")[2]
                before.func = ast.Attribute(way.receiver, name, ast.Load())
        after = text if fixed is None else as_one(fixed, text, ast.unparse(call.func))
        after = _without_empty(after, call, bound)
        if isinstance(call.func, ast.Subscript) and not is_method:  # out of a table
            named = _Operands([call.func])
            before, after = named.replaced(before), named.replaced_in(after)
            name = named.name
            read = _reading(name, rule.torch.api, read)
            spelling = Spelling(spelling.write, _reading(name, decided.target, spelling.read))
        if rule.strategy is None and (operands := _operands(bound)):
            before, after = operands.replaced(before), operands.replaced_in(after)
        return self._prover.prove(
            ProofRequest(
                rule=rule,
                before=before,
                after=after,
                read_before=read,
                read_after=_with_dtypes(spelling.read, bound),
                version=self._version,
                assumed={**decided.unsafe, **decided.fixed},
                seen=seen,
                shape_only=decided.shape_only,
                may_raise=bool(decided.assumptions),
                reduce=self._options.reduce,
                input_size=self._options.input_size,
            )
        )


def _check_names(
    call: ast.Call, text: str, spelled: Iterable[str], scope: Scope, names: Names
) -> None:
    """Raise ManualError where what is written means something else under the file's names."""
    found = clashing(call, _parsed(text), scope, names)
    for helper in [HELPERS[api] for api in spelled if api in HELPERS]:
        found = found or clashing_in(
            helper.source.format(name="own", nn="nn", ops="ops", ms="ms"), names
        )
    if found is not None:
        raise ManualError(
            f"`{found}` is not Python's here, and what is written needs Python's: give the file's "
            "another name"
        )


def _check_order(
    call: ast.Call, text: str, way: IndirectCall | None, fixed: str | None, around: Surroundings
) -> None:
    """Raise ManualError where the text would not evaluate what the call does, as it does."""
    found = difference(call, _parsed(text), around)
    if found is None and way is not None and way.partial is not None and fixed is not None:
        found = difference(way.partial, _parsed(fixed), around)
    if found is not None:
        raise ManualError(
            f"`{found}` would be evaluated at another time, or not once: put it into a variable "
            "before the call"
        )


def _parsed(text: str) -> ast.expr:
    return ast.parse(f"({text}\n)", mode="eval").body


def _with_dtypes(read: Read, bound: BoundCall) -> Read:
    """Return what also reads torch's dtypes, which become MindSpore's as sites of their own."""

    def name_of(node: ast.expr) -> str | None:
        found = read(node)
        if found is None and isinstance(node, ast.Name | ast.Attribute):
            framework, _, rest = (bound.qualified(node) or "").partition(".")
            if framework == "torch" and rest in DTYPES:
                return f"mindspore.{rest}"
        return found

    return name_of


def _written_out(call: ast.Call, bound: BoundCall, receiver: ast.expr | None) -> ast.Call:
    """Return the call with each argument given by name, also those out of a `**`.

    Arguments of a variadic parameter, and those before it, stay positional.
    """
    values = {name: argument.value for name, argument in bound.arguments.items()}
    own = {name: value for name, value in values.items() if value is not receiver}
    names = bound.rule.torch.parameters
    variadic = next((i for i, one in enumerate(names) if one.variadic), 0)
    several = own.pop(names[variadic].name, None) if names and names[variadic].variadic else None
    args = [own.pop(one.name) for one in names[:variadic] if one.name in own] if several else []
    if isinstance(several, ast.Tuple) and not hasattr(several, "lineno"):
        args += several.elts
    elif several is not None:
        args.append(several)
    return ast.Call(call.func, args, [ast.keyword(name, value) for name, value in own.items()])


def _without_empty(text: str, call: ast.Call, bound: BoundCall) -> str:
    """Return a text without the `**params` of its call, where they can only be empty."""
    if any(one.unpacked for one in bound.arguments.values()):
        return text
    empty = [ast.unparse(one.value) for one in call.keywords if one.arg is None]
    tree = _parsed(text) if empty else None
    if not isinstance(tree, ast.Call):
        return text
    tree.keywords = [one for one in tree.keywords
                     if one.arg is not None or ast.unparse(one.value) not in empty]  # fmt: skip
    return ast.unparse(tree)


class _Operands(ast.NodeTransformer):
    """Replaces expressions that both texts merely compute with by names."""

    def __init__(self, expressions: Sequence[ast.expr]) -> None:
        self._names = {
            ast.dump(one): "of_" + re.sub(r"\W+", "_", ast.unparse(one))[:60] + f"_{index}"
            for index, one in enumerate(expressions)
        }

    @property
    def name(self) -> str:
        """Return the name of the first expression."""
        return next(iter(self._names.values()))

    def replaced(self, node: ast.expr) -> ast.expr:
        """Return an expression with the names in place."""
        found: ast.expr = self.visit(copy.deepcopy(node))
        return found

    def replaced_in(self, text: str) -> str:
        """Return the text of an expression with the names in place."""
        return ast.unparse(self.replaced(_parsed(text)))

    def visit(self, node: ast.AST) -> Any:
        """Exchange a whole expression, the outermost one that is known."""
        name = self._names.get(ast.dump(node)) if isinstance(node, ast.expr) else None
        return ast.Name(name, ast.Load()) if name else self.generic_visit(node)


def _is_size(node: ast.AST) -> TypeGuard[ast.expr]:
    """Say whether an expression gives a number that is the same for both, whatever it counts.

    The frameworks spell the size of a Tensor differently; `len(x)` and `sum(depths)` need an `x`.
    """
    match node:
        case ast.Call(func=ast.Name(id="len" | "sum"), args=[ast.Name() | ast.Attribute()]):
            return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("size", "dim", "numel", "nelement")
    )


def _operands(bound: BoundCall) -> _Operands | None:
    """Return the Tensors that a call computes with, where they are more than a name.

    The calls in them are sites of their own, with proofs of their own.
    """
    found = list[ast.expr]()
    for name, argument in bound.arguments.items():
        spec, value = bound.rule.torch.parameter(name), argument.value
        if spec is None or "Tensor" not in spec.annotation:
            found += [part for part in ast.walk(value) if _is_size(part)]
            continue
        parts = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        plain = (ast.Name, ast.Constant, ast.Starred, ast.UnaryOp)
        found += [part for part in parts if not isinstance(part, plain)]
    return _Operands(found) if found else None


def _reading(name: str, api: str, read: Read) -> Read:
    """Return how names are read, with a name for an API."""
    return lambda node: api if isinstance(node, ast.Name) and node.id == name else read(node)


def _read_torch(api: str, function: ast.expr, bound: BoundCall) -> Read:
    """Return the reader of names in the source; the call's own function always means `api`."""
    text = ast.unparse(function)
    return lambda node: api if ast.unparse(node) == text else bound.qualified(node)


def _seen(known: Knowledge, scope: Scope, arguments: Mapping[str, Argument]) -> dict[str, Seen]:
    """Return what the file says of the arguments that are bare symbols."""
    found = dict[str, Seen]()
    for node in [arguments[name].value for name in LIKELY if name in arguments]:
        if symbol(node) in symbols(node):
            values = tuple(known.values(node, scope))
            found[symbol(node)] = Seen(values, known.kinds(node, scope))
    return found


def _render(
    edited: EditedText,
    call: ast.Call,
    decided: Plan,
    arguments: Mapping[str, Argument],
    spelling: Spelling,
    way: IndirectCall | None,
) -> tuple[str, str | None]:
    """Return the source of the call, and that of the partial that it goes through."""
    if decided.template is not None:
        return _filled(edited, decided.template, arguments, spelling), None
    if way is not None and way.receiver is not None:
        return _method(edited, call, decided, arguments, spelling, way.receiver), None
    if way is None or way.partial is None:
        places = {name: argument.index for name, argument in arguments.items()}
        own = spelling.under(decided.target, call.func) if way else spelling
        return _written(edited, call, decided, places, own), None
    fixed, places = split(arguments, way.partial, call)
    changes = {name: change for name, change in decided.changes.items() if name in fixed}
    changes[CLASS] = [("", Api(decided.target))]
    target = ast.unparse(way.partial.func)
    first = Spelling(lambda api: api if api == target else spelling.write(api), spelling.read)
    rest = {name: change for name, change in decided.changes.items() if name in places}
    return (
        _written(
            edited,
            call,
            replace(decided, changes=rest),
            places,
            spelling.under(decided.target, call.func),
        ),
        _written(
            EditedText(way.home) if way.home else edited,
            way.partial,
            Plan(target, changes),
            fixed,
            first,
        ),
    )


def _filled(
    edited: EditedText, template: Template, arguments: Mapping[str, Argument], spelling: Spelling
) -> str:
    """Return a template with the call's arguments in it; `{*size}` are those of a variadic one."""
    operands: dict[str, ast.expr | str] = {}
    for name, argument in arguments.items():
        operands[name] = operands[f"*{name}"] = argument.value  # by its name: `size=(2, 3)`
        if isinstance(argument.value, ast.Tuple) and not hasattr(argument.value, "lineno"):
            texts = [edited.source(element) for element in argument.value.elts]
            is_open = len(texts) == 1 and isinstance(argument.value.elts[0], ast.Starred)
            is_tuple = is_open and stands_in_parentheses(template, f"*{name}")
            operands[f"*{name}"] = f"{texts[0]}," if is_tuple else ", ".join(texts)
            operands[name] = f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
    source = functools.partial(_source, edited, None)
    return render_template(template, operands, source, spelling.write)


def _method(
    edited: EditedText,
    call: ast.Call,
    decided: Plan,
    arguments: Mapping[str, Argument],
    spelling: Spelling,
    receiver: ast.expr,
) -> str:
    """Return the call of a method under its new name, with the arguments changed in place."""
    name = decided.target.rpartition(".")[2]
    assert isinstance(call.func, ast.Attribute)
    function = edited.source(call.func)
    renamed = function[: len(function) - len(call.func.attr)] + name
    if not decided.changes and not decided.added:
        return renamed + edited.source(call)[len(function) :]
    places = {key: one.index - 1 for key, one in arguments.items() if one.value is not receiver}
    own = Spelling(
        lambda api: renamed if api == decided.target else spelling.write(api), spelling.read
    )
    return _written(edited, call, decided, places, own)


def _whole(call: ast.Call, way: IndirectCall | None) -> ast.Call:
    """Return the call with all its arguments: those of a partial, or what a method is called on."""
    if way is not None and way.receiver is not None:
        return ast.Call(call.func, [way.receiver, *call.args], call.keywords)
    return joined(way.partial, call) if way and way.partial else call


def _written(
    edited: EditedText, call: ast.Call, decided: Plan, places: Mapping[str, int], spelling: Spelling
) -> str:
    text, offsets = edited.source(call), edited.offsets(call)
    try:
        return render(text, call, offsets, decided, places, spelling.write, edited.newline)
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


def _source(edited: EditedText, way: IndirectCall | None, node: ast.expr) -> str:
    """Return an expression's text; a node that is not from the file is unparsed."""
    home, partial = (way.home, way.partial) if way is not None else (None, None)
    if home is not None and partial is not None and any(one is node for one in ast.walk(partial)):
        return home.source(node)
    return edited.source(node) if hasattr(node, "lineno") else ast.unparse(node)


def _qualified(module: ParsedModule, scope: Scope, node: ast.expr) -> str | None:
    found = module.names.meaning(node, scope)
    return found.name if found and not found.problem else None
