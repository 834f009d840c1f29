"""What the migration does at the line where two versions of a model first differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.comparing.lines import Line, Told, line_of
from mapper.model.options import Options
from mapper.running.file import Task, process

if TYPE_CHECKING:
    from mapper.comparing.results import Culprit
    from mapper.model.results import Site


def told(before: Path, after: Path, first: Culprit | None) -> Told:
    """Return both lines of a culprit, and what `migrate` makes of torch's line.

    The file is migrated once more for that, in memory: whether MindSpore's line is what the tool
    writes tells a mistake of the tool from a change by hand.
    """
    if first is None:
        return Told()
    here = line_of(before, first.source, first.path)
    there = line_of(after, first.mindspore_source, first.path)
    return Told(here, there, tuple(_done(before, here, there)) if here else ())


def _done(root: Path, here: Line, there: Line | None) -> Iterator[str]:
    file = (root if root.is_dir() else root.parent) / here.file
    try:
        result = process(Task(str(file.resolve()), file.read_bytes()), Options())
    except OSError:
        return
    sites = [one for one in result.sites if here.number <= one.span.line <= here.end]
    for site in _outermost(sites):
        target = f" -> {site.target}" if site.target else ""
        yield f"{site.rule} {site.api}{target}, {site.status}"
        if site.message:
            yield f"  {site.message}"
        yield from (f"  assumes: {one}" for one in site.assumptions)
        if site.after and there and there.text and not _is_there(site.after, there.text):
            yield f"  tm2ms writes {_joined(site.after)}, which is not what stands in {there.place}"


def _outermost(sites: list[Site]) -> Iterator[Site]:
    """Return the sites that are in no other one: those of the layer, not of its arguments."""
    for one in sites:
        inside = (
            (other.span.line, other.span.column) <= (one.span.line, one.span.column)
            and (one.span.end_line, one.span.end_column)
            <= (other.span.end_line, other.span.end_column)
            for other in sites
            if other is not one
        )
        if not any(inside):
            yield one


def _is_there(text: str, line: str) -> bool:
    return "".join(text.split()) in "".join(line.split()) or line.endswith("…")


def _joined(text: str) -> str:
    return " ".join(text.split())
