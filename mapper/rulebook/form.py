"""A rule file as it is written, and the `Rule` that it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace

from mapper.model.record import record
from mapper.rulebook.conditions import Condition, Version
from mapper.rulebook.schema import (
    Claim,
    Earlier,
    Example,
    Group,
    Kind,
    Limit,
    MindSporeSide,
    ParameterSpec,
    Provenance,
    Raise,
    Refusal,
    Row,
    Rule,
    Strategy,
    TorchSide,
    ValueMap,
    Write,
)
from mapper.rulebook.signatures import default_value, parse_signature
from mapper.rulebook.tables import Where

_MAY_BE_EMPTY = {"may_be_empty": True}


@record(frozen=True, slots=True)
class TorchTable:
    """`[torch]`."""

    api: str
    aliases: tuple[str, ...] = ()
    signature: str = ""
    inputs: str = ""
    computes: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    buffers: tuple[str, ...] = ()
    undocumented: tuple[str, ...] = ()
    rank: int = 0


@record(frozen=True, slots=True)
class MindSporeTable:
    """`[mindspore]`."""

    api: str
    signature: str = ""
    inputs: str = ""
    computes: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    buffers: tuple[str, ...] = ()
    undocumented: tuple[str, ...] = ()
    since: Mapping[str, Version] = field(default_factory=dict)
    earlier: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@record(frozen=True, slots=True)
class RuleFile:
    """`conv2d.toml`: all that decides."""

    id: str
    kind: Kind
    summary: str = ""
    strategy: Strategy | None = None
    group: Group | None = None
    remedy: str = ""
    in_place: bool = False
    torch: TorchTable | None = None
    mindspore: MindSporeTable | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, ValueMap] = field(default_factory=dict)
    manual: Mapping[str, str] = field(default_factory=dict)
    drop: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict, metadata=_MAY_BE_EMPTY)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    samples: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    write: tuple[Write, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    examples: tuple[Example, ...] = ()


@record(frozen=True, slots=True)
class PageFile:
    """`conv2d.doc.toml`: what the documents say and what was measured, for the page."""

    evidence: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    claims: tuple[Claim, ...] = ()
    raises: tuple[Raise, ...] = ()
    provenance: tuple[Provenance, ...] = ()


def rule_of(form: RuleFile, where: Where) -> Rule:
    """Return the rule that a file means, without its page's material."""
    torch = _torch(form.torch, where.at("torch")) if form.torch else TorchSide("")
    mindspore = (
        _mindspore(form.mindspore, where.at("mindspore")) if form.mindspore else MindSporeSide("")
    )
    renames: dict[str, str] = {}
    conversions = dict(form.arguments)
    for new, text in form.arguments.items():
        if text.isidentifier() and text in torch.names and text != new and text not in renames:
            renames[text] = new
            del conversions[new]
    return Rule(
        id=form.id,
        kind=form.kind,
        summary=form.summary or _summary(torch.api, mindspore.api),
        strategy=form.strategy,
        remedy=form.remedy,
        torch=torch,
        mindspore=mindspore,
        renames=renames,
        values=form.values,
        limits=form.limits,
        examples=form.examples,
        file=where.file,
        conversions=conversions,
        manual=tuple(_refusals(form.manual, where.at("manual"))),
        drop=form.drop,
        parameters=form.parameters,
        inputs=form.inputs,
        samples=form.samples,
        write=form.write,
        methods=form.methods,
        in_place=form.in_place,
        named_group=form.group,
    )


def with_page(rule: Rule, page: PageFile, where: Where) -> Rule:
    """Return the rule with its page's material; `@name` in evidence stands for a named one."""
    evidence: dict[str, str] = {}

    def whole(text: str, here: Where) -> str:
        def named(match: re.Match[str]) -> str:
            if match[1] not in evidence:
                here.fail(f"no [evidence] above is named {match[1]!r}")
            return evidence[match[1]]

        return re.sub(r"@(\w+)", named, text)

    for name, text in page.evidence.items():
        evidence[name] = whole(text, where.at("evidence", name))

    return replace(
        rule,
        rows=tuple(
            replace(one, evidence=whole(one.evidence, where.at("rows", i, "evidence")))
            for i, one in enumerate(page.rows)
        ),
        claims=tuple(
            replace(one, evidence=whole(one.evidence, where.at("claims", i, "evidence")))
            for i, one in enumerate(page.claims)
        ),
        raises=tuple(
            replace(one, evidence=whole(one.evidence, where.at("raises", i, "evidence")))
            for i, one in enumerate(page.raises)
        ),
        provenance=page.provenance,
    )


def _summary(torch: str, mindspore: str) -> str:
    return f"{torch} becomes {mindspore}." if torch and mindspore else f"{torch or mindspore}."


def _torch(table: TorchTable, where: Where) -> TorchSide:
    operands = _signature(table.inputs, where.at("inputs"))
    return TorchSide(
        api=table.api,
        parameters=_signature(table.signature, where.at("signature"), table.undocumented),
        inputs=tuple(one.name for one in operands),
        operands=_annotated(operands),
        computes=table.computes,
        state=table.state,
        buffers=table.buffers,
        spellings=(table.api, *table.aliases),
        rank=table.rank,
    )


def _mindspore(table: MindSporeTable, where: Where) -> MindSporeSide:
    """Return the MindSpore side that a table means."""
    operands = _signature(table.inputs, where.at("inputs"))
    try:
        earlier = {name: _earlier(olds) for name, olds in table.earlier.items()}
    except (ValueError, SyntaxError) as error:
        where.at("earlier").fail(str(error))
    return MindSporeSide(
        api=table.api,
        parameters=_signature(
            table.signature, where.at("signature"), table.undocumented, table.since, earlier
        ),
        inputs=tuple(one.name for one in operands),
        operands=_annotated(operands),
        computes=table.computes,
        state=table.state,
        buffers=table.buffers,
    )


def _signature(
    text: str,
    where: Where,
    undocumented: tuple[str, ...] = (),
    since: Mapping[str, Version] | None = None,
    earlier: Mapping[str, tuple[Earlier, ...]] | None = None,
) -> tuple[ParameterSpec, ...]:
    try:
        return parse_signature(text or "()", since, earlier, undocumented)
    except ValueError as error:
        where.fail(str(error))


def _annotated(operands: tuple[ParameterSpec, ...]) -> tuple[ParameterSpec, ...]:
    """Return the inputs as parameters where they say more than their names."""
    return operands if any(one.annotation for one in operands) else ()


def _earlier(olds: Mapping[str, str]) -> tuple[Earlier, ...]:
    """Read `{"<2.1" = "'normal'"}`: the default of the releases below."""
    found = []
    for key, text in olds.items():
        default = default_value(text)
        if not key.startswith("<") or default is None:
            raise ValueError(f"expected a table such as {{'<2.1' = \"'normal'\"}}, got {olds}")
        found.append(Earlier(Version.parse(key[1:]), default))
    return tuple(found)


def _refusals(manual: Mapping[str, str], where: Where) -> list[Refusal]:
    found = []
    for condition, text in manual.items():
        try:
            found.append(Refusal(Condition.parse(condition), text))
        except ValueError as error:
            where.at(condition).fail(str(error))
    return found
