"""A plan: which MindSpore layers stand for one torch call, before it is put into source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from mapper.model.record import record

Keywords = list[tuple[str, str]]


class Api(str):
    """A value that is a MindSpore name, to be spelled as the file imports it.

    `before` and `behind` are source around the name.
    """

    before: str
    behind: str

    def __new__(cls, name: str, before: str = "", behind: str = "") -> Self:
        """Return the name with what stands around it."""
        made = super().__new__(cls, name)
        made.before, made.behind = before, behind
        return made


class ManualError(Exception):
    """No rewrite is right here; the message says why and what a person can do."""


@record(frozen=True, slots=True)
class Wrapper:
    """A layer beside the convolution; `api` is a MindSpore name or a helper class."""

    api: str
    arguments: str


@dataclass(slots=True)
class Plan:
    """What to do with a call.

    `changes` maps a torch parameter to the keywords (or, with an empty name, the bare value) that
    take its place; no entry keeps the argument, an empty list drops it. `added` goes to the end.
    `before` and `after` are layers around the convolution.
    """

    target: str
    changes: dict[str, Keywords] = field(default_factory=dict)
    added: Keywords = field(default_factory=list)
    before: list[Wrapper] = field(default_factory=list)
    after: list[Wrapper] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    unsafe: dict[str, object] = field(default_factory=dict)
    """Symbols whose one assumed value would be silently wrong if it were another."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Names whose value, read off the file, the plan rests on."""
    shape_only: bool = False

    def put(self, parameter: str, given: bool, keywords: Sequence[tuple[str, str]]) -> None:
        """Let `keywords` take the parameter's place, or add them when the call does not give it."""
        if given:
            self.changes[parameter] = list(keywords)
        else:
            self.added.extend(keywords)
