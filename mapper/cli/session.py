"""Runs one `migrate` command: reads, reports to files and streams, and decides the exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mapper.limits import LARGEST_FILE
from mapper.model.options import Options
from mapper.rulebook.tables import RuleError

if TYPE_CHECKING:
    from mapper.model.results import FileResult, Run
    from mapper.report import View
    from mapper.running.config import Config

INTERRUPTED = 130  # as a program ended by SIGINT


class UsageError(Exception):
    """The command cannot be carried out as given; the message says why."""


class Session:
    """The state of one run of `migrate`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.settings = config.settings
        self.started = time.perf_counter()
        self._total = self._done = 0
        self._written: int | None = None
        self._diffs: list[str] = []
        self._given = b""  # what came from standard input

    def run(self, paths: Sequence[str]) -> int:
        """Do the whole run and return the exit code.

        Raises:
            UsageError: the paths or settings do not go together, a report cannot be written, or a
                rule file cannot be used.
        """
        is_stdin = "-" in paths or self.settings.stdin_filename is not None
        if is_stdin and set(paths) - {"-"}:
            raise UsageError("- stands alone: standard input does not go with other paths")
        try:
            return self._run(paths, is_stdin)
        except RuleError as error:
            from mapper.rulebook.lines import described

            is_dry = self.settings.check or self.settings.diff
            how_far = f"\ntm2ms: {self._how_far()}" if self._done and not is_dry else ""
            raise UsageError(f"{described(error)}{how_far}") from error

    def _run(self, paths: Sequence[str], is_stdin: bool) -> int:
        """Do the run, and return its exit code; Ctrl-C ends it with words."""
        from mapper.running.config import ConfigError
        from mapper.running.options import options_of

        try:
            options = options_of(self.config)
        except ConfigError as error:
            raise UsageError(str(error)) from error
        # a proof is too small to share out, and starting threads takes longer than computing it
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        try:
            results = self._stdin(options) if is_stdin else self._files(paths, options)
        except KeyboardInterrupt:
            _say(f"tm2ms: {self._how_far()}")
            return INTERRUPTED
        run = self._as_run(results)
        self._emit(run, is_stdin)
        return self._exit_code(run)

    def _as_run(self, results: Sequence[FileResult]) -> Run:
        """Return results as reports want them, with the settings and the time taken."""
        from mapper.model.results import Run

        settings = self.settings
        return Run(
            tuple(results),
            settings.target_version,
            settings.device,
            settings.recipe,
            time.perf_counter() - self.started,
            settings.unsafe,
        )

    # --- reading and writing ---

    def _stdin(self, options: Options) -> list[FileResult]:
        from mapper.files.paths import shown
        from mapper.running.file import Task, failed, process

        name = self.settings.stdin_filename
        path = shown(name) if name else "<stdin>"
        data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            words = f"larger than {LARGEST_FILE / 1e6:.0f} MB; name the file instead"
            return [failed(path, words)]
        self._given = data
        if name and self.settings.force_exclude and self._is_excluded(name):
            return []
        return [process(Task(path, data), options)]

    def _is_excluded(self, name: str) -> bool:
        from mapper.files.discover import is_excluded

        settings = self.settings
        return is_excluded(name, [*settings.exclude, *settings.extend_exclude], self.config.root)

    def _files(self, paths: Sequence[str], options: Options) -> list[FileResult]:
        from mapper.running.tree import migrate_files

        return migrate_files(
            paths, self.config, options, self._watch, watch_writing=self._watch_writing
        )

    def _watch(self, total: int, results: Iterator[FileResult]) -> Iterator[FileResult]:
        """Pass the results on: count them, show progress, and render each file's diff."""
        from mapper.running.tree import keeper

        self._total = total
        kept = keeper(self.settings, diff=False)
        for result in self._progress(total, results):
            self._done += 1
            if self.settings.diff:  # file by file, so that a large tree need not be held
                self._diffs.append(self._render("diff", self._as_run([result])))
            yield kept(result)

    def _watch_writing(self, total: int, results: Iterator[FileResult]) -> Iterator[FileResult]:
        """Pass the results on as they are written in place, and count them."""
        self._written = 0
        for result in results:
            self._written += 1
            yield result

    def _progress(self, total: int, results: Iterator[FileResult]) -> Iterator[FileResult]:
        if self.settings.quiet or total < 50 or not sys.stderr.isatty():
            return results
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        tracked = track(results, "migrating", total=total, console=console, transient=True)
        return iter(tracked)

    def _how_far(self) -> str:
        """Return in words how far a run came that ends early, and what it has written."""
        if not self._total:
            return "interrupted before the first file was done; nothing was written"
        files = f"{self._total} file{'' if self._total == 1 else 's'}"
        is_in_place = self.settings.output is None
        if is_in_place and self._written is None:
            return f"interrupted after {self._done} of {files}; nothing was written"
        done = self._written if self._written is not None else self._done
        return f"interrupted after {done} of {files}; each file is whole, old or new"

    # --- output: the product on stdout, reports in files, everything else on stderr ---

    def _emit(self, run: Run, is_stdin: bool) -> None:
        """Write the product, the reports and the summary."""
        from mapper.report import SUFFIXES

        is_source = is_stdin and self._wants_source()
        product = self._source(run) if is_source else self._product(run, is_stdin)
        if self.settings.output_file and self.settings.diff:
            save(self.settings.output_file, product.decode("utf-8", "surrogateescape"))
            product = b""
        elif self.settings.output_file:
            save(self.settings.output_file, self._render(self.settings.output_format, run))
        for path in self.settings.report:
            save(path, self._render(SUFFIXES[path.suffix], run, plain=True))
        self._step_summary(run)
        write_stdout(product)
        is_silent = self.settings.diff or is_source or (is_stdin and not product)
        self._summarise(run, self.settings.output_file is not None or not is_silent)

    def _wants_source(self) -> bool:
        """Say whether the product of a run over standard input is the migrated source."""
        settings = self.settings
        is_format = settings.output_format != "full" and settings.output_file is None
        return not (settings.check or settings.diff or is_format)

    def _source(self, run: Run) -> bytes:
        """Return the migrated source; the bytes that were read, where nothing was migrated."""
        migrated = run.files[0].encoded() if run.files else None
        return self._given if migrated is None else migrated

    def _product(self, run: Run, is_stdin: bool) -> bytes:
        """Return what stdout carries: a diff, or a report unless it goes to a file."""
        settings = self.settings
        if settings.diff:
            text = self._render("diff", run) if is_stdin else "".join(self._diffs)
        elif settings.output_file or (is_stdin and settings.output_format == "full"):
            text = ""
        else:
            text = self._render(settings.output_format, run)
        return text.encode("utf-8", "surrogateescape")

    def _render(self, name: str, run: Run, plain: bool = False) -> str:
        from mapper.report import PLAIN, render

        view = PLAIN if plain or self.settings.output_file else self._view(sys.stdout)
        view = replace(view, verbose=self.settings.verbose > 0)
        if name == "sarif":
            view = replace(view, help=_help_pages(run))
        return render(name, run, view)

    def _view(self, stream: TextIO) -> View:
        from mapper.report import View

        color = stream.isatty() and not os.environ.get("NO_COLOR")
        return View(color=color, verbose=self.settings.verbose > 0)

    def _step_summary(self, run: Run) -> None:
        """Append the Markdown report to the summary of a GitHub job, where there is one."""
        file = os.environ.get("GITHUB_STEP_SUMMARY")
        if self.settings.output_format == "github" and file:
            try:
                with Path(file).open("ab") as stream:
                    stream.write(f"{self._render('markdown', run, plain=True)}\n".encode())
            except OSError as error:
                _say(f"tm2ms: {file}: the job's summary is not written: {error.strerror or error}")

    def _summarise(self, run: Run, is_reported: bool) -> None:
        """Write the summary to stderr, and the sites as well where stdout does not list them."""
        from mapper.report.summary import changes, statistics, verdict

        if not is_reported:
            self._list_sites(run)
        if self.settings.statistics:
            _say(statistics(run).removesuffix("\n"))
        if not self.settings.quiet:
            dry = self.settings.check or self.settings.diff
            if not self.settings.diff:
                _say(changes(run, dry=dry).removesuffix("\n"))
            _say(verdict(run, self._view(sys.stderr), dry=dry))

    def _list_sites(self, run: Run) -> None:
        """Write the concise report to stderr, where stdout carries source or a diff."""
        from mapper.model.results import FileStatus
        from mapper.report import render

        if self.settings.quiet:  # failed files are reported all the same
            files = (replace(one, sites=(), notes=one.errors()) for one in run.files)
            bad = tuple(f for f in files if f.notes or f.status is FileStatus.FAILED)
            run = replace(run, files=bad)
        _say(render("concise", run, self._view(sys.stderr)).removesuffix("\n"))

    def _exit_code(self, run: Run) -> int:
        counts = run.counts()
        if counts["failed"] or any(file.errors() for file in run.files):
            return 2
        would_change = (self.settings.check or self.settings.diff) and counts["changed"]
        is_open = any(run.needs_person(site) for file in run.files for site in file.sites)
        is_torch = self.settings.require == "whole" and not all(file.whole for file in run.files)
        return 1 if (would_change or is_open or is_torch) and not self.settings.exit_zero else 0


def _help_pages(run: Run) -> dict[str, str]:
    """Return the page of every rule that occurs."""
    from mapper.cli.pages import page
    from mapper.rulebook.loader import load

    ids = dict.fromkeys(site.rule for file in run.files for site in file.sites)
    rules = [load().by_id(identifier) for identifier in ids]
    return {rule.id: page(rule) for rule in rules if rule is not None}


def save(path: Path, text: str) -> None:
    """Write a report, with the directories it needs.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_stdout(data: bytes) -> None:
    """Write the product as bytes: no newline translation, and lone surrogates survive."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _say(text: str) -> None:
    from mapper.report.visible import no_commands

    if text:
        print(no_commands(text), file=sys.stderr)
