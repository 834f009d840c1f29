"""Convolutions: zero padding by the layer, other padding by a layer before it."""

from __future__ import annotations

from mapper.model.plan import Keywords, ManualError, Plan, Wrapper
from mapper.planning.bound_call import BoundCall, tuple_of
from mapper.planning.strategies.common import bias, common, initial
from mapper.planning.strategies.padding import doubled, pad_keywords, zero_padding


def convolution(call: BoundCall) -> Plan:
    """Decide what stands for a `ConvNd`."""
    plan = common(call)
    mode = call.known("padding_mode")
    if call.given("padding_mode"):
        plan.changes["padding_mode"] = []
    padding = call.known("padding")
    string = padding.value if padding and isinstance(padding.value, str) else None
    if mode is not None and mode.value != "zeros":
        keywords = _pad_layer(call, plan, str(mode.value), string)
    else:
        keywords = zero_padding(call, lambda padding: doubled(call, padding))
        if mode is None:
            keywords = _only_zeros(call, plan, keywords)
    plan.put("padding", call.given("padding"), keywords)
    bias(call, plan)
    initial(call, plan, "in_channels")
    return plan


def _only_zeros(call: BoundCall, plan: Plan, keywords: Keywords) -> Keywords:
    """Return the padding keywords for a symbolic padding_mode, which is taken to be 'zeros'.

    Where the file says that it is 'zeros', what is written raises for any other mode. Without
    padding the mode does not matter.
    """
    node = call.node("padding_mode")
    text, seen = call.text(node), call.values(node)
    if keywords == pad_keywords("valid"):
        return keywords
    if "zeros" in seen:
        plan.assumptions.append(f"`{text}` is 'zeros' (another mode raises KeyError)")
        (name, value), *others = keywords
        return [(name, f"{{'zeros': {value}}}[{text}]"), *others]
    if seen:
        raise ManualError(
            f"`{text}` is {seen[0]!r} in this file, which takes a layer of its own: write "
            f"{seen[0]!r} itself into the call"
        )
    plan.unsafe = {text: "zeros"}
    return keywords


def _pad_layer(call: BoundCall, plan: Plan, mode: str, string: str | None) -> list[tuple[str, str]]:
    """Put a padding layer before the convolution, which then pads nothing."""
    if string == "same":
        sides = _same_sides(call)
    elif string == "valid":
        sides = [("0", "0")] * call.rank
    elif "str" in call.kinds(node := call.node("padding")):
        raise ManualError(
            f"`{call.text(node)}` may be a string, which takes another layer than a number with "
            f"padding_mode={mode!r}: make it two calls"
        )
    else:
        padding = call.extent("padding")
        if padding.values and min(padding.values) < 0:
            raise ManualError("a negative padding crops in torch: write the crop out by slicing")
        if not padding.is_zero:
            call.repeat("padding")
        sides = [(axis.text, axis.text) for axis in padding.axes]
        if padding.is_zero:
            sides = [("0", "0")] * call.rank
    if any(side != ("0", "0") for side in sides):
        plan.before.append(_pad_wrapper(mode, sides))
    return pad_keywords("valid")


def _pad_wrapper(mode: str, sides: list[tuple[str, str]]) -> Wrapper:
    rank = len(sides)
    if mode == "reflect" and rank < 3:
        pairs = ", ".join(f"({before}, {after})" for before, after in [("0", "0")] * 2 + sides)
        return Wrapper("mindspore.nn.Pad", f'paddings=({pairs}), mode="REFLECT"')
    if mode not in ("reflect", "replicate", "circular"):
        raise ManualError(f"torch has no padding_mode {mode!r}")
    flat = [text for side in reversed(sides) for text in side]
    if mode == "circular":
        return Wrapper("CircularPad", tuple_of(flat))
    kind = "ReflectionPad" if mode == "reflect" else "ReplicationPad"
    one = flat[0] if len(set(flat)) == 1 else tuple_of(flat)
    return Wrapper(f"mindspore.nn.{kind}{rank}d", one)


def _same_sides(call: BoundCall) -> list[tuple[str, str]]:
    kernel, dilation = call.extent("kernel_size").values, call.extent("dilation").values
    if kernel is None or dilation is None:
        raise ManualError(
            "padding='same' with this padding_mode needs kernel_size and dilation as plain numbers"
        )
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(str(total // 2), str(total - total // 2)) for total in totals]
