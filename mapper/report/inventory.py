"""What is left of torch in a run: the names in the way of whole files, and how often they occur."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mapper.report.sites import each_site

if TYPE_CHECKING:
    from mapper.model.results import FileResult, Run, Site

PAGE = "https://www.mindspore.cn/docs/en/r2.4.10/note/api_mapping/pytorch_api_mapping.html"
"""Where the counterparts of names without a rule are from."""

_UNCOVERED = "TM000"


@dataclass(slots=True)
class Name:
    """A torch name that has no rule: its counterpart, its uses, and the files that hold it.

    `alone` counts the files in which nothing else is in the way.
    """

    api: str
    target: str | None
    sites: int = 0
    files: int = 0
    alone: int = 0


@dataclass(slots=True)
class Inventory:
    """How far a tree is: its files with torch in them, those that are whole, the names without."""

    files: int = 0
    whole: int = 0
    names: list[Name] = field(default_factory=list)


def inventory(run: Run) -> Inventory:
    """Return what is left of torch, the names that hold up most files first."""
    found = Inventory()
    names: dict[str, Name] = {}
    for file in run.files:
        if not file.sites or file.whole is None:
            continue
        found.files += 1
        found.whole += file.whole
        here = Counter(site.api for site in file.sites if site.rule == _UNCOVERED)
        is_only = not any(run.needs_person(s) and s.rule != _UNCOVERED for s in file.sites)
        for api, count in here.items():
            name = names.setdefault(api, Name(api, None))
            name.sites += count
            name.files += 1
            name.alone += is_only and len(here) == 1
    for _, site in each_site(run):
        if site.rule == _UNCOVERED and site.api in names:
            names[site.api].target = site.target
    found.names = sorted(names.values(), key=lambda one: (-one.files, -one.sites, one.api))
    return found


def in_the_way(run: Run, file: FileResult) -> list[Site]:
    """Return the sites that keep a file from being whole."""
    return [site for site in file.sites if not run.is_written(site)]
