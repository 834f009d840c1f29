"""What both kinds of convolution share: extents, bias, dtype, device, initialisers."""

from __future__ import annotations

import ast
from math import prod

from mapper.analysis.evaluate import is_bool, is_repeatable, known
from mapper.model.plan import Api, ManualError, Plan
from mapper.planning.bound_call import BoundCall, as_int, operand


def common(call: BoundCall, names: tuple[str, ...] = ("kernel_size", "stride", "dilation")) -> Plan:
    """Start a plan with what is carried over as it is, or only spelled differently."""
    plan = Plan(call.rule.mindspore.api)
    for name in names:
        if call.given(name) and (written := call.extent(name).written) is not None:
            plan.changes[name] = [("", written)]
    if call.given("groups"):
        plan.changes["groups"] = [(renamed(call, "groups"), call.text(call.node("groups")))]
    _dtype(call, plan)
    if call.given("device"):
        plan.changes["device"] = []
        plan.notes.append("`device` is dropped: in MindSpore placement belongs to the context")
    return plan


def bias(call: BoundCall, plan: Plan) -> None:
    """Write the bias, whose default differs in MindSpore, as a bool."""
    node = call.node("bias")
    value = known(node)
    if value is not None:
        text = str(bool(value.value))
    elif is_bool(node) or (_is_bare(node) and call.kinds(node) <= {"bool", "any"}):
        text = call.text(node)  # anything but a bool raises in MindSpore
    else:
        text = f"bool({call.text(node)})"
    plan.put("bias", call.given("bias"), [(renamed(call, "bias"), text)])


def renamed(call: BoundCall, name: str) -> str:
    """Return what MindSpore calls a parameter of torch's."""
    return call.rule.renames.get(name, name)


def _is_bare(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def initial(call: BoundCall, plan: Plan, fan: str) -> None:
    """Write torch's initialisers out for MindSpore releases whose defaults differ.

    torch draws the weight from HeUniform(√5) and the bias from ±1/√(fan in); `fan` names the
    channels that count, per group, times the kernel.
    """
    spec = call.rule.mindspore.parameter("weight_init")
    if spec is None or spec.default_in(call.version) is None:
        return
    where = "mindspore.common.initializer"
    plan.added.append(("weight_init", Api(f"{where}.HeUniform", behind="(5 ** 0.5)")))
    bias = call.known("bias")
    if bias is not None and not bias.value:
        return
    names = (fan, "groups", "kernel_size")
    if not all(is_repeatable(call.node(name)) for name in names):
        plan.notes.append(f"the bias starts at zero in MindSpore {call.version}, unlike torch's")
        return
    plan.added.append(("bias_init", Api(f"{where}.Uniform", behind=f"({_fan_in(call, fan)})")))


def _fan_in(call: BoundCall, fan: str) -> str:
    """Return the source of 1/√(fan in): a number where it is known."""
    kernel = call.extent("kernel_size")
    channels, groups = call.known(fan), call.known("groups")
    if kernel.values and channels and groups:
        count, parts = as_int(channels.value), as_int(groups.value)
        if count and parts:
            return f"{count // parts * prod(kernel.values)} ** -0.5"
    factors = [operand(call.text(call.node(fan)))]
    if groups is None or groups.value != 1:
        factors.append(f"// {operand(call.text(call.node('groups')))}")
    factors += [f"* {operand(axis.text)}" for axis in kernel.axes]
    return f"({' '.join(factors)}) ** -0.5"


def _dtype(call: BoundCall, plan: Plan) -> None:
    """Carry `dtype` over by the rule's table; None, and float32 where there is no dtype, go."""
    if not call.given("dtype"):
        return
    node = call.node("dtype")
    name = call.qualified(node) or ""
    values = call.rule.values["dtype"]
    if (value := known(node)) and value.value is None:
        plan.changes["dtype"] = []
    elif name not in values.map and (reason := values.reason(name)):
        raise ManualError(f"`dtype={call.text(node)}`: {reason}")
    elif name not in values.map:
        _symbolic_dtype(call, plan, node)
    elif call.rule.mindspore.parameter("dtype") in call.rule.mindspore.parameters_in(call.version):
        plan.changes["dtype"] = [("dtype", Api(values.map[name]))]
    elif name in ("torch.float32", "torch.float"):
        plan.changes["dtype"] = []
    else:
        raise ManualError(f"MindSpore {call.version} has no `dtype` here: cast the cell instead")


def _symbolic_dtype(call: BoundCall, plan: Plan, node: ast.expr) -> None:
    """Write a dtype known only at run time: None becomes float32, and a dtype of torch's raises."""
    if call.rule.mindspore.parameter("dtype") not in call.rule.mindspore.parameters_in(
        call.version
    ):
        raise ManualError(
            f"MindSpore {call.version} has no `dtype` here, so `{call.text(node)}` cannot be "
            "carried over: drop it, or cast the cell"
        )
    text = operand(call.text(node), ast.Call)
    plan.changes["dtype"] = [("dtype", Api("mindspore.float32", before=f"{text} or "))]
    plan.assumptions.append(f"`{call.text(node)}` is None or a MindSpore dtype (torch's raises)")
