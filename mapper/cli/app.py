"""The command line: commands, their flags, and how errors of usage end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapper import __version__
from mapper.cli import checkpoint, compare, flags
from mapper.cli.help import GroupedCommand
from mapper.cli.streams import quiet_pipe
from mapper.cli.usage import CODE, print_error, refuse
from mapper.rulebook.tables import RuleError

if TYPE_CHECKING:
    from mapper.running.config import Config

app = typer.Typer(
    name="tm2ms",
    help="Migrate PyTorch source to MindSpore, with a proof for every call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a rule file that cannot be used ends every command alike."""
    try:
        app(prog_name="tm2ms")
    except RuleError as error:
        from mapper.rulebook.lines import described

        print_error(described(error))
        sys.exit(CODE)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tm2ms {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Migrate PyTorch source to MindSpore, with a proof for every call."""


_MIGRATE_EPILOG = """\b
Examples:
  tm2ms migrate --diff .                  look first
  tm2ms migrate src                       rewrite in place
  tm2ms migrate --check --output-format github .
                                          in a CI job
  tm2ms migrate src --report out.html     and show it to somebody
  tm2ms migrate - < old.py > new.py       as a filter

\b
Exit code: 0  every torch reference that has a rule was migrated
           1  a site needs a person, or --check/--diff would change something,
              or --require whole and a file is not whole
           2  wrong usage, or a file could not be read, parsed or written

Settings may stand in [tool.tm2ms] of the nearest pyproject.toml.
"""


@app.command(cls=GroupedCommand, epilog=_MIGRATE_EPILOG)
def migrate(
    paths: flags.Paths = None,
    check: flags.Check = None,
    diff: flags.Diff = None,
    output: flags.Output = None,
    show_settings: flags.ShowSettings = False,
    recipe: flags.Recipe = None,
    unsafe: flags.Unsafe = None,
    partial: flags.Partial = None,
    target_version: flags.TargetVersion = None,
    device: flags.Device = None,
    select: flags.Select = None,
    ignore: flags.Ignore = None,
    exclude: flags.Exclude = None,
    extend_exclude: flags.ExtendExclude = None,
    force_exclude: flags.ForceExclude = None,
    stdin_filename: flags.StdinFilename = None,
    output_format: flags.OutputFormat = None,
    output_file: flags.OutputFile = None,
    report: flags.Report = None,
    statistics: flags.Statistics = None,
    verbose: flags.Verbose = 0,
    quiet: flags.Quiet = None,
    jobs: flags.Jobs = None,
    shard: flags.Shard = None,
    dask: flags.Dask = None,
    require: flags.Require = None,
    exit_zero: flags.ExitZero = None,
) -> None:
    """Rewrite PyTorch source to MindSpore, in place."""
    given = {k: v for k, v in locals().items() if k not in ("paths", "show_settings")}
    given |= {"verbose": verbose or None, "select": _split(select), "ignore": _split(ignore)}
    with quiet_pipe():
        raise typer.Exit(_migrate(paths, given, show_settings))


def _migrate(paths: list[str] | None, given: dict[str, Any], show_settings: bool) -> int:
    """Carry `migrate` out, and return its exit code."""
    config = _config(given)
    if show_settings:
        from mapper.cli.show_settings import show

        typer.echo(show(config), nl=False)
        return 0
    if not paths and config.settings.stdin_filename is None:
        refuse("name a file or a directory (. for this one), or - for standard input")
    _check_modes(config)
    from mapper.cli.session import Session, UsageError
    from mapper.running.cluster import ClusterError
    from mapper.running.mirror import MirrorError

    try:
        return Session(config).run(paths or [])
    except (UsageError, ClusterError, MirrorError) as error:
        refuse(str(error))


_VERIFY_EPILOG = """\b
Example:
  tm2ms verify 'nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)'
"""


@app.command(
    cls=GroupedCommand,
    epilog=_VERIFY_EPILOG,
    short_help="Show and prove the rewrite of one expression.",
)
def verify(
    expression: flags.Expression,
    input_size: flags.InputSize = None,
    recipe: flags.Recipe = "exact",
    target_version: flags.TargetVersion = "2.10",
) -> None:
    """Show the rewrite of one expression and the engine's evidence for it."""
    from mapper.cli.evidence import InputError, show

    config = _config({"recipe": recipe, "target_version": target_version})
    try:
        text, code = show(expression, input_size, config.settings)
    except InputError as error:
        refuse(str(error))
    with quiet_pipe():
        typer.echo(text)
        raise typer.Exit(code)


_EXPLAIN_EPILOG = """\b
Examples:
  tm2ms explain TM101
  tm2ms explain torch.nn.ConvTranspose2d
  tm2ms explain F.conv2d
"""


@app.command(cls=GroupedCommand, epilog=_EXPLAIN_EPILOG, short_help="Show the page of a rule.")
def explain(name: flags.RuleName = None, write: flags.WritePages = None) -> None:
    """Show a rule: signatures, the difference table row by row, what is written, limits."""
    from mapper.cli import catalog
    from mapper.rulebook.selection import SelectionError

    if (name is None) is (write is None):
        refuse("name a rule (`tm2ms rules` lists them), or --write DIR for the pages of all")
    with quiet_pipe():
        if write is not None:
            for file in catalog.write_pages(write):
                typer.echo(file)
            return
        try:
            _show_markdown(catalog.explain(name or ""))
        except SelectionError as error:
            refuse(str(error))


def _show_markdown(text: str) -> None:
    """Print Markdown: formatted on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


@app.command(cls=GroupedCommand)
def rules(output_format: flags.RulesFormat = "table") -> None:
    """List the rules."""
    from mapper.cli import catalog

    if output_format not in ("table", "json"):
        refuse(f"--output-format must be table or json, not {output_format!r}")
    with quiet_pipe():
        if output_format == "json":
            typer.echo(catalog.as_json(), nl=False)
        elif sys.stdout.isatty():
            catalog.print_table()
        else:
            typer.echo(catalog.table(), nl=False)


_MERGE_EPILOG = """\b
Example:
  tm2ms migrate --check --shard 1/2 --report 1.json .      in one job
  tm2ms migrate --check --shard 2/2 --report 2.json .      in another
  tm2ms merge-reports 1.json 2.json > all.json             and afterwards
"""


@app.command(
    cls=GroupedCommand, epilog=_MERGE_EPILOG, short_help="Join the JSON reports of several runs."
)
def merge_reports(
    reports: flags.Reports,
    output_format: flags.MergedFormat = "json",
    output_file: flags.MergedFile = None,
) -> None:
    """Join the JSON reports of several runs, such as shards, into one."""
    from mapper.cli.session import UsageError, save, write_stdout
    from mapper.report.merge import MergeError, merged

    if output_format != "json":
        refuse(f"--output-format must be json, not {output_format!r}")
    try:
        text = merged(reports)
        if output_file is not None:
            save(output_file, text)
            return
    except (MergeError, UsageError) as error:
        refuse(str(error))
    with quiet_pipe():
        write_stdout(text.encode())


app.command(
    "compare",
    cls=GroupedCommand,
    epilog=compare.EPILOG,
    short_help="Run both versions and find where they differ.",
)(compare.command)
app.command(
    "checkpoint",
    cls=GroupedCommand,
    epilog=checkpoint.EPILOG,
    short_help="Convert weights for the migrated model.",
)(checkpoint.command)


def _config(given: dict[str, Any]) -> Config:
    from mapper.running.config import ConfigError, load

    try:
        return load(Path.cwd(), given)
    except ConfigError as error:
        refuse(str(error))


def _split(names: list[str] | None) -> list[str] | None:
    """Return the single names of options that may be repeated or hold several, with commas."""
    if not names:
        return None
    return [name.strip() for text in names for name in text.split(",") if name.strip()]


def _check_modes(config: Config) -> None:
    """Refuse flags that contradict each other."""
    settings = config.settings
    is_for_machines = settings.output_format not in ("full", "concise")
    if settings.diff and is_for_machines and config.is_flag("output_format"):
        refuse("--diff prints a diff: --report FILE writes a report of another format beside it")
    if settings.output is not None and (settings.check or settings.diff):
        refuse("--output writes a tree; it does not go with --check or --diff")
