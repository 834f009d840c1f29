"""The command line: flags, streams and the exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mapper import __version__

if TYPE_CHECKING:
    from mapper.config import Config, Settings
    from mapper.outcome import FileResult, Run

app = typer.Typer(
    name="tm2ms",
    help="Migrate PyTorch convolutions to MindSpore source, with a proof for every call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a closed pipe ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a program ended by SIGPIPE


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
    """Migrate PyTorch convolutions to MindSpore source, with a proof for every call."""


_MODES, _WHAT, _WHICH, _REPORTS = "Mode", "What is written", "Which files", "Reports"


@app.command(
    epilog="Exit code: 0 nothing is left to do, 1 a site needs a person (or --check/--diff would "
    "change something), 2 wrong usage or a file that could not be read, parsed or written."
)
def migrate(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files and directories; - reads standard input.",
            metavar="[PATH]...", show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool | None,
        typer.Option("--check", help="Write nothing; say what would change.",
                     rich_help_panel=_MODES, show_default=False),
    ] = None,
    diff: Annotated[
        bool | None,
        typer.Option("--diff", help="Write nothing; print a unified diff.",
                     rich_help_panel=_MODES, show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", rich_help_panel=_MODES,
                     help="Mirror the tree into DIR and leave the source as it is."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="exact|table", rich_help_panel=_WHAT, show_default=False,
                     help="exact keeps shape, values and parameters (default); table is what "
                     "MindSpore's difference tables prescribe, which may keep the shape only."),
    ] = None,
    unsafe: Annotated[
        bool | None,
        typer.Option("--unsafe", rich_help_panel=_WHAT, show_default=False,
                     help="Also write rewrites whose assumption would fail silently."),
    ] = None,
    target_version: Annotated[
        str | None,
        typer.Option("--target-version", metavar="X.Y", rich_help_panel=_WHAT,
                     help="MindSpore version to write for, 2.0 to 2.10 (default)."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="any|cpu|gpu|ascend", rich_help_panel=_WHAT,
                     help="Report that platform's limits too."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", rich_help_panel=_WHICH,
                     help="Leave these out, instead of the usual ones."),
    ] = None,
    extend_exclude: Annotated[
        list[str] | None,
        typer.Option("--extend-exclude", metavar="GLOB", rich_help_panel=_WHICH,
                     help="Leave these out as well."),
    ] = None,
    force_exclude: Annotated[
        bool | None,
        typer.Option("--force-exclude", rich_help_panel=_WHICH, show_default=False,
                     help="Leave them out even when named on the command line."),
    ] = None,
    stdin_filename: Annotated[
        str | None,
        typer.Option("--stdin-filename", metavar="NAME", rich_help_panel=_WHICH,
                     help="The name of what comes from standard input."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", help="Processes (default: all cores)."),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--output-format", metavar="FORMAT", rich_help_panel=_REPORTS,
                     help="full (default), concise, json, github, gitlab, sarif or markdown."),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output-file", metavar="FILE", rich_help_panel=_REPORTS,
                     help="Put the report there instead of standard output."),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", metavar="FILE", rich_help_panel=_REPORTS,
                     help="Write a report more; .html, .md, .json or .sarif. Repeatable."),
    ] = None,
    exit_zero: Annotated[
        bool | None,
        typer.Option("--exit-zero", help="Exit with 0 even when sites need a person.",
                     show_default=False),
    ] = None,
    statistics: Annotated[
        bool | None,
        typer.Option("--statistics", help="Count the sites per rule.", rich_help_panel=_REPORTS,
                     show_default=False),
    ] = None,
    quiet: Annotated[
        bool | None,
        typer.Option("--quiet", "-q", help="No talk on standard error.", show_default=False),
    ] = None,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="List what was written, too.",
                     show_default=False),
    ] = 0,
) -> None:  # fmt: skip
    """Rewrite PyTorch source to MindSpore, in place."""
    flags: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("paths", "verbose")}
    flags["verbose"] = verbose or None
    if not paths:
        _usage("name a file or a directory (. for this one), or - for standard input")
    config = _settings(flags)
    _checked_modes(config.settings)
    raise typer.Exit(_Session(config).run(paths))


@app.command()
def verify(
    expression: Annotated[str, typer.Argument(help="A torch call, e.g. 'nn.Conv2d(3, 8, 3)'.")],
    input_size: Annotated[
        str | None,
        typer.Option("--input-size", metavar="N,N", help="Spatial input size, e.g. 16,50."),
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="exact|table", help="As in migrate.")
    ] = "exact",
    target_version: Annotated[
        str, typer.Option("--target-version", metavar="X.Y", help="As in migrate.")
    ] = "2.10",
) -> None:
    """Show the rewrite of one expression and the engine's evidence for it."""
    from mapper.evidence import InputError, show

    config = _settings({"recipe": recipe, "target_version": target_version})
    try:
        text, code = show(expression, input_size, config.settings)
    except InputError as error:
        _usage(str(error))
    typer.echo(text)
    raise typer.Exit(code)


def _settings(flags: dict[str, Any]) -> Config:
    from mapper.config import ConfigError, load

    try:
        return load(Path.cwd(), flags)
    except ConfigError as error:
        _usage(str(error))


def _checked_modes(settings: Settings) -> None:
    if settings.output is not None and (settings.check or settings.diff):
        _usage("--output writes a tree; it does not go with --check or --diff")


def _usage(message: str) -> NoReturn:
    typer.echo(f"tm2ms: {message}", err=True)
    raise typer.Exit(2)


class _Session:
    """One `migrate` command: what is read, what goes where, and the exit code."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.settings = config.settings
        self.started = time.perf_counter()

    def run(self, paths: Sequence[str]) -> int:
        """Do the whole run and return the exit code."""
        from mapper.report import render

        is_stdin = "-" in paths
        if is_stdin and len(paths) > 1:
            _usage("- stands alone: standard input does not go with other paths")
        results = list(self._stdin() if is_stdin else self._files(paths))
        run = self._as_run(results)
        product = ""
        if self.settings.diff:
            product = render("diff", run, self._view(sys.stdout))
        elif is_stdin:
            product = _as_text(results[0].encoded() or b"")
        self._emit(run, product, is_report=not (self.settings.diff or is_stdin))
        return self._exit_code(run)

    def _as_run(self, results: list[FileResult]) -> Run:
        from mapper.outcome import Run

        return Run(
            tuple(results),
            self.settings.target_version,
            self.settings.device,
            self.settings.recipe,
            time.perf_counter() - self.started,
            self.settings.unsafe,
        )

    # --- reading and writing ---

    def _stdin(self) -> Iterator[FileResult]:
        from mapper.process import Task, process

        name = self.settings.stdin_filename or "<stdin>"
        data = sys.stdin.buffer.read()
        result = process(Task(name, data), self._options())
        if (
            result.before is None and not self.settings.diff
        ):  # nothing to migrate, or not readable: hand it on as it came
            sys.stdout.buffer.write(data)
        yield result

    def _files(self, paths: Sequence[str]) -> Iterator[FileResult]:
        from mapper.run import migrate_files

        yield from migrate_files(paths, self.config, self._options(), self._progress)

    def _options(self) -> Any:
        from mapper.options import Options

        return Options(
            self.settings.target_version,
            self.settings.device,
            self.settings.recipe,
            self.settings.unsafe,
        )

    def _progress(self, total: int, results: Iterator[FileResult]) -> Iterator[FileResult]:
        if self.settings.quiet or total < 50 or not sys.stderr.isatty():
            return results
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        tracked = track(results, "migrating", total=total, console=console, transient=True)
        return iter(tracked)

    # --- what is said ---

    def _view(self, stream: Any) -> Any:
        from mapper.report import View

        color = stream.isatty() and not os.environ.get("NO_COLOR")
        return View(color=color, verbose=self.settings.verbose > 0)

    def _emit(self, run: Run, product: str, is_report: bool) -> None:
        from mapper.report import SUFFIXES, render
        from mapper.report.summary import statistics, verdict

        if is_report or self.settings.output_file:
            text = render(self.settings.output_format, run, self._view(sys.stdout))
            if self.settings.output_file:
                self._save(self.settings.output_file, text)
            else:
                product += text
        for path in self.settings.report:
            self._save(path, render(SUFFIXES[path.suffix], run))
        _write_stdout(product)
        if self.settings.quiet:
            return
        view = self._view(sys.stderr)
        dry = self.settings.check or self.settings.diff
        if self.settings.statistics:
            typer.echo(statistics(run), err=True, nl=False)
        typer.echo(verdict(run, view, dry=dry), err=True)

    def _save(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            _usage(f"{path}: cannot be written: {error.strerror or error}")

    def _exit_code(self, run: Run) -> int:
        counts = run.counts()
        if counts["failed"]:
            return 2
        would_change = (self.settings.check or self.settings.diff) and counts["changed"]
        is_open = any(run.needs_person(site) for file in run.files for site in file.sites)
        return 1 if (would_change or is_open) and not self.settings.exit_zero else 0


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _write_stdout(text: str) -> None:
    """Write the product as bytes: no newline translation, and lone surrogates survive."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
