"""Computes expressions of torch or of MindSpore: one interpreter for the texts of both sides.

No text is executed by Python. A function gives the meaning of names, the formulas of the rules give
what APIs compute, and a table has values for what is unknown. Layers are objects with named state
and a training flag, so that a text that builds layers can be run on arrays afterwards.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mapper.analysis.evaluate import FUNCTIONS, UnknownError, binary, evaluate, symbol
from mapper.model.operators import ARITHMETIC, COMPARE, UNARY
from mapper.model.record import record
from mapper.proving.apis import Api, Apis, Form, Opaque, RaisesError
from mapper.proving.semantics.making import Frozen, TooLargeError

Array = NDArray[Any]
Read = Callable[[ast.expr], str | None]
"""What a name in a text stands for: `nn.Dense` is `mindspore.nn.Dense`; None: none of these."""

SEQUENCES = frozenset({"torch.nn.Sequential", "mindspore.nn.SequentialCell"})
ATTRIBUTES: Mapping[str, Callable[[Array], object]] = {
    "shape": lambda x: tuple(x.shape),
    "ndim": lambda x: x.ndim,
    "dtype": lambda x: x.dtype,
}
"""What arrays of both frameworks have."""

DTYPES: Mapping[str, str] = {
    "float32": "float64", "float": "float64", "float64": "longdouble", "double": "longdouble",
    "float16": "float32", "half": "float32", "int8": "int8", "int16": "int16", "short": "int16",
    "int32": "int32", "int": "int32", "int64": "int64", "long": "int64", "uint8": "uint8",
    "bool": "bool", "bool_": "bool",
}  # fmt: skip
"""numpy's dtype for each: floats are computed one step wider than they are, so that numbers that
should be equal are so to many digits."""

RAISED = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError
)  # fmt: skip


class TextError(Exception):
    """The text cannot be computed; the message names what is not known."""


class Built(Protocol):
    """A layer that a text builds: its state by path, its training flag, and what it computes."""

    @property
    def state(self) -> Mapping[str, Array]:
        """Parameters and buffers; computing in training mode may change them in place."""

    @property
    def free(self) -> frozenset[str]:
        """Paths of state that is never trained and needs no counterpart."""

    @property
    def buffers(self) -> frozenset[str]:
        """Paths of state that training does not change by gradients."""

    def set_training(self, training: bool) -> None:
        """Switch between training and evaluation, inner layers included."""

    def call(self, args: Sequence[object], keywords: Mapping[str, object]) -> object:
        """Compute."""


class Layer:
    """One layer: its arguments, its state, and the formula that computes from both."""

    def __init__(self, api: Api, values: Mapping[str, object]) -> None:
        self.api = api
        self.values = values
        self.training = True
        made = {path: _computed(formula, values) for path, formula in api.state.items()}
        self._state = {p: np.asarray(v) for p, v in made.items() if isinstance(v, np.ndarray)}
        self._missing = {_leaf(path): None for path in made.keys() - self._state.keys()}
        self._free = frozenset(path for path, v in made.items() if isinstance(v, Frozen))

    @property
    def state(self) -> Mapping[str, Array]:
        """Return the parameters and buffers that exist for these arguments."""
        return self._state

    @property
    def free(self) -> frozenset[str]:
        """Return the paths marked as `frozen` by the rule."""
        return self._free

    @property
    def buffers(self) -> frozenset[str]:
        """Return the paths of buffers."""
        return self.api.buffers & self._state.keys()

    def set_training(self, training: bool) -> None:
        """Switch the mode."""
        self.training = training

    def call(self, args: Sequence[object], keywords: Mapping[str, object]) -> object:
        """Compute the formula on the inputs."""
        inputs = self.api.bind_inputs(args, keywords)
        if self.api.computes is None:
            raise TextError(f"no rule says what `{self.api.name}` computes")
        state = {_leaf(path): value for path, value in self._state.items()}
        names = {**self.values, **self._missing, **state, **inputs, "training": self.training}
        return _computed(self.api.computes, names)


class LayerSequence:
    """Layers applied one after the other; names of state start with the layer's position."""

    def __init__(self, layers: Sequence[Built]) -> None:
        self.layers = layers

    def _under(self, part: Callable[[Built], Any]) -> Iterator[tuple[str, Any]]:
        for place, layer in enumerate(self.layers):
            found = part(layer)
            for path in found:
                value = found[path] if isinstance(found, Mapping) else None
                yield f"{place}.{path}", value

    @property
    def state(self) -> Mapping[str, Array]:
        """Return the state of all of them."""
        return dict(self._under(lambda layer: layer.state))

    @property
    def free(self) -> frozenset[str]:
        """Return the free paths of all of them."""
        return frozenset(path for path, _ in self._under(lambda layer: layer.free))

    @property
    def buffers(self) -> frozenset[str]:
        """Return the buffers of all of them."""
        return frozenset(path for path, _ in self._under(lambda layer: layer.buffers))

    def set_training(self, training: bool) -> None:
        """Switch all of them."""
        for layer in self.layers:
            layer.set_training(training)

    def call(self, args: Sequence[object], keywords: Mapping[str, object]) -> object:
        """Compute one after the other."""
        if keywords or len(args) != 1:
            raise RaisesError("a sequence of layers takes one input")
        (x,) = args
        for layer in self.layers:
            x = layer.call([x], {})
        return x


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _computed(formula: Callable[[Mapping[str, object]], object], values: Any) -> object:
    try:
        with np.errstate(all="ignore"):
            return formula(values)
    except TooLargeError:
        raise
    except RAISED as error:
        raise RaisesError(str(error) or type(error).__name__) from error


def _known(api: Api, values: dict[str, object]) -> dict[str, object]:
    """Return the arguments, if those that a formula uses are known."""
    for name in api.needed & values.keys():
        value = values[name]
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Opaque):
                raise TextError(one.words)
    return values


@record(frozen=True, slots=True)
class _Method:
    """A method of an array, before it is called."""

    api: Api
    receiver: Array


class Interpreter:
    """Computes expressions of one side.

    Args:
        apis: what the framework's names compute.
        read: what the names in the text mean.
        values: what the rest of the names hold, by their source text (`evaluate.symbol`).
    """

    def __init__(self, apis: Apis, read: Read, values: Mapping[str, object]) -> None:
        self._apis = apis
        self._read = read
        self._values = values

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of an expression: a plain value, an array, or a layer.

        Raises:
            TextError: something in it is not known.
            RaisesError: the framework raises.
            TooLargeError: it would take too much to compute.
        """
        if self._values and isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            name = symbol(node)
            if name in self._values:
                return self._values[name]
        try:
            return self._evaluate(node)
        except (TooLargeError, RaisesError):
            raise
        except UnknownError as error:
            raise TextError(str(error)) from error
        except RAISED as error:
            raise RaisesError(str(error) or type(error).__name__) from error

    def _evaluate(self, node: ast.expr) -> Any:
        """Return the value of an expression by the kind of its node."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=elts):
                return tuple(self._elements(elts))
            case ast.List(elts=elts):
                return self._elements(elts)
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript(value=value, slice=index):
                return operator.getitem(self.evaluate(value), self._index(index))
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self.evaluate(left), self.evaluate(right))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return operator.invert(self.evaluate(operand))
            case ast.UnaryOp(op=op, operand=operand):
                return UNARY[type(op)](self.evaluate(operand))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._compare(self.evaluate(left), ops, comparators)
            case ast.BoolOp(op=op, values=values):
                return self._bool_op(isinstance(op, ast.Or), values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.evaluate(body if self.evaluate(test) else orelse)
            case ast.Name():
                return self._named(node)
        return evaluate(node, self._values)

    def _argument(self, node: ast.expr) -> Any:
        """Return an argument's value, or `Opaque` if it is unknown: a formula may not use it."""
        try:
            return self.evaluate(node)
        except TextError as error:
            return Opaque(str(error))

    def _elements(
        self, nodes: Sequence[ast.expr], value: Callable[[ast.expr], Any] | None = None
    ) -> list[Any]:
        value = value or self.evaluate
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.evaluate(node.value))
            else:
                found.append(value(node))
        return found

    def _index(self, node: ast.expr) -> Any:
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                return slice(*(part and self.evaluate(part) for part in (lower, upper, step)))
            case ast.Tuple(elts=elts):
                return tuple(map(self._index, elts))
        return self.evaluate(node)

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if not (isinstance(left, np.ndarray) or isinstance(right, np.ndarray)):
            return binary(op, left, right)
        if type(op) not in _ARRAY_OPERATORS:
            raise TextError(f"`{type(op).__name__}` of arrays is not known")
        with np.errstate(all="ignore"):
            return np.asarray(_ARRAY_OPERATORS[type(op)](left, right))

    def _compare(self, left: Any, ops: Sequence[ast.cmpop], rest: Sequence[ast.expr]) -> Any:
        result: Any = True
        for op, node in zip(ops, rest, strict=True):
            right = self.evaluate(node)
            result = COMPARE[type(op)](left, right)
            if isinstance(result, np.ndarray) and len(ops) == 1:
                return result
            if not result:
                return result
            left = right
        return result

    def _bool_op(self, stop: bool, nodes: Sequence[ast.expr]) -> Any:
        result: Any = None
        for node in nodes:
            result = self.evaluate(node)
            if bool(result) is stop:
                break
        return result

    # --- names ---

    def _named(self, node: ast.expr) -> Any:
        name = self._read(node)
        if name is None:
            raise TextError(f"`{ast.unparse(node)}` is not known")
        if name in SEQUENCES:
            return name
        framework, _, rest = name.partition(".")
        if framework == self._apis.framework and rest in DTYPES:
            return np.dtype(DTYPES[rest])
        api = self._apis.get(name)
        if api is None:
            raise TextError(f"no rule says what `{name}` computes")
        return api

    def _attribute(self, node: ast.Attribute) -> Any:
        if self._read(node) is not None:
            return self._named(node)
        base = self.evaluate(node.value)
        if isinstance(base, np.ndarray):
            return self._of_array(base, node.attr)
        if isinstance(base, Layer):
            found = {**base.values, **{_leaf(path): v for path, v in base.state.items()}}
            if node.attr in found:
                return found[node.attr]
        raise TextError(f"`{ast.unparse(node)}` is not known")

    def _of_array(self, base: Array, name: str) -> Any:
        if name in ATTRIBUTES:
            return ATTRIBUTES[name](base)
        api = self._apis.get(f"{self._apis.framework}.Tensor.{name}")
        if api is None:
            raise TextError(f"no rule says what `Tensor.{name}` is in {self._apis.framework}")
        if api.form is Form.ATTRIBUTE:
            return self._apply(api, {"self": base})
        return _Method(api, base)

    # --- calls ---

    def _call(self, node: ast.Call) -> Any:
        called = symbol(node.func)
        if called in FUNCTIONS and self._read(node.func) is None:
            return self._plain(called, node)
        function = self.evaluate(node.func)
        value = self._argument if isinstance(function, Api | _Method) else self.evaluate
        args = self._elements(node.args, value)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise TextError(f"what is in `**{ast.unparse(keyword.value)}` is not known")
            keywords[keyword.arg] = value(keyword.value)
        return self._applied(function, args, keywords, node)

    def _plain(self, called: str, node: ast.Call) -> Any:
        given = self._elements(node.args)
        if any(isinstance(one, np.ndarray) for one in given) and called not in ("len", "int"):
            raise TextError(f"`{called}` of an array is not known")
        if called in ("len", "int"):
            return FUNCTIONS[called](*given)
        marked = {f"argument {i}": value for i, value in enumerate(given)}
        names: list[ast.expr] = [ast.Name(name) for name in marked]
        try:
            return evaluate(ast.Call(node.func, names, []), marked)
        except UnknownError as error:  # Python itself refuses: float('a')
            raise RaisesError(str(error)) from error

    def _applied(
        self, function: Any, args: Sequence[Any], keywords: Mapping[str, Any], node: ast.Call
    ) -> Any:
        """Return what an API, a method, a layer or a container gives for some arguments."""
        if isinstance(function, str) and function in SEQUENCES:
            return self._sequence(args, keywords, node)
        if isinstance(function, Layer | LayerSequence):
            return function.call(args, keywords)
        if isinstance(function, _Method):
            bound = _known(function.api, function.api.bind(args, keywords))
            return self._apply(function.api, {**bound, "self": function.receiver})
        if isinstance(function, Api):
            bound = _known(function, function.bind(args, keywords))
            return (
                Layer(function, bound)
                if function.form is Form.LAYER
                else self._apply(function, bound)
            )
        raise TextError(f"`{ast.unparse(node.func)}` is nothing that can be called")

    def _sequence(self, args: Sequence[Any], keywords: Mapping[str, Any], node: ast.Call) -> Any:
        if keywords or not all(isinstance(one, Layer | LayerSequence) for one in args):
            raise TextError(f"`{ast.unparse(node)}` is no sequence of layers")
        return LayerSequence(args)

    def _apply(self, api: Api, values: Mapping[str, object]) -> Any:
        if api.computes is None:
            raise TextError(f"no rule says what `{api.name}` computes")
        return _computed(api.computes, {"training": True, **values})


_ARRAY_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    **ARITHMETIC,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
