"""Transposed convolutions: output_padding by asymmetric padding, a crop, or the input."""

from __future__ import annotations

from mapper.analysis.evaluate import UnknownError, evaluate, symbols
from mapper.model.plan import ManualError, Plan, Wrapper
from mapper.planning.bound_call import BoundCall, Extent, minus, tuple_of
from mapper.planning.strategies.common import bias, common, initial
from mapper.planning.strategies.padding import doubled, pad_keywords


def conv_transpose(call: BoundCall) -> Plan:
    """Decide what stands for a `ConvTransposeNd`."""
    plan = common(call)
    if call.given("padding_mode"):
        mode = call.known("padding_mode")
        if mode is not None and mode.value != "zeros":
            raise ManualError("torch itself supports only padding_mode='zeros' here")
        plan.changes["padding_mode"] = []
    padding, extra = call.extent("padding"), call.extent("output_padding")
    if call.recipe == "table" and call.rank != 2 and _is_documented_same(call, plan):
        plan.changes["output_padding"] = []
        plan.shape_only = True
        keywords = pad_keywords("same")
    elif call.rank == 3:
        keywords = _native(call, plan, padding, extra)
    else:
        if call.given("output_padding"):
            plan.changes["output_padding"] = []
        if extra.is_zero:
            keywords = _transposed_pad(call, padding)
        elif call.recipe == "table":
            keywords = _zero_pad_after(call, plan, padding, extra)
        else:
            keywords = _exact(call, plan, padding, extra)
    plan.put("padding", call.given("padding"), keywords)
    bias(call, plan)
    initial(call, plan, "out_channels")
    return plan


def _transposed_pad(call: BoundCall, padding: Extent) -> list[tuple[str, str]]:
    if padding.is_zero:
        # With 'valid' MindSpore's output has at least length * stride elements, torch's has fewer
        # when the dilated kernel is smaller than the stride.
        return pad_keywords("valid" if _kernel_covers_stride(call) else "pad")
    return pad_keywords("pad", doubled(call, padding))


def _kernel_covers_stride(call: BoundCall) -> bool:
    found = [call.extent(name).values for name in ("kernel_size", "stride", "dilation")]
    kernel, stride, dilation = found
    if kernel is None or stride is None or dilation is None:
        return False
    return all(d * (k - 1) >= s - 1 for k, s, d in zip(kernel, stride, dilation, strict=True))


def _native(call: BoundCall, plan: Plan, padding: Extent, extra: Extent) -> list[tuple[str, str]]:
    """Use the `output_padding` that MindSpore's 3-d layer has; it needs pad_mode='pad'."""
    if call.given("output_padding") and extra.written is not None:
        plan.changes["output_padding"] = [("output_padding", extra.written)]
    elif call.given("output_padding"):
        text = call.text(call.node("output_padding"))
        plan.changes["output_padding"] = [("output_padding", text)]
    if padding.is_zero and not extra.is_zero:
        return pad_keywords("pad")
    return _transposed_pad(call, padding)


def _zero_pad_after(
    call: BoundCall, plan: Plan, padding: Extent, extra: Extent
) -> list[tuple[str, str]]:
    pairs = ["(0, 0)", "(0, 0)", *(f"(0, {axis.text})" for axis in extra.axes)]
    arguments = f'paddings=({", ".join(pairs)}), mode="CONSTANT"'
    plan.after.append(Wrapper("mindspore.nn.Pad", arguments))
    plan.shape_only = True
    if not extra.scalar or call.rank > 1:
        call.repeat("output_padding")
    return _transposed_pad(call, padding)


def _is_documented_same(call: BoundCall, plan: Plan) -> bool:
    """Say whether this is what the 1-d and 3-d documents write pad_mode='same' for.

    That is padding = (kernel_size - 1) / 2 with output_padding = stride - 1 > 0. Numbers that have
    a name are looked up; the plan then rests on them.
    """
    names = ("kernel_size", "padding", "stride", "output_padding", "dilation")
    try:
        axes = [_each(evaluate(call.node(name), call.constants), call.rank) for name in names]
    except UnknownError:
        return False
    if not all(
        k - 1 == 2 * p and o == s - 1 > 0 and d == 1 for k, p, s, o, d in zip(*axes, strict=True)
    ):
        return False
    used = {symbol for name in names for symbol in symbols(call.node(name))}
    plan.fixed = {name: value for name, value in call.constants.items() if name in used}
    if plan.fixed:
        words = " and ".join(f"`{name}` is {value}" for name, value in plan.fixed.items())
        plan.notes.append(f"written for what this file says: {words}")
    return True


def _each(value: object, rank: int) -> tuple[int, ...]:
    """Return one int for every axis, or raise UnknownError."""
    items = list(value) if isinstance(value, tuple | list) else [value]
    ints = [item for item in items if isinstance(item, int)]
    if len(ints) != len(items) or len(ints) not in (1, rank):
        raise UnknownError
    return tuple(ints * (rank // len(ints)))


def _exact(call: BoundCall, plan: Plan, padding: Extent, extra: Extent) -> list[tuple[str, str]]:
    """Keep shape and values: crop less on the right, and enlarge the input where that is short."""
    call.repeat("padding")
    call.repeat("output_padding")
    if padding.values is not None and extra.values is not None:
        return _exact_known(call, plan, padding.values, extra.values)
    less = [minus(p, o) for p, o in zip(padding.axes, extra.axes, strict=True)]
    if any(p.value == 0 for p in padding.axes):
        raise ManualError(
            "output_padding beyond padding needs plain numbers for padding, output_padding and "
            "stride: write them out, or pass them as constants"
        )
    plan.assumptions.append("output_padding is at most padding (more raises in MindSpore)")
    if call.rank == 1:
        plan.after.append(Wrapper("Crop1d", extra.axes[0].text))
        return pad_keywords("pad", less[0])
    sides = [text for p, q in zip(padding.axes, less, strict=True) for text in (p.text, q)]
    return pad_keywords("pad", tuple_of(sides))


def _exact_known(
    call: BoundCall, plan: Plan, padding: tuple[int, ...], extra: tuple[int, ...]
) -> list[tuple[str, str]]:
    """Do so for known numbers: what the crop cannot shorten, a longer input makes up."""
    if min(extra) < 0:
        raise ManualError("torch itself refuses a negative output_padding")
    longer = [0] * call.rank
    if any(o > p for p, o in zip(padding, extra, strict=True)):
        stride = call.extent("stride").values
        if stride is None:
            raise ManualError(
                "output_padding beyond padding needs a plain number for stride: write it out"
            )
        excess = [max(o - p, 0) for p, o in zip(padding, extra, strict=True)]
        longer = [-(-e // s) for e, s in zip(excess, stride, strict=True)]
        pairs = ", ".join(f"(0, {q})" for q in (0, 0, *longer))
        plan.before.append(Wrapper("mindspore.nn.Pad", f"paddings=({pairs})"))
        right = [p + q * s - o for p, q, s, o in zip(padding, longer, stride, extra, strict=True)]
    else:
        right = [p - o for p, o in zip(padding, extra, strict=True)]
    if call.rank > 1:
        sides = [str(side) for pair in zip(padding, right, strict=True) for side in pair]
        return pad_keywords("pad", tuple_of(sides))
    both = min(padding[0], right[0])
    start, end = padding[0] - both, right[0] - both
    if start or end:
        plan.after.append(Wrapper("Crop1d", f"{start}, {end}" if end else str(start)))
    return pad_keywords("pad", str(both))
