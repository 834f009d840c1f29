"""What ties the classes and functions of a file to those of other files of its project.

A class that uses one which stays torch's has to stay torch's, too. One that is used by a class of
another file which stays torch's has to stay where that class would go on in silence; where it
raises, a note says that it does not run until it is migrated, too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mapper.analysis.module import ParsedModule
from mapper.analysis.project import (
    Origin,
    assigned,
    assigned_in,
    exported,
    origin,
    takers,
    takers_under,
)
from mapper.analysis.project_files import find, parse
from mapper.analysis.project_uses import facts_of
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import statements
from mapper.model.options import Options
from mapper.model.record import record
from mapper.model.results import Note
from mapper.planning.units import Hindrance, Unit, Units, asking_units
from mapper.running.quiet import Quiet


@record(frozen=True, slots=True)
class Staying:
    """What stays torch's in a file.

    `names` are classes, functions and variables, with the reasons; `models` what stands in those of
    them that are models, `asked` in those that ask whether something is of a class of torch's;
    `reads` all names that stand in what stays; `asks` the names of functions that ask so.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, stays: Mapping[Unit, Hindrance], asking: Collection[Unit]) -> Staying:
        """Return what other files have to know of the units that stay torch's."""
        reached = asking_units(stays, asking)
        words = {u: f"{u.words} of another file stays torch's: {stays[u].words}" for u in stays}
        return cls(
            {name: why.words for unit, why in stays.items() for name in unit.binds},
            {name: words[unit] for unit in stays if unit.is_model for name in _written(unit)},
            {
                name: words[unit]
                for unit, units in reached.items()
                for one in units
                for name in _written(one)
            },
            frozenset().union(*(unit.reads for unit in stays)),
            frozenset().union(*(unit.binds for unit in reached)),
        )


def _written(unit: Unit) -> set[str]:
    return {*unit.reads, *unit.others}


Others = Callable[[Path], Staying]
"""Returns what stays torch's in another file of the project."""


@record(frozen=True, slots=True)
class Use:
    """A class, function or variable of another file that a file uses."""

    line: int
    file: Path
    name: str


@record(frozen=True, slots=True)
class _Taker:
    """A file that takes what a unit binds, and how it may call it.

    `is_quiet`: its classes that stay torch's may go on with it in silence.
    """

    unit: Unit
    name: str
    file: Path
    names: frozenset[str]
    is_named: bool
    is_quiet: bool


@record(frozen=True, slots=True)
class _Alias:
    """A name for something of torch's, as in `C = nn.Conv2d`, that another file takes."""

    unit: Unit
    line: int
    file: Path
    name: str
    is_named: bool


@dataclass(slots=True)
class Links:
    """The ties of one file: what it uses of others, and what others take from it."""

    uses: list[tuple[Unit, Use]]
    takers: list[_Taker]
    aliases: list[_Alias]

    @property
    def files(self) -> set[Path]:
        """Return the files that decide what stays torch's in this one."""
        found = {use.file for _, use in self.uses} | {taker.file for taker in self.takers}
        return found | {alias.file for alias in self.aliases if alias.is_named}

    def hindrances(self, others: Others) -> Iterator[tuple[Unit, Hindrance]]:
        """Yield what keeps a unit from migrating, given what stays torch's in other files."""
        for unit, use in self.uses:
            why = others(use.file).names.get(use.name)
            if why is not None:
                words = f"`{use.name}` of {use.file.name} stays torch's: {why}"
                yield unit, Hindrance(use.line, words)
        for alias in self.aliases:
            words = f"{alias.file.name} takes `{alias.name}` from here"
            if not alias.is_named:
                yield alias.unit, Hindrance(alias.line, f"{words}: name that file in the run, too")
            elif alias.name in others(alias.file).reads:
                yield alias.unit, Hindrance(alias.line, f"{words}, and stays torch's")
        for taker in self.takers:
            theirs = others(taker.file)
            silent = dict(theirs.asked)
            if taker.is_quiet or not taker.is_named:
                silent |= theirs.models
            if found := sorted(taker.names & silent.keys()):
                yield taker.unit, Hindrance(taker.unit.line, silent[found[0]])

    def asking(self, others: Others) -> frozenset[Unit]:
        """Return the units that ask for classes of torch's through functions of other files."""
        return frozenset(unit for unit, use in self.uses if use.name in others(use.file).asks)

    def notes(self, others: Others, stays: Collection[Unit]) -> Iterator[Note]:
        """Yield what does not run, once this file is migrated, until other files are, too."""
        users: dict[tuple[Unit, str], set[str]] = {}
        for taker in self.takers:
            if taker.unit not in stays and taker.names & others(taker.file).models.keys():
                users.setdefault((taker.unit, taker.name), set()).add(taker.file.name)
        for (unit, name), files in users.items():
            first, *more = sorted(files)
            words = " and ".join([first, *more] if len(more) < 2 else [first, f"{len(more)} more"])
            said = f"what uses `{name}` in {words} runs again when it is migrated, too"
            yield Note(unit.line, said)


def find_links(
    module: ParsedModule,
    units: Units,
    uses: Sequence[Use],
    lines: Collection[int],
    quiet: Quiet,
    options: Options,
) -> Links:
    """Return the ties of a file to others; none where its place is not known.

    `lines` are those with sites; `quiet` what torch's code could go on using in silence.
    """
    if module.path is None:
        return Links([], [], [])
    used = [(unit, use) for use in uses if (unit := units.at(use.line)) is not None]
    if not module.path.is_file():
        return Links(used, [], [])
    taken = []
    for unit, name, file, names in _takers(module.path, units):
        is_named = options.names(str(file.parent), str(file))
        is_quiet = name in quiet.used or (name in quiet.bases and _derives(file, names))
        taken.append(_Taker(unit, name, file, names, is_named, is_quiet))
    return Links(used, taken, list(_aliases(module, units, lines, options)))


_DEEPEST = 3
"""How many attributes lead to what another file defines: `package.module.Class` has two."""


def find_uses(module: ParsedModule) -> list[Use]:
    """Return where a file uses classes and functions of other files."""
    return list(dict.fromkeys(_uses(module))) if module.path is not None else []


def _uses(module: ParsedModule) -> Iterator[Use]:
    assert module.path is not None
    here, scope = module.path.resolve(), module.names.scopes.module
    targets: dict[str, set[str]] = {}
    for _, local, binding in module.names.imports():  # those inside functions, too
        targets.setdefault(local, set()).add(binding.target or "")
    for statement in module.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=other)], value=ast.Name(id=local)) if (
                local in targets
            ):
                targets.setdefault(other, set()).update(targets[local])
    if not scope.stars and all(is_torch(one) for every in targets.values() for one in every):
        return
    for local, chains in facts_of(module.tree).chains.items():
        if local not in targets and (local in scope.bindings or not scope.stars):
            continue
        behind: dict[tuple[str, ...], list[tuple[Path, str]]] = {}
        for chain in chains:
            attribute = chain.attributes[:_DEEPEST]
            if chain.is_loaded and attribute not in behind:
                behind[attribute] = list(_behind(module, local, attribute, targets.get(local)))
            for file, name in behind[attribute] if chain.is_loaded else ():
                if file != here:
                    yield Use(chain.levels[0].lineno, file, name)


def _behind(
    module: ParsedModule, local: str, attribute: tuple[str, ...], targets: set[str] | None
) -> Iterator[tuple[Path, str]]:
    """Yield the files and names that a name of a file, or an attribute of it, may come from.

    `targets` are what it is imported as; None: by a star, if at all.
    """
    assert module.path is not None
    if targets is None:
        for star in module.names.scopes.module.stars:
            file = find(star, module.path)
            found = exported(file, local) if file is not None else None
            variable = assigned_in(file, local) if file is not None and not found else None
            if found is not None or variable is not None:
                yield from [variable] if variable is not None else _defined(found)
                return
    for target in sorted(targets or ()):
        for end in range(len(attribute), -1, -1) if target and not is_torch(target) else ():
            dotted = ".".join([target, *attribute[:end]])
            found, variable = origin(dotted, module.path), assigned(dotted, module.path)
            if found is not None and (found.torch or found.node):
                yield from _defined(found)
                break
            if variable is not None:
                yield variable
                break


def _defined(found: Origin | None) -> Iterator[tuple[Path, str]]:
    """Yield the file and the name of a class or function, if it is one."""
    if found is not None and found.file is not None and found.node is not None:
        yield found.file, found.node.name


def _takers(path: Path, units: Units) -> Iterator[tuple[Unit, str, Path, frozenset[str]]]:
    """Yield which files take a model of this file, or a function with torch."""
    for unit in units.all:
        if unit.is_model or (unit.is_concerned and unit.is_function):
            for name in unit.binds:
                for file, names in takers_under(path, name).items():
                    if _mentions(file, names):
                        yield unit, name, file, names


def _mentions(file: Path, names: frozenset[str]) -> bool:
    """Say whether a file has one of the names in its code."""
    parsed = parse(file)
    return parsed is not None and any(facts_of(parsed.tree).written[name] for name in names)


def _derives(file: Path, names: frozenset[str]) -> bool:
    """Say whether a class of a file derives from one of the names."""
    parsed = parse(file)
    found = statements(parsed.tree) if parsed is not None else ()
    bases = (base for one in found if isinstance(one, ast.ClassDef) for base in one.bases)
    return any(getattr(base, "id", getattr(base, "attr", "")) in names for base in bases)


def _aliases(
    module: ParsedModule, units: Units, lines: Collection[int], options: Options
) -> Iterator[_Alias]:
    """Yield who takes a name for a class or function of torch's.

    Files that the run does not name, or that stay torch's, expect torch's: in a type test it would
    be another class without a word.
    """
    assert module.path is not None
    for statement in module.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute()) if (
                statement.lineno in lines and (unit := units.at(statement.lineno)) is not None
            ):
                for taker in takers(module.path, name) or ():
                    is_named = options.names(str(taker.file.parent), str(taker.file))
                    yield _Alias(unit, statement.lineno, taker.file, name, is_named)
