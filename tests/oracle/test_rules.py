"""Every rule that says what its APIs compute, each side against its own framework.

The prover computes both sides with the same functions, which would hide a mistake in one of them:
here torch's formula is held to torch and MindSpore's to MindSpore.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapper.proving.apis import Form
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Rule
from tests.oracle.frameworks import fold
from tests.oracle.sides import MindSporeSide, TorchSide

RULES = {rule.id: rule for rule in load().rules}
TORCH = {name: rule for name, rule in RULES.items() if rule.torch.computes}
MINDSPORE = {name: rule for name, rule in RULES.items() if rule.mindspore.computes}


@pytest.fixture
def graph_mode() -> Iterator[None]:
    import mindspore

    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    yield
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)


@pytest.mark.parametrize("rule", TORCH.values(), ids=TORCH)
def test_torch_computes_what_the_rule_says(rule: Rule) -> None:
    side = TorchSide(rule)
    cases = [*side.examples(), *side.trials()]
    findings = [words for arguments in cases for words in side.check(arguments)]
    findings += [words for arguments in side.others() for words in side.check(arguments, 1)]
    assert cases and not findings, fold(findings)


@pytest.mark.parametrize("rule", MINDSPORE.values(), ids=MINDSPORE)
def test_mindspore_computes_and_accepts_what_the_rule_says(rule: Rule) -> None:
    side = MindSporeSide(rule)
    cases = side.trials()
    findings = [words for arguments in cases for words in side.check(arguments)]
    findings += [words for arguments in side.others() for words in side.check(arguments, 1)]
    if side.api.form is Form.LAYER:
        findings += [words for arguments in cases for words in side.trained(arguments)]
    assert cases and not findings, fold(findings)


@pytest.mark.parametrize("rule", MINDSPORE.values(), ids=MINDSPORE)
@pytest.mark.usefixtures("graph_mode")
def test_mindspore_computes_the_same_in_graph_mode(rule: Rule) -> None:
    side = MindSporeSide(rule, graph=True)
    if side.api.form is not Form.LAYER:
        pytest.skip("only layers are compiled")
    first = side.trials()[0]
    findings = [*side.check(first)]
    assert not findings, fold(findings)
