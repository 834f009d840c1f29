"""What every format asks about a site: where it is, who must look at it, how it was proved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapper.model.results import Status
from mapper.report.visible import clipped, name, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Note, Proof, Run, Site


def each_site(run: Run) -> Iterator[tuple[FileResult, Site]]:
    """Yield every site of the run with its file."""
    for file in run.files:
        for site in file.sites:
            yield file, site


def is_listed(run: Run, site: Site, *, verbose: bool) -> bool:
    """Tell whether the formats for people show this site.

    A shape-only rewrite is always shown: it computes something else than torch did.
    """
    return verbose or run.needs_person(site) or site.status is Status.SHAPE_ONLY


def location(file: FileResult, site: Site) -> str:
    """Return `path:line:column`, or `path:cell N:line:column` (counted from 1) in a notebook."""
    return f"{name(file.path)}:{position(site)}"


def position(site: Site) -> str:
    """Return `line:column`, after the notebook's cell where there is one."""
    return f"{_cell(site.cell)}{site.span.line}:{site.span.column}"


def note_location(file: FileResult, note: Note) -> str:
    """Return where a remark belongs, in the form of a site's location."""
    return f"{name(file.path)}:{_cell(note.cell)}{note.line}:1"


def _cell(cell: int | None) -> str:
    return "" if cell is None else f"cell {cell + 1}:"


def message(site: Site) -> str:
    """Return the site's message on one line, or what happened where there is none."""
    if site.message:
        return clipped(visible(clipped(site.message, 2_000)), 2_000)
    if site.after is not None and site.target:
        return visible(f"{site.api} becomes {site.target}")
    return visible(site.api)


def assumptions(site: Site) -> list[str]:
    """Return what the rewrite rests on, each on one line."""
    return [clipped(visible(clipped(text, 500)), 500) for text in site.assumptions]


def proof_text(proof: Proof) -> str:
    """Return the evidence in words, or an empty string where there is none."""
    if proof.kind == "none":
        return ""
    if not proof.cases:
        return f"by {visible(proof.kind)}"
    words = [visible(proof.kind), f"{proof.cases} case{'' if proof.cases == 1 else 's'}"]
    if proof.input_shape is not None and proof.output_shape is not None:
        words.append(f"{proof.input_shape} → {proof.output_shape}")
    if proof.max_abs_error is not None:
        words.append(f"largest error {error_text(proof.max_abs_error)}")
    return ", ".join(words)


def error_text(error: float) -> str:
    """Return an error with no more digits than it means."""
    return "0" if error == 0 else f"{error:.2g}"


def finite(error: float | None) -> float | None:
    """Return the error where JSON has a number for it."""
    return error if error is not None and math.isfinite(error) else None
