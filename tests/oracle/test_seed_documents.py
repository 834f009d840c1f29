"""The seed documents' own source, run as printed on torch and MindSpore; their inputs' names."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from typing import Any

import numpy as np
import pytest

from mapper.rulebook.loader import load
from tests.documents import OPERATOR, PAGES, SEEDS, Example, Row, examples, rows
from tests.oracle.frameworks import migrate

EXAMPLES = [example for seed in PAGES for example in examples(seed)]
INPUTS = [row for seed in (*PAGES, OPERATOR) for row in rows(seed) if row.kind == "input"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_the_documents_source_prints_what_it_says(example: Example) -> None:
    """Conv2d at 24×20 in place of 1024×640, which takes MindSpore minutes on a CPU."""
    for text, shape in zip((example.torch, example.mindspore), example.shapes, strict=True):
        if "1024, 640" in text:
            shape = (*shape[:2], shape[2] - 1000, shape[3] - 620)
        assert _run(text.replace("1024, 640", "24, 20"))[1].strip() == str(shape)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_the_migrated_call_computes_what_torch_computes(example: Example) -> None:
    """Conv2d's 120 to 240 channels at 1024×640 are taken at 24×20; ones for weights and biases."""
    import mindspore
    import torch

    text = example.torch.replace("1024, 640", "24, 20")
    names, _ = _run(text)
    layer = names.get("net") or names["m"]
    after: dict[str, Any] = {}
    exec(_to_the_layer(str(migrate(text).after)), after)
    written = after.get("net") or after["m"]
    for parameter in layer.parameters():
        torch.nn.init.ones_(parameter)
    for parameter in written.get_parameters():
        parameter.set_data(mindspore.ops.ones_like(parameter))
    (numbers,) = re.findall(r"np\.ones\([(\[]([\d, ]+)[)\]]\)", text)
    x = np.random.default_rng(0).standard_normal([int(n) for n in numbers.split(",")])
    with torch.no_grad():
        expected = layer(torch.tensor(x, dtype=torch.float32)).numpy()
    found = written(mindspore.Tensor(x, mindspore.float32)).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("row", INPUTS, ids=lambda row: row.id)
def test_the_inputs_go_by_the_documented_names(row: Row) -> None:
    import mindspore
    import torch
    from mindspore import nn, ops

    if row.seed == OPERATOR:
        operator = ops.Conv3DTranspose(2, 3, 2)
        dout, weight = (mindspore.Tensor(np.ones(shape, np.float32))
                        for shape in ((1, 2, 3, 3, 3), (2, 3, 2, 2, 2)))  # fmt: skip
        assert operator(dout, weight).shape == (1, 3, 4, 4, 4)
        if row.mindspore == "bias":
            with pytest.raises((TypeError, ValueError, RuntimeError)):
                operator(dout, weight, mindspore.Tensor(np.ones(3, np.float32)))
        return
    (rule,) = [r for r in load().rules if row.seed in [p.seed for p in r.provenance]]
    rank = rule.torch.rank
    x = np.ones((1, 2, *[4] * rank), np.float32)
    getattr(torch.nn, rule.torch.api.rpartition(".")[2])(2, 3, 2)(input=torch.from_numpy(x))
    layer = getattr(nn, rule.mindspore.api.rpartition(".")[2])(2, 3, 2, pad_mode="valid")
    layer(x=mindspore.Tensor(x))
    with pytest.raises(TypeError):
        layer(input=mindspore.Tensor(x))


def test_the_operators_example_prints_what_it_says() -> None:
    text = (SEEDS / OPERATOR).read_text(encoding="utf-8").partition("Examples\n")[2]
    lines = re.split(r"\s*>>>\s*", text)[1:]
    last, _, printed = lines[-1].partition("(output.shape) ")
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]), names)
    assert last == "print"
    assert str(tuple(names["output"].shape)) == printed.strip() == "(32, 3, 13, 37, 33)"


def _run(text: str) -> tuple[dict[str, Any], str]:
    """Execute a module's text; return its names and what it printed."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(text, names)
    return names, printed.getvalue()


def _to_the_layer(text: str) -> str:
    """Cut a module behind the layer: what follows is torch's still."""
    body = ast.parse(text).body
    bound = [ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else "" for node in body]
    last = next(i for i, name in enumerate(bound) if name in ("net", "m"))
    return ast.unparse(ast.Module(body[: last + 1], []))
