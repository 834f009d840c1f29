"""Layout of a rewritten call: what the user wrote stays where it stands."""

from __future__ import annotations

import pytest

from mapper.model.results import Status
from tests.tool import only, rewritten

HEAD, NEW_HEAD = "import torch.nn as nn\n", "import mindspore.nn as nn\n"

PAIRS = {
    "one line": (
        "c = nn.Conv2d(3, 8, 3)",
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "no spaces": (
        "c = nn.Conv2d(3,8,3,padding=1)",
        "c = nn.Conv2d(3,8,3,pad_mode='pad', padding=1, has_bias=True)",
    ),
    "spaces everywhere": (
        "c = nn . Conv2d ( 3 , 8 , 3 , padding = 1 , )",
        "c = nn.Conv2d ( 3 , 8 , 3 , pad_mode = 'pad', padding = 1 , has_bias=True, )",
    ),
    "spaces around =": (
        "c = nn.Conv2d(3, 8, 3, padding = 1, bias = False)",
        "c = nn.Conv2d(3, 8, 3, pad_mode = 'pad', padding = 1, has_bias = False)",
    ),
    "a trailing comma": (
        "c = nn.Conv2d(3, 8, 3, padding=1,)",
        "c = nn.Conv2d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True,)",
    ),
    "one argument a line": (
        "c = nn.Conv2d(\n    3,\n    8,\n    kernel_size=3,\n    padding=1,\n)",
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    kernel_size=3,\n"
        "    pad_mode='pad', padding=1,\n"
        "    has_bias=True,\n"
        ")",
    ),
    "one argument a line, no trailing comma": (
        "c = nn.Conv2d(\n    3,\n    8,\n    kernel_size=3,\n    padding=1\n)",
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    kernel_size=3,\n"
        "    pad_mode='pad', padding=1,\n"
        "    has_bias=True\n"
        ")",
    ),
    "all arguments on the second line": (
        "c = nn.Conv2d(\n    3, 8, kernel_size=3, padding=1\n)",
        "c = nn.Conv2d(\n    3, 8, kernel_size=3, pad_mode='pad', padding=1, has_bias=True\n)",
    ),
    "all arguments on the second line with a comma": (
        "c = nn.Conv2d(\n    3, 8, kernel_size=3, padding=1,\n)",
        "c = nn.Conv2d(\n    3, 8, kernel_size=3, pad_mode='pad', padding=1, has_bias=True,\n)",
    ),
    "hanging indent": (
        "c = nn.Conv2d(3, 8,\n              kernel_size=3,\n              padding=1)",
        "c = nn.Conv2d(3, 8,\n"
        "              kernel_size=3,\n"
        "              pad_mode='pad', padding=1, has_bias=True)",
    ),
    "hanging indent, two a line": (
        "c = nn.Conv2d(3, 8, 3,\n              1, padding=1)",
        "c = nn.Conv2d(3, 8, 3,\n              1, pad_mode='pad', padding=1, has_bias=True)",
    ),
    "closing parenthesis aligned": (
        "c = nn.Conv2d(3, 8,\n              3\n              )",
        "c = nn.Conv2d(3, 8,\n"
        "              3,\n"
        "              pad_mode='valid', has_bias=True\n"
        "              )",
    ),
    "a comment after every argument": (
        "c = nn.Conv2d(\n"
        "    3,  # in\n"
        "    8,  # out\n"
        "    3,  # kernel\n"
        "    padding=1,  # same size\n"
        ")",
        "c = nn.Conv2d(\n"
        "    3,  # in\n"
        "    8,  # out\n"
        "    3,  # kernel\n"
        "    pad_mode='pad', padding=1,  # same size\n"
        "    has_bias=True,\n"
        ")",
    ),
    "a comment after the last argument": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3  # kernel\n)",
        "c = nn.Conv2d(\n    3,\n    8,\n    3,  # kernel\n    pad_mode='valid', has_bias=True\n)",
    ),
    "a comment after the parenthesis": (
        "c = nn.Conv2d(  # stem\n    3, 8, 3)",
        "c = nn.Conv2d(  # stem\n    3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "a comment before the end": (
        "c = nn.Conv2d(\n    3, 8, 3,\n    # that is all\n)",
        "c = nn.Conv2d(\n    3, 8, 3,\n    # that is all\n    pad_mode='valid', has_bias=True,\n)",
    ),
    "comments on lines of their own": (
        "c = nn.Conv2d(\n    # in\n    3,\n    # out\n    8,\n\n    # kernel\n    3,\n)",
        "c = nn.Conv2d(\n"
        "    # in\n"
        "    3,\n"
        "    # out\n"
        "    8,\n"
        "\n"
        "    # kernel\n"
        "    3,\n"
        "    pad_mode='valid', has_bias=True,\n"
        ")",
    ),
    "a comment behind the call": (
        "c = nn.Conv2d(3, 8, 3)  # stem",
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)  # stem",
    ),
    "device dropped": (
        "c = nn.Conv2d(3, 8, 3, device=d)",
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "device dropped from the middle": (
        "c = nn.Conv2d(3, 8, 3, device=d, bias=False)",
        "c = nn.Conv2d(3, 8, 3, has_bias=False, pad_mode='valid')",
    ),
    "device dropped from its own line": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    device=d,\n    bias=False,\n)",
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    has_bias=False,\n    pad_mode='valid',\n)",
    ),
    "device dropped with a comment behind": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    device=d,  # where\n    bias=False,\n)",
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    3,  # where\n"
        "    has_bias=False,\n"
        "    pad_mode='valid',\n"
        ")",
    ),
    "device dropped, comments on both": (
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    3,  # kernel\n"
        "    device=d,  # where\n"
        "    bias=False,\n"
        ")",
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    3,  # kernel\n"
        "    # where\n"
        "    has_bias=False,\n"
        "    pad_mode='valid',\n"
        ")",
    ),
    "device dropped at the end with a comment": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    device=d,  # where\n)",
        "c = nn.Conv2d(\n    3,\n    8,\n    3,  # where\n    pad_mode='valid', has_bias=True,\n)",
    ),
    "device dropped at the end without comma with comment": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    device=d  # where\n)",
        "c = nn.Conv2d(\n    3,\n    8,\n    3,  # where\n    pad_mode='valid', has_bias=True\n)",
    ),
    "device dropped first": (
        "c = nn.Conv2d(device=d, in_channels=3, out_channels=8, kernel_size=3)",
        "c = nn.Conv2d(in_channels=3, out_channels=8, kernel_size=3, pad_mode='valid', "
        "has_bias=True)",
    ),
    "a comment above a dropped argument": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    # where\n    device=d,\n    bias=False,\n)",
        "c = nn.Conv2d(\n"
        "    3,\n"
        "    8,\n"
        "    3,\n"
        "    # where\n"
        "    has_bias=False,\n"
        "    pad_mode='valid',\n"
        ")",
    ),
    "tabs": (
        "if x:\n\tc = nn.Conv2d(\n\t\t3,\n\t\t8,\n\t\t3,\n\t)",
        "if x:\n"
        "\tc = nn.Conv2d(\n"
        "\t\t3,\n"
        "\t\t8,\n"
        "\t\t3,\n"
        "\t\tpad_mode='valid', has_bias=True,\n"
        "\t)",
    ),
    "a continued line": (
        "c = nn.Conv2d(3, 8, \\\n    3, \\\n    padding=1)",
        "c = nn.Conv2d(3, 8, \\\n    3, \\\n    pad_mode='pad', padding=1, has_bias=True)",
    ),
    "an open value over lines": (
        "c = nn.Conv2d(3, 8, 3, groups=a *\n              b)",
        "c = nn.Conv2d(3, 8, 3, group=a *\n              b, pad_mode='valid', has_bias=True)",
    ),
    "parenthesized values": (
        "c = nn.Conv2d((3), (8), (3), padding=(1), groups=(g))",
        "c = nn.Conv2d((3), (8), (3), pad_mode='pad', padding=(1), group=(g), has_bias=True)",
    ),
    "a list": (
        "c = nn.Conv3d(3, 8, [1, 3, 3], padding=[0, 1, 1])",
        "c = nn.Conv3d(3, 8, (1, 3, 3), pad_mode='pad', padding=(0, 0, 1, 1, 1, 1), has_bias=True)",
    ),
    "a list over lines": (
        "c = nn.Conv2d(3, 8, [\n    3,\n    5,  # wide\n])",
        "c = nn.Conv2d(3, 8, (\n    3,\n    5,  # wide\n), pad_mode='valid', has_bias=True)",
    ),
    "quotes": (
        "c = nn.Conv2d(3, 8, 3, padding='same', padding_mode=\"zeros\")",
        "c = nn.Conv2d(3, 8, 3, pad_mode='same', has_bias=True)",
    ),
    "a wrapper": (
        "c = nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')",
        "c = nn.SequentialCell(nn.Pad(paddings=((0, 0), (0, 0), (1, 1), (1, 1)), "
        "mode=\"REFLECT\"), nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
    ),
    "a wrapper over lines": (
        "c = nn.Conv2d(\n    3,\n    8,\n    3,\n    padding=1,\n    padding_mode='reflect',\n)",
        "c = nn.SequentialCell(nn.Pad(paddings=((0, 0), (0, 0), (1, 1), (1, 1)), "
        'mode="REFLECT"), nn.Conv2d(\n'
        "    3,\n"
        "    8,\n"
        "    3,\n"
        "    pad_mode='valid',\n"
        "    has_bias=True,\n"
        "))",
    ),
    "positional bias after the rest": (
        "c = nn.Conv2d(3, 8, 3, 1, 1, 1, 1, False)",
        "c = nn.Conv2d(3, 8, 3, 1, pad_mode='pad', padding=1, dilation=1, group=1, has_bias=False)",
    ),
    "positional with padding_mode": (
        "c = nn.Conv2d(3, 8, 3, 1, 1, 1, 1, False, 'zeros')",
        "c = nn.Conv2d(3, 8, 3, 1, pad_mode='pad', padding=1, dilation=1, group=1, has_bias=False)",
    ),
    "parenthesized function": (
        "c = (nn.Conv2d)(3, 8, 3)",
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "newline in function": (
        "c = (nn.\n     Conv2d)(3, 8, 3)",
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "call in parens over lines": (
        "c = (nn.Conv2d(3, 8, 3)\n     .eval())",
        "c = (nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n     .eval())",
    ),
    "comment in call between": (
        "c = nn.Conv2d(3, 8, 3, padding=(  # why\n  1))",
        "c = nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(  # why\n  1), has_bias=True)",
    ),
    "semicolon": (
        "a = 1; c = nn.Conv2d(3, 8, 3); b = 2",
        "a = 1; c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True); b = 2",
    ),
}

NOT_KEPT = {
    "device dropped first, comment": (
        "c = nn.Conv2d(\n    device=d,  # where\n    in_channels=3, out_channels=8, kernel_size=3)"
    ),
    "a value over several lines": ("c = nn.Conv2d(3, 8, 3, padding=(\n    1,  # rows\n    2,\n))"),
    "comment in function": ("c = (nn.Conv2d  # the class\n)(3, 8, 3)"),
}


@pytest.mark.parametrize(("before", "after"), PAIRS.values(), ids=PAIRS)
def test_only_what_must_change_changes(before: str, after: str) -> None:
    assert rewritten(f"{HEAD}{before}\n") == f"{NEW_HEAD}{after}\n"


@pytest.mark.parametrize("newline", ["\r\n", "\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize(("before", "after"), PAIRS.values(), ids=PAIRS)
def test_the_files_line_ends_are_used(before: str, after: str, newline: str) -> None:
    text = f"{HEAD}{before}\n".replace("\n", newline)
    assert rewritten(text, newline) == f"{NEW_HEAD}{after}\n".replace("\n", newline)


SIMPLE = {name: pair for name, pair in PAIRS.items() if not pair[0].startswith("if")}


@pytest.mark.parametrize(("before", "after"), SIMPLE.values(), ids=SIMPLE)
def test_a_call_behind_wide_characters_is_cut_at_the_right_place(before: str, after: str) -> None:
    assert rewritten(f"{HEAD}é = '日本🎉'; {before}\n") == f"{NEW_HEAD}é = '日本🎉'; {after}\n"


@pytest.mark.parametrize("text", NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_would_lose_a_comment_is_left_and_reported(text: str) -> None:
    text = f"{HEAD}{text}\n"
    site = only(text)
    assert (site.status, site.after) == (Status.MANUAL, None)
    assert "comment" in site.message
    assert rewritten(text) == text
