"""Which classes and functions of a file migrate, and which stay torch's as a whole.

No class mixes the frameworks, and a model's classes and the functions that they call hand Tensors
and layers to one another: so they migrate together or not at all. Code that only uses a model (a
training loop, a test) stays torch's alone, and holds no class back.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mapper.analysis.scopes import (
    DEFINITIONS,
    SCOPED,
    Scope,
    Scopes,
    inner_scopes,
    own_expressions,
)
from mapper.analysis.walk import children
from mapper.model.record import record

_BLOCKS = (ast.If, ast.Try, ast.With)


@record(frozen=True, slots=True)
class Hindrance:
    """Why a unit stays torch's: a line, the reason, and whether only a rule is missing for it."""

    line: int
    words: str
    is_uncovered: bool = False


@dataclass(slots=True, eq=False)
class Unit:
    """A class, a function, or a statement of the module's own code.

    `binds` are the names that it gives to the module, `reads` the module's names that stand in it;
    `asks`: it asks whether something is of a class of torch's.
    """

    node: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]
    is_model: bool = False
    has_sites: bool = False
    asks: bool = False
    uses: list[Unit] = field(default_factory=list)
    hindrances: list[Hindrance] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Return how messages name it."""
        match self.node:
            case ast.ClassDef(name=name):
                return f"class `{name}`"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return f"`{name}`"
        return "the code around it"


class Units:
    """The units of one module."""

    def __init__(self, tree: ast.Module, scopes: Scopes, models: Collection[ast.ClassDef]) -> None:
        self.all = [_unit(node, scopes, node in models) for node in _statements(tree.body)]
        binders: dict[str, list[Unit]] = {}
        for unit in self.all:
            for name in unit.binds:
                binders.setdefault(name, []).append(unit)
        for unit in self.all:
            found = (other for name in unit.reads for other in binders.get(name, ()))
            unit.uses = list(dict.fromkeys(other for other in found if other is not unit))
        self._on_line = {
            line: unit
            for unit in self.all
            for line in range(_first_line(unit.node), (unit.node.end_lineno or 0) + 1)
        }

    def at(self, line: int) -> Unit | None:
        """Return the unit that a line belongs to."""
        return self._on_line.get(line)

    def settle(self) -> dict[Unit, Hindrance]:
        """Return the units that stay torch's, each with what holds it back."""
        linked = self._model_links()
        stays = {unit: unit.hindrances[0] for unit in self.all if unit.hindrances}
        self._spread(stays, linked)
        users: dict[Unit, list[Unit]] = {}
        for unit in self.all:
            if unit not in linked:
                for used in unit.uses:
                    users.setdefault(used, []).append(unit)
        self._spread(stays, users)
        while asked := self._asked(stays):
            stays |= asked
            self._spread(stays, linked)
            self._spread(stays, users)
        return stays

    def _asked(self, stays: dict[Unit, Hindrance]) -> dict[Unit, Hindrance]:
        """Return the models that code asks about which stays torch's: its answer would be no."""
        found: dict[Unit, Hindrance] = {}
        for unit, reached in self.asking(stays).items():
            for model in (used for one in reached for used in one.uses if used.is_model):
                if model not in stays:
                    line = unit.node.lineno
                    words = f"{unit.words} asks for classes of torch's, and stays torch's: "
                    found[model] = Hindrance(line, words + stays[unit].words)
        return found

    @staticmethod
    def asking(stays: Mapping[Unit, Hindrance]) -> dict[Unit, list[Unit]]:
        """Return the code but models that asks for torch's classes, and all it reaches so."""
        found: dict[Unit, list[Unit]] = {}
        for unit in stays:
            reached = [] if unit.is_model else [unit]
            for one in reached:
                reached += [u for u in one.uses if not u.is_model and u not in reached]
            if any(one.asks and one in stays for one in reached):
                found[unit] = reached
        return found

    def _model_links(self) -> dict[Unit, list[Unit]]:
        """Link, both ways, the classes of models and what they use as far as torch is in it."""
        concerned = self._concerned()
        linked: dict[Unit, list[Unit]] = {unit: [] for unit in self.all if unit.is_model}
        waiting = list(linked)
        while waiting:
            unit = waiting.pop()
            for used in unit.uses:
                if used not in concerned:
                    continue
                if used not in linked:
                    linked[used] = []
                    waiting.append(used)
                linked[unit].append(used)
                linked[used].append(unit)
        for one, other in self._handed():
            linked[one].append(other)
            linked[other].append(one)
        return linked

    def _handed(self) -> Iterator[tuple[Unit, Unit]]:
        """Yield the models that a call hands to another one, which will build it: `Net(Block)`."""
        binders = {name: unit for unit in self.all for name in unit.binds}
        for unit in self.all:
            for call in (one for one in ast.walk(unit.node) if isinstance(one, ast.Call)):
                given = [
                    binders[node.id]
                    for one in (*call.args, *(keyword.value for keyword in call.keywords))
                    for node in (one.elts if isinstance(one, ast.List | ast.Tuple) else [one])
                    if isinstance(node, ast.Name) and node.id in binders
                ]
                models = [one for one in given if one.is_model]
                if models and isinstance(call.func, ast.Name) and call.func.id in binders:
                    for other in _models_behind(binders[call.func.id]):
                        yield from ((one, other) for one in models if one is not other)

    def _concerned(self) -> set[Unit]:
        """Return the units with sites, and those that use such a unit."""
        users: dict[Unit, list[Unit]] = {}
        for unit in self.all:
            for used in unit.uses:
                users.setdefault(used, []).append(unit)
        found = {unit for unit in self.all if unit.has_sites or unit.is_model}
        waiting = list(found)
        while waiting:
            for user in users.get(waiting.pop(), ()):
                if user not in found:
                    found.add(user)
                    waiting.append(user)
        return found

    @staticmethod
    def _spread(stays: dict[Unit, Hindrance], links: dict[Unit, list[Unit]]) -> None:
        """Add the units that are linked, directly or not, to one that stays torch's."""
        waiting = list(stays)
        while waiting:
            unit = waiting.pop()
            for other in links.get(unit, ()):
                if other not in stays:
                    why = stays[unit]
                    words = f"{unit.words} stays torch's: {why.words}"
                    if " stays torch's: " in why.words:
                        words = why.words
                    stays[other] = Hindrance(why.line, words, why.is_uncovered)
                    waiting.append(other)


def _models_behind(unit: Unit) -> set[Unit]:
    """Return a model, or the models that a function uses, directly or through others."""
    found, waiting = {unit}, [unit]
    while waiting:
        one = waiting.pop()
        if not one.is_model:
            waiting += [other for other in one.uses if other not in found]
            found.update(one.uses)
    return {one for one in found if one.is_model}


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module; of `if` and `try`, those inside."""
    for node in body:
        if isinstance(node, _BLOCKS) and _defines(node):
            yield from _statements(node.body)
            yield from _statements(getattr(node, "orelse", []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)
            yield from _statements(getattr(node, "finalbody", []))
        else:
            yield node


def _defines(node: ast.stmt) -> bool:
    return any(
        isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for one in ast.walk(node)
    )


def _unit(node: ast.stmt, scopes: Scopes, is_model: bool) -> Unit:
    if isinstance(node, DEFINITIONS):
        binds = {node.name}
    else:
        binds = {one.id for one in ast.walk(node)
                 if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)}  # fmt: skip
    reads = {
        name
        for statement in ast.walk(node)
        if statement in scopes.home
        for name, scope in _names(statement, scopes.home[statement])
        if (found := scope.lookup(name)) is None or found[0] is scopes.module
    }
    return Unit(node, frozenset(binds), frozenset(reads), is_model)


def _names(statement: ast.AST, home: Scope) -> Iterator[tuple[str, Scope]]:
    """Yield the names that a statement's own expressions read, with the scopes they are read in."""
    stack = [(node, home) for node in own_expressions(statement)]
    while stack:
        node, scope = stack.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, scope
        elif isinstance(node, SCOPED):
            stack.extend(inner_scopes(node, scope))
        else:
            stack.extend((child, scope) for child in children(node))


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", None)
    return int(decorators[0].lineno if decorators else node.lineno)
