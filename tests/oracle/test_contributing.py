"""The rule that CONTRIBUTING.md adds is right: each side is held to its framework, as it says."""

from __future__ import annotations

import pytest

from mapper.rulebook.loader import read_rule
from tests.oracle.frameworks import fold
from tests.oracle.sides import MindSporeSide, Side, TorchSide
from tests.test_new_rule import CONTRIBUTING


@pytest.mark.parametrize("kind", [TorchSide, MindSporeSide])
def test_the_rule_of_the_page_computes_and_accepts_what_its_framework_does(
    kind: type[TorchSide | MindSporeSide],
) -> None:
    side: Side = kind(read_rule(CONTRIBUTING, "rules/nn/gaussian_nll_loss.toml"))
    cases = side.trials()
    findings = [words for arguments in cases for words in side.check(arguments)]
    findings += [words for arguments in side.others() for words in side.check(arguments, 1)]
    assert len(cases) > 3
    assert not findings, fold(findings)
