"""The seed documents, read: their difference tables and their code examples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SEEDS = Path(__file__).with_name("seeds")
PAGES = ("Conv2d.txt", "ConvTranspose1d.md", "ConvTranspose2d.zh.md", "ConvTranspose3d.txt")
OPERATOR = "ops.Conv3DTranspose.txt"
_CODE = re.compile(r"# PyTorch\n(.*?)# MindSpore\n(.*?)(?=\n```|\nCode Example|\Z)", re.DOTALL)
_PRINTED = re.compile(r"^#\s*\((.*)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One code example: both halves as printed, and the shapes printed below them."""

    seed: str
    number: int
    torch: str
    mindspore: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def id(self) -> str:
        """Return its name in test ids."""
        return f"{self.seed}-example-{self.number}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a difference table; a side without the parameter is empty."""

    seed: str
    kind: str
    number: int
    torch: str
    mindspore: str

    @property
    def id(self) -> str:
        """Return its name in test ids."""
        return f"{self.seed}-{self.kind}-{self.number}-{self.torch or self.mindspore}"


def examples(seed: str) -> list[Example]:
    """Return the code examples of a difference page."""
    return [
        Example(seed, number, found[1], found[2], (_printed(found[1]), _printed(found[2])))
        for number, found in enumerate(_CODE.finditer(_text(seed)), 1)
    ]


def _printed(half: str) -> tuple[int, ...]:
    (text,) = _PRINTED.findall(half)
    return tuple(map(int, text.split(",")))


def rows(seed: str) -> list[Row]:
    """Return the rows of a page's difference table, or the parameters and inputs of an API page."""
    if seed == OPERATOR:
        return _operator_rows(_text(seed))
    cells = _table_cells(_text(seed))
    found = []
    for subcategory, torch, mindspore in cells:
        kind = "parameter" if re.match(r"Parameter|参数", subcategory) else "input"
        number = int((re.findall(r"\d+", subcategory) or ["1"])[0])
        sides = (side if side != "-" else "" for side in (torch, mindspore))
        found.append(Row(seed, kind, number, *sides))
    return found


def _table_cells(text: str) -> list[tuple[str, str, str]]:
    """Return (subcategory, torch, mindspore) of each row, from Markdown or from cells on lines."""
    if re.search(r"^\| *-", text, re.MULTILINE):
        lines = [line for line in text.splitlines() if line.startswith("|")][2:]
        cut = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return [(c[-4], c[-3], c[-2]) for c in cut]
    words = re.split(r"\s*\|\s*", text.partition("---|---|---|---|---|")[2])
    names = [i for i, word in enumerate(words) if re.fullmatch(r"Parameter \d+|Single input", word)]
    return [(words[i], words[i + 1], words[i + 2]) for i in names]


def _operator_rows(text: str) -> list[Row]:
    """Return what the page of an operator describes: its parameters and its inputs."""
    described, _, rest = text.partition("- Parameters")[2].partition("- Inputs:")
    parameters = re.findall(r"(\w+) \((?:int|str|Union[\[(])", described)
    inputs = re.findall(r"(\w+) \(Tensor\)", rest.partition("- Outputs:")[0])
    names = [("parameter", parameters), ("input", inputs)]
    return [
        Row(OPERATOR, kind, number, "", name)
        for kind, group in names
        for number, name in enumerate(dict.fromkeys(group), 1)
    ]


def _text(seed: str) -> str:
    return (SEEDS / seed).read_text(encoding="utf-8")
