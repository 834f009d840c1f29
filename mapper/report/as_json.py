"""The `json` format: every site with its evidence, in the shape that the schema publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mapper
from mapper.report.sites import finite
from mapper.report.view import PLAIN, View
from mapper.report.visible import json_text, posix

if TYPE_CHECKING:
    from mapper.model.results import Definition, FileResult, Note, Parameter, Proof, Run, Site

SCHEMA = 2


def render(run: Run, view: View = PLAIN) -> str:
    """Return the report as one JSON document."""
    return json_text(document(run)) + "\n"


def document(run: Run) -> dict[str, Any]:
    """Return the report as plain values, keys in the documented order."""
    return {
        "tool": "tm2ms",
        "version": mapper.__version__,
        "schema": SCHEMA,
        "target": {"mindspore": run.mindspore, "device": run.device, "recipe": run.recipe},
        "summary": run.counts(),
        "files": [_file(file) for file in run.files],
    }


def _file(file: FileResult) -> dict[str, Any]:
    return {
        "path": posix(file.path),
        "status": str(file.status),
        "whole": file.whole,
        "message": file.message and file.reason,
        "notes": [_note(note) for note in file.notes],
        "sites": [site_values(site) for site in file.sites],
        "definitions": [_definition(one) for one in file.definitions],
    }


def _definition(one: Definition) -> dict[str, Any]:
    found = {
        "name": one.name,
        "line": one.line,
        "end_line": one.end_line,
        "kind": "class" if one.is_class else "other",
        "uses": list(one.uses),
        "sets": list(one.sets),
    }
    if not one.is_class:
        return {**found, "returns": list(one.returns)}
    holds = {name: list(values) for name, values in one.holds.items()}
    return {**found, "bases": list(one.bases), "holds": holds, "always": list(one.always)}


def _note(note: Note) -> dict[str, Any]:
    return {
        "level": "error" if note.is_error else "note",
        "line": note.line,
        "cell": note.cell,
        "message": note.message,
    }


def site_values(site: Site) -> dict[str, Any]:
    """Return one site as plain values."""
    return {
        "rule": site.rule,
        "api": site.api,
        "target": site.target,
        "status": str(site.status),
        "line": site.span.line,
        "column": site.span.column,
        "end_line": site.span.end_line,
        "end_column": site.span.end_column,
        "cell": site.cell,
        "class": site.owner,
        "attribute": site.attribute,
        "before": site.before,
        "after": site.after,
        "message": site.message,
        "assumptions": list(site.assumptions),
        "parameters": {key: _parameter(value) for key, value in site.parameters.items()},
        "proof": _proof(site.proof),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "torch": list(parameter.torch),
        "mindspore": list(parameter.mindspore),
        "path": parameter.path,
    }


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "kind": proof.kind,
        "cases": proof.cases,
        "input_shape": _shape(proof.input_shape),
        "output_shape": _shape(proof.output_shape),
        "max_abs_error": finite(proof.max_abs_error),
    }


def _shape(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)
