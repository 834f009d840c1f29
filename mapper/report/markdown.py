"""The `markdown` format: a pull-request comment with what a person must do on top.

A comment may hold 65,536 characters, so the diff is left out first, then rows of the
tables, and a line says what is missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from mapper.model.results import FileStatus, Status
from mapper.report.diff import file_diff
from mapper.report.inventory import PAGE, Name, in_the_way, inventory
from mapper.report.sites import assumptions, each_site, message, note_location, position, proof_text
from mapper.report.summary import is_partial, verdict
from mapper.report.view import PLAIN, View
from mapper.report.visible import clipped, name, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mapper.model.results import FileResult, Note, Run, Site

_ROOM = 60_000  # characters: GitHub takes 65,536, and a workflow may add to them
# the characters with a meaning in Markdown, and `://`, of which GitHub makes links
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~!$]|:(?=//))")
T = TypeVar("T")
Row = tuple[str, ...]
Pair = tuple["FileResult", "Site"]
_LABELS = {
    Status.MIGRATED: "migrated: shape, values and parameters proved equal",
    Status.UNSAFE: "unsafe: a rewrite exists, but could be silently wrong",
    Status.SHAPE_ONLY: "shape-only: the shape is kept, the values are not",
    Status.MANUAL: "manual: needs a person",
    Status.UNCOVERED: "uncovered: no rule is there for it yet, or for what goes with it",
    Status.IGNORED: "ignored: switched off",
}


def render(run: Run, view: View = PLAIN) -> str:
    """Return the comment: verdict, figures, sites for people, written sites, diff."""
    left, done, rest = _sorted(run)
    failed = [file for file in run.files if file.status is FileStatus.FAILED]
    out = f"{_title(run)}\n\n{prose(verdict(run))}\n\n{_figures(run)}"
    out += _section("Needs a person", left, _todo_row, _TODO, _ROOM // 2)
    out += _section("Failed files", failed, _failure_row, ("file", "why"), _ROOM // 8)
    out += _left(run)
    for title, pairs in (("Written", done), ("Ignored", rest)):
        out += _folded(title, len(pairs), _list(pairs, _done_row, _DONE, (_ROOM - len(out)) // 2))
    remarks = [(file, note) for file in run.files for note in file.notes]
    notes = _list(remarks, _remark_row, ("where", "note"), (_ROOM - len(out)) // 2)
    out += _folded("Notes", len(remarks), notes)
    return out + _diff(run, _ROOM - len(out))


def _sorted(run: Run) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Return the sites left to people, those written, and the others."""
    left: list[Pair] = []
    done: list[Pair] = []
    rest: list[Pair] = []
    for file, site in each_site(run):
        kind = left if run.needs_person(site) else done if run.is_written(site) else rest
        kind.append((file, site))
    return left, done, rest


def _title(run: Run) -> str:
    counts = run.counts()
    if not counts["sites"]:
        return f"## tm2ms: no torch {'convolutions ' if is_partial(run) else ''}found"
    what = "convolutions" if is_partial(run) else "torch references"
    return f"## tm2ms: {counts['migrated']} of {counts['sites']} {what} migrated"


def _left(run: Run) -> str:
    """Return what keeps the files from being whole, and the names that have no rule yet."""
    found = inventory(run)
    if not found.files:
        return ""
    out = f"{found.whole} of {found.files} files with torch in them are whole.\n\n"
    open_ = [file for file in run.files if file.sites and file.whole is False]

    def row(file: FileResult) -> Row:
        sites = in_the_way(run, file)
        shown = [f"line {position(site)} {code(one_line(site.before, 60))}" for site in sites[:10]]
        more = f"… and {len(sites) - 10} more" if len(sites) > 10 else ""
        return code(name(file.path)), str(len(sites)), "<br>".join([*shown, *filter(None, [more])])

    out += _folded(
        "Files that are not whole",
        len(open_),
        _list(open_, row, ("file", "in the way", "which"), _ROOM // 8),
    )
    table = _list(found.names, _name_row, _NAMES, _ROOM // 8)
    if table:
        table += f"Counterparts are those of [MindSpore's mapping table]({PAGE}).\n\n"
    return out + _folded("Names without a rule", len(found.names), table)


def _name_row(one: Name) -> Row:
    return code(one.api), code(one.target or ""), *map(str, (one.sites, one.files, one.alone))


def _figures(run: Run) -> str:
    counts = run.counts()
    if not counts["sites"]:
        return ""
    rows = [(_LABELS[s], counts[s.replace("-", "_")]) for s in Status]
    return _table(("status", "sites"), [(label, str(count)) for label, count in rows if count])


def _failure_row(file: FileResult) -> Row:
    return code(name(file.path)), prose(clipped(file.reason, 500))


def _remark_row(pair: tuple[FileResult, Note]) -> Row:
    return code(note_location(*pair)), prose(clipped(pair[1].message, 500))


_TODO = ("where", "call", "why, and what to do")
_NAMES = ("torch", "counterpart", "sites", "files", "alone in")
_DONE = ("where", "before", "after", "proof")


def _todo_row(pair: Pair) -> Row:
    file, site = pair
    words = [f"**{site.status}** {prose(message(site))}"]
    words += [f"holds if: {prose(assumption)}" for assumption in assumptions(site)]
    return _where(file, site), code(one_line(site.before, 500)), "<br>".join(words)


def _done_row(pair: Pair) -> Row:
    file, site = pair
    words = [prose(proof_text(site.proof) or message(site))]
    words += [f"holds if: {prose(assumption)}" for assumption in assumptions(site)]
    if site.status is Status.SHAPE_ONLY:
        words.insert(0, f"**shape-only** {prose(message(site))}")
    return (
        _where(file, site),
        code(one_line(site.before, 500)),
        code(one_line(site.after or "", 500)),
        "<br>".join(words),
    )


def _where(file: FileResult, site: Site) -> str:
    return f"{code(f'{name(file.path)}:{position(site)}')} {prose(site.rule)}"


def _section(title: str, items: list[T], row: Callable[[T], Row], head: Row, room: int) -> str:
    if not items:
        return ""
    return f"### {title} ({len(items)})\n\n{_list(items, row, head, room)}"


def _list(items: list[T], row: Callable[[T], Row], head: Row, room: int) -> str:
    """Return a table of the items that fit into the room, and say how many did not."""
    rows: list[Row] = []
    for item in items:
        cells = row(item)
        room -= sum(map(len, cells)) + 3 * len(head)
        if room < 0:
            break
        rows.append(cells)
    table = _table(head, rows) if rows else ""
    missing = len(items) - len(rows)
    return table + (
        f"… and {missing} more; the html and json reports carry them all.\n\n" if missing else ""
    )


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _folded(title: str, count: int, body: str) -> str:
    if not body:
        return ""
    label = f"{title} ({count})" if count else title
    return f"<details><summary>{label}</summary>\n\n{body}</details>\n\n"


def _diff(run: Run, room: int) -> str:
    """Return the diff in a fence that nothing in it can close."""
    text = "".join(file_diff(file) for file in run.files)
    if not text:
        return ""
    shown = "\n".join(visible(line.removesuffix("\r"), keep="\t") for line in text.split("\n"))
    if len(shown) > room:
        lines = text.count("\n")
        return f"The diff ({lines} lines) is too long for a comment: `tm2ms migrate --diff`.\n"
    fence = "`" * max(3, _longest_run(shown) + 1)
    return _folded("Diff", 0, f"{fence}diff\n{shown}{fence}\n\n")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def code(text: str) -> str:
    """Return a code span for a table cell: literal, no mentions, no links, on one line."""
    shown = visible(text).replace("|", "\\|")
    if not shown.strip():
        return ""
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def prose(text: str) -> str:
    """Return words in which Markdown, HTML, mentions and references mean nothing.

    Code spans (`` `x` ``) are kept: inside them nothing else means anything.
    """
    parts = re.split(r"(?<!`)`([^`]+)`(?!`)", visible(text))
    return "".join(code(part) if odd % 2 else _escaped(part) for odd, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = _SPECIAL.sub(r"\\\1", text.replace("&", "&amp;"))
    text = text.replace("<", "&lt;").replace(">", "&gt;").replace("www.", "www\\.")
    return text.replace("@", "@<!-- -->").replace("#", "#<!-- -->")
