"""The reports: every format is a pure function of a Run, imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from mapper.report.view import PLAIN, View

if TYPE_CHECKING:
    from mapper.model.results import Run

Renderer = Callable[["Run", View], str]


def _lazy(module: str) -> Renderer:
    """Return the `render` of a format's module, importing that module at the first call."""

    def render(run: Run, view: View = PLAIN) -> str:
        rendered: str = import_module(f"mapper.report.{module}").render(run, view)
        return rendered

    return render


FORMATS: dict[str, Renderer] = {
    "full": _lazy("full"),
    "concise": _lazy("concise"),
    "json": _lazy("as_json"),
    "github": _lazy("github"),
    "gitlab": _lazy("gitlab"),
    "sarif": _lazy("sarif"),
    "markdown": _lazy("markdown"),
    "diff": _lazy("diff"),
    "html": _lazy("as_html"),
}

# `--report FILE`: the format follows the suffix.
SUFFIXES = {".html": "html", ".md": "markdown", ".json": "json", ".sarif": "sarif"}


def render(name: str, run: Run, view: View = PLAIN) -> str:
    """Return the report of `run` in the format called `name` (a key of FORMATS)."""
    return FORMATS[name](run, view)


__all__ = ["FORMATS", "PLAIN", "SUFFIXES", "Renderer", "View", "render"]
