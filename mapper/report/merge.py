"""JSON reports of several runs as one: the shards of a tree, or the parts of a repository."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapper.report.as_json import SCHEMA
from mapper.report.visible import json_text

_SAME = ("tool", "schema", "version", "target")  # what the reports must agree in


class MergeError(Exception):
    """The reports cannot be joined; the message names the files and the reason."""


def merged(paths: Sequence[Path]) -> str:
    """Return one report of all: figures summed, files in the order of a walk.

    Raises:
        MergeError: a file is no such report, they were made under different settings, or a source
            file occurs twice.
    """
    reports = [(path, _read(path)) for path in paths]
    first_path, first = reports[0]
    files: dict[str, tuple[Path, dict[str, Any]]] = {}
    summary: Counter[str] = Counter(dict.fromkeys(first["summary"], 0))
    for path, report in reports:
        _compare(first_path, first, path, report)
        for file in report["files"]:
            name = file["path"]
            if name in files:
                raise MergeError(f"{name} is in {files[name][0]} and in {path}: join disjoint runs")
            files[name] = path, file
        summary.update(report["summary"])
    ordered = [files[name][1] for name in sorted(files, key=lambda name: name.split("/"))]
    document = {**first, "summary": dict(summary), "files": ordered}
    return json_text(document) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_bytes())
    except OSError as error:
        raise MergeError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise MergeError(f"{path}: not valid JSON: {error}") from error
    if not _is_report(report):
        raise MergeError(f"{path}: not a JSON report of `tm2ms migrate`")
    if report["schema"] != SCHEMA:
        raise MergeError(f"{path}: schema {report['schema']!r}, where this tm2ms reads {SCHEMA}")
    return dict(report)


def _is_report(report: object) -> bool:
    if not isinstance(report, dict) or report.get("tool") != "tm2ms":
        return False
    files, summary = report.get("files"), report.get("summary")
    return (
        all(key in report for key in _SAME)
        and isinstance(summary, dict)
        and all(type(figure) is int for figure in summary.values())
        and isinstance(files, list)
        and all(isinstance(f, dict) and isinstance(f.get("path"), str) for f in files)
    )


def _compare(first_path: Path, first: dict[str, Any], path: Path, report: dict[str, Any]) -> None:
    for key in _SAME:
        if report[key] != first[key]:
            here, there = json.dumps(report[key]), json.dumps(first[key])
            raise MergeError(f"{path}: {key} is {here}, but in {first_path} it is {there}")
    if report["summary"].keys() != first["summary"].keys():
        raise MergeError(f"{path}: its summary counts other things than that of {first_path}")
