"""The `html` format: one self-contained page that asks nothing of the network.

Source text travels as JSON and is shown as text; a content policy that names the page's own
script and style by hash keeps everything else from running, should it ever get in.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mapper.report.as_json import document, site_values
from mapper.report.hunks import hunks
from mapper.report.inventory import inventory
from mapper.report.summary import is_partial, verdict
from mapper.report.view import PLAIN, View
from mapper.report.visible import json_text, name, visible

if TYPE_CHECKING:
    from mapper.model.results import FileResult, Run

_SCRIPTS = ("words.js", "parts.js", "app.js")


def render(run: Run, view: View = PLAIN) -> str:
    """Return the page."""
    body = "\n".join(_asset(script) for script in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{body}}})();\n'
    style = _asset("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    said = verdict(run)
    values = {
        "policy": policy,
        "title": escape(f"tm2ms report: {said}"),
        "verdict": escape(said).replace("--unsafe", "<b>--unsafe</b>"),
        "style": style,
        "inventory": _left(run),
        "data": embedded(_data(run)),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], _asset("page.html"))


def embedded(value: object) -> str:
    """Return JSON that cannot end or escape the script element it stands in."""
    text = json_text(value, indent=None)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(file: str) -> str:
    return files("mapper.report").joinpath("page", file).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _data(run: Run) -> dict[str, Any]:
    """Return the json report with what the page needs beyond it."""
    what = "torch convolutions" if is_partial(run) else "torch references"
    return {**document(run), "what": what, "files": [_file(run, file) for file in run.files]}


def _left(run: Run) -> str:
    """Return how many files are whole, and a table of the names that have no rule yet."""
    found = inventory(run)
    if not found.files:
        return ""
    said = f"{found.whole} of {found.files} files with torch in them are whole"
    rows = "".join(
        f"<tr><td><code>{escape(visible(one.api))}</code></td>"
        f"<td><code>{escape(visible(one.target or ''))}</code></td>"
        f"<td>{one.sites}</td><td>{one.files}</td><td>{one.alone}</td></tr>\n"
        for one in found.names
    )
    if not rows:
        return f"<p>{said}.</p>"
    head = "<th>torch</th><th>counterpart</th><th>sites</th><th>files</th><th>alone in</th>"
    return (
        f"<details><summary>{said}; {len(found.names)} names have no rule yet</summary>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>\n"
        "<p>Counterparts are those of MindSpore's mapping table.</p></details>"
    )


def _file(run: Run, file: FileResult) -> dict[str, Any]:
    sites = [
        site_values(site) | {"todo": run.needs_person(site), "written": run.is_written(site)}
        for site in file.sites
    ]
    notes = [{"line": note.line, "cell": note.cell, "message": note.message} for note in file.notes]
    changes = []
    if file.before is not None and file.after is not None:
        changes = [[h.old_start, h.new_start, h.parts] for h in hunks(file.before, file.after)]
    return {
        "path": name(file.path),
        "status": str(file.status),
        "whole": file.whole,
        "message": file.message and file.reason,
        "sites": sites,
        "notes": notes,
        "hunks": changes,
    }
