"""Large files through the real command line: a clear word, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mapper.limits import LARGEST_SOURCE as LARGEST
from tests.shell import COMMAND, environment

HEAD = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
SECONDS, KILOBYTES = 120, 3_000_000  # of CPU, and of address space
TOO_LARGE = "at most 5 MB of Python are read; put the convolutions into a smaller file"


def module(line: str, size: int) -> str:
    return HEAD + line * ((size - len(HEAD)) // len(line))


def string(size: int) -> str:
    return HEAD + f"x = '{'a' * (size - len(HEAD) - 7)}'\n"


def notebook(megabytes: int) -> str:
    picture = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 90_000}}
    cell = {"cell_type": "code", "metadata": {}, "source": HEAD, "outputs": [picture]}
    return json.dumps({"cells": [cell] * megabytes, "nbformat": 4, "metadata": {}})


Build = Callable[[], str]
CASES: dict[str, tuple[str, Build, int, str]] = {
    "one byte more than is read": ("x.py", lambda: string(LARGEST + 1), 2, TOO_LARGE),
    "as much as is read": ("x.py", lambda: string(LARGEST), 1, "1 migrated"),
    "50 MB of lines": ("x.py", lambda: module("x = [1, 2, 3]\n", 50_000_000), 2, TOO_LARGE),
    "50 MB without a convolution": ("x.py", lambda: "x = 1\n" * 8_333_333, 0, "no torch conv"),
    "20,000 terms in a call": (
        "x.py",
        lambda: HEAD + f"c = nn.Conv2d(3, 8, 3, bias={' and '.join(['a'] * 20_000)})\n",
        1,
        "1 migrated (1 by numbers), 1 needs a person",
    ),
}
SLOW: dict[str, tuple[str, Build, int, str]] = {
    "100,000 calls": (
        "x.py",
        lambda: HEAD + "c = nn.Conv2d(3, 8, 3, padding=1)\n" * 100_000,
        1,
        "100001 convolutions, 100001 migrated",
    ),
    "the most of short statements": ("x.py", lambda: module("x = 1\n", LARGEST), 1, "1 migrated"),
    "50 MB in one string": ("x.py", lambda: string(50_000_000), 2, TOO_LARGE),
    "a notebook of 50 MB": ("x.ipynb", lambda: notebook(50), 1, "50 migrated"),
    "a notebook of 120 MB": (
        "x.ipynb",
        lambda: notebook(120),
        2,
        "larger than 100 MB; leave it out",
    ),
}
PARAMETERS = [
    *(pytest.param(*case, id=name) for name, case in CASES.items()),
    *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in SLOW.items()),
]


@pytest.mark.parametrize(("name", "build", "code", "words"), PARAMETERS)
def test_a_large_file_ends_in_words_and_in_bounds(
    tmp_path: Path, name: str, build: Build, code: int, words: str
) -> None:
    (tmp_path / name).write_text(build())
    bounded = f'ulimit -t {SECONDS} -v {KILOBYTES} && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", bounded, "bash", *COMMAND, "migrate", "--check", "--select", "conv", name],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == code, said[-500:]
    assert words in said.replace("\n", " ")
    assert "Traceback" not in said
