r"""Jupyter notebooks: code cells as Python text, and edits put back into the JSON they came from.

A cell's magics, shell lines and help requests are masked by Python of the same length, so that the
cell parses and every offset and line stays where it is. On the way back only the raw characters
under an edit change: key order, indentation, outputs and the way a character is escaped all stay.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import field
from itertools import accumulate, pairwise
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from mapper.files.source import Edit, LineIndex, SourceError, splice
from mapper.model.conv_names import CLASS, FUNCTION
from mapper.model.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Cell magics that run the rest of the cell as Python in the notebook's own namespace.
PYTHON_CELL_MAGICS = frozenset({"capture", "debug", "memit", "prun", "snakeviz", "time", "timeit"})

_SPACE = re.compile(r"[ \t\r\n]*")
# one escape of JSON; a character beyond U+FFFF is two of them, which must not be torn apart
_ESCAPE = r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)"
# a letter that is written as an escape, so that the file's writer escapes all but ASCII
_ESCAPED_LETTER = re.compile(r"(?<!\\)(?:\\\\)*\\u(?!00[01]|2028|2029)")
_CHARACTER = re.compile(f"{_ESCAPE}|.", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
# Python ends a line there, and the patterns below look for "\n"
_LONE_RETURN = re.compile(r"\r(?!\n)")
_CELL_MAGIC = re.compile(r"[ \t]*%%(\w+)")
# most cells hold none of these, and are Python as they stand
_MAYBE_MAGIC = re.compile(r"(?:^|\r)[ \t]*[%!?,;/]|\?[ \t]*(?:\r|$)|=[ \t]*[%!]", re.MULTILINE)
# names that a magic uses: of modules (before a dot), and called convolutions
_USED = re.compile(rf"(?<![\w.])(?:[^\W\d]\w*(?=\.[^\W\d])|{CLASS}(?=\()|{FUNCTION}(?=\())")
_LINE_MAGIC = re.compile(r"[ \t]*(?=[%!?,;/])")
# `%time import torch` imports for the notebook itself
_TIMED_IMPORT = re.compile(
    r"%(?:memit|mprun|prun|time|timeit)\b(?:[ \t]+-{1,2}\w+(?:[ \t]+\d+)?)*[ \t]+"
    r"(?=(?:import|from)[ \t]+[\w.]+[^\\\r\n]*$)",
    re.MULTILINE,
)
# what decides where a logical line ends; a magic may be assigned (`x = !ls`), help is asked by `?`
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<quote>'''|\"\"\"|'|")|(?P<open>[(\[{])|(?P<close>[)\]}])
    |(?P<newline>\n)|(?P<joined>\\\r?\n)|(?P<assign>(?<![=!<>])=[ \t]*(?=[%!]))|(?P<help>\?)""",
    re.VERBOSE,
)
# possessive (`*+`), so that a string without an end takes no quadratic time
_QUOTE_END = {
    "'''": re.compile(r"(?:[^\\']|\\.|'(?!''))*+(?:'''|\Z)", re.DOTALL),
    '"""': re.compile(r'(?:[^\\"]|\\.|"(?!""))*+(?:"""|\Z)', re.DOTALL),
    "'": re.compile(r"(?:[^\\'\n]|\\.)*+(?:'|(?=\n)|\Z)", re.DOTALL),
    '"': re.compile(r'(?:[^\\"\n]|\\.)*+(?:"|(?=\n)|\Z)', re.DOTALL),
}


@record(frozen=True, slots=True)
class Cell:
    """A code cell: `text` is Python of the same length and lines as `original`.

    `index` counts in the notebook's list of cells, 0-based. `masked` holds the 1-based lines that
    are no Python. `skipped` says why there is no Python in the whole cell, else it is None.
    """

    index: int
    text: str
    original: str
    masked: tuple[int, ...] = ()
    skipped: str | None = None


@record(frozen=True, slots=True)
class _Literal:
    """A string of the JSON text: `start` and `end` lie inside the quotes."""

    start: int
    end: int
    value: str


@record(frozen=True, slots=True)
class _Place:
    """Where a cell's source stands; `listed` when it is a list of lines."""

    start: int
    end: int
    literals: tuple[_Literal, ...]
    listed: bool


@record(frozen=True, slots=True)
class Notebook:
    """A notebook's JSON text and its code cells."""

    raw: str
    cells: tuple[Cell, ...]
    _places: Mapping[int, _Place] = field(default_factory=dict, repr=False)

    def apply(self, edits: Mapping[int, Sequence[Edit]]) -> str:
        """Return the JSON text with each cell (by index) edited at its text's offsets."""
        ascii_only = self.raw.isascii() and _ESCAPED_LETTER.search(self.raw) is not None
        changes: list[Edit] = []
        for index, cell_edits in edits.items():
            if cell_edits:
                changes += _cell_changes(self.raw, self._places[index], cell_edits, ascii_only)
        return splice(self.raw, sorted(changes, key=lambda change: change.start))


def read(text: str) -> Notebook:
    """Find the code cells of a notebook (nbformat 4); a kernel other than Python has none."""
    try:
        places = dict(_code_cells(text, json.loads(text)))
    except RecursionError as error:
        raise SourceError("the notebook's JSON is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise SourceError(
            f"not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}; "
            "open and save the notebook in Jupyter to repair it"
        ) from error
    except ValueError as error:
        raise SourceError(f"not valid JSON: {error}") from error
    cells = (
        mask(index, "".join(literal.value for literal in place.literals))
        for index, place in places.items()
    )
    return Notebook(text, tuple(cells), places)


def mask(index: int, original: str) -> Cell:
    """Turn a cell's text into a `Cell`, with everything that is not Python masked."""
    text = _SURROGATE.sub("\ufffd", original)
    if _MAYBE_MAGIC.search(text) is None:
        return Cell(index, text, original)
    scanned = _LONE_RETURN.sub("\n", text)
    hidden: list[Edit] = []
    done = len(scanned) - len(scanned.lstrip())
    while magic := _CELL_MAGIC.match(scanned, done):
        if magic[1] not in PYTHON_CELL_MAGICS:
            every = tuple(range(1, len(LineIndex(text)) + 1))
            reason = f"the cell magic %%{magic[1]} runs something else than this notebook's Python"
            return Cell(index, re.sub(r"[^\r\n]", " ", text), original, every, reason)
        end = _line_end(scanned, done)
        hidden.append(_hide(scanned, magic.start(1) - 2, end, "pass"))
        done = min(end + 1, len(scanned))
    hidden += _line_magics(scanned, done)
    shown = splice(scanned, hidden)
    if scanned != text:
        shown = "".join("\r" if old == "\r" else new for old, new in zip(text, shown, strict=True))
    return Cell(index, shown, original, _lines_under(text, hidden))


def _lines_under(text: str, edits: Sequence[Edit]) -> tuple[int, ...]:
    index = LineIndex(text)
    return tuple(
        line
        for edit in edits
        for line in range(index.position(edit.start)[0], index.position(edit.end)[0] + 1)
    )


def _line_magics(text: str, start: int) -> Iterator[Edit]:
    """Mask the magics among a cell's logical lines."""
    while start < len(text):
        magic = _LINE_MAGIC.match(text, start)
        if magic:
            end = _line_end(text, magic.end())
            timed = _TIMED_IMPORT.match(text, magic.end(), end)
            # `0;` and blanks in the magic's place: it is the notebook's own import all the same
            stop, statement = (timed.end(), "0;") if timed else (end, "pass")
            yield _hide(text, magic.end(), stop, statement)
        else:
            end, assigned, helped = _logical_line(text, start)
            if assigned is not None:
                end = _line_end(text, assigned)
                yield _hide(text, assigned, end, "_()")
            elif helped:
                indent = _blank_end(text, start)
                yield _hide(text, indent, end, "pass")
        start = end + 1


def _logical_line(text: str, start: int) -> tuple[int, int | None, bool]:
    """Read one logical line: its end, where a magic is assigned, and whether it asks for help."""
    depth = 0
    helped = False
    position = start
    while token := _TOKEN.search(text, position):
        position = token.end()
        kind = token.lastgroup
        if kind == "quote":
            closing = _QUOTE_END[token[0]].match(text, position)
            position = closing.end() if closing else len(text)
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif depth == 0 and kind == "newline":
            return token.start(), None, helped
        elif depth == 0 and kind == "assign":
            return token.end(), token.end(), False
        elif kind == "help":
            helped = True
    return len(text), None, helped


def _line_end(text: str, start: int) -> int:
    """Find the end of a magic's line, which a backslash carries on to the next."""
    end = text.find("\n", start)
    while end != -1 and text.endswith(("\\", "\\\r"), start, end):
        end = text.find("\n", end + 1)
    return len(text) if end == -1 else end


def _blank_end(text: str, start: int) -> int:
    while text[start : start + 1] in {" ", "\t"}:
        start += 1
    return start


def _hide(text: str, start: int, end: int, statement: str) -> Edit:
    """Put a harmless statement over a stretch, with its newlines kept.

    The names that the stretch uses stay in use, so that their imports are not taken from it.
    """
    first = re.match(r"[^\r\n]*", text[start:end])
    room = len(first[0]) if first else 0
    if names := [n for n in dict.fromkeys(_USED.findall(text, start, end)) if not iskeyword(n)]:
        used = f"({','.join(names)},)"
        statement = used if len(used) <= room else statement
    short = "_" if statement == "_()" else "0"
    shown = statement if len(statement) <= room else short
    rest = re.sub(r"[^\r\n]", " ", text[start + len(shown) : end])
    return Edit(start, end, shown + rest)


def _code_cells(text: str, parsed: object) -> Iterator[tuple[int, _Place]]:
    """Walk the JSON down to the sources of the code cells, leaving the rest to the C scanner."""
    if not isinstance(parsed, dict) or not isinstance(parsed.get("cells"), list):
        raise SourceError(
            "the notebook has no list of cells (nbformat 3 or older?); "
            "convert it with `jupyter nbconvert --to notebook --inplace`"
        )
    if not _speaks_python(parsed.get("metadata")):
        return
    cells = _members(text, _skip(text, 0))["cells"]
    for index, (start, _, cell) in enumerate(_items(text, cells[0])):
        if isinstance(cell, dict) and cell.get("cell_type") == "code" and "source" in cell:
            source = _members(text, start)["source"]
            yield index, _place(text, *source, cell["source"], index)


def _speaks_python(metadata: object) -> bool:
    """Tell whether the notebook's language is Python, which it is when nothing is said."""
    known = metadata if isinstance(metadata, dict) else {}
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        part = known.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            return part[key].lower() in {"python", "ipython"}
    return True


def _place(text: str, start: int, end: int, value: object, index: int) -> _Place:
    if isinstance(value, str):
        return _Place(start, end, (_Literal(start + 1, end - 1, value),), listed=False)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        lines = (_Literal(at + 1, stop - 1, line) for at, stop, line in _items(text, start))
        return _Place(start, end, tuple(lines), listed=True)
    raise SourceError(f"the source of cell {index} is neither a string nor a list of strings")


def _skip(text: str, position: int) -> int:
    blank = _SPACE.match(text, position)
    return blank.end() if blank else position


def _items(text: str, position: int) -> Iterator[tuple[int, int, Any]]:
    """Yield start, end and value of what a valid JSON array or object holds, keys included."""
    decoder = json.JSONDecoder()
    position = _skip(text, position + 1)
    while text[position] not in "]}":
        value, end = decoder.raw_decode(text, position)
        yield position, end, value
        position = _skip(text, end)
        if text[position] in ",:":
            position = _skip(text, position + 1)


def _members(text: str, position: int) -> dict[str, tuple[int, int]]:
    """Return where the value of each key of a valid JSON object starts and ends."""
    parts = _items(text, position)
    return {key: (start, end) for (_, _, key), (start, end, _) in zip(parts, parts, strict=True)}


def _cell_changes(raw: str, place: _Place, edits: Sequence[Edit], ascii_only: bool) -> list[Edit]:
    """Translate edits of a cell's text into edits of the JSON text."""
    splice("".join(literal.value for literal in place.literals), edits)
    if not place.literals:
        lines = _lines([char for edit in edits for char in _encode(edit.text, ascii_only)])
        return [Edit(place.start, place.end, f"[{', '.join(lines)}]")]
    starts = list(accumulate((len(literal.value) for literal in place.literals), initial=0))
    changes = []
    for first, last, inside in _groups(place, starts, edits):
        chars: list[str] = []
        for literal in place.literals[first : last + 1]:
            chars += _CHARACTER.findall(raw, literal.start, literal.end)
        new, done = list[str](), 0
        for edit in inside:
            new += chars[done : edit.start - starts[first]]
            new += _encode(edit.text, ascii_only)
            done = edit.end - starts[first]
        new += chars[done:]
        lines = _lines(new) if place.listed else [f'"{"".join(new)}"']
        changes.append(_replace_lines(raw, place, first, last, lines))
    return changes


def _groups(
    place: _Place, starts: Sequence[int], edits: Sequence[Edit]
) -> Iterator[tuple[int, int, list[Edit]]]:
    """Gather edits by the run of neighbouring literals that they rewrite."""
    final = len(place.literals) - 1
    group: tuple[int, int, list[Edit]] | None = None
    for edit in edits:
        first = min(bisect_right(starts, edit.start) - 1, final)
        last = max(first, min(bisect_right(starts, edit.end - 1) - 1, final))
        if last < final and _loses_newline(edit, starts[last + 1], place.literals[last]):
            last += 1
        if group and first <= group[1] + 1:
            group = (group[0], max(last, group[1]), [*group[2], edit])
            continue
        if group:
            yield group
        group = (first, last, [edit])
    if group:
        yield group


def _loses_newline(edit: Edit, end: int, literal: _Literal) -> bool:
    """Tell whether an edit joins what is left of its last line to the next one."""
    taken = edit.start < edit.end == end and literal.value.endswith("\n")
    return taken and not edit.text.endswith("\n")


def _encode(text: str, ascii_only: bool) -> list[str]:
    """Return a text's characters as they stand in a JSON string of this file."""
    return _CHARACTER.findall(json.dumps(text, ensure_ascii=ascii_only)[1:-1])


def _lines(chars: list[str]) -> list[str]:
    """Cut JSON characters after each newline into quoted strings, one a line."""
    cuts = [at for at, char in enumerate(chars, 1) if char == "\\n" or char.lower() == "\\u000a"]
    bounds = sorted({0, *cuts, len(chars)})
    return [f'"{"".join(chars[start:end])}"' for start, end in pairwise(bounds)]


def _replace_lines(raw: str, place: _Place, first: int, last: int, lines: list[str]) -> Edit:
    """Write lines over a run of literals, or take the run out together with one comma."""
    literals = place.literals
    start, end = literals[first].start - 1, literals[last].end + 1
    if lines:
        if len(literals) > 1:
            comma = raw[literals[0].end + 1 : literals[1].start - 1]
        else:
            comma = "," + (raw[place.start + 1 : start] or " ")
        return Edit(start, end, comma.join(lines))
    if first > 0:
        return Edit(literals[first - 1].end + 1, end, "")
    if last + 1 < len(literals):
        return Edit(start, literals[last + 1].start - 1, "")
    return Edit(place.start, place.end, "[]")
