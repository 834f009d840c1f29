"""The files that may do something to the layers of a file, read together and only once.

Files of one project mostly have the same program, so that what was found out about it is kept.
"""

from __future__ import annotations

import ast
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path

from mapper import limits
from mapper.analysis.cells import ClassInfo
from mapper.analysis.kinds import Kind
from mapper.analysis.kinds_of_files import File, project
from mapper.analysis.layer_use_sites import LayerUse, may_use, uses_of
from mapper.analysis.module import ParsedModule
from mapper.analysis.project_files import Parsed, entries, find, parse, per_run, root_of
from mapper.analysis.reach import RECURSIVE, FileNames, Reach, Search, Value
from mapper.analysis.walk import statements

_OTHER_VALUES = frozenset(
    (
        "Tensor", "Parameter", "int", "float", "bool", "number", "str", "tuple", "list", "dict",
        "set", "size", "None", "dtype", "device", "module", "iterator",
    )
)  # fmt: skip
_NAMING = ("named_modules", "named_children", "_modules", "split", "rsplit", "rpartition")
"""What gives the names that layers have in what holds them."""


class Program:
    """Some files, by their paths; what stands in no file has None."""

    def __init__(self, files: Mapping[Path | None, Parsed]) -> None:
        self.files = files
        self._searches: dict[bool, Search] = {}
        self._apis: dict[LayerUse, frozenset[str] | None] = {}
        self._inferred: dict[Path | None, File] = {}

    @cached_property
    def uses(self) -> list[LayerUse]:
        """Return what is done to layers, in the order of files and lines."""
        return [use for path, file in self.files.items() for use in _uses(path, file)]

    @cached_property
    def _reach(self) -> Reach:
        return Reach(_names(path, file) for path, file in self.files.items())

    def leads_to(self, use: LayerUse, call: ast.expr, file: Path | None, is_direct: bool) -> bool:
        """Say whether the object of a use may be, or hold, the layer that a call of a file builds.

        `is_direct`: what a search through all layers finds does not count.
        """
        found = self._search(is_direct).leading_to(file, call) & ~self._names_of_children
        return bool(found >> self._place[use] & 1)

    def is_open(self, use: LayerUse, is_direct: bool) -> bool:
        """Say whether the object of a use is given to the function around it by nobody here."""
        found = self._search(is_direct).open_ones & ~self._names_of_children
        return bool(found >> self._place[use] & 1)

    @cached_property
    def _place(self) -> dict[LayerUse, int]:
        return {use: place for place, use in enumerate(self.uses)}

    def _search(self, is_direct: bool) -> Search:
        if is_direct not in self._searches:
            past = RECURSIVE if is_direct else frozenset[str]()
            starts = [Value(use.node, use.place) for use in self.uses]
            self._searches[is_direct] = Search(self._reach, starts, past)
        return self._searches[is_direct]

    @cached_property
    def _names_of_children(self) -> int:
        """Return the uses that set a name which a layer has in what holds it."""
        keyed = [(use, use.key) for use in self.uses if use.key is not None]
        starts = [Value(key, use.place) for use, key in keyed]
        found = Search(self._reach, starts, frozenset()).any_of(_names_children)
        return sum(1 << self._place[use] for n, (use, _) in enumerate(keyed) if found >> n & 1)

    def is_parameter(self, use: LayerUse) -> bool:
        """Say whether what a method changes is known to be a Parameter."""
        file = self._file(use.place.file)
        return use.parameter is not None and file.kind(use.parameter).name == "Parameter"

    def apis(self, use: LayerUse) -> frozenset[str] | None:
        """Return the torch layers that the object may be of; None where that is not known."""
        if use not in self._apis:
            self._apis[use] = _apis(self._file(use.place.file).kind(use.node))
        return self._apis[use]

    def _file(self, path: Path | None) -> File:
        if path not in self._inferred:
            file = self.files[path]
            self._inferred[path] = project().add(path, file.tree, file.text)
        return self._inferred[path]


def _names_children(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Attribute) and part.attr in _NAMING
        for part in (ast.walk(node) if not isinstance(node, ast.ClassDef) else ())
    )


def _apis(kind: Kind) -> frozenset[str] | None:
    """Return the torch layers that an object may be of; None where that is not known."""
    found = set[str]()
    for part in kind.alternatives():
        if part.name == "layer" and isinstance(part.of, str):
            found.add(part.of)
        elif part.name not in _OTHER_VALUES and not isinstance(part.of, ClassInfo):
            return None
    return frozenset(found)


# --- what is found once -------------------------------------------------------------------------

_programs: OrderedDict[frozenset[Path | None], Program] = OrderedDict()


def program_of(module: ParsedModule) -> Program:
    """Return the program that a file belongs to."""
    own = module.path.resolve() if module.path is not None else None
    others = _other_files(own) if own is not None else ()
    found: dict[Path | None, Parsed] = {}
    for path in sorted(others):
        if (parsed := parse(path)) is not None:
            found[path] = parsed
    here = parse(own) if own is not None else None
    if own is None or here is None or here.text != module.text:
        return Program({own: Parsed(own or Path(), module.text, module.tree), **found})
    found[own] = here
    return _kept(found)


def _kept(files: dict[Path | None, Parsed]) -> Program:
    """Return the program of some files, which is the one known while no file changes."""
    key = frozenset(files)
    known = _programs.get(key)
    if known is None or any(known.files[path] is not file for path, file in files.items()):
        known = Program(dict(sorted(files.items(), key=lambda one: str(one[0]))))
    _programs[key] = known
    _programs.move_to_end(key)
    while len(_programs) > limits.PROGRAMS:
        _programs.popitem(last=False)
    return known


@lru_cache(limits.PARSED_FILES)
def _names(path: Path | None, file: Parsed) -> FileNames:
    return FileNames(path, file.tree)


@lru_cache(limits.PARSED_FILES)
def _uses(path: Path | None, file: Parsed) -> tuple[LayerUse, ...]:
    if not may_use(file.text.encode("utf-8", "replace")):
        return ()
    return tuple(sorted(uses_of(path, file.tree), key=lambda use: use.line))


@per_run
def _other_files(own: Path) -> tuple[Path, ...]:
    """Return the files that a file's layers may come to.

    These import it, or such a file, or are imported by one of them.
    """
    found = [own.resolve()]
    for path in found:  # grows meanwhile
        if len(found) < limits.HANDED_FILES:
            found += [one for one in _importers(path) if one not in found]
    beside = dict.fromkeys(found)
    for path in found:
        beside.update((one, None) for one in _imported(path))
    return tuple(path for path in beside if path != found[0])


def _importers(path: Path) -> Iterator[Path]:
    """Yield the files of the project that import a file, as Python would find it."""
    word = path.parent.name if path.stem == "__init__" else path.stem
    for entry in entries(root_of(path.parent)) or ():
        if word in entry.words and path in _imported(entry.path):
            yield entry.path


@per_run
def _imported(path: Path) -> tuple[Path, ...]:
    """Return the files of the project that a file imports."""
    return tuple(dict.fromkeys(_imports(path)))


def _imports(path: Path) -> Iterator[Path]:
    parsed = parse(path)
    for node in statements(parsed.tree) if parsed is not None else ():
        modules = list[str]()
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                dot = "." if module else ""
                modules = [base, *(f"{base}{dot}{alias.name}" for alias in names)]
        for module in modules:
            if (file := find(module, path)) is not None:
                yield file
