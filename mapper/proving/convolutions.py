"""Proves rewrites of convolutions: the text to be written is computed and held to the torch call.

The prover does not see the plan: the text is parsed, bound to MindSpore's signatures and computed,
so that mistakes in a rule and in the rendering are both caught.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mapper.analysis.bind import BindError, bind
from mapper.analysis.evaluate import UnknownError, evaluate, known, skeleton, symbols
from mapper.model.record import record
from mapper.model.results import Parameter, Proof
from mapper.proving.request import DisprovedError, ProofRequest, ProofResult, Read, together
from mapper.proving.sampling import Sampler, Seen, Trial, Values
from mapper.proving.semantics.conv import mindspore_functions, mindspore_layers, torch_layers
from mapper.proving.semantics.conv.compare import Comparer, Difference, Evidence
from mapper.proving.semantics.conv.layer import Layer, LimitError, RefusedError
from mapper.proving.semantics.conv.torch_layers import Convolution
from mapper.proving.wording import given, kind_words, listed
from mapper.rulebook.conditions import Version
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import Kind, ParameterSpec, Rule, Strategy

CASES = 8  # equal cases that a sampled proof wants
DRAWS = 160  # trials that may be drawn to find them
_UNCOMPUTED = ("device", "dtype", "weight_init", "bias_init", "data_format")
_OPERANDS = ("input", "weight", "bias")  # of a function; what it computes on


class ConvolutionProver:
    """Proves rewrites of convolutions; results are cached."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self._comparer = Comparer()
        self._proved: dict[object, _Proved] = {}

    def prove(self, request: ProofRequest) -> ProofResult:
        """Compare both sides over every case that the arguments admit.

        Raises:
            DisprovedError: they differ, MindSpore refuses, or nothing could be compared.
        """
        task = _Task.of(request)
        return self._result(task, self._layers(task))

    def _result(self, task: _Task, layers: Sequence[_Written]) -> ProofResult:
        if task.rule.kind is Kind.FUNCTION:
            task = replace(task, arguments=_as_layer(task.arguments))
        names: dict[str, int] = {}
        key = _structure(task, layers, names)
        if key not in self._proved:
            proved = self._prove(task, layers, names)
            if proved.raised:
                return proved.result(list(names), task.seen)
            self._proved[key] = proved
        return self._proved[key].result(list(names), task.seen)

    def _prove(self, task: _Task, layers: Sequence[_Written], names: Mapping[str, int]) -> _Proved:
        """Return a proof over all trials, with symbols as numbers, so that it can be cached."""
        sampler = Sampler(task.arguments, task.rule.torch.rank, task.assumed, task.seen)
        sides = _Sides.of(task, layers)
        evidence, good, raised = self._expected(task, sides, sampler)
        raising = self._hostile(task, sides, sampler, good)
        first = evidence[0]
        proof = Proof(
            "sampled" if sampler.candidates.keys() - _passive(task) else "exact",
            sum(e.cases for e in evidence),
            first.input_shape,
            first.output_shape,
            max(e.max_abs_error for e in evidence),
        )
        return _Proved(
            proof,
            {} if task.rule.kind is Kind.FUNCTION else together(e.parameters for e in evidence),
            {names[name]: kinds for name, kinds in raising.items()},
            max(evidence, key=lambda e: e.max_abs_error).words,
            "" if task.may_raise else raised,
        )

    def _expected(
        self, task: _Task, sides: _Sides, sampler: Sampler
    ) -> tuple[list[Evidence], list[Values], str]:
        """Return evidence for admissible values, these values, and what raised meanwhile."""
        evidence, good, why, raised = list[Evidence](), list[Values](), "", ""
        is_plain = task.rule.kind is Kind.LAYER and not sampler.candidates.keys() - _passive(task)
        wanted = 2 if is_plain else CASES
        for trial in sampler.expected(DRAWS):
            found = self._case(task, sides, trial)
            if isinstance(found, Evidence):
                evidence.append(found)
                good.append(trial.values)
                if len(good) == wanted:
                    break
            elif isinstance(found, Difference):
                raise DisprovedError(found.words + given(trial))
            elif found.by_mindspore:
                raised = raised or f"MindSpore raises: {found.words}{given(trial)}"
            else:
                why = why or found.words
        if not evidence:
            raise DisprovedError(raised or why or "no admissible values were found to try")
        if raised and len(good) < 2:
            raise DisprovedError(raised)
        return evidence, good, raised

    def _hostile(
        self, task: _Task, sides: _Sides, sampler: Sampler, good: Sequence[Values]
    ) -> dict[str, set[str]]:
        """Check that unexpected kinds of value are equal or raise; return those that raise."""
        raising: dict[str, set[str]] = {}
        for trial in sampler.hostile(good[:2]):
            found = self._case(task, sides, trial)
            if isinstance(found, Difference):
                raise DisprovedError(found.words + given(trial))
            if isinstance(found, _Refusal) and found.by_mindspore:
                raising.setdefault(trial.of, set()).add(trial.kind)
        return raising

    def _case(self, task: _Task, sides: _Sides, trial: Trial) -> Evidence | Difference | _Refusal:
        """Compare both sides for one trial."""
        rule = task.rule
        try:
            torch = torch_layers.convolution(
                rule.torch.rank, rule.strategy in _TRANSPOSED, sides.torch.evaluate(trial.values)
            )
        except (RefusedError, UnknownError) as error:
            return _Refusal(f"torch refuses this call: {error}", by_mindspore=False)
        try:
            operands = {"weight": torch.weight, "bias": torch.bias}
            written = [
                (layer.api, one.evaluate(trial.values) | (operands if layer.operands else {}))
                for layer, one in sides.written
            ]
        except UnknownError as error:
            return _Refusal(str(error), by_mindspore=True)
        return self._compare(task, torch, written)

    def _compare(
        self, task: _Task, torch: Convolution, written: Sequence[tuple[str, Values]]
    ) -> Evidence | Difference | _Refusal:
        side = _Side(written, (task.version.major, task.version.minor))
        is_layer = task.rule.kind is Kind.LAYER
        try:
            return self._comparer.compare(
                torch, side, task.shape_only, task.reduce, task.input_size, is_layer
            )
        except LimitError as error:
            return _Refusal(str(error), by_mindspore=False)
        except RefusedError as error:
            return _Refusal(str(error), by_mindspore=True)

    def _layers(self, task: _Task) -> list[_Written]:
        tree = ast.parse(f"({task.written}\n)", mode="eval").body
        return [self._layer(call, task) for call in _flatten(tree, task.read)]

    def _layer(self, call: ast.Call, task: _Task) -> _Written:
        """Return one layer of the written text, bound to MindSpore's signature."""
        api = task.read(call.func) or ast.unparse(call.func)
        parameters: Sequence[ParameterSpec]
        if api in HELPERS:
            parameters = HELPERS[api].parameters
        elif api in _BUILDERS and (signature := self._rulebook.signature(api)) is not None:
            parameters = signature.parameters_in(task.version)
        else:
            raise DisprovedError(f"`{api}` is not a MindSpore layer that can be checked")
        try:
            bound = bind(call, parameters)
        except BindError as error:
            raise DisprovedError(f"`{api}` {error}") from error
        given = {n: a.value for n, a in bound.items()}
        is_function = task.rule.kind is Kind.FUNCTION
        if is_function:
            _same_operands(task.arguments, given)
        return _Written(api, given, tuple(parameters), _OPERANDS if is_function else ())


@record(frozen=True, slots=True)
class _Task:
    """A request whose text before is bound to torch's signature."""

    rule: Rule
    arguments: Mapping[str, ast.expr]
    written: str
    read: Read
    version: Version
    assumed: Mapping[str, object]
    seen: Mapping[str, Seen]
    shape_only: bool
    may_raise: bool
    reduce: bool
    input_size: tuple[int, ...] | None

    @classmethod
    def of(cls, request: ProofRequest) -> _Task:
        """Bind the call of torch.

        Raises:
            DisprovedError: it is no call that torch's signature admits.
        """
        if not isinstance(request.before, ast.Call):
            raise DisprovedError(f"`{ast.unparse(request.before)}` is not a call")
        try:
            bound = bind(request.before, request.rule.torch.parameters)
        except BindError as error:
            raise DisprovedError(str(error)) from error
        return cls(
            request.rule,
            {name: argument.value for name, argument in bound.items()},
            request.after,
            request.read_after,
            request.version,
            request.assumed,
            request.seen,
            request.shape_only,
            request.may_raise,
            request.reduce,
            request.input_size,
        )


@record(frozen=True, slots=True)
class _Proved:
    """A cached proof with numbers for symbols, so that it holds for symbols of any name.

    `raising` maps a symbol's number to the kinds of value that raise in MindSpore.
    """

    proof: Proof
    parameters: Mapping[str, Parameter]
    raising: Mapping[int, set[str]]
    difference: str
    raised: str

    def result(self, names: Sequence[str], seen: Mapping[str, Seen]) -> ProofResult:
        """Return the result for symbols of these names."""
        said = [_assumption(names[i], k, seen.get(names[i])) for i, k in self.raising.items()]
        assumptions = list(filter(None, said))
        if self.raised:
            assumptions.append(f"not every value works: {self.raised}")
        return ProofResult(self.proof, self.parameters, tuple(assumptions), self.difference)


def _structure(task: _Task, layers: Sequence[_Written], names: dict[str, int]) -> object:
    """Return what a proof depends on, with the symbols numbered into `names`."""
    torch = [(n, skeleton(v, names)) for n, v in task.arguments.items() if n not in _UNCOMPUTED]
    written = [
        (one.api, *((n, skeleton(v, names)) for n, v in one.computed().items())) for one in layers
    ]
    assumed = [(names.get(name), value) for name, value in task.assumed.items()]
    seen = [(names.get(name), *_in_order(seen)) for name, seen in task.seen.items()]
    how = (task.shape_only, task.may_raise, task.reduce, task.input_size)
    return task.rule.id, task.version, how, repr((torch, written, assumed, seen))


@record(frozen=True, slots=True)
class _Refusal:
    words: str
    by_mindspore: bool


@record(frozen=True, slots=True)
class _Written:
    """One layer of the written text, bound to its signature."""

    api: str
    arguments: Mapping[str, ast.expr]
    parameters: tuple[ParameterSpec, ...]
    operands: tuple[str, ...] = ()

    def computed(self) -> dict[str, ast.expr]:
        """Return the given arguments that are computed with."""
        left_out = (*_UNCOMPUTED, *self.operands)
        return {name: node for name, node in self.arguments.items() if name not in left_out}

    def defaults(self, version: Version) -> Values:
        """Return the values of the arguments that are computed with where they are not given."""
        left_out = (*_UNCOMPUTED, *self.operands)
        return {p.name: p.default_in(version) for p in self.parameters if p.name not in left_out}


@record(frozen=True, slots=True)
class _Arguments:
    """Arguments to be computed for every trial; those without symbols are computed once."""

    known: Values
    unknown: Mapping[str, ast.expr]

    @classmethod
    def of(cls, given: Mapping[str, ast.expr], defaults: Values) -> _Arguments:
        """Compute the arguments that hold no symbol."""
        values, unknown = dict(defaults), dict[str, ast.expr]()
        for name, node in given.items():
            if (found := known(node)) is not None:
                values[name] = found.value
            else:
                unknown[name] = node
        return cls(values, unknown)

    def evaluate(self, values: Values) -> Values:
        """Return all arguments, with `values` for the symbols.

        Raises:
            UnknownError: one has no value.
        """
        return self.known | {name: evaluate(node, values) for name, node in self.unknown.items()}


@record(frozen=True, slots=True)
class _Sides:
    """The arguments of both sides."""

    torch: _Arguments
    written: Sequence[tuple[_Written, _Arguments]]

    @classmethod
    def of(cls, task: _Task, layers: Sequence[_Written]) -> _Sides:
        """Take the arguments that are computed with."""
        given = {n: node for n, node in task.arguments.items() if n not in _UNCOMPUTED}
        defaults = {"padding_mode": "zeros", **_defaults(task.rule.torch.parameters)}
        written = [
            (one, _Arguments.of(one.computed(), one.defaults(task.version))) for one in layers
        ]
        return cls(_Arguments.of(given, defaults), written)


def _flatten(node: ast.expr, read: Read) -> Iterator[ast.Call]:
    if not isinstance(node, ast.Call):
        raise DisprovedError(f"`{ast.unparse(node)}` is not a call")
    if read(node.func) != "mindspore.nn.SequentialCell":
        yield node
        return
    for argument in node.args:
        yield from _flatten(argument, read)


_BUILDERS = mindspore_layers.LAYERS | mindspore_functions.FUNCTIONS


@record(frozen=True, slots=True)
class _Side:
    """The written layers with their arguments computed."""

    written: Sequence[tuple[str, Values]]
    version: tuple[int, int]

    def layer(self, channels: Mapping[str, object]) -> Layer:
        """Build them, with the given channel arguments in place of their own."""
        layers = [
            _BUILDERS[api]({k: channels.get(k, v) for k, v in arguments.items()}, self.version)
            for api, arguments in self.written
        ]
        return layers[0] if len(layers) == 1 else mindspore_layers.sequential(layers)

    def key(self, channels: Mapping[str, object]) -> str:
        """Return the layers in words."""
        changed = [
            (api, sorted((k, channels.get(k, v)) for k, v in arguments.items()))
            for api, arguments in self.written
        ]
        return repr((changed, self.version))


_TRANSPOSED = (Strategy.CONV_TRANSPOSE, Strategy.FUNCTIONAL_CONV_TRANSPOSE)
_SHAPES = ("in_channels", "out_channels", "kernel_size")


def _as_layer(arguments: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
    """Return a function's arguments as a layer's: symbols stand for the shapes of its operands."""
    layer: dict[str, ast.expr] = {n: v for n, v in arguments.items() if n not in _OPERANDS}
    layer.update({name: ast.Name(f"<{name}>") for name in _SHAPES})
    bias = arguments.get("bias")
    is_none = bias is None or (isinstance(bias, ast.Constant) and bias.value is None)
    layer["bias"] = ast.Constant(False) if is_none else ast.Name("<bias>")
    return layer


def _same_operands(torch: Mapping[str, ast.expr], written: Mapping[str, ast.expr]) -> None:
    for name in _OPERANDS:
        sides = [ast.dump(side[name]) if name in side else "" for side in (torch, written)]
        if sides[0] != sides[1]:
            raise DisprovedError(f"`{name}` is not handed on as it is")


def _defaults(parameters: Sequence[ParameterSpec]) -> Values:
    return {p.name: p.default for p in parameters if not p.required}


def _passive(task: _Task) -> set[str]:
    """Return the symbols that only say how many channels there are."""
    counting = ("in_channels", "out_channels")
    passive = {f"<{name}>" for name in (*_SHAPES, "bias")}
    passive |= {s for n in counting if n in task.arguments for s in symbols(task.arguments[n])}
    for name, node in task.arguments.items():
        if name not in (*counting, *_UNCOMPUTED):
            passive -= {s for s in symbols(node) if not s.startswith("<")}
    return passive


def _in_order(seen: Seen) -> tuple[object, object]:
    return seen.values, sorted(seen.kinds)


_ONE = "tuple of one"
_KINDS = {
    "tuple": "tuple",
    "list": "list",
    "one-tuple": _ONE,
    "int": "int",
    "'same'": "str",
    "'valid'": "str",
    "None": "None",
    "0": "int",
    "1": "int",
}
"""What the kinds of value that are tried against expectation are called in Python."""


def _assumption(name: str, tried: set[str], seen: Seen | None) -> str | None:
    """Say what a symbol is assumed to be; nothing where the file says so itself."""
    raising = [*({_KINDS[kind]: None for kind in sorted(tried)})]
    kinds = seen.kinds if seen else frozenset()
    if seen and kinds and "any" not in kinds:
        is_unclear = "tuple" in kinds and not seen.values
        raising = [kind for kind in raising if kind in kinds or (kind == _ONE and is_unclear)]
    if not raising:
        return None
    if "tuple" in raising and _ONE in raising:
        raising.remove(_ONE)
    if tried & {"None", "0", "1"}:
        expected = "True or False"
    else:
        usual = {"int", "tuple"} if "any" in kinds or not kinds else set[str]()
        fine = [k for k in ("int", "tuple", "str") if k in usual | kinds and k not in raising]
        expected = listed([kind_words(kind) for kind in fine])
    words = listed([kind_words(kind) for kind in raising])
    return f"`{name}` is {expected} ({words} raises in MindSpore)"
