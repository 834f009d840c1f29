"""The `concise` format: one line per site that needs a person, as editors and grep like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapper.model.results import FileStatus, Status
from mapper.report.sites import is_listed, location, message, note_location
from mapper.report.view import PLAIN, View
from mapper.report.visible import name, no_commands, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Note, Run, Site

STYLES = {
    Status.MIGRATED: "green",
    Status.UNSAFE: "yellow",
    Status.SHAPE_ONLY: "yellow",
    Status.MANUAL: "red",
    Status.UNCOVERED: "dim",
    Status.IGNORED: "dim",
}


def render(run: Run, view: View = PLAIN) -> str:
    """Return one line per failed file, site and note."""
    lines = (line for file in run.files for line in _lines(run, file, view))
    return no_commands("".join(f"{line}\n" for line in lines))


def _lines(run: Run, file: FileResult, view: View) -> Iterator[str]:
    if file.status is FileStatus.FAILED:
        yield failure(file, view)
    for site in file.sites:
        if is_listed(run, site, verbose=view.verbose):
            yield headline(file, site, view)
    for note in file.notes:
        yield remark(file, note, view)


def headline(file: FileResult, site: Site, view: View) -> str:
    """Return `path:line:column: RULE [status] message`."""
    status = view.paint(f"[{site.status}]", STYLES[site.status])
    rule = view.paint(visible(site.rule), "bold red")
    return f"{view.paint(location(file, site), 'bold')}: {rule} {status} {message(site)}"


def failure(file: FileResult, view: View) -> str:
    """Return `path:line:column: [failed] reason` of a file that was not read, parsed or written."""
    status = view.paint("[failed]", "bold red")
    place = f":{file.line}:{file.column or 1}" if file.line else ""
    where = view.paint(f"{name(file.path)}{place}", "bold")
    return f"{where}: {status} {visible(file.message or 'failed')}"


def remark(file: FileResult, note: Note, view: View) -> str:
    """Return the line of a remark that is not about a site."""
    where = view.paint(note_location(file, note), "bold")
    kind = view.paint("[error]", "bold red") if note.is_error else view.paint("[note]", "cyan")
    return f"{where}: {kind} {visible(note.message)}"
