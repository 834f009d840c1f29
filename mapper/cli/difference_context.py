"""Looks up what the migration does at the line where two versions of a model first differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.comparing.lines import Context, Line, line_of
from mapper.model.options import Options
from mapper.running.file import Task, process

if TYPE_CHECKING:
    from mapper.comparing.results import Culprit
    from mapper.model.results import Site


def context_of(before: Path, after: Path, first: Culprit | None) -> Context:
    """Return the lines that make the first layer that differs, and what `migrate` does there.

    The file is migrated once more, in memory: if MindSpore's line is not what the tool writes, it
    was changed by hand.
    """
    if first is None:
        return Context()
    here = line_of(before, first.source, first.path)
    there = line_of(after, first.mindspore_source, first.path)
    return Context(here, there, tuple(_done(before, here, there)) if here else ())


def _done(root: Path, here: Line, there: Line | None) -> Iterator[str]:
    """Yield in words what the migration does in the lines of torch's statement."""
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
    """Yield the sites that are inside no other: those of the layer, not of its arguments."""
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
    """Say whether a line holds a text, blanks aside; of a shortened line that is not known."""
    return "".join(text.split()) in "".join(line.split()) or line.endswith("…")


def _joined(text: str) -> str:
    return " ".join(text.split())
