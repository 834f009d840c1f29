"""The rule database: `rules/**/*.toml` as typed, strictly validated data with provenance.

A rule says what the documents say of one torch API: both signatures, every row of the difference
table, the limits, and what measurement has to say about each of them. This room knows nothing of
source code or arrays. A bad rule file is a `RuleError` that names the file and the key.

A qualified name leads to its file through a scan of the raw text, so that looking up one API
parses one file; `Rulebook.rules` parses and cross-checks all of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from mapper.model.record import record
from mapper.rulebook.schema import NEEDED, Kind, MindSporeSide, RowKind, Rule

T = TypeVar("T")


class RuleError(Exception):
    """A rule file that cannot be used; the message names the file and the key."""


@record(frozen=True, slots=True)
class Where:
    """A place in a rule file, for messages."""

    file: str
    key: str = ""

    def at(self, key: str | int) -> Where:
        """Return a place one step deeper."""
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.key else key
        return Where(self.file, self.key + step)

    def fail(self, problem: str) -> NoReturn:
        """Raise the error for this place."""
        raise RuleError(
            f"{self.file}: {self.key}: {problem}" if self.key else f"{self.file}: {problem}"
        )


def _build(kind: type[T], raw: object, where: Where) -> T:
    """Turn a TOML table into a dataclass, as its fields demand."""
    table = _expect(raw, dict, "a table", where)
    hints = _hints(kind)  # type: ignore[arg-type]
    for key in table.keys() - hints.keys():
        where.at(str(key)).fail(f"unknown key; expected one of {_listed(hints)}")
    for spec in fields(kind):  # type: ignore[arg-type]
        if spec.name not in table and spec.default is MISSING and spec.default_factory is MISSING:
            where.at(spec.name).fail("missing")
    values = {key: _convert(hints[key], value, where.at(key)) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        where.fail(str(error))


def _convert(hint: Any, raw: object, where: Where) -> object:
    """Turn one TOML value into what a field's annotation says."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return _convert(options[0], raw, where)
        return raw if type(raw) in options else _expect(raw, (), "a plain value", where)
    if origin is tuple:
        items = _expect(raw, list, "an array", where)
        return tuple(_convert(get_args(hint)[0], x, where.at(i)) for i, x in enumerate(items))
    if origin is Mapping:
        table = _expect(raw, dict, "a table", where)
        return {k: _convert(get_args(hint)[1], v, where.at(k)) for k, v in table.items()}
    if hasattr(hint, "parse"):
        return _parse(hint, raw, where)
    if is_dataclass(hint):
        return _build(hint, raw, where)  # type: ignore[arg-type]
    if issubclass(hint, Enum):
        return _choose(hint, raw, where)
    return _expect(raw, hint, {str: "a string", int: "an integer", bool: "a boolean"}[hint], where)


def _parse(hint: Any, raw: object, where: Where) -> object:
    try:
        return hint.parse(_expect(raw, str, "a string", where))
    except ValueError as error:
        where.fail(str(error))


def _choose(hint: type[Enum], raw: object, where: Where) -> Enum:
    options = {member.value: member for member in hint}
    if not isinstance(raw, str) or raw not in options:
        where.fail(f"expected one of {_listed(options)}, got {raw!r}")
    return options[raw]


def _expect(raw: object, kind: Any, words: str, where: Where) -> Any:
    if type(raw) is not kind:
        where.fail(f"expected {words}, got {raw!r}")
    if raw == "":
        where.fail("must not be empty")
    return raw


def _listed(words: Any) -> str:
    return ", ".join(repr(str(word)) for word in words)


@cache
def _hints(kind: type) -> dict[str, Any]:
    keys = {spec.name for spec in fields(kind) if spec.metadata.get("key", True)}
    return {name: hint for name, hint in get_type_hints(kind).items() if name in keys}


def _check(rule: Rule, given: Mapping[str, object], where: Where) -> None:
    """Check what one table alone cannot know: how the parts of a rule fit together."""
    if not re.fullmatch(r"TM\d{3}", rule.id):
        where.at("id").fail(f"expected 'TM' and three digits, got {rule.id!r}")
    for key in NEEDED[rule.kind]:
        if not given.get(key):
            where.at(key).fail(f"missing; a rule of kind '{rule.kind}' needs it")
    if rule.torch.api and rule.torch.api not in rule.torch.spellings:
        where.at("torch").at("spellings").fail(f"does not hold the api {rule.torch.api!r}")
    for key, names in {"torch": rule.torch.names, "mindspore": rule.mindspore.names}.items():
        for name in {name for name in names if names.count(name) > 1}:
            where.at(key).at("parameters").fail(f"{name!r} is there twice")
    _check_names(rule, where)
    if rule.kind in (Kind.LAYER, Kind.FUNCTION):
        _check_rows(rule, where.at("rows"))


def _check_names(rule: Rule, where: Where) -> None:
    for old, new in rule.renames.items():
        _known(old, rule.torch.names, "torch", where.at("renames").at(old))
        _known(new, rule.mindspore.names, "MindSpore", where.at("renames").at(old))
    for name in rule.values:
        _known(name, rule.torch.names, "torch", where.at("values").at(name))
    for i, limit in enumerate(rule.limits):
        for name in sorted(limit.when.names()):
            _known(name, rule.torch.names, "torch", where.at("limits").at(i).at("when"))
    for i, row in enumerate(rule.rows):
        here = where.at("rows").at(i)
        _known(row.torch, ("", *rule.torch.known(row.kind)), "torch", here.at("torch"))
        known = ("", *rule.mindspore.known(row.kind))
        _known(row.mindspore, known, "MindSpore", here.at("mindspore"))


def _known(name: str, known: tuple[str, ...], side: str, where: Where) -> None:
    if name not in known:
        where.fail(f"{name!r} is not in the {side} signature")


def _check_rows(rule: Rule, where: Where) -> None:
    """Demand the whole table: numbered without a gap, every documented name in a row."""
    for kind in RowKind:
        numbers = [row.number for row in rule.rows if row.kind is kind]
        if numbers != list(range(1, len(numbers) + 1)):
            where.fail(f"the {kind} rows are numbered {numbers}, expected 1, 2, 3 and so on")
    for side, key in ((rule.torch, "torch"), (rule.mindspore, "mindspore")):
        written = {getattr(row, key) for row in rule.rows}
        for spec in side.parameters:
            if spec.name not in written and not spec.undocumented:
                where.fail(f"no row covers the {key} parameter {spec.name!r}")
        for name in side.inputs:
            if name not in written:
                where.fail(f"no row covers the {key} input {name!r}")


@record(frozen=True, slots=True)
class _Index:
    """Where to find a rule, read off the raw text: nothing is parsed."""

    by_id: Mapping[str, Path]
    by_api: Mapping[str, Path]
    by_target: Mapping[str, Path]


_ID = re.compile(r'^id = "(\w+)"$', re.MULTILINE)
_SPELLINGS = re.compile(r"^spellings = \[([^]]*)\]", re.MULTILINE)
_TARGET = re.compile(r'^api = "(mindspore\.[\w.]+)"$', re.MULTILINE)


class Rulebook:
    """All rules of one directory, each parsed when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parsed: dict[Path, Rule] = {}
        self._working: dict[Path, Rule] = {}
        self._index = self._scan()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in the order of their ids, checked against each other."""
        found = sorted((self._rule(path) for path in self._files()), key=lambda rule: rule.id)
        self._check_signatures(found)
        return tuple(found)

    def by_id(self, identifier: str) -> Rule | None:
        """Return the rule with that id."""
        return self._at(self._index.by_id.get(identifier))

    def by_api(self, qualified_name: str) -> Rule | None:
        """Return the rule for a torch name in any of its spellings."""
        return self._at(self._index.by_api.get(qualified_name))

    def working(self, qualified_name: str) -> Rule | None:
        """Return the rule for a torch name, perhaps without what it only has for the pages."""
        return self._working_at(self._index.by_api.get(qualified_name))

    def signature(self, qualified_name: str) -> MindSporeSide | None:
        """Return how a MindSpore API is called, for whatever rule knows it."""
        rule = self._working_at(self._index.by_target.get(qualified_name))
        return rule.mindspore if rule else None

    def torch_names(self) -> tuple[str, ...]:
        """Return every spelling of every torch API that has a rule."""
        return tuple(self._index.by_api)

    def torch_ids(self) -> tuple[str, ...]:
        """Return the ids of the rules about a torch API, in order."""
        files = set(self._index.by_api.values())
        return tuple(sorted(key for key, path in self._index.by_id.items() if path in files))

    def select(self, pattern: str) -> tuple[Rule, ...]:
        """Return the rules that a `--select` pattern means, in the order of their ids."""
        return tuple(rule for rule in self.rules if rule.matches(pattern))

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("**/*.toml"))

    def _label(self, path: Path) -> str:
        return f"{self.directory.name}/{path.relative_to(self.directory).as_posix()}"

    def _scan(self) -> _Index:
        index = _Index({}, {}, {})
        for path in self._files():
            text = path.read_text(encoding="utf-8")
            self._enter(index.by_id, _ID.findall(text)[:1], path, "id")
            names = [n for block in _SPELLINGS.findall(text) for n in re.findall(r'"(.*?)"', block)]
            self._enter(index.by_api, names, path, "torch.spellings")
            for name in _TARGET.findall(text):
                index.by_target.setdefault(name, path)  # type: ignore[attr-defined]
        return index

    def _enter(self, index: Any, names: list[str], path: Path, key: str) -> None:
        for name in names:
            if name in index:
                other = self._label(index[name])
                Where(self._label(path), key).fail(f"{name!r} is also in {other}")
            index[name] = path

    def _working_at(self, path: Path | None) -> Rule | None:
        if path is None:
            return None
        if path not in self._parsed and path not in self._working:
            text = without_pages(path.read_text(encoding="utf-8"))
            self._working[path] = read_rule(text, self._label(path), is_whole=False)
        return self._parsed.get(path) or self._working[path]

    def _at(self, path: Path | None) -> Rule | None:
        return self._rule(path) if path else None

    def _rule(self, path: Path) -> Rule:
        if path not in self._parsed:
            rule = read_rule(path.read_text(encoding="utf-8"), self._label(path))
            self._check_index(rule, path)
            self._parsed[path] = rule
        return self._parsed[path]

    def _check_index(self, rule: Rule, path: Path) -> None:
        """Refuse a layout that the scan cannot read, or it would hide the rule."""
        entries = [(self._index.by_id, rule.id), (self._index.by_target, rule.mindspore.api)]
        entries += [(self._index.by_api, name) for name in rule.torch.spellings]
        for index, name in entries:
            if name and name not in index:
                Where(self._label(path)).fail(
                    f"{name!r} must stand in a line `id = …`, `api = …` or `spellings = […]`"
                )

    @staticmethod
    def _check_signatures(rules: list[Rule]) -> None:
        first: dict[str, Rule] = {}
        for rule in rules:
            other = first.setdefault(rule.mindspore.api, rule)
            if other.mindspore.parameters != rule.mindspore.parameters:
                where = Where(rule.file, "mindspore.parameters")
                where.fail(f"{rule.mindspore.api} has other parameters in {other.file}")


_PAGES = re.compile(
    r"^\[\[(?:rows|claims|raises|provenance|examples)\]\]\n(?:(?!\[).*\n)*", re.MULTILINE
)


def without_pages(text: str) -> str:
    """Return a rule file without the tables that are of use for the pages only.

    They are most of it, and reading TOML is what a lookup takes its time for.
    """
    return _PAGES.sub("", text)


def read_rule(text: str, file: str, *, is_whole: bool = True) -> Rule:
    """Turn the text of one rule file into a rule; `file` is for messages."""
    where = Where(file)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where.fail(f"not TOML: {error}")
    rule = _build(Rule, table, where)
    if is_whole:
        _check(rule, table, where)
    return replace(rule, file=file)


def default_directory() -> Path:
    """Find the rules beside this file (in a wheel) or beside the package (in a checkout)."""
    package = Path(__file__).resolve().parent.parent
    return package / "rules" if (package / "rules").is_dir() else package.parent / "rules"


def load(directory: Path | None = None) -> Rulebook:
    """Return the rulebook of a directory; the default one is kept for the process."""
    return _default() if directory is None else Rulebook(directory)


@cache
def _default() -> Rulebook:
    directory = default_directory()
    if not directory.is_dir():
        raise RuleError(f"{directory}: no such directory; the installation is incomplete")
    return Rulebook(directory)
