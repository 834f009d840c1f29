"""The `gitlab` format: a code-quality report for merge requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mapper.model.results import FileStatus, Status
from mapper.report.fingerprint import digest, fingerprints
from mapper.report.sites import message, position
from mapper.report.view import PLAIN, View
from mapper.report.visible import json_text, posix, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Run, Site

SEVERITIES = {
    Status.MANUAL: "major",
    Status.UNCOVERED: "info",
    Status.UNSAFE: "major",
    Status.SHAPE_ONLY: "minor",
    Status.MIGRATED: "info",
    Status.IGNORED: "info",
}

Values = dict[str, Any]


def render(run: Run, view: View = PLAIN) -> str:
    """Return the findings as one JSON array."""
    return json_text([issue for file in run.files for issue in _issues(file)]) + "\n"


def _issues(file: FileResult) -> Iterator[Values]:
    path = posix(file.path)
    if file.status is FileStatus.FAILED:
        text, line = visible(file.message or "failed"), file.line or 1
        yield _issue("tm2ms", text, digest(path, text), "critical", _lines(path, line, line))
    for site, fingerprint in zip(file.sites, fingerprints(file), strict=True):
        severity = SEVERITIES[site.status]
        yield _issue(site.rule, _text(site), fingerprint, severity, _place(path, site))
    for index, note in enumerate(file.notes):
        line = note.line if note.cell is None else 1
        name = digest(path, note.message, str(index))
        severity = "blocker" if note.is_error else "info"
        yield _issue("tm2ms", visible(note.message), name, severity, _lines(path, line, line))


def _issue(check: str, text: str, fingerprint: str, severity: str, place: Values) -> Values:
    return {
        "description": text,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": place,
    }


def _text(site: Site) -> str:
    where = "" if site.cell is None else f"{position(site)}: "
    return f"{where}[{site.status}] {message(site)}"


def _place(path: str, site: Site) -> Values:
    """Return the site's place; lines of a notebook's cell are not lines of the file."""
    if site.cell is not None:
        return _lines(path, 1, 1)
    span = site.span
    return {
        "path": path,
        "positions": {
            "begin": {"line": span.line, "column": span.column},
            "end": {"line": span.end_line, "column": span.end_column},
        },
    }


def _lines(path: str, begin: int, end: int) -> Values:
    return {"path": path, "lines": {"begin": begin, "end": end}}
