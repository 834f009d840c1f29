"""A plan: which MindSpore layers stand for one torch call, before it is put into source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
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


@record(frozen=True, slots=True)
class Operand:
    """A place in a template for one of the use's own expressions; `self` is the receiver."""

    name: str


_QUALIFIED = re.compile(r"(?<![\w.])(mindspore(?:\.\w+)+|inserted\.\w+)")


@record(frozen=True, slots=True)
class Template:
    """Source that takes the place of a whole use: literal texts, MindSpore names and operands."""

    parts: tuple[str | Api | Operand, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read `{self}.shape[{dim}]`, or `mindspore.ops.square({input})`.

        `inserted.name` is what a file gets inserted under that name.

        Raises:
            ValueError: the braces are not balanced.
        """
        parts: list[str | Api | Operand] = []
        for literal, name, _, _ in Formatter().parse(text):
            pieces = _QUALIFIED.split(literal)
            parts += [Api(p.removeprefix("inserted.")) if i % 2 else p
                      for i, p in enumerate(pieces) if p]  # fmt: skip
            if name is not None:
                parts.append(Operand(name))
        return cls(_joined(parts))

    def filled(self, texts: Mapping[str, str]) -> Template:
        """Return the template with literal texts for the operands that are in `texts`."""
        filled = [texts.get(p.name, p) if isinstance(p, Operand) else p for p in self.parts]
        return Template(_joined(filled))

    @property
    def operands(self) -> tuple[str, ...]:
        """Return the operands' names in order, each as often as it stands there."""
        return tuple(part.name for part in self.parts if isinstance(part, Operand))


def _joined(parts: Sequence[str | Api | Operand]) -> tuple[str | Api | Operand, ...]:
    """Return the parts with adjacent plain texts joined."""
    joined: list[str | Api | Operand] = []
    for part in parts:
        if joined and type(part) is type(joined[-1]) is str:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


@dataclass(slots=True)
class Plan:
    """What to do with a call.

    `changes` maps a torch parameter to the keywords (or, with an empty name, the bare value) that
    take its place; no entry keeps the argument, an empty list drops it. `added` goes to the end.
    `before` and `after` are layers around the convolution. A `template` replaces the whole use:
    then nothing else of the plan is written.
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
    template: Template | None = None

    def put(self, parameter: str, given: bool, keywords: Sequence[tuple[str, str]]) -> None:
        """Let `keywords` take the parameter's place, or add them when the call does not give it."""
        if given:
            self.changes[parameter] = list(keywords)
        else:
            self.added.extend(keywords)
