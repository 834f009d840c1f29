"""Turns a call into a plan, by a rule that says what each argument becomes.

Renames edit only the keyword; what is computed is written as a number where the arguments are
known, and as an expression of their own texts where they are not.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from mapper.analysis.evaluate import known
from mapper.analysis.torch_names import is_torch
from mapper.model.plan import Api, Keywords, ManualError, Plan, Template
from mapper.model.record import record
from mapper.planning.bound_call import BoundCall, operand
from mapper.planning.substitution import simplified, substituted
from mapper.rulebook.expressions import (
    Reference,
    UnknownValueError,
    evaluate,
    names_in,
    parse_expression,
)
from mapper.rulebook.schema import Kind, ParameterSpec, Write


def declared(call: BoundCall) -> Plan:
    """Decide what stands for the call of a rule without a strategy.

    Raises:
        ManualError: an argument has no counterpart; the message says what to do.
    """
    values = _values(call)
    for refusal in call.rule.manual:
        holds = refusal.when.holds(values, call.rank)
        is_lost = any(name in call.rule.drop for name in refusal.when.names())
        if holds or (holds is None and is_lost):  # the proof never sees what is dropped
            raise ManualError(refusal.text)
    plan = (call.rule.write and _templated(call, values)) or _carried(call, values)
    for name, reason in call.rule.drop.items():
        if call.given(name) and not _is_default(call, name):
            plan.notes.append(f"`{name}` is dropped: {reason}")
    return plan


def _values(call: BoundCall) -> dict[str, object]:
    """Return what is known of torch's arguments, defaults included; names stand for themselves."""
    values: dict[str, object] = {}
    for name in call.rule.torch.names:
        node = call.node(name)
        qualified = call.qualified(node) or "" if call.given(name) else ""
        if (found := known(node)) is not None:
            values[name] = found.value
        elif is_torch(qualified):
            values[name] = qualified
    return values


def _is_default(call: BoundCall, name: str) -> bool:
    spec = call.rule.torch.parameter(name)
    found = call.known(name)
    if spec is None or spec.required or found is None:
        return False
    return found.value == spec.default and not spec.default_code


# --- arguments that are carried over, renamed, computed or dropped --------------------------------


@record(frozen=True, slots=True)
class _Written:
    """A MindSpore argument that is to be written. `place`: the torch argument it takes over."""

    name: str
    text: str
    place: str | None
    is_kept: bool
    """It is a torch argument's own text."""


def _carried(call: BoundCall, values: Mapping[str, object]) -> Plan:
    """Return the plan of a call whose arguments the rule carries over one by one."""
    plan = Plan(call.rule.mindspore.api.removeprefix("inserted."))
    expressions = {new: parse_expression(text) for new, text in call.rule.arguments.items()}
    owners = {
        node.id: new for new, node in reversed(expressions.items()) if isinstance(node, ast.Name)
    }
    found = []
    used: list[str] = []
    for new, node in expressions.items():
        place = _place(call, new, node, owners)
        simple = simplified(node, call, values)
        if _is_left_out(call, new, simple, place, values):
            continue
        _check_release(call, new)
        used += [part.id for part in ast.walk(simple) if isinstance(part, ast.Name)]
        is_kept = isinstance(simple, ast.Name) and simple.id == place
        found.append(_Written(new, _text(call, plan, simple, values), place, is_kept))
    for name in {name for name in used if used.count(name) > 1 and call.given(name)}:
        call.repeat(name)
    _put(call, plan, found)
    return plan


def _place(call: BoundCall, new: str, node: ast.expr, owners: Mapping[str, str]) -> str | None:
    """Return the torch argument whose place a MindSpore argument takes; None: it is added."""
    given = [name for name in names_in(node) if call.given(name)]
    if isinstance(node, ast.Name):
        return given[0] if given and owners[node.id] == new else None
    free = [name for name in given if name not in owners]
    return new if new in free else free[0] if free else None


def _is_left_out(
    call: BoundCall,
    new: str,
    simple: ast.expr,
    place: str | None,
    values: Mapping[str, object],
) -> bool:
    """Say whether the argument can be omitted, since MindSpore's default means the same.

    An argument that the call gives is always written, except None for a parameter with a table of
    values: there None selects torch's default.
    """
    spec = call.rule.mindspore.parameter(new)
    assert spec is not None
    if isinstance(simple, ast.Name) and simple.id in call.rule.values:
        found = call.known(simple.id)
        if found is not None and found.value is None:
            return True
    if place is not None or spec.required:
        return False
    if isinstance(simple, ast.Name) and not call.given(simple.id):
        own = call.rule.torch.parameter(simple.id)
        if own is not None and own.default_text == spec.default_text:
            return not spec.earlier
    try:
        value = evaluate(simple, values)
    except (UnknownValueError, ValueError):
        return False
    return _is_same(value, spec, call)


def _is_same(value: object, spec: ParameterSpec, call: BoundCall) -> bool:
    if isinstance(value, Reference):
        return spec.default_code == value.name
    if spec.default_code:
        return spec.default_code == repr(value)
    default = spec.default_in(call.version)
    if isinstance(value, bool) or isinstance(default, bool) or value is None or default is None:
        return value is default
    return value == default


def _check_release(call: BoundCall, new: str) -> None:
    spec = call.rule.mindspore.parameter(new)
    if spec is not None and not spec.exists_in(call.version):
        raise ManualError(
            f"MindSpore {call.version} has no `{new}` here, which came with {spec.since}: "
            "drop the argument, or write for a newer release"
        )


def _text(call: BoundCall, plan: Plan, node: ast.expr, values: Mapping[str, object]) -> str:
    """Return the source of a simplified expression."""
    if isinstance(node, ast.Name):
        return _own_text(call, plan, node.id)
    try:
        value = evaluate(node, values)
    except UnknownValueError:
        return substituted(node, call)
    except ValueError as error:
        raise ManualError(f"torch itself would refuse these arguments: {error}") from error
    return Api(value.name) if isinstance(value, Reference) else repr(value)


def _own_text(call: BoundCall, plan: Plan, name: str) -> str:
    """Return an argument's own text, or what stands for it in MindSpore."""
    spec = call.rule.torch.parameter(name)
    if not call.given(name):
        return spec.default_text if spec else "None"
    node = call.node(name)
    mapped = call.rule.values.get(name)
    text = call.text(node)
    if mapped is None or known(node) is not None:
        return text
    qualified = call.qualified(node) or ""
    if qualified in mapped.map:
        return Api(mapped.map[qualified])
    if reason := mapped.reason(qualified):
        raise ManualError(f"`{name}={text}`: {reason}")
    if is_torch(qualified):
        raise ManualError(f"`{name}={text}`: no counterpart is known for this value")
    usual = call.rule.mindspore.parameter(call.rule.renames.get(name, name))
    if spec is None or not spec.default_none or usual is None or not usual.default_code:
        return text
    plan.assumptions.append(f"`{text}` is None or MindSpore's own (torch's raises)")
    return Api(usual.default_code, before=f"{operand(text, ast.Call)} or ")


def _put(call: BoundCall, plan: Plan, found: list[_Written]) -> None:
    """Put each argument into its place, without a name where MindSpore has it there too."""
    specs = call.rule.mindspore.parameters_in(call.version)
    places = [spec.name for spec in specs if not spec.keyword_only]
    is_bare, count = True, 0
    for name, argument in sorted(call.arguments.items(), key=lambda item: item[1].index):
        keywords: Keywords = []
        kept = False
        for one in [one for one in found if one.place == name]:
            is_bare = is_bare and argument.positional and places[count : count + 1] == [one.name]
            keywords.append(("" if is_bare else one.name, one.text))
            kept = one.is_kept and (is_bare or (one.name == name and not argument.positional))
            count += 1
        same = kept and len(keywords) == 1 and not argument.unpacked
        if not same or isinstance(keywords[0][1], Api):
            plan.changes[name] = keywords
    plan.added += [(one.name, one.text) for one in found if one.place is None]


# --- templates ------------------------------------------------------------------------------------


def _templated(call: BoundCall, values: Mapping[str, object]) -> Plan | None:
    """Return the plan of the first template that holds; None where the arguments are carried."""
    plan = Plan(call.rule.mindspore.api)
    write = _chosen(call, values, plan)
    if write is None:
        return None
    template = Template.parse(write.text)
    specs = call.rule.torch.parameters
    missing = [spec for spec in specs if not call.given(spec.name)]
    texts = {spec.name: spec.default_text for spec in missing}
    plan.template = template.filled(texts | {f"*{spec.name}": "" for spec in missing})
    for name in {name for name in template.operands if template.operands.count(name) > 1}:
        if call.given(name):
            call.repeat(name)
    return plan


def _shapes_of(call: BoundCall) -> dict[str, object]:
    """Return an empty list for each list that is written out, whose parts need not be known.

    What several arguments of one parameter are bound as is a tuple: there are some.
    """
    found = dict[str, object]()
    for name in call.arguments:
        match call.node(name):
            case ast.List() | ast.ListComp():
                found[name] = []
            case ast.Tuple(elts=[_, *_] as parts):
                found[name] = (0,) * len(parts)
    return found


def _chosen(call: BoundCall, values: Mapping[str, object], plan: Plan) -> Write | None:
    """Return the first template whose condition holds, None where `[arguments]` are for the rest.

    A named value is assumed not to be None.
    """
    shapes = _shapes_of(call)
    for write in call.rule.write:
        text = write.when.text
        is_of_kind = text.isidentifier() or (text.startswith("isinstance(") and " and " not in text)
        holds = write.when.holds({**shapes, **values} if is_of_kind else values, call.rank)
        if holds is None:
            name = write.when.tests_for_none()
            if name is None and (open_ := [one for one in call.rule.write if one.undecided]):
                return open_[0]
            if name is None:
                raise ManualError(
                    f"what this becomes depends on `{write.when.text}`, which is not known here: "
                    "write the argument itself into the call"
                )
            if "None" in (kinds := call.kinds(call.node(name))) or "any" in kinds:
                plan.assumptions.append(f"`{call.text(call.node(name))}` is not None")
            holds = " is not " in write.when.text
        if holds:
            return write
    if call.rule.mindspore.parameters and call.rule.kind is not Kind.CLASS:
        return None
    raise ManualError("there is no counterpart for these arguments")
