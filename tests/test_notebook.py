"""Notebook cells: masking keeps every offset, and edits leave the rest of the JSON alone."""

from __future__ import annotations

import ast
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.files.notebook import mask, read
from mapper.files.source import Edit, SourceError, splice


def notebook(*sources: str | list[str], **rest: Any) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **rest}


UNTOUCHED = {
    "empty cell": "",
    "plain Python": "x = 1\nprint(x)",
    "modulo at the start of a continued line": "x = (7\n  % 3)\n",
    "modulo after a backslash": "x = 7 \\\n  % 3\n",
    "exclamation mark inside a long string": 's = """\n!ls\n%cd\n?x\n"""\n',
    "question mark in a comment": "x = 1  # why?\n",
    "question mark at the end of a string": "x = 'why?'\nprint('''is it?\n''')",
    "escaped quote before a percent line": "s = 'it\\'s' \\\n% ()\n",
    "a string that says x = !ls": "s = 'x = !ls'\n",
    "a bracket in a comment": "x = 1  # (\ny = 2\n",
    "not equal": "x = 1 != 2\n",
    "division on its own line": "x = (4\n/ 2)\n",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED.keys())
def test_python_is_not_masked(text: str) -> None:
    ast.parse(text)
    cell = mask(0, text)
    assert (cell.text, cell.original, cell.masked, cell.skipped) == (text, text, (), None)


MASKED = {
    "line magic": ("%matplotlib inline\nx = 1", "pass              \nx = 1", (1,)),
    "shell line": ("x = 1\n!pip install torch", "x = 1\npass              ", (2,)),
    "the shortest shell line": ("!w\n", "0 \n", (1,)),
    "shell line as the only statement of a block": (
        "if x:\n    !ls\ny = 1",
        "if x:\n    0  \ny = 1",
        (2,),
    ),
    "shell line continued by backslashes": (
        "!pip install \\\n  torch \\\n  numpy\nx = 1",
        "pass          \n         \n       \nx = 1",
        (1, 2, 3),
    ),
    "shell line with an unbalanced quote and bracket": (
        "!echo \"it's (\nx = 1\n%cd ..\n",
        "pass         \nx = 1\npass  \n",
        (1, 3),
    ),
    "CRLF lines": (
        "%cd a\r\nx = 1\r\n!l \\\r\n m\r\n",
        "pass \r\nx = 1\r\npass\r\n  \r\n",
        (1, 3, 4),
    ),
    "help before": ("?torch.nn", "(torch,) ", (1,)),
    "help after": ("torch.nn.Conv2d??  \nx = 1", "(torch,)           \nx = 1", (1,)),
    "help on a call inside a block": ("if 1:\n  f(x)?\n", "if 1:\n  pass \n", (2,)),
    "automatic call": (",f a b\n/g 1\n;h c", "pass  \npass\npass", (1, 2, 3)),
    "assigned shell output": ("files = !ls *.py\nx = 1", "files = _()     \nx = 1", (1,)),
    "assigned magic": ("  a, b['k'] = %who_ls\n", "  a, b['k'] = _()    \n", (1,)),
    "assigned shell output of one letter": ("x =!w", "x =_ ", (1,)),
    "double percent that is not the first line": ("x = 1\n%%time\n", "x = 1\npass  \n", (2,)),
    "timed cell": ("%%time\nx = 1", "pass  \nx = 1", (1,)),
    "timed cell after blank lines": (
        "\n \n%%timeit -n 1\nx = 1",
        "\n \npass         \nx = 1",
        (3,),
    ),
    "captured and timed cell with a shell line": (
        "%%capture out\n%%time\n!ls\nx = 1",
        "pass         \npass  \n0  \nx = 1",
        (1, 2, 3),
    ),
    "cell magic alone": ("%%time", "pass  ", (1,)),
    "magic after a multi-line string": ('"""\n!a\n"""\n!ls -l', '"""\n!a\n"""\npass  ', (4,)),
    "lone carriage returns": (
        "%cd\rx?\rx = 1\r!l \\\r m\r",
        "0  \r0 \rx = 1\rpass\r  \r",
        (1, 2, 4, 5),
    ),
    "lone surrogate": ("%cd\ns = '\ud800'", "0  \ns = '\ufffd'", (1,)),
}


@pytest.mark.parametrize("case", MASKED.values(), ids=MASKED.keys())
def test_magics_are_masked_in_place(case: tuple[str, str, tuple[int, ...]]) -> None:
    original, text, lines = case
    cell = mask(3, original)
    assert cell.text == text
    assert cell.masked == lines
    assert cell.original == original
    assert cell.index == 3
    assert cell.skipped is None
    assert len(text) == len(original)
    ast.parse("if 1:\n" + text if text.startswith("  ") else text)


@pytest.mark.parametrize("magic", ["%%bash", "%%html", "%%writefile model.py", "%%python"])
def test_a_cell_in_another_world_is_skipped_whole(magic: str) -> None:
    cell = mask(0, f"\n{magic}\nnn.Conv2d(1, 2, 3)\r\nend")
    assert cell.skipped is not None
    assert magic.split()[0] in cell.skipped
    assert cell.text == "\n" + " " * len(magic) + "\n" + " " * 18 + "\r\n   "
    assert cell.masked == (1, 2, 3, 4)


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("%!?x=, '\"#(\n\r\\/;é"), max_size=40))
def test_masking_never_moves_anything(text: str) -> None:
    cell = mask(0, text)
    assert len(cell.text) == len(text)
    newlines = [at for at, char in enumerate(text) if char in "\r\n"]
    assert [at for at, char in enumerate(cell.text) if char in "\r\n"] == newlines
    lines = text.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    shown = cell.text.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    same = [number for number in range(1, len(lines) + 1) if number not in cell.masked]
    assert [lines[n - 1] for n in same] == [shown[n - 1] for n in same]


def test_read_lists_only_the_code_cells_under_their_index() -> None:
    data = notebook(["a = 1\n", "b = 2"], "c = 3")
    data["cells"].insert(1, {"cell_type": "markdown", "source": "# %x"})
    data["cells"].append({"cell_type": "code"})
    cells = read(json.dumps(data)).cells
    assert [(cell.index, cell.text) for cell in cells] == [(0, "a = 1\nb = 2"), (2, "c = 3")]


def test_a_notebook_of_another_language_has_no_cells() -> None:
    kernel = {"kernelspec": {"language": "R"}}
    assert read(json.dumps(notebook("x", metadata=kernel))).cells == ()
    named = {"language_info": {"name": "python"}, "kernelspec": {"language": "R"}}
    assert len(read(json.dumps(notebook("x", metadata=named))).cells) == 1


REFUSALS = {
    "empty file": ("", "not valid JSON at line 1, column 1"),
    "cut off": ('{"cells": [\n{"source"', "not valid JSON at line 2, column 10: .*open and save"),
    "something after the end": ('{"cells": []} x', "line 1, column 15: Extra data"),
    "not an object": ("[]", "no list of cells"),
    "nbformat 3": ('{"worksheets": []}', "nbformat 3 or older.*jupyter nbconvert"),
    "cells are no list": ('{"cells": {}}', "no list of cells"),
    "source is a number": (json.dumps(notebook(1)), "source of cell 0 is neither"),  # type: ignore[arg-type]
    "nested too deeply": ('{"cells":' + "[" * 200_000, "nested too deeply"),
    "a number without end": ('{"cells":' + "1" * 5000 + "}", "not valid JSON: "),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_read_refuses_with_a_clear_message(case: tuple[str, str]) -> None:
    with pytest.raises(SourceError, match=case[1]):
        read(case[0])


RAW = (
    '{\r\n "nbformat":4,\n\t"cells" : [ {"source":[\n   "import torch\\n",\n'
    '   "s = \'\\u00e9\\/\\u000A",\n   "x\\ty"  ],"cell_type":"code", "out":[{"a":[1e5,NaN]}]}\n'
    ', {"cell_type":"code","source":"a\\nb\\u00E9c"}]}\n\n'
)


def test_no_edit_gives_the_same_text() -> None:
    assert read(RAW).apply({}) == RAW
    assert read(RAW).apply({0: [], 1: []}) == RAW


EDITS = {
    "inside a line": (0, [Edit(7, 12, "ms")], ('"import torch\\n"', '"import ms\\n"')),
    "beside escapes that stay as they were written": (
        0,
        [Edit(13, 14, "t")],
        ('"s = \'\\u00e9\\/\\u000A"', '"t = \'\\u00e9\\/\\u000A"'),
    ),
    "a line inserted in front": (
        0,
        [Edit(0, 0, "import b\n")],
        ('"import torch\\n"', '"import b\\n",\n   "import torch\\n"'),
    ),
    "a line inserted between": (0, [Edit(13, 13, "k\n")], ('"s =', '"k\\n",\n   "s =')),
    "lines appended at the end": (0, [Edit(24, 24, "\nz")], ('"x\\ty"', '"x\\ty\\n",\n   "z"')),
    "first line removed": (0, [Edit(0, 13, "")], ('"import torch\\n",\n   ', "")),
    "last line removed": (0, [Edit(21, 24, "")], (',\n   "x\\ty"', "")),
    "two lines joined": (0, [Edit(12, 13, ";")], ('\\n",\n   "s', ";s")),
    "a quote, a backslash and a letter beyond ASCII": (
        0,
        [Edit(21, 22, '"\\é')],
        ('"x\\ty"', '"\\"\\\\\\u00e9\\ty"'),
    ),
    "inside a single string": (1, [Edit(1, 3, "")], ('"a\\nb\\u00E9c"', '"a\\u00E9c"')),
    "newline in a single string": (1, [Edit(4, 4, "\n")], ("\\u00E9c", "\\u00E9\\nc")),
}


@pytest.mark.parametrize("case", EDITS.values(), ids=EDITS.keys())
def test_an_edit_changes_only_its_own_characters(
    case: tuple[int, list[Edit], tuple[str, str]],
) -> None:
    index, edits, (before, after) = case
    assert RAW.count(before) == 1
    assert read(RAW).apply({index: edits}) == RAW.replace(before, after)


def test_everything_removed_leaves_an_empty_list() -> None:
    assert '"source":[],' in read(RAW).apply({0: [Edit(0, 24, "")]})


def test_a_list_of_one_line_grows_in_its_own_style() -> None:
    raw = '{"cells":[{"cell_type":"code","source":[\n  "a"\n]},{"cell_type":"code","source":[]}]}'
    done = read(raw).apply({0: [Edit(1, 1, "\nb\nc")], 1: [Edit(0, 0, "d\n")]})
    assert '[\n  "a\\n",\n  "b\\n",\n  "c"\n]' in done
    assert '"source":["d\\n"]' in done


@pytest.mark.parametrize(
    ("raw_name", "written"),
    [("é", "ü"), ("\\u00e9", "\\u00fc"), ("\\u001b", "ü"), ("\\\\u00e9", "ü")],
    ids=["raw letters", "escaped letters", "only control escapes", "an escaped backslash and u"],
)
def test_new_letters_follow_the_style_of_the_file(raw_name: str, written: str) -> None:
    raw = '{"cells":[{"cell_type":"code","source":["a"]}],"metadata":{"n":"' + raw_name + '"}}'
    assert f'"source":["{written}"]' in read(raw).apply({0: [Edit(0, 1, "ü")]})


def test_overlapping_edits_and_unknown_cells_are_errors() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        read(RAW).apply({0: [Edit(0, 5, ""), Edit(3, 6, "")]})
    with pytest.raises(KeyError):
        read(RAW).apply({7: [Edit(0, 0, "x")]})


ALPHABET = st.sampled_from('ab "\\é😀/\t\x1b\u2028')
LINE = st.text(ALPHABET, max_size=6)
SPACES = st.sampled_from([None, 1, "\t"])


def test_large_notebooks_and_endless_shell_lines_are_quick() -> None:
    shell = "!echo \\\n" + "x \\\n" * 100_000 + "end\nx = 1\n"
    data = notebook(shell, ["import torch\n", "x = 2"], outputs=["A" * 20_000_000])
    raw = json.dumps(data)
    start = time.process_time()
    book = read(raw)
    assert book.cells[0].text.endswith("\nx = 1\n")
    done = book.apply({1: [Edit(7, 12, "mindspore")]})
    assert time.process_time() - start < 5
    assert done == raw.replace("torch", "mindspore")


Case = tuple[str, dict[int, list[str] | str], dict[int, list[Edit]], dict[str, Any]]


def as_lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    return [line for line in [*lines[:-1], lines[-1][:-1]] if line]


@st.composite
def edited_notebooks(draw: st.DrawFn) -> Case:
    """Draw a notebook's JSON in some style, its sources, edits per cell, and the style."""
    sources: dict[int, list[str] | str] = {}
    edits: dict[int, list[Edit]] = {}
    for index in range(draw(st.integers(1, 3))):
        text = "\n".join(draw(st.lists(LINE, min_size=1, max_size=5)))
        sources[index] = as_lines(text) if draw(st.booleans()) else text
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
        new = st.lists(LINE, max_size=3).map("\n".join)
        edits[index] = [
            Edit(start, end, draw(new)) for start, end in zip(cuts[::2], cuts[1::2], strict=False)
        ]
    style: dict[str, Any] = {
        "indent": draw(SPACES),
        "ensure_ascii": draw(st.booleans()),
        "separators": draw(st.sampled_from([None, (",", ":"), (" ,", " :  ")])),
        "sort_keys": draw(st.booleans()),
    }
    raw = json.dumps(notebook(*sources.values(), extra={"é": ["\u001b"]}), **style)
    return raw, sources, edits, style


@settings(deadline=None)
@given(edited_notebooks())
def test_the_result_is_what_the_writer_of_the_file_would_have_written(case: Case) -> None:
    raw, sources, edits, style = case
    done = read(raw).apply(edits)
    expected = json.loads(raw)
    for index, source in sources.items():
        text = splice("".join(source), edits[index])
        changed = as_lines(text) if isinstance(source, list) else text
        expected["cells"][index]["source"] = changed
    assert json.loads(done) == expected
    if all(len(source) > 1 or isinstance(source, str) for source in sources.values()):
        assert done == json.dumps(expected, **style)
    for cell in read(done).cells:
        assert cell.original == splice("".join(sources[cell.index]), edits[cell.index])
