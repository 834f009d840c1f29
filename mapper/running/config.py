"""What a run is asked to do: defaults, then `[tool.tm2ms]` of a pyproject.toml, then the flags.

The nearest pyproject.toml upwards that has a `[tool.tm2ms]` table is the one in force; tables
farther up are not merged in. Keys are the names of the flags, with dashes or underscores. Where
each value came from is kept, so that it can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mapper.files import regular
from mapper.files.paths import shown
from mapper.files.prefilter import DEFAULT_EXCLUDE
from mapper.limits import LARGEST_SETTINGS, MOST_JOBS
from mapper.model.record import record

DEVICES = ("any", "cpu", "gpu", "ascend")
OUTPUT_FORMATS = ("full", "concise", "json", "github", "gitlab", "sarif", "markdown")
RECIPES = ("exact", "table")
REPORT_SUFFIXES = (".html", ".md", ".json", ".sarif")
TARGET_VERSIONS = tuple(f"2.{minor}" for minor in range(11))


class ConfigError(Exception):
    """A setting that cannot be used; the message names the key, the place and the remedy."""


class Origin(StrEnum):
    """Where a setting's value came from."""

    DEFAULT = "default"
    FILE = "file"
    FLAG = "flag"


Check = Callable[[object], Any]


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of strings")
    return tuple(value)


def _patterns(value: object) -> tuple[str, ...]:
    from mapper.files.globs import path_matcher

    patterns = _texts(value)
    path_matcher(patterns, "/")  # refuses what is no pattern
    return patterns


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("must be a path")
    return Path(value)


def _reports(value: object) -> tuple[Path, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of paths")
    paths = tuple(map(_path, value))
    for path in paths:
        if path.suffix not in REPORT_SUFFIXES:
            raise ValueError(f"{str(path)!r} must end in one of {', '.join(REPORT_SUFFIXES)}")
    return paths


def _jobs(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a whole number, at least 1")
    if value > MOST_JOBS:
        raise ValueError(f"must be at most {MOST_JOBS}")
    return value


def _level(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("must be true, false or a number of levels")
    return int(value)


def _ignores_per_file(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise ValueError('must be a table like {"tests/*" = ["TM101"]}')
    read = {}
    for pattern, rules in value.items():
        try:
            read[pattern] = _texts(rules)
        except ValueError as error:
            raise ValueError(f"of {pattern!r} {error}") from error
    _patterns([pattern.removeprefix("!") for pattern in read])
    return read


def _shard(value: object) -> str:
    from mapper.running.shards import parse_shard

    return "{}/{}".format(*parse_shard(_text(value)))


def _one_of(*allowed: str) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value

    return check


def _target_version(value: object) -> str:
    if isinstance(value, float):
        raise ValueError('must be in quotes, since 2.10 without them is a number to TOML: "2.10"')
    return str(_one_of(*TARGET_VERSIONS)(value))


@record(frozen=True, slots=True)
class Settings:
    """Every flag of `tm2ms migrate`; None stands for a default that only the run can know."""

    check: bool = False
    diff: bool = False
    output: Path | None = None
    recipe: str = "exact"
    unsafe: bool = False
    partial: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target_version: str = "2.10"
    device: str = "any"
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    respect_gitignore: bool = True
    stdin_filename: str | None = None
    jobs: int | None = None
    shard: str | None = None
    dask: str | None = None
    output_format: str = "full"
    output_file: Path | None = None
    report: tuple[Path, ...] = ()
    require: str | None = None
    exit_zero: bool = False
    statistics: bool = False
    quiet: bool = False
    verbose: int = 0


_CHECKS: Mapping[str, Check] = {
    "check": _bool,
    "diff": _bool,
    "output": _path,
    "recipe": _one_of(*RECIPES),
    "unsafe": _bool,
    "partial": _bool,
    "select": _texts,
    "ignore": _texts,
    "per_file_ignores": _ignores_per_file,
    "target_version": _target_version,
    "device": _one_of(*DEVICES),
    "exclude": _patterns,
    "extend_exclude": _patterns,
    "force_exclude": _bool,
    "respect_gitignore": _bool,
    "stdin_filename": _text,
    "jobs": _jobs,
    "shard": _shard,
    "dask": _text,
    "output_format": _one_of(*OUTPUT_FORMATS),
    "output_file": _path,
    "report": _reports,
    "require": _one_of("whole"),
    "exit_zero": _bool,
    "statistics": _bool,
    "quiet": _bool,
    "verbose": _level,
}
_PLACES = frozenset({"dask", "output", "output_file", "report"})
"""What names a place to write to, or to send sources to: a repository must not decide that."""
_COMMAND_LINE_ONLY = _PLACES | {"check", "diff", "shard", "stdin_filename"}


@record(frozen=True, slots=True)
class Config:
    """The settings in force, where each came from, and the file that was read (if any)."""

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None
    root: Path
    """Where relative exclude patterns and `per-file-ignores` are anchored."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """On which line of the file a setting stands."""

    def is_flag(self, name: str) -> bool:
        """Say whether a setting was given on the command line."""
        return self.origins[name] is Origin.FLAG

    def place(self, name: str) -> str:
        """Say where a setting's value came from: `default`, `--flag` or `file:line`."""
        origin = self.origins[name]
        if origin is Origin.FILE and self.file is not None:
            return f"{shown(str(self.file))}:{self.lines[name]}"
        return f"--{_dashed(name)}" if origin is Origin.FLAG else "default"


def load(start: Path, flags: Mapping[str, object] = MappingProxyType({})) -> Config:
    """Read the configuration for a directory (or file); a flag that is None was not given."""
    start = start.absolute()
    values: dict[str, object] = {}
    origins = dict.fromkeys(_CHECKS, Origin.DEFAULT)
    nearest = _nearest(start if start.is_dir() else start.parent)
    file, root, lines = None, start if start.is_dir() else start.parent, {}
    if nearest is not None:
        file, text, table = nearest
        root = file.parent
        lines = {key.replace("-", "_"): _line_of(key, text) for key in table}
        for name, value in _from_file(file, text, table).items():
            values[name], origins[name] = value, Origin.FILE
    for name, value in flags.items():
        if value is not None:
            values[name], origins[name] = _from_flag(name, value), Origin.FLAG
    return Config(Settings(**values), origins, file, root, lines)  # type: ignore[arg-type]


def _nearest(directory: Path) -> tuple[Path, str, Mapping[str, object]] | None:
    """Find the nearest pyproject.toml with our table; one that never names us is not parsed."""
    for parent in (directory, *directory.parents):
        file = parent / "pyproject.toml"
        try:
            data = regular.read(file, LARGEST_SETTINGS)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
        if b"tm2ms" in data:
            text, table = _table(file, data)
            if table is not None:
                return file, text, table
    return None


def _table(file: Path, data: bytes) -> tuple[str, Mapping[str, object] | None]:
    """Return the text of a pyproject.toml and our table in it."""
    import tomllib

    try:
        text = data.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not valid UTF-8 at byte {error.start}; convert it") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply") from error
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    tool = document.get("tool")
    table = tool.get("tm2ms") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{file}: tool.tm2ms must be a table: [tool.tm2ms]")
    return text, table


def _from_file(file: Path, text: str, table: Mapping[str, object]) -> dict[str, object]:
    """Check the keys and values of a table."""
    values: dict[str, object] = {}
    for key, value in table.items():
        place = f"{file}:{_line_of(key, text)}: [tool.tm2ms]"
        name = key.replace("-", "_")
        if name not in _CHECKS:
            raise ConfigError(f"{place} unknown key {key!r}{_suggestion(key)}")
        if name in _COMMAND_LINE_ONLY:
            raise ConfigError(f"{place} {key!r} {_only_there(name)}")
        if name in values:
            raise ConfigError(f"{place} {key!r} is given twice, with dashes and with underscores")
        try:
            values[name] = _CHECKS[name](value)
        except ValueError as error:
            raise ConfigError(f"{place} {key!r} {error}, not {_shown(value)}") from error
    return values


def _only_there(name: str) -> str:
    why = ", since it names a place to write to" if name in _PLACES else ""
    return f"belongs on the command line{why}: --{_dashed(name)}; remove it"


def _from_flag(name: str, value: object) -> object:
    if name not in _CHECKS:
        raise ConfigError(f"unknown setting {name!r}{_suggestion(name)}")
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise ConfigError(f"--{_dashed(name)} {error}{_not(value, str(error))}") from error


def _not(value: object, said: str) -> str:
    """Return `, not VALUE`, unless a message names the value already."""
    parts = value if isinstance(value, list | tuple) else [value]
    return "" if any(_shown(one) in said for one in parts) else f", not {_shown(value)}"


def _suggestion(key: str) -> str:
    import difflib

    known = [_dashed(name) for name in _CHECKS if name not in _COMMAND_LINE_ONLY]
    close = difflib.get_close_matches(_dashed(key).lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _line_of(key: str, text: str) -> int:
    """Find the line of a key below our table's header, as well as a plain search can."""
    header = re.search(r"^[ \t]*\[\s*tool\s*\.\s*[\"']?tm2ms\b", text, re.MULTILINE)
    start = header.start() if header else 0
    wanted = re.compile(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    found = wanted.search(text, start) or header
    return text.count("\n", 0, found.start() if found else 0) + 1


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: object) -> str:
    shown = ascii(str(value) if isinstance(value, Path) else value)
    return f"{shown[:60]}…" if len(shown) > 60 else shown
