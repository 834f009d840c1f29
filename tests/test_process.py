"""One file from bytes to result: whatever is in it, an answer and never an exception."""

from __future__ import annotations

import codecs
import json
import pickle

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Status
from mapper.running import file
from mapper.running.file import Task, process

TEXT = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
AFTER = "import mindspore.nn as nn\nc = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": TEXT}]})


def run(data: bytes, path: str = "x.py") -> FileResult:
    return process(Task(path, data), Options(select=("conv",)))


REJECTED = {
    "nothing": b"",
    "another library": b"import numpy\n",
    "torch without a convolution": b"import torch\ntorch.zeros(3)\n",
    "a convolution without torch": b"import keras\nkeras.Conv2d(3)\n",
    "not Python, but not ours either": b"this is ((( not Python",
    "not text, but not ours either": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("data", REJECTED.values(), ids=REJECTED)
def test_what_cannot_hold_a_convolution_is_not_even_decoded(data: bytes) -> None:
    result = run(data)
    assert result == FileResult("x.py", FileStatus.UNCHANGED)


UNCHANGED = {
    "a comment": "# torch.nn.Conv2d\n",
    "a look-alike": "import torch\nfrom mine import Conv2d\nConv2d(3, 8, 3)\n",
    "a call for a person": "import torch\ntorch.nn.Conv2d(*x)\n",
    "a migrated file": AFTER + "# torch\n",
}


@pytest.mark.parametrize("text", UNCHANGED.values(), ids=UNCHANGED)
def test_a_file_without_a_rewrite_is_unchanged(text: str) -> None:
    result = run(text.encode())
    assert (result.status, result.message) == (FileStatus.UNCHANGED, None)
    assert result.before == result.after == text


ENCODINGS = {
    "UTF-8": ("é日🎉", "utf-8", b""),
    "UTF-8 with a byte order mark": ("é日🎉", "utf-8", codecs.BOM_UTF8),
    "a UTF-8 cookie": ("# -*- coding: utf-8 -*-\n# é日🎉", "utf-8", b""),
    "a latin-1 cookie": ("# -*- coding: latin-1 -*-\n# é", "latin-1", b""),
    "a cp1252 cookie": ("# coding=cp1252\n# é€", "cp1252", b""),
    "an euc-jp cookie": ("# coding: euc-jp\n# 日本", "euc-jp", b""),
}


@pytest.mark.parametrize(("text", "encoding", "mark"), ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_comes_back(text: str, encoding: str, mark: bytes) -> None:
    if not text.startswith("#"):
        text = f"# {text}"
    result = run(mark + f"{text}\n{TEXT}".encode(encoding))
    assert result.encoded() == mark + f"{text}\n{AFTER}".encode(encoding)
    assert run(result.encoded() or b"").status is FileStatus.UNCHANGED


MARK = b"# torch Conv2d\n"
FAILED = {
    "a syntax error": (b"import torch.nn as nn\nnn.Conv2d(3, 8,\n", "line 2: not valid Python"),
    "an indentation error": (MARK + b"if x:\ny\n", "line 3: not valid Python"),
    "Python 2": (MARK + b"print 'x'\n", "line 2: not valid Python"),
    "a NUL byte": (MARK + b"\0", "NUL byte"),
    "bytes that are no UTF-8": (MARK + b"x = '\xe9'\n", "not valid UTF-8 at byte 20 (line 2)"),
    "an unknown cookie": (b"# coding: klingon\n" + MARK, "unknown encoding 'klingon'"),
    "a mark against the cookie": (codecs.BOM_UTF8 + b"# coding: latin-1\n" + MARK, "BOM"),
    "too many parentheses": (MARK + b"(" * 10_000, "line 2"),
    "nesting beyond the parser": (MARK + b"x = " + b"-" * 100_000 + b"1", "too deeply nested"),
    "a number that is too long": (MARK + b"x = " + b"9" * 5000, "line 2"),
}


@pytest.mark.parametrize(("data", "words"), FAILED.values(), ids=FAILED)
def test_a_file_that_cannot_be_read_says_why(data: bytes, words: str) -> None:
    result = run(data)
    assert result.status is FileStatus.FAILED
    assert words in result.reason
    assert "\n" not in result.reason
    assert (result.before, result.after, result.sites) == (None, None, ())


NOTEBOOKS = {
    "no JSON": (b"torch Conv2d", "not valid JSON"),
    "no cells": (b'{"torch": "Conv2d"}', "no list of cells"),
    "a list": (b'["torch Conv2d"]', "no list of cells"),
}


@pytest.mark.parametrize(("data", "words"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_notebook_that_cannot_be_read_says_why(data: bytes, words: str) -> None:
    result = run(data, "x.ipynb")
    assert result.status is FileStatus.FAILED
    assert result.message is not None and words in result.message


class _Broken:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def migrate(self, *arguments: object, **keywords: object) -> None:
        raise self._error


SLIPS = {
    "a slip of ours": (KeyError("x"), "internal error at test_process.py:", "KeyError"),
    "a deep recursion": (RecursionError(), "too deeply nested or too large", "RecursionError"),
    "no memory left": (MemoryError(), "too deeply nested or too large", "MemoryError"),
}


@pytest.mark.parametrize(("error", "start", "name"), SLIPS.values(), ids=SLIPS)
def test_what_goes_wrong_with_us_is_reported_for_its_file(
    monkeypatch: pytest.MonkeyPatch, error: Exception, start: str, name: str
) -> None:
    monkeypatch.setattr(file, "migrator", lambda options: _Broken(error))
    result = run(TEXT.encode())
    assert result.status is FileStatus.FAILED
    assert result.message is not None and result.message.startswith(start)
    assert name in result.message and "please report it" in result.message
    assert result.after is None


def test_a_cell_that_is_not_python_gets_a_note() -> None:
    data = (
        b'{"cells": [{"cell_type": "code", "source": "import torch.nn as nn"},'
        b'{"cell_type": "code", "source": "nope ("},'
        b'{"cell_type": "code", "source": "nn.Conv2d(3, 8, 3)"}]}'
    )
    result = run(data, "x.ipynb")
    (note,) = result.notes
    assert (note.cell, note.line) == (1, 1)
    assert "skipped" in note.message
    assert [site.cell for site in result.sites] == [2]


def test_a_result_pickles() -> None:
    result = run(TEXT.encode())
    assert result.sites[0].status is Status.MIGRATED
    assert pickle.loads(pickle.dumps(result)) == result


def test_warnings_of_the_migrated_code_are_not_ours() -> None:
    data = b"import torch.nn as nn\nx = '\\d' if 1 is 1 else 0\nnn.Conv2d(3, 8, 3)\n"
    assert run(data).status is FileStatus.CHANGED
