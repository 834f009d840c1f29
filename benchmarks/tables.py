"""Tables of models in pages of docs: a run over some models keeps the rows of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def line(cells: Iterable[str], width: int = 300) -> str:
    """Return one line of a Markdown table."""
    plain = (" ".join(one.split()).replace("|", "\\|") for one in cells)
    return f"| {' | '.join(one if len(one) <= width else one[:width] + '…' for one in plain)} |"


class Table:
    """A table of models that grows row by row; it begins with the rows of pages."""

    def __init__(
        self, columns: Sequence[str], models: Iterable[str], pages: Iterable[Path] = ()
    ) -> None:
        self._head = [line(columns), line("---" for _ in columns)]
        self._models = list(models)
        texts = [page.read_text("utf-8") for page in pages if page.exists()]
        found = [one for text in texts for one in text.splitlines() if one.startswith("| ")]
        self._lines = {cells_of(one)[0]: one for one in found if one not in self._head}

    def put(self, cells: Iterable[str]) -> str:
        """Add a row, or let it take the place of the model's old one; return its line."""
        text = line(cells)
        self._lines[cells_of(text)[0]] = text
        return text

    @property
    def rows(self) -> list[list[str]]:
        """Return the cells of all rows, in the order of the list of models."""
        return [cells_of(self._lines[name]) for name in self._models if name in self._lines]

    def __str__(self) -> str:
        """Return the table, and which models it lacks."""
        lines = [self._lines[name] for name in self._models if name in self._lines]
        missing = [name for name in self._models if name not in self._lines]
        words = [f"\nNot run: {', '.join(missing)}."] if missing else []
        return "\n".join([*self._head, *lines, *words])


def cells_of(text: str) -> list[str]:
    """Return the cells of a line of a table."""
    return [one.strip() for one in text.strip().removeprefix("|").removesuffix("|").split(" | ")]
