"""The summary on stderr: one line with the verdict, and the counts per rule for `--statistics`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mapper.model.results import FileStatus, Status
from mapper.report.inventory import inventory
from mapper.report.sites import each_site
from mapper.report.view import PLAIN, View
from mapper.report.visible import name, visible

if TYPE_CHECKING:
    from mapper.model.results import Run


def verdict(run: Run, view: View = PLAIN, *, dry: bool = False) -> str:
    """Return the run in one line; `dry` where nothing was written (`--check`, `--diff`)."""
    counts = run.counts()
    files = [_plural(counts["files"], "file")]
    if counts["changed"]:
        files.append(f"{counts['changed']} {'would change' if dry else 'changed'}")
    if counts["failed"]:
        files.append(view.paint(f"{counts['failed']} failed", "bold red"))
    if counts["whole"]:
        files.append(view.paint(f"{counts['whole']} whole", "green"))
    sites = ", ".join(_sites(run, view)) if counts["sites"] else _nothing(run)
    said = f"{', '.join(files)}: {sites}" if sites else ", ".join(files)
    return f"{said}; {_seconds(run.seconds)}"


def is_partial(run: Run) -> bool:
    """Say whether only convolutions were looked for."""
    return any(file.whole is None and file.status is not FileStatus.FAILED for file in run.files)


def _nothing(run: Run) -> str:
    """Say that nothing was found, where every file was looked at."""
    if any(file.status is FileStatus.FAILED for file in run.files):
        return ""
    return "no torch convolutions" if is_partial(run) else "no torch"


def changes(run: Run, *, dry: bool = False) -> str:
    """Return a line for each file that changes: how many of its sites are written."""
    word = "would change" if dry else "changed"
    return "".join(
        f"{word} {name(file.path)}: {sum(map(run.is_written, file.sites))} of {len(file.sites)}\n"
        for file in run.files
        if file.status is FileStatus.CHANGED
    )


def _sites(run: Run, view: View) -> list[str]:
    """Return the figures about sites, those that are zero left out."""
    counts = run.counts()
    out = [_found(run) if is_partial(run) else _plural(counts["sites"], "torch reference")]
    if counts["migrated"]:
        out.append(view.paint(f"{counts['migrated']} migrated", "green") + _proofs(run))
    if counts["shape_only"]:
        out.append(view.paint(f"{counts['shape_only']} shape-only", "yellow"))
    if written := sum(
        site.status is Status.UNSAFE and run.is_written(site) for _, site in each_site(run)
    ):
        out.append(view.paint(f"{written} unsafe written", "yellow"))
    if persons := _persons(run):
        out.append(view.paint(persons, "bold red"))
    if counts["uncovered"]:
        out.append(f"{counts['uncovered']} without a rule")
    if counts["ignored"]:
        out.append(f"{counts['ignored']} ignored")
    return out


def _found(run: Run) -> str:
    """Return how many convolutions there are, and how often one is only named: in a type test."""
    named = sum(site.before.rpartition(".")[2].isidentifier() for _, site in each_site(run))
    calls = run.counts()["sites"] - named
    others = _plural(named, "mention" if calls else "mention of a convolution")
    if not calls and named > 1:
        others = f"{named} mentions of convolutions"
    return " and ".join([_plural(calls, "convolution")] * bool(calls) + [others] * bool(named))


def _proofs(run: Run) -> str:
    kinds = Counter(site.proof.kind for _, site in each_site(run) if site.status is Status.MIGRATED)
    words = {"exact": "by numbers", "sampled": "by samples", "rule": "by rule"}
    known = [f"{kinds[kind]} {words[kind]}" for kind in words if kinds[kind]]
    return f" ({', '.join(known)})" if known else ""


def _persons(run: Run) -> str:
    """Return how many sites are left to people; those that `--unsafe` would write are named."""
    left = [site.status for _, site in each_site(run) if run.needs_person(site)]
    if not left:
        return ""
    unsafe = left.count(Status.UNSAFE)
    tail = f" ({unsafe} of them --unsafe would write)" if unsafe else ""
    return f"{len(left)} need{'s' if len(left) == 1 else ''} a person{tail}"


def statistics(run: Run) -> str:
    """Return a table of the sites per rule and status, the most frequent rule first."""
    counts: dict[tuple[str, str], Counter[Status]] = {}
    for _, site in each_site(run):
        key = visible(site.rule), visible(site.api)
        counts.setdefault(key, Counter())[site.status] += 1
    if not counts:
        return ""
    order = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [["rule", "api", "sites", *(str(status) for status in Status)]]
    rows += [
        [*key, *(str(figure) for figure in (count.total(), *(count[s] for s in Status)))]
        for key, count in order
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(f"{_row(row, widths)}\n" for row in rows) + _names(run)


def _names(run: Run) -> str:
    """Return a table of the torch names without a rule, those in most files first."""
    found = inventory(run)
    if not found.names:
        return ""
    rows = [["without a rule", "MindSpore's table names", "sites", "files", "alone in"]]
    rows += [
        [visible(one.api), visible(one.target or ""), *map(str, (one.sites, one.files, one.alone))]
        for one in found.names
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n" + "".join(f"{_row(row, widths)}\n" for row in rows)


def _row(row: list[str], widths: list[int]) -> str:
    """Return one line of the table: words to the left, figures to the right."""
    cells = [
        f"{cell:<{width}}" if index < 2 else f"{cell:>{width}}"
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _seconds(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
