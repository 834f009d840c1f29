"""The prover's question and answer: `ProofRequest` and `ProofResult`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from mapper.model.record import record
from mapper.model.results import Parameter, Proof
from mapper.proving.sampling import Seen
from mapper.rulebook.conditions import Version
from mapper.rulebook.schema import Rule

Read = Callable[[ast.expr], str | None]
"""What a name in a text stands for (`ms_nn.Conv2d` -> `mindspore.nn.Conv2d`), None: neither."""


class DisprovedError(Exception):
    """The text after does not do what the text before does; the message says how it differs."""


@record(frozen=True, slots=True)
class ProofRequest:
    """Two texts that are to be proved equal.

    `before` is the use of torch with its arguments written out, `after` the text that will take
    its place; the two functions say what names mean in them.
    """

    rule: Rule
    before: ast.expr
    after: str
    read_before: Read
    read_after: Read
    version: Version
    assumed: Mapping[str, object] = field(default_factory=dict)
    """What the plan takes for granted of symbols; only these values are tried."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """What the file says of the symbols. It is tried first, and taken for granted in words only."""
    shape_only: bool = False
    may_raise: bool = False
    """The plan says itself for which values MindSpore raises."""
    reduce: bool = True
    input_size: tuple[int, ...] | None = None


@record(frozen=True, slots=True)
class ProofResult:
    """A successful proof. `difference` is filled only where the values are allowed to differ."""

    proof: Proof
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    difference: str = ""


def together(every: Iterable[Mapping[str, Parameter]]) -> Mapping[str, Parameter]:
    """Return the parameters of all cases: a symbol may decide that one has no bias."""
    found: dict[str, Parameter] = {}
    for parameters in every:
        found = {**parameters, **found}
    return found
