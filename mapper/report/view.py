"""How a report is to look: colour, detail, and the help pages of the rules.

rich is not used here: its markup would swallow `[idx]` in source text.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from mapper.model.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "bold red": "1;31",
    "bold blue": "1;34",
}


@record(frozen=True, slots=True)
class View:
    """The reader's wishes. `help` may hold a Markdown page per rule id (used by SARIF)."""

    color: bool = False
    verbose: bool = False
    help: Mapping[str, str] = field(default_factory=dict)

    def paint(self, text: str, style: str) -> str:
        """Return the text in an ANSI style, or as it is where colour is off."""
        if not self.color or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


PLAIN = View()
