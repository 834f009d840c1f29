"""The named strategies that a table cannot say: from a bound torch call to a plan.

Everything here decides and nothing edits: the plan is rendered elsewhere, and what is rendered is
verified elsewhere, so a mistake in this file is caught and not written.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

from mapper.bind import Argument
from mapper.conditions import Version
from mapper.plan import Api, ManualError, Plan, Wrapper
from mapper.rule import Rule, Strategy
from mapper.values import Known, UnknownError, evaluate, is_bool, is_repeatable, known, symbols


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an argument: the text to write, and the value where it is known."""

    text: str
    value: int | None


@dataclass(frozen=True, slots=True)
class Extent:
    """An argument of one int, or one per axis. `scalar`: one text serves all axes."""

    axes: tuple[Axis, ...]
    scalar: bool
    written: str | None = None
    """The text to write when the source's own form does not do (a list, a 1-tuple)."""

    @property
    def values(self) -> tuple[int, ...] | None:
        """Return the values when all are known."""
        values = tuple(axis.value for axis in self.axes if axis.value is not None)
        return values if len(values) == len(self.axes) else None

    @property
    def is_zero(self) -> bool:
        """Say whether it is known to be 0 on every axis."""
        return self.values is not None and not any(self.values)


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A torch call with its rule, its arguments and the means to read them.

    `text` gives an expression's source, `qualified` what a name resolves to (`torch.float16`).
    """

    rule: Rule
    arguments: Mapping[str, Argument]
    text: Callable[[ast.expr], str]
    qualified: Callable[[ast.expr], str | None]
    version: Version
    recipe: str = "exact"
    constants: Mapping[str, object] = field(default_factory=dict)
    """What names in the arguments hold that are bound once, to a plain number."""

    @property
    def rank(self) -> int:
        """Return the number of spatial axes."""
        return self.rule.torch.rank

    def given(self, name: str) -> bool:
        """Say whether the call gives the parameter."""
        return name in self.arguments

    def node(self, name: str) -> ast.expr:
        """Return the argument's expression, or the default's."""
        if name in self.arguments:
            return self.arguments[name].value
        spec = self.rule.torch.parameter(name)
        return ast.Constant(spec.default if spec else None)

    def known(self, name: str) -> Known | None:
        """Return the argument's value where it is certain."""
        return known(self.node(name))

    def extent(self, name: str) -> Extent:
        """Read an argument that torch spreads over the axes.

        Raises:
            ManualError: torch itself would refuse it.
        """
        node, rank = self.node(name), self.rank
        if isinstance(node, ast.Tuple | ast.List) and not _starred(node):
            return self._sequence(name, node)
        value = known(node)
        if value is not None and isinstance(value.value, tuple | list):
            items = list(value.value) * (rank if len(value.value) == 1 else 1)
            axes = tuple(Axis(repr(item), _int(item)) for item in items)
            self._check_length(name, len(axes))
            return Extent(axes, False, _tuple([axis.text for axis in axes], rank))
        text = self.text(node) if name in self.arguments else ast.unparse(node)
        return Extent((Axis(text, _int(value.value) if value else None),) * rank, True)

    def _sequence(self, name: str, node: ast.Tuple | ast.List) -> Extent:
        items = [Axis(self.text(e), _int(k.value) if (k := known(e)) else None) for e in node.elts]
        if len(items) == 1:
            return Extent((items[0],) * self.rank, True, items[0].text)
        self._check_length(name, len(items))
        written = None if isinstance(node, ast.Tuple) else "(" + self.text(node)[1:-1] + ")"
        return Extent(tuple(items), False, written)

    def _check_length(self, name: str, length: int) -> None:
        if length != self.rank:
            wanted = "1 value" if self.rank == 1 else f"1 or {self.rank} values"
            raise ManualError(f"torch wants {wanted} for `{name}` here, not {length}")

    def repeat(self, name: str) -> None:
        """Insist that the argument may be evaluated more than once."""
        if not is_repeatable(self.node(name)):
            raise ManualError(
                f"`{name}={self.text(self.node(name))}` would have to be evaluated more than once: "
                "put it into a variable first"
            )


def plan(call: BoundCall) -> Plan:
    """Decide what stands for the call.

    Raises:
        ManualError: nothing right is known; the message is for the user.
    """
    assert call.rule.strategy is not None
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


# --- what both kinds of convolution share ---------------------------------------------------------


def _common(
    call: BoundCall, names: tuple[str, ...] = ("kernel_size", "stride", "dilation")
) -> Plan:
    plan = Plan(call.rule.mindspore.api)
    for name in names:
        if call.given(name) and (written := call.extent(name).written) is not None:
            plan.changes[name] = [("", written)]
    if call.given("groups"):
        plan.changes["groups"] = [("group", call.text(call.node("groups")))]
    _dtype(call, plan)
    if call.given("device"):
        plan.changes["device"] = []
        plan.notes.append("`device` is dropped: in MindSpore placement belongs to the context")
    return plan


def _bias(call: BoundCall, plan: Plan) -> None:
    node = call.node("bias")
    value = known(node)
    if value is not None:
        text = str(bool(value.value))
    elif is_bool(node) or isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        text = call.text(node)  # anything but a bool raises in MindSpore
    else:
        text = f"bool({call.text(node)})"
    plan.put("bias", call.given("bias"), [("has_bias", text)])


def _initial(call: BoundCall, plan: Plan, fan: str) -> None:
    """Write torch's initialisers out where that release's defaults are others.

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
    kernel = call.extent("kernel_size")
    channels, groups = call.known(fan), call.known("groups")
    if kernel.values and channels and groups:
        count, parts = _int(channels.value), _int(groups.value)
        if count and parts:
            return f"{count // parts * prod(kernel.values)} ** -0.5"
    factors = [_operand(call.text(call.node(fan)))]
    if groups is None or groups.value != 1:
        factors.append(f"// {_operand(call.text(call.node('groups')))}")
    factors += [f"* {_operand(axis.text)}" for axis in kernel.axes]
    return f"({' '.join(factors)}) ** -0.5"


def _dtype(call: BoundCall, plan: Plan) -> None:
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
    """None is torch's float32; anything but None and MindSpore's own dtypes raises there."""
    if call.rule.mindspore.parameter("dtype") not in call.rule.mindspore.parameters_in(
        call.version
    ):
        raise ManualError(
            f"MindSpore {call.version} has no `dtype` here, so `{call.text(node)}` cannot be "
            "carried over: drop it, or cast the cell"
        )
    text = _operand(call.text(node), ast.Call)
    plan.changes["dtype"] = [("dtype", Api("mindspore.float32", before=f"{text} or "))]
    plan.assumptions.append(f"`{call.text(node)}` is None or a MindSpore dtype (torch's raises)")


def _pad_keywords(mode: str, padding: str | None = None) -> list[tuple[str, str]]:
    keywords = [("pad_mode", repr(mode))]
    return keywords if padding is None else [*keywords, ("padding", padding)]


def _doubled(call: BoundCall, padding: Extent) -> str:
    """Write one int per axis as MindSpore wants it: both sides of each axis, one by one."""
    if padding.scalar or call.rank == 1:
        return padding.axes[0].text
    if not is_repeatable(call.node("padding")):
        return " + ".join(f"({axis.text},) * 2" for axis in padding.axes)
    return _tuple([axis.text for axis in padding.axes for _ in range(2)])


# --- convolutions -----------------------------------------------------------------------------


def _convolution(call: BoundCall) -> Plan:
    plan = _common(call)
    mode = call.known("padding_mode")
    if mode is None:
        plan.unsafe = {call.text(call.node("padding_mode")): "zeros"}
    if call.given("padding_mode"):
        plan.changes["padding_mode"] = []
    padding = call.known("padding")
    string = padding.value if padding and isinstance(padding.value, str) else None
    if mode is not None and mode.value != "zeros":
        keywords = _pad_layer(call, plan, str(mode.value), string)
    elif string is not None:
        keywords = _pad_keywords(string)
    else:
        keywords = _zeros(call)
    plan.put("padding", call.given("padding"), keywords)
    _bias(call, plan)
    _initial(call, plan, "in_channels")
    return plan


def _zeros(call: BoundCall) -> list[tuple[str, str]]:
    padding = call.extent("padding")
    if padding.is_zero:
        return _pad_keywords("valid")
    return _pad_keywords("pad", _doubled(call, padding))


def _pad_layer(call: BoundCall, plan: Plan, mode: str, string: str | None) -> list[tuple[str, str]]:
    """Put a padding layer before the convolution, which then pads nothing."""
    if string == "same":
        sides = _same_sides(call)
    elif string == "valid":
        sides = [("0", "0")] * call.rank
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
    return _pad_keywords("valid")


def _pad_wrapper(mode: str, sides: list[tuple[str, str]]) -> Wrapper:
    rank = len(sides)
    if mode == "reflect" and rank < 3:
        pairs = ", ".join(f"({before}, {after})" for before, after in [("0", "0")] * 2 + sides)
        return Wrapper("mindspore.nn.Pad", f'paddings=({pairs}), mode="REFLECT"')
    if mode not in ("reflect", "replicate", "circular"):
        raise ManualError(f"torch has no padding_mode {mode!r}")
    flat = [text for side in reversed(sides) for text in side]
    if mode == "circular":
        return Wrapper("CircularPad", _tuple(flat))
    kind = "ReflectionPad" if mode == "reflect" else "ReplicationPad"
    one = flat[0] if len(set(flat)) == 1 else _tuple(flat)
    return Wrapper(f"mindspore.nn.{kind}{rank}d", one)


def _same_sides(call: BoundCall) -> list[tuple[str, str]]:
    kernel, dilation = call.extent("kernel_size").values, call.extent("dilation").values
    if kernel is None or dilation is None:
        raise ManualError(
            "padding='same' with this padding_mode needs kernel_size and dilation as plain numbers"
        )
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(str(total // 2), str(total - total // 2)) for total in totals]


# --- transposed convolutions ------------------------------------------------------------------


def _conv_transpose(call: BoundCall) -> Plan:
    plan = _common(call)
    if call.given("padding_mode"):
        if (mode := call.known("padding_mode")) is None:
            plan.unsafe = {call.text(call.node("padding_mode")): "zeros"}
        elif mode.value != "zeros":
            raise ManualError("torch itself supports only padding_mode='zeros' here")
        plan.changes["padding_mode"] = []
    padding, extra = call.extent("padding"), call.extent("output_padding")
    if call.recipe == "table" and call.rank != 2 and _is_documented_same(call, plan):
        plan.changes["output_padding"] = []
        plan.shape_only = True
        keywords = _pad_keywords("same")
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
    _bias(call, plan)
    _initial(call, plan, "out_channels")
    return plan


def _transposed_pad(call: BoundCall, padding: Extent) -> list[tuple[str, str]]:
    if padding.is_zero:
        # With 'valid' MindSpore's output has at least length * stride elements, torch's has fewer
        # when the dilated kernel is smaller than the stride.
        return _pad_keywords("valid" if _kernel_covers_stride(call) else "pad")
    return _pad_keywords("pad", _doubled(call, padding))


def _kernel_covers_stride(call: BoundCall) -> bool:
    found = [call.extent(name).values for name in ("kernel_size", "stride", "dilation")]
    kernel, stride, dilation = found
    if kernel is None or stride is None or dilation is None:
        return False
    return all(d * (k - 1) >= s - 1 for k, s, d in zip(kernel, stride, dilation, strict=True))


def _native(call: BoundCall, plan: Plan, padding: Extent, extra: Extent) -> list[tuple[str, str]]:
    """In 3-d the layer has an `output_padding` of its own, which needs pad_mode='pad'."""
    if call.given("output_padding") and extra.written is not None:
        plan.changes["output_padding"] = [("output_padding", extra.written)]
    elif call.given("output_padding"):
        text = call.text(call.node("output_padding"))
        plan.changes["output_padding"] = [("output_padding", text)]
    if padding.is_zero and not extra.is_zero:
        return _pad_keywords("pad")
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
    less = [_minus(p, o) for p, o in zip(padding.axes, extra.axes, strict=True)]
    if any(p.value == 0 for p in padding.axes):
        raise ManualError(
            "output_padding beyond padding needs plain numbers for padding, output_padding and "
            "stride: write them out, or pass them as constants"
        )
    plan.assumptions.append("output_padding is at most padding (more raises in MindSpore)")
    if call.rank == 1:
        plan.after.append(Wrapper("Crop1d", extra.axes[0].text))
        return _pad_keywords("pad", less[0])
    sides = [text for p, q in zip(padding.axes, less, strict=True) for text in (p.text, q)]
    return _pad_keywords("pad", _tuple(sides))


def _exact_known(
    call: BoundCall, plan: Plan, padding: tuple[int, ...], extra: tuple[int, ...]
) -> list[tuple[str, str]]:
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
        return _pad_keywords("pad", _tuple(sides))
    both = min(padding[0], right[0])
    start, end = padding[0] - both, right[0] - both
    if start or end:
        plan.after.append(Wrapper("Crop1d", f"{start}, {end}" if end else str(start)))
    return _pad_keywords("pad", str(both))


# --- functions ----------------------------------------------------------------------------------


def _functional_conv(call: BoundCall) -> Plan:
    """`ops.convNd` keeps torch's `groups`, and takes one padding per axis as torch does."""
    plan = Plan(call.rule.mindspore.api)
    for name in ("stride", "dilation"):
        if call.given(name) and (written := call.extent(name).written) is not None:
            plan.changes[name] = [("", written)]
    if (padding := call.known("padding")) is not None and isinstance(padding.value, str):
        keywords = _pad_keywords(padding.value)
    elif (extent := call.extent("padding")).is_zero:
        keywords = _pad_keywords("valid")
    else:
        keywords = _pad_keywords("pad", extent.written or call.text(call.node("padding")))
    plan.put("padding", call.given("padding"), keywords)
    return plan


def _functional_conv_transpose(call: BoundCall) -> Plan:
    """A helper with torch's own signature computes from the operands' shapes."""
    return Plan(f"ms_conv_transpose{call.rank}d")


# --- texts ------------------------------------------------------------------------------------


def _minus(left: Axis, right: Axis) -> str:
    if left.value is not None and right.value is not None:
        return str(left.value - right.value)
    return f"{_operand(left.text, ast.BinOp)} - {_operand(right.text)}"


def _operand(text: str, *loose: type[ast.expr]) -> str:
    """Put parentheses around a text unless it binds at least as tightly as a subtraction."""
    tight = (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript, *loose)
    body = ast.parse(f"({text}\n)", mode="eval").body
    if isinstance(body, ast.BinOp) and not isinstance(
        body.op, ast.Add | ast.Sub | ast.Mult | ast.FloorDiv | ast.Mod | ast.Div | ast.Pow
    ):
        return f"({text})"
    return text if isinstance(body, tight) else f"({text})"


def _tuple(texts: list[str], rank: int = 0) -> str:
    if rank == 1:
        return texts[0]
    return f"({', '.join(texts)})"


def _starred(node: ast.Tuple | ast.List) -> bool:
    return any(isinstance(element, ast.Starred) for element in node.elts)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


STRATEGIES: Mapping[Strategy, Callable[[BoundCall], Plan]] = {
    Strategy.CONV: _convolution,
    Strategy.CONV_TRANSPOSE: _conv_transpose,
    Strategy.FUNCTIONAL_CONV: _functional_conv,
    Strategy.FUNCTIONAL_CONV_TRANSPOSE: _functional_conv_transpose,
}
