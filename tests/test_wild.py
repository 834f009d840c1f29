"""What real code does beyond literal calls: symbols, dicts, local names, type tests, wrappers."""

from __future__ import annotations

import ast
import textwrap

import pytest

from mapper.model.results import Status
from tests.tool import migrate, only, rewritten

_HEAD = """\
import torch
import torch.nn as nn
import torch.nn.functional as F

keep = nn.Linear, F.relu, torch.tensor
"""


def _function(body: str) -> str:
    inside = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"{_HEAD}\n\ndef build(c, k, s, p, flag, device=None, dtype=None, **kwargs):\n{inside}\n"


def _lines(text: str) -> list[str]:
    """Return the lines of the function's body."""
    return rewritten(text).split("**kwargs):\n")[1].rstrip("\n").split("\n")


SYMBOLIC = [
    pytest.param(
        "nn.Conv2d(c, 2 * c, k, s, (k - 1) // 2, bias=False)",
        "ms_nn.Conv2d(c, 2 * c, k, s, pad_mode='pad', padding=(k - 1) // 2, has_bias=False)",
        id="arithmetic on the kernel is carried over",
    ),
    pytest.param(
        "nn.Conv2d(c, c, (k, 1), padding=(k // 2, 0))",
        "ms_nn.Conv2d(c, c, (k, 1), pad_mode='pad', padding=(k // 2, k // 2, 0, 0), has_bias=True)",
        id="a tuple of expressions is doubled when that is harmless",
    ),
    pytest.param(
        "nn.Conv2d(c, c, (k, 1), padding=(pad_for(k), 0))",
        "ms_nn.Conv2d(c, c, (k, 1), pad_mode='pad', padding=(pad_for(k),) * 2 + (0,) * 2, "
        "has_bias=True)",
        id="a call inside the tuple is evaluated once",
    ),
    pytest.param(
        "nn.Conv2d(c, c, 3, bias=s is None)",
        "ms_nn.Conv2d(c, c, 3, has_bias=s is None, pad_mode='valid')",
        id="a comparison stays a bool expression",
    ),
    pytest.param(
        "nn.Conv2d(c, c, 3, bias=flag or s)",
        "ms_nn.Conv2d(c, c, 3, has_bias=bool(flag or s), pad_mode='valid')",
        id="what may not be a bool is made one",
    ),
    pytest.param(
        "nn.ConvTranspose1d(c, c, 2 * s, s, padding=s // 2 + s % 2, output_padding=s % 2)",
        "ms_nn.SequentialCell(ms_nn.Conv1dTranspose(c, c, 2 * s, s, pad_mode='pad', "
        "padding=s // 2 + s % 2 - (s % 2), has_bias=True), Crop1d(s % 2))",
        id="a symbolic output_padding in 1-d is cropped at the start",
    ),
    pytest.param(
        "nn.ConvTranspose2d(c, c, 3, 2, p, output_padding=1)",
        "ms_nn.Conv2dTranspose(c, c, 3, 2, pad_mode='pad', padding=(p, p - 1, p, p - 1), "
        "has_bias=True)",
        id="a symbolic padding less a known output_padding",
    ),
    pytest.param(
        "nn.ConvTranspose2d(c, c, k, s)",
        "ms_nn.Conv2dTranspose(c, c, k, s, pad_mode='pad', has_bias=True)",
        id="valid is not written where the kernel may be smaller than the stride",
    ),
    pytest.param(
        "nn.Conv2d(c, c, 3, dtype=dtype, device=device)",
        "ms_nn.Conv2d(c, c, 3, dtype=dtype or ms.float32, pad_mode='valid', has_bias=True)",
        id="no dtype is torch's float32",
    ),
]


@pytest.mark.parametrize(("call", "expected"), SYMBOLIC)
def test_a_symbolic_call_is_written_so_that_a_wrong_assumption_raises(
    call: str, expected: str
) -> None:
    text = _function(f"return {call}")
    assert _lines(text) == [f"    return {expected}"]
    assert only(text).status is Status.MIGRATED


def test_assumptions_say_what_was_tried_and_raises() -> None:
    site = only(_function("return nn.Conv2d(c, c, k, padding=p, bias=flag)"))
    assert site.proof.kind == "sampled"
    assert site.proof.cases >= 8
    assert site.assumptions == (
        "`k` is an int or a tuple (a list raises in MindSpore)",
        "`p` is an int (a string, a list or a tuple raises in MindSpore)",
        "`flag` is True or False (an int or None raises in MindSpore)",
    )


def test_symbols_that_only_count_channels_leave_the_proof_exact() -> None:
    site = only(_function("return nn.Conv2d(c, 2 * c, 3, padding=1)"))
    assert (site.proof.kind, site.assumptions) == ("exact", ())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(
            "nn.ConvTranspose2d(c, c, 3, s, output_padding=p)",
            "plain numbers",
            id="no padding left",
        ),
        pytest.param("nn.Conv2d(*p)", "`*` arguments", id="unpacked positions"),
        pytest.param(
            "nn.Conv2d(*p, **kwargs)",
            "`**kwargs` may hold padding, groups, bias, padding_mode, device, dtype, which "
            "MindSpore spells or counts differently: give the function around it parameters",
            id="everything unpacked",
        ),
        pytest.param(
            "nn.Conv2d(c, c, 3, **kwargs)",
            "`**kwargs` may hold padding, groups, bias, padding_mode, device, dtype, which",
            id="an opaque dict may hold what MindSpore spells differently",
        ),
        pytest.param("nn.Conv2d(c, c, 3, padding=-1)", "torch refuses", id="torch itself refuses"),
    ],
)
def test_what_cannot_be_proved_is_left_with_the_reason(call: str, words: str) -> None:
    text = _function(f"return {call}")
    site = only(text)
    assert site.status is Status.MANUAL
    assert words in site.message
    assert rewritten(text) == text


def test_a_symbolic_padding_mode_is_unsafe() -> None:
    site = only(_function("return nn.Conv2d(c, c, 3, padding=1, padding_mode=s)"))
    assert site.status is Status.UNSAFE
    assert "`s` is 'zeros'" in site.assumptions


UNPACKED = [
    pytest.param(
        """
        dd = {'device': device, 'dtype': dtype}
        return nn.Conv2d(c, c, 3, padding=1, **dd)
        """,
        "ms_nn.Conv2d(c, c, 3, pad_mode='pad', padding=1, dtype=dd['dtype'] or ms.float32, "
        "has_bias=True)",
        id="device goes and dtype is read from the dict",
    ),
    pytest.param(
        """
        options = dict(stride=2, groups=c)
        return nn.Conv2d(c, c, 3, **options, bias=False)
        """,
        "ms_nn.Conv2d(c, c, 3, group=options['groups'], stride=options['stride'], has_bias=False, "
        "pad_mode='valid')",
        id="keys that MindSpore spells differently are written out",
    ),
    pytest.param(
        "return nn.Conv2d(c, c, 3, **{'padding': 1})",
        "ms_nn.Conv2d(c, c, 3, pad_mode='pad', padding=1, has_bias=True)",
        id="a dict in place",
    ),
]


@pytest.mark.parametrize(("body", "expected"), UNPACKED)
def test_a_local_dict_with_known_keys_is_taken_apart(body: str, expected: str) -> None:
    assert _lines(_function(body))[-1] == f"    return {expected}"


@pytest.mark.parametrize(
    "change",
    ["dd['groups'] = 2", "dd.update(kwargs)", "other(dd)", "dd = kwargs", "del dd['dtype']"],
)
def test_a_dict_that_may_change_is_not_taken_apart(change: str) -> None:
    text = _function(f"dd = {{'dtype': dtype}}\n{change}\nreturn nn.Conv2d(c, c, 3, **dd)")
    assert only(text).status is Status.MANUAL


def test_a_local_name_is_rewritten_with_every_call_through_it() -> None:
    text = _function(
        """
        conv = nn.Conv2d if flag else nn.Conv3d
        first = conv(c, c, 3, padding=1)
        return conv(c, c, k, padding=k // 2, groups=c)
        """
    )
    assert _lines(text) == [
        "    conv = ms_nn.Conv2d if flag else ms_nn.Conv3d",
        "    first = conv(c, c, 3, pad_mode='pad', padding=1, has_bias=True)",
        "    return conv(c, c, k, pad_mode='pad', padding=k // 2, group=c, has_bias=True)",
    ]
    assert [site.through for site in migrate(text).sites] == [None, None, "conv", "conv"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            "conv = nn.Conv2d if flag else nn.Linear\nreturn conv(c, c)",
            "may also hold something that is no torch convolution",
            id="another class",
        ),
        pytest.param(
            "conv = nn.Conv2d\nuse(conv)\nreturn conv(c, c, 3)",
            "also used for something else than a call",
            id="passed on",
        ),
        pytest.param(
            "conv = nn.Conv2d\nreturn [conv(c, c, 3) for conv in kwargs]",
            "also bound in an inner scope",
            id="bound again inside",
        ),
        pytest.param(
            "conv = nn.Conv2d if flag else nn.Conv3d\nreturn conv(c, c, 3, padding=(1, 1))",
            "torch wants",
            id="wrong for one of the classes",
        ),
        pytest.param(
            "conv = nn.Conv2d if flag else nn.Conv3d\n"
            "return conv(c, c, 3, padding=1, padding_mode='reflect')",
            "would have to read differently",
            id="different text for the classes",
        ),
    ],
)
def test_a_local_name_that_cannot_be_followed_is_left_with_its_calls(body: str, words: str) -> None:
    text = _function(body)
    sites = migrate(text).sites
    assert {site.status for site in sites} == {Status.MANUAL}
    assert all(words in site.message for site in sites)
    assert rewritten(text) == text


HELD = [
    pytest.param(
        """
        convs = {2: nn.Conv2d, 3: nn.Conv3d}
        return convs[k](c, c, 3, padding=1)
        """,
        """
        convs = {2: ms_nn.Conv2d, 3: ms_nn.Conv3d}
        return convs[k](c, c, 3, pad_mode='pad', padding=1, has_bias=True)
        """,
        id="a table of classes",
    ),
    pytest.param(
        """
        conv = (nn.Conv1d, nn.Conv2d)[flag]
        return conv(c, c, 3)
        """,
        """
        conv = (ms_nn.Conv1d, ms_nn.Conv2d)[flag]
        return conv(c, c, 3, pad_mode='valid', has_bias=True)
        """,
        id="a choice from a tuple in place",
    ),
    pytest.param(
        """
        conv = functools.partial(nn.Conv2d, bias=False, groups=c)
        return conv(c, c, 3, padding=1), conv(c, c, k)
        """,
        """
        conv = functools.partial(ms_nn.Conv2d, has_bias=False, group=c)
        return conv(c, c, 3, pad_mode='pad', padding=1), conv(c, c, k, pad_mode='valid')
        """,
        id="arguments that a partial fixes",
    ),
    pytest.param(
        """
        def inner(width, layer=nn.Conv2d):
            return layer(width, c, 3)
        return inner(c), inner(width=8)
        """,
        """
        def inner(width, layer=ms_nn.Conv2d):
            return layer(width, c, 3, pad_mode='valid', has_bias=True)
        return inner(c), inner(width=8)
        """,
        id="a default that every caller leaves",
    ),
    pytest.param(
        """
        class Narrow(nn.Conv2d):
            def __init__(self, width):
                super().__init__(width, width, 1, groups=c)
        return Narrow(8)
        """,
        """
        class Narrow(ms_nn.Conv2d):
            def __init__(self, width):
                super().__init__(width, width, 1, group=c, pad_mode='valid', has_bias=True)
        return Narrow(8)
        """,
        id="a subclass that only passes arguments on",
    ),
]


@pytest.mark.parametrize(("body", "expected"), HELD)
def test_classes_under_another_name_go_with_their_calls(body: str, expected: str) -> None:
    text = "import functools\n" + _function(body)
    wanted = textwrap.indent(textwrap.dedent(expected).strip(), "    ").split("\n")
    assert _lines(text) == wanted
    assert {site.status for site in migrate(text).sites} == {Status.MIGRATED}
    assert rewritten(rewritten(text)) == rewritten(text)


LEFT = [
    pytest.param(
        "convs = {2: nn.Conv2d, 0: nn.Linear}\nreturn convs[k](c, c, 3)",
        "may also hold something that is no torch convolution",
        id="a table with another class",
    ),
    pytest.param(
        "convs = {2: nn.Conv2d}\nconvs.update(kwargs)\nreturn convs[k](c, c, 3)",
        "also used for something else than a call",
        id="a table that may change",
    ),
    pytest.param(
        "conv = functools.partial(nn.Conv2d, bias=False)\nreturn conv(c, c, 3, bias=True)",
        "given twice",
        id="a partial that a call overrides",
    ),
    pytest.param(
        "def inner(layer=nn.Conv2d): return layer(c, c, 3)\nreturn inner(layer=s)",
        "`layer` is passed by a caller",
        id="a default that a caller replaces",
    ),
    pytest.param(
        "def inner(layer=nn.Conv2d): return layer(c, c, 3)\nreturn inner",
        "callers may pass another class",
        id="a function that is handed on",
    ),
    pytest.param(
        "class Wide(nn.Conv2d):\n"
        "    def __init__(self, w):\n"
        "        super().__init__(w, w, 3, padding=1)\n"
        "    def forward(self, x): return x",
        "`forward` becomes `construct`",
        id="a subclass with methods",
    ),
    pytest.param(
        "class Wide(nn.Conv2d):\n"
        "    def __init__(self, w):\n"
        "        super().__init__(w, w, 3, padding=1, padding_mode='reflect')",
        "a layer beside the convolution",
        id="a subclass that would need a padding layer",
    ),
]


@pytest.mark.parametrize(("body", "words"), LEFT)
def test_classes_that_cannot_be_followed_are_left_with_their_calls(body: str, words: str) -> None:
    text = "import functools\n" + _function(body)
    sites = migrate(text).sites
    assert len(sites) == 2
    assert {site.status for site in sites} == {Status.MANUAL}
    assert all(words in site.message for site in sites)
    assert "it reads `" in sites[1].message or words in ("given twice", "a layer beside")
    assert rewritten(text) == text


TESTS = [
    pytest.param(
        "isinstance(c, nn.Conv2d)", "isinstance(c, (nn.Conv2d, ms_nn.Conv2d))", id="one class"
    ),
    pytest.param(
        "isinstance(c, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))",
        "isinstance(c, (nn.Conv2d, ms_nn.Conv2d, nn.ConvTranspose2d, ms_nn.Conv2dTranspose, "
        "nn.Linear))",
        id="several classes",
    ),
    pytest.param(
        "issubclass(c, nn.Conv1d)", "issubclass(c, (nn.Conv1d, ms_nn.Conv1d))", id="a subclass test"
    ),
    pytest.param(
        "type(c) in (nn.Conv3d, nn.Linear)",
        "type(c) in (nn.Conv3d, ms_nn.Conv3d, nn.Linear)",
        id="an exact type among several",
    ),
]


@pytest.mark.parametrize(("test", "expected"), TESTS)
def test_a_type_test_holds_for_both_frameworks_and_is_stable(test: str, expected: str) -> None:
    text = _function(f"return {test}")
    once = rewritten(text)
    assert once.endswith(f"    return {expected}\n")
    assert rewritten(once) == once
    assert {site.status for site in migrate(once).sites} == {Status.MIGRATED}


@pytest.mark.parametrize(
    "line",
    [
        "return type(c) is nn.Conv2d",
        "return {2: nn.Conv2d}",
        "return functools.partial(nn.Conv2d, bias=False)",
        "def inner(layer: nn.Conv2d): return layer",
        "def inner(layer=nn.Conv2d): return use(layer)",
        "class Wide(nn.Conv2d): pass",
        "return nn.Conv2d.forward",
    ],
)
def test_other_references_are_left_with_advice(line: str) -> None:
    text = _function(line)
    site = only(text)
    assert site.status is Status.MANUAL
    assert len(site.message) > 40
    assert rewritten(text) == text


AROUND = [
    pytest.param(
        "return torch.nn.utils.weight_norm(nn.Conv1d(c, c, 3))",
        "weight_norm` around it has no counterpart",
        id="a wrapper",
    ),
    pytest.param(
        "return nn.Conv1d(c, c, 3).to(device)", "`.to()` behind it", id="a placement behind it"
    ),
    pytest.param(
        "self.a = nn.Conv1d(c, c, 3, padding=1, padding_mode='reflect')\nreturn self.a.weight",
        "reads `self.a.weight`, which is now `self.a[1].weight`",
        id="a parameter that moved",
    ),
    pytest.param(
        "self.a = nn.Conv1d(c, c, 3)\nreturn self.a.groups",
        "reads `self.a.groups`, which is `group` in MindSpore",
        id="an attribute with another name",
    ),
]


@pytest.mark.parametrize(("body", "words"), AROUND)
def test_what_stands_around_a_call_is_reported_with_it(body: str, words: str) -> None:
    site = only(_function(body))
    assert site.status is Status.MIGRATED
    assert words in site.message


FUNCTIONS = [
    pytest.param(
        "F.conv2d(c, k, s, 2, (1, 2))",
        "ms_ops.conv2d(c, k, s, 2, pad_mode='pad', padding=(1, 2))",
        id="one padding per axis as in torch",
    ),
    pytest.param(
        "F.conv1d(c, k.flip(0), padding='same', groups=p)",
        "ms_ops.conv1d(c, k.flip(0), pad_mode='same', groups=p)",
        id="operands are handed on as they are",
    ),
    pytest.param(
        "torch.conv3d(c, k, stride=[1, 2, 2])",
        "ms_ops.conv3d(c, k, stride=(1, 2, 2), pad_mode='valid')",
        id="lists become tuples",
    ),
    pytest.param(
        "F.conv_transpose2d(c, k, stride=s, output_padding=p)",
        "ms_conv_transpose2d(c, k, stride=s, output_padding=p)",
        id="a helper with torch's own signature",
    ),
]


@pytest.mark.parametrize(("call", "expected"), FUNCTIONS)
def test_a_functional_convolution_becomes_an_operator_or_a_helper(call: str, expected: str) -> None:
    text = _function(f"return {call}")
    assert _lines(text)[-1] == f"    return {expected}"
    assert only(text).parameters == {}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_helper_is_inserted_once_and_found_again(rank: int) -> None:
    call = f"F.conv_transpose{rank}d(c, k)"
    once = rewritten(_function(f"return {call}, {call}"))
    names = [n.name for n in ast.parse(once).body if isinstance(n, ast.FunctionDef)]
    assert names == [f"ms_conv_transpose{rank}d", "build"]
    again = rewritten(once.replace(f"ms_conv_transpose{rank}d(c, k), ", f"{call}, "))
    assert again == once


@pytest.mark.parametrize(
    ("line", "words", "other"),
    [
        pytest.param("self.c = nn.Conv2d", "groups -> group", "function", id="a class"),
        pytest.param("self.c = F.conv2d", "the function directly", "has_bias", id="a function"),
        pytest.param(
            "self.c = F.conv_transpose2d", "MindSpore has none", "pad_mode", id="no counterpart"
        ),
    ],
)
def test_what_to_do_with_another_name_fits_what_is_named(line: str, words: str, other: str) -> None:
    message = only(f"{_HEAD}\nclass A:\n    def f(self):\n        {line}\n").message
    assert words in message
    assert other not in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("def inner(a: nn.Conv2d | None): pass", "an annotation", id="a union"),
        pytest.param("def inner(a) -> list[nn.Conv2d]: pass", "an annotation", id="a result"),
        pytest.param("a: nn.Conv2d = c", "an annotation", id="of a variable"),
        pytest.param("c.a: type = nn.Conv2d", "gets another name", id="an annotated value"),
        pytest.param("c = (nn.Conv2d if s else f)(3)", "of its own first", id="a called choice"),
        pytest.param("c = {1: nn.Conv2d}[s](3)", "of its own first", id="a called table"),
        pytest.param("c = [nn.Conv2d][0](3)", "of its own first", id="a called list"),
        pytest.param("c = {nn.Conv2d: 1}[s](3)", "is looked up", id="a key of a called table"),
        pytest.param("return nn.Conv2d", "is returned", id="a result that is the class"),
        pytest.param("def inner(a=nn.Conv2d): pass", "default of a parameter", id="a default"),
        pytest.param("return partial(nn.Conv2d, bias=False)", "given to `partial`", id="partial"),
        pytest.param("return s(3, nn.Conv2d)", "is passed on", id="by position"),
        pytest.param("return s(conv=nn.Conv2d)", "is passed on", id="by name"),
        pytest.param("return {nn.Conv2d: 1}", "is looked up", id="a key"),
        pytest.param("return {1: nn.Conv2d}", "used as a value", id="a value"),
        pytest.param("LAYERS = (nn.Conv2d, nn.Linear)", "in a collection", id="a tuple"),
    ],
)
def test_the_advice_says_what_the_reference_is(line: str, words: str) -> None:
    assert words in only(_function(line)).message
