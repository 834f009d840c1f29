"""One API of one framework, real and as its rule says: called with the same arguments, compared."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mapper.proving.annotations import OTHERS, is_tensor, kinds, takes_many_tensors
from mapper.proving.apis import Api, Form, RaisesError, api_of
from mapper.proving.inputs import SHAPES, draw
from mapper.proving.run_text import Layer
from mapper.proving.sampling import ValueSampler, Wanted, borders
from mapper.proving.semantics.making import normal
from mapper.rulebook.conditions import Version
from mapper.rulebook.expressions import Reference, evaluate, parse_expression
from mapper.rulebook.schema import ParameterSpec, Rule
from mapper.rulebook.tables import Where
from tests.oracle.frameworks import Array, Refusal, attempt

TOLERANCE = 2e-5  # of the output's largest value, in float32
HALF = 1e-3  # the same in float16
DTYPES = {
    "float64": "float32",
    "longdouble": "float64",
    "float128": "float64",
    "float32": "float16",
}
"""The real dtype that the engine's stands for; others are themselves."""

MIXED = 4  # trials with values mixed at random
Arguments = dict[str, Any]


def real_dtype(dtype: np.dtype[Any]) -> str:
    """Return the dtype that an array of the engine stands for."""
    return DTYPES.get(dtype.name, dtype.name)


class Side:
    """What both frameworks share: trials of arguments, and the comparison of what comes out."""

    strict = True
    """Where the framework raises, the rule must say so."""

    def __init__(self, rule: Rule, api: Api, graph: bool = False) -> None:
        self.rule, self.api, self.graph = rule, api, graph
        text = api.computes.text if api.computes else ""
        self.is_random = "dropout" in text or "noise(" in text

    # --- what a subclass says ---

    def tensor(self, value: Array) -> Any:
        raise NotImplementedError

    def numbers(self, value: Any) -> Any:
        raise NotImplementedError

    def state(self, layer: Any) -> Mapping[str, Any]:
        raise NotImplementedError

    def assign(self, parameter: Any, value: Array) -> None:
        raise NotImplementedError

    def mode(self, layer: Any, training: bool) -> None:
        raise NotImplementedError

    def torch_values(self, arguments: Arguments) -> Arguments:
        raise NotImplementedError

    def added(self, arguments: Arguments) -> Arguments:
        """Return what is given beside the arguments, because the rule makes it of them."""
        return {}

    # --- trials ---

    def plain(self) -> list[ParameterSpec]:
        """Return the parameters that are no operands."""
        return [spec for spec in self.api.parameters if not is_tensor(spec.annotation)]

    def samples(self, spec: ParameterSpec) -> tuple[Any, ...]:
        """Return the values that the rule names for a parameter."""
        conditions = [refusal.when.text for refusal in self.rule.manual]
        found = self.rule.samples.get(spec.name, ())
        return (*found, *borders(conditions, spec.name))

    def trials(self) -> list[Arguments]:
        """Return arguments by the annotations: values of the kinds that are expected."""
        return [dict(values) for values in self._expected()]

    def others(self) -> list[Arguments]:
        """Return usual arguments with every kind of value for each parameter in turn."""
        first = self._expected()[0]
        return [
            {**first, spec.name: value}
            for spec in self.plain()
            if spec.annotation and not spec.variadic
            for value in OTHERS.values()
        ]

    def _expected(self) -> list[Arguments]:
        wanted = [
            Wanted(spec.name, spec.annotation, spec.default, True, self.samples(spec))
            for spec in self.plain()
            if spec.name in self.api.needed and (spec.annotation or self.samples(spec))
        ]
        needed = {spec.name for spec in self.plain() if spec.required}
        sampler = ValueSampler(wanted, {}, {})
        found = [trial.values for trial in sampler.expected(MIXED)]
        return [*found, {name: value for name, value in found[0].items() if name in needed}]

    # --- running ---

    def check(self, arguments: Arguments, places: int = 0) -> Iterator[str]:
        """Yield how the real API and the rule first differ for these arguments.

        Over all inputs that the rule names, or the first few `places` of them.
        """
        places = places or max(map(len, self.rule.inputs.values()), default=len(SHAPES))
        for place in range(places):
            ours = attempt(self._ours, arguments, place)
            real = attempt(self._real, arguments, place)
            if isinstance(real, Refusal) or isinstance(ours, Refusal):
                only_real = isinstance(real, Refusal) and not isinstance(ours, Refusal)
                only_ours = isinstance(ours, Refusal) and not isinstance(real, Refusal)
                if only_ours or (only_real and self.strict):
                    yield f"{self._shown(arguments)}: real {_brief(real)}, the rule {_brief(ours)}"
                    return
                continue
            for step, (one, other) in enumerate(zip(real, ours, strict=True)):
                if words := self._difference(one, other):
                    yield f"{self._shown(arguments)}: step {step}: {words}"
                    return

    def _shown(self, arguments: Arguments) -> str:
        return f"{self.api.name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"

    def _operands(self, arguments: Arguments, place: int, seed: int) -> list[tuple[str, Any]]:
        """Return the arrays for inputs, operands or the receiver, by name in order."""
        values = self.torch_values(arguments)
        if self.api.form is Form.LAYER:
            specs = [spec for spec in self.api.operands if spec.required]
            names = [spec.name for spec in self.rule.torch.operands if spec.required]
            pairs = list(zip(specs, names, strict=False))
            return [
                (spec.name, draw(self.rule, name, values, place, 10 * n + seed))
                for n, (spec, name) in enumerate(pairs)
            ]
        specs = [spec for spec in self.api.parameters if is_tensor(spec.annotation)]
        found: list[tuple[str, Any]] = []
        if self.api.form in (Form.METHOD, Form.ATTRIBUTE):
            found.append(("self", draw(self.rule, "self", values, place, 50)))
        for n, spec in enumerate(specs):
            name = self.torch_name(spec.name)
            many = takes_many_tensors(spec.annotation)
            arrays = [draw(self.rule, name, values, place, 7 * n + i) for i in range(2)]
            found.append((spec.name, arrays if many else arrays[0]))
        return found

    def torch_name(self, name: str) -> str:
        """Return the torch parameter that a parameter stands for."""
        return name

    def _ours(self, arguments: Arguments, place: int) -> list[Any]:
        if self.api.form is not Form.LAYER:
            given = dict(self._operands(arguments, place, 0))
            receiver = given.pop("self", None)
            bound = self.api.bind([], {**given, **arguments})
            assert self.api.computes is not None
            with np.errstate(all="ignore"):
                return [self.api.computes({"training": True, **bound, "self": receiver})]
        layer = Layer(self.api, self.api.bind([], arguments))
        found: list[Any] = [{k: _open(v) for k, v in layer.state.items()}]
        self._fill(layer)
        for seed, training in enumerate(self._modes()):
            layer.set_training(training)
            inputs = [value.copy() for _, value in self._operands(arguments, place, seed)]
            found.append(layer.call(inputs, {}))
            found.append({name: value.copy() for name, value in layer.state.items()})
        return found

    def _fill(self, layer: Layer) -> None:
        for seed, (path, value) in enumerate(layer.state.items()):
            if value.dtype.kind == "f":
                value[...] = np.nan_to_num(value) + np.abs(normal(value.shape, seed))
            assert path

    def _modes(self) -> tuple[bool, ...]:
        text = self.api.computes.text if self.api.computes else ""
        return (True, True, False) if self.api.buffers or "training" in text else (False,)

    def _real(self, arguments: Arguments, place: int) -> list[Any]:
        if self.api.form is not Form.LAYER:
            return [self._real_result(arguments, place)]
        layer = self.resolve()(**self.added(arguments), **arguments)
        ours = Layer(self.api, self.api.bind([], arguments))
        found: list[Any] = [{k: self.numbers(v) for k, v in self.state(layer).items()}]
        self._fill(ours)
        for name, parameter in self.state(layer).items():
            if name in ours.state:
                self.assign(parameter, ours.state[name])
        for seed, training in enumerate(self._modes()):
            self.mode(layer, training)
            inputs = [self.tensor(value) for _, value in self._operands(arguments, place, seed)]
            found.append(self.numbers(layer(*inputs)))
            found.append({k: self.numbers(v).copy() for k, v in self.state(layer).items()})
        return found

    def _real_result(self, arguments: Arguments, place: int) -> Any:
        given = {name: self._tensors(v) for name, v in self._operands(arguments, place, 0)}
        receiver = given.pop("self", None)
        variadic = next((s.name for s in self.api.parameters if s.variadic), None)
        keywords = {**given, **arguments}
        args = keywords.pop(variadic, ()) if variadic else ()
        if self.api.form is Form.ATTRIBUTE:
            return self.numbers(getattr(receiver, self.api.name.rpartition(".")[2]))
        if self.api.form is Form.METHOD:
            method = getattr(receiver, self.api.name.rpartition(".")[2])
            return self.numbers(method(*args, **keywords))
        return self.numbers(self.resolve()(*args, **keywords))

    def _tensors(self, value: Any) -> Any:
        return (
            [self.tensor(one) for one in value] if isinstance(value, list) else self.tensor(value)
        )

    def resolve(self) -> Any:
        """Return the object behind the API's name."""
        parts = self.api.name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:end]))
            except ImportError:
                continue
            for name in parts[end:]:
                found = getattr(found, name)
            return found
        raise ImportError(self.api.name)

    # --- comparing ---

    def _difference(self, real: Any, ours: Any) -> str:
        if isinstance(real, dict) and isinstance(ours, dict):
            if real.keys() != ours.keys():
                return f"the state is {sorted(real)}, the rule says {sorted(ours)}"
            found = (f"{k}: {words}" for k in real if (words := self._difference(real[k], ours[k])))
            return next(found, "")
        if isinstance(real, tuple | list) and isinstance(ours, tuple | list):
            if len(real) != len(ours):
                return f"{len(real)} parts, the rule says {len(ours)}"
            pairs = zip(real, ours, strict=True)
            return next(filter(None, (self._difference(a, b) for a, b in pairs)), "")
        if isinstance(real, np.ndarray) and isinstance(ours, np.ndarray):
            return self._array_difference(real, ours)
        return "" if real == ours else f"{real!r}, the rule says {ours!r}"

    def _array_difference(self, real: Array, ours: Array) -> str:
        if real.shape != ours.shape:
            return f"shape {real.shape}, the rule says {ours.shape}"
        if real.dtype.name != real_dtype(ours.dtype):
            return f"{real.dtype}, the rule says {real_dtype(ours.dtype)}"
        if not real.size or np.isnan(ours).all():
            return ""  # drawn by the framework
        if self.is_random:
            sizes = [np.unique(np.abs(one).round(4)).size for one in (real, ours)]
            if max(np.abs(real).max(), 1e-9) / max(np.abs(ours).max(), 1e-9) > 3:
                return "the scale differs"
            return "" if min(sizes) else "nothing to compare"
        if real.dtype.kind not in "fiu":
            return "" if np.array_equal(real, ours) else "the values differ"
        one, other = real.astype(np.float64), ours.astype(np.float64)
        finite = np.isfinite(one)
        if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
            return "what is infinite or no number differs"
        if not finite.any():
            return ""
        worst = float(np.abs(one[finite] - other[finite]).max())
        scale = max(1.0, float(np.abs(other[finite]).max()))
        limit = HALF if real.dtype == np.float16 else TOLERANCE
        return "" if worst <= limit * scale else f"the values differ by up to {worst:.3g}"


def _open(value: Array) -> Array:
    return value.copy()


def _brief(outcome: Any) -> str:
    if isinstance(outcome, Refusal):
        return f"raises {outcome.error}: {outcome.words[:120]}"
    return "computes"


class TorchSide(Side):
    """torch's side."""

    strict = False  # what torch refuses is never proved, at worst tried in vain

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule, api_of(
            rule.torch, rule.torch.api, Where(rule.file), None, rule.kind == "attribute"
        ))  # fmt: skip

    def tensor(self, value: Array) -> Any:
        import torch

        return torch.from_numpy(value.astype(real_dtype(value.dtype)))

    def numbers(self, value: Any) -> Any:
        import torch

        if isinstance(value, torch.Tensor):
            return value.detach().clone().numpy()
        if isinstance(value, torch.Size):
            return tuple(value)
        return [self.numbers(one) for one in value] if isinstance(value, tuple | list) else value

    def state(self, layer: Any) -> Mapping[str, Any]:
        return dict(layer.state_dict(keep_vars=True))

    def assign(self, parameter: Any, value: Array) -> None:
        parameter.data.copy_(self.tensor(value))

    def mode(self, layer: Any, training: bool) -> None:
        layer.train(training)

    def torch_values(self, arguments: Arguments) -> Arguments:
        return {s.name: arguments.get(s.name, s.default) for s in self.rule.torch.parameters}

    def examples(self) -> Iterator[Arguments]:
        """Yield the literal arguments of the calls in the rule's examples."""
        for example in self.rule.examples:
            call = ast.parse(example.before, mode="eval").body
            if not isinstance(call, ast.Call) or self.api.form is not Form.LAYER:
                continue
            places = [s.name for s in self.api.parameters if not s.keyword_only]
            given = dict(zip(places, call.args, strict=False))
            given |= {k.arg: k.value for k in call.keywords if k.arg is not None}
            values = attempt(lambda g=given: {k: ast.literal_eval(v) for k, v in g.items()})
            if not isinstance(values, Refusal):
                yield values


class MindSporeSide(Side):
    """MindSpore's side, in PyNative or in GRAPH_MODE."""

    def __init__(self, rule: Rule, graph: bool = False) -> None:
        is_attribute = rule.kind == "attribute"
        super().__init__(rule, api_of(
            rule.mindspore, rule.mindspore.api, Where(rule.file), Version(2, 10), is_attribute
        ), graph)  # fmt: skip

    def tensor(self, value: Array) -> Any:
        import mindspore

        dtype = real_dtype(value.dtype)
        if self.api.name.endswith("nn.CrossEntropyLoss") and dtype == "int64":
            dtype = "int32"  # as the rule's limit says
        return mindspore.Tensor(value.astype(dtype))

    def numbers(self, value: Any) -> Any:
        import mindspore

        if isinstance(value, mindspore.Tensor):
            return value.asnumpy().copy()
        return [self.numbers(one) for one in value] if isinstance(value, tuple | list) else value

    def state(self, layer: Any) -> Mapping[str, Any]:
        return dict(layer.parameters_and_names())

    def assign(self, parameter: Any, value: Array) -> None:
        parameter.set_data(self.tensor(value))

    def mode(self, layer: Any, training: bool) -> None:
        layer.set_train(training)

    def added(self, arguments: Arguments) -> Arguments:
        values = self.torch_values(arguments)
        found: Arguments = {}
        for name, text in self.rule.arguments.items():
            if name not in arguments and name not in self.api.needed and not text.isidentifier():
                made = attempt(lambda t=text: evaluate(parse_expression(t), values))
                if not isinstance(made, Refusal | Reference):
                    found[name] = made
        return found

    def torch_name(self, name: str) -> str:
        text = self.rule.arguments.get(name, name)
        return text if text.isidentifier() else name

    def samples(self, spec: ParameterSpec) -> tuple[Any, ...]:
        return tuple(self.rule.samples.get(self.torch_name(spec.name), ()))

    def torch_values(self, arguments: Arguments) -> Arguments:
        defaults = {s.name: s.default for s in self.rule.torch.parameters}
        first = {s.name: v for s in self.rule.torch.parameters
                 for v in self.rule.samples.get(s.name, ())[:1] if s.required}  # fmt: skip
        given = {self.torch_name(name): value for name, value in arguments.items()}
        return {**defaults, **first, **{k: v for k, v in given.items() if k in defaults}}

    def trained(self, arguments: Arguments) -> Iterator[str]:
        """Yield which parameters are trained against what the rule says."""
        layer = attempt(self.resolve(), **arguments)
        ours = attempt(lambda: Layer(self.api, self.api.bind([], arguments)))
        if isinstance(layer, Refusal) or isinstance(ours, Refusal):
            return
        for name, parameter in self.state(layer).items():
            fixed = name in ours.buffers or name in ours.free
            if bool(parameter.requires_grad) is fixed:
                yield f"{name} is {'' if fixed else 'not '}trained for {arguments}"


__all__ = ["MindSporeSide", "RaisesError", "Sequence", "TorchSide", "kinds"]
