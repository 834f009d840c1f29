"""Proves rewrites by the formulas of rules: both texts are evaluated and compared.

A layer is built on both sides, given the same state and input, and run: twice in training mode and
once in evaluation where that makes a difference. A function or method is evaluated on the same
operands. What is unknown in the texts is drawn: each draw must be equal, refused by torch, or
raise in MindSpore.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mapper.analysis.evaluate import symbol
from mapper.model.record import record
from mapper.model.results import Parameter, Proof
from mapper.proving import wording
from mapper.proving.annotations import is_tensor, kinds, takes_many_tensors
from mapper.proving.apis import Api, Apis, Form, RaisesError
from mapper.proving.compare import DifferenceError, fill, gap, paired, shape_of, state_gap
from mapper.proving.inputs import SHAPES, draw
from mapper.proving.request import DisprovedError, ProofRequest, ProofResult, together
from mapper.proving.run_text import Built, Interpreter, Layer, LayerSequence, TextError
from mapper.proving.sampling import Trial, Values, ValueSampler, Wanted, borders
from mapper.proving.semantics.making import TooLargeError
from mapper.proving.unknowns import Finder, Unknown
from mapper.rulebook.conditions import Version
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import Kind, Rule

MIXED = 12  # trials with values mixed at random, beside one for each value
_REMEMBERED = 4_096  # results


@record(frozen=True, slots=True)
class _Case:
    """Both sides agree on one trial."""

    cases: int
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    error: float
    parameters: Mapping[str, Parameter]


@record(frozen=True, slots=True)
class _Refusal:
    words: str
    by_mindspore: bool


class DeclaredProver:
    """Proves rewrites by the formulas of rules; results are cached.

    Without the cache, a run over pytorch-cifar takes 1.4 times as much CPU time.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self._apis: dict[Version, tuple[Apis, Apis]] = {}
        self._remembered: dict[object, ProofResult] = {}

    def prove(self, request: ProofRequest) -> ProofResult:
        """Compare both texts.

        Raises:
            DisprovedError: they differ, MindSpore refuses, or nothing could be compared.
        """
        proof = _Proof(request, *self._sides(request.version))
        key = proof.key()
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = proof.run()
        return self._remembered[key]

    def _sides(self, version: Version) -> tuple[Apis, Apis]:
        if version not in self._apis:
            torch, mindspore = (Apis(f, self._rulebook, version) for f in ("torch", "mindspore"))
            self._apis[version] = (torch, mindspore)
        return self._apis[version]


class _Proof:
    """The state of one proof."""

    def __init__(self, request: ProofRequest, torch: Apis, mindspore: Apis) -> None:
        self._request = request
        self._rule: Rule = request.rule
        self._torch, self._mindspore = torch, mindspore
        self._before = request.before
        try:
            self._after = ast.parse(f"({request.after}\n)", mode="eval").body
        except SyntaxError as error:
            raise DisprovedError(f"`{request.after}` is no expression") from error
        self._finder = Finder(torch, request.read_before)
        self._other_finder = Finder(mindspore, request.read_after)
        self._unknowns = self._finder.find(self._before)
        self._root = self._find_root()
        self._starred = {
            symbol(node.value) for node in ast.walk(self._before) if isinstance(node, ast.Starred)
        }

    def key(self) -> object:
        """Return all that the result depends on."""
        request = self._request
        return (
            request.rule.id, ast.dump(self._before), request.after, request.version,
            self._meanings(self._before, request.read_before),
            self._meanings(self._after, request.read_after), repr(request.assumed),
            repr([(n, s.values, sorted(s.kinds)) for n, s in request.seen.items()]),
            request.may_raise, request.reduce,
        )  # fmt: skip

    @staticmethod
    def _meanings(tree: ast.expr, read: Any) -> tuple[str | None, ...]:
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute)]
        return tuple(map(read, nodes))

    def run(self) -> ProofResult:
        """Return the result.

        Raises:
            DisprovedError: both texts do not compute the same, or it could not be shown.
        """
        if not self._rule.torch.computes:
            self._check_free_names()
            if not self._rule.write:  # the calls in a template are part of the rule
                self._check_calls()
            return ProofResult(Proof("rule"))
        self._check_names()
        if self._is_renamed():
            return ProofResult(Proof("rule"))
        wanted = self._wanted()
        sampler = ValueSampler(wanted, self._request.assumed, self._request.seen)
        cases, good, raised = self._expected(sampler)
        raising = self._hostile(sampler, good)
        first = cases[0]
        kind = "sampled" if sampler.candidates else "exact"
        said = [
            wording.assumption(
                one.name, one.annotation, raising[one.name], self._request.seen.get(one.name)
            )
            for one in wanted
            if raising.get(one.name)
        ]
        assumptions = [words for words in said if words]
        if raised and not self._request.may_raise:
            assumptions.append(f"not every value works: {raised}")
        error = max(case.error for case in cases)
        proof = Proof(
            kind, sum(case.cases for case in cases), first.input_shape, first.output_shape, error
        )
        pairs = together(one.parameters for one in cases)
        return ProofResult(proof, pairs, tuple(assumptions))

    def _is_renamed(self) -> bool:
        """Say whether only the name of a function or method changes.

        Then the same formula has the same arguments, and there is nothing to compute.
        """
        torch, mindspore = self._rule.torch, self._rule.mindspore
        if torch.state or torch.computes != mindspore.computes or self._rule.write:
            return False
        apis = self._torch.get(torch.api), self._mindspore.get(mindspore.api)
        texts = self._before, self._after
        sides = []
        for finder, text, api in zip((self._finder, self._other_finder), texts, apis, strict=True):
            if not isinstance(text, ast.Call) or api is None:
                return False
            is_method = finder.is_method(text.func)
            receiver = ast.dump(text.func.value) if is_method else ""  # type: ignore[attr-defined]
            given = sorted((name, ast.dump(node)) for name, node in finder.bound(text, api))
            sides.append((receiver, given))
        return sides[0] == sides[1]

    # --- what the texts hold ---

    def _find_root(self) -> tuple[ast.expr, Api] | None:
        """Return the use of the rule's API in the text before."""
        names = {self._rule.torch.api, *self._rule.torch.spellings}
        found = self._finder.calls(self._before)
        return next(((node, api) for node, api in found if api.name in names), None)

    def _check_names(self) -> None:
        """Refuse a text after with unknowns that are not in the text before."""
        for part in self._after_parts():
            for name in self._other_finder.find(part):
                if name not in self._unknowns and not self._is_inside(name):
                    raise DisprovedError(f"`{name}` is not known, and not in the text before")

    def _after_parts(self) -> list[ast.expr]:
        """Return the parts of the text after that are searched for unknowns.

        For a method without a formula, such as a Cell's `construct`, these are what it is called on
        and its arguments.
        """
        match self._after:
            case ast.Call(func=ast.Attribute(value=receiver, attr=attr), args=args, keywords=named):
                is_own = attr == self._rule.mindspore.api.rpartition(".")[2]
                if is_own and self._rule.kind is Kind.METHOD and not self._rule.torch.computes:
                    return [receiver, *args, *(one.value for one in named)]
        return [self._after]

    def _check_free_names(self) -> None:
        """Refuse a text without formulas, if it has names that are not in the text before.

        How such a text uses the names is given by the rule alone, since nothing is computed.
        """
        names = [node for node in ast.walk(self._after) if isinstance(node, ast.Name)]
        known = {node.id for node in ast.walk(self._before) if isinstance(node, ast.Name)}
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known |= {node.arg for node in ast.walk(self._after) if isinstance(node, ast.arg)}
        known |= self._names_of_mindspore()
        for node in names:
            if node.id not in known and not hasattr(builtins, node.id):
                raise DisprovedError(f"`{node.id}` is not known, and not in the text before")

    def _names_of_mindspore(self) -> set[str]:
        """Return the first names of what is MindSpore's in the text after: `ms` of `ms.ops.abs`."""
        found = set[str]()
        for node in ast.walk(self._after):
            if isinstance(node, ast.Name | ast.Attribute) and self._request.read_after(node):
                found.add(ast.unparse(node).partition(".")[0])
        return found

    def _is_inside(self, name: str) -> bool:
        """Say whether it stands in the text before where torch computes nothing with it."""
        return any(
            isinstance(node, ast.expr) and ast.unparse(node) == name
            for node in ast.walk(self._before)
        )

    def _check_calls(self) -> None:
        """Check that the calls of a text without formulas suit their signatures."""
        for node, api in self._other_finder.calls(self._after):
            if isinstance(node, ast.Call):
                names = {spec.name for spec in api.parameters}
                for keyword in node.keywords:
                    if keyword.arg is not None and keyword.arg not in names:
                        raise DisprovedError(f"`{api.name}` takes no parameter `{keyword.arg}`")

    def _operands(self) -> list[Unknown]:
        return [
            one
            for one in self._unknowns.values()
            if one.spec is not None and is_tensor(one.spec.annotation)
            and one.name not in self._request.assumed
        ]  # fmt: skip

    def _wanted(self) -> list[Wanted]:
        """Return the symbols that need values: all but the operands."""
        operands = {one.name for one in self._operands()}
        return [self._want(one) for one in self._unknowns.values() if one.name not in operands]

    def _want(self, one: Unknown) -> Wanted:
        spec, extra = one.spec, list[object]()
        if spec is None:
            return Wanted(one.name, "", None, False)
        if self._root is not None and one.api == self._root[1].name:
            conditions = [refusal.when.text for refusal in self._rule.manual]
            conditions += [write.when.text for write in self._rule.write]
            extra += self._rule.samples.get(spec.name, ())
            extra += borders(conditions, spec.name)
        if one.is_spread and "int" in kinds(spec.annotation):
            return Wanted(one.name, "tuple", None, False)
        if not one.is_whole:  # an element of a sequence, or a part of an expression
            numbers = [kind for kind in kinds(spec.annotation) if kind in ("int", "float", "bool")]
            return Wanted(one.name, " | ".join(numbers or ["int"]), None, False)
        annotation = spec.annotation
        if spec.name == "dtype" and not annotation and one.name not in _PYTHONS:
            annotation = "dtype | None"
        return Wanted(one.name, annotation, spec.default, True, tuple(extra))

    # --- trials ---

    def _expected(self, sampler: ValueSampler) -> tuple[list[_Case], list[Values], str]:
        """Return the cases of admissible values, these values, and what raised meanwhile."""
        cases, good, why, raised = list[_Case](), list[Values](), "", ""
        for trial in sampler.expected(MIXED):
            found = self._case(trial)
            if isinstance(found, _Case):
                cases.append(found)
                good.append(trial.values)
            elif found.by_mindspore:
                raised = raised or f"MindSpore raises: {found.words}{wording.given(trial)}"
            else:
                why = why or found.words
        if not cases:
            raise DisprovedError(raised or why or "no admissible values were found to try")
        if raised and len(good) < 2:
            raise DisprovedError(raised)
        return cases, good, raised

    def _hostile(self, sampler: ValueSampler, good: Sequence[Values]) -> dict[str, set[str]]:
        """Return which kinds of value, that torch's annotation names, raise in MindSpore."""
        raising: dict[str, set[str]] = {}
        for trial in sampler.hostile(good[:2]):
            found = self._case(trial)
            is_named = sampler.is_expected(trial.of, trial.kind)
            if isinstance(found, _Refusal) and found.by_mindspore and is_named:
                raising.setdefault(trial.of, set()).add(trial.kind)
        return raising

    def _case(self, trial: Trial) -> _Case | _Refusal:
        """Compare both sides on one trial, over all inputs.

        Raises:
            DisprovedError: they differ, or something in the texts is not known.
        """
        try:
            return self._over_inputs(trial, self._before, self._after)
        except TooLargeError as error:
            if not self._request.reduce:
                return _Refusal(str(error), by_mindspore=False)
        smaller = _Smaller([self._before, self._after])
        try:
            found = self._over_inputs(trial, smaller.before, smaller.after)
            if isinstance(found, _Case) and found.parameters:
                torch, mindspore = self._built(trial, {}, self._before, self._after)
                pairs = paired(torch, mindspore, self._rule.parameters)
                return _Case(found.cases, found.input_shape, found.output_shape, found.error, pairs)
        except (TooLargeError, RaisesError) as error:
            return _Refusal(str(error), by_mindspore=False)
        return found

    def _over_inputs(self, trial: Trial, before: ast.expr, after: ast.expr) -> _Case | _Refusal:
        """Compare both sides on one trial, for every input that the rule names."""
        found, refused, raised = list[_Case](), "", ""
        for place in range(self._number_of_inputs()):
            try:
                found.append(self._one(trial, place, before, after))
            except _TorchRaisesError as words:
                refused = refused or f"torch refuses this call: {words}"
            except RaisesError as words:
                raised = raised or str(words)
            except DifferenceError as words:
                raise DisprovedError(f"{words}{wording.given(trial)}") from words
            except TextError as words:
                raise DisprovedError(str(words)) from words
        if raised:
            return _Refusal(raised, by_mindspore=True)
        if not found:
            return _Refusal(refused, by_mindspore=False)
        first = found[0]
        return _Case(
            len(found), first.input_shape, first.output_shape, max(one.error for one in found),
            first.parameters,
        )  # fmt: skip

    def _number_of_inputs(self) -> int:
        return max(map(len, self._rule.inputs.values()), default=len(SHAPES))

    def _one(self, trial: Trial, place: int, before: ast.expr, after: ast.expr) -> _Case:
        """Compare both sides on one trial and one input."""
        try:
            operands = self._draw(trial, place, before)
        except (RaisesError, TextError) as words:
            raise _TorchRaisesError(str(words)) from words
        if self._root is not None and self._root[1].form is Form.LAYER:
            torch, mindspore = self._built(trial, operands, before, after)
            return self._run_layers(torch, mindspore, trial, place)
        given = [{name: _copied(value) for name, value in operands.items()} for _ in range(2)]
        with _Torch():
            shared = self._shared({**trial.values, **given[0]}, before, after)
            expected = self._interpreter(0, {**trial.values, **given[0]}).evaluate(before)
        found = self._interpreter(1, {**trial.values, **given[1], **shared}).evaluate(after)
        error = gap(expected, found)
        for name in operands:
            error = max(error, gap(given[0][name], given[1][name], f"`{name}` afterwards"))
        first = next(iter(operands.values()), None)
        return _Case(1, shape_of(first), shape_of(expected), error, {})

    def _shared(self, values: Values, before: ast.expr, after: ast.expr) -> Values:
        """Return the values of torch's calls that are inside both texts.

        They are sites with proofs of their own, so both sides get the same value.
        """
        root = self._root[0] if self._root is not None else None
        inside = {
            ast.dump(node)
            for node, _ in self._finder.calls(before)
            if isinstance(node, ast.Call)
            and node is not root
            and ast.dump(node) != ast.dump(before)
        }
        interpreter = self._interpreter(0, values)
        kept = [node for node in ast.walk(after) if inside and ast.dump(node) in inside]
        return {symbol(node): interpreter.evaluate(node) for node in kept}  # type: ignore[arg-type]

    def _interpreter(self, side: int, values: Values) -> Interpreter:
        request = self._request
        if side == 0:
            return Interpreter(self._torch, request.read_before, values)
        return Interpreter(self._mindspore, request.read_after, values)

    # --- layers ---

    def _built(
        self, trial: Trial, operands: Values, before: ast.expr, after: ast.expr
    ) -> tuple[Built, Built]:
        with _Torch():
            torch = self._interpreter(0, {**trial.values, **operands}).evaluate(before)
        mindspore = self._interpreter(1, {**trial.values, **operands}).evaluate(after)
        for one in (torch, mindspore):
            if not isinstance(one, Layer | LayerSequence):
                raise DifferenceError("the text builds no layer")
        return torch, mindspore

    def _run_layers(self, torch: Built, mindspore: Built, trial: Trial, place: int) -> _Case:
        """Run both layers: twice in training and once in evaluation, if the modes differ."""
        pairs = paired(torch, mindspore, self._rule.parameters)
        fill(torch, mindspore, pairs)
        modes = (True, True, False) if _has_modes(torch) or _has_modes(mindspore) else (False,)
        error, output, inputs = 0.0, None, Values()
        for seed, training in enumerate(modes):
            inputs = self._layer_inputs(torch, place, seed)
            torch.set_training(training)
            mindspore.set_training(training)
            with _Torch():
                output = torch.call([_copied(value) for value in inputs.values()], {})
            found = mindspore.call([_copied(value) for value in inputs.values()], {})
            mode = "training" if training else "evaluation"
            error = max(error, gap(output, found, f"the output in {mode}"))
            error = max(error, state_gap(torch, mindspore, pairs))
        first = next(iter(inputs.values()), None)
        return _Case(1, shape_of(first), shape_of(output), error, pairs)

    def _layer_inputs(self, torch: Built, place: int, seed: int) -> Values:
        layer = torch if isinstance(torch, Layer) else None
        if layer is None:
            raise DifferenceError("the text before builds several layers")
        needed = [spec.name for spec in layer.api.operands if spec.required]
        with _Torch():
            return {
                name: draw(self._rule, name, layer.values, place, 10 * number + seed)
                for number, name in enumerate(needed)
            }

    # --- operands ---

    def _draw(self, trial: Trial, place: int, before: ast.expr) -> Values:
        """Return arrays for the operands of a function or method."""
        found: Values = {}
        environment = self._environment(trial, before)
        for seed, one in enumerate(self._operands()):
            if one.name in trial.values or one.spec is None:
                continue
            name = one.spec.name or "self"
            many = takes_many_tensors(one.spec.annotation) and one.is_whole
            is_root = self._root is not None and one.api == self._root[1].name
            arrays = [
                draw(self._rule, name if is_root else "", environment, place, 7 * seed + i)
                for i in range(2 if many or one.spec.variadic else 1)
            ]
            found[one.name] = arrays if many else arrays[0]
        return found

    def _environment(self, trial: Trial, before: ast.expr) -> Values:
        """Return the plain arguments of the root call, which the shapes of operands depend on."""
        root = next(
            ((n, a) for n, a in self._finder.calls(before) if self._root and a is self._root[1]),
            None,
        )
        if root is None:
            return {}
        node, api = root
        interpreter = self._interpreter(0, trial.values)
        values: Values = {spec.name: spec.default for spec in api.parameters}
        for name, part in self._finder.arguments(node, api).items():
            try:
                values[name] = interpreter.evaluate(part)
            except TextError:
                continue  # an operand
        return values


_PYTHONS = ("int", "float", "bool")
"""Types of Python's that torch takes for a dtype, and MindSpore refuses."""


class _TorchRaisesError(Exception):
    """torch raises."""


class _Torch:
    """A context that turns errors raised in it into `_TorchRaisesError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RaisesError):
            raise _TorchRaisesError(str(error)) from error


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(one) for one in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def _has_modes(built: Built) -> bool:
    layers = built.layers if isinstance(built, LayerSequence) else [built]
    return any(
        bool(one.buffers)
        or (isinstance(one, Layer) and one.api.computes and "training" in one.api.computes.names)
        or (isinstance(one, LayerSequence) and _has_modes(one))
        for one in layers
    )


class _Smaller:
    """Both texts with every large int replaced by a small one, the same on both sides.

    The number of features changes the cost of a proof, but not whether both sides agree.
    """

    LARGE = 64

    def __init__(self, texts: Sequence[ast.expr]) -> None:
        ints = {n.value for text in texts for n in ast.walk(text) if _is_int(n)}  # type: ignore[attr-defined]
        free = (n for n in range(6, self.LARGE) if n not in ints)
        self._small = {n: next(free) for n in sorted(ints) if n > self.LARGE}
        self.before, self.after = (self._changed(text) for text in texts)

    def _changed(self, text: ast.expr) -> ast.expr:
        copied = ast.parse(ast.unparse(text), mode="eval").body
        for node in ast.walk(copied):
            if isinstance(node, ast.Constant) and _is_int(node):
                node.value = self._small.get(node.value, node.value)
        return copied


def _is_int(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int)
        and not isinstance(node.value, bool)
    )
