"""docs/wild.md, which two commands write: `wild.py` what it did, `drawn.py` what was executed."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "wild.md"
EXECUTED = "## Sampled proofs, executed\n"


def write(did: str | None = None, executed: str | None = None) -> None:
    """Write one of the two parts and keep the other; `executed` starts with its heading."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    old_did, heading, old_executed = old.partition(EXECUTED)
    parts = (old_did if did is None else did, executed or heading + old_executed)
    PAGE.write_text("\n\n".join(p.strip() for p in parts if p.strip()) + "\n", encoding="utf-8")
