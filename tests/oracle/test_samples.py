"""Calls with symbols, migrated once and run on both frameworks with values for the symbols.

A sampled proof claims: with the values that are expected the result is torch's, and any other value
raises in MindSpore or gives torch's result too. Never a different result without a word.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mapper.model.results import Site, Status
from tests.oracle import templates
from tests.oracle.frameworks import fold, import_text, migrate
from tests.oracle.trials import FOR_CHANNELS, OTHERS, Found, Outcome, compare_layers

CALLS = templates.templates()
INSIDE = 6  # draws of expected values for each call
TRIES = 60
Values = dict[str, Any]
Tally = Counter[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class _Migrated:
    before: ModuleType
    after: ModuleType
    sites: tuple[Site, ...]
    maker: dict[str, Callable[..., Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory, both_frameworks: None) -> _Migrated:
    text = templates.module(CALLS)
    result = migrate(text)
    assert result.after is not None
    sites = sorted(result.sites, key=lambda site: site.span.line)
    assert len(sites) == len(CALLS)
    folder = tmp_path_factory.mktemp("samples")
    before = import_text(folder, "samples_for_torch", text)
    return _Migrated(before, import_text(folder, "samples_for_ms", result.after), tuple(sites))


def test_there_are_about_150_calls() -> None:
    assert len(set(CALLS)) >= 150


@pytest.mark.parametrize("index", range(len(CALLS)), ids=CALLS)
def test_values_of_symbols(index: int, migrated: _Migrated, tally: Tally) -> None:
    site = migrated.sites[index]
    assert site.status is Status.MIGRATED, site.message
    assert site.proof.kind == "sampled" or not _shaping(CALLS[index])
    trial = _Trial(index, migrated, tally)
    good = trial.inside()
    findings = [*trial.findings, *trial.outside(good[0])]
    assert not findings, fold([f"{site.before}\n    -> {site.after}", *findings])


@pytest.mark.parametrize("call", templates.LEFT_ALONE.splitlines())
def test_what_cannot_be_known_is_left_alone(call: str) -> None:
    names = ", ".join(templates.symbols(call))
    [site] = migrate(f"import torch.nn as nn\ndef make({names}): return nn.{call}\n").sites
    assert site.status is Status.MANUAL
    assert site.message


def _shaping(call: str) -> set[str]:
    """Return the symbols that do more than count channels."""
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call)
    rest = [*tree.args[2:], *(k.value for k in tree.keywords if "channels" not in str(k.arg))]
    return {name for node in rest for name in templates.symbols(ast.unparse(node))}


@dataclass(slots=True)
class _Trial:
    """One call, both sides, and what its symbols may hold."""

    index: int
    migrated: _Migrated
    tally: Tally
    findings: list[str] = field(default_factory=list)

    def inside(self) -> list[Values]:
        """Draw expected values and return those that both compute.

        What torch computes, MindSpore must compute too, unless the report warns.
        """
        random, tried, good = Random(self.index), list[Values](), list[Values]()
        for _ in range(TRIES):
            values = {n: random.choice(templates.USUAL[n]) for n in self._names()}
            outcome, words = self._compare(values)
            if outcome is Outcome.TORCH or values in tried:
                continue
            self._count("expected values", outcome)
            tried.append(values)
            good += [values] if outcome is Outcome.EQUAL else []
            announced = outcome is Outcome.MINDSPORE and self._announced()
            if outcome is not Outcome.EQUAL and not announced:
                self.findings.append(f"expected values {values}: {outcome}: {words}")
            if len(tried) == INSIDE:
                break
        assert len(good) >= 2, "the usual values do not suit this call"
        return good

    def outside(self, good: Values) -> Iterator[str]:
        """Put another kind of value into one symbol at a time."""
        for values in _changed(good):
            outcome, words = self._compare(values)
            self._count("other values", outcome)
            if outcome is Outcome.DIFFERENT:
                yield f"other values {values}: silently different: {words}"

    def _announced(self) -> bool:
        """Say whether the report says that not all expected values work in MindSpore."""
        words = ("not every value works", "more raises in MindSpore")
        return any(w in a for a in self.migrated.sites[self.index].assumptions for w in words)

    def _names(self) -> list[str]:
        return templates.symbols(CALLS[self.index])

    def _count(self, where: str, outcome: str) -> None:
        self.tally["sampled calls", f"{self._api()}, {where}", outcome] += 1

    def _api(self) -> str:
        return self.migrated.sites[self.index].api.removeprefix("torch.nn.")

    def _compare(self, values: Values) -> Found:
        name = f"make_{self.index}"
        paths = {n: p.path for n, p in self.migrated.sites[self.index].parameters.items()}
        return compare_layers(
            lambda: getattr(self.migrated.before, name)(**values),
            lambda: getattr(self.migrated.after, name)(**values),
            paths,
        )


def _changed(good: Values) -> Iterator[Values]:
    for name, value in good.items():
        if isinstance(value, SimpleNamespace):
            for attribute in vars(value):
                for other in OTHERS:
                    changed = copy(value)
                    setattr(changed, attribute, other)
                    yield {**good, name: changed}
        elif name in ("ks", "ds"):
            yield from ({**good, name: (other,) * 3} for other in OTHERS)
        else:
            others = FOR_CHANNELS if name in "co" else OTHERS
            yield from ({**good, name: other} for other in others)
