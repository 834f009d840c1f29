"""Values to try for the symbols of a call: what is seen and expected, then what would go wrong.

A proof by samples is worth as much as its samples: they cover odd and even kernels, strides above
one, every padding mode, and for each argument that is a bare symbol also the kinds of value (a
tuple, a list, a string, None) that the rewrite may not be ready for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mapper.analysis.evaluate import symbol, symbols
from mapper.analysis.walk import walk
from mapper.model.record import record

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
    """What a file says of a symbol: values that it has there, and kinds of value it may have."""

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
        return [*found.values()] or _EXPECTED[parameter]  # of a kind that no layer takes

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
