"""Decoding, positions and splicing, checked against Python's own parser where it has an opinion."""

from __future__ import annotations

import ast
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.files.prefilter import may_mention_conv
from mapper.files.source import Edit, LineIndex, Source, SourceError, decode, splice

ROUND_TRIPS = {
    "empty file": (b"", "", "utf-8", False),
    "one line without newline": (b"x = 1", "x = 1", "utf-8", False),
    "mixed newlines and a form feed": (b"a\r\nb\rc\n\x0cd", "a\r\nb\rc\n\x0cd", "utf-8", False),
    "BOM alone": (b"\xef\xbb\xbf", "", "utf-8", True),
    "BOM and utf-8 cookie": (
        b"\xef\xbb\xbf# coding: utf-8\n",
        "# coding: utf-8\n",
        "utf-8",
        True,
    ),
    "two BOMs, of which the second is text": (
        b"\xef\xbb\xbf#\xef\xbb\xbf",
        "#\ufeff",
        "utf-8",
        True,
    ),
    "latin-1 cookie": (
        b"# -*- coding: Latin_1 -*-\ns='\xe9'",
        "# -*- coding: Latin_1 -*-\ns='é'",
        "iso-8859-1",
        False,
    ),
    "cookie on the second line after a shebang": (
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n#\x80",
        "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n#€",
        "cp1252",
        False,
    ),
    "latin-1 bytes in the line before the cookie": (
        b"# \xe9\n# coding: latin-1\n",
        "# é\n# coding: latin-1\n",
        "iso-8859-1",
        False,
    ),
    "cookie after a carriage return": (
        b"#!x\r# coding: latin-1\r'\xe9'",
        "#!x\r# coding: latin-1\r'é'",
        "iso-8859-1",
        False,
    ),
    "cookie on the third line is only a comment": (
        b"\n\n# coding: latin-1\n",
        "\n\n# coding: latin-1\n",
        "utf-8",
        False,
    ),
    "cookie after code is only a comment": (
        b"x = 1\n# coding: latin-1\n",
        "x = 1\n# coding: latin-1\n",
        "utf-8",
        False,
    ),
    "several bytes per character": (
        "# coding: gbk\n# 卷积".encode("gbk"),
        "# coding: gbk\n# 卷积",
        "gbk",
        False,
    ),
}


@pytest.mark.parametrize("case", ROUND_TRIPS.values(), ids=ROUND_TRIPS.keys())
def test_decode_gives_text_encoding_and_bom_and_encode_gives_the_bytes_back(
    case: tuple[bytes, str, str, bool],
) -> None:
    data, text, encoding, bom = case
    source = decode(data)
    assert source == Source(text, encoding, bom)
    assert source.encode(source.text) == data


REFUSALS = {
    "invalid UTF-8 names byte, line and remedy": (
        b"a\r\nb\rc\n'\xff'",
        r"not valid UTF-8 at byte 8 \(line 4\); declare the encoding with a coding cookie",
    ),
    "invalid UTF-8 after a BOM counts the BOM": (b"\xef\xbb\xbf\xff", r"at byte 3 \(line 1\)"),
    "wrong cookie": (b"# coding: ascii\n'\xe9'", r"not valid ascii at byte 17 \(line 2\); correct"),
    "unknown cookie": (b"# coding: klingon\n", "unknown encoding 'klingon' in the coding cookie"),
    "cookie that is not a text encoding": (b"# coding: hex\n", "unknown encoding 'hex'"),
    "codec that always fails": (b"# coding: undefined\n", "not valid undefined"),
    "BOM against cookie": (
        b"\xef\xbb\xbf# coding: latin-1\n",
        "BOM but declares the encoding iso-8859-1; remove one of the two",
    ),
    "NUL byte": (b"x\n\0", r"NUL byte at byte 2 \(line 2\)"),
    "UTF-16": ("x = 1".encode("utf-16"), "looks like UTF-16"),
    "encoding that forgets how it was written": (b"# coding: utf-7\n'+AGEAYg-'", "round trip"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_decode_refuses_with_place_and_remedy(case: tuple[bytes, str]) -> None:
    with pytest.raises(SourceError, match=case[1]):
        decode(case[0])


HEADS = [
    b"",
    b"\n",
    b"# x\n",
    b"#\xe9\n",
    b"\x0c\n",
    b"x=1\n",
    b"\r",
    b"# x\r\n",
    b"\xef\xbb\xbf",
    b"'''\n",
]
COOKIES = [
    b"# coding: utf-8",
    b"# coding=utf8",
    b"#coding:latin-1",
    b"#vim:fileencoding=UTF_8",
    b"x #coding:cp1252",
    b" \t\x0c# coding: iso-latin-1-unix",
    b"# coding : cp1252",
    b"# coding: utf-8-sig",
    b"# coding: nonsense",
    b"# coding: ASCII",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("tail", [b"\n", b"\r", b"\n'\xc3\xa9'", b"\n'\xe9'"])
def test_decode_reads_the_same_text_as_the_interpreter(
    head: bytes, cookie: bytes, tail: bytes
) -> None:
    data = head + cookie + b"\nprobe = 1\ns = '\xc3\xa9'" + tail
    if head.startswith(b"'''"):
        data += b"\n'''"
    try:
        tree: ast.Module | None = ast.parse(data)
    except SyntaxError:
        tree = None
    try:
        text: str | None = decode(data).text
    except SourceError:
        text = None
    if tree is None:
        assert text is None or _does_not_parse(text)
    elif text is None:
        # Only a real file, not a bytes object, has its comments checked by the interpreter.
        assert head == b"#\xe9\n"
    else:
        assert ast.dump(ast.parse(text)) == ast.dump(tree)


def _does_not_parse(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return True
    return False


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", *(c + b"\n" for c in COOKIES)]))
def test_whatever_decode_accepts_encodes_back_to_the_same_bytes(data: bytes, head: bytes) -> None:
    try:
        source = decode(head + data)
    except SourceError:
        return
    assert source.encode(source.text) == head + data


def test_encode_refuses_a_character_the_encoding_lacks() -> None:
    source = decode(b"# coding: ascii\n")
    with pytest.raises(SourceError, match=r"'\\u20ac' cannot be written .* ascii; convert"):
        source.encode("€")


@pytest.mark.parametrize(
    ("text", "newline"),
    [("", "\n"), ("a\nb\r\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r")],
    ids=["none", "a tie goes to LF", "mostly CRLF", "mostly CR"],
)
def test_newline_is_the_dominant_one(text: str, newline: str) -> None:
    assert Source(text).newline == newline


PREFILTER = {
    "no torch": (b"import mindspore.nn as nn; nn.Conv2d", False),
    "another library's module": (b"import keras; keras.layers.Conv2d", False),
    "a module of the project, perhaps": (b"from . import layers; layers.Conv2d", True),
    "an attribute": (b"self.conv2d", False),
    "a module that another file hands on": (b"from .common import nn; nn.Conv2d", True),
    "a class that another file hands on": (b"from package.layers import Conv2d", True),
    "a star": (b"from .common import *; nn.Conv2d", True),
    "torch without a convolution": (b"import torch; conv = torch.convert(canvas)", False),
    "a fourth dimension": (b"torch Conv4d conv_2d", False),
    "class": (b"torch.nn.Conv2d", True),
    "lazy transposed class": (b"torch.nn.LazyConvTranspose3d", True),
    "function": (b"torch.nn.functional.conv1d", True),
    "transposed function": (b"torch.conv_transpose2d", True),
    "brackets as PEP 8 has them": (b"from layers import (f,\n    Conv2d)", True),
    "a bracket alone": (b"from layers import (\n    f,\n    Conv2d)", True),
    "a bracket and a comment": (b"from layers import (f,  # g\n    Conv2d)", True),
    "a bracket that is closed": (b"from layers import (f, g)\nself.conv2d", False),
    "a joined line": (b"from layers import f, \\\n    Conv2d", True),
    "a line joined earlier": (b"from layers \\\n  import Conv2d", True),
    "another file's class under a name": (b"from a import (b as c,\r\n Conv2d as d)", True),
    "blanks around a dot": (b"import layers as L\nL . Conv2d", True),
    "a line end around a dot": (b"import layers as L\n(L.\n  Conv2d)", True),
    "a wide digit": ("import torch; torch.nn.Conv２d".encode(), True),
    "wide letters": ("import ｔorch; torch.nn.Ｃonv2d".encode(), True),
    "other wide letters": ("x = '日本'; canvas = 2".encode(), False),
    "an escape of a notebook": (rb'{"source": ["import torch\n", "torch.nn.\u0043onv2d"]}', True),
    "escapes throughout": (rb'{"source": "import \u0074orch\ntorch.nn.C\u006fnv2d"}', True),
    "a line end of a notebook": (rb'{"source": "f()\nfrom layers import Conv2d"}', True),
    "a wide digit in an escape": (rb'{"source": "import torch\ntorch.nn.Conv\uff12d"}', True),
    "torch after the convolution": (b"Conv1d\n# torch", True),
}


@pytest.mark.parametrize("case", PREFILTER.values(), ids=PREFILTER.keys())
def test_prefilter(case: tuple[bytes, bool]) -> None:
    assert may_mention_conv(case[0]) is case[1]


def test_prefilter_reads_megabytes_in_no_time() -> None:
    data = b"import torch\n" + b"value = convolve(canvas, Convert)  # conv conv\n" * 200_000
    start = time.process_time()
    assert not may_mention_conv(data)
    assert time.process_time() - start < 2


@st.composite
def texts_and_edits(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(st.text(max_size=40))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return text, [Edit(start, end, draw(st.text(max_size=5))) for start, end in pairs]


def test_splice_without_edits_is_the_text() -> None:
    assert splice("a\r\n\x0cb", []) == "a\r\n\x0cb"


@settings(deadline=None)
@given(texts_and_edits())
def test_splice_equals_editing_from_the_back(case: tuple[str, list[Edit]]) -> None:
    text, edits = case
    expected = text
    for edit in reversed(edits):
        expected = expected[: edit.start] + edit.text + expected[edit.end :]
    assert splice(text, edits) == expected


def test_insertions_at_one_offset_keep_their_order_before_a_replacement() -> None:
    assert splice("abc", [Edit(1, 1, "1"), Edit(1, 1, "2"), Edit(1, 2, "B")]) == "a12Bc"


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(2, 3, ""), Edit(0, 1, "")],
        [Edit(0, 2, ""), Edit(1, 3, "")],
        [Edit(2, 1, "")],
        [Edit(0, 4, "")],
        [Edit(-1, 0, "")],
    ],
    ids=["unsorted", "overlap", "backwards", "past the end", "before the start"],
)
def test_splice_refuses(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="out of order, overlaps"):
        splice("abc", edits)


LINES = st.text(st.sampled_from("ab é😀\n\r\x0b\x0c\x1c\x85\u2028"), max_size=30)


def split_lines(text: str) -> list[str]:
    """Split as the parser does, character by character and unlike LineIndex."""
    lines = [""]
    for index, char in enumerate(text):
        lines[-1] += char
        if char == "\n" or (char == "\r" and text[index + 1 : index + 2] != "\n"):
            lines.append("")
    return lines


@settings(deadline=None)
@given(LINES)
def test_every_offset_survives_both_kinds_of_position(text: str) -> None:
    index = LineIndex(text)
    lines = split_lines(text)
    assert len(index) == len(lines)
    for offset in range(len(text) + 1):
        line, column = index.position(offset)
        before = "".join(lines[: line - 1])
        assert column == offset - len(before) + 1
        assert 1 <= column <= max(len(lines[line - 1]), 1) + (line == len(lines))
        assert index.line_start(line) + column - 1 == offset
        wide = len(lines[line - 1][: column - 1].encode())
        assert index.ast_position(offset) == (line, wide)
        assert index.offset(line, wide) == offset


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_positions_agree_with_ast(newline: str) -> None:
    text = newline.join(
        [
            "größe = '😀'; probe('é', 1)",
            "\x0cif größe:",
            "\tprobe('\x0b\x1c\u2028', ü)",
            "x = '''a",
            "é'''; probe()",
        ]
    )
    index = LineIndex(text)
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert len(calls) == 3
    for call in calls:
        assert call.end_lineno is not None
        assert call.end_col_offset is not None
        start = index.offset(call.lineno, call.col_offset)
        end = index.offset(call.end_lineno, call.end_col_offset)
        assert text[start:end].startswith("probe(")
        assert text[start:end].endswith(")")
        assert index.ast_position(start) == (call.lineno, call.col_offset)


@pytest.mark.parametrize("line", [0, 3])
def test_a_line_that_is_not_there_is_an_error(line: int) -> None:
    with pytest.raises(ValueError, match=f"no line {line}"):
        LineIndex("a\nb").offset(line, 0)


def test_an_offset_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="offset 4"):
        LineIndex("a\nb").position(4)


def test_a_hundred_thousand_look_ups_in_one_long_wide_line_are_quick() -> None:
    index = LineIndex("é = f(x);" * 100_000)
    start = time.process_time()
    for call in range(100_000):
        assert index.offset(1, call * 10 + 2) == call * 9 + 1
    assert time.process_time() - start < 3
