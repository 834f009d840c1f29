"""The `sarif` format (2.1.0): findings for code scanning, each written one with its fix."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mapper
from mapper.model.results import FileStatus, Status
from mapper.report.as_json import site_values
from mapper.report.fingerprint import digest, fingerprints
from mapper.report.sites import each_site, message, position
from mapper.report.view import PLAIN, View
from mapper.report.visible import json_text, octets, posix, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.model.results import FileResult, Run, Site

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {
    Status.MANUAL: "error",
    Status.UNCOVERED: "note",
    Status.UNSAFE: "warning",
    Status.SHAPE_ONLY: "warning",
    Status.MIGRATED: "note",
    Status.IGNORED: "note",
}

Values = dict[str, Any]


def render(run: Run, view: View = PLAIN) -> str:
    """Return the run as a SARIF log. Regions and fixes refer to the source before the rewrite."""
    rules = _rules(run, view)
    driver = {"name": "tm2ms", "version": mapper.__version__, "rules": list(rules.values())}
    failed = any(file.status is FileStatus.FAILED for file in run.files)
    invocation = {"executionSuccessful": not failed}
    if notifications := [value for file in run.files for value in _notifications(file)]:
        invocation["toolExecutionNotifications"] = notifications  # type: ignore[assignment]
    results = [value for file in run.files for value in _results(run, file, list(rules))]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": {
                    "mindspore": run.mindspore,
                    "device": run.device,
                    "recipe": run.recipe,
                },
            }
        ],
    }
    return json_text(log) + "\n"


def _rules(run: Run, view: View) -> dict[str, Values]:
    """Return the metadata of each rule that occurs, by id."""
    rules: dict[str, Values] = {}
    for _, site in sorted(each_site(run), key=lambda pair: (pair[1].rule, pair[1].api)):
        if site.rule not in rules:
            rules[site.rule] = _rule(site, view.help.get(site.rule))
    return rules


def _rule(site: Site, page: str | None) -> Values:
    explain = f"Run `tm2ms explain {visible(site.rule)}` for both signatures and every difference."
    title = f"{visible(site.api)} in PyTorch source"
    return {
        "id": site.rule,
        "name": visible(site.api.rpartition(".")[2]),
        "shortDescription": {"text": title},
        "fullDescription": {
            "text": f"{title}: rewritten to MindSpore where shape, values and parameters are "
            "proved to stay equal, and reported otherwise."
        },
        "help": {"text": page or explain, "markdown": page or explain},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["migration", "pytorch", "mindspore"]},
    }


def _results(run: Run, file: FileResult, rules: list[str]) -> Iterator[Values]:
    """Yield a result for every site, with its fix if it was written."""
    for site, fingerprint in zip(file.sites, fingerprints(file), strict=True):
        values = site_values(site)
        where = "" if site.cell is None else f"{position(site)}: "
        result: Values = {
            "ruleId": site.rule,
            "ruleIndex": rules.index(site.rule),
            "level": LEVELS[site.status],
            "message": {"text": f"{where}{message(site)}"},
            "locations": [{"physicalLocation": _place(file, site)}],
            "partialFingerprints": {"tm2ms/v1": fingerprint},
        }
        if site.status is Status.IGNORED:
            result["suppressions"] = [_suppression(site)]
        if run.is_written(site) and site.after is not None and site.cell is None:
            result["fixes"] = [_fix(file, site)]
        kept = (
            "status",
            "api",
            "target",
            "cell",
            "class",
            "attribute",
            "after",
            "assumptions",
            "parameters",
            "proof",
        )
        result["properties"] = {key: values[key] for key in kept}
        yield result


def _suppression(site: Site) -> Values:
    kind = "inSource" if "# tm2ms:" in site.message else "external"
    return {"kind": kind, "justification": message(site)}


def _fix(file: FileResult, site: Site) -> Values:
    replacement = {"deletedRegion": _region(site), "insertedContent": {"text": site.after}}
    change = {"artifactLocation": _artifact(file), "replacements": [replacement]}
    target = visible(site.target or "MindSpore")
    return {"description": {"text": f"Replace with {target}"}, "artifactChanges": [change]}


def _place(file: FileResult, site: Site) -> Values:
    """Return where the result is; lines of a notebook's cell are not lines of the file."""
    region: Values = {"startLine": 1} if site.cell is not None else _region(site)
    return {"artifactLocation": _artifact(file), "region": region}


def _region(site: Site) -> Values:
    span = site.span
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _artifact(file: FileResult) -> Values:
    path = posix(file.path)
    root = "file://" if PurePosixPath(path).is_absolute() else ""
    return {"uri": root + quote(octets(path))}


def _notifications(file: FileResult) -> Iterator[Values]:
    """Yield what is not about a site: a failed file, an unused suppression."""
    said = []
    if file.status is FileStatus.FAILED:
        said.append(("error", file.line or 1, file.message or "failed"))
    said += [
        ("error" if n.is_error else "note", 1 if n.cell is not None else n.line, n.message)
        for n in file.notes
    ]
    for level, line, text in said:
        yield {
            "level": level,
            "message": {"text": visible(text)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": _artifact(file),
                        "region": {"startLine": line},
                    }
                }
            ],
            "properties": {"fingerprint": digest(posix(file.path), text)},
        }
