"""Checks that the parts of a rule fit together, which no table of a rule file tells by itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from string import Formatter

from mapper.rulebook.expressions import names_in, parse_expression
from mapper.rulebook.schema import NEEDED, Kind, RowKind, Rule, Signature
from mapper.rulebook.tables import Where

_DECLARED = (Kind.LAYER, Kind.FUNCTION)
_PAGED = ("rows", "provenance")
_WORDS = {"inf", "bool", "float", "int", "list", "str", "tuple"}
"""What a formula may name beside its API's parameters, inputs and state."""


def check_rule(rule: Rule, where: Where, page: Where) -> None:
    """Refuse a rule whose parts contradict each other; `page` is where its page's material is."""
    if not re.fullmatch(r"TM\d{3,4}", rule.id):
        where.at("id").fail(f"expected 'TM' and three or four digits, got {rule.id!r}")
    _check_needed(rule, where, page)
    for key, names in {"torch": rule.torch.names, "mindspore": rule.mindspore.names}.items():
        for name in {name for name in names if names.count(name) > 1}:
            where.at(key, "signature").fail(f"{name!r} is there twice")
    _check_names(rule, where, page)
    _check_arguments(rule, where)
    _check_formulas(rule.torch, where.at("torch"))
    _check_formulas(rule.mindspore, where.at("mindspore"))
    _check_parameters(rule, where.at("parameters"))
    _check_templates(rule, where.at("write"))
    if rule.rows:
        _check_rows(rule, page.at("rows"))


def _check_needed(rule: Rule, where: Where, page: Where) -> None:
    """Demand what a rule of its kind, or with a strategy, cannot do without."""
    has = {
        "torch": rule.torch.api,
        "mindspore": rule.mindspore.api,
        "remedy": rule.remedy,
        "examples": rule.examples,
        "rows": rule.rows,
        "provenance": rule.provenance,
    }
    for key in NEEDED[rule.kind]:
        if not has[key]:
            where.at(key).fail(f"missing; a rule of kind '{rule.kind}' needs it")
    if rule.strategy is not None:
        for key in _PAGED:
            if not has[key]:
                page.at(key).fail("missing; a rule with a strategy needs it")
    if rule.kind is Kind.FUNCTION and not (rule.mindspore.api or rule.write):
        where.at("mindspore").fail("missing; a function needs it, or [[write]]")
    is_given = rule.mindspore.api or rule.write or rule.in_place
    if rule.kind in (Kind.METHOD, Kind.ATTRIBUTE) and not is_given:
        where.at("write").fail(f"missing; a rule of kind '{rule.kind}' needs it, or [mindspore]")


def _check_names(rule: Rule, where: Where, page: Where) -> None:
    """Demand that every table speaks of parameters and inputs that there are."""
    for name in rule.values:
        _known(name, rule.torch.names, "torch", where.at("values", name))
    for i, limit in enumerate(rule.limits):
        for name in sorted(limit.when.names()):
            _known(name, rule.torch.names, "torch", where.at("limits", i, "when"))
    for refusal in rule.manual:
        for name in sorted(refusal.when.names()):
            _known(name, rule.torch.names, "torch", where.at("manual", refusal.when.text))
    for name in rule.drop:
        _known(name, rule.torch.names, "torch", where.at("drop", name))
    for name in rule.inputs:
        known = (*rule.torch.inputs, *rule.torch.names)
        _known(name, known, "torch", where.at("inputs", name))
    for name in rule.samples:
        _known(name, rule.torch.names, "torch", where.at("samples", name))
    for i, row in enumerate(rule.rows):
        here = page.at("rows", i)
        _known(row.torch, ("", *rule.torch.known(row.kind)), "torch", here.at("torch"))
        known = ("", *rule.mindspore.known(row.kind))
        _known(row.mindspore, known, "MindSpore", here.at("mindspore"))


def _known(name: str, known: tuple[str, ...], side: str, where: Where) -> None:
    if name not in known:
        where.fail(f"{name!r} is not in the {side} signature")


def _check_arguments(rule: Rule, where: Where) -> None:
    """Demand that every parameter of both sides is accounted for, where no code decides it."""
    listed = {**{new: old for old, new in rule.renames.items()}, **rule.conversions}
    used: set[str] = set()
    for name, text in listed.items():
        here = where.at("arguments", name)
        _known(name, rule.mindspore.names, "MindSpore", here)
        try:
            node = parse_expression(text)
        except ValueError as error:
            here.fail(str(error))
        for one in names_in(node):
            _known(one, rule.torch.names, "torch", here)
            used.add(one)
    if rule.kind not in _DECLARED or rule.strategy is not None or rule.write:
        return
    carried = rule.arguments
    for name in rule.torch.names:
        if name in rule.drop and name in used:
            where.at("drop", name).fail("[arguments] uses it")
        if name not in used and name not in carried and name not in rule.drop:
            where.at("torch", "signature").fail(
                f"nothing becomes of {name!r}: MindSpore has no such parameter; "
                "put it into [arguments] or [drop]"
            )
    for spec in rule.mindspore.parameters:
        if spec.required and spec.name not in carried:
            where.at("mindspore", "signature").fail(
                f"nothing gives {spec.name!r} a value: put it into [arguments]"
            )


def _check_formulas(side: Signature, where: Where) -> None:
    state = {name.rpartition(".")[2] for name in side.state}
    arguments = {*side.names, *side.inputs}
    known = arguments | state | {"training", "self"}
    _check_formula(side.computes, known, where.at("computes"))
    for name, text in side.state.items():
        _check_formula(text, set(side.names), where.at("state", name))
    for name in side.buffers:
        if name not in side.state:
            where.at("buffers").fail(f"{name!r} is not in [state]")


def _check_formula(text: str, known: set[str], where: Where) -> None:
    """Check the syntax of a formula, and that it speaks of what there is."""
    if not text:
        return
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError) as error:
        where.fail(f"not a formula: {getattr(error, 'msg', error)}")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    known = known | _WORDS | {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in names:
        if node.id not in known:
            where.fail(f"{node.id!r} is no parameter, no input and no state")


def _check_parameters(rule: Rule, where: Where) -> None:
    for old, new in rule.parameters.items():
        if rule.torch.state and old not in rule.torch.state:
            where.at(old).fail(f"{old!r} is not in [torch.state]")
        if new and rule.mindspore.state and new not in rule.mindspore.state:
            where.at(old).fail(f"{new!r} is not in [mindspore.state]")
    if rule.parameters:
        for name in rule.torch.state:
            if name not in rule.parameters:
                where.fail(f"lacks {name!r}, which is in [torch.state]")


def _check_templates(rule: Rule, where: Where) -> None:
    for i, write in enumerate(rule.write):
        _each(write.when.names(), rule.torch.names, where.at(i, "when"))
        try:
            fields = [name for _, name, _, _ in Formatter().parse(write.text) if name is not None]
            names = [name.removeprefix("*") for name in fields]  # `{*size}`: one after another
        except ValueError as error:
            where.at(i, "text").fail(f"not a template: {error}")
        _each(names, ("self", *rule.torch.names), where.at(i, "text"))
        try:
            ast.parse(write.text.format_map(dict.fromkeys(fields, "x")), mode="eval")
        except (SyntaxError, ValueError):
            where.at(i, "text").fail(f"not an expression: {write.text!r}")


def _each(names: Iterable[str], known: tuple[str, ...], where: Where) -> None:
    for name in sorted(names):
        _known(name, known, "torch", where)


def _check_rows(rule: Rule, where: Where) -> None:
    """Demand the whole table: numbered without a gap, every documented name in a row."""
    for kind in RowKind:
        numbers = [row.number for row in rule.rows if row.kind is kind]
        if numbers != list(range(1, len(numbers) + 1)):
            where.fail(f"the {kind} rows are numbered {numbers}, expected 1, 2, 3 and so on")
    for side, key in ((rule.torch, "torch"), (rule.mindspore, "mindspore")):
        written = {getattr(row, key) for row in rule.rows}
        for spec in side.parameters:
            if spec.name not in written and not spec.undocumented:
                where.fail(f"no row covers the {key} parameter {spec.name!r}")
        for name in side.inputs:
            if name not in written:
                where.fail(f"no row covers the {key} input {name!r}")
