"""The examples of the rules, executed: what the migrator really makes of each call."""

from __future__ import annotations

import ast
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
    def forward(self, {names}):
        return {use}
"""
"""Where the examples of methods and attributes stand: their names are inputs, `self` a module."""


class ExampleError(Exception):
    """An example of a rule file is not one call of the rule's API."""


@record(frozen=True, slots=True)
class Result:
    """An example and what became of it; `text` is the whole module afterwards."""

    example: Example
    site: Site
    text: str


def execute(rule: Rule, example: Example) -> Result:
    """Migrate an example of a rule, an `unsafe` one too, so that its rewrite can be shown.

    Raises:
        ExampleError: it is not one use of the rule's API.
    """
    from mapper.files.source import splice

    target = str(example.target) if example.target else NEWEST
    is_inside = rule.kind in (Kind.METHOD, Kind.ATTRIBUTE)
    whole = f"{example.before}\n"
    if is_inside:
        whole = _IN_A_MODULE.format(names=_inputs(example.before), use=example.before)
    text = _IMPORTS + whole
    is_whole = rule.group is not Group.CONV
    found = _migrator(target, str(example.recipe), is_whole).migrate(text)
    sites = [
        site
        for site in found.sites
        if site.rule == rule.id and (not is_inside or site.before == example.before)
    ]
    if len(sites) != 1:
        raise ExampleError(f"{rule.file}: {example.before!r} holds {len(sites)} calls of {rule.id}")
    return Result(example, sites[0], splice(text, found.edits))


def _inputs(use: str) -> str:
    """Return the names in an example that are inputs of the module around it."""
    known = {"torch", "nn", "F", "self", "super"}
    nodes = ast.walk(ast.parse(use, mode="eval"))
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - known
    return ", ".join(sorted(names) or ["x"])


def execute_or_show(rule: Rule) -> Iterator[Result | Example]:
    """Yield what became of each example, or the example where it is not to be had by itself."""
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
