"""The rule database: `rules/**/*.toml` as typed, strictly validated data with provenance.

A rule says how one torch API is called, what MindSpore has for it and what each argument becomes.
What the documents say and what was measured stands beside it: `conv2d.toml` decides, its page is
`conv2d.doc.toml`. A bad rule file is a `RuleError` that names the file and the key.

A qualified name leads to its file through a scan of the raw text, so that looking up one API
parses one file; `Rulebook.rules` parses and cross-checks all of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from mapper.model.record import record
from mapper.rulebook.checks import check_rule
from mapper.rulebook.form import PageFile, RuleFile, rule_of, with_page
from mapper.rulebook.schema import Group, Kind, MindSporeSide, Rule, group_of
from mapper.rulebook.tables import RuleError, Where, build, expect

__all__ = ["Entry", "RuleError", "Rulebook", "load", "read_rule"]

_PAGE = ".doc.toml"


@record(frozen=True, slots=True)
class Entry:
    """What the raw text of a rule file says of a rule: nothing is parsed for it.

    `rank` is the one of the file's `ranks` that is meant, where it has any. `is_clear` is False
    where something is missing that a lookup needs.
    """

    id: str
    kind: Kind
    group: Group
    api: str
    target: str
    path: Path
    rank: int | None = None
    spellings: tuple[str, ...] = ()
    is_clear: bool = True


@record(frozen=True, slots=True)
class _Index:
    """Where to find a rule."""

    by_id: dict[str, Entry] = field(default_factory=dict)
    by_api: dict[str, Entry] = field(default_factory=dict)
    by_target: dict[str, Entry] = field(default_factory=dict)


def _rank(entry: Entry) -> int:
    """Return how much a rule says of its MindSpore API; names that are exchanged say nothing."""
    if entry.kind in (Kind.CONSTANT, Kind.CLASS, Kind.MANUAL):
        return 0
    return 1 if entry.kind is Kind.SIGNATURE else 2


# A lookup reads these lines off the raw text: 0.06 s for all files, which as TOML take 0.6 s.
_LINE = re.compile(r'^(id|kind|strategy|group|api) = "([\w.{}-]+)"', re.MULTILINE)
_ALIASES = re.compile(r"^aliases = \[([^]]*)\]", re.MULTILINE)
_RANKS = re.compile(r"^ranks = \[([\d, ]*)\]", re.MULTILINE)


def scan(text: str, path: Path) -> Iterator[Entry]:
    """Yield the rules of a file's text, one for each of its `ranks`."""
    first = text.partition("\n[[examples]]")[0]
    found = _RANKS.search(first)
    ranks: list[int | None] = [int(n) for n in re.findall(r"\d+", found[1])] if found else [None]
    for rank in ranks:
        here = first if rank is None else _for_rank(first, rank)
        words: dict[str, str] = {}
        for key, word in _LINE.findall(here):
            is_ours = key == "api" and f"{word}.".startswith(("mindspore.", "inserted."))
            side = "mindspore" if is_ours else key
            words.setdefault(side, word)
        aliases = [n for block in _ALIASES.findall(here) for n in re.findall(r'"(.*?)"', block)]
        known = words.get("kind") in list(Kind)
        kind = Kind(words["kind"]) if known else Kind.MANUAL
        api = words.get("api", "")
        is_clear = known and bool(words.get("id")) and bool(api or words.get("mindspore"))
        group = Group(words["group"]) if words.get("group") in list(Group) else None
        yield Entry(
            words.get("id", ""),
            kind,
            group or group_of(kind, path.parent.name, words.get("strategy")),
            api,
            words.get("mindspore", ""),
            path,
            rank,
            (api, *aliases) if api else (),
            is_clear,
        )


class Rulebook:
    """All rules of one directory, each parsed when it is first needed.

    Raises:
        RuleError: a file cannot be used. Names and ids that two rules have, and files that a lookup
            would not find, are reported when the rulebook is made; the rest when a rule is needed.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parsed: dict[tuple[Path, int | None], Rule] = {}
        self._working: dict[tuple[Path, int | None], Rule] = {}
        entries = [one for path in self._files() for one in scan(self._text(path), path)]
        self._index = self._indexed(entries)
        for entry in entries:
            if not entry.is_clear:
                self._rule(entry)  # reading it tells what is wrong

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in the order of their ids, checked against each other."""
        entries = self._index.by_id.values()
        found = sorted((self._rule(entry) for entry in entries), key=lambda rule: rule.id)
        self._check_signatures(found)
        return tuple(found)

    def by_id(self, identifier: str) -> Rule | None:
        """Return the rule with that id."""
        return self._at(self._index.by_id.get(identifier))

    def by_api(self, qualified_name: str) -> Rule | None:
        """Return the rule for a torch name in any of its spellings."""
        return self._at(self._index.by_api.get(qualified_name))

    def by_target(self, qualified_name: str) -> Rule | None:
        """Return a rule whose MindSpore side has that name."""
        return self._at(self._index.by_target.get(qualified_name))

    def working(self, qualified_name: str) -> Rule | None:
        """Return the rule for a torch name, perhaps without what it only has for the pages."""
        return self._working_at(self._index.by_api.get(qualified_name))

    def working_target(self, qualified_name: str) -> Rule | None:
        """Return the rule that says most of a MindSpore API, perhaps without its page."""
        return self._working_at(self._index.by_target.get(qualified_name))

    def signature(self, qualified_name: str) -> MindSporeSide | None:
        """Return how a MindSpore API is called, for whatever rule knows it."""
        rule = self.working_target(qualified_name)
        return rule.mindspore if rule else None

    def names(
        self, kinds: Iterable[Kind] = tuple(Kind), groups: Iterable[Group] = tuple(Group)
    ) -> Mapping[str, Entry]:
        """Return every torch API and alias of the rules of these kinds and groups.

        Read off the raw text: what a file may mention for the tool to have work there.
        """
        wanted, within = frozenset(kinds), frozenset(groups)
        return {
            name: entry
            for name, entry in self._index.by_api.items()
            if entry.kind in wanted and entry.group in within
        }

    def torch_names(self) -> tuple[str, ...]:
        """Return every spelling of every torch API that has a rule."""
        return tuple(self._index.by_api)

    def torch_ids(self) -> tuple[str, ...]:
        """Return the ids of the rules about a torch API, in order."""
        return tuple(sorted({entry.id for entry in self._index.by_api.values()}))

    def select(self, pattern: str) -> tuple[Rule, ...]:
        """Return the rules that a `--select` pattern means, in the order of their ids."""
        return tuple(rule for rule in self.rules if rule.matches(pattern))

    def _files(self) -> list[Path]:
        """Return the rule files; a page without one would be shown nowhere."""
        every = sorted(self.directory.glob("**/*.toml"))
        files = [path for path in every if not path.name.endswith(_PAGE)]
        for page in {*every} - {*files} - {path.with_name(f"{path.stem}{_PAGE}") for path in files}:
            beside = page.name.replace(_PAGE, ".toml")
            Where(self._label(page)).fail(f"the rule of this page is missing: {beside}")
        return files

    def _text(self, path: Path) -> str:
        try:
            return _text(path)
        except OSError as error:
            Where(self._label(path)).fail(f"cannot be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            Where(self._label(path)).fail(f"not UTF-8: {error.reason} at byte {error.start}")

    def _label(self, path: Path) -> str:
        return f"{self.directory.name}/{path.relative_to(self.directory).as_posix()}"

    def _indexed(self, entries: Sequence[Entry]) -> _Index:
        """Return where to find the rules; an id or torch name that two rules have is refused."""
        index = _Index()
        ids = {entry.id for entry in entries}
        for entry in entries:
            if entry.id in index.by_id:
                remedy = f"{_free(entry.id, ids)!r} is free"
                self._refuse(entry, "id", entry.id, index.by_id[entry.id], remedy)
            if entry.id:
                index.by_id[entry.id] = entry
            for name in entry.spellings:
                if name in index.by_api:
                    key = "torch.api" if name == entry.api else "torch.aliases"
                    self._refuse(entry, key, name, index.by_api[name], "a torch name has one rule")
                index.by_api[name] = entry
            known = index.by_target.get(entry.target)
            if entry.target and (known is None or _rank(entry) > _rank(known)):
                index.by_target[entry.target] = entry
        return index

    def _refuse(self, entry: Entry, key: str, word: str, other: Entry, remedy: str) -> NoReturn:
        where = Where(self._label(entry.path), key)
        where.fail(f"{word!r} is also in {self._label(other.path)}", remedy)

    def _working_at(self, entry: Entry | None) -> Rule | None:
        if entry is None:
            return None
        key = entry.path, entry.rank
        if key not in self._parsed and key not in self._working:
            text = without_pages(self._text(entry.path))
            label = self._label(entry.path)
            self._working[key] = read_rule(text, label, rank=entry.rank, is_whole=False)
        return self._parsed.get(key) or self._working[key]

    def _at(self, entry: Entry | None) -> Rule | None:
        return self._rule(entry) if entry else None

    def _rule(self, entry: Entry) -> Rule:
        key = entry.path, entry.rank
        if key not in self._parsed:
            beside = entry.path.with_name(entry.path.name.removesuffix(".toml") + _PAGE)
            page = self._text(beside) if beside.exists() else ""
            label = self._label(entry.path)
            rule = read_rule(self._text(entry.path), label, page=page, rank=entry.rank)
            self._check_index(rule, entry)
            self._parsed[key] = rule
        return self._parsed[key]

    def _check_index(self, rule: Rule, entry: Entry) -> None:
        """Refuse a layout that the scan cannot read, or it would hide the rule."""
        entries: list[tuple[Mapping[str, Entry], str]] = [
            (self._index.by_id, rule.id),
            (self._index.by_target, rule.mindspore.api),
        ]
        entries += [(self._index.by_api, name) for name in rule.torch.spellings]
        where = Where(self._label(entry.path))
        for index, name in entries:
            if name and name not in index:
                where.fail(f"{name!r} must stand in a line `id = …`, `api = …` or `aliases = […]`")
        if (rule.kind, rule.group) != (entry.kind, entry.group):
            where.fail("`kind = …`, `strategy = …` and `group = …` must each stand in a line")

    @staticmethod
    def _check_signatures(rules: list[Rule]) -> None:
        first: dict[str, Rule] = {}
        for rule in rules:
            if not rule.mindspore.parameters:
                continue
            other = first.setdefault(rule.mindspore.api, rule)
            if other.mindspore.parameters != rule.mindspore.parameters:
                where = Where(rule.file, "mindspore.signature")
                where.fail(f"{rule.mindspore.api} has other parameters in {other.file}")


def _free(taken: str, ids: Collection[str]) -> str:
    """Return an id that no rule has, beginning like the one that is taken."""
    start = taken[:3]
    return next(one for n in range(1_000) if (one := f"{start}{n:03}") not in ids)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_EXAMPLES = re.compile(r"^\[\[examples\]\]\n(?:(?!\[).*\n)*", re.MULTILINE)


def without_pages(text: str) -> str:
    """Return a rule file without the tables that are of use for the pages only.

    Reading TOML is what a lookup takes its time for.
    """
    return _EXAMPLES.sub("", text)


def read_rule(
    text: str, file: str, *, page: str = "", rank: int | None = None, is_whole: bool = True
) -> Rule:
    """Turn the text of a rule file, and that of its page, into a rule; `file` is for messages.

    A file with `ranks` holds a rule for each: the one of `rank`, or of the first.
    """
    where = Where(file)
    if rank is None and (ranks := _RANKS.search(text)):
        rank = int(ranks[1].partition(",")[0])
    table = _table(text, where, rank)
    rule = rule_of(build(RuleFile, _merged(table, rank, where), where), where)
    beside = Where(file.removesuffix(".toml") + _PAGE)
    if page:
        rule = with_page(rule, build(PageFile, _table(page, beside, rank), beside), beside)
    if is_whole:
        check_rule(rule, where, beside)
    return rule


def _table(text: str, where: Where, rank: int | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text if rank is None else _for_rank(text, rank))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where.fail(f"not TOML: {error}")


def _for_rank(text: str, rank: int) -> str:
    return text.replace("{n}", str(rank))


def _merged(table: dict[str, Any], rank: int | None, where: Where) -> dict[str, Any]:
    """Return the table of one rank: `[rank.3]` replaces what it names.

    That is a whole key of `[torch]` or `[mindspore]`, and any other key of the file.
    """
    if rank is None or "ranks" not in table:
        return table
    if isinstance(table.get("torch"), dict):
        table["torch"].setdefault("rank", rank)
    own = expect(table.pop("rank", {}), dict, "a table", where.at("rank"))
    ranks = {str(one) for one in table.pop("ranks")}
    for key in own.keys() - ranks:
        where.at("rank").fail(f"{key!r} is not one of the ranks")
    for key, value in own.get(str(rank), {}).items():
        is_side = key in ("torch", "mindspore") and isinstance(table.get(key), dict)
        table[key] = {**table[key], **value} if is_side else value
    return table


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
        raise RuleError(str(directory), "", "no such directory; the installation is incomplete")
    return Rulebook(directory)
