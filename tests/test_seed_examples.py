"""Every code example of the seed documents: migrated, computed, and compared with its other half.

The numbers under "torch" were recorded from torch 2.13.0, those under "document" from MindSpore
2.10.0; tests/oracle/test_seed_documents.py runs both frameworks on the documents' own source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.analysis.bind import bind
from mapper.analysis.evaluate import evaluate
from mapper.model.options import Options
from mapper.model.results import FileResult, Site, Status
from mapper.proving.semantics.conv import arrays, mindspore_layers, torch_layers
from mapper.proving.semantics.conv.layer import Array, Layer, Shape
from mapper.proving.semantics.conv.shapes import conv_shape, conv_transpose_shape
from mapper.rulebook.loader import load
from mapper.running.file import Task, process
from tests.documents import OPERATOR, PAGES, SEEDS, Example, examples

EXAMPLES = [example for seed in PAGES for example in examples(seed)]
by_id = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)

EXACT = {
    "Conv2d.txt-example-1": ["Conv2d(120, 240, 4, 'valid', bias)"],
    "Conv2d.txt-example-2": ["Conv2d(120, 240, 4, 'pad', 1, bias)"],
    "Conv2d.txt-example-3": [
        "Pad(((0, 0), (0, 0), (1, 1), (1, 1)), 'REFLECT')", "Conv2d(120, 240, 4, 'valid', bias)",
    ],
    "Conv2d.txt-example-4": ["Conv2d(120, 240, 4, 'valid', bias)"],
    "ConvTranspose1d.md-example-1": ["Conv1dTranspose(3, 64, 4, 'valid')"],
    "ConvTranspose1d.md-example-2": ["Conv1dTranspose(3, 64, 5, 3, 'valid')", "Crop1d(2, 0)"],
    "ConvTranspose1d.md-example-3": ["Conv1dTranspose(3, 64, 5, 3, 'valid')"],
    "ConvTranspose2d.zh.md-example-1": ["Conv2dTranspose(3, 64, 4, 'pad', (2, 2, 4, 4))"],
    "ConvTranspose2d.zh.md-example-2": ["Conv2dTranspose(3, 64, 5, 3, 'pad', (2, 0, 2, 0))"],
    "ConvTranspose2d.zh.md-example-3": ["Conv2dTranspose(3, 64, 5, 3, 'valid')"],
    "ConvTranspose2d.zh.md-example-4": ["Conv2dTranspose(3, 32, 3, 2, 'pad', (1, 0, 1, 0))"],
    "ConvTranspose3d.txt-example-1": ["Conv3dTranspose(3, 32, 5, 3, 'pad', 2, 2)"],
    "ConvTranspose3d.txt-example-2": ["Conv3dTranspose(3, 32, 5, 3, 'valid')"],
}  # fmt: skip
"""What `--recipe exact` comes to, in the short form of `_short`."""

TABLE_IS_DOCUMENT = {
    "Conv2d.txt-example-1", "ConvTranspose1d.md-example-1", "ConvTranspose1d.md-example-2",
    "ConvTranspose1d.md-example-3", "ConvTranspose2d.zh.md-example-1",
    "ConvTranspose2d.zh.md-example-3", "ConvTranspose2d.zh.md-example-4",
    "ConvTranspose3d.txt-example-1", "ConvTranspose3d.txt-example-2",
}  # fmt: skip
FORGOTTEN_BIAS = {"Conv2d.txt-example-2", "Conv2d.txt-example-4"}
"""torch has a bias there and the document's MindSpore half has none."""
CHANNEL_AXIS, OTHER_EXAMPLE = "Conv2d.txt-example-3", "ConvTranspose2d.zh.md-example-2"
SHAPE_ONLY = {
    "ConvTranspose1d.md-example-2", "ConvTranspose2d.zh.md-example-2",
    "ConvTranspose2d.zh.md-example-4", "ConvTranspose3d.txt-example-1",
}  # fmt: skip


# --- every example --------------------------------------------------------------------------------


def test_all_examples_are_found() -> None:
    heads = r"^(?:#+ )?(?:Code Example|代码示例) ?\d"
    texts = [(SEEDS / seed).read_text(encoding="utf-8") for seed in PAGES]
    assert len(EXAMPLES) == sum(len(re.findall(heads, text, re.MULTILINE)) for text in texts) == 13


@by_id
def test_the_default_recipe_writes_the_value_exact_form(example: Example, tmp_path: Path) -> None:
    site, after = _migrated(example, "exact", tmp_path)
    assert site.status is Status.MIGRATED, site.message
    assert site.proof.max_abs_error == 0
    assert [_short(one) for one in _calls(after)] == EXACT[example.id]


@by_id
def test_the_table_recipe_writes_the_documents_half(example: Example, tmp_path: Path) -> None:
    site, after = _migrated(example, "table", tmp_path)
    expected = Status.SHAPE_ONLY if example.id in SHAPE_ONLY else Status.MIGRATED
    assert site.status is expected, site.message
    ours = [_short(one) for one in _calls(after)]
    document = [_short(one) for one in _calls(example.mindspore)]
    if example.id in FORGOTTEN_BIAS:
        assert ours == [one.replace(")", ", bias)") for one in document]
    elif example.id in (CHANNEL_AXIS, OTHER_EXAMPLE):
        assert ours != document  # shown in the tests of the documents' mistakes below
    else:
        assert example.id in TABLE_IS_DOCUMENT and ours == document


@by_id
def test_both_halves_have_the_printed_shape(example: Example, tmp_path: Path) -> None:
    """Shape arithmetic at the printed size, on the torch call and on all three MindSpore texts."""
    shape = _input(example)
    assert _torch_shape(example, shape) == example.shapes[0]
    assert _mindspore_shape(_calls(example.mindspore), shape) == example.shapes[1]
    for recipe in ("exact", "table"):
        assert (
            _mindspore_shape(_calls(_migrated(example, recipe, tmp_path)[1]), shape)
            == (example.shapes[0])
        )


@by_id
def test_the_engine_computes_the_printed_shape(example: Example, tmp_path: Path) -> None:
    """Run in float32 at the printed size; the channels of Conv2d (120 to 240) are cut to 1 to 2."""
    x = np.ones(_input(example), np.float32)
    if x.shape[1] == 120:
        x, changed = x[:, :1], {"in_channels": 1, "out_channels": 2}
    else:
        changed = {}
    torch = torch_layers.layer(_torch(example, changed))
    ours = _layer(_calls(_migrated(example, "exact", tmp_path)[1]), changed)
    expected, found = _run(torch, x), _run(ours, x)
    channels = 2 if changed else example.shapes[0][1]
    assert expected.shape == found.shape == (1, channels, *example.shapes[0][2:])
    assert np.array_equal(expected, found)
    if example.id != CHANNEL_AXIS:
        document = _run(_layer(_calls(example.mindspore), changed), x)
        assert document.shape == expected.shape


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES[:3], ids=lambda example: example.id)
def test_the_engine_computes_120_to_240_channels(example: Example, tmp_path: Path) -> None:
    ours = _layer(_calls(_migrated(example, "exact", tmp_path)[1]))
    assert _run(ours, np.ones(_input(example), np.float32)).shape == example.shapes[0]


def test_the_operators_example_has_the_printed_shape() -> None:
    text = (SEEDS / OPERATOR).read_text(encoding="utf-8")
    x, weight, *rest = re.findall(r"np\.ones\(\[([\d, ]+)\]\)", text)
    assert not rest
    shapes = [tuple(map(int, numbers.split(","))) for numbers in (x, weight)]
    printed = tuple(
        map(int, re.findall(r"print\(output\.shape\) \(([\d, ]+)\)", text)[0].split(","))
    )
    assert (shapes, printed) == (
        [(32, 16, 10, 32, 32), (16, 3, 4, 6, 2)], (32, 3, 13, 37, 33),
    )  # fmt: skip
    y = arrays.conv_transpose(
        np.ones(shapes[0], np.float32), np.ones(shapes[1], np.float32),
        stride=(1,) * 3, padding=((0, 0),) * 3, output_padding=(0,) * 3, dilation=(1,) * 3,
        groups=1,
    )  # fmt: skip
    assert y.shape == printed
    assert y[0, 0, 5, 16, 16] == 16 * 4 * 6 * 2  # every tap of every channel, in the middle


def test_the_operator_is_what_the_functional_call_becomes() -> None:
    text = "import torch.nn.functional as F\ny = F.conv_transpose3d(dout, weight)\n"
    result = _process(text, "exact")
    (site,) = result.sites
    assert site.status is Status.MIGRATED
    assert "F.Conv3DTranspose(" in str(result.after)


# --- the documents' mistakes: their numbers, torch's and ours -------------------------------------


def test_mistake_the_bias_is_forgotten() -> None:
    """Conv2d, examples 2, 3 and 4: torch has a bias by default, MindSpore has none."""
    for example in EXAMPLES[1:4]:
        document = _layer(_calls(example.mindspore)[-1:])
        assert set(_torch(example).parameters) == {"weight", "bias"}
        assert set(document.parameters) == {"weight"}
    # Where the weights are zeros and the bias is one, torch prints ones and the document zeros.
    x = np.ones((1, 120, 6, 6), np.float32)
    torch = torch_layers.layer(_torch(EXAMPLES[1]))
    ours = _layer(_calls("nn.Conv2d(120, 240, 4, pad_mode='pad', padding=1, has_bias=True)"))
    document = _layer(_calls(EXAMPLES[1].mindspore))
    fill = {"weight": 0, "bias": 1}
    assert [_run(layer, x, fill).max() for layer in (torch, ours, document)] == [1, 1, 0]


def test_mistake_the_channel_axis_is_reflected() -> None:
    """Conv2d, example 3: the pad takes the channel axis too, and the convolution gets 122."""
    example = EXAMPLES[2]
    pad, conv = _calls(example.mindspore)
    assert evaluate(pad.arguments["paddings"], {}) == ((0, 0), (1, 1), (1, 1), (1, 1))
    torch, document = _torch(example), _layer([conv])
    ours = _layer(_calls(_process(example.torch, "exact").after or ""))
    assert torch.parameters["weight"] == (240, 120, 4, 4)
    assert document.parameters["weight"] == (240, 122, 4, 4)
    assert ours.parameters["1.weight"] == (240, 120, 4, 4)
    # Ones everywhere: 120 channels of 16 taps are 1920 in torch, and 1952 in the document.
    x = np.ones((1, 120, 8, 8), np.float32)
    fill = {"weight": 1, "bias": 0}
    torch_y, our_y = (_run(layer, x, fill) for layer in (torch_layers.layer(torch), ours))
    document_y = _run(_layer([pad, conv]), x, fill)
    assert torch_y.shape == our_y.shape == document_y.shape
    assert (torch_y.max(), our_y.max(), document_y.max()) == (1920, 1920, 1952)


def test_mistake_zeros_stand_for_output_padding() -> None:
    """ConvTranspose2d, example 4: the last row and column are computed by torch, not padded."""
    example = EXAMPLES[10]
    x = np.ones((1, 3, 4, 4), np.float32)
    torch = [3, 6, 3, 6, 3, 6, 3, 3]  # the last row; recorded from torch
    document = [0] * 8
    assert _last_row(torch_layers.layer(_torch(example)), x) == torch
    assert _last_row(_layer(_calls(example.mindspore)), x) == document
    assert _last_row(_layer(_calls(_process(example.torch, "exact").after or "")), x) == torch
    assert _last_row(_layer(_calls(_process(example.torch, "table").after or "")), x) == document


def test_mistake_zeros_stand_for_output_padding_and_lose_the_bias() -> None:
    """With a bias of one torch's last row grows by one; the zeros behind the layer do not."""
    x, fill = np.ones((1, 3, 4, 4), np.float32), {"weight": 1, "bias": 1}
    text = EXAMPLES[10].torch.replace("bias=False", "bias=True")
    torch = [4, 7, 4, 7, 4, 7, 4, 4]  # recorded from torch
    assert _last_row(_layer(_calls(_process(text, "exact").after or "")), x, fill) == torch
    assert _last_row(_layer(_calls(_process(text, "table").after or "")), x, fill) == [0] * 8


SHIFTED = {OTHER_EXAMPLE, "ConvTranspose1d.md-example-2", "ConvTranspose3d.txt-example-1"}


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.id in SHIFTED], ids=lambda example: example.id
)
def test_mistake_same_shifts_a_transposed_convolution(example: Example) -> None:
    """pad_mode='same' crops (1, 1) where torch crops (2, 0): right shape, shifted values.

    The numbers are those along the first axis, for ones of size 4, kernel 5 and stride 3.
    """
    rank = len(_input(example)) - 2
    unit = 3 * 2 ** (rank - 1)
    torch = [unit * n for n in (1, 2, 2, 1, 2, 2, 1, 2, 2, 1, 1, 1)]  # recorded from torch
    document = [unit * n for n in (1, 1, 2, 2, 1, 2, 2, 1, 2, 2, 1, 1)]  # from MindSpore
    assert document[1:] == [unit, *torch[1:-1]]
    x = np.ones((1, 3, *[4] * rank), np.float32)
    line: Any = (0, 0, slice(None), *[5] * (rank - 1))
    exact = _layer(_calls(_process(example.torch, "exact").after or ""))
    layers = (torch_layers.layer(_torch(example)), exact, _layer(_calls(example.mindspore)))
    found = [_run(layer, x)[line].tolist() for layer in layers]
    assert found == [torch, torch, document]


def test_the_two_examples_of_2d_ask_for_different_things() -> None:
    """Examples 2 and 4 have the same kind of call; the table recipe follows the words of 4."""
    two, four = EXAMPLES[8], EXAMPLES[10]
    names = {e.id: [one.name for one in _calls(e.mindspore)] for e in (two, four)}
    assert names == {two.id: ["Conv2dTranspose"], four.id: ["Conv2dTranspose", "Pad"]}
    for example in (two, four):
        ours = [one.name for one in _calls(_process(example.torch, "table").after or "")]
        assert ours == ["Conv2dTranspose", "Pad"]


def test_mistake_same_does_not_begin_left_in_torch() -> None:
    """Conv2d: "If the number is odd, PyTorch will fill the left and upper sides first"."""
    x, weight = np.array([[[1.0, 2, 3, 4]]]), np.array([[[1.0, 10]]])
    torch = [21, 32, 43, 4]  # recorded from torch: the zero is on the right
    document = [10, 21, 32, 43]  # what the zero on the left would give
    given = {"in_channels": 1, "out_channels": 1, "kernel_size": 2, "bias": False}
    rule = load().by_api("torch.nn.Conv1d")
    assert rule is not None
    defaults = {p.name: p.default for p in rule.torch.parameters if not p.required}
    call = torch_layers.convolution(1, False, {**defaults, **given, "padding": "same"})
    assert torch_layers.layer(call).run(x, {"weight": weight}).ravel().tolist() == torch
    ours = _layer(_calls("nn.Conv1d(1, 1, 2, pad_mode='same')"))
    assert ours.run(x, {"weight": weight[:, :, None]}).ravel().tolist() == torch
    left = arrays.conv(x, weight, stride=(1,), padding=((1, 0),), dilation=(1,), groups=1)
    assert left.ravel().tolist() == document


# --- the table recipe beyond the examples ---------------------------------------------------------

BEYOND = {
    "nn.ConvTranspose1d(3, 8, 3, 2, 1, 1)": ["Conv1dTranspose(3, 8, 3, 2, 'same', bias)"],
    "nn.ConvTranspose1d(3, 8, (5,), [3], 2, (2,))": ["Conv1dTranspose(3, 8, 5, 3, 'same', bias)"],
    "nn.ConvTranspose1d(3, 8, 4, 2, 1, 1)": [
        "Conv1dTranspose(3, 8, 4, 2, 'pad', 1, bias)", "Pad(((0, 0), (0, 0), (0, 1)), 'CONSTANT')",
    ],
    "nn.ConvTranspose1d(3, 8, 3, 3, 1, 1)": [
        "Conv1dTranspose(3, 8, 3, 3, 'pad', 1, bias)", "Pad(((0, 0), (0, 0), (0, 1)), 'CONSTANT')",
    ],
    "nn.ConvTranspose1d(3, 8, 3, 2, 1, 1, dilation=2)": [
        "Conv1dTranspose(3, 8, 3, 2, 'pad', 1, 2, bias)",
        "Pad(((0, 0), (0, 0), (0, 1)), 'CONSTANT')",
    ],
    "nn.ConvTranspose3d(3, 8, 3, 2, 1, 1)": ["Conv3dTranspose(3, 8, 3, 2, 'same', bias)"],
    "nn.ConvTranspose3d(3, 8, (3, 5, 3), (2, 3, 2), (1, 2, 1), (1, 2, 1))": [
        "Conv3dTranspose(3, 8, (3, 5, 3), (2, 3, 2), 'same', bias)",
    ],
    "nn.ConvTranspose3d(3, 8, 3, 2, 1, (1, 1, 0))": [
        "Conv3dTranspose(3, 8, 3, 2, 'pad', 1, (1, 1, 0), bias)",
    ],
    "nn.ConvTranspose3d(3, 8, 4, 2, 1, 1)": ["Conv3dTranspose(3, 8, 4, 2, 'pad', 1, 1, bias)"],
    "nn.ConvTranspose2d(3, 8, 3, 2, 1, (1, 0))": [
        "Conv2dTranspose(3, 8, 3, 2, 'pad', 1, bias)",
        "Pad(((0, 0), (0, 0), (0, 1), (0, 0)), 'CONSTANT')",
    ],
}  # fmt: skip


@pytest.mark.parametrize("call", BEYOND)
def test_the_table_recipe_writes_same_only_in_the_documents_situation(call: str) -> None:
    result = _process(f"from torch import nn\nnet = {call}\n", "table")
    (site,) = result.sites
    written = [_short(one) for one in _calls(str(result.after))]
    assert written == BEYOND[call]
    shape_only = "'same'" in written[0] or len(written) > 1
    assert site.status is (Status.SHAPE_ONLY if shape_only else Status.MIGRATED)


def test_the_table_recipe_says_which_numbers_it_read() -> None:
    (site,) = _process(EXAMPLES[5].torch, "table").sites
    assert "`k` is 5 and `s` is 3" in site.message


@pytest.mark.parametrize("line", ["k = 4", "k = 5\nk = 4", "k = read()", "for k in (3, 5): pass"])
def test_the_table_recipe_does_not_guess_numbers(line: str) -> None:
    text = EXAMPLES[5].torch.replace("k = 5", line)
    result = _process(text, "table")
    (site,) = result.sites
    assert site.status is Status.SHAPE_ONLY
    assert "same" not in str(site.after) and "Pad(" in str(site.after)


# --- reading MindSpore's source -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """A layer in the text, bound to its signature; `names` are the text's plain numbers."""

    name: str
    arguments: Mapping[str, ast.expr]
    names: Mapping[str, object]

    def values(self) -> dict[str, Any]:
        """Return the arguments, with defaults, without initialisers and layouts."""
        qualified = self.name if self.name == "Crop1d" else f"mindspore.nn.{self.name}"
        values: dict[str, Any] = {"start": 0, "end": 0} if self.name == "Crop1d" else {}
        if (signature := load().signature(qualified)) is not None:
            values = {p.name: p.default for p in signature.parameters if not p.required}
        for name, node in self.arguments.items():
            if name not in _IGNORED:
                values[name] = evaluate(node, self.names)
        return {n: v for n, v in values.items() if n not in _IGNORED}


_IGNORED = ("weight_init", "bias_init", "data_format", "dtype")  # ones are set outside torch's call
_LAYERS = re.compile(r"^(?:Conv\dd(?:Transpose)?|Pad|Crop1d)$")


def _calls(text: str) -> list[_Call]:
    """Return the layers of a module in the order in which they are applied."""
    tree = ast.parse(text)
    names = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    found = [n for node in tree.body if not isinstance(node, ast.ClassDef)
             for n in ast.walk(node) if isinstance(n, ast.Call)]  # fmt: skip
    calls = [_call(node, names) for node in found if _LAYERS.match(_name(node))]
    return sorted(calls, key=lambda call: next(iter(call.arguments.values())).lineno)


def _name(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _call(node: ast.Call, names: Mapping[str, object]) -> _Call:
    name = _name(node)
    if name == "Crop1d":
        arguments = dict(zip(("start", "end"), node.args, strict=False))
        return _Call(name, arguments, names)
    signature = load().signature(f"mindspore.nn.{name}")
    assert signature is not None
    bound = bind(node, signature.parameters)
    return _Call(name, {n: a.value for n, a in bound.items()}, names)


def _short(call: _Call) -> str:
    """Write a layer so that two spellings of one layer are one text: values without defaults."""
    values = call.values()
    if call.name == "Pad":
        return f"Pad({values['paddings']}, {values['mode']!r})"
    if call.name == "Crop1d":
        return f"Crop1d({values['start']}, {values['end']})"
    if values["pad_mode"] == "pad" and not values["padding"] and not values.get("output_padding"):
        kernel, stride = values["kernel_size"], values["stride"]
        if isinstance(kernel, int) and isinstance(stride, int) and kernel >= stride:
            values["pad_mode"] = "valid"  # the same layer: nothing is padded, nothing is missing
    keys = ("in_channels", "out_channels", "kernel_size")
    words = [repr(values[key]) for key in keys]
    defaults = {"stride": 1, "pad_mode": None, "padding": 0, "output_padding": 0, "dilation": 1}
    for key, default in {**defaults, "group": 1}.items():
        if key in values and values[key] != default:
            words.append(repr(values[key]))
    return f"{call.name}({', '.join([*words, *(['bias'] if values['has_bias'] else [])])})"


def _layer(calls: Sequence[_Call], changed: Mapping[str, object] | None = None) -> Layer:
    """Build the engine's layer for the text, with some arguments replaced."""
    layers = []
    for call in calls:
        values = call.values()
        values.update({k: v for k, v in (changed or {}).items() if k in values})
        name = call.name if call.name == "Crop1d" else f"mindspore.nn.{call.name}"
        layers.append(mindspore_layers.LAYERS[name](values, (2, 10)))
    return layers[0] if len(layers) == 1 else mindspore_layers.sequential(layers)


def _run(layer: Layer, x: Array, fill: Mapping[str, float] | None = None) -> Array:
    """Run a layer with constant parameters: ones, unless told otherwise."""
    fill = fill or {"weight": 1, "bias": 0}
    given = {
        path: np.full(shape, fill[path.rpartition(".")[2]], x.dtype)
        for path, shape in layer.parameters.items()
    }
    return layer.run(x, given)


def _last_row(layer: Layer, x: Array, fill: Mapping[str, float] | None = None) -> list[float]:
    return [float(value) for value in _run(layer, x, fill)[0, 0, -1]]


# --- reading torch's source -----------------------------------------------------------------------


def _torch(
    example: Example, changed: Mapping[str, object] | None = None
) -> torch_layers.Convolution:
    tree = ast.parse(example.torch)
    (call,) = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n).startswith("Conv")]
    rule = load().by_api(f"torch.nn.{_name(call)}")
    assert rule is not None
    names = {
        n.targets[0].id: n.value.value
        for n in tree.body
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
        and isinstance(n.value, ast.Constant)
    }  # fmt: skip
    defaults: dict[str, object] = {"padding_mode": "zeros"}
    defaults |= {p.name: p.default for p in rule.torch.parameters if not p.required}
    bound = bind(call, rule.torch.parameters)
    given = {name: evaluate(argument.value, names) for name, argument in bound.items()}
    arguments = {**defaults, **given, **(changed or {})}
    return torch_layers.convolution(rule.torch.rank, "Transpose" in _name(call), arguments)


def _input(example: Example) -> Shape:
    (text,) = re.findall(r"np\.ones\([(\[]([\d, ]+)[)\]]\)", example.torch)
    return tuple(map(int, text.split(",")))


def _torch_shape(example: Example, x: Shape) -> Shape:
    c = _torch(example)
    shape: Callable[..., Shape] = conv_shape
    more: dict[str, Any] = {}
    if c.output_padding is not None:
        shape, more = conv_transpose_shape, {"output_padding": c.output_padding}
    how = {"stride": c.stride, "padding": c.padding, "dilation": c.dilation, "groups": c.groups}
    return shape(x, c.weight, **how, **more)


def _mindspore_shape(calls: Sequence[_Call], x: Shape) -> Shape:
    """Do the arithmetic of MindSpore's layers, apart from the engine's."""
    for call in calls:
        v = call.values()
        if call.name == "Pad":
            x = tuple(n + a + b for n, (a, b) in zip(x, v["paddings"], strict=True))
        elif call.name == "Crop1d":
            x = (*x[:-1], x[-1] - v["start"] - v["end"])
        else:
            assert x[1] == v["in_channels"]
            x = (x[0], v["out_channels"], *_sizes(call.name, v, x[2:]))
    return x


def _sizes(name: str, v: Mapping[str, Any], sizes: Shape) -> Iterator[int]:
    for axis, n in enumerate(sizes):
        values = [v.get(key, 0) for key in ("kernel_size", "stride", "dilation", "output_padding")]
        k, s, d, more = (value if isinstance(value, int) else value[axis] for value in values)
        p = v["padding"]
        both = 2 * p if isinstance(p, int) else sum(p[2 * axis : 2 * axis + 2])
        reach = d * (k - 1) + 1
        if "Transpose" not in name:
            yield -(-n // s) if v["pad_mode"] == "same" else (n + both - reach) // s + 1
        elif v["pad_mode"] == "same":
            yield n * s
        else:
            yield (n - 1) * s + reach - both + more


# --- the tool -------------------------------------------------------------------------------------


def _migrated(example: Example, recipe: str, folder: Path) -> tuple[Site, str]:
    """Write the torch half into a file and migrate its bytes."""
    path = folder / "half.py"
    path.write_text(example.torch, encoding="utf-8")
    result = _process(path.read_text(encoding="utf-8"), recipe)
    (site,) = result.sites
    return site, str(result.after)


@cache
def _process(text: str, recipe: str) -> FileResult:
    result = process(Task("half.py", text.encode()), Options(recipe=recipe, select=("conv",)))
    assert result.message is None, result.message
    return result
