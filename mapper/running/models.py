"""Whole models: the scaffolding of classes, and which classes and functions migrate at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mapper.analysis.find import find_methods
from mapper.analysis.inference import Inference
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS
from mapper.model.results import Proof, Status
from mapper.planning.forms.class_checks import ClassChecks
from mapper.planning.forms.scaffold import ModuleClass, find_classes, name_of
from mapper.planning.units import Hindrance, Units
from mapper.running.drafts import Draft, Drafter

_BY_RULE = Proof("rule")


class Models:
    """The drafts of a file whose classes and functions migrate as wholes."""

    def __init__(self, drafter: Drafter, references: Sequence[Reference]) -> None:
        self._classes = find_classes(drafter.module, references)
        drafts = drafter.drafts(references)
        for one in self._classes:
            drafts.extend(_forward(drafter, one))
        inference = Inference(drafter.module)
        self._problems = list(_problems(drafter.module, self._classes, inference))
        drafts.extend(map(drafter.method, find_methods(drafter.module, inference)))
        self.drafts = sorted(drafts, key=lambda one: (one.node.lineno, one.node.col_offset))
        self._tree = drafter.module.tree

    def settle(self) -> None:
        """Leave every site of the classes and functions that stay torch's, with the reason."""
        units = Units(self._tree, [one.node for one in self._classes])
        for draft in self.drafts:
            unit = units.at(draft.node.lineno)
            if unit is not None:
                unit.has_sites = True
                if not draft.is_written:
                    unit.hindrances.append(_hindrance(draft))
        for line, words in self._problems:
            unit = units.at(line)
            if unit is not None:
                unit.hindrances.append(Hindrance(line, words))
        stays = units.settle()
        for draft in self.drafts:
            unit = units.at(draft.node.lineno)
            if unit in stays and draft.is_written:
                why = stays[unit]
                message = f"{unit.words} stays torch's: line {why.line}: {why.words}"
                draft.uncover(message) if why.is_uncovered else draft.leave(message)


def _problems(
    module: ParsedModule, classes: Sequence[ModuleClass], inference: Inference
) -> Iterator[tuple[int, str]]:
    """Yield what would be silently different: in classes, and in functions of the file."""
    checks = ClassChecks(inference)
    for one in classes:
        yield from one.problems
        yield from checks.of_class(one)
    for scope in module.names.scopes.all:
        if isinstance(scope.node, FUNCTIONS):
            yield from checks.of_function(scope.node)


def _forward(drafter: Drafter, one: ModuleClass) -> list[Draft]:
    """Return the draft that gives a class's `forward` its name in MindSpore."""
    definition = one.method("forward")
    if definition is None:
        return []
    name = name_of(drafter.module, definition)
    scope = drafter.module.names.scopes.home[definition]
    reference = Reference("torch.nn.Module.forward", name, None, scope, None, scope, (definition,))
    draft = drafter.new(reference, name)
    if draft.site.status is not Status.IGNORED:
        drafter.put(draft, lambda final, edited: "construct")
    return [draft]


def _hindrance(draft: Draft) -> Hindrance:
    site = draft.site
    words = f"`{site.before}`: {site.message}" if len(site.before) < 60 else site.message
    return Hindrance(draft.node.lineno, words, site.status is Status.UNCOVERED)
