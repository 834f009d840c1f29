"""What is known so far of the names, attributes, parameters and results of one file.

Each of them is a cell. The kind of a cell is only ever widened, and then the functions that read it
are run again. This ends, because a cell that was widened too often becomes unknown.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mapper.analysis.kinds import NEVER, UNKNOWN, Kind, join
from mapper.analysis.scopes import Scope, Scopes
from mapper.analysis.walk import walk
from mapper.limits import KINDS_BASES, KINDS_WIDENINGS


@dataclass(slots=True, eq=False, repr=False)
class Function:
    """A function, method, lambda or module body, with what decides how it is called."""

    node: ast.AST
    scope: Scope
    cells: Cells
    owner: ClassInfo | None = None
    outer: Function | None = None  # of a class body: the function to run again in its place
    binding: str = "plain"  # plain, static, class or property; unknown: decorated by something else
    runs: int = 0
    is_generator: bool = False
    is_shared: bool = False  # its names are read by functions inside it

    @property
    def name(self) -> str:
        """Return its name."""
        return getattr(self.node, "name", "")

    def parameters(self) -> list[ast.arg]:
        """Return its parameters that may be given by position."""
        arguments: ast.arguments = self.node.args  # type: ignore[attr-defined]
        return [*arguments.posonlyargs, *arguments.args]


@dataclass(slots=True, eq=False, repr=False)
class ClassInfo:
    """A class that a file defines: its bases, methods, and classes that derive from it."""

    name: str
    node: ast.ClassDef
    cells: Cells
    bases: list[Kind] = field(default_factory=list)
    methods: dict[str, Function] = field(default_factory=dict)
    derived: list[ClassInfo] = field(default_factory=list)

    def lineage(self) -> list[ClassInfo]:
        """Return the class and the known classes that it derives from."""
        found = [self]
        for one in found:
            for base in one.bases:
                for part in base.alternatives():
                    if isinstance(part.of, ClassInfo) and part.of not in found:
                        found.append(part.of)
            if len(found) > KINDS_BASES:
                break
        return found

    def related(self) -> list[ClassInfo]:
        """Return the classes an instance of this one may be of, and what those derive from."""
        found = self.lineage()
        below = [*self.derived]
        for one in below:
            if one not in found:
                found.append(one)
                below.extend(one.derived)
        return found

    def apis(self) -> list[str]:
        """Return the qualified names of the bases that no file at hand defines."""
        names = [part.of for one in self.lineage() for base in one.bases
                 for part in base.alternatives()]  # fmt: skip
        return [name for name in names if isinstance(name, str)]

    @property
    def has_unknown_base(self) -> bool:
        """Say whether some base cannot be told."""
        every = [part for one in self.lineage() for base in one.bases
                 for part in base.alternatives()]  # fmt: skip
        return any(part.name != "class" or part.of is None for part in every)

    def method(self, name: str, above: bool = False) -> Function | None:
        """Return a method of the class or, next, of its bases (`above`: of its bases only)."""
        for one in self.lineage()[above:]:
            if name in one.methods:
                return one.methods[name]
        return None


@dataclass(slots=True, eq=False, repr=False)
class Cells:
    """The cells of one file and the functions that are still to be run.

    `others` are the cells of the files that were analysed, and `beyond` is what the files that this
    one imports say of cells which are not their own.
    """

    scopes: Scopes
    path: Path | None
    imported: Callable[[str], Kind]
    starred: Callable[[str, str], Kind]
    others: dict[Hashable, Kind] = field(default_factory=dict)
    beyond: dict[Hashable, Kind] = field(default_factory=dict)
    is_done: bool = False
    is_open: bool = False
    asked: dict[Function, None] = field(default_factory=dict)
    kinds: dict[ast.AST, Kind] = field(default_factory=dict)
    functions: dict[ast.AST, Function] = field(default_factory=dict)
    classes: dict[ast.AST, ClassInfo] = field(default_factory=dict)
    called: set[tuple[Function, str]] = field(default_factory=set)
    assumed: dict[tuple[Function, str], Kind] = field(default_factory=dict)
    results: dict[Function, Kind] = field(default_factory=dict)
    expected: dict[ast.AST, Any] = field(default_factory=dict)
    _values: dict[Hashable, Kind] = field(default_factory=dict)
    _counts: dict[Hashable, int] = field(default_factory=dict)
    _readers: dict[Hashable, set[Function]] = field(default_factory=dict)
    _queue: deque[Function] = field(default_factory=deque)
    _scope_of: dict[ast.AST, Scope] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scope_of = {scope.node: scope for scope in self.scopes.all}

    def scope_of(self, node: ast.AST, make: Callable[[], Scope] | None = None) -> Scope:
        """Return the scope of a definition, or of an expression with a scope of its own."""
        if node not in self._scope_of and make is not None:
            self._scope_of[node] = make()
        return self._scope_of[node]

    def kind(self, node: ast.expr) -> Kind:
        """Return what kind of value an expression of the file has."""
        found = self.kinds.get(node, UNKNOWN)
        return UNKNOWN if found == NEVER else found

    def read(self, key: Hashable, reader: Function | None) -> Kind:
        """Return what is known of a cell so far."""
        if reader is not None:
            self._readers.setdefault(key, set()).add(reader)
        found = self._values.get(key, NEVER)
        if (other := self.others.get(key)) is not None and other is not found:
            found = join((found, other))
        if (other := self.beyond.get(key)) is not None and other is not found:
            found = join((found, other))
        return found

    def nothing(self, reader: Function) -> Kind:
        """Return the kind of something that the file has said nothing about so far.

        While functions are still to be run it is `never`, as if no value had reached it; afterwards
        it is unknown.
        """
        if self.is_open:
            return UNKNOWN
        self.asked[reader] = None
        return NEVER

    def open(self) -> None:
        """Make unknown what nothing has been found about; run again the functions that read it."""
        self.is_open = True
        for function in self.asked:
            self.enqueue(function)
        self.asked.clear()

    def publish(self) -> None:
        """Show the results to the files that import this one."""
        for key, kind in self._values.items():
            if self._is_own(key):
                self.others[key] = kind
            else:
                self.beyond[key] = join((self.beyond.get(key, NEVER), kind))
        self.is_done = True

    def shown(self) -> dict[Hashable, Kind]:
        """Return what is found of the file's own definitions."""
        return {key: kind for key, kind in self._values.items() if self._is_own(key)}

    def withdraw(self) -> dict[Hashable, Kind]:
        """Take the results back, to find them anew; return them."""
        return {key: self.others.pop(key) for key in self.shown()}

    def _is_own(self, key: Any) -> bool:
        """Say whether a cell is of a definition of this file: other files may widen it, too."""
        match key[1]:
            case Function(cells=cells) | ClassInfo(cells=cells):
                return cells is self
            case Scope() as scope:
                return scope.module() is self.scopes.module
            case ast.AST() as node:
                return node in self.kinds or node in self.classes
        return False

    def widen(self, key: Hashable, kind: Kind) -> None:
        """Add a kind to a cell."""
        if kind == NEVER:
            return
        old = self._values.get(key, NEVER)
        if kind is old:
            return
        new = join((old, kind))
        if new == old:
            return
        count = self._counts[key] = self._counts.get(key, 0) + 1
        self._values[key] = UNKNOWN if count > KINDS_WIDENINGS else new
        for reader in self._readers.get(key, ()):
            self.enqueue(reader)

    def attributes(self, info: ClassInfo) -> list[str]:
        """Return the names of the attributes that are stored on a class's instances."""
        keys = [key for key in self._values if isinstance(key, tuple)]
        return [key[2] for key in keys if key[0] == "attribute" and key[1] is info]

    def enqueue(self, function: Function) -> None:
        """Put a function into the queue of those to be run, perhaps again."""
        if function not in self._queue:
            self._queue.append(function)

    def next(self) -> Function | None:
        """Return the next function to run."""
        return self._queue.popleft() if self._queue else None

    def forget(self) -> None:
        """Drop all results but the knowledge which parameters have callers in the file."""
        self._values.clear()
        self._counts.clear()
        self._readers.clear()
        self.kinds.clear()
        self._queue.clear()
        self.assumed.clear()
        self.asked.clear()
        self.is_open = False
        for one in self.classes.values():
            one.bases, one.derived = [], []
        for function in self.functions.values():
            function.runs = 0

    def function(self, node: ast.AST, scope: Scope, owner: ClassInfo | None) -> Function:
        """Return the function of a definition, the same each time."""
        if node not in self.functions:
            made = Function(node, scope, self, owner)
            if owner is not None:
                made.binding = "method"
            for part in walk(node):
                if part is node:
                    continue
                if isinstance(part, ast.Yield | ast.YieldFrom):
                    made.is_generator = True
                if isinstance(part, ast.Lambda | ast.FunctionDef | ast.ClassDef):
                    made.is_shared = True
            self.functions[node] = made
        return self.functions[node]


@dataclass(slots=True)
class Given:
    """The arguments of a call, as expressions and kinds.

    `is_open`: there may be more, from `*args` (in `rest`) or `**kwargs`.
    """

    args: list[tuple[ast.expr | None, Kind]] = field(default_factory=list)
    keywords: dict[str, tuple[ast.expr | None, Kind]] = field(default_factory=dict)
    rest: Kind = NEVER
    is_open: bool = False

    def add(self, node: ast.expr | None, kind: Kind) -> None:
        """Add a positional argument."""
        self.args.append((node, kind))

    def kind(self, place: int, name: str = "") -> Kind | None:
        """Return the kind of an argument by its place or name."""
        if place < len(self.args):
            return self.args[place][1]
        return self.keywords[name][1] if name in self.keywords else None

    def node(self, place: int, name: str = "") -> ast.expr | None:
        """Return the expression of an argument by its place or name."""
        if place < len(self.args):
            return self.args[place][0]
        return self.keywords[name][0] if name in self.keywords else None

    def text(self, place: int, name: str = "") -> str | None:
        """Return the argument if it is a string constant."""
        node = self.node(place, name)
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return node.value if is_text else None  # type: ignore[union-attr]

    def is_true(self, place: int, name: str) -> bool | None:
        """Return a flag that is given as a constant; None where it is computed."""
        node = self.node(place, name)
        if node is None:
            return False if self.kind(place, name) is None and not self.is_open else None
        return bool(node.value) if isinstance(node, ast.Constant) else None


class Results(Protocol):
    """Tells the kinds that calls return."""

    def call(self, evaluator: Any, callee: Kind, given: Given, node: ast.Call) -> Kind:
        """Return the kind of a call's result, and record its arguments for the called function."""

    def enter(self, function: Function, given: Given, owner: Kind | None) -> None:
        """Record the arguments of a call for the parameters of a function of the file."""
