"""The engine's arithmetic against loops, against real torch's figures, and against itself."""

from __future__ import annotations

import json
import re
import runpy
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mapper.proving.semantics.conv import tiles
from mapper.proving.semantics.conv.arrays import conv, conv_transpose, crop, pad
from mapper.proving.semantics.conv.shapes import conv_shape, conv_transpose_shape

Array = np.ndarray[Any, Any]
Case = tuple[Array, Array, Array, dict[str, Any]]

HERE = Path(__file__).parent
RECORDED: dict[str, Any] = json.loads((HERE / "recorded.json").read_text())
SCRIPT = runpy.run_path(str(HERE / "record.py"))
operand, CASES, PADS = SCRIPT["operand"], SCRIPT["CASES"], SCRIPT["PADS"]


# The definition, term by term.


def slow_conv(x: Array, weight: Array, bias: Array, **layer: Any) -> Array:
    stride, dilation, groups = layer["stride"], layer["dilation"], layer["groups"]
    padded = np.pad(x, [(0, 0), (0, 0), *layer["padding"]])
    out = np.zeros(conv_shape(x.shape, weight.shape, **layer))
    inputs, outputs = weight.shape[1], weight.shape[0] // groups
    for at in product(*map(range, out.shape)):
        image, channel, *place = at
        out[at] = bias[channel]
        for c, *tap in product(range(inputs), *map(range, weight.shape[2:])):
            spot = [p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)]
            from_channel = channel // outputs * inputs + c
            out[at] += weight[channel, c, *tap] * padded[image, from_channel, *spot]
    return out


def slow_conv_transpose(x: Array, weight: Array, bias: Array, **layer: Any) -> Array:
    stride, dilation, groups = layer["stride"], layer["dilation"], layer["groups"]
    out = np.zeros(conv_transpose_shape(x.shape, weight.shape, **layer))
    out += bias.reshape(-1, *[1] * len(stride))
    inputs, outputs = weight.shape[0] // groups, weight.shape[1]
    for image, c, *place in product(*map(range, x.shape)):
        for o, *tap in product(range(outputs), *map(range, weight.shape[2:])):
            axes = zip(place, stride, tap, dilation, layer["padding"], strict=True)
            spot = [p * s + t * d - before for p, s, t, d, (before, _) in axes]
            if all(0 <= p < n for p, n in zip(spot, out.shape[2:], strict=True)):
                out[image, c // inputs * outputs + o, *spot] += (
                    weight[c, o, *tap] * x[image, c, *place]
                )
    return out


@st.composite
def layers(draw: st.DrawFn, transposed: bool = False) -> Case:
    """Small operands and arguments that have an output."""
    rank = draw(st.integers(1, 3))
    groups, inputs, outputs = (draw(st.integers(1, n)) for n in (3, 2, 2))
    per_axis = [draw(st.tuples(*[st.integers(1, 3)] * 3)) for _ in range(rank)]
    kernel, stride, dilation = map(tuple, zip(*per_axis, strict=True))
    largest = 7 if rank < 3 else 4
    size = draw(st.tuples(*[st.integers(1, largest)] * rank))
    width = st.tuples(st.integers(0, 3), st.integers(0, 3))
    layer: dict[str, Any] = {
        "stride": stride,
        "padding": [draw(width) for _ in range(rank)],
        "dilation": dilation,
        "groups": groups,
    }
    if transposed:
        layer["output_padding"] = draw(st.tuples(*[st.integers(0, 3)] * rank))
    x = (draw(st.integers(1, 3)), inputs * groups, *size)
    front = (x[1], outputs) if transposed else (outputs * groups, inputs)
    weight = (*front, *kernel)
    try:
        (conv_transpose_shape if transposed else conv_shape)(x, weight, **layer)
    except ValueError:
        assume(False)
    return operand(x), operand(weight), operand((outputs * groups,)), layer


# Small limits make every image need several tiles, in both ways of correlating.
LIMITS = pytest.mark.parametrize(
    "limits",
    [{}, {"_TILE": 30, "_WIDE": 5}],
    ids=["usual tiles", "tiny tiles"],
)


def with_limits(limits: dict[str, int], function: Any, case: Case) -> Array:
    x, weight, bias, layer = case
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(tiles, name, value)
        result: Array = function(x, weight, bias, **layer)
    return result


@LIMITS
@given(case=layers())
@settings(max_examples=120, deadline=None)
def test_convolution_is_its_definition(limits: dict[str, int], case: Case) -> None:
    x, weight, bias, layer = case
    expected = slow_conv(x, weight, bias, **layer)
    actual = with_limits(limits, conv, case)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@LIMITS
@given(case=layers(transposed=True))
@settings(max_examples=120, deadline=None)
def test_transposed_convolution_is_its_definition(limits: dict[str, int], case: Case) -> None:
    x, weight, bias, layer = case
    expected = slow_conv_transpose(x, weight, bias, **layer)
    actual = with_limits(limits, conv_transpose, case)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@given(case=layers())
@settings(max_examples=60, deadline=None)
def test_transposed_convolution_is_the_adjoint_of_convolution(case: Case) -> None:
    x, weight, _, layer = case
    y = conv(x, weight, **layer)
    other = operand((y.size + 1,))[1:].reshape(y.shape)
    back = {**layer, "output_padding": (0,) * len(layer["stride"])}
    short = conv_transpose_shape(y.shape, weight.shape, **{**back, "padding": no_padding(x)})
    full = [n + a + b for n, (a, b) in zip(x.shape[2:], layer["padding"], strict=True)]
    back["output_padding"] = tuple(n - m for n, m in zip(full, short[2:], strict=True))
    turned = conv_transpose(other, weight, **back)
    assert turned.shape == x.shape
    assert np.vdot(y, other) == pytest.approx(np.vdot(x, turned), abs=1e-10)


def no_padding(x: Array) -> list[tuple[int, int]]:
    return [(0, 0)] * (x.ndim - 2)


@pytest.mark.parametrize("name", CASES)
def test_convolutions_have_the_figures_of_torch(name: str) -> None:
    x, weight, stride, padding, dilation, groups, *op = CASES[name]
    layer: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
    layer["padding"] = [(p, p) for p in padding]
    channels = weight[1] * groups if op else weight[0]
    if op:
        layer["output_padding"] = op[0]
    function: Any = conv_transpose if op else conv
    actual = function(operand(x), operand(weight), operand((channels,)), **layer)
    check_recorded(actual, name)


@pytest.mark.parametrize("name", PADS)
def test_paddings_have_the_figures_of_torch(name: str) -> None:
    shape, widths, mode = PADS[name]
    check_recorded(pad(operand(shape), widths, mode), name)


def check_recorded(actual: Array, name: str) -> None:
    figures = RECORDED[name]
    assert list(actual.shape) == figures["shape"]
    expected = np.reshape(figures["values"], figures["shape"])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_padding_is_that_of_numpy(mode: str, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4), "shape")
    padded = data.draw(st.integers(0, len(shape)), "padded axes")
    inner = shape[len(shape) - padded :]
    most = [{"reflect": n - 1, "wrap": n}.get(mode, 6) for n in inner]
    widths = [data.draw(st.tuples(st.integers(0, m), st.integers(0, m))) for m in most]
    x = operand(tuple(shape))
    every = [(0, 0)] * (len(shape) - padded) + widths
    np.testing.assert_array_equal(pad(x, widths, mode), np.pad(x, every, mode))  # type: ignore[call-overload]


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_cropping_undoes_padding(data: st.DataObject) -> None:
    x = operand(tuple(data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))))
    width = st.tuples(st.integers(0, 3), st.integers(0, 3))
    widths = data.draw(st.lists(width, max_size=x.ndim))
    np.testing.assert_array_equal(crop(pad(x, widths), widths), x)


PLAIN: dict[str, Any] = {
    "stride": (1, 1),
    "padding": [(0, 0), (0, 0)],
    "dilation": (1, 1),
    "groups": 1,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_result_has_the_dtype_of_x(dtype: type[np.floating[Any]]) -> None:
    x, weight = operand((2, 3, 9, 8)), operand((4, 3, 3, 3))
    bias, turned = operand((4,)), weight.swapaxes(0, 1)
    low = [a.astype(dtype) for a in (x, weight, turned, bias)]
    y = conv(low[0], low[1], low[3], **PLAIN)
    z = conv_transpose(low[0], low[2], low[3], output_padding=(0, 0), **PLAIN)
    assert y.dtype == z.dtype == pad(low[0], [(1, 1)], "reflect").dtype == dtype
    exact = conv_transpose(x, turned, bias, output_padding=(0, 0), **PLAIN)
    np.testing.assert_allclose(y, conv(x, weight, bias, **PLAIN), atol=1e-5)
    np.testing.assert_allclose(z, exact, atol=1e-5)


def test_views_in_any_order_are_taken_as_they_read() -> None:
    x, weight = operand((8, 9, 3, 2)).T, operand((3, 3, 3, 4)).T[:, :, ::-1]
    expected = conv(x.copy(), weight.copy(), **PLAIN)
    np.testing.assert_allclose(conv(x, weight, **PLAIN), expected, atol=1e-12)
    turned = weight.swapaxes(0, 1)
    expected = conv_transpose(x.copy(), turned.copy(), output_padding=(0, 0), **PLAIN)
    actual = conv_transpose(x, turned, output_padding=(0, 0), **PLAIN)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_operands_are_left_as_they_were() -> None:
    x, weight, bias = operand((2, 3, 9, 8)), operand((3, 3, 3, 3)), operand((3,))
    for array in (x, weight, bias):
        array.flags.writeable = False
    assert conv(x, weight, bias, **PLAIN).flags.writeable
    assert conv_transpose(x, weight, bias, output_padding=(0, 0), **PLAIN).flags.writeable


@pytest.mark.parametrize("wide", [5, 10**6], ids=["row by row", "tile by tile"])
def test_an_empty_batch_gives_an_empty_batch(monkeypatch: pytest.MonkeyPatch, wide: int) -> None:
    monkeypatch.setattr(tiles, "_WIDE", wide)
    x, weight = np.zeros((0, 3, 9, 8)), operand((3, 3, 3, 3))
    assert conv(x, weight, **PLAIN).shape == (0, 3, 7, 6)
    y = conv_transpose(x, weight, output_padding=(0, 0), **PLAIN)
    assert y.shape == (0, 3, 11, 10)


def test_output_padding_holds_values_and_not_zeros() -> None:
    x, weight = np.ones((1, 1, 2)), np.ones((1, 1, 3))
    layer: dict[str, Any] = {"stride": (2,), "dilation": (1,), "groups": 1}
    short = conv_transpose(x, weight, padding=[(1, 1)], output_padding=(0,), **layer)
    long = conv_transpose(x, weight, padding=[(1, 1)], output_padding=(1,), **layer)
    assert short.tolist() == [[[1, 2, 1]]]
    assert long.tolist() == [[[1, 2, 1, 1]]]


X, W = (2, 4, 5, 6), (6, 4, 3, 3)


@pytest.mark.parametrize(
    ("x", "weight", "change", "message"),
    [
        pytest.param(X, (6, 3, 3, 3), {}, "takes 3 channels, the input has 4", id="channels"),
        pytest.param(X, W, {"groups": 2}, "takes 8 channels, the input has 4", id="groups"),
        pytest.param(X, (5, 2, 3, 3), {"groups": 2}, "5 output channels", id="uneven groups"),
        pytest.param(X, W, {"groups": 0}, "groups must be 1 or more, not 0", id="no groups"),
        pytest.param(X, (6, 4, 6, 3), {}, "larger than the input (5, 6)", id="kernel too large"),
        pytest.param(X, W, {"dilation": (3, 1)}, "dilation (3, 1) is larger", id="dilated kernel"),
        pytest.param(X, W, {"stride": (0, 1)}, "stride (0, 1)", id="stride of zero"),
        pytest.param(X, W, {"stride": (1,)}, "each of 2 spatial axes", id="too few strides"),
        pytest.param(X, W, {"padding": [(0, -1), (0, 0)]}, "negative", id="negative padding"),
        pytest.param(X, (6, 4, 3), {}, "must both be (n, channels", id="ranks differ"),
        pytest.param((2, 4), (6, 4), {}, "must both be (n, channels", id="no spatial axis"),
        pytest.param((2, 0, 5, 6), W, {}, "must not be empty", id="no channels"),
    ],
)
def test_a_convolution_without_output_says_why(
    x: tuple[int, ...], weight: tuple[int, ...], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        conv(np.zeros(x), np.zeros(weight), **{**PLAIN, **change})


@pytest.mark.parametrize(
    ("weight", "change", "message"),
    [
        pytest.param((3, 6, 3, 3), {}, "takes 3 channels, input has 4", id="channels"),
        pytest.param((4, 2, 3, 3), {"groups": 3}, "4 input channels", id="uneven groups"),
        pytest.param((4, 6, 3, 3), {"padding": [(4, 3), (0, 0)]}, "size (0, 8)", id="all cropped"),
        pytest.param((4, 6, 3, 3), {"output_padding": (1,)}, "2 numbers", id="too few paddings"),
        pytest.param((4, 6, 3, 3), {"output_padding": (0, -1)}, "0 or more", id="negative"),
    ],
)
def test_a_transposed_convolution_without_output_says_why(
    weight: tuple[int, ...], change: dict[str, Any], message: str
) -> None:
    layer = {**PLAIN, "output_padding": (0, 0), **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        conv_transpose(np.zeros(X), np.zeros(weight), **layer)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "message"),
    [
        pytest.param("f4", "f8", None, "x is float32 and weight float64", id="weight of float64"),
        pytest.param("i8", "i8", None, "x is int64 and weight int64", id="integers"),
        pytest.param("f8", "f8", np.zeros(5), "bias of shape (5,) for 6", id="length of the bias"),
        pytest.param("f8", "f8", np.zeros(6, "f4"), "bias float32", id="bias of float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    x: str, weight: str, bias: Array | None, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        conv(np.zeros(X, x), np.zeros(W, weight), bias, **PLAIN)


@pytest.mark.parametrize(
    ("shape", "widths", "mode", "message"),
    [
        pytest.param((3,), [(3, 0)], "reflect", "axis 0 of size 3: at most 2", id="reflect"),
        pytest.param((2, 3), [(0, 4)], "wrap", "axis 1 of size 3: at most 3", id="wrap"),
        pytest.param((2, 0), [(0, 1)], "edge", "axis 1 of size 0: at most 0", id="edge of nothing"),
        pytest.param((3,), [(0, -1)], "constant", "must not be negative", id="negative"),
        pytest.param((3,), [(1, 1)] * 2, "edge", "2 pairs of widths", id="too many widths"),
        pytest.param((3,), [(1, 1)], "mirror", "'mirror' is none of", id="unknown mode"),
    ],
)
def test_padding_that_cannot_be_had_is_refused(
    shape: tuple[int, ...], widths: list[tuple[int, int]], mode: str, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        pad(np.zeros(shape), widths, mode)


def test_cropping_more_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot crop \(2, 2\) from axis 1 of size 3"):
        crop(np.zeros((5, 3)), [(2, 2)])


def test_large_images_are_worked_in_tiles_of_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []
    original = tiles._Scratch.empty

    def empty(self: tiles._Scratch, shape: tuple[int, ...]) -> Array:
        sizes.append(prod(shape))
        return original(self, shape)

    monkeypatch.setattr(tiles._Scratch, "empty", empty)
    monkeypatch.setattr(tiles, "_TILE", 1 << 16)
    x, weight = np.zeros((1, 8, 200, 100)), np.zeros((8, 8, 5, 5))
    conv(x, weight, **PLAIN)
    conv(x, weight, **{**PLAIN, "dilation": (2, 2)})
    conv_transpose(x, weight, output_padding=(0, 0), **PLAIN)
    assert len(sizes) > 6
    assert max(sizes) <= 4 * tiles._TILE
