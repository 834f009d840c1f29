"""Turns a bound torch call into a plan, where a declarative rule cannot express what is needed.

Strategies only decide: `writing` puts the plan into source and `proving` checks that source, so a
mistake here is caught before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapper.model.plan import Plan
from mapper.planning.bound_call import BoundCall
from mapper.planning.declarative import declared
from mapper.planning.strategies.conv import convolution
from mapper.planning.strategies.conv_transpose import conv_transpose
from mapper.planning.strategies.functional import functional_conv, functional_conv_transpose
from mapper.rulebook.schema import Strategy


def plan(call: BoundCall) -> Plan:
    """Decide what stands for the call.

    Raises:
        ManualError: nothing right is known; the message is for the user.
    """
    if call.rule.strategy is None:
        return declared(call)
    plan = STRATEGIES[call.rule.strategy](call)
    if plan.target == call.rule.mindspore.api:
        _name_positional(call, plan)
    for name, argument in call.arguments.items():
        if argument.unpacked:  # what is left of a `**` argument is written out
            plan.changes.setdefault(name, [(name, call.text(argument.value))])
    return plan


def _name_positional(call: BoundCall, plan: Plan) -> None:
    """Give positional arguments a name where MindSpore has another parameter at their place."""
    places = [spec.name for spec in call.rule.mindspore.parameters_in(call.version)]
    in_place = True
    for name, argument in call.arguments.items():
        if not argument.positional:
            break
        kept = plan.changes.get(name, [("", call.text(argument.value))])
        is_bare = len(kept) == 1 and not kept[0][0]
        in_place = in_place and is_bare and places[argument.index : argument.index + 1] == [name]
        if is_bare and not in_place:
            plan.changes[name] = [(name, kept[0][1])]


STRATEGIES: Mapping[Strategy, Callable[[BoundCall], Plan]] = {
    Strategy.CONV: convolution,
    Strategy.CONV_TRANSPOSE: conv_transpose,
    Strategy.FUNCTIONAL_CONV: functional_conv,
    Strategy.FUNCTIONAL_CONV_TRANSPOSE: functional_conv_transpose,
}
