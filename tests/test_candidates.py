"""No reference to torch is lost, however it is laid out, spelled, escaped or quoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.shell import tm2ms

LAYERS = "from torch.nn import Conv2d, Linear as f\nimport torch.nn as nn\n"
HEAD = "import torch.nn as nn\n"
CALL = "(3, 8, 3)\n"
TREES: dict[str, tuple[dict[str, str], int]] = {
    "nothing of torch": ({"a.py": f"from layers import (f,\n    g)\nc = Conv2d{CALL}"}, 0),
    "brackets as PEP 8 has them": (
        {"a.py": f"from layers import (f,\n                    Conv2d)\nc = Conv2d{CALL}"}, 1,
    ),
    "a joined line": ({"a.py": f"from layers import f, \\\n    Conv2d\nc = Conv2d{CALL}"}, 1),
    "a line joined before `import`": (
        {"a.py": f"from layers \\\n    import Conv2d\nc = Conv2d{CALL}"}, 1,
    ),
    "blanks around a dot": ({"a.py": f"import layers\nc = layers . Conv2d{CALL}"}, 1),
    "the same over two lines": ({"a.py": f"import layers\nc = (layers.\n Conv2d){CALL}"}, 1),
    "a wide digit": ({"a.py": f"{HEAD}c = nn.Conv２d{CALL}"}, 1),
    "wide letters": ({"a.py": f"import torch\nc = torch.ｎn.Ｃonv2d{CALL}"}, 1),
    "wide letters of a name that stays": (
        {"a.py": f"{HEAD}c = nn.Conv2d{CALL}d = ｎｎ.Conv2d(*x)\n"}, 2,
    ),
    "wide letters of torch": ({"a.py": f"from ｔorch import nn\nc = nn.Conv2d{CALL}"}, 1),
    "an annotation in quotes": ({"a.py": f'{HEAD}def f(x: "nn.Conv2d") -> "nn.Conv1d": ...\n'}, 2),
    "a part of one": ({"a.py": f'{HEAD}x: list["nn.Conv2d"] | None = None\n'}, 1),
    "one that is a union": ({"a.py": f'{HEAD}x: "nn.Conv2d | list[nn.Conv1d] | None"\n'}, 2),
    "one with a prefix": ({"a.py": f'{HEAD}x: r"nn.Conv2d"\n'}, 1),
    "one over lines": ({"a.py": f'{HEAD}x: """nn.Conv2d"""\n'}, 1),
    "one behind wide characters": ({"a.py": f'{HEAD}def f(日本: int, x: "nn.Conv2d"): ...\n'}, 1),
    "text that is no annotation": ({"a.py": f'{HEAD}x: Literal["nn.Conv2d"] = "nn.Conv2d"\n'}, 0),
}  # fmt: skip


def found(tmp_path: Path, name: str, *flags: str) -> tuple[list[dict[str, Any]], int]:
    ran = tm2ms("migrate", *flags, "--output-format", "json", name, cwd=tmp_path)
    (file,) = json.loads(ran.stdout)["files"]
    assert file["status"] != "failed", file["message"]
    return file["sites"], ran.returncode


@pytest.mark.parametrize("case", TREES.values(), ids=TREES)
def test_every_reference_is_reported_and_the_result_stands(
    case: tuple[dict[str, str], int], tmp_path: Path
) -> None:
    files, count = case
    for name, text in {"layers.py": LAYERS, **files}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sites, code = found(tmp_path, "a.py")
    assert len(sites) == count
    assert {site["status"] for site in sites} <= {"migrated", "manual"}
    after = (tmp_path / "a.py").read_text(encoding="utf-8")
    compile(after, "a.py", "exec", dont_inherit=True)
    left = [site for site in sites if site["status"] == "manual"]
    assert code == bool(left)
    for site in left:  # what stays torch's still has its name
        root = site["before"].partition(".")[0].split("(")[0]
        assert root.strip("\"'r") in ("Conv2d", "ｎｎ") or HEAD in after
    again, _ = found(tmp_path, "a.py")
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == after
    assert len(again) == len(left)


def book(*sources: str) -> str:
    """Return a notebook whose sources are written as they stand here, escapes and all."""
    cells = ", ".join(
        f'{{"cell_type": "code", "metadata": {{}}, "outputs": [], "source": "{source}"}}'
        for source in sources
    )
    return f'{{"cells": [{cells}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'


X = "x = nn.Conv2d(3, 8, 3)"
BOOKS = {
    "no escape": (("import torch.nn as nn", X), 1, True),
    "a line end": ((rf"y = 1\nimport torch.nn as nn\n{X}",), 1, True),
    "an escaped letter of torch": ((rf"import \u0074orch.nn as nn\n{X}",), 1, True),
    "an escaped letter of the class": (
        ("import torch.nn as nn", r"x = nn.\u0043onv2d(3, 8, 3)"), 1, True,
    ),
    "both": ((r"import t\u006frch.nn as nn\nx = nn.Conv\u0032d(3, 8, 3)",), 1, True),
    "an escaped wide digit": ((r"import torch.nn as nn\nx = nn.Conv\uff12d(3, 8, 3)",), 1, True),
    "an import that is timed": (("%time import torch.nn as nn", X), 1, True),
    "one that is timed with options": (("%timeit -n 1 -r 1 import torch.nn as nn", X), 1, True),
    "one that is timed in the same cell": ((rf"%time import torch.nn as nn\n{X}",), 1, True),
    "a from import that is timed": (
        ("%time from torch import nn", rf"{X}\nz = nn.Linear(2, 3)"), 1, True,
    ),
    "an indented one": ((rf"if True:\n    %time import torch.nn as nn\n{X}",), 1, True),
    "a shell line that only sounds like it": (("!time import torch.nn as nn", X), 0, False),
}  # fmt: skip


@pytest.mark.parametrize("case", BOOKS.values(), ids=BOOKS)
def test_every_reference_of_a_notebook_is_reported(
    case: tuple[tuple[str, ...], int, bool], tmp_path: Path
) -> None:
    sources, count, is_written = case
    file = tmp_path / "a.ipynb"
    file.write_text(book(*sources))
    sites, _ = found(tmp_path, "a.ipynb")
    assert len(sites) == count
    cells = ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
    assert ("mindspore" in "".join(cells)) is is_written
    magics = [line for cell in cells for line in cell.splitlines() if "%time" in line]
    assert len(magics) == sum(source.count("%time") for source in sources)
    code = "\n".join(line for cell in cells for line in cell.splitlines() if line not in magics)
    compile("if 1: pass\n" + code.replace("!", "#").replace("if True:\n", ""), "a", "exec")
    assert all(" import " in f" {line}" for line in magics)
    once = file.read_text()
    found(tmp_path, "a.ipynb")
    assert file.read_text() == once
