"""Which classes and functions of a file migrate, and which stay torch's as a whole.

No class mixes the frameworks, and a model's classes and the functions that they call hand Tensors
and layers to one another: so they migrate together or not at all. Code that only uses a model (a
training loop, a test) stays torch's alone, and holds no class back.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mapper.analysis.scopes import (
    DEFINITIONS,
    FUNCTIONS,
    SCOPED,
    Scope,
    Scopes,
    inner_scopes,
    own_expressions,
)
from mapper.analysis.walk import children, walk
from mapper.model.record import record

_BLOCKS = (ast.If, ast.Try, ast.With)


@record(frozen=True, slots=True)
class Hindrance:
    """Why a unit stays torch's: a line, the reason, and whether only a rule is missing for it.

    `can_raise`: what is in the way raises instead, in a model and in what models use.
    """

    line: int
    words: str
    is_uncovered: bool = False
    can_raise: bool = False


@dataclass(slots=True, eq=False)
class Unit:
    """A class, a function, or a statement of the module's own code.

    `words` are how messages name it, `binds` the names that it gives to the module, `reads` the
    module's names that stand in it, `others` its attributes (`blocks.Block`) and imports. `asks`:
    it asks whether something is of a class of torch's.
    """

    line: int
    words: str
    binds: frozenset[str]
    reads: frozenset[str]
    others: frozenset[str]
    is_model: bool
    is_function: bool
    is_concerned: bool
    asks: bool
    uses: list[Unit] = field(default_factory=list)


class Units:
    """The units of one module. They hold no part of its tree, so that it need not be kept.

    `lines` are those where torch may be, directly or through another file; `asking` those that ask
    for a class of torch's.
    """

    def __init__(
        self,
        tree: ast.Module,
        scopes: Scopes,
        models: Collection[ast.ClassDef],
        lines: Collection[int],
        asking: Collection[int],
    ) -> None:
        by_node = {
            node: _unit(node, scopes, node in models, lines, asking)
            for node in _statements(tree.body)
        }
        self.all = list(by_node.values())
        binders: dict[str, list[Unit]] = {}
        for unit in self.all:
            for name in unit.binds:
                binders.setdefault(name, []).append(unit)
        for unit in self.all:
            found = (other for name in unit.reads for other in binders.get(name, ()))
            unit.uses = list(dict.fromkeys(other for other in found if other is not unit))
        self._on_line = {line: unit for node, unit in by_node.items() for line in _lines_of(node)}
        self._linked = self._model_links(by_node)
        self._users: dict[Unit, list[Unit]] = {}
        for unit in self.all:
            if unit not in self._linked:
                for used in unit.uses:
                    self._users.setdefault(used, []).append(unit)

    def at(self, line: int) -> Unit | None:
        """Return the unit that a line belongs to."""
        return self._on_line.get(line)

    @property
    def of_models(self) -> Collection[Unit]:
        """Return the models, and what they use as far as torch is in it."""
        return self._linked.keys()

    def binding(self, name: str) -> list[Unit]:
        """Return the units that give a name to the module."""
        return [unit for unit in self.all if name in unit.binds]

    def settle(
        self, hindrances: Iterable[tuple[Unit, Hindrance]], asking: Collection[Unit] = ()
    ) -> dict[Unit, Hindrance]:
        """Return the units that stay torch's, each with what holds it back.

        `asking` are units that ask for torch's classes through other files.
        """
        first: dict[Unit, Hindrance] = {}
        for unit, hindrance in hindrances:
            first.setdefault(unit, hindrance)
        stays = {unit: first[unit] for unit in self.all if unit in first}
        while True:
            self._spread(stays, self._linked)
            self._spread(stays, self._users)
            asked = _asked(stays, asking)
            if not asked:
                return stays
            stays |= asked

    def _model_links(self, by_node: Mapping[ast.stmt, Unit]) -> dict[Unit, list[Unit]]:
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
        for one, other in self._handed(by_node) if linked else ():
            linked[one].append(other)
            linked[other].append(one)
        return linked

    def _handed(self, by_node: Mapping[ast.stmt, Unit]) -> Iterator[tuple[Unit, Unit]]:
        """Yield the models that a call hands to another one, which will build it: `Net(Block)`."""
        binders = {name: unit for unit in self.all for name in unit.binds}
        for root in by_node:
            for call in (one for one in walk(root) if isinstance(one, ast.Call)):
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
        """Return the units that torch may be in, and those that use such a unit."""
        users: dict[Unit, list[Unit]] = {}
        for unit in self.all:
            for used in unit.uses:
                users.setdefault(used, []).append(unit)
        found = {unit for unit in self.all if unit.is_concerned or unit.is_model}
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


def asking_units(
    stays: Mapping[Unit, Hindrance], asking: Collection[Unit] = ()
) -> dict[Unit, list[Unit]]:
    """Return the code but models that stays torch's and asks for its classes, with all it reaches.

    `asking` are units that ask through other files.
    """
    found: dict[Unit, list[Unit]] = {}
    for unit in stays:
        reached = [] if unit.is_model else [unit]
        for one in reached:  # grows meanwhile
            reached += [used for used in one.uses if not used.is_model and used not in reached]
        if any((one.asks or one in asking) and one in stays for one in reached):
            found[unit] = reached
    return found


def _asked(stays: Mapping[Unit, Hindrance], asking: Collection[Unit]) -> dict[Unit, Hindrance]:
    """Return the models that code asks about which stays torch's: its answer would be no."""
    found: dict[Unit, Hindrance] = {}
    for unit, reached in asking_units(stays, asking).items():
        for model in (used for one in reached for used in one.uses if used.is_model):
            if model not in stays:
                words = f"{unit.words} asks for classes of torch's, and stays torch's: "
                found[model] = Hindrance(unit.line, words + stays[unit].words)
    return found


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


def _unit(
    node: ast.stmt,
    scopes: Scopes,
    is_model: bool,
    lines: Collection[int],
    asking: Collection[int],
) -> Unit:
    inside = list(walk(node))
    binds, words = set[str](), "the code around it"
    if isinstance(node, DEFINITIONS):
        binds = {node.name}
        words = f"class `{node.name}`" if isinstance(node, ast.ClassDef) else f"`{node.name}`"
    else:
        binds = {one.id for one in inside
                 if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)}  # fmt: skip
    reads = {
        name
        for statement in inside
        if statement in scopes.home
        for name, scope in _names(statement, scopes.home[statement])
        if (found := scope.lookup(name)) is None or found[0] is scopes.module
    }
    others = {one.attr for one in inside if isinstance(one, ast.Attribute)}
    for one in inside:
        if isinstance(one, ast.alias):
            others |= {one.name, one.asname or one.name}
    return Unit(
        node.lineno,
        words,
        frozenset(binds),
        frozenset(reads),
        frozenset(others),
        is_model,
        isinstance(node, FUNCTIONS),
        any(line in lines for line in _lines_of(node)),
        any(line in asking for line in _lines_of(node)),
    )


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


def _lines_of(node: ast.stmt) -> range:
    """Return the lines of a statement, those of its decorators too."""
    decorators = getattr(node, "decorator_list", None)
    first = decorators[0].lineno if decorators else node.lineno
    return range(first, (node.end_lineno or 0) + 1)
