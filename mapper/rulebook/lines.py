"""Where a key stands in a rule file, for messages; TOML itself is read without its lines."""

from __future__ import annotations

import re

from mapper.rulebook.loader import default_directory
from mapper.rulebook.tables import RuleError

_HEADER = re.compile(r"(\[{1,2})(.+?)\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"""("[^"]*"|'[^']*'|[\w.-]+)\s*=""")
_OF_ERROR = re.compile(r"at line (\d+)")


def described(error: RuleError) -> str:
    """Return what is wrong with a rule file of this installation: path, line, key and remedy."""
    file, place = default_directory().parent / error.file, error.file
    if file.is_file():
        line = _line(file.read_text("utf-8", errors="replace"), error)
        place = f"{file}:{line}" if line else str(file)
    said = ": ".join(filter(None, (place, error.key, error.problem)))
    remedy = error.remedy or "correct this file of the rule database, or install tm2ms again"
    return f"{said}; {remedy}"


def _line(text: str, error: RuleError) -> int:
    if found := _OF_ERROR.search(error.problem):
        return int(found[1])
    return line_of(text, error.key) if error.key else 0


def line_of(text: str, key: str) -> int:
    """Return the line of a key such as `rows[1].verdict`, or of the table that lacks it.

    A text of several lines that looks like TOML itself is taken for it.
    """
    lines = {"": 1}
    table, counts = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line.strip()):
            table = header[2]
            if header[1] == "[[":
                place = counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{place}]"
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            name = found[1].strip("\"'")
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines[max((known for known in lines if _is_inside(key, known)), key=len)]


def _is_inside(key: str, table: str) -> bool:
    return not table or key == table or key.startswith((f"{table}.", f"{table}["))
