"""Every example of every rule, run on both frameworks: what stands before and after is one thing.

Layers are built and given the same weights through `[parameters]`; functions and methods get the
same operands. Each form runs in MindSpore's two modes. Dropout is compared by what it does to ones.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mapper.rulebook.loader import load
from mapper.rulebook.schema import Example, Kind, Rule

pytestmark = pytest.mark.oracle

RUN = (Kind.LAYER, Kind.FUNCTION, Kind.METHOD, Kind.ATTRIBUTE)
SHAPES = ("(2, 3, 4, 5)", "(3, 4)")
TOLERANCE = 2e-5
ROUGH = dict.fromkeys(
    [
        "tanh",
        "Tanh",
        "Tanhshrink",
        "tanhshrink",
        "mish",
        "LSTM",
        "GRU",
        "RNN",
        "RNNCell",
        "LSTMCell",
    ],
    2e-4,
)
"""MindSpore's tanh for float32 on the CPU is an approximation."""
DRAWN = ("torch.nn.Dropout", "torch.nn.functional.dropout")


def forms() -> Iterator[Any]:
    for rule in load().rules:
        if rule.kind not in RUN or rule.strategy is not None:
            continue
        if rule.torch.api.startswith("torch.nn.Module."):
            continue  # what a module's methods become is run with the models
        for number, example in enumerate(rule.examples):
            if example.after:
                yield pytest.param(rule, example, id=f"{rule.id}-{number}-{example.before}")


def signature(rule: Rule) -> inspect.Signature:
    """Return torch's signature for binding; what is undecided in it stays text."""
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(
                spec.name,
                inspect.Parameter.VAR_POSITIONAL
                if spec.variadic
                else inspect.Parameter.KEYWORD_ONLY
                if spec.keyword_only
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=empty if spec.required or spec.variadic else spec.default,
            )
            for spec in rule.torch.parameters
        ]
    )


def generator(text: str) -> np.random.RandomState:
    return np.random.RandomState(sum(map(ord, text)) % 2**31)


def drawn(rule: Rule, name: str, values: Mapping[str, object], place: int) -> np.ndarray[Any, Any]:
    """Return what `[inputs]` says for an operand: an array, or one drawn in that shape."""
    random = generator(f"{name}{place}")
    texts = rule.inputs.get(name) or SHAPES

    def shape_of(shape: Any) -> tuple[int, ...]:
        return (shape,) if isinstance(shape, int) else tuple(shape)

    known: dict[str, object] = {
        "absolute": np.abs,
        "arange": np.arange,
        "booleans": lambda s: random.rand(*shape_of(s)) < 0.5,
        "integers": lambda s, high, low=0: random.randint(low, high, shape_of(s)).astype("int64"),
        "noise": lambda s, seed=0: random.rand(*shape_of(s)),
        "pair": lambda x, count: x if isinstance(x, tuple | list) else (x,) * count,
        "normal": lambda s, seed=0: random.randn(*shape_of(s)),
        "ones": np.ones,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softmax": lambda x, axis: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
        "log_softmax": lambda x, axis: x - np.log(np.exp(x).sum(axis, keepdims=True)),
        "zeros": np.zeros,
        "full": np.full,
        "where": np.where,
        "isinstance": isinstance,
        "int": int, "tuple": tuple, "list": list, "len": len,
        "astype": lambda x, dtype: x.astype(dtype),
    }  # fmt: skip
    made = eval(texts[place % len(texts)], {**known, **values})
    array = made if isinstance(made, np.ndarray) else random.randn(*shape_of(made))
    return array.astype("float32") if array.dtype.kind == "f" else array


def plain(value: object) -> list[np.ndarray[Any, Any]]:
    """Return the arrays in a result, in order."""
    if isinstance(value, tuple | list):
        return [array for one in value for array in plain(one)]
    if hasattr(value, "detach"):
        return [value.detach().numpy()]
    if hasattr(value, "asnumpy"):
        return [value.asnumpy()]
    return [np.asarray(value)]


def assert_equal(rule: Rule, expected: object, found: object, *, rough: float = 1.0) -> None:
    last = rule.torch.api.rpartition(".")[2]
    one, other = plain(expected), plain(found)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(float(np.abs(a).max(initial=0)), 1e-6) if a.dtype.kind == "f" else 1
        if a.dtype.kind == "f":
            error = float(np.abs(a - b).max(initial=0)) / scale
            assert error <= ROUGH.get(last, TOLERANCE) * rough
        else:
            assert np.array_equal(a, b)


def environments() -> tuple[dict[str, Any], dict[str, Any]]:
    import mindspore
    import torch
    from mindspore.common.initializer import Normal

    torch_names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    names = {"mindspore": mindspore, "ms": mindspore, "nn": mindspore.nn, "ops": mindspore.ops}
    return torch_names, {**names, "F": mindspore.ops, "Normal": Normal, "Tensor": mindspore.Tensor}


def operands(rule: Rule, call: ast.expr, place: int, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return an array for every free name of a call (`x`, `weight`), by the operand it stands for.

    Raises:
        NameError: a name stands for no operand.
    """
    given: dict[str, ast.expr] = {}
    values: dict[str, object] = {}
    if isinstance(call, ast.Call):
        receiver = [call.func.value] if is_method(rule) else []  # type: ignore[attr-defined]
        keywords = {one.arg: one.value for one in call.keywords if one.arg}
        bound = signature(rule).bind(*receiver, *call.args, **keywords)
        given = {k: v for k, v in bound.arguments.items() if isinstance(v, ast.expr)}
        bound.apply_defaults()
        values = {k: v for k, v in bound.arguments.items() if k not in given}
    elif isinstance(call, ast.Attribute):
        given = {"self": call.value}
    tensors: dict[str, str] = {}
    others: dict[str, ast.expr] = {}
    for name, node in given.items():
        spec = rule.torch.parameter(name)
        is_tensor = name == "self" or (spec is not None and "Tensor" in spec.annotation)
        if is_tensor and isinstance(node, ast.Name):
            tensors[node.id] = name
        elif is_tensor and isinstance(node, ast.Tuple | ast.List):
            tensors |= {one.id: name for one in node.elts if isinstance(one, ast.Name)}
        else:
            others[name] = node
    arrays: dict[str, Any] = {}
    for operand, name in tensors.items():
        known = {**names, **arrays}
        for other, node in others.items():
            with contextlib.suppress(NameError):  # it speaks of an operand that comes later
                values[other] = value_of(node, known)
        arrays[operand] = drawn(rule, name, values, place)
    return arrays


def is_method(rule: Rule) -> bool:
    return rule.kind is Kind.METHOD


def has_noise(rule: Rule, api: str = "") -> bool:
    return (api or rule.torch.api).startswith(DRAWN)


def cell(text: str, names: list[str], directory: Path) -> ModuleType:
    """Return a module with a Cell whose construct is the text; graph mode reads it from a file."""
    path = directory / "form.py"
    path.write_text(
        "import mindspore\nimport mindspore as ms\nfrom mindspore import Tensor, nn, ops\n"
        "from mindspore.common.initializer import Normal\n\nF = ops\n\n\n"
        "class Form(nn.Cell):\n"
        f"    def construct(self, {', '.join(names)}):\n        return {text}\n"
    )
    spec = importlib.util.spec_from_file_location("form", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["form"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["PYNATIVE_MODE", "GRAPH_MODE"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    mindspore = pytest.importorskip("mindspore")
    mindspore.set_context(mode=getattr(mindspore, request.param))
    yield request.param
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("rule", "example"), list(forms()))
def test_both_forms_compute_the_same(
    rule: Rule, example: Example, mode: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    if rule.kind is Kind.LAYER:
        layer(rule, example)
    else:
        function(rule, example, mode, tmp_path)


# --- functions ------------------------------------------------------------------------------------


def function(rule: Rule, example: Example, mode: str, directory: Path) -> None:
    import mindspore
    import torch

    torch_names, _ = environments()
    call = ast.parse(example.before, mode="eval").body
    places = max([len(texts) for texts in rule.inputs.values()], default=1)
    for place in range(places):
        for training in (False, True) if "self.training" in example.before else (False,):
            holder = SimpleNamespace(training=training)
            arrays = operands(rule, call, place, {**torch_names, "self": holder})
            tensors = {k: torch.tensor(v) for k, v in arrays.items()}
            expected = eval(example.before, {**torch_names, **tensors, "self": holder})
            module = cell(example.after, list(arrays), directory)
            inputs = [mindspore.Tensor(v) for v in arrays.values()]
            found = module.Form().set_train(training)(*inputs)
            if "dropout_p" in example.before and training:
                assert plain(expected)[0].shape == plain(found)[0].shape
            elif has_noise(rule) and training:
                assert_noise(plain(expected)[0], plain(found)[0], next(iter(arrays.values())))
            else:
                assert_equal(rule, expected, found)


# --- layers ---------------------------------------------------------------------------------------


def layer(rule: Rule, example: Example) -> None:
    import mindspore
    import torch

    torch_names, names = environments()
    call = ast.parse(example.before, mode="eval").body
    assert isinstance(call, ast.Call)
    bound = signature(rule).bind(
        *[value_of(one, torch_names) for one in call.args],
        **{one.arg: value_of(one.value, torch_names) for one in call.keywords if one.arg},
    )
    bound.apply_defaults()
    before = eval(example.before, dict(torch_names))
    after = eval(example.after, dict(names))
    carry_weights(rule, before, after)
    inputs = rule.torch.inputs or ("input",)
    places = max([len(texts) for texts in rule.inputs.values()], default=1)
    for training in (True, False):
        before.train(training)
        after.set_train(training)
        for place in range(places):
            arrays = [drawn(rule, name, dict(bound.arguments), place) for name in inputs]
            if rule.torch.api == "torch.nn.LSTMCell":
                expected = before(torch.tensor(arrays[0]), (torch.tensor(arrays[1]),) * 2)
                state = (mindspore.Tensor(arrays[1]),) * 2
                assert_equal(rule, expected, after(mindspore.Tensor(arrays[0]), state))
                continue
            expected = before(*[torch.tensor(one) for one in arrays])
            if rule.mindspore.api == "mindspore.nn.CrossEntropyLoss":
                arrays[1] = arrays[1].astype("int32")  # as the rule's limit says
            found = after(*[mindspore.Tensor(one) for one in arrays])
            if has_noise(rule) and training:
                assert_noise(plain(expected)[0], plain(found)[0], arrays[0])
            else:
                assert_equal(rule, expected, found)
    compare_statistics(rule, before, after)


def value_of(node: ast.expr, names: Mapping[str, Any]) -> object:
    return eval(compile(ast.Expression(node), "", "eval"), dict(names))


def carry_weights(rule: Rule, before: Any, after: Any) -> None:
    """Give both layers the same drawn weights."""
    import mindspore
    import torch

    random = generator(rule.id)
    ours = dict(after.parameters_and_names())
    carried = set()
    for name, tensor in before.state_dict().items():
        target = rule.parameters.get(name, name)
        if not target:
            continue
        array = random.rand(*tensor.shape).astype("float32") + 0.5
        with torch.no_grad():
            tensor.copy_(torch.tensor(array))
        assert ours[target].size == array.size
        ours[target].set_data(mindspore.Tensor(array.reshape(ours[target].shape)))
        carried.add(target)
    for name, parameter in ours.items():
        assert name in carried or not parameter.requires_grad, f"{name} has no counterpart"


def compare_statistics(rule: Rule, before: Any, after: Any) -> None:
    ours = dict(after.parameters_and_names())
    for name, buffer in before.named_buffers():
        if target := rule.parameters.get(name, name):
            assert np.allclose(buffer.numpy(), ours[target].asnumpy(), rtol=1e-4, atol=1e-5)


def assert_noise(
    expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], given: np.ndarray[Any, Any]
) -> None:
    """Compare two draws: the same factor where something is left, nearly the same share of it."""
    assert expected.shape == found.shape
    assert expected.dtype == found.dtype
    factors = [np.unique(np.round(y[y != 0] / given[y != 0], 4)) for y in (expected, found)]
    assert [len(one) for one in factors] <= [1, 1]
    assert abs((expected == 0).mean() - (found == 0).mean()) < 0.35
    if all(map(len, factors)):
        assert np.allclose(factors[0], factors[1], rtol=1e-3)
