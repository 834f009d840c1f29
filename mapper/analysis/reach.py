"""Which expressions of a program an expression may stand for, or find inside what it stands for.

Names are followed through assignments, loops, calls and attributes of all files of a program, in
whatever order they run. An attribute is known by its name alone, whatever object it is read from.
That errs towards more.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import children, walk

_INSIDE = frozenset(
    (
        "modules", "named_modules", "children", "named_children", "apply", "parameters",
        "named_parameters", "get_submodule", "_modules", "__dict__", "module", "values", "items",
        "data", "to", "cuda", "cpu", "eval", "train", "double", "float", "half", "append", "get",
    )
)  # fmt: skip
"""Names that lead from an object to itself or what is in it, whatever else has such a name."""
RECURSIVE = frozenset(("modules", "named_modules", "apply"))
"""Those that also find the layers inside of layers."""
_PUTTING = ("append", "extend", "insert", "add_module", "register_module", "update", "setdefault",
            "__setitem__", "add")  # fmt: skip
_LAMBDAS = (*FUNCTIONS, ast.Lambda)
_Key = TypeVar("_Key")
_Item = TypeVar("_Item")
Key = tuple[ast.AST | None, str]
"""A local name with the function that binds it, a definition with the only file that it can be of,
or a name of modules and attributes with None."""
_State = tuple[ast.AST | Key | str, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where an expression stands: its file, and the classes and functions around it."""

    file: Path | None
    around: tuple[ast.AST, ...] = ()

    def function(self) -> Iterator[ast.AST]:
        """Yield the functions around it, the innermost first."""
        return (node for node in reversed(self.around) if isinstance(node, _LAMBDAS))

    def owner(self, name: str) -> ast.ClassDef | None:
        """Return the class of whose instance a name is the first parameter of a method."""
        for outer, inner in zip(self.around, self.around[1:], strict=False):
            if isinstance(outer, ast.ClassDef) and isinstance(inner, FUNCTIONS):
                first = [*inner.args.posonlyargs, *inner.args.args][:1]
                if first and first[0].arg == name and not _is_static(inner):
                    return outer
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An expression or class, and where it stands."""

    node: ast.AST
    place: Place


def _is_static(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [ast.unparse(one) for one in function.decorator_list]
    return "staticmethod" in names or "classmethod" in names


class _Names:
    """What is bound to the names of some code, and how its functions are called."""

    def __init__(self) -> None:
        self.bound: dict[Key, list[Value]] = defaultdict(list)
        self.definitions: dict[str, list[Value]] = defaultdict(list)
        self.calls: dict[str, list[Value]] = defaultdict(list)
        self.handed: dict[str, list[Value]] = defaultdict(list)
        self.derived: dict[str, list[Value]] = defaultdict(list)
        self.stored: dict[ast.AST, list[Value]] = defaultdict(list)
        self.returned: dict[ast.AST, list[Value]] = defaultdict(list)
        self.initialises: dict[ast.AST, list[str]] = defaultdict(list)
        """An `__init__`, and the name of its class."""
        self.supers: dict[str, list[Value]] = defaultdict(list)
        """Calls through `super()`, which are not among the others."""
        self.owners: dict[ast.AST, ast.ClassDef] = {}
        """The classes of methods."""
        self.lambdas: dict[ast.AST, Value] = {}
        self.parameters: dict[ast.AST, list[str]] = {}
        self.locals: dict[ast.AST, set[str]] = {}

    def key(self, name: str, place: Place) -> Key:
        """Return what a name that is read or bound at a place is known by."""
        for function in place.function():
            if function not in self.locals:
                self.locals[function] = _local_names(function)
            if name in self.locals[function]:
                return function, name
        return None, name


class FileNames(_Names):
    """The names of one file."""

    def __init__(self, file: Path | None, tree: ast.Module) -> None:
        super().__init__()
        self.file, self.tree = file, tree
        self._elsewhere = set[str]()  # names of imports, methods and inner functions
        stack: list[tuple[ast.AST, Place]] = [(tree, Place(file))]
        while stack:
            node, place = stack.pop()
            inside = place
            if isinstance(node, ast.alias):
                self._elsewhere.add(node.asname or node.name)
            elif isinstance(node, (*FUNCTIONS, ast.ClassDef)) and place.around:
                self._elsewhere.add(node.name)
            if isinstance(node, (*_LAMBDAS, ast.ClassDef)):
                inside = Place(file, (*place.around, node))
                self._define(node, place)
            elif isinstance(node, ast.Call):
                self._call(node, place)
            else:
                self._bind(node, place)
            stack.extend((child, inside) for child in children(node))

    @property
    def own(self) -> frozenset[str]:
        """Return the names that can only mean what the file defines at its top level."""
        if "*" in self._elsewhere:
            return frozenset()
        return frozenset(
            name
            for name in self.definitions
            if name not in self._elsewhere and (None, name) not in self.bound
        )

    def _define(self, node: ast.AST, place: Place) -> None:
        if isinstance(node, ast.ClassDef):
            self.definitions[node.name].append(Value(node, place))
            for base in node.bases:
                self.derived[_last(base)].append(Value(node, place))
            for one in node.body:
                if isinstance(one, FUNCTIONS) and one.name == "__init__":
                    self.initialises[one].append(node.name)
            return
        if isinstance(node, FUNCTIONS):
            self.definitions[node.name].append(Value(node, place))
            if place.around and isinstance(place.around[-1], ast.ClassDef):
                self.owners[node] = place.around[-1]
        elif isinstance(node, ast.Lambda):
            self.returned[node].append(Value(node.body, Place(place.file, (*place.around, node))))
        self.locals[node] = _local_names(node)
        self.parameters[node] = _parameters(node)

    def _call(self, node: ast.Call, place: Place) -> None:
        value = Value(node, place)
        match node.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr):
                self.supers[attr].append(value)
            case _:
                self.calls[_last(node.func)].append(value)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        for one in given:
            if isinstance(one, ast.Lambda):
                self.lambdas[one] = value
            elif isinstance(one, ast.Name | ast.Attribute):
                self.handed[_last(one)].append(value)
        match node:
            case ast.Call(func=ast.Attribute(value=target, attr=attr)) if attr in _PUTTING:
                for one in given:
                    self._store(target, one, place)
                match node.args:
                    case [ast.Constant(value=str(name)), ast.expr() as put]:
                        self.bound[None, name].append(Value(put, place))
            case ast.Call(func=ast.Name(id="setattr"), args=[target, name, put]):
                self._store(target, put, place)
                if isinstance(name, ast.Constant):
                    self.bound[None, str(name.value)].append(Value(put, place))

    def _bind(self, node: ast.AST, place: Place) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._store(target, value, place)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.AugAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                self._store(target, value, place)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._store(target, value, place)
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                for function in place.function():
                    self.returned[function].append(Value(value, place))
                    break
            case ast.alias(name=name, asname=str(other)) if other != name:
                last = name.rpartition(".")[2]
                self.bound[None, other].append(Value(ast.Name(last, ast.Load()), Place(None)))

    def _store(self, target: ast.expr, value: ast.expr, place: Place) -> None:
        found = Value(value, place)
        match target:
            case ast.Name(id=name):
                self.bound[self.key(name, place)].append(found)
                if place.owner(name) is not None:
                    self.bound[None, name].append(found)
            case ast.Attribute(value=base, attr=attr):
                self.bound[None, attr].append(found)
                owner = place.owner(base.id) if isinstance(base, ast.Name) else None
                if owner is not None:
                    self.stored[owner].append(found)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                values: list[ast.expr] = [value] * len(targets)
                if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets):
                    values = value.elts
                for one, part in zip(targets, values, strict=True):
                    self._store(one, part, place)
            case ast.Starred(value=inner) | ast.Subscript(value=inner):
                self._store(inner, value, place)


class Reach(_Names):
    """The names of a program, which are those of its files."""

    def __init__(self, files: Iterable[FileNames]) -> None:
        super().__init__()
        self._ways: dict[frozenset[str], Ways] = {}
        self._given: dict[tuple[ast.AST, str], list[Value]] = {}
        self._own: dict[tuple[Path | None, str], ast.Module] = {}
        self._own_calls: dict[Key, list[Value]] = defaultdict(list)
        self._own_handed: dict[Key, list[Value]] = defaultdict(list)
        every = list(files)
        for file in every:
            self.lambdas |= file.lambdas
            self.locals |= file.locals
            self.owners |= file.owners
            self.parameters |= file.parameters
            _extend(self.bound, file.bound)
            _extend(self.definitions, file.definitions)
            _extend(self.supers, file.supers)
            _extend(self.derived, file.derived)
            _extend(self.stored, file.stored)
            _extend(self.returned, file.returned)
            _extend(self.initialises, file.initialises)
        for file in every:
            if file.file is not None:
                names = (name for name in file.own if (None, name) not in self.bound)
                self._own |= {(file.file, name): file.tree for name in names}
        for file in every:
            self._add_calls(file)

    def _add_calls(self, file: FileNames) -> None:
        """Add the calls of a file: those of its own functions and classes by their keys."""
        for calls, added, by_key in (
            (file.calls, self.calls, self._own_calls),
            (file.handed, self.handed, self._own_handed),
        ):
            for name, values in calls.items():
                if (file.file, name) not in self._own:
                    added[name] += values
                    continue
                for value in values:
                    key = self.key(name, value.place)
                    is_own = isinstance(key[0], ast.Module) and _is_by_name(value.node, name)
                    (by_key[key] if is_own else added[name]).append(value)

    def key(self, name: str, place: Place) -> Key:
        """Return what a name that is read at a place is known by: by its file, if only it has it.

        Most packages have a `Block` in many files.
        """
        found = super().key(name, place)
        if found[0] is None and place.file is not None and (place.file, name) in self._own:
            return self._own[place.file, name], name
        return found

    def own(self, key: Key) -> list[Value]:
        """Return what a file defines under a name that only means this."""
        home, name = key
        return [
            one
            for one in self.definitions.get(name, ())
            if self._own.get((one.place.file, name)) is home
        ]

    def heirs(self, value: Value) -> Iterator[Value]:
        """Yield the classes that may derive from a class."""
        assert isinstance(value.node, ast.ClassDef)
        name = value.node.name
        for heir in self.derived.get(name, ()):
            assert isinstance(heir.node, ast.ClassDef)
            named = [base for base in heir.node.bases if _last(base) == name]
            is_own = all(isinstance(base, ast.Name) for base in named) and isinstance(
                self.key(name, heir.place)[0], ast.Module
            )
            if not is_own or heir.place.file == value.place.file:
                yield heir

    def ways(self, past: frozenset[str]) -> Ways:
        """Return what leads to what, with methods that are not followed."""
        if past not in self._ways:
            self._ways[past] = Ways(self, past)
        return self._ways[past]

    def given(self, function: ast.AST, name: str) -> list[Value]:
        """Return what the calls of a function may give to one of its parameters."""
        if (function, name) not in self._given:
            positional = self.parameters[function]
            self._given[function, name] = [
                Value(one, call.place)
                for call, is_handed in self._calls_of(function)
                if not is_handed and isinstance(call.node, ast.Call)
                for one in _given(call.node, positional, name)
            ]
        return self._given[function, name]

    def handed_to(self, function: ast.AST) -> Iterator[tuple[ast.Call, Place]]:
        """Yield the calls that a function is handed to, and where they stand."""
        for call, is_handed in self._calls_of(function):
            if is_handed and isinstance(call.node, ast.Call):
                yield call.node, call.place

    def _calls_of(self, function: ast.AST) -> Iterator[tuple[Value, bool]]:
        """Yield the calls that may be of a function, and whether it is only handed to them."""
        if isinstance(function, ast.Lambda):
            if function in self.lambdas:
                yield self.lambdas[function], True
            return
        name: str = getattr(function, "name", "")
        for one in (name, *self.initialises.get(function, ())):
            yield from ((call, False) for call in self.calls.get(one, ()))
            yield from ((call, True) for call in self.handed.get(one, ()))
            key = self._own_key(function, one)
            yield from ((call, False) for call in self._own_calls.get(key, ()))
            yield from ((call, True) for call in self._own_handed.get(key, ()))
        family = self._family.get(self.owners.get(function))
        yield from ((call, False) for call in self._supers_by_family.get((name, family), ()))

    def _own_key(self, function: ast.AST, name: str) -> Key:
        """Return by what a function's own file calls it, or the class whose `__init__` it is."""
        meant = self.owners.get(function, function)
        for value in self.definitions.get(name, ()):
            if value.node is meant:
                return self.key(name, value.place)
        return None, name

    def is_called(self, function: ast.AST) -> bool:
        """Say whether anything may call a function; of methods, any call through `super()`."""
        name = getattr(function, "name", "")
        return name in self.supers or any(True for _ in self._calls_of(function))

    @cached_property
    def _supers_by_family(self) -> dict[tuple[str, str | None], list[Value]]:
        """Return the calls through `super()` by the method's name and the family of the class."""
        found: dict[tuple[str, str | None], list[Value]] = defaultdict(list)
        for name, values in self.supers.items():
            for value in values:
                classes = (one for one in reversed(value.place.around)
                           if isinstance(one, ast.ClassDef))  # fmt: skip
                found[name, self._family.get(next(classes, None))].append(value)
        return found

    @cached_property
    def _family(self) -> dict[ast.AST | None, str]:
        """Return by class a name that it shares with all classes that it may inherit with.

        These are the ones between which `super()` may lead, through common bases and heirs.
        """
        parents: dict[str, str] = {}

        def top(name: str) -> str:
            while parents.setdefault(name, name) != name:
                name = parents[name]
            return name

        for base, heirs in self.derived.items():
            for heir in heirs if base in self.definitions else ():
                assert isinstance(heir.node, ast.ClassDef)
                parents[top(heir.node.name)] = top(base)
        every = (value.node for values in self.definitions.values() for value in values)
        return {node: top(node.name) for node in every if isinstance(node, ast.ClassDef)}

    def is_bound(self, name: str) -> bool:
        """Say whether the program gives a name or attribute of that name to anything."""
        return (None, name) in self.bound or name in self.definitions


def _is_by_name(call: ast.AST, name: str) -> bool:
    """Say whether all that a call says of a name is the bare name."""
    assert isinstance(call, ast.Call)
    said = [call.func, *call.args, *(one.value for one in call.keywords)]
    return all(isinstance(one, ast.Name) for one in said if _last(one) == name)


def _extend(lists: dict[_Key, list[_Item]], more: Mapping[_Key, list[_Item]]) -> None:
    for key, items in more.items():
        lists[key] += items


class Search:
    """Which of some expressions, the starts, may stand for each expression of a program.

    All starts are followed together: a set of them, as the bits of an int, is handed on from each
    expression, name or class to those that it may stand for, until none grows. `past` are methods
    that are not followed.
    """

    def __init__(self, program: Reach, starts: Sequence[Value], past: frozenset[str]) -> None:
        self._program = program
        self._starts = starts
        self._past = past
        self._ways = program.ways(past)
        self._sets = self._spread()
        self._leading: dict[ast.expr, int] = {}

    def leading_to(self, file: Path | None, node: ast.expr) -> int:
        """Return the starts that may stand for an expression of a file, or find it in theirs."""
        if node not in self._leading:
            found = 0
            for outer, starts in self._in_file.get(file, ()):
                if starts | found != found and _spans(outer, node):
                    found |= starts
            self._leading[node] = found
        return self._leading[node]

    @cached_property
    def _in_file(self) -> dict[Path | None, list[tuple[ast.expr, int]]]:
        """Return by file the expressions, and what bases of its classes are given, with starts."""
        inits: dict[ast.AST, list[ast.AST]] = {}
        found: dict[Path | None, list[tuple[ast.expr, int]]] = defaultdict(list)
        for state, starts in self._sets.items():
            value = self._ways.value(state)
            if value is None:
                continue
            node = value.node
            if isinstance(node, ast.ClassDef) and node not in inits:
                inits[node] = [part for part in walk(node) if _is_super_init(part)]
            for one in (node, *inits.get(node, ())):
                if isinstance(one, ast.expr) and hasattr(one, "lineno"):
                    found[value.place.file].append((one, starts))
        return found

    def any_of(self, is_meant: Callable[[ast.AST], bool]) -> int:
        """Return the starts that may stand for an expression that is meant."""
        found = 0
        for state, starts in self._sets.items():
            value = self._ways.value(state) if starts | found != found else None
            if value is not None and is_meant(value.node):
                found |= starts
        return found

    @cached_property
    def open_ones(self) -> int:
        """Return the starts that are given to the function around them, which nobody calls."""
        inside: dict[ast.AST, int] = defaultdict(int)
        for number, start in enumerate(self._starts):
            for function in start.place.function():
                inside[function] |= 1 << number
        found = 0
        for state, function in self._ways.open.items():
            found |= self._sets.get(state, 0) & inside.get(function, 0)
        return found

    def _spread(self) -> dict[int, int]:
        """Return by state the starts that come to it."""
        sets: dict[int, int] = {}
        for number, start in enumerate(self._starts):
            state = self._ways.of_value(start, False)
            sets[state] = sets.get(state, 0) | 1 << number
        order = self._order(list(sets))
        has_grown = True
        while has_grown:
            has_grown = False
            for state in order:
                starts = sets.get(state, 0)
                for other in self._ways.after(state):
                    known = sets.get(other, 0)
                    if known | starts != known:
                        sets[other] = known | starts
                        has_grown = True
        same: dict[int, int] = {}  # most states have the starts of others: one int for all of them
        return {state: same.setdefault(starts, starts) for state, starts in sets.items()}

    def _order(self, first: Sequence[int]) -> list[int]:
        """Return all states that some lead to, each before those that it leads to.

        But for circles, so that few rounds are enough.
        """
        ended: list[int] = []
        seen = set(first)
        stack = [(state, iter(self._ways.after(state))) for state in first]
        while stack:
            state, rest = stack[-1]
            for other in rest:
                if other not in seen:
                    seen.add(other)
                    stack.append((other, iter(self._ways.after(other))))
                    break
            else:
                ended.append(state)
                stack.pop()
        return ended[::-1]


class Ways:
    """What each expression, name and class of a program leads to directly.

    A state is an expression or class, a local name, or a name of modules and attributes; and
    whether what is inside it counts, too. States have numbers, since a program has very many.
    `open` are those of parameters of functions which nobody calls.
    """

    def __init__(self, program: Reach, past: frozenset[str]) -> None:
        self._program = program
        self._past = past
        self.open: dict[int, ast.AST] = {}
        self._numbers: dict[_State, int] = {}
        self._states: list[_State] = []
        self._values: dict[int, Value] = {}
        self._next: dict[int, list[int]] = {}
        self._led: list[int] = []

    def value(self, state: int) -> Value | None:
        """Return the expression or class of a state; None of a name."""
        return self._values.get(state)

    def of_value(self, value: Value, is_inside: bool) -> int:
        """Return the state of an expression or class."""
        state = self._state(value.node, is_inside)
        self._values.setdefault(state, value)
        return state

    def _state(self, item: ast.AST | Key | str, is_inside: bool) -> int:
        state = item, is_inside
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
        return number

    def after(self, state: int) -> list[int]:
        """Return the states that a state leads to."""
        if state not in self._next:
            self._led = self._next[state] = []
            item, is_inside = self._states[state]
            if isinstance(item, str):
                self._word(item, is_inside)
            elif isinstance(item, tuple):
                self._local(item, state)
            elif isinstance(item, ast.ClassDef):
                self._class(item, self._values[state], is_inside)
            else:
                self._expression(item, self._values[state].place, is_inside)
        return self._next[state]

    def _add(self, value: Value, is_inside: bool) -> None:
        self._led.append(self.of_value(value, is_inside))

    def _lead_to(self, name: Key | str, is_inside: bool) -> None:
        self._led.append(self._state(name, is_inside))

    def _class(self, node: ast.ClassDef, value: Value, is_inside: bool) -> None:
        """Go into an instance of a class: what its methods store, and its bases' and heirs'."""
        if is_inside:
            for one in self._program.stored.get(node, ()):
                self._add(one, is_inside)
            for base in node.bases:
                name = _last(base)
                key = self._program.key(name, value.place)
                is_own = isinstance(key[0], ast.Module) and isinstance(base, ast.Name)
                self._lead_to(key if is_own else name, is_inside)
            for heir in self._program.heirs(value):
                self._add(heir, is_inside)

    def _expression(self, node: ast.AST, place: Place, is_inside: bool) -> None:
        match node:
            case ast.Name(id=name):
                self._name(name, place, is_inside)
            case ast.Attribute(value=base, attr=attr):
                if attr in self._past:
                    return
                if attr not in _INSIDE and self._program.is_bound(attr):
                    self._lead_to(attr, is_inside)
                else:
                    self._expression(base, place, is_inside=True)
            case ast.Call(
                func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]
            ) if self._program.is_bound(name):
                self._lead_to(name, is_inside)
            case ast.Call(func=ast.Name(id="getattr"), args=[base, *rest]):
                self._expression(base, place, is_inside=True)
                for one in rest[1:]:
                    self._expression(one, place, is_inside)
            case ast.Call(func=func, args=args, keywords=keywords):
                self._expression(func, place, is_inside)
                if _last(func) in self._past:
                    return
                for one in (*args, *(keyword.value for keyword in keywords)):
                    self._expression(one, place, is_inside)
            case ast.Subscript(value=base):
                self._expression(base, place, is_inside=True)
            case ast.Lambda():
                pass
            case _:
                for child in children(node):
                    self._expression(child, place, is_inside)

    def _name(self, name: str, place: Place, is_inside: bool) -> None:
        owner = place.owner(name)
        if owner is not None:
            self._add(Value(owner, place), is_inside)
            return
        key = self._program.key(name, place)
        self._lead_to(name if key[0] is None else key, is_inside)

    def _word(self, name: str, is_inside: bool) -> None:
        for value in self._program.bound.get((None, name), ()):
            self._add(value, is_inside)
        for value in self._program.definitions.get(name, ()):
            self._definition(value, is_inside)

    def _definition(self, value: Value, is_inside: bool) -> None:
        if isinstance(value.node, ast.ClassDef):
            self._add(value, is_inside)
        for one in self._program.returned.get(value.node, ()):
            self._add(one, is_inside)

    def _local(self, key: Key, state: int) -> None:
        is_inside = self._states[state][1]
        if isinstance(key[0], ast.Module):
            for value in self._program.own(key):
                self._definition(value, is_inside)
            return
        for value in self._program.bound.get(key, ()):
            self._add(value, is_inside)
        function, name = key
        if function is not None and name in self._program.parameters.get(function, ()):
            if not self._program.is_called(function):
                self.open[state] = function
            self._parameter(name, function, is_inside)

    def _parameter(self, name: str, function: ast.AST, is_inside: bool) -> None:
        """Follow a parameter to what callers give."""
        for value in self._program.given(function, name):
            self._add(value, is_inside)
        for call, place in self._program.handed_to(function):
            if _last(call.func) not in self._past:
                rest = [one for one in call.args if not isinstance(one, ast.Lambda)]
                base = [call.func.value] if isinstance(call.func, ast.Attribute) else []
                for one in (*base, *rest):
                    self._add(Value(one, place), is_inside=True)


def _spans(outer: ast.expr, inner: ast.expr) -> bool:
    start, end = (inner.lineno, inner.col_offset), (inner.end_lineno or 0, inner.end_col_offset)
    return (outer.lineno, outer.col_offset) <= start and end <= (
        outer.end_lineno or 0,
        outer.end_col_offset,
    )


def _is_super_init(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="__init__")):
            return True
    return False


def _given(call: ast.Call, positional: Sequence[str], name: str) -> Iterable[ast.expr]:
    """Return what a call may give to a parameter; the place of a method's is not counted."""
    named = [one.value for one in call.keywords if one.arg == name]
    if named:
        return named
    hidden = [one.value for one in call.keywords if one.arg is None]
    if any(isinstance(one, ast.Starred) for one in call.args):
        return [*call.args, *hidden]
    place = positional.index(name)
    return [*call.args[max(place - 1, 0) : place + 1], *hidden]


def _parameters(function: ast.AST | None) -> list[str]:
    arguments: ast.arguments | None = getattr(function, "args", None)
    if arguments is None:
        return []
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    extra = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [one.arg for one in (*every, *extra)]


def _local_names(function: ast.AST) -> set[str]:
    """Return the names that a function binds itself, its parameters among them."""
    found, borrowed = set(_parameters(function)), set[str]()
    stack = list(children(function))
    while stack:
        node = stack.pop()
        match node:
            case ast.Name(id=name) if not isinstance(node.ctx, ast.Load):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                borrowed.update(names)
        if not isinstance(node, (*_LAMBDAS, ast.ClassDef)):
            stack.extend(children(node))
    return found - borrowed


def _last(node: ast.expr) -> str:
    """Return the last name of a chain: of `nn.utils.prune`, `prune`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
