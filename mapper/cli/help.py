"""A command whose help lists its options in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer.core

if TYPE_CHECKING:
    from collections.abc import Iterator


class GroupedCommand(typer.core.TyperCommand):
    """Shows each `rich_help_panel` as a section of the plain help.

    Typer does so through rich only, which takes longer to import than everything else.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, without the braces that typer puts around names."""
        pieces = super().collect_usage_pieces(ctx)
        return [one.removeprefix("{").removesuffix("}") for one in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then a section per group, the options without one last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, record in self._records(ctx):
            sections.setdefault(name, []).append(record)
        last = sections.pop("Options", [])
        for name, records in [*sections.items(), ("Options", last)]:
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def _records(self, ctx: Any) -> Iterator[tuple[str, tuple[str, str]]]:
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_option = parameter.param_type_name == "option"
                group = getattr(parameter, "rich_help_panel", None)
                yield group or ("Options" if is_option else "Arguments"), record
