"""Draws values for the symbols of a call: expected ones first, then kinds that may break it.

A proof by samples is worth as much as its samples: they cover odd and even kernels, strides above
one and every padding mode. An argument that is a bare symbol also gets the kinds of value (a tuple,
a list, a string, None) that the rewrite may not handle.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mapper.analysis.evaluate import symbol, symbols
from mapper.analysis.walk import walk
from mapper.model.record import record
from mapper.proving.annotations import OTHERS, USUAL, kind_of, kinds, literals

Values = dict[str, object]

_EXPECTED: Mapping[str, Sequence[object]] = {
    "kernel_size": (3, 1, 5, 2, 4, 7),
    "dilation": (1, 2, 3),
    "stride": (1, 2, 3),
    "padding": (1, 0, 2, 3),
    "output_padding": (0, 1, 2),
    "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    "bias": (True, False),
    "in_channels": (8, 4, 12, 16, 1, 3, 64),
    "out_channels": (8, 4, 16, 12, 1, 3, 64),
    "groups": (1, 2, 4),
}
"""What each torch parameter is expected to hold; the first parameter that uses a symbol decides."""

_HOSTILE: Mapping[str, Sequence[object]] = {
    "kernel_size": ("int", "tuple", "list", "one-tuple"),
    "stride": ("int", "tuple", "list", "one-tuple"),
    "dilation": ("int", "tuple", "list", "one-tuple"),
    "padding": ("int", "tuple", "list", "one-tuple", "'same'", "'valid'"),
    "output_padding": ("int", "tuple", "list", "one-tuple"),
    "bias": ("None", "0", "1"),
}


_SIZES = ("kernel_size", "stride", "padding", "dilation", "output_padding")
LIKELY = (*_SIZES, "padding_mode", "bias")
"""The parameters for which it matters what a file says of a symbol."""


@record(frozen=True, slots=True)
class Seen:
    """What a file says about a symbol: some of its values, and the kinds of value it may have."""

    values: tuple[object, ...] = ()
    kinds: frozenset[str] = frozenset()


@record(frozen=True, slots=True)
class Trial:
    """Values for all symbols; `kind` names the unexpected kind given to the symbol `of`."""

    values: Values
    of: str = ""
    kind: str = ""


class Sampler:
    """Draws trials for the symbols in the arguments of one call, the same ones every time."""

    def __init__(
        self,
        arguments: Mapping[str, ast.expr],
        rank: int,
        assumed: Mapping[str, object],
        seen: Mapping[str, Seen],
    ) -> None:
        self.rank = rank
        self._seen = seen
        self.direct: dict[str, str] = {}
        self.candidates: dict[str, Sequence[object]] = {}
        for parameter in _EXPECTED:
            if parameter in arguments:
                self._enter(parameter, arguments[parameter])
        for name, value in assumed.items():
            self.candidates[name] = (value,)

    def _enter(self, parameter: str, node: ast.expr) -> None:
        """Note the values to draw for the symbols in one argument."""
        compared = _compared(node)
        for name, where in symbols(node).items():
            sequence = _sequence_of(where)
            if name in self.candidates:
                continue
            if where is node and sequence is None:
                self.direct[name] = parameter
            if sequence is not None:
                ints = [v for v in _EXPECTED[parameter] if isinstance(v, int)]
                made = tuple(sequence(ints[i : i + self.rank]) for i in range(3))
                self.candidates[name] = made
            elif name in compared:
                self.candidates[name] = compared[name]
            elif where is node:
                self.candidates[name] = self._admitted(parameter, self._seen.get(name, Seen()))
            else:
                self.candidates[name] = _EXPECTED[parameter]

    def _admitted(self, parameter: str, seen: Seen) -> Sequence[object]:
        """Return what to expect of a bare symbol: values seen first, and of every kind seen."""
        expected = list(_EXPECTED[parameter])
        ints = [v for v in expected if isinstance(v, int)]
        if parameter in _SIZES:
            if seen.kinds and not seen.kinds & {"any", "int"}:
                expected = []
            for kind, sequence in (("tuple", tuple), ("list", list)):
                if kind in seen.kinds:
                    expected += [sequence(ints[i : i + self.rank]) for i in range(2)]
            if parameter == "padding" and "str" in seen.kinds:
                expected += ["same", "valid"]
        found = {repr(value): value for value in (*seen.values, *expected)}
        return [*found.values()] or _EXPECTED[parameter]  # the kinds seen are none that layers take

    def expected(self, limit: int) -> Iterator[Trial]:
        """Yield up to `limit` different trials with values of the expected kinds."""
        if not self.candidates:
            yield Trial({})
            return
        from random import Random

        yield Trial({name: options[0] for name, options in self.candidates.items()})
        random, seen = Random(0), set[str]()
        for _ in range(limit - 1):
            values = {name: random.choice(options) for name, options in self.candidates.items()}
            if repr(values) not in seen:
                seen.add(repr(values))
                yield Trial(values)

    def hostile(self, good: Sequence[Values]) -> Iterator[Trial]:
        """Yield the `good` trials with one bare symbol at a time given another kind of value."""
        for name, parameter in self.direct.items():
            if len(self.candidates[name]) == 1:
                continue
            for kind in map(str, _HOSTILE.get(parameter, ())):
                for values in good:
                    changed = {**values, name: self._make(kind, parameter, values[name])}
                    yield Trial(changed, name, kind)

    def _make(self, kind: str, parameter: str, value: object) -> object:
        options = [v for v in _EXPECTED[parameter] if isinstance(v, int)]
        start = options.index(value) if value in options else 0
        several = tuple(options[(start + i) % len(options)] for i in range(self.rank))
        match kind:
            case "int":
                return options[start]
            case "tuple":
                return several
            case "list":
                return list(several)
            case "one-tuple":
                return several[:1]
        return ast.literal_eval(kind)


def _sequence_of(node: ast.expr) -> Callable[[Iterable[object]], object] | None:
    """Return the type of an expression that is a sequence whatever its parts are."""
    if isinstance(node, ast.List | ast.ListComp):
        return list
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return {"list": list, "tuple": tuple}.get(node.func.id)
    return tuple if isinstance(node, ast.Tuple) else None


def _compared(node: ast.expr) -> dict[str, Sequence[object]]:
    """Return what to try for symbols that are tested rather than counted."""
    found: dict[str, Sequence[object]] = {}
    for part in walk(node):
        if isinstance(part, ast.Compare):
            operands = [part.left, *part.comparators]
            constants = [o.value for o in operands if isinstance(o, ast.Constant)]
            for operand in operands:
                if constants and not isinstance(operand, ast.Constant):
                    found[symbol(operand)] = (*constants, _other(constants[0]))
        tests = [part.test] if isinstance(part, ast.IfExp) else []
        tests += part.values if isinstance(part, ast.BoolOp) else []
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not):
            tests.append(part.operand)
        for test in tests:
            if isinstance(test, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                found.setdefault(symbol(test), (True, False))
    return found


def _other(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1
    return 3 if value is None else not value


# --- values for rules with formulas ---------------------------------------------------------------


@record(frozen=True, slots=True)
class Wanted:
    """A symbol to be given values: the annotation and default of the parameter that it goes to.

    `is_whole`: the symbol is the whole argument, so that other kinds of value are tried, too.
    `extra` are values from the rule: its samples, and those on the borders of its conditions.
    """

    name: str
    annotation: str
    default: object = None
    is_whole: bool = True
    extra: tuple[object, ...] = ()


class ValueSampler:
    """Draws trials for symbols by the annotations of the parameters that they go to."""

    def __init__(
        self, wanted: Sequence[Wanted], assumed: Mapping[str, object], seen: Mapping[str, Seen]
    ) -> None:
        self._wanted = wanted
        self._fixed = assumed.keys()
        self.candidates: dict[str, Sequence[object]] = {}
        self._kinds: dict[str, tuple[str, ...]] = {}
        for one in wanted:
            if one.name in assumed:
                self.candidates[one.name] = (assumed[one.name],)
            else:
                self._enter(one, seen.get(one.name, Seen()))

    def _enter(self, one: Wanted, seen: Seen) -> None:
        """Note the kinds and values to draw for one symbol."""
        named = [kind for kind in kinds(one.annotation) if kind in USUAL]
        if not named:
            first = one.extra[0] if one.extra else one.default
            named = [kind_of(first) if first is not None and kind_of(first) in USUAL else "int"]
        expected = [kind for kind in named if kind in seen.kinds]
        expected = expected or [kind for kind in named if kind != "None"][:1] or ["None"]
        if literals(one.annotation):
            values = list(literals(one.annotation))
        else:
            values = [*seen.values, *one.extra]
            values += [one.default] if kind_of(one.default) in expected else []
            values += [value for kind in expected for value in USUAL[kind]]
        self._kinds[one.name] = tuple(expected)
        self.candidates[one.name] = [*{repr(value): value for value in values}.values()] or ["a"]

    def is_expected(self, name: str, kind: str) -> bool:
        """Say whether torch's annotation names the kind."""
        one = next(one for one in self._wanted if one.name == name)
        return kind in kinds(one.annotation)

    def expected(self, limit: int) -> Iterator[Trial]:
        """Yield different trials: every candidate once beside the first ones, then at random."""
        from random import Random

        first = {name: options[0] for name, options in self.candidates.items()}
        random, seen = Random(0), set[str]()
        each = [{**first, name: v} for name, options in self.candidates.items() for v in options]
        mixed = [
            {name: random.choice(options) for name, options in self.candidates.items()}
            for _ in range(limit)
        ]
        for values in [first, *each, *mixed][: len(each) + limit]:
            if repr(values) not in seen:
                seen.add(repr(values))
                yield Trial(values)

    def hostile(self, good: Sequence[Values]) -> Iterator[Trial]:
        """Yield the `good` trials with one symbol at a time given a kind that is not expected."""
        for one in self._wanted:
            if not one.is_whole or one.name in self._fixed:
                continue
            for kind, other in OTHERS.items():
                if kind != "None" and self._kinds[one.name] == ("dtype",):
                    continue  # both frameworks refuse what is no dtype of theirs
                if kind not in self._kinds[one.name]:
                    value = (
                        USUAL[kind][0]
                        if self.is_expected(one.name, kind) and USUAL[kind]
                        else other
                    )
                    for values in good:
                        yield Trial({**values, one.name: value}, one.name, kind)


def borders(conditions: Iterable[str], parameter: str) -> list[object]:
    """Return the values of a parameter at which a condition changes, and their neighbours."""
    found: list[object] = []
    for text in conditions:
        for node in walk(ast.parse(text.strip(), mode="eval").body):
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            if not any(isinstance(side, ast.Name) and side.id == parameter for side in sides):
                continue
            for side in sides:
                try:
                    value = ast.literal_eval(side)
                except ValueError:
                    continue
                many = value if isinstance(value, tuple | list) else (value,)
                for one in many:
                    found += [one, one - 1, one + 1] if _is_number(one) else [one]
    return [value for value in found if value is not None]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
