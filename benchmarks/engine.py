"""Time the engine beside torch, onnx.reference and scipy.signal: `python benchmarks/engine.py`.

Each stands in the table if it can be imported. All use the same threads (OPENBLAS_NUM_THREADS, by
default one for each core). To have torch 2.13 beside numpy 2, lend numpy to torch's environment:
`PYTHONPATH=<venv with numpy 2>/site-packages <python with torch> benchmarks/engine.py`.
"""

from __future__ import annotations

import math
import os
import sys
import time
import timeit
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

THREADS = int(os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1)))
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # or torch's threads spin into our time
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402

from mapper.proving.semantics.conv.arrays import conv, conv_transpose  # noqa: E402
from mapper.proving.semantics.conv.shapes import conv_shape  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[], Any]

SECONDS = 0.4  # for each contestant and round
ROUNDS = 2


class Layer(NamedTuple):
    """A layer of a known network, and the input that it sees there."""

    name: str
    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: int = 1
    transposed: bool = False


LARGE = Layer(
    "large example, 120 to 240, k 4", (1, 120, 1024, 640), (240, 120, 4, 4), (1, 1), (0, 0)
)
LAYERS = [
    Layer("ResNet-50 stem 7x7 /2", (1, 3, 224, 224), (64, 3, 7, 7), (2, 2), (3, 3)),
    Layer("ResNet-50 1x1 256 to 64", (1, 256, 56, 56), (64, 256, 1, 1), (1, 1), (0, 0)),
    Layer("ResNet-50 3x3 64", (1, 64, 56, 56), (64, 64, 3, 3), (1, 1), (1, 1)),
    Layer("ResNet-50 3x3 128 /2", (1, 128, 56, 56), (128, 128, 3, 3), (2, 2), (1, 1)),
    Layer("ResNet-50 1x1 1024 to 2048 /2", (1, 1024, 14, 14), (2048, 1024, 1, 1), (2, 2), (0, 0)),
    Layer("ResNet-50 3x3 512", (1, 512, 7, 7), (512, 512, 3, 3), (1, 1), (1, 1)),
    Layer("U-Net 1 to 64", (1, 1, 572, 572), (64, 1, 3, 3), (1, 1), (0, 0)),
    Layer("U-Net 64 to 64", (1, 64, 570, 570), (64, 64, 3, 3), (1, 1), (0, 0)),
    Layer("U-Net 512 to 1024", (1, 512, 30, 30), (1024, 512, 3, 3), (1, 1), (0, 0)),
    Layer("U-Net up 1024", (1, 1024, 28, 28), (1024, 512, 2, 2), (2, 2), (0, 0), 1, True),
    Layer("U-Net up 128", (1, 128, 196, 196), (128, 64, 2, 2), (2, 2), (0, 0), 1, True),
    Layer("R3D-18 stem", (1, 3, 16, 112, 112), (64, 3, 3, 7, 7), (1, 2, 2), (1, 3, 3)),
    Layer("R3D-18 64", (1, 64, 16, 56, 56), (64, 64, 3, 3, 3), (1, 1, 1), (1, 1, 1)),
    Layer("R3D-18 256", (1, 256, 4, 14, 14), (256, 256, 3, 3, 3), (1, 1, 1), (1, 1, 1)),
    Layer("HiFi-GAN first", (1, 80, 200), (512, 80, 7), (1,), (3,)),
    Layer("HiFi-GAN up 512, k 16 /8", (1, 512, 200), (512, 256, 16), (8,), (4,), 1, True),
    Layer("HiFi-GAN up 64, k 4 /2", (1, 64, 25600), (64, 32, 4), (2,), (1,), 1, True),
    Layer("HiFi-GAN 128, k 11, dilation 5", (1, 128, 12800), (128, 128, 11), (1,), (25,), 5),
    Layer("DCGAN G 512, batch 16", (16, 512, 8, 8), (512, 256, 4, 4), (2, 2), (1, 1), 1, True),
    Layer("DCGAN D 64, batch 16", (16, 64, 32, 32), (128, 64, 4, 4), (2, 2), (1, 1)),
]


def operands(layer: Layer, dtype: str = "float32") -> list[np.ndarray[Any, Any]]:
    """Return x, weight and bias."""
    random = np.random.default_rng(0)
    channels = layer.weight[1 if layer.transposed else 0]
    return [random.standard_normal(n).astype(dtype) for n in (layer.x, layer.weight, channels)]


def ours(layer: Layer, dtype: str = "float32") -> Run:
    """Return the engine's run of a layer."""
    arrays, rank = operands(layer, dtype), len(layer.stride)
    settings: dict[str, Any] = {
        "stride": layer.stride,
        "padding": [(p, p) for p in layer.padding],
        "dilation": (layer.dilation,) * rank,
        "groups": 1,
    }
    if layer.transposed:
        return lambda: conv_transpose(*arrays, output_padding=(0,) * rank, **settings)
    return lambda: conv(*arrays, **settings)


def with_torch(layer: Layer) -> Run | None:
    """Return torch's run of a layer, None without torch."""
    torch = importable("torch")
    if torch is None:
        return None
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    arrays, rank = [torch.from_numpy(a) for a in operands(layer)], len(layer.stride)
    if layer.transposed:
        call = getattr(torch, f"conv_transpose{rank}d")
        return lambda: call(*arrays, layer.stride, layer.padding, 0, 1, layer.dilation)
    call = getattr(torch, f"conv{rank}d")
    return lambda: call(*arrays, layer.stride, layer.padding, layer.dilation)


def with_scipy(layer: Layer) -> Run | None:
    """Return scipy's run of one output channel; it knows no stride, dilation or transposition."""
    signal = importable("scipy.signal")
    if signal is None or layer.transposed or layer.dilation > 1 or max(layer.stride) > 1:
        return None
    x, weight, _ = operands(layer)
    padded = np.pad(x[0], [(0, 0), *[(p, p) for p in layer.padding]])
    return lambda: signal.correlate(padded, weight[0], mode="valid")


def with_onnx(layer: Layer) -> Run | None:
    """Return the run of onnx's reference operator."""
    if importable("onnx.reference") is None:
        return None
    onnx = import_module("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(
        "ConvTranspose" if layer.transposed else "Conv",
        ["x", "w", "b"],
        ["y"],
        strides=layer.stride,
        pads=layer.padding * 2,
        dilations=[layer.dilation] * len(layer.stride),
        kernel_shape=layer.weight[2:],
    )
    inputs = [helper.make_tensor_value_info(name, floats, None) for name in "xwb"]
    output = helper.make_tensor_value_info("y", floats, None)
    model = helper.make_model(helper.make_graph([node], "layer", inputs, [output]))
    evaluator = onnx.reference.ReferenceEvaluator(model)
    feeds = dict(zip("xwb", operands(layer), strict=True))
    return lambda: evaluator.run(None, feeds)


def importable(name: str) -> Any:
    """Return the module, None if it is missing."""
    try:
        return import_module(name)
    except ImportError:
        return None


def best(run: Run) -> float:
    """Return the shortest time of a run, in seconds; the first one warms up."""
    run()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while not times or (time.perf_counter() < end and len(times) < 500):
        times.append(timeit.timeit(run, number=1))
    return min(times)


def duel(layer: Layer) -> tuple[float, float | None]:
    """Return our best time and torch's, taken in turns."""
    mine, theirs = ours(layer), with_torch(layer)
    rounds = [(best(mine), theirs and best(theirs)) for _ in range(ROUNDS)]
    times = [theirs for _, theirs in rounds if theirs is not None]
    return min(mine for mine, _ in rounds), min(times, default=None)


def once(run: Run | None, times: int = 1) -> float | None:
    """Return the time of a slow run, `times` over; None if it cannot be done."""
    if run is None:
        return None
    try:
        return timeit.timeit(run, number=1) * times
    except Exception:  # an operator that the reference lacks
        return None


def peak_memory() -> float:
    """Return the peak of the large example as a multiple of its input and output."""
    run = ours(LARGE)
    x, _, _ = operands(LARGE)
    tracemalloc.start()
    out = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float((peak + x.nbytes) / (x.nbytes + out.nbytes))


def tiny() -> tuple[float, float]:
    """Return microseconds of a convolution and a transposed one at the sizes of a proof."""
    x, two, one = (2, 3, 9, 8), (2, 2), (1, 1)
    runs = [
        ours(Layer("tiny", x, (4, 3, 3, 3), two, one), "float64"),
        ours(Layer("tiny", x, (3, 4, 3, 3), two, one, 1, True), "float64"),
    ]
    plain, transposed = (min(timeit.repeat(run, number=300, repeat=9)) / 300 * 1e6 for run in runs)
    return plain, transposed


def cell(value: float | None, scale: float = 1e3) -> str:
    return f"{'-':>10}" if value is None else f"{value * scale:10.2f}"


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def flops(layer: Layer) -> int:
    """Return twice the multiplications of a plain convolution."""
    padding = [(p, p) for p in layer.padding]
    dilation = (layer.dilation,) * len(padding)
    shape = conv_shape(
        layer.x,
        layer.weight,
        stride=layer.stride,
        padding=padding,
        dilation=dilation,
        groups=1,
    )
    return 2 * math.prod(shape) * math.prod(layer.weight[1:])


def table() -> None:
    """Print the twenty layers."""
    names = ["engine", "torch", "torch/eng", "onnx.ref", "scipy"]
    print(f"{'layer (ms)':32}" + "".join(f"{name:>10}" for name in names))
    ratios, ahead = [], []
    for layer in LAYERS:
        mine, theirs = duel(layer)
        ratio = theirs and theirs / mine
        small = not layer.transposed and flops(layer) < 2e9
        others = [
            once(with_onnx(layer)) if small else None,
            once(with_scipy(layer), layer.weight[0]) if small else None,
        ]
        columns = [cell(mine), cell(theirs), cell(ratio, 1), *map(cell, others)]
        print(f"{layer.name:32}{''.join(columns)}", flush=True)
        ratios += [ratio] if ratio else []
        ahead += [other / mine for other in others if other]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean of torch/engine {mean:.2f}, mark 0.5: {verdict(mean >= 0.5)}")
    if ahead:
        mean = math.exp(sum(map(math.log, ahead)) / len(ahead))
        print(f"ahead of onnx.reference and scipy {mean:.0f} times, mark 20: {verdict(mean >= 20)}")


def main() -> None:
    """Print everything."""
    torch = importable("torch")
    name = f"torch {torch.__version__}" if torch else "torch is missing: no comparison with it"
    print(f"numpy {np.__version__}, {name}, {THREADS} threads, float32")
    plain, transposed = tiny()
    print(f"tiny, float64: conv {plain:.0f} us, transposed {transposed:.0f} us, "
          f"mark 60: {verdict(max(plain, transposed) <= 60)}")  # fmt: skip
    memory = peak_memory()
    print(f"{LARGE.name}: peak {memory:.2f} x (input + output), mark 3: {verdict(memory <= 3)}")
    mine, theirs = duel(LARGE)
    print(f"{LARGE.name}: engine {mine:.2f} s", end="")
    print(f", torch {theirs:.2f} s, mark torch: {verdict(mine <= theirs)}" if theirs else "")
    table()
    print("onnx.reference and scipy: layers below 2 Gflop, once; scipy: one output channel, scaled")


if __name__ == "__main__":
    main()
