"""The `full` format: each message with the source it is about, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapper.model.results import FileStatus, Status
from mapper.report.concise import failure, headline, remark
from mapper.report.excerpt import Source, excerpt, gutter
from mapper.report.sites import assumptions, is_listed, proof_text
from mapper.report.view import PLAIN, View
from mapper.report.visible import clipped, no_commands, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Run, Site


_MOST_LINES = 40  # of a rewritten call, so that one site does not fill the screen


def render(run: Run, view: View = PLAIN) -> str:
    """Return a block per failed file, site and note, with an empty line after each."""
    blocks = (block for file in run.files for block in _blocks(run, file, view))
    return no_commands("".join(f"{block}\n\n" for block in blocks))


def _blocks(run: Run, file: FileResult, view: View) -> Iterator[str]:
    if file.status is FileStatus.FAILED:
        yield failure(file, view)
    source = Source(file)
    for site in file.sites:
        if is_listed(run, site, verbose=view.verbose):
            yield "\n".join(_block(run, file, site, source, view))
    for note in file.notes:
        yield remark(file, note, view)


def _block(run: Run, file: FileResult, site: Site, source: Source, view: View) -> Iterator[str]:
    yield headline(file, site, view)
    yield from excerpt(source, site, view)
    for hint in _hints(run, site, view):
        yield f"{'':{gutter(site)}} = {hint}"


def _hints(run: Run, site: Site, view: View) -> Iterator[str]:
    if site.after is not None:
        written = "written" if run.is_written(site) or site.raises else "proposed"
        yield f"{view.paint(written, 'green')}: {_indented(site.after)}"
    if proof := proof_text(site.proof):
        yield f"{view.paint('proof', 'cyan')}: {proof}"
    for assumption in assumptions(site):
        yield f"{view.paint('holds if', 'yellow')}: {assumption}"
    if help_ := _help(run, site):
        yield f"{view.paint('help', 'cyan')}: {help_}"


def _help(run: Run, site: Site) -> str:
    if site.status is Status.MANUAL:
        return f"`tm2ms explain {visible(site.rule)}` shows what maps to what"
    if site.status is Status.UNSAFE and not run.is_written(site):
        return "check what it rests on, then run with `--unsafe` to have it written"
    if site.status is Status.SHAPE_ONLY:
        return "`--recipe exact` keeps the values too"
    return ""


def _indented(text: str) -> str:
    """Return a call as it is written, a call of several lines below its label."""
    lines = [visible(clipped(line, 1_000), keep="\t") for line in text.splitlines()]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = ["…"]
    return lines[0] if len(lines) == 1 else "".join(f"\n      {line}" for line in lines)
