"""The examples of the rules, executed: what the migrator really makes of each call."""

from __future__ import annotations

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
    def forward(self, x):
        return {}
"""
"""Where the examples of methods and attributes stand: `x` is an input, `self` a module."""


class ExampleError(Exception):
    """An example of a rule file is not one call of the rule's API."""


@record(frozen=True, slots=True)
class Result:
    """An example and what became of it; `text` is the whole module afterwards."""

    example: Example
    site: Site
    text: str


def execute(rule: Rule) -> Iterator[Result]:
    """Migrate each example of a rule, `unsafe` ones too, so that their rewrite can be shown."""
    for example in rule.examples:
        yield _executed(rule, example)


def _executed(rule: Rule, example: Example) -> Result:
    from mapper.files.source import splice

    target = str(example.target) if example.target else NEWEST
    is_inside = rule.kind in (Kind.METHOD, Kind.ATTRIBUTE)
    whole = _IN_A_MODULE.format(example.before) if is_inside else f"{example.before}\n"
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


@cache
def _migrator(target: str, recipe: str, is_whole: bool) -> Migrator:
    select = () if is_whole else ("conv",)
    options = Options(target_version=target, recipe=recipe, unsafe=True, select=select)
    return Migrator(load(), options)
