"""What the file says of a name: how a call is written for it, and what is then assumed."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from mapper.analysis.annotations import kinds_of_annotation
from mapper.model.results import Status
from tests.tool import migrate, only

_HEAD = """\
import math
import torch.nn as nn

keep = nn.Linear
"""


def _text(body: str) -> str:
    return _HEAD + textwrap.dedent(body).strip("\n") + "\n"


def _after(body: str) -> str:
    site = only(_text(body))
    assert site.status is Status.MIGRATED, site.message
    return str(site.after).removeprefix("ms_nn.")


def _method(parameters: str, call: str, after: str = "") -> str:
    lines = [
        "class Block(nn.Module):",
        f"    def __init__(self, c, {parameters}):",
        f"        self.conv = {call}",
        *textwrap.dedent(after).strip().splitlines(),
    ]
    return "\n".join(lines)


WRITTEN = {
    "a number under a name stays a name": (
        "PAD = 1\nx = nn.Conv2d(3, 8, 3, padding=PAD)",
        "Conv2d(3, 8, 3, pad_mode='pad', padding=PAD, has_bias=True)",
        (),
    ),
    "a string under a name is a pad_mode": (
        "PAD = 'same'\nx = nn.Conv2d(3, 8, 3, padding=PAD)",
        "Conv2d(3, 8, 3, pad_mode=PAD, has_bias=True)",
        (),
    ),
    "a tuple under a name is doubled": (
        "PADS = (1, 2)\nx = nn.Conv2d(3, 8, 3, padding=PADS)",
        "Conv2d(3, 8, 3, pad_mode='pad', padding=(PADS[0], PADS[0], PADS[1], PADS[1]), "
        "has_bias=True)",
        (),
    ),
    "a tuple of one in 1-d is its element": (
        "PADS = (1,)\nx = nn.Conv1d(3, 8, 3, padding=PADS)",
        "Conv1d(3, 8, 3, pad_mode='pad', padding=PADS[0], has_bias=True)",
        (),
    ),
    "a list under a name becomes a tuple": (
        "SIZES = [3, 5]\nx = nn.Conv2d(3, 8, SIZES)",
        "Conv2d(3, 8, tuple(SIZES), pad_mode='valid', has_bias=True)",
        (),
    ),
    "None under a name is no bias": (
        "BIAS = None\nx = nn.Conv2d(3, 8, 3, bias=BIAS)",
        "Conv2d(3, 8, 3, has_bias=bool(BIAS), pad_mode='valid')",
        (),
    ),
    "a test under a name is a bool": (
        "def f(norm):\n    bias = norm is None\n    return nn.Conv2d(3, 8, 3, bias=bias)",
        "Conv2d(3, 8, 3, has_bias=bias, pad_mode='valid')",
        (),
    ),
    "arithmetic under a name is an int": (
        "def f(k):\n    p = (k - 1) // 2\n    return nn.Conv2d(3, 8, (k, k), padding=p)",
        "Conv2d(3, 8, (k, k), pad_mode='pad', padding=p, has_bias=True)",
        (),
    ),
    "a short function of the file returns an int": (
        "def pad(k, d=1):\n    total = d * (k - 1)\n    return int(total / 2)\n"
        "def f(k):\n    return nn.Conv2d(3, 8, (k, k), padding=pad(k))",
        "Conv2d(3, 8, (k, k), pad_mode='pad', padding=pad(k), has_bias=True)",
        (),
    ),
    "a short function of the file returns a tuple, evaluated once": (
        "def pad(k):\n    return (k // 2, 0)\n"
        "def f(k):\n    return nn.Conv2d(3, 8, (k, 1), padding=pad(k))",
        "Conv2d(3, 8, (k, 1), pad_mode='pad', padding=tuple(p for p in pad(k) for _ in range(2)), "
        "has_bias=True)",
        ("`pad(k)` is a tuple (a tuple of one raises in MindSpore)",),
    ),
    "a method returns a tuple": (
        _method("k", "nn.Conv2d(c, c, (k, 1), padding=self.pad(k))").replace(
            "    def",
            "    def pad(self, k):\n        padding = (k // 2, 0)\n"
            "        return padding\n\n    def",
            1,
        ),
        "Conv2d(c, c, (k, 1), pad_mode='pad', padding=tuple(p for p in self.pad(k) for _ in "
        "range(2)), has_bias=True)",
        ("`self.pad(k)` is a tuple (a tuple of one raises in MindSpore)",),
    ),
    "torch's own helper makes a tuple": (
        "from torch.nn.modules.utils import _pair\n"
        "def f(k: int):\n    return nn.Conv2d(3, 8, _pair(k), padding=_pair(k // 2))",
        "Conv2d(3, 8, _pair(k), pad_mode='pad', padding=tuple(p for p in _pair(k // 2) for _ in "
        "range(2)), has_bias=True)",
        ("`_pair(k // 2)` is a tuple (a tuple of one raises in MindSpore)",),
    ),
    "a tuple made of unknown elements": (
        "def f(ks):\n    return nn.Conv2d(3, 8, 5, padding=tuple(k // 2 for k in ks))",
        "Conv2d(3, 8, 5, pad_mode='pad', padding=tuple(p for p in tuple(k // 2 for k in ks) for _ "
        "in range(2)), has_bias=True)",
        (),
    ),
    "math.ceil and int return ints": (
        "def f(k):\n    p = math.ceil((k - 1) / 2)\n    s = int(k / 2)\n"
        "    return nn.Conv2d(3, 8, (k, k), stride=s, padding=p)",
        "Conv2d(3, 8, (k, k), stride=s, pad_mode='pad', padding=p, has_bias=True)",
        (),
    ),
    "a number stored in self": (
        _method("k: int", "nn.Conv2d(c, c, self.k, padding=self.p)").replace(
            "        self.conv", "        self.k = k\n        self.p = k // 2\n        self.conv"
        ),
        "Conv2d(c, c, self.k, pad_mode='pad', padding=self.p, has_bias=True)",
        (),
    ),
    "a number of the class": (
        _method("k: int", "nn.Conv2d(c, c, k, padding=self.pad)").replace(
            "    def", "    pad = 1\n    def"
        ),
        "Conv2d(c, c, k, pad_mode='pad', padding=self.pad, has_bias=True)",
        (),
    ),
    "a default string may also be a number": (
        _method("padding='same'", "nn.Conv2d(c, c, 3, padding=padding)"),
        "Conv2d(c, c, 3, pad_mode=padding if isinstance(padding, str) else 'pad', "
        "padding=0 if isinstance(padding, str) else padding, has_bias=True)",
        ("`padding` is an int or a string (a list or a tuple raises in MindSpore)",),
    ),
    "a default tuple may also be a number": (
        _method("padding=(1, 0)", "nn.Conv2d(c, c, 3, padding=padding)"),
        "Conv2d(c, c, 3, pad_mode='pad', padding=(padding[0], padding[0], padding[1], padding[1]) "
        "if isinstance(padding, (tuple, list)) else padding, has_bias=True)",
        ("`padding` is an int or a tuple (a string or a tuple of one raises in MindSpore)",),
    ),
    "a default of None is no bias": (
        _method("bias=None", "nn.Conv2d(c, c, 3, bias=bias)"),
        "Conv2d(c, c, 3, has_bias=bool(bias), pad_mode='valid')",
        (),
    ),
    "an annotation is believed": (
        _method("k: int, p: int = 0, bias: bool = True", "nn.Conv2d(c, c, k, 1, p, bias=bias)"),
        "Conv2d(c, c, k, 1, pad_mode='pad', padding=p, has_bias=bias)",
        (),
    ),
    "an annotation of either": (
        _method("p: int | tuple[int, int] = 0", "nn.Conv2d(c, c, 3, padding=p)"),
        "Conv2d(c, c, 3, pad_mode='pad', padding=(p[0], p[0], p[1], p[1]) "
        "if isinstance(p, (tuple, list)) else p, has_bias=True)",
        (),
    ),
    "an annotation of either in 1-d": (
        _method("k: int | tuple[int]", "nn.Conv1d(c, c, k)"),
        "Conv1d(c, c, k[0] if isinstance(k, (tuple, list)) else k, pad_mode='valid', "
        "has_bias=True)",
        (),
    ),
    "one visible call of many is a hint": (
        _method(
            "p=0", "nn.Conv2d(c, c, 3, padding=p)", "def build(make):\n    return Block(3, (1, 2))"
        )
        + "\nother = Block",
        "Conv2d(c, c, 3, pad_mode='pad', padding=(p[0], p[0], p[1], p[1]) "
        "if isinstance(p, (tuple, list)) else p, has_bias=True)",
        ("`p` is an int or a tuple (a string or a tuple of one raises in MindSpore)",),
    ),
    "a repeated display is one number": (
        "def f(k: int):\n    return nn.Conv2d(3, 8, (k,) * 2, padding=(k // 2,) * 2)",
        "Conv2d(3, 8, (k,) * 2, pad_mode='pad', padding=k // 2, has_bias=True)",
        (),
    ),
    "a comprehension is written out": (
        "x = nn.Conv2d(3, 8, [k for k in (3, 5)], padding=tuple(k // 2 for k in (3, 5)))",
        "Conv2d(3, 8, (3, 5), pad_mode='pad', padding=(3 // 2, 3 // 2, 5 // 2, 5 // 2), "
        "has_bias=True)",
        (),
    ),
    "what is called for each element is called as often": (
        "def f(take):\n    return nn.Conv2d(3, 8, 5, padding=[take() for _ in range(2)])",
        "Conv2d(3, 8, 5, pad_mode='pad', padding=(take(),) * 2 + (take(),) * 2, has_bias=True)",
        (),
    ),
    "a list of unknown length becomes a tuple": (
        "def f(sizes):\n    return nn.Conv2d(3, 8, [k + 1 for k in sizes])",
        "Conv2d(3, 8, tuple([k + 1 for k in sizes]), pad_mode='valid', has_bias=True)",
        (),
    ),
    "a string in one branch only": (
        "def f(s: int):\n    return nn.Conv2d(3, 8, 3, padding=1 if s > 1 else 'same')",
        "Conv2d(3, 8, 3, pad_mode='pad' if s > 1 else 'same', padding=1 if s > 1 else 0, "
        "has_bias=True)",
        (),
    ),
    "a string in the first branch": (
        "def f(s: int):\n    return nn.Conv2d(3, 8, 3, padding='same' if s > 1 else (1, 0))",
        "Conv2d(3, 8, 3, pad_mode='same' if s > 1 else 'pad', "
        "padding=0 if s > 1 else (1, 1, 0, 0), has_bias=True)",
        (),
    ),
    "strings in both branches": (
        "def f(s: int):\n    return nn.Conv2d(3, 8, 3, padding='same' if s > 1 else 'valid')",
        "Conv2d(3, 8, 3, pad_mode='same' if s > 1 else 'valid', has_bias=True)",
        (),
    ),
    "a padding_mode that is zeros by default": (
        _method("mode='zeros'", "nn.Conv2d(c, c, 3, padding=1, padding_mode=mode)"),
        "Conv2d(c, c, 3, pad_mode={'zeros': 'pad'}[mode], padding=1, has_bias=True)",
        ("`mode` is 'zeros' (another mode raises KeyError)",),
    ),
    "a padding_mode without padding": (
        "def f(mode):\n    return nn.Conv2d(3, 8, 3, padding_mode=mode)",
        "Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
        (),
    ),
}


@pytest.mark.parametrize(("body", "expected", "assumptions"), WRITTEN.values(), ids=WRITTEN)
def test_a_call_is_written_for_what_the_file_says(
    body: str, expected: str, assumptions: tuple[str, ...]
) -> None:
    assert _after(body) == expected
    assert only(_text(body)).assumptions == assumptions


LEFT = {
    "a string or a number with another mode": (
        "def f(k: int):\n    return nn.Conv2d(3, 8, 3, padding='same' if k % 2 else 1, "
        "padding_mode='reflect')",
        "may be a string, which takes another layer",
    ),
    "a mode that takes another layer": (
        "MODE = 'reflect'\nx = nn.Conv2d(3, 8, 3, padding=1, padding_mode=MODE)",
        "`MODE` is 'reflect' in this file",
    ),
}


@pytest.mark.parametrize(("body", "words"), LEFT.values(), ids=LEFT)
def test_a_call_that_cannot_work_with_what_the_file_says_is_left(body: str, words: str) -> None:
    site = only(_text(body))
    assert site.status is Status.MANUAL
    assert words in site.message


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("", id="nothing else"),
        pytest.param("PADS = 1\n", id="bound to a number elsewhere"),
        pytest.param("def g():\n    global PADS\n    PADS = None\n", id="changed by a function"),
        pytest.param("PADS += (1,)\n", id="added to"),
    ],
)
def test_whatever_else_a_name_holds_raises_or_is_equal(more: str) -> None:
    """The proof tries ints, lists, strings and tuples of one, whatever the file says."""
    text = _text(f"PADS = (1, 2)\n{more}x = nn.Conv2d(3, 8, 3, padding=PADS)")
    site = only(text)
    assert site.status is Status.MIGRATED
    assert site.proof.kind == "sampled"


_ONLY_TUPLES = "padding=(p[0], p[0], p[1], p[1]), has_bias"
_EITHER = "padding=(p[0], p[0], p[1], p[1]) if isinstance(p, (tuple, list)) else p, has_bias"
ELSEWHERE = {
    "a file that takes nothing": ("import block", _ONLY_TUPLES, True),
    "a call with a tuple": ("from block import Block\nBlock(3, (2, 2))", _ONLY_TUPLES, True),
    "a call with a number": ("from block import Block\nBlock(3, 1)", _EITHER, True),
    "a call under another name": ("from block import Block as B\nB(3, p=1)", _EITHER, True),
    "a call through the module": ("import block as b\nb.Block(3, p=1)", _EITHER, True),
    "a call with something unknown": ("from block import Block\nBlock(3, x)", _EITHER, False),
    "a subclass": ("from block import Block\nclass Own(Block): pass", _EITHER, False),
    "handed on": ("from block import Block\nmake(Block)", _EITHER, False),
    "unpacked arguments": ("from block import Block\nBlock(*all)", _EITHER, False),
    "a star": ("from block import *", _EITHER, False),
    "brackets in strings and comments": (
        "from block import (\n    Block,\n)\nBlock(3, (1, 1), # )\n  print(\"(\"), '''(\n)''')",
        _ONLY_TUPLES,
        True,
    ),
    "a comment on it": ("from block import Block\nBlock(3, (1, 1))  # a Block", _EITHER, False),
    "a local class of that name": ("import block\nclass Block(): pass", _ONLY_TUPLES, True),
    "a name that is longer": (
        "from block import Block\nBlock(3, (1, 1))\nBlocks = 1",
        _ONLY_TUPLES,
        True,
    ),
    "not Python": ("from block import Block\nBlock((", _EITHER, False),
}


@pytest.mark.parametrize(("other", "expected", "is_whole"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_calls_in_other_files_decide_where_all_are_visible(
    other: str, expected: str, is_whole: bool, tmp_path: Path
) -> None:
    made = "def build():\n    return Block(3, (1, 2)), Block(3, p=(0, 1))"
    text = _text(_method("p", "nn.Conv2d(c, c, 3, padding=p)", made))
    file = tmp_path / "block.py"
    file.write_text(text)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "other.py").write_text(f"{other}\n")
    (site,) = migrate(text, path=file).sites
    assert expected in str(site.after)
    assert (site.assumptions == ()) is is_whole


def test_calls_of_what_a_package_hands_on_are_seen(tmp_path: Path) -> None:
    text = _text(_method("p", "nn.Conv2d(c, c, 3, padding=p)"))
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "net").mkdir()
    file = tmp_path / "net" / "block.py"
    file.write_text(text)
    (tmp_path / "net" / "__init__.py").write_text("from .block import Block\n")
    (tmp_path / "use.py").write_text("from net import Block\nBlock(3, (1, 2))\n")
    (site,) = migrate(text, path=file).sites
    assert _ONLY_TUPLES in str(site.after)


ANNOTATIONS = {
    "int": {"int"},
    "int | None": {"int", "None"},
    "Optional[int]": {"int", "None"},
    "Union[int, Tuple[int, int]]": {"int", "tuple"},
    "t.Union[int, t.List[int]]": {"int", "list"},
    "Sequence[int]": {"tuple", "list"},
    "'int | str'": {"int", "str"},
    "Literal['same', 'valid']": {"str"},
    "_size_2_t": {"int", "tuple"},
    "torch.Tensor": set(),
    "int | Anything": set(),
    "'not python ('": set(),
    "Callable[[int], int]": set(),
}


@pytest.mark.parametrize(("text", "kinds"), ANNOTATIONS.items(), ids=ANNOTATIONS)
def test_annotations_are_kinds_of_value(text: str, kinds: set[str]) -> None:
    assert kinds_of_annotation(ast.parse(text, mode="eval").body) == kinds
