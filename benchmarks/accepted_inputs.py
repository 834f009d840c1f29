"""Finds inputs that a model takes in torch, by its first layers and by what torch says.

A part of the program `finding.py`.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import re
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import side
import torch

RUN = 15.0  # seconds that a model may take
SIZES = (32, 64, 16, 8, 128, 224, 256, 299)


class Late(BaseException):
    """Something took too long; no `except Exception` of a tree keeps it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `Late` once the time has passed."""

    def late(*_: Any) -> None:
        raise Late(f"more than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def as_input(value: Any) -> str:
    """Return a Tensor as `classes.py` and `tm2ms compare` read inputs."""
    shape = ",".join(map(str, value.shape))
    dtype = str(value.dtype).replace("torch.", "")
    if dtype == "float32":
        return shape or ":float32"
    below = (
        f"<{int(value.max()) + 1}" if dtype.startswith(("int", "uint")) and value.numel() else ""
    )
    return f"{shape}:{dtype}{below}"


def shapes(model: Any, expression: str) -> Iterator[tuple[str, ...]]:
    """Yield inputs that a model may take, by its first layers; the likely ones first."""
    count = required(model)
    numbers = [int(one) for one in re.findall(r"\b\d+\b", expression)]
    numbers += defaults(type(model))
    sizes = [*SIZES[:2], *(n for n in numbers if 16 <= n <= 320), *SIZES[2:]]
    sizes = list(dict.fromkeys(sizes))
    single: list[str] = []
    layers = [one for one in model.modules() if not list(one.children())]
    kinds = list(dict.fromkeys(type(one) for one in layers))[:4]
    for kind in kinds:
        first = next(one for one in layers if type(one) is kind)
        single += by_layer(first, sizes)
    channels = [n for n in dict.fromkeys([*numbers, 3, 1, 8, 64]) if 0 < n <= 512]
    single += [f"2,{n},16,16" for n in channels]
    single += [f"2,7,{n}" for n in channels] + [f"2,{n}" for n in channels]
    single += [f"2,{n},16" for n in channels]
    single = list(dict.fromkeys(single))
    yield from ((one,) * count for one in single)
    if count > 1:
        others = ["2", "2:int64", *single[:6], "2,7:int64"]
        for first in single[:6]:
            yield from ((first, *more) for more in itertools.product(others, repeat=count - 1))


def required(model: Any) -> int:
    """Return how many inputs a model needs."""
    try:
        found = inspect.signature(model.forward).parameters.values()
    except ValueError:  # it is compiled
        return 1
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return max(1, sum(one.default is one.empty and one.kind in usual for one in found))


def defaults(cls: type) -> list[int]:
    """Return the numbers that are defaults of a class's arguments."""
    with contextlib.suppress(TypeError, ValueError):
        found = inspect.signature(cls).parameters.values()
        return [one.default for one in found if type(one.default) is int]
    return []


def by_layer(layer: Any, sizes: Sequence[int]) -> list[str]:
    """Return the inputs that a layer may take as the first of a model."""
    nn = torch.nn
    rank = next((n for n in (1, 2, 3) if type(layer).__name__.endswith(f"{n}d")), 2)
    channels = getattr(layer, "in_channels", None) or getattr(layer, "num_features", None)
    if isinstance(layer, nn.Linear):
        size = layer.in_features
        sides = {channels: int((size / channels) ** 0.5) for channels in (1, 3)}
        if type(layer).__name__ == "NonDynamicallyQuantizableLinear":  # of an attention
            return [f"7,2,{size}", f"2,{size}"]
        images = [f"2,{channels},{n},{n}" for channels, n in sides.items()]
        return [f"2,{size}", f"2,7,{size}", f"2,3,5,{size}", f"2,{size},1,1", *images]
    if isinstance(layer, nn.Embedding):
        return ["2,7:int64", "2:int64"]
    if isinstance(layer, nn.RNNBase):
        return [f"2,7,{layer.input_size}"]
    if isinstance(layer, nn.LayerNorm):
        return ["2,7," + ",".join(map(str, layer.normalized_shape))]
    if isinstance(layer, nn.GroupNorm):
        channels, rank = layer.num_channels, 2
    if isinstance(channels, int) and channels > 0:
        if rank == 1:
            return [f"2,{channels},{n}" for n in (32, 256, 2000)] + [f"2,{channels}"]
        if rank == 3:
            return [f"2,{channels},{n}" for n in ("8,32,32", "16,64,64", "16,112,112")]
        return [f"2,{channels},{n},{n}" for n in sizes]
    return []


WANTED = (
    re.compile(r"to have (?P<wanted>\d+) channels?, but got (?P<got>\d+)"),
    re.compile(r"running_mean should contain (?P<got>\d+) elements not (?P<wanted>\d+)"),
)
PRODUCTS = re.compile(r"shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)")


def mended(inputs: tuple[str, ...], said: str) -> tuple[str, ...] | None:
    """Return inputs with the size that torch asks for in what it says."""
    for pattern in WANTED:
        if found := pattern.search(said):
            got, wanted = found["got"], found["wanted"]
            new = tuple(re.sub(rf"^(\d+),{got}\b", rf"\g<1>,{wanted}", one) for one in inputs)
            return new if new != inputs else None
    if found := PRODUCTS.search(said):
        new = tuple(re.sub(rf",{found[1]}$", f",{found[2]}", one) for one in inputs)
        return new if new != inputs else None
    return None


def values(inputs: Sequence[str], model: Any) -> list[Any]:
    """Return Tensors for inputs, drawn as the comparison draws them."""
    rows = [m.num_embeddings for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    random = np.random.default_rng(0)
    found = []
    for one in inputs:
        shape, _, kind = one.partition(":")
        kind, _, below = kind.partition("<")
        sizes = [int(n) for n in shape.split(",") if n]
        if kind == "bool":
            array = random.integers(0, 2, sizes).astype(bool)
        elif kind.startswith(("int", "uint")):
            array = np.asarray(random.integers(0, int(below or min(rows, default=10)), sizes))
            array = array.astype(kind)
        else:
            array = np.asarray(random.standard_normal(sizes)).astype(kind or "float32")
        found.append(torch.from_numpy(array))
    return found


def accepts(model: Any, inputs: tuple[str, ...]) -> bool:
    """Return whether a model can be trained with inputs; raises what torch says if it has none."""
    outputs = []
    with limited(RUN):
        for train in (False, True):
            model.train(train)
            with torch.set_grad_enabled(train):
                result = model(*values(inputs, model))
            outputs = [one for _, one in side.leaves(result, torch.is_tensor)]
            outputs = [one for one in outputs if torch.is_tensor(one)]
            if not any(one.numel() for one in outputs):
                raise ValueError("its forward returns no Tensor")
            if not all(torch.isfinite(one).all() for one in outputs if one.is_floating_point()):
                raise ValueError("its output is not finite")
        trained = [one.sum() for one in outputs if one.requires_grad and one.is_floating_point()]
        if trained:
            sum(trained).backward()
    return bool(trained)
