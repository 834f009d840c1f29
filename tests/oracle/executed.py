"""One site of a stranger's module executed on both frameworks: its two texts and nothing else.

Of the module only its imports of the two frameworks, and what the tool inserted, are executed; the
names in the call are bound to values of ours (`standins`).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from pydoc import locate
from random import Random
from types import CodeType
from typing import Any

import numpy as np

from mapper.model.results import FileResult, Site
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import load
from tests.oracle.frameworks import attempt
from tests.oracle.standins import FLOAT32, OPERANDS, Values, read
from tests.oracle.trials import Found, Outcome, compare_layers, compare_results

INSIDE = 6  # trials with expected values; more where none of them is equal
MOST = 24
TRIES = 500  # draws to find them
SIZE = (15, 16, 14)  # of a function's input: room for the kernel without padding too

_FRAMEWORKS = ("torch", "mindspore")
_KIND = "an int|a tuple|a list|a string"
_ASSUMED = re.compile(
    rf"`(.+)` is ((?:{_KIND})(?:(?:, | or )(?:{_KIND}))*|True or False|None or a M.+?) \((.*)\)"
)


class Kind(StrEnum):
    """What a trial counts as; the words are columns of a table."""

    EQUAL = "equal"
    LIMITED = "raises, limit stated"
    RAISES = "raises"
    OTHER_EQUAL = "other: equal"
    OTHER_TORCH = "other: torch refuses"
    OTHER_STATED = "other: raises as stated"
    OTHER_RAISES = "other: raises too"
    DIFFERENT = "silently different"


@dataclass(frozen=True, slots=True)
class Example:
    """One trial: what a framework said, or how the results differ, and the values."""

    words: str
    values: str


@dataclass(slots=True)
class Executed:
    """What came of a site's trials, and the first trial of each kind."""

    counts: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, Example] = field(default_factory=dict)

    def add(self, kind: Kind, words: str, values: Values) -> None:
        """Count a trial."""
        self.counts[kind] += 1
        shown = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        self.examples.setdefault(kind, Example(words, repr(shown)))


def execute(file: FileResult, site: Site, seed: str) -> Executed:
    """Try a migrated site with several expected values, and with others for one leaf at a time."""
    pair, random, found = Pair(file, site), Random(seed), Executed()
    good: list[Values] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for values, (outcome, words) in _inside(pair, random):
            found.add(pair.expected_kind(outcome), words, values)
            good += [values] if outcome is Outcome.EQUAL else []
            if found.counts.total() >= (INSIDE if good else MOST):
                break
        for words in pair.repeated():
            found.add(Kind.DIFFERENT, words, {})
        for values in pair.outside(good[0]) if good else ():
            outcome, words = pair.compare(values)
            found.add(pair.other_kind(outcome, values), words, values)
    return found


def _inside(pair: Pair, random: Random) -> Iterator[tuple[Values, Found]]:
    """Yield different expected values that torch computes with, and what comes of them."""
    tried: set[str] = set()
    for _ in range(TRIES):
        values = pair.draw(random)
        if repr(values) in tried or (found := pair.compare(values))[0] is Outcome.TORCH:
            continue
        tried.add(repr(values))
        yield values, found


class Pair:
    """A site's two texts, ready to be evaluated with values."""

    def __init__(self, file: FileResult, site: Site) -> None:
        assert file.before is not None and file.after is not None and site.after is not None
        rule = load().by_id(site.rule)
        assert rule is not None
        self.site, self.rank = site, rule.torch.rank
        self.is_layer = site.api.startswith("torch.nn.Conv")
        self.before, self.after = _parsed(site.before), _parsed(site.after)
        self.torch_names = _prelude(file.before)
        self.mindspore_names = _prelude(file.after, file.before)
        order = [parameter.name for parameter in rule.torch.parameters]
        self.call = read(self.before, order, {*self.torch_names, "math"}, _keys(self.after))
        self.torch_names["<api>"] = locate(site.api)
        if site.through is not None:
            self.mindspore_names[site.through] = locate(str(site.target))

    @cached_property
    def codes(self) -> tuple[CodeType, CodeType]:
        """Both texts; torch's function is the one that the report names."""
        before, after = _parsed(self.site.before), _parsed(str(self.site.after))
        before.func = ast.Name("<api>", ast.Load())
        return self.call.compiled(before), self.call.compiled(after)

    @cached_property
    def assumed(self) -> Mapping[str, tuple[str, str]]:
        """What the report assumes of a text: which kind of value, and what raises."""
        matched = [_ASSUMED.fullmatch(words) for words in self.site.assumptions]
        return {m[1]: (m[2], m[3]) for m in matched if m}

    def draw(self, random: Random) -> Values:
        """Return values of the expected kinds, and operands that suit them."""
        values = {
            source: leaf.expected(random, self.rank, self._kinds(source))
            for source, leaf in self.call.leaves.items()
        }
        return values | self._operands(values, random)

    def _kinds(self, source: str) -> list[str]:
        """Return the kinds of value that the call is written for.

        They are those that the report assumes. Where it assumes nothing, the file itself says what
        there is; how the call is written for it then shows in its text.
        """
        if source in self.assumed:
            return re.findall(_KIND, self.assumed[source][0])
        after = ast.unparse(self.after)
        tested = [one for one in ("str", "(tuple, list)", "list") if self._tests(source, one)]
        forms = (f"{source}[0]", f"tuple({source})", f" in {source} for _ in range")
        if any(form in after for form in forms) and not tested:
            return ["a tuple", "a list"]
        if f"pad_mode={source}" in after and not tested:
            return ["a string"]
        kinds = {"str": ["a string"], "(tuple, list)": ["a tuple", "a list"], "list": ["a list"]}
        return ["an int", *(kind for one in tested for kind in kinds[one])]

    def _tests(self, source: str, kind: str) -> bool:
        return f"isinstance({source}, {kind})" in ast.unparse(self.after)

    def outside(self, good: Values) -> Iterator[Values]:
        """Yield the values with another kind of value in one leaf at a time."""
        for source, leaf in self.call.leaves.items():
            for other in leaf.others(good[source]):
                yield {**good, source: other}
            if leaf.parameter == "dtype":
                yield from ({**good, source: other} for other in (_torch().float32, "float32"))

    def repeated(self) -> Iterator[str]:
        """Say which unknown calls the rewritten text makes more often."""
        for source in self.call.leaves:
            if any(isinstance(node, ast.Call) for node in ast.walk(_parsed(source))):
                before, after = (_count(tree, source) for tree in (self.before, self.after))
                if after > before:
                    yield f"`{source}` is evaluated {after} times instead of {before}"

    def compare(self, values: Values) -> Found:
        """Execute both sides."""
        if not self.is_layer:
            return compare_results(lambda: self._torch(values), lambda: self._mindspore(values))
        paths = {name: parameter.path for name, parameter in self.site.parameters.items()}
        return compare_layers(lambda: self._torch(values), lambda: self._mindspore(values), paths)

    def expected_kind(self, outcome: Outcome) -> Kind:
        """Return what a trial with expected values counts as."""
        match outcome:
            case Outcome.EQUAL:
                return Kind.EQUAL
            case Outcome.DIFFERENT:
                return Kind.DIFFERENT
        return Kind.LIMITED if self._states_limit() else Kind.RAISES

    def other_kind(self, outcome: Outcome, values: Values) -> Kind:
        """Return what a trial with other values counts as."""
        match outcome:
            case Outcome.EQUAL:
                return Kind.OTHER_EQUAL
            case Outcome.TORCH:
                return Kind.OTHER_TORCH
            case Outcome.DIFFERENT:
                return Kind.DIFFERENT
        held = all(self._holds(source, values) for source in self.assumed)
        return Kind.OTHER_RAISES if held and not self._states_limit() else Kind.OTHER_STATED

    def _states_limit(self) -> bool:
        return len(self.assumed) < len(self.site.assumptions)

    def _torch(self, values: Values) -> Any:
        made = {k: _for_torch(v) for k, v in values.items()}
        return eval(self.codes[0], self.torch_names | self.call.bindings(made))

    def _mindspore(self, values: Values) -> Any:
        made = {k: _for_mindspore(v) for k, v in values.items()}
        return eval(self.codes[1], self.mindspore_names | self.call.bindings(made))

    def _holds(self, source: str, values: Values) -> bool:
        """Say whether a value is of the kind that the report assumes."""
        if source not in values:
            return True
        value, (kind, raising) = values[source], self.assumed[source]
        if kind == "True or False":
            return isinstance(value, bool)
        if kind.startswith("None"):
            return value in (None, FLOAT32)
        least = 2 if "a tuple of one" in raising else 1
        if type(value) is tuple and len(value) < least:
            return False
        names = {int: "an int", tuple: "a tuple", list: "a list", str: "a string"}
        return names.get(type(value), "another") in re.findall(_KIND, kind)

    def _operands(self, values: Values, random: Random) -> Values:
        """Return arrays for a function's operands that suit the number of groups."""
        groups = self._groups(values)
        kernel = tuple(random.choice((1, 2, 3)) for _ in range(self.rank))
        shapes = ((2, 2 * groups, *SIZE[: self.rank]), (2 * groups, 2, *kernel), (2 * groups,))
        found: Values = {}
        for name, shape in zip(OPERANDS, shapes, strict=True):
            if (source := self.call.operands.get(name)) is not None:
                rng = np.random.default_rng(random.randrange(10**6))
                found[source] = rng.standard_normal(shape).astype(np.float32)
        return found

    def _groups(self, values: Values) -> int:
        given = next((k.value for k in self.before.keywords if k.arg == "groups"), None)
        position = 6  # of both kinds of function
        if given is None and len(self.before.args) > position:
            given = self.before.args[position]
        if given is None:
            bundled = [v for k, v in values.items() if k.endswith("['groups']")]
            return int(bundled[0]) if bundled else 1
        found = attempt(
            lambda: eval(self.call.compiled(deepcopy(given)), self.call.bindings(values))
        )
        return found if isinstance(found, int) and found > 0 else 1


def _parsed(text: str) -> Any:
    return ast.parse(f"({text}\n)", mode="eval").body


def _count(tree: ast.expr, source: str) -> int:
    return sum(isinstance(n, ast.expr) and ast.unparse(n) == source for n in ast.walk(tree))


def _keys(after: ast.expr) -> set[str]:
    """Return the keys that the rewritten text takes from dicts, and those it drops."""
    subscripts = [n for n in ast.walk(after) if isinstance(n, ast.Subscript)]
    keys = {ast.literal_eval(s.slice) for s in subscripts if isinstance(s.slice, ast.Constant)}
    found = {key for key in keys if isinstance(key, str)}
    return found | {"device"} if "dtype" in found else found


def _prelude(text: str, original: str = "") -> dict[str, Any]:
    """Execute a module's imports of the frameworks, and the helpers it has beyond the original."""
    names: dict[str, Any] = {"math": import_module("math")}
    tree = ast.parse(text)
    imports = [node for node in ast.walk(tree) if _is_import(node)]
    known = {ast.dump(node) for node in ast.parse(original).body}
    inserted = [n for n in tree.body if original and _is_helper(n) and ast.dump(n) not in known]
    for node in (*imports, *inserted):
        attempt(exec, ast.unparse(node), names)
    return {name: value for name, value in names.items() if name != "__builtins__"}


def _is_import(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return all(alias.name.partition(".")[0] in _FRAMEWORKS for alias in names)
        case ast.ImportFrom(module=module, level=0):
            return (module or "").partition(".")[0] in _FRAMEWORKS
    return False


def _is_helper(node: ast.AST) -> bool:
    if not isinstance(node, ast.ClassDef | ast.FunctionDef):
        return False
    return node.name.startswith(tuple(HELPERS))


def _torch() -> Any:
    return import_module("torch")


def _for_torch(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _torch().from_numpy(value.copy())
    return _torch().float32 if _is_float32(value) else value


def _for_mindspore(value: Any) -> Any:
    mindspore = import_module("mindspore")
    if isinstance(value, np.ndarray):
        return mindspore.Tensor(value)
    return mindspore.float32 if _is_float32(value) else value


def _is_float32(value: Any) -> bool:
    return isinstance(value, str) and value == FLOAT32
