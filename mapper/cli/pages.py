"""Writes the page of a rule, in Markdown.

Everything on it is from the rule file, but for the results of the examples, which are executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mapper.cli.examples import Result, execute_or_show
from mapper.model.results import Status
from mapper.rulebook.schema import Example, Verdict

if TYPE_CHECKING:
    from mapper.rulebook.schema import (
        Claim,
        Limit,
        MindSporeSide,
        ParameterSpec,
        Provenance,
        Raise,
        Row,
        Rule,
        TorchSide,
        ValueMap,
    )


def page(rule: Rule) -> str:
    """Return the page of one rule."""
    parts = [
        f"# {title(rule)}",
        _said(rule.summary),
        *_section("What to do", [_said(rule.remedy)] if rule.remedy else []),
        *_section("Signatures", _signatures(rule)),
        *_section("What is written", _examples(rule)),
        *_section("Difference table", _rows(rule)),
        *_section("Arguments", _arguments(rule)),
        *_section("Parameters and buffers", _state(rule)),
        *_section("What is computed", _formulas(rule)),
        *_section("Values", _values(rule)),
        *_section("Said elsewhere in the documents", [_claims(rule.claims)]),
        *_section("Documented errors", [_raises(rule.raises)]),
        *_section("Limits", [_limits(rule.limits)]),
        *_section("Provenance", [_provenance(rule.provenance)]),
    ]
    return "\n\n".join(parts) + "\n"


def index(rules: Iterable[Rule]) -> str:
    """Return the page that lists the others."""
    rows = [
        (f"[{rule.id}]({rule.id}.md)", *(_code(side.api) for side in (rule.torch, rule.mindspore)),
         _verdicts(rule), _said(rule.summary))
        for rule in rules
    ]  # fmt: skip
    head = ("rule", "PyTorch", "MindSpore", "statements", "what it does")
    lead = "Written by `tm2ms explain --write docs/rules`; every example is executed by it."
    return f"# The rules\n\n{lead}\n\n{_table(head, rows)}\n"


def title(rule: Rule) -> str:
    """Return the rule's id and both its APIs."""
    names = rule.torch.api, rule.mindspore.api or ("by hand" if rule.torch.api else "")
    return f"{rule.id}: {' → '.join(name for name in names if name)}"


def _verdicts(rule: Rule) -> str:
    found = rule.verdicts()
    figures = [f"{found.count(verdict)} {verdict}" for verdict in Verdict if verdict in found]
    return ", ".join(figures)


def _section(heading: str, paragraphs: Iterable[str]) -> Iterator[str]:
    filled = [paragraph for paragraph in paragraphs if paragraph]
    if filled:
        yield f"## {heading}"
        yield from filled


# --- both sides ---


def _signatures(rule: Rule) -> Iterator[str]:
    sides: list[TorchSide | MindSporeSide] = [rule.torch, rule.mindspore]
    blocks = [_signature(side) for side in sides if side.api and side.parameters]
    if blocks:
        yield "```python\n" + "\n\n".join(blocks) + "\n```"
    remarks = [
        f"- {_code(f'{side.api}.{spec.name}')}: {remark}"
        for side in sides
        for spec in side.parameters
        if (remark := _history(spec))
    ]
    yield "\n".join(remarks)
    if len(rule.torch.spellings) > 1:
        yield "Also written " + ", ".join(map(_code, rule.torch.spellings[1:])) + "."


def _signature(side: TorchSide | MindSporeSide) -> str:
    words = [_parameter(spec) for spec in side.parameters]
    only = [at for at, spec in enumerate(side.parameters) if spec.keyword_only]
    if only:
        words.insert(only[0], "*")
    lines = [f"    {word}," for word in words]
    call = f"{side.api}({', '.join(words)})"
    return call if len(call) <= 88 else "\n".join([f"{side.api}(", *lines, ")"])


def _parameter(spec: ParameterSpec) -> str:
    return spec.name if spec.required else f"{spec.name}={spec.default_text}"


def _history(spec: ParameterSpec) -> str:
    words = [f"since {spec.since}"] if spec.since else []
    words += [f"{_code(repr(old.default))} before {old.below}" for old in spec.earlier]
    words += ["not in the documents' table"] if spec.undocumented else []
    return ", ".join(words)


# --- what becomes of each argument ---


def _arguments(rule: Rule) -> Iterator[str]:
    """Yield what becomes of each argument; a strategy is code, and its page has a table instead."""
    if rule.strategy is not None:
        return
    lines = [
        f"- {_code(new)} is {_code(text)}"
        for new, text in rule.arguments.items()
        if new != text or new in rule.conversions
    ]
    lines += [f"- {_code(name)} is dropped: {_said(why)}" for name, why in rule.drop.items()]
    lines += [
        f"- left to a person when {_code(refusal.when.text)}: {_said(refusal.text)}"
        for refusal in rule.manual
    ]
    yield "\n".join(lines)
    yield "\n".join(_templates(rule))


def _templates(rule: Rule) -> Iterator[str]:
    for write in rule.write:
        when = "" if write.when.text == "always" else f" when {_code(write.when.text)}"
        yield f"- {_code(write.text)} is written{when}"


def _state(rule: Rule) -> Iterator[str]:
    if rule.parameters:
        rows = [(_code(old), _code(new) or "-") for old, new in rule.parameters.items()]
        yield _table(("PyTorch", "MindSpore"), rows)


def _formulas(rule: Rule) -> Iterator[str]:
    sides: list[TorchSide | MindSporeSide] = [rule.torch, rule.mindspore]
    yield "\n".join(f"- {_code(s.api)}: {_code(s.computes)}" for s in sides if s.computes)


# --- examples ---

_NAMES = (
    "`nn` is `torch.nn` before and `mindspore.nn` after, `F` is `torch.nn.functional` before and "
    "`mindspore.ops` after: the imports are rewritten too. Each call was migrated while this page "
    "was written."
)


def _examples(rule: Rule) -> Iterator[str]:
    shown = [
        _example(one) if isinstance(one, Result) else _as_written(one)
        for one in execute_or_show(rule)
    ]
    if shown:
        yield _NAMES
        yield from shown


def _as_written(example: Example) -> str:
    """Return an example that is not executed: what the rule says of it."""
    after = example.after or f"stays: {example.reason}"
    said = f"by the rule (not executed for this page): `{after}`"
    return f"```python\n{example.before}\n```\n{said}"


def _example(result: Result) -> str:
    site, example = result.site, result.example
    after = [f"+{line}" for line in (site.after or "").splitlines()]
    before = [("-" if after else " ") + line for line in example.before.splitlines()]
    body = "\n".join(["```diff", *before, *after, "```"])
    return f"{body}\n{_outcome(result)}"


def _outcome(result: Result) -> str:
    site, example = result.site, result.example
    words = f"**{site.status}**"
    if site.proof.kind != "none":
        words += f" ({site.proof.kind} proof)"
    asked = ["`--recipe table`"] if example.recipe != "exact" else []
    asked += [f"`--target-version {example.target}`"] if example.target else []
    asked += ["`--unsafe`"] if site.status is Status.UNSAFE else []
    if asked:
        words += f" with {' '.join(asked)}"
    if site.message:
        words += f": {_said(site.message)}"
    held = [f"- holds if: {_said(assumption)}" for assumption in site.assumptions]
    return "\n".join([words, *(["", *held] if held else [])])


# --- statements and their verdicts ---


def _rows(rule: Rule) -> Iterator[str]:
    if not rule.rows:
        return
    head = ("#", "PyTorch", "MindSpore", "the document says", "what is done", "verdict")
    yield _table(head, map(_row, rule.rows))
    yield "What was measured:"
    yield "\n".join(f"- {_number(row)} {_names(row)}: {_said(row.evidence)}" for row in rule.rows)


def _row(row: Row) -> tuple[str, ...]:
    says = _said(row.difference) + (f" ({_said(row.original)})" if row.original else "")
    sides = _code(row.torch) or "-", _code(row.mindspore) or "-"
    return (_number(row), *sides, says, str(row.action), _verdict(row.verdict))


def _number(row: Row) -> str:
    return f"{'input ' if row.kind == 'input' else ''}{row.number}"


def _names(row: Row) -> str:
    return " → ".join(_code(name) for name in dict.fromkeys((row.torch, row.mindspore)) if name)


def _verdict(verdict: Verdict) -> str:
    return "**contradicted**" if verdict is Verdict.CONTRADICTED else str(verdict)


def _values(rule: Rule) -> Iterator[str]:
    for name, values in rule.values.items():
        yield f"{_code(name)}:"
        yield _value_map(values)


def _value_map(values: ValueMap) -> str:
    lines = [f"- {_code(old)} becomes {_code(new)}" for old, new in values.map.items()]
    lines += [
        f"- {', '.join(map(_code, gone.values))} stays: {_said(gone.reason)}"
        for gone in values.unsupported
    ]
    return "\n".join(lines)


def _claims(claims: Iterable[Claim]) -> str:
    return "\n".join(
        f"- {_verdict(claim.verdict)}: “{_said(claim.text)}”"
        + (f" ({_said(claim.original)})" if claim.original else "")
        + f" {_said(claim.evidence)}"
        for claim in claims
    )


def _raises(raises: Iterable[Raise]) -> str:
    return "\n".join(
        f"- {_verdict(item.verdict)}: {_code(item.error)}, “{_said(item.text)}” "
        f"{_said(item.evidence)}"
        for item in raises
    )


def _limits(limits: Iterable[Limit]) -> str:
    return "\n".join(f"- {_where(limit)}: {_said(limit.text)} ({limit.source})" for limit in limits)


def _where(limit: Limit) -> str:
    words = [] if limit.device == "any" else [str(limit.device)]
    words += [f"MindSpore {limit.versions}"] if limit.versions else []
    words += [] if limit.when.text == "always" else [f"when {_code(limit.when.text)}"]
    done = "left to a person" if limit.effect == "manual" else "remarked"
    return f"{', '.join([*words, done]) if words else f'always {done}'}"


def _provenance(sources: Iterable[Provenance]) -> str:
    return "\n".join(
        f"- {source.document} ({source.branch}): {source.section}"
        + (f"; a copy is `tests/seeds/{source.seed}`" if source.seed else "")
        for source in sources
    )


# --- Markdown ---


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
                     for line in lines)  # fmt: skip


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _said(text: str) -> str:
    """Return a text on one line, with `*`, `_` and `<` escaped outside code spans."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        p if p.startswith("`") else re.sub(r"([*<]|(?<!\w)_)", r"\\\1", p) for p in parts
    )
