"""The `markdown` format: a pull-request comment with what a person must do on top.

A comment may hold 65,536 characters, so the diff, then the tables, give way to a word on what
was left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mapper.outcome import FileStatus, Status
from mapper.report.diff import file_diff
from mapper.report.sites import each_site, is_written, message, needs_person, position, proof_text
from mapper.report.summary import verdict
from mapper.report.view import PLAIN, View
from mapper.report.visible import name, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mapper.outcome import FileResult, Run, Site

_ROOM = 60_000
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~!$]|:(?=[\w/:]))")
_LABELS = {
    Status.MIGRATED: "migrated: shape, values and parameters proved equal",
    Status.UNSAFE: "unsafe: a rewrite exists, but could be silently wrong",
    Status.SHAPE_ONLY: "shape-only: the shape is kept, the values are not",
    Status.MANUAL: "manual: needs a person",
    Status.IGNORED: "ignored: switched off",
}


def render(run: Run, view: View = PLAIN) -> str:
    """Return the comment: verdict, figures, sites for people, written sites, diff."""
    out = f"{_title(run)}\n\n{prose(verdict(run))}\n\n"
    out += _figures(run) + _failures(run.files)
    left, done, rest = _sorted(run)
    out += _section(f"### Needs a person ({len(left)})\n\n", left, _todo_row, _ROOM // 2, _TODO)
    for title, pairs in (("Written", done), ("Ignored", rest)):
        table = _section("", pairs, _done_row, (_ROOM - len(out)) // 2, _DONE)
        out += _folded(f"{title} ({len(pairs)})", table) if table else ""
    out += _remarks(run.files)
    return out + _diff(run, _ROOM - len(out))


def _sorted(run: Run) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Return the sites left to people, those written, and the others."""
    left: list[Pair] = []
    done: list[Pair] = []
    rest: list[Pair] = []
    for file, site in each_site(run):
        kind = left if needs_person(run, site) else done if is_written(run, site) else rest
        kind.append((file, site))
    return left, done, rest


def _title(run: Run) -> str:
    counts = run.counts()
    if not counts["sites"]:
        return "## tm2ms: no torch convolutions found"
    return f"## tm2ms: {counts['migrated']} of {counts['sites']} convolutions migrated"


def _figures(run: Run) -> str:
    counts = run.counts()
    if not counts["sites"]:
        return ""
    rows = [(_LABELS[s], counts[s.replace("-", "_")]) for s in Status]
    return _table(("status", "sites"), [(label, str(count)) for label, count in rows if count])


def _failures(files: Iterable[FileResult]) -> str:
    failed = [file for file in files if file.status is FileStatus.FAILED]
    if not failed:
        return ""
    rows = [(code(name(file.path)), prose(file.message or "failed")) for file in failed]
    return f"### Failed files ({len(failed)})\n\n" + _table(("file", "why"), rows)


def _remarks(files: Iterable[FileResult]) -> str:
    lines = [
        f"- {code(f'{name(file.path)}:{note.line}')}: {prose(note.message)}\n"
        for file in files
        for note in file.notes
    ]
    return _folded(f"Notes ({len(lines)})", "".join(lines) + "\n") if lines else ""


Pair = tuple["FileResult", "Site"]
_TODO = ("where", "call", "why, and what to do")
_DONE = ("where", "before", "after", "proof")


def _todo_row(pair: Pair) -> tuple[str, ...]:
    file, site = pair
    words = [f"**{site.status}** {prose(message(site))}"]
    words += [f"holds if: {prose(assumption)}" for assumption in site.assumptions]
    return _where(file, site), code(one_line(site.before)), "<br>".join(words)


def _done_row(pair: Pair) -> tuple[str, ...]:
    file, site = pair
    words = [prose(proof_text(site.proof) or message(site))]
    words += [f"holds if: {prose(assumption)}" for assumption in site.assumptions]
    if site.status is Status.SHAPE_ONLY:
        words.insert(0, f"**shape-only** {prose(message(site))}")
    return (
        _where(file, site),
        code(one_line(site.before)),
        code(one_line(site.after or "")),
        "<br>".join(words),
    )


def _where(file: FileResult, site: Site) -> str:
    return f"{code(f'{name(file.path)}:{position(site)}')} {prose(site.rule)}"


def _section(
    title: str,
    pairs: list[Pair],
    row: Callable[[Pair], tuple[str, ...]],
    room: int,
    head: tuple[str, ...],
) -> str:
    """Return a table of the sites that fit into the room, and say how many did not."""
    rows, used = [], 0
    for pair in pairs:
        rows.append(row(pair))
        used += sum(map(len, rows[-1])) + 3 * len(head)
        if used > room:
            rows.pop()
            break
    if not pairs:
        return ""
    missing = len(pairs) - len(rows)
    more = f"… and {missing} more; the html and json reports carry them all.\n\n" if missing else ""
    return title + (_table(head, rows) if rows else "") + more


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}</details>\n\n"


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
    return _folded("Diff", f"{fence}diff\n{shown}{fence}\n\n")


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
