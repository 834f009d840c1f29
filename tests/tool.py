"""The tool as the tests call it: one migrator, so that each proof is computed once."""

from __future__ import annotations

from pathlib import Path

from mapper.files.source import splice
from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.loader import load
from mapper.running.module import Migration, Migrator

MIGRATOR = Migrator(load(), Options(select=("conv",)))
MESSAGES = {Status.MANUAL, Status.UNSAFE}


def migrate(text: str, newline: str = "\n", path: Path | None = None) -> Migration:
    return MIGRATOR.migrate(text, newline, path=path)


def rewritten(text: str, newline: str = "\n") -> str:
    return splice(text, migrate(text, newline).edits)


def only(text: str) -> Site:
    (site,) = migrate(text).sites
    return site
