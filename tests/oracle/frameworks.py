"""torch and MindSpore side by side: loading both, running a layer, copying weights, comparing.

The frameworks are imported inside the functions, so that these tests can be collected without them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapper.model.options import Options
from mapper.model.results import FileResult
from mapper.running.file import Task, process

Array = NDArray[Any]
Shape = tuple[int, ...]

TOLERANCE = 1e-4  # of the output's largest value, in float32
CLASSES = ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


def load() -> None:
    """Import both frameworks; MindSpore quiet, torch in one thread, which is faster here.

    Raises:
        ImportError: one of them is missing, or MindSpore meets a numpy it does not work with.
    """
    os.environ.setdefault("GLOG_v", "4")
    missing = [n for n in ("torch", "mindspore") if importlib.util.find_spec(n) is None]
    if missing:
        raise ImportError(f"{' and '.join(missing)} not installed")
    if int(np.__version__.partition(".")[0]) >= 2:
        raise ImportError(f"MindSpore 2.10 needs numpy below 2, not {np.__version__}")
    torch = importlib.import_module("torch")
    importlib.import_module("mindspore")
    torch.set_num_threads(1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a framework or the engine says when it raises."""

    error: str
    words: str


def attempt(function: Callable[..., Any], *arguments: object, **keywords: object) -> Any:
    """Return what the function returns, or the Refusal that it raises."""
    try:
        return function(*arguments, **keywords)
    except Exception as error:
        return Refusal(type(error).__name__, str(error).partition("\n")[0])


# --- migrating and importing source ---------------------------------------------------------------


def migrate(text: str, options: Options | None = None) -> FileResult:
    """Migrate a module's text along the path of the command line: bytes in, result out."""
    result = process(Task("module.py", text.encode()), options or Options(select=("conv",)))
    assert result.message is None, result.message
    assert result.after is not None
    return result


def import_text(folder: Path, name: str, text: str) -> ModuleType:
    """Write a module and import it."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- running --------------------------------------------------------------------------------------


def random_input(shape: Shape, seed: int = 0) -> Array:
    """Return random float32 numbers, the same every time."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run_torch(layer: Any, x: Array) -> Array:
    """Run a torch layer in float32; a float16 layer keeps its rounded weights."""
    import torch

    with torch.no_grad():
        result: Array = layer.float()(torch.from_numpy(x.copy())).numpy()
    return result


def run_mindspore(layer: Any, x: Array, dtype: object = None) -> Array:
    """Run a MindSpore layer; `dtype` is that of its input."""
    import mindspore

    y = layer(mindspore.Tensor(x, dtype) if dtype else mindspore.Tensor(x))
    result: Array = y.astype(mindspore.float32).asnumpy() if dtype else y.asnumpy()
    return result


def parameters_of(layer: Any) -> dict[str, Any]:
    """Return MindSpore's parameters by their names below the layer."""
    return dict(layer.parameters_and_names())


def copy_parameters(torch_layer: Any, layer: Any, paths: Mapping[str, str]) -> str:
    """Copy torch's weights to MindSpore's parameters; return what does not fit, or nothing."""
    import mindspore

    given = {name: p.detach().numpy() for name, p in torch_layer.named_parameters()}
    found = parameters_of(layer)
    if {paths.get(name, name) for name in given} != set(found):
        return f"parameters {sorted(found)} for torch's {sorted(given)} at {dict(paths)}"
    for name, value in given.items():
        parameter = found[paths.get(name, name)]
        shape = mindspore_shape(name, value.shape)
        if parameter.shape != shape:
            return f"{name} has shape {parameter.shape} instead of {shape}"
        parameter.set_data(mindspore.Tensor(value.reshape(shape).copy()))
    return ""


def mindspore_shape(name: str, shape: Shape) -> Shape:
    """Return MindSpore's shape of a torch parameter: 1-d weights have one more axis."""
    return (*shape[:2], 1, shape[2]) if name == "weight" and len(shape) == 3 else tuple(shape)


def disagreement(expected: Array, found: Array, tolerance: float = TOLERANCE) -> str:
    """Say how two outputs differ, or nothing."""
    if expected.shape != found.shape:
        return f"shape {found.shape} instead of {expected.shape}"
    if not expected.size:
        return ""
    worst = float(np.abs(expected.astype(np.float64) - found).max())
    scale = max(1.0, float(np.abs(expected).max()))
    return "" if worst <= tolerance * scale else f"values differ by up to {worst:.3g}"


# --- what a torch layer takes ---------------------------------------------------------------------


def input_shapes(layer: Any, batch: int = 2) -> Iterator[Shape]:
    """Yield input shapes for a torch convolution: the least legal size, an odd and an even one."""
    axes = _axes(layer)
    least = tuple(map(_least, axes))
    rank = len(least)
    odd = tuple((_least(axis) + axis.stride + 2 * i) | 1 for i, axis in enumerate(axes))
    even = tuple(n + (n & 1) + 2 * (rank - i) for i, n in enumerate(least))
    for size in (least, odd, even):
        yield (batch, layer.in_channels, *size)


@dataclass(frozen=True, slots=True)
class _Axis:
    dilated: int
    stride: int
    padding: int
    mode: str
    extra: int | None
    """The output_padding; None for a plain convolution."""


def _axes(layer: Any) -> list[_Axis]:
    kernel, stride, dilation = (_spread(layer, n) for n in ("kernel_size", "stride", "dilation"))
    dilated = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding: Sequence[int] = [d // 2 if layer.padding == "same" else 0 for d in dilated]
    if not isinstance(layer.padding, str):
        padding = _spread(layer, "padding")
    extra = _spread(layer, "output_padding") if layer.transposed else [None] * len(kernel)
    axes = zip(dilated, stride, padding, extra, strict=True)
    return [_Axis(d, s, p, layer.padding_mode, e) for d, s, p, e in axes]


def _spread(layer: Any, name: str) -> Shape:
    """Return one int per axis; torch keeps a tuple of one as it is."""
    rank = int(type(layer).__name__[-2])
    value = tuple(getattr(layer, name))
    return value * rank if len(value) == 1 else value


def _least(axis: _Axis) -> int:
    if axis.extra is not None:
        missing = 1 + 2 * axis.padding - axis.dilated - axis.extra
        return 1 + max(0, -(-missing // axis.stride))
    room = {"reflect": axis.padding + 1, "circular": axis.padding}.get(axis.mode, 1)
    return max(1, room, axis.dilated - 2 * axis.padding)


def obvious(layer: Any) -> Any:
    """Build the MindSpore layer that a person would write for a torch convolution."""
    import mindspore
    from mindspore import nn

    rank = int(type(layer).__name__[-2])
    name = f"Conv{rank}d" + ("Transpose" if layer.transposed else "")
    axes: dict[str, Any] = {n: _spread(layer, n) for n in ("kernel_size", "stride", "dilation")}
    padding: Any = tuple(p for p in _spread(layer, "padding") for _ in range(2))
    native = layer.transposed and rank == 3
    extra = {"output_padding": _spread(layer, "output_padding")} if native else {}
    if rank == 1:
        axes, padding = {n: v[0] for n, v in axes.items()}, padding[0]
    return getattr(nn, name)(
        layer.in_channels, layer.out_channels, **axes, pad_mode="pad", padding=padding,
        group=layer.groups, has_bias=layer.bias is not None,
        dtype=getattr(mindspore, str(layer.weight.dtype).removeprefix("torch.")), **extra,
    )  # fmt: skip


def fold(findings: Sequence[str], limit: int = 20) -> str:
    """Put the first findings into one message."""
    return "\n".join(["", *findings[:limit], f"({len(findings)} in all)"])


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Say whether one of the patterns occurs in the text."""
    return any(re.search(pattern, text) for pattern in patterns)
