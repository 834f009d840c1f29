"""Plans from rules without a strategy: what each argument becomes, read off the rule."""

from __future__ import annotations

import ast
import re

import pytest

from mapper.analysis.bind import bind
from mapper.model.plan import Api, ManualError, Operand, Plan, Template
from mapper.planning.bound_call import BoundCall
from mapper.planning.strategies import plan
from mapper.rulebook.conditions import Version
from mapper.rulebook.loader import default_directory, load, read_rule
from mapper.rulebook.schema import Kind, Rule

ANY: frozenset[str] = frozenset({"any"})


def rule(torch: str, mindspore: str, more: str = "", kind: str = "layer") -> Rule:
    return read_rule(
        f"""
id = "TM999"
kind = "{kind}"

[torch]
api = "torch.nn.Thing"
signature = "{torch}"

[mindspore]
api = "mindspore.nn.Thing"
signature = "{mindspore}"
{more}

[[examples]]
before = "nn.Thing()"
after = "nn.Thing()"
""",
        "rules/nn/thing.toml",
    )


def planned(
    text: str,
    found: Rule,
    version: str = "2.10",
    kinds: frozenset[str] = ANY,
) -> Plan:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)

    def source(node: ast.expr) -> str:
        return ast.get_source_segment(text, node) or ast.unparse(node)

    def qualified(node: ast.expr) -> str | None:
        return ast.unparse(node) if ast.unparse(node).startswith("torch.") else None

    return plan(
        BoundCall(
            found,
            bind(call, found.torch.parameters),
            source,
            qualified,
            Version.parse(version),
            kinds=lambda _: kinds,
        )
    )


def written(text: str, found: Rule, kinds: frozenset[str] = ANY) -> str:
    """Return the call that a plan says, plainly spelled."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    decided = planned(text, found, kinds=kinds)
    parts = []
    for name, argument in bind(call, found.torch.parameters).items():
        own = ast.get_source_segment(text, argument.value) or ""
        kept = [("" if argument.positional else name, own)]
        parts += decided.changes.get(name, kept)
    parts += decided.added
    return f"f({', '.join(f'{name}={value}' if name else value for name, value in parts)})"


BATCH_NORM = rule(
    "(num: int, eps: float = 1e-5, momentum: float | None = 0.1, track: bool = True, device=None)",
    "(num: int, eps: float = 1e-5, momentum: float = 0.9)",
    """
[arguments]
momentum = "1 - momentum"
[manual]
"momentum is None" = "Give a number."
"not track" = "Statistics are always kept."
[drop]
track = "statistics are kept"
device = "placement belongs to the context"
""",
)
LEAKY = rule(
    "(negative_slope: float = 0.01, inplace: bool = False)",
    "(alpha: float = 0.2)",
    '[arguments]\nalpha = "negative_slope"\n[drop]\ninplace = "the result is new"',
)
POOL = rule(
    "(kernel_size, stride=None, padding=0)",
    "(kernel_size=1, stride=1, pad_mode='valid', padding=0)",
    """
[arguments]
stride = "kernel_size if stride is None else stride"
pad_mode = "'pad'"
""",
)
LAYER_NORM = rule(
    "(normalized_shape, eps: float = 1e-5)",
    "(normalized_shape, begin_norm_axis=-1, epsilon: float = 1e-7)",
    """
[arguments]
normalized_shape = '''normalized_shape if isinstance(normalized_shape, (tuple, list))
                      else (normalized_shape,)'''
epsilon = "eps"
""",
)
GELU = rule(
    "(approximate: str = 'none')",
    "(approximate: bool = True)",
    "[arguments]\napproximate = \"approximate == 'tanh'\"",
)
RESPONSE = rule(
    "(size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0)",
    "(depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5)",
    '[arguments]\ndepth_radius = "size // 2"\nbias = "k"\nalpha = "alpha / size"',
)


@pytest.mark.parametrize(
    ("found", "before", "after"),
    [
        pytest.param(BATCH_NORM, "f(64)", "f(64)", id="defaults that agree stay unwritten"),
        pytest.param(BATCH_NORM, "f(num=n)", "f(num=n)", id="the same name stays"),
        pytest.param(BATCH_NORM, "f(64, 1e-3)", "f(64, 1e-3)", id="a number keeps its spelling"),
        pytest.param(LEAKY, "f(0.1)", "f(0.1)", id="a rename at the same place stays"),
        pytest.param(LAYER_NORM, "f((3, 4), 1e-5)", "f((3, 4), epsilon=1e-5)", id="a branch as is"),
        pytest.param(LEAKY, "f()", "f(alpha=0.01)", id="another default is written out"),
        pytest.param(LEAKY, "f(negative_slope=s)", "f(alpha=s)", id="a rename"),
        pytest.param(LEAKY, "f(0.1, True)", "f(0.1)", id="a dropped argument"),
        pytest.param(LEAKY, "f(inplace=True)", "f(alpha=0.01)", id="dropped, and a default added"),
        pytest.param(BATCH_NORM, "f(64, momentum=0.9)", "f(64, momentum=0.1)", id="decimals"),
        pytest.param(BATCH_NORM, "f(64, momentum=1)", "f(64, momentum=0)", id="ints stay ints"),
        pytest.param(BATCH_NORM, "f(64, e, m)", "f(64, e, 1 - m)", id="a symbol at its place"),
        pytest.param(BATCH_NORM, "f(64, momentum=a*b)", "f(64, momentum=1 - a*b)", id="tighter"),
        pytest.param(BATCH_NORM, "f(64, momentum=a+b)", "f(64, momentum=1 - (a+b))", id="looser"),
        pytest.param(
            BATCH_NORM,
            "f(64, momentum=a if c else b)",
            "f(64, momentum=1 - (a if c else b))",
            id="a condition in parentheses",
        ),
        pytest.param(BATCH_NORM, "f(64, momentum=g(x))", "f(64, momentum=1 - g(x))", id="a call"),
        pytest.param(POOL, "f(3)", "f(3, stride=3, pad_mode='pad')", id="taken from another one"),
        pytest.param(
            POOL, "f(1)", "f(1, pad_mode='pad')", id="and left out where it is MindSpore's"
        ),
        pytest.param(POOL, "f(3, 2)", "f(3, 2, pad_mode='pad')", id="given, so not taken"),
        pytest.param(
            POOL, "f(3, None, 1)", "f(3, 3, padding=1, pad_mode='pad')", id="None, so it is taken"
        ),
        pytest.param(
            POOL,
            "f(k, stride=s)",
            "f(k, stride=s, pad_mode='pad')",
            id="the usual kind where none is known",
        ),
        pytest.param(
            POOL,
            "f(k, 2, padding=p)",
            "f(k, 2, padding=p, pad_mode='pad')",
            id="MindSpore has another one at that place",
        ),
        pytest.param(LAYER_NORM, "f(64)", "f((64,), epsilon=1e-05)", id="an int by kind"),
        pytest.param(
            LAYER_NORM,
            "f(d)",
            "f((d,), epsilon=1e-05)",
            id="the kind behind else",
        ),
        pytest.param(GELU, "f()", "f(approximate=False)", id="a default through an expression"),
        pytest.param(GELU, "f('tanh')", "f(True)", id="a value through an expression"),
        pytest.param(GELU, "f(approximate=a)", "f(approximate=a == 'tanh')", id="not computed"),
        pytest.param(
            RESPONSE, "f(5)", "f(2, alpha=2e-05, beta=0.75)", id="one argument for two of them"
        ),
        pytest.param(
            RESPONSE,
            "f(2*n, 1, b, 2)",
            "f(2*n // 2, alpha=1 / (2*n), beta=b, bias=2)",
            id="places that move get names",
        ),
    ],
)
def test_a_call_becomes(found: Rule, before: str, after: str) -> None:
    assert written(before, found) == after


@pytest.mark.parametrize(
    ("found", "before", "kinds", "after"),
    [
        pytest.param(POOL, "f(k, s)", {"int"}, "f(k, s, pad_mode='pad')", id="never None"),
        pytest.param(LAYER_NORM, "f(d)", {"int"}, "f((d,), epsilon=1e-05)", id="an int"),
        pytest.param(LAYER_NORM, "f(d)", {"list"}, "f(d, epsilon=1e-05)", id="a list"),
        pytest.param(
            LAYER_NORM,
            "f(d)",
            {"list", "int"},
            "f((d,), epsilon=1e-05)",
            id="either",
        ),
    ],
)
def test_kinds_of_value_decide_conditions(
    found: Rule, before: str, kinds: set[str], after: str
) -> None:
    assert written(before, found, frozenset(kinds)) == after


def test_an_argument_that_stays_makes_no_change() -> None:
    decided = planned("f(64, 1e-5, momentum=0.1)", BATCH_NORM)
    assert decided.changes == {"momentum": [("momentum", "0.9")]}
    assert decided.added == []


@pytest.mark.parametrize(
    ("before", "notes"),
    [
        pytest.param("f(64)", [], id="nothing given"),
        pytest.param("f(64, device=None)", [], id="given as it is anyway"),
        pytest.param(
            "f(64, device=d)",
            ["`device` is dropped: placement belongs to the context"],
            id="given",
        ),
        pytest.param(
            "f(64, track=True, device='cpu')",
            ["`device` is dropped: placement belongs to the context"],
            id="only what is not torch's default",
        ),
    ],
)
def test_what_is_dropped_is_said(before: str, notes: list[str]) -> None:
    assert planned(before, BATCH_NORM).notes == notes


@pytest.mark.parametrize(
    ("found", "before", "message"),
    [
        pytest.param(BATCH_NORM, "f(64, momentum=None)", "Give a number.", id="a condition"),
        pytest.param(BATCH_NORM, "f(64, track=False)", "Statistics are always kept.", id="a truth"),
        pytest.param(
            BATCH_NORM, "f(64, track=t)", "Statistics are always kept.", id="what is lost"
        ),
        pytest.param(POOL, "f(g())", "`kernel_size=g()` would have to be evaluated", id="twice"),
        pytest.param(RESPONSE, "f(g())", "`size=g()` would have to be evaluated", id="for two"),
        pytest.param(RESPONSE, "f(0)", "torch itself would refuse these arguments", id="an error"),
    ],
)
def test_a_call_stays(found: Rule, before: str, message: str) -> None:
    with pytest.raises(ManualError, match=f"^{re.escape(message)}"):
        planned(before, found)


def test_a_condition_that_is_not_known_goes_on_to_the_proof() -> None:
    assert written("f(64, momentum=m)", BATCH_NORM) == "f(64, momentum=1 - m)"


DTYPE = rule(
    "(size: int, dtype=None)",
    "(size: int, dtype=mindspore.float32)",
    """
[mindspore.since]
dtype = "2.2"
[values.dtype.map]
"torch.half" = "mindspore.float16"
[[values.dtype.unsupported]]
values = ["torch.cfloat"]
reason = "there is no complex kernel"
""",
)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        pytest.param("f(1)", {}, id="not given"),
        pytest.param("f(1, dtype=None)", {"dtype": []}, id="None, which is the usual one"),
        pytest.param(
            "f(1, dtype=torch.half)", {"dtype": [("dtype", "mindspore.float16")]}, id="mapped"
        ),
        pytest.param("f(1, dtype=d)", {"dtype": [("dtype", "mindspore.float32")]}, id="a symbol"),
    ],
)
def test_values_with_a_name_are_mapped(before: str, changes: dict[str, object]) -> None:
    assert planned(before, DTYPE).changes == changes


def test_a_symbol_for_a_value_with_a_name_may_be_none() -> None:
    decided = planned("f(1, dtype=d)", DTYPE)
    ((_, value),) = decided.changes["dtype"]
    assert isinstance(value, Api)
    assert value.before == "d or "
    assert decided.assumptions == ["`d` is None or MindSpore's own (torch's raises)"]


@pytest.mark.parametrize(
    ("before", "version", "message"),
    [
        ("f(1, dtype=torch.cfloat)", "2.10", "`dtype=torch.cfloat`: there is no complex kernel"),
        ("f(1, dtype=torch.qint8)", "2.10", "`dtype=torch.qint8`: no counterpart is known"),
        ("f(1, dtype=torch.half)", "2.0", "MindSpore 2.0 has no `dtype` here, which came with 2.2"),
    ],
)
def test_a_value_without_counterpart_stays(before: str, version: str, message: str) -> None:
    with pytest.raises(ManualError, match=f"^{re.escape(message)}"):
        planned(before, DTYPE, version)


# --- templates ------------------------------------------------------------------------------------

SIZE = read_rule(
    """
id = "TM500"
kind = "method"
[torch]
api = "torch.Tensor.size"
signature = "(dim: int | None = None)"
[[write]]
when = "dim is None"
text = "{self}.shape"
[[write]]
text = "{self}.shape[{dim}]"
[[examples]]
before = "x.size()"
after = "x.shape"
""",
    "rules/tensor/size.toml",
)


@pytest.mark.parametrize(
    ("before", "parts", "assumptions"),
    [
        pytest.param("x.size()", (Operand("self"), ".shape"), [], id="the first"),
        pytest.param(
            "x.size(0)", (Operand("self"), ".shape[", Operand("dim"), "]"), [], id="the second"
        ),
        pytest.param(
            "x.size(i)",
            (Operand("self"), ".shape[", Operand("dim"), "]"),
            ["`i` is not None"],
            id="what has a name is taken for not None",
        ),
    ],
)
def test_a_use_becomes_the_first_template_that_holds(
    before: str, parts: tuple[object, ...], assumptions: list[str]
) -> None:
    decided = planned(before, SIZE)
    assert decided.template is not None
    assert decided.template.parts == parts
    assert decided.assumptions == assumptions


ZOOM = read_rule(
    """
id = "TM999"
kind = "function"
[torch]
api = "torch.zoom"
signature = "(input: Tensor, scale: float = 1, mode: str = 'a')"
[mindspore]
api = "mindspore.ops.zoom"
signature = "(input: Tensor, size: float = 1, mode: str = 'a')"
[arguments]
size = "scale"
[[write]]
when = "not known(scale) and mode == 'a'"
text = "mindspore.ops.zoom_any({input}, float({scale}))"
[[examples]]
before = "torch.zoom(x)"
after = "ops.zoom(x)"
""",
    "rules/torch/zoom.toml",
)


def test_arguments_decide_where_no_template_holds() -> None:
    template = planned("torch.zoom(x, s)", ZOOM).template
    assert template is not None and template.parts[0] == Api("mindspore.ops.zoom_any")
    for call in ("torch.zoom(x, 2)", "torch.zoom(x, s, 'b')"):
        decided = planned(call, ZOOM)
        assert decided.template is None and decided.target == "mindspore.ops.zoom"


def test_a_template_that_depends_on_what_is_not_known_is_left() -> None:
    with pytest.raises(ManualError, match="depends on"):
        planned("torch.zoom(x, s, mode=m)", ZOOM)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{self}.shape", (Operand("self"), ".shape")),
        ("{self}[{{}}]", (Operand("self"), "[{}]")),
        ("mindspore.ops.abs({x})", (Api("mindspore.ops.abs"), "(", Operand("x"), ")")),
        ("{x}.to(mindspore.int32)", (Operand("x"), ".to(", Api("mindspore.int32"), ")")),
    ],
)
def test_a_template_holds_texts_names_and_operands(text: str, parts: tuple[object, ...]) -> None:
    found = Template.parse(text)
    assert found.parts == parts
    assert [type(part) for part in found.parts] == [type(part) for part in parts]


def test_a_template_is_filled_with_the_defaults_of_what_is_not_given() -> None:
    found = Template.parse("{self}.sum({dim}, {keep})").filled({"keep": "False"})
    assert "".join(str(p) for p in found.parts if isinstance(p, str)) == ".sum(, False)"
    assert found.operands == ("self", "dim")


CONVOLUTIONS = [one for one in load().rules if one.strategy and one.kind is Kind.LAYER]
"""Those whose strategy writes MindSpore's own call, and not one of an inserted function."""


@pytest.mark.parametrize("found", CONVOLUTIONS, ids=lambda one: one.id)
def test_the_names_that_a_strategy_writes_are_those_of_the_rule(found: Rule) -> None:
    """Where the rule file has another name for a renamed parameter, the plan has it, too."""
    assert found.renames
    text = (default_directory().parent / found.file).read_text("utf-8")
    for old, new in found.renames.items():
        text, count = re.subn(rf'^{new} = "{old}"$', f'other_{new} = "{old}"', text, flags=re.M)
        assert count == 1
        text, count = re.subn(rf"^(signature = .*\b){new}=", rf"\1other_{new}=", text, flags=re.M)
        assert count == 1
    renamed = read_rule(text, found.file, is_whole=False)
    required = [spec for spec in found.torch.parameters if spec.required]
    given = ", ".join(f"{spec.name}=4" for spec in required)
    names = {"bias": "flag", "groups": "n"}
    call = f"f({given}, {', '.join(f'{old}={names[old]}' for old in found.renames)})"
    for one, prefix in ((found, ""), (renamed, "other_")):
        changes = planned(call, one).changes
        for old, new in found.renames.items():
            assert changes[old][0][0] == f"{prefix}{new}"
