"""`tm2ms explain` and `tm2ms rules`: finding a rule by a name, and the database as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapper.cli.pages import index, page
from mapper.rulebook.conditions import Condition, Version, VersionRange
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Verdict
from mapper.rulebook.selection import SelectionError, names

if TYPE_CHECKING:
    from mapper.rulebook.schema import Rule


def explain(name: str) -> str:
    """Return the page of a rule by its id, a torch name in any spelling or a MindSpore name.

    Raises:
        SelectionError: the name means no rule, or more than one.
    """
    return page(find(name))


def find(name: str) -> Rule:
    """Return the one rule that a name means."""
    book = load()
    exact = book.by_id(name.upper()) or _by_target(name)
    if exact is not None:
        return exact
    (meant,) = names(book, [name])
    rules = [
        rule for rule in book.rules if rule.torch.api and _means(rule, meant.prefix, meant.api)
    ]
    if len(rules) > 1:
        listed = ", ".join(rule.id for rule in rules)
        raise SelectionError(f"{name!r} is the beginning of several: {listed}")
    return rules[0]


def _means(rule: Rule, prefix: str, api: str) -> bool:
    return api in rule.torch.spellings if api else rule.id.startswith(prefix)


def _by_target(name: str) -> Rule | None:
    """Return the first rule whose MindSpore side has that name."""
    named = (rule for rule in load().rules if name and rule.mindspore.api == name)
    return next(named, None)


def write_pages(directory: Path) -> list[Path]:
    """Write every page and the index into a directory; a page of no rule any more goes.

    Returns:
        the files that have changed.
    """
    wanted = all_pages()
    directory.mkdir(parents=True, exist_ok=True)
    gone = [file for file in directory.glob("TM*.md") if file.name not in wanted]
    for file in gone:
        file.unlink()
    changed = []
    for name, text in wanted.items():
        file = directory / name
        if not file.exists() or file.read_bytes() != text.encode():
            file.write_bytes(text.encode())
            changed.append(file)
    return gone + changed


def all_pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    rules = load().rules
    return {**{f"{rule.id}.md": page(rule) for rule in rules}, "README.md": index(rules)}


# --- the database as a table --------------------------------------------------------------------

_HEAD = ("rule", "kind", "PyTorch", "MindSpore", "confirmed", "contradicted")


def table() -> str:
    """Return a line per rule, in columns."""
    return "".join(f"{line}\n" for line in _aligned([_HEAD, *_rows()]))


def print_table() -> None:
    """Print the same to a terminal, which folds long names where it is narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in _HEAD[:-2]:
        drawn.add_column(column, overflow="fold")
    for column in ("con-\nfirmed", "contra-\ndicted"):  # so that 80 columns hold most names
        drawn.add_column(column, justify="right")
    for row in _rows():
        drawn.add_row(*row)
    Console(markup=False, highlight=False).print(drawn)


def _rows() -> list[tuple[str, ...]]:
    return [tuple(map(str, _row(rule))) for rule in load().rules]


def _row(rule: Rule) -> tuple[object, ...]:
    statements = rule.verdicts()
    sides = rule.torch.api or "-", rule.mindspore.api or "-"
    return (rule.id, rule.kind, *sides, *(statements.count(verdict) for verdict in Verdict))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 2
    return [
        "  ".join(
            f"{cell:>{width}}" if at >= last else f"{cell:<{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def as_json() -> str:
    """Return the whole database for machines: what the rule files hold."""
    return json.dumps([_plain(rule) for rule in load().rules], indent=2, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    """Return a rule's parts as JSON has them."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Condition):
        return value.text
    if isinstance(value, Version | VersionRange):
        return str(value)
    if is_dataclass(value):
        parts = [(spec.metadata, spec.name, getattr(value, spec.name)) for spec in fields(value)]
        return {
            name: _plain(item)
            for how, name, item in parts
            if not how.get("omit") and (item or not how.get("omit_when_empty"))
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
