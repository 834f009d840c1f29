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
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import Enum, StrEnum
from functools import cache
from math import prod
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Scalar = str | int | float | bool


class RuleError(Exception):
    """A rule file that cannot be used; the message names the file and the key."""


class Kind(StrEnum):
    """What a rule is about. A new kind is added here and in `NEEDED`, nowhere else."""

    LAYER = "layer"
    FUNCTION = "function"
    MANUAL = "manual"
    SIGNATURE = "signature"


NEEDED: Mapping[Kind, tuple[str, ...]] = {
    Kind.LAYER: ("torch", "mindspore", "strategy", "rows", "provenance", "examples"),
    Kind.FUNCTION: ("torch", "mindspore", "strategy", "rows", "provenance", "examples"),
    Kind.MANUAL: ("torch", "remedy", "provenance", "examples"),
    Kind.SIGNATURE: ("mindspore", "provenance"),
}


class Strategy(StrEnum):
    """How arguments are carried over; `direct` is what renames and value maps alone can say."""

    DIRECT = "direct"
    CONV = "conv"
    CONV_TRANSPOSE = "conv-transpose"
    FUNCTIONAL_CONV = "functional-conv"
    FUNCTIONAL_CONV_TRANSPOSE = "functional-conv-transpose"


class RowKind(StrEnum):
    """Which part of the difference table a row belongs to."""

    PARAMETER = "parameter"
    INPUT = "input"


class Action(StrEnum):
    """What the rewrite does about a row."""

    SAME = "same"
    RENAME = "rename"
    CONVERT = "convert"
    DROP = "drop"
    ADDED = "added"


class Verdict(StrEnum):
    """What measurement says of a statement in the documents."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"


class Device(StrEnum):
    """The platform that a limit belongs to."""

    ANY = "any"
    CPU = "cpu"
    GPU = "gpu"
    ASCEND = "ascend"


class Effect(StrEnum):
    """What a limit does to a site: no rewrite for that target, or a remark."""

    MANUAL = "manual"
    FINDING = "finding"


class Recipe(StrEnum):
    """Which of the tool's recipes an example shows."""

    EXACT = "exact"
    TABLE = "table"


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A MindSpore release line; patch levels do not matter here."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `2.10` or `2.10.0`."""
        found = re.fullmatch(r"(\d+)\.(\d+)(?:\.\d+)?", text)
        if not found:
            raise ValueError(f"expected a version such as '2.10', got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Releases from `start` on and below `stop`; None leaves that side open."""

    start: Version | None = None
    stop: Version | None = None

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read `>=2.0,<2.1`, `<2.1` or `>=2.7`."""
        found = re.fullmatch(r"(?:>=([\d.]+))?,?(?:<([\d.]+))?", text)
        if not found or not (found[1] or found[2]):
            raise ValueError(f"expected a range such as '>=2.0,<2.1', got {text!r}")
        start, stop = (Version.parse(part) if part else None for part in found.groups())
        return cls(start, stop)

    def __contains__(self, version: Version) -> bool:
        below = self.stop is None or version < self.stop
        return below and (self.start is None or self.start <= version)

    def __str__(self) -> str:
        sides = (f">={self.start}" if self.start else "", f"<{self.stop}" if self.stop else "")
        return ",".join(filter(None, sides))


_CLAUSE = re.compile(
    r"(?P<volume>volume\()?(?P<name>[a-z_]+)(?(volume)\))(?:\[(?P<axis>\d)\])?"
    r" (?P<operator>==|!=|>=|>|<) (?P<value>-?\d+|'[^']*'|[A-Za-z_][\w.]*)"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of a torch argument: on one axis, on its volume, or on any axis."""

    name: str
    operator: str
    value: int | str
    reference: bool = False
    axis: int | None = None
    volume: bool = False

    @classmethod
    def parse(cls, text: str) -> Clause:
        """Read `dilation[0] != 1`, `padding >= kernel_size`, `volume(kernel_size) > 343`…"""
        found = _CLAUSE.fullmatch(text.strip())
        if not found:
            raise ValueError(f"expected a condition such as 'groups != 1', got {text!r}")
        raw = found["value"]
        value = int(raw) if re.fullmatch(r"-?\d+", raw) else raw.strip("'")
        reference = isinstance(value, str) and not raw.startswith("'") and "." not in raw
        axis = int(found["axis"]) if found["axis"] else None
        return cls(found["name"], found["operator"], value, reference, axis, bool(found["volume"]))

    def holds(self, arguments: Mapping[str, object], rank: int) -> bool | None:
        """Say whether it holds on some axis; None when an argument is not known."""
        wanted = {self.name, str(self.value)} if self.reference else {self.name}
        if not wanted <= arguments.keys():
            return None
        left = _axes(arguments[self.name], rank)
        right = _axes(arguments[str(self.value)] if self.reference else self.value, rank)
        if self.volume:
            left, right = [prod(_integers(left))], right[:1]
        elif self.axis is not None:
            left, right = left[self.axis : self.axis + 1], right[self.axis : self.axis + 1]
        return any(_compare(a, self.operator, b) for a, b in zip(left, right, strict=False))


@dataclass(frozen=True, slots=True)
class Condition:
    """Clauses that must all hold; none at all means always. Names are torch's parameters."""

    text: str
    clauses: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read `always` or clauses joined by `and`."""
        parts = [] if text == "always" else text.split(" and ")
        return cls(text, tuple(Clause.parse(part) for part in parts))

    def names(self) -> set[str]:
        """Return the torch parameters it speaks of."""
        referred = {str(c.value) for c in self.clauses if c.reference}
        return referred | {c.name for c in self.clauses}

    def holds(self, arguments: Mapping[str, object], rank: int) -> bool | None:
        """Evaluate over known arguments (defaults included); None means it depends on others."""
        results = [clause.holds(arguments, rank) for clause in self.clauses]
        if False in results:
            return False
        return None if None in results else True


def _axes(value: object, rank: int) -> list[object]:
    if isinstance(value, tuple | list):
        items = list(value)
        return items * rank if len(items) == 1 else items
    return [value] * max(rank, 1)


def _integers(values: list[object]) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def _compare(left: object, operator: str, right: object) -> bool:
    if operator in ("==", "!="):
        return (left == right) is (operator == "==")
    if not (isinstance(left, int) and isinstance(right, int)):
        return False
    return {">=": left >= right, ">": left > right, "<": left < right}[operator]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A default that releases below `below` had."""

    below: Version
    default: Scalar


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of a signature.

    Exactly one of `required`, `default`, `default_none` and `default_code` (an expression such as
    `mindspore.float32`) is given. `undocumented`: the documents' table has no row for it.
    """

    name: str
    required: bool = False
    default: Scalar | None = None
    default_none: bool = False
    default_code: str = ""
    since: Version | None = None
    undocumented: bool = False
    earlier: tuple[Earlier, ...] = ()

    def __post_init__(self) -> None:
        given = (self.required, self.default is not None, self.default_none, self.default_code)
        if sum(map(bool, given)) != 1:
            raise ValueError("needs one of required, default, default_none, default_code")

    def exists_in(self, version: Version) -> bool:
        """Say whether that release's signature has it."""
        return self.since is None or self.since <= version

    def default_in(self, version: Version) -> Scalar | None:
        """Return that release's default (None also when the default is None or code)."""
        olds = [old for old in self.earlier if version < old.below]
        return min(olds, key=lambda old: old.below).default if olds else self.default


@dataclass(frozen=True, slots=True)
class Signature:
    """What both sides of a rule share: a qualified name and how it is called."""

    api: str
    parameters: tuple[ParameterSpec, ...] = ()
    inputs: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the parameters' names in order."""
        return tuple(parameter.name for parameter in self.parameters)

    def parameter(self, name: str) -> ParameterSpec | None:
        """Return the parameter of that name."""
        return next((p for p in self.parameters if p.name == name), None)

    def known(self, kind: RowKind) -> tuple[str, ...]:
        """Return the names that a row of that kind may use."""
        return self.names if kind is RowKind.PARAMETER else self.inputs


@dataclass(frozen=True, slots=True)
class TorchSide(Signature):
    """The torch API with every qualified name it goes by."""

    spellings: tuple[str, ...] = ()
    rank: int = 0

    def canonical(self, spelling: str) -> str:
        """Return the documented name behind a spelling (a rule may hold several classes)."""
        last = spelling.rpartition(".")[2]
        return next((s for s in self.spellings if s.rpartition(".")[2] == last), self.api)


@dataclass(frozen=True, slots=True)
class MindSporeSide(Signature):
    """The MindSpore API in the newest verified release, with what earlier ones lacked."""

    since: Version | None = None

    def parameters_in(self, version: Version) -> tuple[ParameterSpec, ...]:
        """Return the parameters that release has, in order."""
        return tuple(p for p in self.parameters if p.exists_in(version))


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Values without a counterpart, and why."""

    values: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Qualified torch values of one parameter and what stands for them."""

    map: Mapping[str, str]
    unsupported: tuple[Unsupported, ...] = ()

    def reason(self, value: str) -> str | None:
        """Return why a value cannot be carried over, if that is known."""
        return next((u.reason for u in self.unsupported if value in u.values), None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a difference table; `original` holds the words when they are not English."""

    number: int
    kind: RowKind
    difference: str
    action: Action
    verdict: Verdict
    evidence: str
    torch: str = ""
    mindspore: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of the documents (or a trap) outside the table."""

    topic: str
    text: str
    verdict: Verdict
    evidence: str
    original: str = ""


@dataclass(frozen=True, slots=True)
class Raise:
    """An error that an API page documents."""

    error: str
    text: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, slots=True)
class Limit:
    """What some platform or release cannot do."""

    when: Condition
    effect: Effect
    text: str
    source: str
    device: Device = Device.ANY
    versions: VersionRange | None = None

    def applies(self, version: Version, device: str = Device.ANY) -> bool:
        """Say whether it concerns that target; its condition is a separate question."""
        here = self.device is Device.ANY or self.device == device
        return here and (self.versions is None or version in self.versions)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a rule was transcribed from; `seed` names the copy in tests/seeds."""

    document: str
    branch: str
    section: str
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A call and what becomes of it, or the reason why it stays."""

    before: str
    after: str = ""
    stays: bool = False
    reason: str = ""
    recipe: Recipe = Recipe.EXACT
    target: Version | None = None

    def __post_init__(self) -> None:
        if bool(self.after) == self.stays:
            raise ValueError("needs either after or stays = true")
        if self.stays and not self.reason:
            raise ValueError("needs a reason for what stays")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file. Kinds without a torch or MindSpore side have a side with an empty `api`."""

    id: str
    kind: Kind
    summary: str
    strategy: Strategy | None = None
    remedy: str = ""
    torch: TorchSide = field(default_factory=lambda: TorchSide(""))
    mindspore: MindSporeSide = field(default_factory=lambda: MindSporeSide(""))
    renames: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, ValueMap] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    claims: tuple[Claim, ...] = ()
    raises: tuple[Raise, ...] = ()
    limits: tuple[Limit, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    examples: tuple[Example, ...] = ()
    file: str = field(default="", metadata={"key": False})

    def verdicts(self) -> list[Verdict]:
        """Return the verdict of each statement: rows, claims and documented errors."""
        said = [row.verdict for row in self.rows] + [claim.verdict for claim in self.claims]
        return said + [error.verdict for error in self.raises]

    def matches(self, pattern: str) -> bool:
        """Say whether a `--select` pattern means this rule: id, id prefix or torch name."""
        return bool(pattern) and (self.id.startswith(pattern) or pattern in self.torch.spellings)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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

    def signature(self, qualified_name: str) -> MindSporeSide | None:
        """Return how a MindSpore API is called, for whatever rule knows it."""
        rule = self._at(self._index.by_target.get(qualified_name))
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


def read_rule(text: str, file: str) -> Rule:
    """Turn the text of one rule file into a rule; `file` is for messages."""
    where = Where(file)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where.fail(f"not TOML: {error}")
    rule = _build(Rule, table, where)
    _check(rule, table, where)
    return replace(rule, file=file)


def default_directory() -> Path:
    """Find the rules beside this file (in a wheel) or beside the package (in a checkout)."""
    here = Path(__file__).resolve().parent
    return here / "rules" if (here / "rules").is_dir() else here.parent / "rules"


def load(directory: Path | None = None) -> Rulebook:
    """Return the rulebook of a directory; the default one is kept for the process."""
    return _default() if directory is None else Rulebook(directory)


@cache
def _default() -> Rulebook:
    directory = default_directory()
    if not directory.is_dir():
        raise RuleError(f"{directory}: no such directory; the installation is incomplete")
    return Rulebook(directory)
