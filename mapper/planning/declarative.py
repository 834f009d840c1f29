"""From a call and a rule that says what each argument becomes to a plan."""

from __future__ import annotations

from mapper.model.plan import ManualError, Plan
from mapper.planning.bound_call import BoundCall


def declared(call: BoundCall) -> Plan:
    """Decide what stands for the call of a rule without a strategy."""
    raise ManualError(f"{call.rule.torch.api} is not planned yet")
