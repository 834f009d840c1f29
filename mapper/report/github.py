"""The `github` format: workflow commands that become annotations on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapper.model.results import FileStatus, Status
from mapper.report.sites import assumptions, message, position
from mapper.report.view import PLAIN, View
from mapper.report.visible import one_line, posix, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Run, Site

LEVELS = {
    Status.MANUAL: "error",
    Status.UNCOVERED: "notice",
    Status.UNSAFE: "warning",
    Status.SHAPE_ONLY: "warning",
    Status.MIGRATED: "notice",
    Status.IGNORED: "notice",
}


def render(run: Run, view: View = PLAIN) -> str:
    """Return one workflow command per failed file, site and note."""
    return "".join(f"{line}\n" for file in run.files for line in _lines(file))


def _lines(file: FileResult) -> Iterator[str]:
    if file.status is FileStatus.FAILED:
        where = {"line": f"{file.line}", "col": f"{file.column or 1}"} if file.line else {}
        yield _command("error", {"file": posix(file.path), **where, "title": "tm2ms"}, _said(file))
    for site in file.sites:
        yield _command(LEVELS[site.status], _properties(file, site), _text(site))
    for note in file.notes:
        where = {"file": posix(file.path), "line": "1" if note.cell is not None else f"{note.line}"}
        yield _command(
            "error" if note.is_error else "notice",
            {**where, "title": "tm2ms"},
            visible(note.message),
        )


def _said(file: FileResult) -> str:
    return visible(file.message or "failed")


def _properties(file: FileResult, site: Site) -> dict[str, str]:
    """Return where the annotation belongs.

    Lines inside a notebook's cell are not lines of the file, so these point at its first line;
    columns are only taken by the service for spans within one line.
    """
    where = {"file": posix(file.path), "line": "1"}
    if site.cell is None:
        span = site.span
        where |= {"line": f"{span.line}", "endLine": f"{span.end_line}"}
        if span.line == span.end_line:
            where |= {"col": f"{span.column}", "endColumn": f"{span.end_column}"}
    return {**where, "title": f"tm2ms {site.rule} [{site.status}]"}


def _text(site: Site) -> str:
    where = "" if site.cell is None else f"{position(site)}: "
    lines = [f"{where}{message(site)}"]
    if site.after is not None:
        lines.append(f"{one_line(site.before)} → {one_line(site.after)}")
    lines += [f"holds if: {assumption}" for assumption in assumptions(site)]
    return "\n".join(lines)


def _command(level: str, properties: dict[str, str], text: str) -> str:
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {said}::{_data(text)}"


def _data(text: str) -> str:
    shown = visible(text, keep="\r\n")
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
