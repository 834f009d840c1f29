"""Makes programs that run with torch, from a number: functions, models, projects of several files.

What a program computes is computed along with it: an operation that torch refuses is drawn again.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from program_models import network

from tests.oracle.programs import Program

TRIES = 40
FLOATS = {"float32", "float64"}

UNARY = (
    "{x}.abs()", "{x}.exp()", "{x}.neg()", "-{x}", "{x}.sigmoid()", "{x}.tanh()", "{x}.relu()",
    "torch.relu({x})", "F.relu({x})", "F.relu({x}, inplace=True)", "F.gelu({x})", "F.silu({x})",
    "F.leaky_relu({x})", "F.leaky_relu({x}, 0.3)", "F.leaky_relu(negative_slope=0.1, input={x})",
    "F.elu({x})", "F.softplus({x})", "F.hardtanh({x}, -0.5, 0.7)", "torch.tanh({x})",
    "torch.sigmoid({x})", "{x}.clamp(-0.5, 0.5)", "{x}.clamp(min=0.1)", "{x}.clamp(max=0.1)",
    "torch.clamp({x}, min=-0.2, max=0.4)", "torch.clamp({x}, {f}, {f})", "{x}.square()",
    "{x}.pow(2)", "{x} ** 2", "torch.pow({x}, 2)", "{x}.round()", "{x}.floor()", "torch.ceil({x})",
    "{x}.sign()", "torch.sign({x})", "{x}.float()", "{x}.long()", "{x}.int()", "{x}.double()",
    "{x}.to(torch.float32)", "{x}.type_as({y})", "{x}.clone()", "{x}.detach()", "{x}.contiguous()",
    "{x}.sqrt()", "{x}.rsqrt()", "{x}.log()", "torch.log1p({x}.abs())", "{x}.reciprocal()",
    "{x}.cos()", "torch.sin({x})", "F.normalize({x}, dim={d})", "F.normalize({x}, p=1, dim={d})",
    "torch.zeros_like({x})", "torch.ones_like({x})", "torch.full_like({x}, 3)", "{x}.bool()",
    "F.dropout({x}, 0.5, training=False)", "F.dropout({x}, p=0.3, training=False)",
    "torch.isnan({x})", "{x}.isfinite()", "torch.nan_to_num({x})", "{x}.logical_not()",
    "F.hardswish({x})", "F.mish({x})", "F.selu({x})", "F.relu6({x})", "F.logsigmoid({x})",
    "F.threshold({x}, 0.1, 20)", "F.celu({x}, 0.7)", "F.softsign({x})", "F.tanhshrink({x})",
    "torch.erf({x})", "{x}.trunc()", "torch.abs({x})", "torch.neg({x})", "torch.exp({x}.clamp(max=3))",
)  # fmt: skip
BINARY = (
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / ({y}.abs() + 1)", "{x} // 2", "{x} % 2",
    "{x} + {n}", "{n} - {x}", "{x} * {f}", "1 / ({x}.abs() + 1)", "torch.add({x}, {y})",
    "torch.add({x}, {y}, alpha=2)", "{x}.add({y}, alpha=2)", "{x}.sub({y})", "torch.mul({x}, {y})",
    "torch.sub({x}, {y}, alpha=3)", "torch.maximum({x}, {y})", "torch.minimum({x}, {y})",
    "torch.max({x}, {y})", "torch.min({x}, {y})", "{x} > {y}", "{x} <= 0", "{x}.eq({y})", "{x} != {y}",
    "torch.where({x} > 0, {x}, {y})", "torch.where({x} > 0, {x}, 0.0)", "{x}.masked_fill({x} > 0, {f})",
    "{x}.mul({y})", "{x}.div({n} + 1)", "torch.div({x}, 3, rounding_mode='floor')",
    "torch.atan2({x}, {y})", "{x}.fmod(2)", "torch.remainder({x}, 3)", "{x}.lerp({y}, 0.3)",
    "torch.lerp({x}, {y}, 0.25)", "torch.eq({x}, {y})", "{x}.expand_as({y})", "{x}.view_as({y})",
    "{x}.reshape_as({y})", "torch.addcmul({x}, {y}, {y}, value=0.5)", "{x} & {y}", "{x} @ {y}.t()",
    "torch.matmul({x}, {y}.transpose(-1, -2))", "torch.mm({x}, {y}.t())", "{x}.matmul({y}.T)",
    "torch.bmm({x}, {y}.transpose(1, 2))", "F.mse_loss({x}, {y})", "F.l1_loss({x}, {y}, reduction='sum')",
    "F.smooth_l1_loss({x}, {y})", "F.smooth_l1_loss({x}, {y}, beta=0.5, reduction='none')",
    "F.cosine_similarity({x}, {y})", "F.cosine_similarity({x}, {y}, dim={d})",
    "torch.floor_divide({x}, 2)", "{x}.true_divide(3)", "torch.dot({x}.flatten(), {y}.flatten())",
    "F.linear({x}, {y})", "torch.logical_and({x} > 0, {y} > 0)", "F.binary_cross_entropy_with_logits({x}, {y}.sigmoid())",
)  # fmt: skip
REDUCING = (
    "{x}.sum()", "{x}.mean()", "{x}.sum({d})", "{x}.mean({d}, keepdim=True)", "{x}.sum(dim={d}, keepdim={b})",
    "torch.sum({x}, {d})", "torch.mean({x}, dim={d})", "torch.sum({x}, dim=(0, -1))", "{x}.mean((-1, 0))",
    "torch.mean({x}, keepdim=True, dim=[{d}])", "{x}.std()", "{x}.std({d})", "{x}.var({d}, unbiased=False)",
    "torch.std({x}, dim={d})", "torch.var({x}, {d}, keepdim=True)", "{x}.std(dim={d}, keepdim=True)",
    "torch.var({x}, unbiased=False)", "{x}.var()", "torch.var({x}, dim={d}, correction=0)",
    "{x}.max()", "{x}.min()", "{x}.argmax()", "{x}.argmax({d})", "torch.argmax({x}, dim={d})", "{x}.argmin(dim={d}, keepdim=True)",
    "{x}.max({d})[0]", "{x}.max({d}).values", "torch.max({x}, {d})[1]", "{x}.min({d}, keepdim=True)[0]",
    "torch.min({x}, dim={d}).indices", "{x}.amax({d})", "torch.amin({x}, dim={d}, keepdim=True)", "{x}.amax()",
    "{x}.prod({d})", "torch.prod({x})", "{x}.norm()", "{x}.norm(dim={d})", "{x}.norm(p=1, dim={d}, keepdim=True)",
    "torch.norm({x}, 2, {d})", "torch.norm({x}, dim=(0, 1))", "{x}.logsumexp({d})", "torch.logsumexp({x}, dim={d}, keepdim=True)",
    "{x}.all()", "{x}.bool().any({d})", "torch.any({x} > 0)", "{x}.cumsum({d})", "torch.cumsum({x}, dim={d})",
    "torch.cumprod({x}, {d})", "F.softmax({x}, dim={d})", "{x}.softmax({d})", "F.log_softmax({x}, {d})", "torch.softmax({x}, {d})",
    "F.softmin({x}, dim={d})", "{x}.log_softmax(dim={d})", "F.glu({x}, {d})", "{x}.median()", "{x}.count_nonzero()",
    "{x}.sum(0).sum(-1)", "{x}.sum(dtype=torch.float64)", "{x}.long().sum()", "{x}.int().sum({d})", "{x}.bool().sum()", "{x}.argsort({d})",
    "torch.argsort({x}, dim={d}, descending=True)",
)  # fmt: skip
SHAPING = (
    "{x}.view(-1)", "{x}.reshape(-1)", "{x}.flatten()", "{x}.flatten(1)", "torch.flatten({x})", "torch.flatten({x}, 1)",
    "torch.flatten({x}, start_dim={d})", "{x}.flatten(0, -2)", "{x}.view({x}.size(0), -1)", "{x}.reshape({x}.shape[0], -1)",
    "{x}.view({x}.shape)", "{x}.view(-1, {x}.size(-1))", "{x}.reshape((-1, 2))", "{x}.view(*{x}.shape[:-1], -1, 1)",
    "{x}.transpose({d}, {d})", "{x}.transpose(0, 1)", "{x}.transpose(-1, -2)", "torch.transpose({x}, 0, {d})", "{x}.t()", "{x}.T", "{x}.mT",
    "{x}.permute(2, 0, 1)", "{x}.permute(1, 0)", "{x}.permute(0, 2, 1)", "torch.permute({x}, (1, 0, 2))", "{x}.permute((0, 1, 2))",
    "{x}.unsqueeze({d})", "{x}.unsqueeze(-1)", "torch.unsqueeze({x}, dim=0)", "{x}.squeeze()", "{x}.squeeze({d})", "torch.squeeze({x}, 1)",
    "{x}[None]", "{x}[:, 0]", "{x}[..., -1]", "{x}[0]", "{x}[:, 1:]", "{x}[..., ::2]", "{x}[-1:]", "{x}[:, None]", "{x}[[0, 1]]",
    "{x}[{x} > 0]", "{x}.expand(3, *{x}.shape)", "{x}.expand(-1, 3, -1)", "{x}.unsqueeze(0).expand(2, -1, -1)", "{x}.repeat(2, 1)",
    "{x}.repeat(1, 2, 1)", "{x}.repeat((2, 1, 1))", "{x}.tile((2,))", "{x}.repeat_interleave(2, dim={d})", "torch.repeat_interleave({x}, 2)",
    "torch.flip({x}, [{d}])", "{x}.flip({d})", "{x}.flip(0, 1)", "torch.roll({x}, 1, {d})", "{x}.roll(1, {d})", "torch.roll({x}, 2)",
    "{x}.narrow({d}, 0, 1)", "torch.narrow({x}, {d}, 0, 2)", "{x}.select({d}, 0)", "{x}.index_select({d}, torch.tensor([0, 1]))",
    "torch.tril({x})", "{x}.triu(1)", "torch.diagonal({x})", "F.pad({x}, (1, 2))", "F.pad({x}, (1, 0, 2, 1), value={f})", "F.pad({x}, (0, 1), mode='replicate')",
    "F.pad({x}, (1, 1), 'reflect')", "F.pad({x}, (-1, 0))", "F.one_hot({x}.long().clamp(0, 4), 5)", "{x}.unflatten(-1, (-1, 2))", "torch.movedim({x}, 0, -1)",
    "{x}.unfold(-1, 2, 1)", "{x}.new_zeros(2, 3)", "{x}.new_full((2, 2), 1.5)", "{x}.gather({d}, {x}.long().clamp(0, 1))", "torch.gather({x}, {d}, {i})",
    "{x}.scatter({d}, {i}, 1.0)", "F.interpolate({x}.unsqueeze(0), scale_factor=2)", "F.interpolate({x}[None], size=7, mode='linear')",
    "F.interpolate({x}[None], scale_factor=2, mode='nearest')", "F.avg_pool1d({x}, 2)", "F.max_pool1d({x}, 2, stride=1)", "F.avg_pool2d({x}, 2)", "F.max_pool2d({x}, kernel_size=2, stride=1, padding=1)",
    "F.adaptive_avg_pool1d({x}, 2)", "F.adaptive_avg_pool2d({x}, (1, 1))", "F.layer_norm({x}, {x}.shape[-1:])", "F.layer_norm({x}, ({x}.size(-1),), eps=1e-3)",
    "F.group_norm({x}, {x}.size(1))", "F.instance_norm({x})", "F.batch_norm({x}, torch.zeros({x}.size(1)), torch.ones({x}.size(1)))", "F.pixel_shuffle({x}, 2)",
)  # fmt: skip
MAKING = (
    "torch.cat([{x}, {y}], dim={d})", "torch.cat(({x}, {x}), {d})", "torch.cat([{x}, {y}])", "torch.stack([{x}, {y}], {d})", "torch.stack(({x}, {x}), dim=-1)",
    "torch.zeros(2, 3)", "torch.ones({x}.shape)", "torch.zeros({x}.size(0), 2)", "torch.full((2, 3), 1.5)", "torch.full((2,), 2)", "torch.full([2, 2], True)",
    "torch.arange(4)", "torch.arange(0, 3, 0.5)", "torch.arange({x}.size(0)).float()", "torch.linspace(0, 1, 5)", "torch.eye(3)", "torch.tensor([1.0, 2.0])",
    "torch.tensor([[1, 2], [3, 4]])", "torch.tensor({f})", "torch.zeros(2, dtype=torch.long)", "torch.ones((2, 3), dtype=torch.float64)", "torch.arange(3, dtype=torch.float32)",
    "torch.meshgrid(torch.arange(2), torch.arange(3), indexing='ij')[0]", "torch.einsum('ij,kj->ik', {x}, {y})", "torch.outer(torch.arange(3), torch.arange(2))",
    "torch.cdist({x}, {y})", "torch.empty(0)", "torch.zeros_like({x}, dtype=torch.int64)", "{x}.new_tensor([1, 2])", "torch.as_tensor([1.5, 2])",
)  # fmt: skip
SEVERAL = (
    ("{x}.chunk(2, {d})", 2), ("torch.chunk({x}, 2, dim={d})", 2), ("{x}.split(1, {d})", 2), ("torch.split({x}, [1, 2], dim={d})", 2),
    ("{x}.split(2, dim=-1)", 2), ("torch.unbind({x})", 2), ("{x}.unbind({d})", 3), ("{x}.max({d})", 2), ("torch.max({x}, dim={d})", 2),
    ("{x}.sort({d})", 2), ("torch.sort({x}, dim={d}, descending=True)", 2), ("{x}.topk(2, {d})", 2), ("torch.topk({x}, k=1, dim={d})", 2),
    ("{x}.min({d}, keepdim={b})", 2), ("torch.var_mean({x}, {d})", 2), ("torch.std_mean({x})", 2), ("({x}, {y})", 2), ("({y} * 2, {x})", 2), ("{x}", 2),
    ("torch.median({x}, {d})", 2), ("torch.meshgrid({x}[0].flatten(), {y}[0].flatten(), indexing='ij')", 2), ("torch.tensor_split({x}, 2)", 2),
)  # fmt: skip
NUMBERS = (
    "{x}.size(0)", "{x}.size(-1)", "{x}.shape[-1]", "{x}.dim()", "{x}.numel()", "len({x})", "{x}.ndim", "{x}.shape.numel()", "len({x}.shape)", "{x}.size({d})",
    "{x}.sum().item()", "int({x}.max())", "float({x}.mean())", "list({x}.shape)", "tuple({x}.size())", "{x}.size() == {y}.size()", "{x}.is_floating_point()",
    "{x}.tolist()", "{x}.element_size()", "{x}.nelement()", "{x}.stride()", "{x}.is_contiguous()", "str({x}.shape[0])", "max({x}.shape)", "{x}.argmax().item()",
    "torch.is_tensor({x})", "isinstance({x}, torch.Tensor)", "isinstance({x}.size(), tuple)", "bool(({x} > 0).any())", "{x}.dtype == torch.float32", "math.prod({x}.shape)",
)  # fmt: skip
CHANGING = (
    "{x} += {y}", "{x} *= 2", "{x} -= {x}.mean()", "{x} /= 3", "{x}.add_({y})", "{x}.mul_(0.5)", "{x}.sub_(1)", "{x}.zero_()", "{x}.fill_({f})", "{x}.clamp_(min=0)",
    "{x}.clamp_(-1, 1)", "{x}.relu_()", "{x}[0] = 0", "{x}[:, 0] = {f}", "{x}[..., -1] += 1", "{x}[0].mul_(2)", "{x}[{x} > 0] = 0.5", "{x}.copy_({y})", "F.relu({x}, inplace=True)",
    "F.relu_({x})", "torch.relu_({x})", "{x}.masked_fill_({x} > 0, 2.0)", "{x}.exp_()", "{x}.neg_()", "{x}.abs_()", "{x}.unsqueeze_(0)", "{x}.squeeze_()", "{x}.transpose_(0, 1)", "{x}.t_()", "{x}.div_(2)",
    "{x}.sigmoid_()", "{x}.tanh_()", "{x}[1:] = {x}[:-1]", "{x}[0], {x}[1] = {x}[1], {x}[0]", "{x}.view(-1)[0] = 9", "{x}.data.mul_(2)", "{x}.data = {x}.data * 2", "{x}.index_add_(0, torch.tensor([0]), {x}[:1])",
    "{x}.scatter_({d}, {i}, 2.0)", "{x}.floor_()", "{x}.sqrt_()", "{x}.pow_(2)", "{x}.lerp_({y}, 0.5)", "{x}.detach_()", "{x}.t()[0] = 5", "{x}.transpose(0, 1).add_(1)", "{x}.flatten()[0] = 7", "{x}.reshape(-1).mul_(2)",
    "{x}.diagonal().fill_(1)", "{x}.narrow(0, 0, 1).zero_()", "torch.add({x}, 1, out={x})", "{x}.sum(0, keepdim=True).add_(1)", "{x}.expand(2, *{x}.shape)[0]", "del {x}", "{x}, {y} = {y}, {x}", "{x}.contiguous().add_(1)", "{x}.to(torch.float32).mul_(3)", "{x}.float().add_(1)",
)  # fmt: skip
BLOCKS = (
    "if {x}.sum() > 0:\n        {a}", "if {x}.dim() == 2:\n        {a}\n    else:\n        {z}", "for i in range(2):\n        {a}", "for part in {x}:\n        {y} = {y} + part.sum()",
    "for i, part in enumerate({x}.unbind(0)):\n        {y} = {y} + part.mean() * i", "while {x}.abs().max() > 3:\n        {x} = {x} / 2", "if {x}.shape[-1] == 4 and flag:\n        {a}", "if flag:\n        {x} = {x} * 2\n    elif n > 1:\n        {z}",
    "with torch.no_grad():\n        {a}", "parts = [p * 2 for p in {x}]\n    {x} = torch.stack(parts)", "{x} = sum([{x}, {x}])", "{x} = {x} if flag else {y}", "assert {x}.size(0) > 0", "parts = []\n    parts.append({x})\n    parts.append({y} * 1)\n    {x} = parts[-1] + parts[0].mean()",
    "stats = {{'m': {x}.mean(), 'x': {x}}}\n    {y} = {y} * stats['m']", "try:\n        {a}\n    except RuntimeError:\n        pass", "inner = lambda t: t.sum(-1)\n    {y} = {y} + inner({x}).mean()", "{x}, last = ({x} + 1, {x})", "{y} = {x}\n    {y} += 1", "{y} = {x}.view(-1)\n    {y}[0] = 3",
    "{y} = {x}[0]\n    {y}.add_(1)", "{y} = {x}.detach()\n    {y}.mul_(2)", "{y} = ({x} := {x} + 1) * 2",
)  # fmt: skip
SIGNATURES = (
    "x: torch.Tensor, y: torch.Tensor, i: torch.Tensor, m: torch.Tensor, n=2, d: int = -1, f=0.5, flag=True",
    "x, y, i, m, n=2, d=-1, f=0.5, flag=True",
)
SHADOWED = (
    "sum",
    "max",
    "list",
    "input",
    "len",
    "range",
    "int",
    "tuple",
    "abs",
    "min",
    "isinstance",
    "dict",
    "type",
    "F2",
    "ops",
    "ms",
    "mindspore",
    "mint",
    "Tensor",
)


@dataclass(slots=True)
class Text:
    """A function body that grows; `names` are live values of torch's."""

    draw: random.Random
    names: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def tensors(self) -> list[str]:
        """Return the names that hold Tensors."""
        import torch

        return [n for n, v in self.names.items() if isinstance(v, torch.Tensor) and n != "i"]

    def filled(self, form: str) -> str:
        """Return a form with names and numbers in place."""
        draw = self.draw
        names = self.tensors()
        x = draw.choice(names[-4:] if draw.random() < 0.6 else names)
        y = draw.choice(names)
        chosen = {
            "x": x, "y": y, "i": "i", "b": draw.choice(["True", "False", "flag"]),
            "f": draw.choice(["0.5", "f", "-1.5", "2", "f * 2"]), "n": draw.choice(["2", "n", "n + 1", "3"]),
            "a": f"{x} = {x} * 2", "z": f"{x} = {x} + {y}.mean()",
        }  # fmt: skip
        while "{d}" in form:
            form = form.replace("{d}", draw.choice(["0", "1", "-1", "-2", "d", "d", "2"]), 1)
        return form.format(**chosen)

    def add(self, line: str) -> bool:
        """Add a line that torch executes; say whether it did."""
        import torch

        copies = dict(self.names)
        try:
            exec("def _():\n    pass\n" + line.replace("\n    ", "\n"), copies)
        except Exception:
            self._restore()
            return False
        for name, value in copies.items():
            if isinstance(value, torch.Tensor) and name != "_" and not _is_usable(value):
                self._restore()
                return False
        self.lines.append(line)
        self._restore()
        return True

    def _restore(self) -> None:
        """Compute all lines again: one that was given up may have changed something in place."""
        names = _start()
        names.update(
            {k: v for k, v in self.names.items() if not hasattr(v, "numel") and k not in names}
        )
        import torch

        torch.manual_seed(0)
        for line in self.lines:
            with contextlib.suppress(Exception):
                exec(line.replace("\n    ", "\n"), names)
        self.names = {k: v for k, v in names.items() if k != "__builtins__" and k != "_"}


def _is_usable(value: Any) -> bool:
    import torch

    if value.numel() > 600 or value.numel() == 0 or value.dim() > 5 or value.is_complex():
        return False
    return bool(torch.isfinite(value.double()).all()) and float(value.double().abs().max()) < 1e4


def _inputs() -> tuple[np.ndarray[Any, Any], ...]:
    random_ = np.random.default_rng(5)
    return (
        random_.standard_normal((2, 3, 4)).astype(np.float32),
        random_.standard_normal((2, 3, 4)).astype(np.float32),
        random_.integers(0, 2, (2, 3, 4)),
        random_.standard_normal((3, 4)).astype(np.float32),
    )


def _start() -> dict[str, Any]:
    import math

    import torch
    import torch.nn.functional as F  # noqa: N812
    from torch import nn

    x, y, i, m = (torch.from_numpy(one.copy()) for one in _inputs())
    return {"torch": torch, "nn": nn, "F": F, "math": math, "x": x, "y": y, "i": i, "m": m,
            "n": 2, "d": -1, "f": 0.5, "flag": True}  # fmt: skip


def function(draw: random.Random) -> Program:
    """Make a function of Tensors, which another function calls, perhaps out of another file."""
    text = Text(draw, _start())
    text._restore()
    size = draw.choice([1, 2, 2, 3, 3, 4, 6])
    tries = 0
    while len(text.lines) < size and tries < TRIES:
        tries += 1
        kind = draw.random()
        new = f"v{len(text.lines)}"
        if kind < 0.55:
            form = draw.choice(
                draw.choice((UNARY, BINARY, REDUCING, SHAPING, SHAPING, REDUCING, MAKING))
            )
            inner = text.filled(form)
            name = new if draw.random() < 0.7 else draw.choice(text.tensors()[-3:])
            text.add(f"{name} = {inner}")
        elif kind < 0.67:
            form, count = draw.choice(SEVERAL)
            names = ", ".join(f"{new}{'abc'[k]}" for k in range(count))
            text.add(f"{names if count > 1 else new} = {text.filled(form)}")
        elif kind < 0.74:
            text.add(f"k{len(text.lines)} = {text.filled(draw.choice(NUMBERS))}")
        elif kind < 0.88:
            text.add(text.filled(draw.choice(CHANGING)))
        else:
            text.add(text.filled(draw.choice(BLOCKS)))
    made = [n for n in text.names if n[0] in "vk" and n[1:2].isdigit()]
    results = ", ".join([*made, *[n for n in ("x", "y", "m") if n in text.names]])
    signature = draw.choice([*SIGNATURES[:1] * 2, *SIGNATURES[:2]])
    lines = "\n    ".join(text.lines)
    imports = draw.choice([
        "import math\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n",
        "import math\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n",
        "import math, torch\nfrom torch.nn import functional as F\n",
    ])  # fmt: skip
    body = f"{imports}\n\ndef work({signature}):\n    {lines}\n    return [{results}]\n"
    shadow = draw.choice(SHADOWED)
    if draw.random() < 0.2:
        body = body.replace("def work(", f"{shadow} = None\n\n\ndef work(", 1) if not any(
            f"{shadow}(" in line for line in text.lines) else body  # fmt: skip
    call = draw.choice([
        "work(x, y, i, m)", "work(x, y, i, m, 2, -1)", "work(m=m, i=i, y=y, x=x)", "work(x, y, i, m, d=-1, f=0.5, flag=True, n=2)",
    ])  # fmt: skip
    run = f"\n\ndef run(x, y, i, m):\n    return {call}\n"
    if draw.random() < 0.6:
        return Program({"main.py": body + run}, _inputs())
    how = draw.choice(["from functions import *", "from functions import work", "import functions"])
    call = call.replace("work(", "functions.work(") if how == "import functions" else call
    main = f"{how}\n\n\ndef run(x, y, i, m):\n    return {call}\n"
    return Program({"functions.py": body, "main.py": main}, _inputs())


# --- models ---------------------------------------------------------------------------------------

LAYERS_4D = (
    "nn.Conv2d({c}, {o}, {k}, padding={p})", "nn.Conv2d({c}, {o}, kernel_size={k}, stride=2, padding=1, bias={b})", "nn.Conv2d({c}, {c}, 3, 1, 1, groups={c})",
    "nn.Conv2d({c}, {o}, (3, 1), padding=(1, 0))", "nn.Conv2d({c}, {o}, 3, padding='same')", "nn.Conv2d({c}, {o}, 3, padding=1, padding_mode='reflect')", "nn.Conv2d({c}, {o}, 3, padding={p}, padding_mode='circular', dilation=1)",
    "nn.Conv2d(in_channels={c}, out_channels={o}, kernel_size=1)", "nn.Conv2d({c}, {o}, 3, 1, k // 2, dilation=k - 2, bias=False)", "nn.ConvTranspose2d({c}, {o}, 2, 2)", "nn.ConvTranspose2d({c}, {o}, 3, 2, 1, 1)", "nn.ConvTranspose2d({c}, {o}, {k}, stride=2, padding={p}, bias={b})",
    "nn.BatchNorm2d({c})", "nn.BatchNorm2d({c}, momentum=0.3, eps=1e-3)", "nn.BatchNorm2d({c}, affine=False)", "nn.BatchNorm2d({c}, 1e-4, 0.05, {b})", "nn.BatchNorm2d({c}, track_running_stats=False)", "nn.GroupNorm(2, {c})", "nn.GroupNorm(num_channels={c}, num_groups=1, affine=False)",
    "nn.InstanceNorm2d({c})", "nn.InstanceNorm2d({c}, affine=True)", "nn.MaxPool2d(2)", "nn.MaxPool2d(3, 1, 1)", "nn.MaxPool2d(2, ceil_mode=True)", "nn.AvgPool2d(2)", "nn.AvgPool2d(3, stride=1, padding=1)", "nn.AvgPool2d(3, 2, 1, count_include_pad=False)", "nn.AdaptiveAvgPool2d(3)", "nn.AdaptiveAvgPool2d((1, 1))",
    "nn.AdaptiveMaxPool2d(2)", "nn.Upsample(scale_factor=2)", "nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)", "nn.Upsample(size=(6, 5))", "nn.Upsample(scale_factor=1.5, mode='bilinear')", "nn.ZeroPad2d(1)", "nn.ReflectionPad2d((1, 0, 1, 1))", "nn.ReplicationPad2d(1)", "nn.ConstantPad2d(1, 0.5)",
    "nn.PixelUnshuffle(1)", "nn.Dropout2d(0.0)", "nn.LocalResponseNorm(3)", "nn.Softmax2d()", "nn.Flatten()", "nn.Flatten(2)", "nn.LayerNorm(5)", "nn.ChannelShuffle(2)", "nn.PReLU({c})", "nn.UpsamplingNearest2d(scale_factor=2)", "nn.LPPool2d(2, 2)",
)  # fmt: skip
LAYERS = (
    "nn.ReLU()", "nn.ReLU(inplace=True)", "nn.ReLU({b})", "nn.LeakyReLU()", "nn.LeakyReLU(0.2, inplace=True)", "nn.LeakyReLU(negative_slope=a)", "nn.ELU()", "nn.ELU(0.5)", "nn.GELU()", "nn.GELU('tanh')", "nn.SiLU(inplace=True)", "nn.Sigmoid()", "nn.Tanh()", "nn.Hardtanh(-0.5, 2)",
    "nn.Softplus()", "nn.PReLU()", "nn.Softmax(dim={d})", "nn.LogSoftmax(1)", "nn.Hardswish()", "nn.Hardsigmoid()", "nn.ReLU6()", "nn.Identity()", "nn.Identity(3, a=1)", "nn.Dropout(0.0)", "nn.Mish()", "nn.CELU(0.3)", "nn.SELU()", "nn.Threshold(0.1, 2)", "nn.Softsign()", "nn.Hardshrink()", "nn.Softshrink(a)", "nn.LogSigmoid()", "nn.Tanhshrink()", "nn.GLU({d})", "act()", "nn.Softmin(dim=1)",
)  # fmt: skip
LAYERS_LAST = (
    "nn.Linear({l}, {o})", "nn.Linear({l}, {o}, bias={b})", "nn.Linear(in_features={l}, out_features=3)", "nn.Linear({l}, {l}, False)", "nn.LayerNorm({l})", "nn.LayerNorm(({l},), eps=a)", "nn.LayerNorm({l}, elementwise_affine=False)",
)  # fmt: skip
LAYERS_3D = (
    "nn.Conv1d({c}, {o}, 3, padding=1)", "nn.Conv1d({c}, {o}, {k}, padding={p}, padding_mode='replicate')", "nn.ConvTranspose1d({c}, {o}, 3, 2, 1, 1)", "nn.BatchNorm1d({c})", "nn.MaxPool1d(2)", "nn.AvgPool1d(2, 1)", "nn.AdaptiveAvgPool1d(2)", "nn.GroupNorm(1, {c})", "nn.Flatten()", "nn.Upsample(scale_factor=2, mode='linear')",
    "nn.InstanceNorm1d({c})", "nn.Conv1d({c}, {c}, 2, groups={c}, bias={b})", "nn.LSTM({l}, 3, batch_first=True)", "nn.GRU({l}, 3, num_layers=2, batch_first=True)", "nn.GRU({l}, 2, batch_first=True, bidirectional=True)", "nn.RNN({l}, 3)", "nn.ReplicationPad1d(1)", "nn.AdaptiveMaxPool1d(1)", "nn.Dropout1d(0.0)", "nn.MultiheadAttention({l}, 1, batch_first=True)", "nn.TransformerEncoderLayer({l}, 1, 8, 0.0, batch_first=True)",
)  # fmt: skip
LAYERS_2D = (
    "nn.BatchNorm1d({l})",
    "nn.BatchNorm1d({l}, affine={b})",
    "nn.Unflatten(1, ({l}, 1))",
    "nn.GroupNorm(1, {l})",
)
BETWEEN = (
    "x = F.relu(x)", "x = F.relu(x, inplace=True)", "x = x + 1", "x += 1", "x = x * self.scale", "x = x.flatten(1)", "x = x.view(x.size(0), -1)", "x = torch.flatten(x, 1)", "x = x.mean(-1)", "x = x.mean([2, 3])", "x = x.transpose(1, 2)", "x = x.permute(0, 2, 3, 1)", "x = F.dropout(x, 0.5, self.training and False)", "x = F.dropout(x, p=0.0)",
    "x = torch.cat([x, x], 1)", "x = torch.cat((x, x * 2), dim=-1)", "x = x[:, :2]", "x = x.unsqueeze(1)", "b, c, h, w = x.size()\n        x = x.view(b, h, c * w)", "x = F.max_pool2d(x, 2)", "x = F.avg_pool2d(x, x.size()[2:])", "x = F.adaptive_avg_pool2d(x, 1)", "x = F.interpolate(x, scale_factor=2, mode='nearest')", "x = F.interpolate(x, size=x.shape[2:], mode='bilinear', align_corners=False)",
    "x = x / x.norm(dim=1, keepdim=True)", "x = F.normalize(x)", "y = x\n        y += 1", "y = x.clone()\n        x = y.add_(x)", "x = self._act(x)", "x = helper(x)", "x = helper(x, dim=-1)", "self.seen += 1", "self.avg = 0.9 * self.avg + 0.1 * x.detach().mean()", "x = x - self.avg", "x = x + self.bias_", "x, _ = x.max(1, keepdim=True)", "x = x.softmax(-1)", "x = torch.sigmoid(x) * x", "x = F.pad(x, (1, 1))", "x = x.reshape(-1, x.shape[-1])", "if self.training:\n            x = x * 1.5", "x = x.squeeze(-1)", "x = checkpoint(x) if False else x", "for f in (F.relu, torch.tanh):\n            x = f(x)", "x = x.std(1, keepdim=True) + x", "x[:, 0] = 0", "x = x.clamp_(-2, 2)", "x = F.leaky_relu(x, self.slope)", "x = x.contiguous().view(x.shape[0], -1)", "x = F.linear(x, self.weight_)", "x = x.chunk(2, dim=1)[0]",
)  # fmt: skip
OWN_INIT = (
    "self.scale = nn.Parameter(torch.ones(1))", "self.scale = 0.5", "self.register_buffer('scale', torch.tensor(2.0))", "self.scale = nn.Parameter(torch.full((1,), 3.0), requires_grad=False)", "self.scale = torch.tensor(1.5)",
)  # fmt: skip


@dataclass(slots=True)
class Network:
    """A model that grows with its live value."""

    draw: random.Random
    value: Any
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    count: int = 0

    def layer(self) -> str:
        """Return the text of a layer for the value as it is."""
        draw, shape = self.draw, tuple(self.value.shape)
        groups = [LAYERS, LAYERS_LAST]
        groups += {4: [LAYERS_4D] * 4, 3: [LAYERS_3D] * 3, 2: [LAYERS_2D, LAYERS_LAST]}.get(
            len(shape), []
        )
        c, last = shape[1] if len(shape) > 1 else shape[0], shape[-1]
        return draw.choice(draw.choice(groups)).format(
            c=draw.choice([str(c), "c"]) if c == 4 else c, l=last, o=draw.choice(["4", "c", "c * 2", "6", "c // 2"]),
            k=draw.choice(["3", "k", "1"]), p=draw.choice(["1", "k // 2", "p", "0"]), b=draw.choice(["True", "False", "bias", "not bias"]),
            d=draw.choice(["1", "-1"]),
        )  # fmt: skip


PARAMETERS = "c=4, k=3, p=1, a=0.1, bias=True, act=nn.ReLU"


def model(draw: random.Random) -> Program | None:
    """Make a class with layers, its forward, perhaps a base or parts in another file."""
    import torch

    shape = draw.choice([(2, 4, 6, 5), (2, 4, 6, 5), (2, 4, 6), (3, 4)])
    value = np.random.default_rng(7).standard_normal(shape).astype(np.float32)
    net = Network(draw, torch.from_numpy(value.copy()))
    own = draw.choice(OWN_INIT)
    init = [
        own,
        "self.seen = 0",
        "self.register_buffer('avg', torch.zeros(1))",
        "self.bias_ = nn.Parameter(torch.zeros(1))",
        "self.slope = a",
        "self._act = act()",
    ]
    used: list[str] = []
    size = draw.choice([1, 2, 2, 3, 3, 4, 5])
    tries = 0
    while len(net.forward) < size and tries < TRIES:
        tries += 1
        before = list(net.init), list(net.forward)
        name = f"l{len(net.init)}"
        kind = draw.random()
        if kind < 0.45:
            net.init.append(f"self.{name} = {net.layer()}")
            net.forward.append(f"x = self.{name}(x)")
            if any(word in net.init[-1] for word in ("LSTM", "GRU", "RNN", "Attention")):
                net.forward[-1] = (
                    f"x, _ = self.{name}({'x, x, x' if 'Attention' in net.init[-1] else 'x'})"
                )
        elif kind < 0.6:
            inside = []
            probe = Network(draw, net.value)
            for _ in range(draw.randint(1, 4)):
                one = probe.layer()
                with contextlib.suppress(Exception):
                    value_ = _layer(one)(probe.value)
                    if isinstance(value_, torch.Tensor):
                        probe.value = value_
                        inside.append(one)
            joined = draw.choice(
                [
                    ", ".join(inside),
                    "*[" + ", ".join(inside) + "]",
                    "OrderedDict(["
                    + ", ".join(f"('a{j}', {t})" for j, t in enumerate(inside))
                    + "])",
                ]
            )
            net.init.append(f"self.{name} = nn.Sequential({joined})")
            net.forward.append(f"x = self.{name}(x)")
        elif kind < 0.68:
            one = net.layer()
            net.init.append(draw.choice([
                f"self.{name} = nn.ModuleList([{one} for _ in range(2)])", f"self.{name} = nn.ModuleList([{one}, {one}])",
                f"self.{name} = nn.ModuleList()\n        for i in range(2):\n            self.{name}.append({one})",
                f"layers = []\n        for i in range(2):\n            layers.append({one})\n            layers += [nn.ReLU(inplace=True)]\n        self.{name} = nn.Sequential(*layers)",
            ]))  # fmt: skip
            net.forward.append(f"x = self.{name}(x)" if "Sequential" in net.init[-1] else draw.choice([
                f"for layer in self.{name}:\n            x = layer(x)", f"for i in range(len(self.{name})):\n            x = self.{name}[i](x)", f"for i, layer in enumerate(self.{name}):\n            x = layer(x) + i",
            ]))  # fmt: skip
        elif kind < 0.74 and used:
            again = draw.choice(used)
            net.forward.append(
                draw.choice(
                    [
                        f"x = self.{again}(x)",
                        f"x = x + self.{again}(x)",
                        f"x = self.{again}.forward(x)",
                    ]
                )
            )
        elif kind < 0.78 and used:
            again = draw.choice(used)
            net.init.append(
                draw.choice(
                    [f"self.{name} = self.{again}", f"self.{name} = copy.deepcopy(self.{again})"]
                )
            )
            net.forward.append(f"x = self.{name}(x)")
        elif kind < 0.8 and used:
            again = draw.choice(used)
            first = next(t for t in net.init if t.startswith(f"self.{again} ="))
            net.init += [
                first.replace(f"self.{again} =", f"self.{name} ="),
                f"self.{name}.weight = self.{again}.weight",
            ]
            net.forward.append(f"x = self.{name}(x)")
        else:
            net.forward.append(draw.choice(BETWEEN))
        found = _tried(init + net.init, net.forward, value)
        if found is None:
            net.init, net.forward = before
            continue
        net.value = found
        if len(net.init) > len(before[0]) and net.init[-1].startswith(f"self.{name} = nn."):
            used.append(name)
    if not net.forward:
        return None
    return _model_program(draw, init, net, value)


def _layer(text: str) -> Any:
    import torch
    from torch import nn

    return eval(
        text,
        {"nn": nn, "torch": torch, "c": 4, "k": 3, "p": 1, "a": 0.1, "bias": True, "act": nn.ReLU},
    )


HELPER = "def helper(x, dim=1):\n    return x - x.mean(dim=dim, keepdim=True)\n"
HEADS = (
    "import copy\nfrom collections import OrderedDict\n\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n",
    "import copy\nfrom collections import OrderedDict\n\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n",
    "import copy\nimport torch.nn.functional as F\nimport torch\nfrom collections import OrderedDict\nimport torch.nn as nn\n",
)


def _class(
    init: list[str],
    forward: list[str],
    base: str = "nn.Module",
    name: str = "Model",
    parameters: str = PARAMETERS,
) -> str:
    lines = "\n        ".join(init)
    steps = "\n        ".join(forward)
    return (
        f"class {name}({base}):\n    def __init__(self, {parameters}):\n        super().__init__()\n        {lines}\n\n"
        f"    def forward(self, x):\n        {steps}\n        return x\n"
    )


def _tried(init: list[str], forward: list[str], value: Any) -> Any:
    """Return what the model computes, or None where torch refuses it."""
    import torch

    text = f"{HEADS[0]}\n{HELPER}\n{_class(init, forward)}"
    names: dict[str, Any] = {}
    try:
        exec(text, names)
        built = names["Model"]()
        with torch.no_grad():
            built.train()
            built(torch.from_numpy(value.copy()))
            built.eval()
            found = built(torch.from_numpy(value.copy()))
    except Exception:
        return None
    if not isinstance(found, torch.Tensor) or not _is_usable(found) or found.dim() < 1:
        return None
    return found


def _model_program(draw: random.Random, init: list[str], net: Network, value: Any) -> Program:
    head = draw.choice(HEADS)
    kind = draw.random()
    built = draw.choice(
        [
            "Model()",
            "Model(4, 3)",
            "Model(k=3, c=4)",
            "Model(bias=True, act=nn.ReLU)",
            "Model(4, 3, 1, 0.1, True)",
        ]
    )
    build = f"\n\ndef build():\n    return {built}\n"
    whole = _class(init + net.init, net.forward)
    trains = not any("random" in t for t in net.init)
    inputs = (value,)
    if kind < 0.45:
        return Program({"main.py": f"{head}\n\n{HELPER}\n\n{whole}{build}"}, inputs, trains=trains)
    if kind < 0.6:  # the model in another file
        how = draw.choice(["from network import *", "from network import Model", "import network"])
        call = built if how != "import network" else f"network.{built}"
        main = f"from torch import nn\n{how}\n\n\ndef build():\n    return {call}\n"
        return Program(
            {"network.py": f"{head}\n\n{HELPER}\n\n{whole}", "main.py": main}, inputs, trains=trains
        )
    if kind < 0.75:  # a base class in another file
        base = _class(init, ["pass"], name="Base").replace(
            "        pass\n        return x\n", "        raise NotImplementedError\n"
        )
        own = _class(net.init or ["pass"], net.forward, base="Base").replace(
            "super().__init__()", draw.choice(["super().__init__(c, k, p, a, bias, act)", "super(Model, self).__init__(c, k, act=act, a=a)", "Base.__init__(self, c, k, p, a, bias, act)"]))  # fmt: skip
        how = draw.choice(
            [
                "from base import *",
                "from base import Base, helper",
                "from base import (helper,\n    Base)",
            ]
        )
        return Program(
            {
                "base.py": f"{head}\n\n{HELPER}\n\n{base}",
                "main.py": f"{head}{how}\n\n\n{own}{build}",
            },
            inputs,
            trains=trains,
        )
    if kind < 0.88:  # a part of its own class
        block = _class(init + net.init, net.forward, name="Block")
        outer = (
            f"class Model(nn.Module):\n    def __init__(self, {PARAMETERS}):\n        super(Model, self).__init__()\n"
            "        self.block = Block(c, k, p=p, a=a, bias=bias, act=act)\n        self.more = nn.Sequential(nn.Identity(), nn.LeakyReLU())\n\n"
            "    def forward(self, x):\n        y = self.block(x)\n        return self.more(y), y\n"
        )
        how = draw.choice(
            ["from parts import *", "from parts import Block", "from parts import Block as Block"]
        )
        return Program(
            {
                "parts.py": f"{head}\n\n{HELPER}\n\n{block}",
                "main.py": f"{head}{how}\n\n\n{outer}{build}",
            },
            inputs,
            trains=trains,
        )
    return Program(
        {
            "main.py": f"{head}\n\n{HELPER}\n\n{whole}\n\nnet = Model()\n\n\ndef build():\n    return net\n"
        },
        inputs,
        trains=trains,
    )


# --- calls of convolutions, alone -----------------------------------------------------------------

CALLS = (
    "nn.Conv2d({i}, {o}, {k}, {s}, {p})", "nn.Conv2d({i}, {o}, {k}, padding={p}, stride={s}, dilation={d}, bias={b})", "nn.Conv2d({i}, {o}, kernel_size={k}, padding={p}, padding_mode={m})", "nn.ConvTranspose2d({i}, {o}, {k}, {s}, {p}, {e})", "nn.ConvTranspose2d({i}, {o}, {k}, stride={s}, padding={p}, output_padding={e}, bias={b})",
    "nn.Conv2d({i}, {o}, {k}, **{kw})", "nn.Conv2d({i}, {o}, padding={p}, kernel_size={k}, groups={g})", "nn.Conv2d({i}, out_channels={o}, kernel_size={k}, bias={b}, padding_mode={m}, padding={p})", "functools.partial(nn.Conv2d, 2)({o}, {k}, padding={p})",
)  # fmt: skip
SYMBOLS = {
    "i": ("2", "c", "c + 0", "self.c", "conf['c']", "grow(2)", "max(c, 2)"), "o": ("4", "2 * c", "o", "self.c * 2", "(o := 4)", "len(conf) * 4"),
    "k": ("3", "k", "(3, 3)", "ks", "self.k", "[3, 1]", "(k, k)", "conf['k']", "tuple(ks)", "k if c else 1", "(k := 3)", "s.p", "int(k)", "grow(3)"),
    "s": ("1", "2", "st", "(2, 1)", "self.s", "st or 1", "[1, 2]"),
    "p": ("1", "0", "k // 2", "(1, 1)", "ps", "self.p", "'same'", "'valid'", "pad", "(ks[0] // 2, 0)", "pad if pad else 1", "tuple(x // 2 for x in ks)", "[x // 2 for x in ks]", "s.p // 2", "(s.p // 3, 1)", "min(k, 1)", "s[0]", "conf.get('p', 1)", "same(k)", "k >> 1", "n"),
    "d": ("1", "2", "dil", "(1, 2)"), "b": ("True", "False", "b", "not b", "b is None", "None", "0", "int(b)", "bool(norm)", "norm is None", "self.b"),
    "m": ("'reflect'", "'circular'", "'replicate'", "'zeros'", "mode", "self.mode"), "e": ("1", "0", "e", "(1, 0)", "st - 1"), "g": ("1", "2", "c", "self.c"),
    "kw": ("dict(padding=1)", "{'padding': p1, 'bias': b}", "dd", "extra"),
}  # fmt: skip
CALL_HEAD = """import functools
import torch
import torch.nn as nn
import torch.nn.functional as F

n = 1


def grow(v):
    global n
    n = 2
    return v


def same(k):
    return k // 2


class Sizes:
    def __init__(self):
        self.v = 3

    @property
    def p(self):
        self.v = self.v + 2
        return self.v - 2

    def __getitem__(self, i):
        self.v = self.v - 1
        return self.v


class Maker:
    def __init__(self, c=2, mode="zeros"):
        self.c = c
        self.k = 3
        self.s = 2
        self.p = (1, 0)
        self.b = False
        self.mode = mode

"""


FEEDING = """def feed(layer, x):
    array = x.asnumpy() if hasattr(x, "asnumpy") else x.numpy()
    if any(one.__module__.startswith("mindspore") for one in type(layer).__mro__):
        import mindspore

        return layer(mindspore.Tensor(array))
    import torch

    return layer(torch.from_numpy(array))
"""


def calls(draw: random.Random) -> Program | None:
    """Make a method with calls of convolutions whose arguments are symbolic, with effects, too."""
    import torch

    lines: list[str] = []
    signature = "self, c=2, o=4, k=3, ks=(3, 5), st=1, ps=(1, 0), pad=1, dil=1, b=True, norm=None, mode='reflect', e=1, p1=1, conf={'c': 2, 'k': 3}, **extra"
    shadows = draw.choice(
        [
            "",
            "",
            "",
            "max = min\n\n",
            "def int(x):\n    return 1\n\n\n",
            "bool = len\n\n",
            "def isinstance(*a):\n    return False\n\n\n",
            "tuple = list\n\n",
            "def dict(**k):\n    return {}\n\n\n",
            "def min(*a):\n    return 0\n\n\n",
        ]
    )
    given = draw.choice(
        [
            "",
            "ps=[1, 2]",
            "ks=[3, 1]",
            "pad='same'",
            "k=5, pad=2",
            "b=None",
            "mode='zeros'",
            "b=0",
            "st=2, e=1",
            "pad=(2, 1)",
            "k=(3, 1)",
            "padding=1",
            "norm=nn.ReLU",
            "k=1, ks=(1, 1)",
            "mode='circular', k=5",
            "c=2, o=6, dil=2",
        ]
    )
    body = ""
    for number in range(draw.randint(1, 3)):
        for _ in range(12):
            one = draw.choice(CALLS).format(
                **{key: draw.choice(values) for key, values in SYMBOLS.items()}
            )
            new = [*lines, f"l{number} = {one}"]
            text = "\n        ".join(
                [
                    "s = Sizes()",
                    "dd = {'padding': 1}",
                    *new,
                    f"return [{', '.join(f'l{j}(x)' for j in range(number + 1))}, n, s.v]",
                ]
            )
            body = f"{CALL_HEAD}    def make(self, x, {signature[6:]}):\n        {text}\n"
            body = body.replace("\n\nn = 1", f"\n\n{shadows}n = 1", 1)
            body += (
                f"\n\ndef run(x):\n    return [t.shape for t in Maker().make(x, {given})[:-2]]\n"
            )
            names: dict[str, Any] = {}
            try:
                exec(body, names)
                names["run"](torch.zeros(2, 2, 9, 8))
            except Exception:
                continue
            lines = new
            break
    if not lines:
        return None
    text = "\n        ".join(
        [
            "s = Sizes()",
            "dd = {'padding': 1}",
            *lines,
            f"return [{', '.join(f'l{j}' for j in range(len(lines)))}], n, s.v",
        ]
    )
    body = f"{CALL_HEAD}    def make({signature}):\n        {text}\n".replace(
        "\n\nn = 1", f"\n\n{shadows}n = 1", 1
    )
    layers = f"\n\ndef run(x):\n    layers, *rest = Maker().make({given})\n    return [[tuple(feed(layer, x).shape) for layer in layers], rest, [sum(p.size if isinstance_(p.size, int_) else p.numel() for p in parameters(layer)) for layer in layers]]\n"
    tail = "\n\nimport builtins\nfrom feeding import feed\nisinstance_, int_ = builtins.isinstance, builtins.int\n\n\ndef parameters(layer):\n    return layer.parameters() if hasattr(layer, 'parameters') else layer.get_parameters()\n"
    value = np.random.default_rng(2).standard_normal((2, 2, 9, 8)).astype(np.float32)
    files = {"feeding.py": FEEDING, "main.py": body + layers + tail}
    return Program(files, (value,), select=("conv",), only=("main.py",))


# --- projects that import in odd ways -------------------------------------------------------------

LIBRARY = """import torch
import torch.nn as nn
from torch.nn import Dropout
import torch.nn.functional as F
try:
    from torch.nn import LeakyReLU as L
except ImportError:
    L = None

C = nn.Conv2d
Norm = nn.BatchNorm2d
ops = F


class Own(nn.Module):
    def __init__(self, c=3):
        super().__init__()
        self.conv = nn.Conv2d(3, c, 3, padding=1)
        self.norm = Norm(c)

    def forward(self, x):
        return self.norm(self.conv(x))


def make(k=3, p=1):
    return C(3, 4, k, padding=p)
"""
TAKING = (
    "from lib import {n}", "from lib import {n} as {n}_\n{n} = {n}_", "from lib import *", "import lib\n{n} = lib.{n}", "import lib as l\n{n} = l.{n}", "import lib\n{n} = getattr(lib, '{n}')", "import lib\n{n} = vars(lib)['{n}']", "from lib import (\n    make,  # a ) here\n    {n},\n)", "import sys; from lib import {n}",
    "try: from lib import {n}\nexcept ImportError: {n} = None", "from lib \\\n    import {n}", "def get():\n    from lib import {n}\n    return {n}\n{n} = get()", "import importlib\n{n} = importlib.import_module('lib').{n}", "{n} = __import__('lib').{n}", "import lib\nother = lib\n{n} = other.{n}", "import lib\nclass NS:\n    {n} = lib.{n}\n{n} = NS.{n}", "from middle import {n}", "from middle import *", "import middle\n{n} = middle.{n}",
    "import lib\n{n} = lib.__dict__['{n}']", "import lib, operator\n{n} = operator.attrgetter('{n}')(lib)", "exec('from lib import {n}')", "from pkg.sub import {n}", "import pkg.sub\n{n} = pkg.sub.{n}", "import pkg.sub as ps\n{n} = ps.{n}", "if True:\n    from lib import {n}", "from lib import make, {n}",
)  # fmt: skip
DERIVED = """

class Derived(Own):
    def forward(self, x):
        return self.conv(x)[:, :1]

"""
KEEPING = ("", "", "torch.initial_seed()")  # what has no rule keeps a function torch's
USES = {
    "C": ("C(3, 4, 3, 1, 1)(x).shape", "C(3, 4, (3, 1), padding=1, bias=False)(x).shape", "isinstance(C(3, 4, 3), nn.Conv2d)", "type('R', (C,), {})(3, 4, 3, padding=1)(x).shape"),
    "Norm": ("Norm(3, 1e-5, 0.3).eval()(x)", "Norm(3).momentum", "Norm(3)(x).shape"),
    "nn": ("nn.Dropout(0.0)(x)", "nn.Conv2d(3, 4, 3, 1, 1)(x).shape", "nn.LeakyReLU()(x)", "nn.LeakyReLU(0.3)(x)", "nn.MaxPool2d(2)(x)"),
    "Dropout": ("Dropout(0.9).eval()(x)", "Dropout(1e-9)(x).shape", "Dropout(0.25).p"),
    "L": ("L()(x)", "L(0.4)(x)"),
    "F": ("F.leaky_relu(x)", "F.relu(x, inplace=True)", "F.max_pool2d(x, 2)", "F.avg_pool2d(x, 2)", "F.softmax(x, 1)"),
    "ops": ("ops.leaky_relu(x)", "ops.avg_pool2d(x, 2)", "ops.softmax(x, dim=1)"),
    "Own": ("Own()(x).shape", "Own(4).eval()(x).shape", "type('S', (Own,), {'forward': lambda self, x: self.conv(x)})()(x).shape", "isinstance(Own(), nn.Module)", "isinstance(Own().conv, nn.Conv2d)", "type(Own().conv) is nn.Conv2d", "len(list(Own().modules()))"),
    "Derived": ("Derived()(x).shape", "Derived(4).eval()(x).shape", "isinstance(Derived(), nn.Module)"),
    "make": ("make()(x).shape", "make(5, p=2)(x).shape"),
    "torch": ("torch.flatten(x, 1)", "torch.std(x, 1)", "torch.full((2,), 1.5)", "torch.cat([x, x], dim=1)"),
}  # fmt: skip


def imports(draw: random.Random) -> Program:
    """Make a library and a program, perhaps a notebook, that takes a name of it in an odd way."""
    name = draw.choice(list(USES))
    use = draw.choice(USES[name])
    derived = DERIVED if name == "Derived" else ""
    name = "Own" if derived else name
    how = draw.choice(TAKING).replace("{n}", name)
    keeping = draw.choice(KEEPING)
    has_nn = name != "nn" and (draw.random() < 0.4 or "nn." in use)
    head = "import torch.nn as nn\n" if has_nn else ""
    order = [head, how + "\n"]
    draw.shuffle(order)
    text = "".join(order) + derived
    if keeping and name != "torch":
        text = f"import torch\n{text}"
    run = f"def run(x):\n    {keeping or 'pass'}\n    return {use}\n"
    files = {"lib.py": LIBRARY}
    if "middle" in how:
        files["middle.py"] = draw.choice(
            [
                "from lib import *\n",
                f"from lib import {name}\n",
                f"import lib\n{name} = lib.{name}\n",
            ]
        )
    if "pkg" in how:
        files |= {
            "pkg/__init__.py": draw.choice(["", "from .sub import *\n"]),
            "pkg/sub.py": LIBRARY,
        }
    if draw.random() < 0.4:
        sources = [text, run]
        cells = [
            {
                "cell_type": "code",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": one,
            }
            for one in sources
        ]
        files["main.ipynb"] = json.dumps(
            {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        )
    else:
        files["main.py"] = text + run
    value = np.random.default_rng(2).standard_normal((2, 3, 6, 6)).astype(np.float32)
    library = "pkg/sub.py" if "pkg" in how else "lib.py"
    only = draw.choice(
        [(), (), (library,), ("main.ipynb" if "main.ipynb" in files else "main.py",)]
    )
    select = draw.choice([(), (), () if "modules()" in use else ("conv",)])
    return Program(files, (value,), select=select, only=only)


GRAPH = 8  # one of so many programs is compiled by MindSpore
MAKERS: dict[str, Callable[[random.Random], Program | None]] = {
    "functions": function, "models": model, "networks": network, "calls": calls, "imports": imports,
}  # fmt: skip


KINDS = tuple(MAKERS)


def program(kind: str, number: int, seed: str) -> Program | None:
    """Return the program of a kind with a number, None where nothing came of it."""
    made = MAKERS[kind](random.Random(f"{kind} {seed} {number}"))
    is_computed = kind not in ("calls", "imports")
    is_graph = is_computed and number % GRAPH == 0
    return made and replace(made, gradients=is_computed, graph=is_graph)
