"""What a file costs must grow like the file: each kind of file in growing numbers, in memory.

Run: python fuzz/scaling.py [--quick] [KIND]...
Prints for each kind the CPU seconds of the last two sizes, the second of twice the parts, and
the quotient; exits 1 when one is above 3 (2 is linear). `report: …` is a rendering of a result.
`--quick` stops at a second where it stops at four otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

HEAD = "import torch\nimport torch.nn as nn\n"
CALL = "nn.Conv2d(3, 8, 3)"
ENOUGH, QUICK = 4.0, 1.0  # CPU seconds that are worth comparing
LIMIT = 200  # wall seconds for one kind
LONGEST = 2_500_000

Build = Callable[[int], str]


def lines(line: str) -> Build:
    """Return what repeats a line; {i} is its number."""
    return lambda n: HEAD + "".join(line.replace("{i}", str(i)) + "\n" for i in range(n))


def around(before: str, part: str, behind: str) -> Build:
    """Return what repeats a part inside of one statement."""
    return lambda n: HEAD + before + part * n + behind + "\n"


KINDS: dict[str, Build] = {
    "calls": lines(f"c = {CALL}"),
    "calls that differ": lines("c{i} = nn.Conv2d({i}, 8, 3, padding=1)"),
    "calls on one line": around("", f"{CALL}; ", "pass"),
    "calls in one list": around("x = [\n", f"    {CALL},\n", "]"),
    "calls on one line beside letters": around("x = ['é', ", f"'é', {CALL}, ", "]"),
    "calls behind backslashes": lambda n: (
        HEAD + "x = " + f"{CALL}, \\\n" * n + "0  # tm2ms: ignore\n"
    ),
    "calls for a person": lines("c = nn.Conv2d(*a)"),
    "calls with symbols": lines("c = nn.Conv2d(k{i}, 8, k{i} + 1, padding=k{i})"),
    "calls in calls": lines(f"c = nn.Conv2d(3, 8, f({CALL}))"),
    "layers with padding of their own": lines("c = nn.Conv2d(3, 8, 3, padding=1, padding_mode=m)"),
    "transposed calls": lines("c = nn.ConvTranspose2d(3, 8, 3, stride=2, output_padding=1)"),
    "functional calls": lines(
        "y = torch.nn.functional.conv_transpose2d(x, w{i}, None, 2, 1, output_padding=1)"
    ),
    "classes": lines(
        f"class A{{i}}(nn.Module):\n    def __init__(self, k=3):\n        self.c = {CALL}"
    ),
    "functions": lines("def f{i}(k):\n    return nn.Conv2d(k, k, 3)"),
    "imports in functions": lines(f"def f{{i}}():\n    import torch.nn as nn\n    return {CALL}"),
    "imports again": lines(f"import torch.nn as nn\nc = {CALL}"),
    "names bound again": lines(f"nn = torch.nn\nc = {CALL}"),
    "names of their own": lines("from torch.nn import Conv2d as C{i}\nc = C{i}(3, 8, 3)"),
    "modules of their own": lines("import torch.nn as n{i}\nc = n{i}.Conv2d(3, 8, 3)"),
    "local names": lines("conv{i} = nn.Conv2d\nc = conv{i}(3, 8, 3)"),
    "calls of one local name": lambda n: HEAD + "conv = nn.Conv2d\n" + "c = conv(3, 8, 3)\n" * n,
    "local name bound again": lines("conv = nn.Conv2d\nc = conv(3, 8, 3)"),
    "chains of names": lambda n: (
        HEAD + "c0 = nn.Conv2d\n" + "".join(f"c{i + 1} = c{i}\n" for i in range(n)) + f"c{n}(3)\n"
    ),
    "type tests": lines("isinstance(x, nn.Conv2d)"),
    "annotations": lines("x{i}: nn.Conv2d = y"),
    "dicts of their own": lines("d{i} = dict(kernel_size=3)\nc = nn.Conv2d(3, 8, **d{i})"),
    "one dict": lines("d = dict(kernel_size=3)\nc = nn.Conv2d(3, 8, **d)"),
    "constants": lines("k{i} = 3\nc = nn.Conv2d(3, 8, k{i})"),
    "globals": lines(f"def f{{i}}():\n    global g{{i}}\n    g{{i}} = {CALL}"),
    "walrus": lines(f"(c{{i}} := {CALL})"),
    "weights": lines(f"self.c{{i}} = {CALL}\nself.c{{i}}.weight.data.fill_(0)"),
    "comments that switch off": lines(f"c = {CALL}  # tm2ms: ignore"),
    "comments that are not used": lambda n: HEAD + f"c = {CALL}\n" + "# tm2ms: ignore\n" * n,
    "statements": lambda n: HEAD + f"c = {CALL}\n" + "x = 1\n" * 10 * n,
    "data": around(f"c = {CALL}\nx = [", "0.25, " * 10, "]"),
    "imports of nothing on one line": lambda n: "# onv2d " + "from a import b; " * 10 * n + "\n",
    "imports without end": lambda n: HEAD + f"c = {CALL}\n'''" + "from a import (\n" * n + "'''\n",
    "open brackets": lambda n: HEAD + f"c = {CALL}\n# " + "nn.Conv2d(" * n + "\n",
    "carriage returns": lambda n: lines(f"c = {CALL}")(n).replace("\n", "\r"),
    "names that helpers have": lambda n: (
        HEAD
        + "".join(f"_TorchConv{i} = 0\n" for i in range(n))
        + "c = nn.Conv2d(3, 8, 3, padding=p, padding_mode='circular')\n"
    ),
    "blanks": lambda n: HEAD + f"c = {CALL}\n# tm2ms:" + " " * 100 * n + "\n",
}


def cells(*sources: object) -> str:
    """Return a notebook."""
    code = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    return json.dumps({"cells": code, "nbformat": 4, "metadata": {}})


BOOKS: dict[str, Build] = {
    "notebook: one text": lambda n: cells(KINDS["calls"](n)),
    "notebook: one list": lambda n: cells(KINDS["calls"](n).splitlines(keepends=True)),
    "notebook: cells": lambda n: cells(HEAD, *[f"c = {CALL}"] * n),
    "notebook: every other line": lambda n: cells(
        [*HEAD.splitlines(keepends=True), *[f"c = {CALL}\n", "x = 1\n"] * n]
    ),
    "notebook: magics": lambda n: cells(HEAD + f"c = {CALL}\n%time nn.Conv2d(3)\n!ls\nx?\n" * n),
}
REPORTS = ("full", "concise", "json", "github", "gitlab", "sarif", "markdown", "html", "diff")
REPORTED = ("calls", "calls on one line", "calls for a person")


def cost(kind: str, n: int) -> tuple[float, int]:
    """Return the CPU seconds that so many parts of a kind take, and their size."""
    from mapper.model.options import Options
    from mapper.running.file import Task, process

    if kind.startswith("report: "):
        return report(kind, n)
    text = (KINDS | BOOKS)[kind](n)
    task = Task("x.ipynb" if kind.startswith("notebook") else "x.py", text.encode())
    began = time.process_time()
    result = process(task, Options(select=("conv",)))
    assert result.message is None, result.message
    return time.process_time() - began, len(text)


def report(kind: str, n: int) -> tuple[float, int]:
    """Return what the report of so many sites costs: those of a small file, over and over."""
    from mapper.model.options import Options
    from mapper.model.results import Run
    from mapper.report import View, render
    from mapper.running.file import Task, process

    form, _, what = kind.removeprefix("report: ").partition(" of ")
    text = KINDS[what](n)
    few = process(Task("x.py", KINDS[what](50).encode()), Options(select=("conv",)))
    after = few.after and few.after + text
    result = replace(few, before=text, after=after, sites=few.sites * (n // 50 + 1))
    began = time.process_time()
    render(form, Run((result,), "2.10"), View(verbose=True))
    return time.process_time() - began, len(text)


def grow(kind: str, enough: float) -> None:
    """Double the parts until it costs enough, and print the last two costs as JSON."""
    cost(kind, 1)  # what is imported late is imported now
    n, (last, _) = 250, cost(kind, 250)
    while True:
        n *= 2
        seconds, size = cost(kind, n)
        print(json.dumps([n, size, last, seconds]), flush=True)
        if seconds > enough or 2 * size > LONGEST:
            return
        last = seconds


def main(kinds: list[str], enough: float) -> int:
    """Measure each kind in a process of its own; return the exit code."""
    bad = 0
    for kind in kinds:
        command = [sys.executable, __file__, "--grow", kind, str(enough)]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, timeout=LIMIT, check=True, cwd=ROOT
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"BAD {kind}: {type(error).__name__}, after {error.stdout!r}", flush=True)
            bad += 1
            continue
        n, size, last, seconds = json.loads(done.stdout.splitlines()[-1])
        factor = seconds / max(last, 0.001)
        is_bad = factor > 3 and seconds > 0.2
        bad += is_bad
        print(
            f"{'BAD ' if is_bad else ''}{kind}: {n} parts, {size / 1e6:.2f} MB, "
            f"{seconds:.2f} s after {last:.2f} s, factor {factor:.1f}",
            flush=True,
        )
    print(f"{len(kinds)} kinds, {bad} of them not linear")
    return int(bad > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--grow"]:
        grow(sys.argv[2], float(sys.argv[3]))
    else:
        reports = [f"report: {form} of {what}" for what in REPORTED for form in REPORTS]
        chosen = [argument for argument in sys.argv[1:] if argument != "--quick"]
        enough = QUICK if "--quick" in sys.argv else ENOUGH
        sys.exit(main(chosen or [*KINDS, *BOOKS, *reports], enough))
