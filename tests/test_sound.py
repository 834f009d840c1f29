"""What the check of a result lets through parses as a whole; and it looks at little of it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from mapper.files.source import Edit, LineIndex, decode, splice
from mapper.writing import syntax_check as sound

SOURCES = sorted((Path(__file__).parent / "golden").rglob("*.py"))
SOURCES += sorted((Path(__file__).parent.parent / "mapper").glob("*.py"))


def parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError:
            return False
    return True


def accepts(text: str, edits: Sequence[Edit]) -> bool:
    try:
        sound.check(text, ast.parse(text), LineIndex(text), edits)
    except SyntaxError:
        return False
    return True


BLOCK = "class A:\n    def f(self):\n        a = 1\n        b = 2\n\n    x = 3\ny = 4\n"
ODD = {
    "a block": BLOCK,
    "no line end": BLOCK + "z = 5",
    "carriage returns": BLOCK.replace("\n", "\r"),
    "windows": BLOCK.replace("\n", "\r\n"),
    "tabs": BLOCK.replace("    ", "\t"),
    "form feeds": BLOCK.replace("    def", "\f    def"),
    "semicolons": "a = 1; b = 2\nif a: b = 3\nclass B: c = 1; d = 2\n",
    "joined lines": "a = 1; \\\nb = 2\ndef f(): \\\n  return 1\nx = \\\n 3\n",
    "joined lines in a block": "def f():\n  a = 1; \\\n  b = 2\n  c = 3\n",
    "decorators": "@(\n  a)\n@b\ndef f():\n  @c\n  def g(): pass\n  @d\n  class H:\n    e = 1\n",
    "strings over lines": "def f():\n  '''x\ny\n  '''\n  a = '''\nb = 1\n'''\n",
    "a docstring only": '"""Nothing."""\n',
    "nothing": "",
    "branches": "def f():\n  if a:\n    b = 1\n  else:\n    c = 2\n  for d in e: f\n  else: pass\n",
    "wide characters": "é = '日本'; b = 2\ndef ü():\n  '🎉'; c = 3\n",
    "comments": "def f():  # one\n  # two\n  a = 1  # three\n# four\n  b = 2\n# five\n",
}
TEXTS = (
    "", "x", "f(1)", "(", ")", "'", '"""', "\\", "\\\n", "\n", "\n  ", "\r\n    ", "#", ";", "; x",
    "\n  z = 1", "\n  z = 1\n", "\nelse:\n  pass\n", "  ", "\t", "pass", "import a\nimport b", ":",
    "\n\n\nclass C:\n  pass\n", "return 1", "x = 1\n", "if a: b", "@c", "else: d", "\f", ",",
)  # fmt: skip


def places(text: str) -> list[int]:
    """Return the offsets where nodes and lines start and end."""
    index = LineIndex(text)
    found = {index.line_start(line) for line in range(1, len(index) + 1)} | {0, len(text)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt | ast.expr):
            found.add(index.offset(node.lineno, node.col_offset))
            found.add(index.offset(node.end_lineno or 0, node.end_col_offset or 0))
    return sorted(found)


def drawn(random: Random, at: list[int]) -> list[Edit]:
    """Draw one to three edits of any kind."""
    ends = sorted(random.choices(at, k=2 * random.randint(1, 3)))
    near = [min(end, at[min(at.index(start) + 3, len(at) - 1)])
            for start, end in zip(ends[::2], ends[1::2], strict=True)]  # fmt: skip
    return [Edit(s, e, random.choice(TEXTS)) for s, e in zip(ends[::2], near, strict=True)]


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_it_says_what_parsing_everything_says(text: str) -> None:
    random, at, said = Random(0), places(text), {True: 0, False: 0}
    for _ in range(1_000):
        edits = drawn(random, at)
        after = splice(text, edits)
        assert accepts(text, edits) == parses(after), (edits, after)
        said[parses(after)] += 1
    assert said[True] and said[False]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_it_says_so_of_whole_files(file: Path) -> None:
    text = decode(file.read_bytes()).text
    if not parses(text):
        pytest.skip("not Python")
    random, at = Random(0), places(text)
    for _ in range(4):
        edits = drawn(random, at)
        assert accepts(text, edits) == parses(splice(text, edits)), edits


def test_it_looks_at_what_changed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, seen = ast.parse(BLOCK), list[str]()
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: seen.append(text) or parse(text))  # type: ignore[func-returns-value]
    at = BLOCK.index("2")
    sound.check(BLOCK, tree, LineIndex(BLOCK), [Edit(at, at + 1, "f(2)")])
    assert seen == ["if 1:\n        b = f(2)\n\n"]
