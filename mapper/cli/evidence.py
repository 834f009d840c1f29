"""`tm2ms verify`: shows the rewrite of one expression and the evidence of its proof."""

from __future__ import annotations

import ast
from dataclasses import replace

from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.loader import load
from mapper.running.config import Settings
from mapper.running.module import Migrator

_IMPORTS = (
    "import torch, torch.nn as nn, torch.nn.functional as F; "
    "from torch.nn import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, "
    "ConvTranspose3d; "
)


class InputError(Exception):
    """The expression or the size cannot be used; the message says why."""


def show(expression: str, input_size: str | None, settings: Settings) -> tuple[str, int]:
    """Return what to print for one torch call, and the exit code.

    Raises:
        InputError: not a single torch call, or a size that does not suit it.
    """
    site = _site(expression.strip(), _size(input_size), settings)
    lines = [
        f"before  {site.before}",
        *([f"after   {site.after}"] if site.after else []),
        f"status  {site.status} ({site.rule}, {site.api} -> {site.target})",
        *([f"note    {site.message}"] if site.message else []),
        *(f"assumes {assumption}" for assumption in site.assumptions),
    ]
    if site.proof.kind != "none":
        lines += ["", *_table(site), "", _error(site)]
    return "\n".join(lines), 0 if site.status is Status.MIGRATED else 1


def _site(expression: str, size: tuple[int, ...] | None, settings: Settings) -> Site:
    """Return the one site of an expression, migrated among usual imports."""
    try:
        ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise InputError(f"not a Python expression: {error.msg}: {expression}") from error
    version, recipe = settings.target_version, settings.recipe
    options = Options(
        version, settings.device, recipe, reduce=False, input_size=size, select=("conv",)
    )
    text = f"{_IMPORTS}\n({expression}\n)"
    try:
        sites = Migrator(load(), options).migrate(text).sites
        if not sites:  # no convolution; with everything selected, the imports are sites, too
            found = Migrator(load(), replace(options, select=())).migrate(text).sites
            sites = tuple(site for site in found if site.span.line > 1)
    except ValueError as error:
        raise InputError(f"--input-size does not suit this call: {error}") from error
    if len(sites) != 1:
        raise InputError(
            f"{len(sites)} torch calls in {expression!r}: give one, such as "
            "'nn.Conv2d(3, 8, 3, padding=1)'"
        )
    return sites[0]


def _size(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        size = tuple(int(part) for part in text.split(","))
    except ValueError:
        size = ()
    if not size or min(size) < 1 or max(size) > 10**5:
        raise InputError(f"--input-size wants positive numbers such as 16,50, not {text!r}")
    return size


def _table(site: Site) -> list[str]:
    proof = site.proof
    rows = [("", "torch", "mindspore"), ("input", proof.input_shape, proof.input_shape)]
    rows.append(("output", proof.output_shape, proof.output_shape))
    rows += [(name, pair.torch, pair.mindspore) for name, pair in site.parameters.items()]
    paths = [f"  {pair.path}" for pair in site.parameters.values()]
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(3)]
    ends = ["", "", "", *paths]
    return [
        ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + end).rstrip()
        for row, end in zip(texts, ends, strict=True)
    ]


def _error(site: Site) -> str:
    proof = site.proof
    is_sampled = proof.kind == "sampled"
    how = "what is not known was tried" if is_sampled else "all that matters is known"
    if proof.max_abs_error is None:
        return f"proved by {proof.kind}"
    return (
        f"largest absolute error {proof.max_abs_error:.3g} over {proof.cases} "
        f"case{'' if proof.cases == 1 else 's'} in float64 ({proof.kind}: {how})"
    )
