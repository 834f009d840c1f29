"""What is written compiles: a tree alone is not enough, and an original without code has a tree."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from mapper.writing import syntax_check
from tests.shell import tm2ms

HEAD = "import torch.nn as nn\n"


def accepts(before: str, after: str) -> bool:
    try:
        syntax_check.check(before, after)
    except SyntaxError:
        return False
    return True


PLAIN, NO_CODE = "x = 1\n", "return 1\n"
CASES = {
    "the same": (PLAIN, PLAIN, True),
    "another that compiles": (PLAIN, "def f():\n    return 2\n", True),
    "one that does not parse": (PLAIN, "x = (\n", False),
    "a return outside of a function": (PLAIN, "return 1\n", False),
    "a walrus in a comprehension of a class": (
        PLAIN, "class A:\n    x = [y for _ in z if (y := 1)]\n", False,
    ),
    "a yield in a generator": (PLAIN, "def f():\n    return tuple((yield) for _ in z)\n", False),
    "an assignment to a name that is global later": (PLAIN, "def f():\n x = 1\n global x\n", False),
    "an await at the top, as in a notebook": (PLAIN, "await f()\n", True),
    "an original without code": (NO_CODE, "return 2\n", True),
    "the same, torn": (NO_CODE, "return (\n", False),
    "a warning": (PLAIN, "'\\d'\n1 is 1\n", True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict(case: tuple[str, str, bool]) -> None:
    before, after, verdict = case
    assert accepts(before, after) is verdict


def test_nothing_of_this_module_is_inherited() -> None:
    assert accepts(PLAIN, "def f(x: (yield)): pass\n") is False  # `annotations` would let it pass


UNSOUND = {
    "a walrus that would move into a comprehension of a class": (
        "class A:\n    c = nn.Conv2d(3, 8, 3, padding=_pair(q := 1))\n"
    ),
    "the same in a default of a parameter": (
        "class A:\n    def f(self, c=nn.Conv2d(3, 8, 3, padding=_pair(q := 1))): ...\n"
    ),
    "a yield that would move into a generator": (
        "def f():\n    c = nn.Conv2d(3, 8, 3, padding=_pair((yield)))\n"
    ),
    "a yield from": "def f():\n    c = nn.Conv2d(3, 8, 3, padding=g((yield from h())))\n",
    "both": (
        "def f():\n    c = nn.Conv1d(3, 8, 3, padding=((yield)))\n"
        "    d = nn.ConvTranspose2d(3, 8, 3, padding=g((yield)), output_padding=h(x := 1))\n"
    ),
}


@pytest.mark.parametrize("text", UNSOUND.values(), ids=UNSOUND)
def test_whatever_is_written_compiles_and_nothing_fails(text: str, tmp_path: Path) -> None:
    pair = "from torch.nn.modules.utils import _pair\n"
    other = "other = nn.Conv2d(1, 2, 3)\n"
    file = tmp_path / "a.py"
    file.write_text(HEAD + pair + text + other)
    ran = tm2ms("migrate", "--unsafe", "--output-format", "json", "a.py", cwd=tmp_path)
    after = file.read_text()
    (found,) = json.loads(ran.stdout)["files"]
    compile(after, "a.py", "exec", dont_inherit=True)
    assert found["status"] == "changed", found["message"]
    assert [site["status"] for site in found["sites"]][-1] == "migrated"
    for site in found["sites"][:-1]:
        assert site["status"] in ("migrated", "manual", "unsafe")
        assert (site["before"] in after) is (site["status"] == "manual")
    assert len(found["sites"]) == HEAD.count("Conv") + (text + other).count("nn.Conv")


def test_a_file_that_never_compiled_is_migrated_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(f"{HEAD}c = nn.Conv2d(3, 8, 3)\nreturn c\n")
    assert tm2ms("migrate", "a.py", cwd=tmp_path).returncode == 0
    assert "mindspore" in file.read_text()
    ast.parse(file.read_text())
