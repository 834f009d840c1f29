"""The APIs of one framework as the prover computes them: signatures, formulas and state."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

import numpy as np

from mapper.model.record import record
from mapper.proving.annotations import STRICT_FLOAT, AnnotationError, accepts, kinds, literals
from mapper.proving.formula import Formula, compile_formula
from mapper.rulebook.conditions import Version
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import MindSporeSide, ParameterSpec, Signature
from mapper.rulebook.tables import Where


class RaisesError(Exception):
    """The framework raises for these arguments; the message says why."""


@record(frozen=True, slots=True)
class Opaque:
    """Stands for an argument whose value is not known; `words` say why."""

    words: str


class Form(StrEnum):
    """How an API is used."""

    LAYER = "layer"
    FUNCTION = "function"
    METHOD = "method"
    ATTRIBUTE = "attribute"


@record(frozen=True, slots=True)
class Api:
    """One API: how it is called and what it computes.

    `state` maps the path of each parameter and buffer to the formula of its first value. Formulas
    name state by the last part of its path.
    """

    name: str
    form: Form
    parameters: tuple[ParameterSpec, ...]
    operands: tuple[ParameterSpec, ...] = ()
    computes: Formula | None = None
    state: Mapping[str, Formula] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()
    is_strict: bool = True
    """It takes only what its annotations say; otherwise only tensors and listed values."""

    @property
    def framework(self) -> str:
        """Return `torch` or `mindspore`."""
        return self.name.partition(".")[0]

    @property
    def needed(self) -> frozenset[str]:
        """Return the parameters that a formula of the API uses."""
        formulas = [*self.state.values(), *filter(None, [self.computes])]
        return frozenset().union(*(formula.names for formula in formulas))

    def bind(self, args: Sequence[object], keywords: Mapping[str, object]) -> dict[str, object]:
        """Return the value of each parameter, defaults included.

        Raises:
            RaisesError: the call does not suit the signature, or a value its annotation.
        """
        return self._bound(self.parameters, args, keywords)

    def bind_inputs(
        self, args: Sequence[object], keywords: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the value of each input of a layer's call.

        Raises:
            RaisesError: the call does not suit the signature.
        """
        return self._bound(self.operands, args, keywords)

    def _bound(
        self,
        specs: Sequence[ParameterSpec],
        args: Sequence[object],
        keywords: Mapping[str, object],
    ) -> dict[str, object]:
        """Return the values of parameters, bound as Python binds a call's arguments."""
        values: dict[str, object] = {}
        rest = list(args)
        for spec in specs:
            if spec.variadic:
                values[spec.name], rest = tuple(rest), []
            elif rest and not spec.keyword_only:
                values[spec.name] = rest.pop(0)
        if rest:
            raise RaisesError(f"`{self.name}` takes {len(specs)} arguments, {len(args)} are given")
        for name, value in keywords.items():
            if name in values or all(name != spec.name for spec in specs):
                words = "is given twice" if name in values else "is no parameter"
                raise RaisesError(f"`{name}` {words} of `{self.name}`")
            values[name] = value
        for spec in specs:
            if spec.name not in values:
                if spec.required:
                    raise RaisesError(f"`{self.name}` lacks `{spec.name}`")
                values[spec.name] = _default(spec)
            elif not spec.variadic and not self._takes(spec, values[spec.name]):
                raise RaisesError(
                    f"`{spec.name}` of `{self.name}` is {_shown(values[spec.name])}, "
                    f"not {spec.annotation.replace(STRICT_FLOAT, 'float')}"
                )
        return values

    def _takes(self, spec: ParameterSpec, value: object) -> bool:
        if isinstance(value, Opaque):
            return True
        if self.is_strict:
            return accepts(spec.annotation, value)
        only_tensors = kinds(spec.annotation) == ("Tensor",)
        return accepts(spec.annotation, value) or not (literals(spec.annotation) or only_tensors)


def _default(spec: ParameterSpec) -> object:
    """Return a default; one that is no literal is its text."""
    if not spec.default_code:
        return spec.default
    try:
        value: object = ast.literal_eval(spec.default_code)
    except ValueError:
        return spec.default_code
    return value


def _shown(value: object) -> str:
    return f"an array {value.shape}" if isinstance(value, np.ndarray) else repr(value)


def api_of(
    signature: Signature,
    name: str,
    where: Where,
    version: Version | None = None,
    is_attribute: bool = False,
) -> Api:
    """Return one side of a rule, compiled; `where` is its table in the rule file.

    Raises:
        RuleError: it has a mistake.
    """
    parameters = _existing(signature, version)
    method = ".Tensor." in name
    if method and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    form = Form.FUNCTION
    if method:
        form = Form.ATTRIBUTE if is_attribute else Form.METHOD
    elif signature.operands:
        form = Form.LAYER
    own = [spec.name for spec in parameters]
    leaves = [path.rpartition(".")[2] for path in signature.state]
    known = {*own, *(spec.name for spec in signature.operands), *leaves, "training", "self"}
    try:
        for spec in (*parameters, *signature.operands):
            kinds(spec.annotation)
    except AnnotationError as error:
        where.at("signature").fail(str(error))
    return Api(
        name,
        form,
        parameters,
        signature.operands,
        _formula(signature.computes, known, where.at("computes")),
        {
            path: compile_formula(text, own, where.at("state", path))
            for path, text in signature.state.items()
        },
        frozenset(signature.buffers),
        is_strict=name.startswith("mindspore."),
    )


def _formula(text: str, known: Iterable[str], where: Where) -> Formula | None:
    return compile_formula(text, known, where) if text else None


def _existing(signature: Signature, version: Version | None) -> tuple[ParameterSpec, ...]:
    if isinstance(signature, MindSporeSide) and version is not None:
        return signature.parameters_in(version)
    return signature.parameters


class Apis:
    """The APIs of one framework, each compiled when it is first needed."""

    def __init__(self, framework: str, rulebook: Rulebook, version: Version) -> None:
        self.framework = framework
        self._rulebook = rulebook
        self._version = version
        self._found: dict[str, Api | None] = {}

    def add(self, apis: Iterable[Api]) -> None:
        """Add APIs that no rule is about."""
        self._found.update({api.name: api for api in apis})

    def get(self, name: str) -> Api | None:
        """Return the API of that qualified name."""
        if name not in self._found:
            self._found[name] = self._look_up(name)
        return self._found[name]

    def _look_up(self, name: str) -> Api | None:
        if self.framework == "torch":
            rule = self._rulebook.working(name)
            if rule is None:
                return None
            is_attribute = rule.kind == "attribute"
            where = Where(rule.file, "torch")
            return api_of(rule.torch, rule.torch.api, where, None, is_attribute)
        is_inserted = "." not in name  # a function that a file gets inserted
        rule = self._rulebook.working_target(f"inserted.{name}" if is_inserted else name)
        if rule is None:
            return None
        return api_of(rule.mindspore, name, Where(rule.file, "mindspore"), self._version)
