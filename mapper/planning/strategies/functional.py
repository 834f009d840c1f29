"""Functional convolutions: operators, or a helper that computes from the weight's shape."""

from __future__ import annotations

from mapper.model.plan import Plan
from mapper.planning.bound_call import BoundCall
from mapper.planning.strategies.padding import zero_padding


def functional_conv(call: BoundCall) -> Plan:
    """Plan a call of `ops.convNd`, which has torch's `groups` and takes one padding per axis."""
    plan = Plan(call.rule.mindspore.api)
    for name in ("stride", "dilation"):
        if call.given(name) and (written := call.extent(name).written) is not None:
            plan.changes[name] = [("", written)]
    whole = call.text(call.node("padding"))
    keywords = zero_padding(call, lambda padding: padding.written or whole)
    plan.put("padding", call.given("padding"), keywords)
    return plan


def functional_conv_transpose(call: BoundCall) -> Plan:
    """Plan a call of a helper with torch's signature, which computes from the operands' shapes."""
    return Plan(f"ms_conv_transpose{call.rank}d")
