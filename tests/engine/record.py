"""Write recorded.json: what real torch computes. Run with an interpreter that has torch.

Operands are never stored: `operand` makes the same ones from a shape on both sides.
"""

from __future__ import annotations

import json
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

# x, weight, stride, padding, dilation, groups; a transposed case has its output_padding behind.
CASES: dict[str, list[Any]] = {
    "1-d convolution": [(2, 4, 11), (6, 2, 3), (2,), (1,), (2,), 2],
    "2-d convolution, plain": [(2, 3, 7, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1],
    "2-d convolution, everything": [(1, 4, 9, 8), (6, 2, 3, 2), (2, 3), (2, 1), (2, 3), 2],
    "2-d depthwise convolution": [(2, 3, 6, 7), (6, 1, 3, 3), (1, 2), (1, 1), (1, 1), 3],
    "3-d convolution": [(1, 2, 5, 4, 6), (3, 2, 2, 3, 2), (1, 2, 2), (1, 1, 0), (2, 1, 1), 1],
    "1-d transposed": [(2, 4, 5), (4, 3, 4), (3,), (2,), (1,), 2, (2,)],
    "2-d transposed, plain": [(2, 3, 4, 5), (3, 2, 3, 3), (1, 1), (0, 0), (1, 1), 1, (0, 0)],
    "2-d transposed, output_padding > padding": [
        (1, 3, 4, 3), (3, 2, 2, 3), (3, 2), (0, 0), (1, 1), 1, (2, 1),
    ],
    "2-d transposed, everything": [
        (2, 4, 3, 4), (4, 3, 3, 2), (2, 3), (2, 1), (2, 2), 2, (1, 2),
    ],
    "3-d transposed": [
        (1, 2, 3, 2, 3), (2, 2, 2, 3, 2), (1, 2, 3), (0, 1, 1), (1, 1, 2), 1, (0, 1, 2),
    ],
}  # fmt: skip
PADS: dict[str, list[Any]] = {
    f"{mode} padding, {len(shape) - 2}-d": [shape, widths, mode]
    for mode in ("constant", "reflect", "edge", "wrap")
    for shape, widths in [((1, 2, 5), [(3, 1)]), ((1, 2, 4, 5), [(0, 2), (4, 3)])]
}


def operand(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return irregular numbers between -1 and 1 that any platform computes alike."""
    return np.asarray(
        [(i * i * 37 + i * 101 + 7) % 199 / 99.5 - 1 for i in range(prod(shape))]
    ).reshape(shape)


def main() -> None:
    """Compute every case with torch in float64."""
    import torch
    from torch.nn import functional

    def tensor(shape: tuple[int, ...]) -> Any:
        return torch.from_numpy(operand(shape))

    recorded = {}
    for name, (x, weight, stride, padding, dilation, groups, *op) in CASES.items():
        rank = len(stride)
        if op:
            call, bias = getattr(functional, f"conv_transpose{rank}d"), weight[1] * groups
            rest = [stride, padding, op[0], groups, dilation]
        else:
            call, bias = getattr(functional, f"conv{rank}d"), weight[0]
            rest = [stride, padding, dilation, groups]
        recorded[name] = call(tensor(x), tensor(weight), tensor((bias,)), *rest)
    names = {"edge": "replicate", "wrap": "circular"}
    for name, (x, widths, mode) in PADS.items():
        flat = list(chain(*reversed(widths)))
        recorded[name] = functional.pad(tensor(x), flat, names.get(mode, mode))
    figures = {
        name: {"shape": list(y.shape), "values": y.flatten().tolist()}
        for name, y in recorded.items()
    }
    lines = [f"{json.dumps(name)}: {json.dumps(figures[name])}" for name in figures]
    text = ",\n".join([f'"torch": {json.dumps(torch.__version__)}', *lines])
    Path(__file__).with_name("recorded.json").write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
