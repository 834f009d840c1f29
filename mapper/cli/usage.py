"""Ends a command that cannot be carried out as given: a line on standard error, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import typer

from mapper.report.visible import on_lines

CODE = 2


def print_error(message: str) -> None:
    """Print a message as every command prints its errors."""
    typer.echo(f"tm2ms: {on_lines(message)}", err=True)


def refuse(message: str, before: Iterable[str] = ()) -> NoReturn:
    """End the command with a message; lines such as a traceback may stand before it."""
    for line in before:
        typer.echo(on_lines(line), err=True)
    print_error(message)
    raise typer.Exit(CODE)
