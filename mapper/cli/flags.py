"""The flags and arguments of every command: names, help, groups and completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from mapper.running.config import DEVICES, OUTPUT_FORMATS, RECIPES, TARGET_VERSIONS

_MODES, _WHAT, _WHICH = "Modes", "What is written", "Which files and rules"
_REPORTS, _RUN = "Reports", "The run"

Completion = Callable[[str], list[str]]


def _among(words: Iterable[str]) -> Completion:
    known = tuple(words)

    def complete(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return complete


def _rules(incomplete: str) -> list[str]:
    from mapper.rulebook.loader import load

    known = (*load().torch_ids(), *load().torch_names())
    return [name for name in known if name.startswith(incomplete)]


Paths = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files and directories; - reads standard input.",
        metavar="[PATH]...",
        show_default=False,
    ),
]
Check = Annotated[
    bool | None,
    typer.Option(
        "--check",
        help="Write nothing; exit with 1 if anything would change.",
        rich_help_panel=_MODES,
        show_default=False,
    ),
]
Diff = Annotated[
    bool | None,
    typer.Option(
        "--diff",
        help="Write nothing; print a unified diff.",
        rich_help_panel=_MODES,
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        rich_help_panel=_MODES,
        help="Mirror the tree into DIR and leave the source as it is.",
    ),
]
ShowSettings = Annotated[
    bool,
    typer.Option(
        "--show-settings",
        rich_help_panel=_MODES,
        help="Print what is in force and where it came from, and do nothing.",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="exact|table",
        rich_help_panel=_WHAT,
        autocompletion=_among(RECIPES),
        help="exact keeps shape, values and parameters (default); table is what MindSpore's "
        "difference tables prescribe, which may keep the shape only.",
    ),
]
Unsafe = Annotated[
    bool | None,
    typer.Option(
        "--unsafe",
        rich_help_panel=_WHAT,
        show_default=False,
        help="Also write rewrites whose assumption would fail silently.",
    ),
]
Partial = Annotated[
    bool | None,
    typer.Option(
        "--partial",
        rich_help_panel=_WHAT,
        show_default=False,
        help="Migrate classes with what cannot be migrated, too: it becomes a call that raises.",
    ),
]
TargetVersion = Annotated[
    str | None,
    typer.Option(
        "--target-version",
        metavar="X.Y",
        rich_help_panel=_WHAT,
        autocompletion=_among(TARGET_VERSIONS),
        help="MindSpore version to write for, 2.0 to 2.10 (default).",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="any|cpu|gpu|ascend",
        rich_help_panel=_WHAT,
        autocompletion=_among(DEVICES),
        help="Report that platform's limits too.",
    ),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="RULE",
        rich_help_panel=_WHICH,
        autocompletion=_rules,
        help="Only these: groups (conv, layers, functions, tensor, modules, init), ids (TM101), "
        "their beginnings (TM1), torch names (torch.nn.Conv2d); separated by commas, or repeated. "
        "conv rewrites convolutions alone.",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="RULE",
        rich_help_panel=_WHICH,
        autocompletion=_rules,
        help="All but these; the more specific of --select and --ignore wins.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        rich_help_panel=_WHICH,
        help="Leave these out, instead of the usual ones.",
    ),
]
ExtendExclude = Annotated[
    list[str] | None,
    typer.Option(
        "--extend-exclude",
        metavar="GLOB",
        rich_help_panel=_WHICH,
        help="Leave these out as well.",
    ),
]
ForceExclude = Annotated[
    bool | None,
    typer.Option(
        "--force-exclude",
        rich_help_panel=_WHICH,
        show_default=False,
        help="Leave them out even when named on the command line.",
    ),
]
StdinFilename = Annotated[
    str | None,
    typer.Option(
        "--stdin-filename",
        metavar="NAME",
        rich_help_panel=_WHICH,
        help="The name of what comes from standard input, and implies -.",
    ),
]
OutputFormat = Annotated[
    str | None,
    typer.Option(
        "--output-format",
        metavar="FORMAT",
        rich_help_panel=_REPORTS,
        autocompletion=_among(OUTPUT_FORMATS),
        help="full (default), concise, json, github, gitlab, sarif or markdown.",
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output-file",
        metavar="FILE",
        rich_help_panel=_REPORTS,
        help="Put the report there instead of standard output.",
    ),
]
Report = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        rich_help_panel=_REPORTS,
        help="Write another report; .html, .md, .json or .sarif. Repeatable.",
    ),
]
Statistics = Annotated[
    bool | None,
    typer.Option(
        "--statistics",
        rich_help_panel=_REPORTS,
        show_default=False,
        help="Count the sites per rule.",
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        rich_help_panel=_REPORTS,
        show_default=False,
        help="List what was written, too.",
    ),
]
Quiet = Annotated[
    bool | None,
    typer.Option(
        "--quiet",
        "-q",
        rich_help_panel=_REPORTS,
        show_default=False,
        help="No talk on standard error.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", metavar="N", rich_help_panel=_RUN, help="Processes (default: all cores)."
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        rich_help_panel=_RUN,
        help="Only the K-th of N parts of the files, for a matrix of jobs.",
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        rich_help_panel=_RUN,
        help="Work on this dask cluster, e.g. tcp://host:8786 (extra tm2ms[dask]).",
    ),
]
Require = Annotated[
    str | None,
    typer.Option(
        "--require",
        metavar="whole",
        rich_help_panel=_RUN,
        autocompletion=_among(("whole",)),
        help="Exit with 1 when torch is left in a file.",
    ),
]
ExitZero = Annotated[
    bool | None,
    typer.Option(
        "--exit-zero",
        rich_help_panel=_RUN,
        show_default=False,
        help="Exit with 0 even when sites need a person.",
    ),
]

Expression = Annotated[
    str,
    typer.Argument(
        metavar="EXPRESSION", help="A torch call, e.g. 'nn.Conv2d(3, 8, 3)'.", show_default=False
    ),
]
InputSize = Annotated[
    str | None,
    typer.Option("--input-size", metavar="N,N", help="Spatial input size, e.g. 16,50."),
]

RuleName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        show_default=False,
        autocompletion=_rules,
        help="A rule id (TM101), or an API in any spelling (torch.nn.Conv2d, F.conv2d).",
    ),
]
WritePages = Annotated[
    Path | None,
    typer.Option("--write", metavar="DIR", help="Write the page of every rule, and an index."),
]
RulesFormat = Annotated[
    str,
    typer.Option(
        "--output-format",
        metavar="table|json",
        autocompletion=_among(("table", "json")),
        help="json holds everything the rules say.",
    ),
]
Reports = Annotated[
    list[Path],
    typer.Argument(metavar="REPORT...", help="JSON reports of `migrate`.", show_default=False),
]
MergedFormat = Annotated[
    str,
    typer.Option("--output-format", metavar="json", autocompletion=_among(("json",))),
]
MergedFile = Annotated[
    Path | None,
    typer.Option("--output-file", metavar="FILE", help="Put it there instead of standard output."),
]
