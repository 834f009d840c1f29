"""Executes the examples of rules: migrates each of them, and returns what became of it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from mapper.model.options import Options
from mapper.model.record import record
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Group, Kind
from mapper.running.module import Migrator

if TYPE_CHECKING:
    from mapper.model.results import Site
    from mapper.rulebook.schema import Example, Rule

NEWEST = Options().target_version
_IMPORTS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n"
_IN_A_MODULE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__(){held}

    def forward(self, {names}):
        return {use}
"""
"""The module around an example of a method or attribute; the names in it become inputs."""


class ExampleError(Exception):
    """An example of a rule file is not one call of the rule's API."""


@record(frozen=True, slots=True)
class Result:
    """An example and what became of it.

    `text` is the whole module afterwards, and `after` what the example's own expression is there:
    the site may be a part of it only.
    """

    example: Example
    site: Site
    text: str
    after: str


def execute(rule: Rule, example: Example) -> Result:
    """Migrate an example of a rule, an `unsafe` one too, so that its rewrite can be shown.

    Raises:
        ExampleError: it is not one use of the rule's API.
    """
    from mapper.files.source import splice

    target = str(example.target) if example.target else NEWEST
    is_inside = rule.kind in (Kind.METHOD, Kind.ATTRIBUTE) or _is_method(rule)
    whole = f"{example.before}\n"
    if is_inside:
        whole = _IN_A_MODULE.format(
            names=_inputs(example.before), use=example.before, held=_held(rule, example.before)
        )
    owner, _, _ = rule.torch.api.rpartition(".")
    text = (f"import {owner}\n" if owner.startswith("torch.utils.") else "") + _IMPORTS + whole
    is_whole = rule.group is not Group.CONV
    found = _migrator(target, str(example.recipe), is_whole).migrate(text)
    sites = [site for site in found.sites if site.rule == rule.id]
    if is_inside:
        exact = [site for site in sites if site.before == example.before]
        sites = exact or [site for site in sites if site.before in example.before]
    if len(sites) != 1:
        raise ExampleError(f"{rule.file}: {example.before!r} holds {len(sites)} calls of {rule.id}")
    made = splice(text, found.edits)
    return Result(example, sites[0], made, made.rstrip().rpartition("\n")[2].strip())


def _is_method(rule: Rule) -> bool:
    """Say whether an API without a counterpart is a method: `torch.Tensor.stride`."""
    owner = rule.torch.api.rpartition(".")[0]
    return rule.kind is Kind.MANUAL and owner in ("torch.Tensor", "torch.nn.Module", "torch.Size")


def _held(rule: Rule, use: str) -> str:
    """Return the assignments that an example needs: a layer `self.m`, or Parameters."""
    lines = [f"self.{name} = nn.Parameter(torch.zeros(2, 3))" for name in ("weight", "bias")
             if f"self.{name}" in use]  # fmt: skip
    layer = load().by_api(rule.torch.api.rpartition(".")[0])
    if "self.m." in use and layer is not None and layer.examples:
        lines.append(f"self.m = {layer.examples[0].before}")
    return "".join(f"\n        {line}" for line in lines)


def _inputs(use: str) -> str:
    """Return the names in an example that are inputs of the module around it."""
    known = {"torch", "nn", "F", "self", *dir(builtins)} - {"input"}
    nodes = ast.walk(ast.parse(use, mode="eval"))
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - known - set(dir(builtins))
    return ", ".join(sorted(names) or ["x"])


def execute_or_show(rule: Rule) -> Iterator[Result | Example]:
    """Yield what became of each example, or the example itself where it cannot be executed alone.

    An example may be, for instance, a call of which the rule is only a part.
    """
    for example in rule.examples:
        try:
            yield execute(rule, example)
        except ExampleError:
            yield example


@cache
def _migrator(target: str, recipe: str, is_whole: bool) -> Migrator:
    select = () if is_whole else ("conv",)
    options = Options(target_version=target, recipe=recipe, unsafe=True, select=select)
    return Migrator(load(), options)
