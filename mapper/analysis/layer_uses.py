"""What a program does to layers after they are built that a MindSpore layer does not follow.

Measured: an attribute such as `stride` that is set on a MindSpore layer changes nothing and raises
nothing; nor does `weight.data.mul_(…)`; and a layer that became a SequentialCell is of another
class, whose `weight` and `bias` are not those of the convolution.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from mapper.analysis.layer_use_sites import Doing, LayerUse
from mapper.analysis.module import ParsedModule
from mapper.analysis.program import Program, program_of
from mapper.analysis.scopes import DEFINITIONS
from mapper.analysis.walk import walk
from mapper.model.options import Options
from mapper.model.record import record

NO_COUNTERPART = frozenset(("forward", "_conv_forward"))
"""Methods that torch calls by these names and MindSpore does not."""
_UNUSED = frozenset(
    (
        "in_channels", "out_channels", "in_features", "out_features", "num_features",
        "num_channels", "device", "dtype",
    )
)  # fmt: skip
"""Attributes that torch does not compute with either."""


class LayerUses:
    """The uses of layers in the program that a file belongs to.

    `is_whole`: what the file does to a Parameter that is known as one is rewritten there.
    """

    def __init__(self, module: ParsedModule, options: Options) -> None:
        is_whole = options.is_whole
        self._options = options
        self._module = module
        self._own = module.path.resolve() if module.path is not None else None
        self._is_whole = is_whole

    @cached_property
    def _program(self) -> Program:
        return program_of(self._module)

    @cached_property
    def _uses(self) -> list[LayerUse]:
        """Return the uses, this file's own first."""
        return sorted(self._program.uses, key=lambda use: use.place.file != self._own)

    def of(self, call: ast.expr, api: str, wanted: Wanted) -> Iterator[LayerUse]:
        """Yield what is done to the layer that a call of the file builds."""
        for use in self._uses:
            if use.words and not any(word in api.rpartition(".")[2] for word in use.words):
                continue
            is_asked = wanted.asks(use) or self._is_denied(use)
            if not is_asked or not self._holds(use, call, self._is_direct(use, wanted)):
                continue
            apis = self._concerned(use)
            if apis is None or api in apis:
                yield use

    def _is_denied(self, use: LayerUse) -> bool:
        """Say whether a test stays torch's in a file outside of a run for convolutions alone."""
        if self._is_whole or use.doing is not Doing.TEST:
            return False
        file = use.place.file
        return file is not None and not self._options.names(str(file.parent), str(file))

    def mentioned(self, names: Sequence[str]) -> str | None:
        """Return the first of some names that the program's code has, where it may come to it.

        A class or function of another file that nothing else names does not count.
        """
        texts = [file.text for file in self._program.files.values()] if names else []
        for name in names:
            if any(name in text for text in texts) and any(map(self._is_met, self._with(name))):
                return name
        return None

    def _with(self, name: str) -> Iterator[tuple[Path | None, ast.stmt]]:
        """Yield the statements of the program's modules that have a name in their code."""
        for path, file in self._program.files.items():
            for statement in file.tree.body if name in file.text else ():
                if any(_named(node) == name for node in walk(statement)):
                    yield path, statement

    def _is_met(self, place: tuple[Path | None, ast.stmt]) -> bool:
        path, statement = place
        if path == self._own or not isinstance(statement, DEFINITIONS):
            return True
        return any(other is not statement for _, other in self._with(statement.name))

    def place(self, use: LayerUse) -> str:
        """Return in words where a use stands."""
        path = use.place.file
        return f"line {use.line}" + (f" of {path.name}" if path and path != self._own else "")

    def is_by_training(self, use: LayerUse) -> bool:
        """Say whether training code of another file changes the layer's weight, and by torch."""
        is_foreign = self._is_whole and use.place.file != self._own
        return is_foreign and use.trains and use.doing is Doing.CHANGE

    def _is_direct(self, use: LayerUse, wanted: Wanted) -> bool:
        """Say whether a search through all layers is none that the use is lost by.

        In another file's training code `named_modules()` raises on a Cell.
        """
        is_foreign = self._is_whole and use.place.file != self._own
        is_question = use.doing in (Doing.TEST, Doing.ASK) and not use.is_by_name
        return wanted.is_met_inside(use) or (is_foreign and is_question)

    def _holds(self, use: LayerUse, call: ast.expr, is_direct: bool) -> bool:
        if use.doing in (Doing.SET, Doing.CHANGE) and self._program.is_open(use, is_direct):
            return use.place.file == self._own  # for layers of this file, by a caller not seen
        return self._program.leads_to(use, call, self._own, is_direct)

    def _concerned(self, use: LayerUse) -> frozenset[str] | None:
        """Return the torch layers that the object may be of; None where that is not known."""
        if self._is_whole and use.place.file == self._own and self._program.is_parameter(use):
            return frozenset()
        return None if use.doing is Doing.LIST else self._program.apis(use)


@record(frozen=True, slots=True)
class Wanted:
    """What of a layer matters: `set` must not be set, `asked` not be asked for or tested.

    `changed` are the weights that no method may change. `is_wrapped`: it becomes a layer that
    holds the one meant in torch; `inner` are the attributes that this one inside has.
    """

    set: frozenset[str]
    asked: frozenset[str]
    changed: frozenset[str]
    is_wrapped: bool
    inner: frozenset[str]
    names: tuple[str, str] = ("", "")
    """What torch's class and MindSpore's are called."""
    is_said: bool = False
    """Whether what raises counts, too."""

    def is_met_inside(self, use: LayerUse) -> bool:
        """Say whether a search through all layers finds the one inside, as torch finds it."""
        is_set = use.doing is Doing.SET and bool(use.names) and use.names <= self.inner
        is_asked = use.doing is Doing.ASK or (use.doing is Doing.TEST and not use.names)
        return self.is_wrapped and (is_set or is_asked)

    def asks(self, use: LayerUse) -> bool:
        """Say whether a use of such a layer would go wrong unnoticed."""
        match use.doing:
            case Doing.SET:
                return use.concerns(self.set)
            case Doing.CHANGE:
                return use.concerns(self.changed)
            case Doing.ASK:
                return bool(use.names & self.asked)
            case Doing.WRAP:
                return self.is_said or self.is_wrapped
            case Doing.START:
                return self.is_said and bool(use.names & self.changed)
            case Doing.TEST if use.is_by_name and not self.is_wrapped:
                return self._is_renamed(use.strings)
        return self.is_wrapped

    def _is_renamed(self, strings: frozenset[str]) -> bool:
        """Say whether a class is told by its name, or by one of some texts, as another one."""
        old, new = self.names
        texts = strings or {old}
        return old != new and any((t in old) != (t in new) or t == old for t in texts)


def settable(parameters: frozenset[str], state: frozenset[str]) -> frozenset[str]:
    """Return the attributes that torch computes with, of a layer with these parameters."""
    return parameters - state - _UNUSED | NO_COUNTERPART


def _named(node: ast.AST) -> str:
    """Return the name that a node has in the code."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name
    return ""
