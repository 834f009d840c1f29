"""The table of speed marks, measured side by side in one run: `python benchmarks/run.py [TREE]`.

    python benchmarks/run.py --write --torch PYTHON /path/to/a/tree

TREE is any PyTorch source, by default the torch package of this environment or of --torch; where
both are there, whole trees are measured on either. Each
contestant is a process of its own; whole trees and growth are compared in CPU seconds (user and
system, of one process), so that a busy machine does not decide, all else in wall clock seconds, the
best of several, taken in turns. What cannot be had (another tool, torch) is skipped with the
reason. --rivals DIR is an environment for the other tools, made with pip where it is missing.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mapper.files.candidates import may_concern_us  # noqa: E402
from mapper.files.discover import discover  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
END = "<!-- end of the figures: what follows is written by hand -->"
RIVALS = ("paconvert==3.3.1", "black", "ruff", "scipy", "onnx", "setuptools<81")
PYTHON = [sys.executable]
TM2MS = [*PYTHON, "-m", "mapper"]
SAMPLE = 40  # files for the tools that are too slow for a tree


class Cost(NamedTuple):
    """What a process has cost: CPU seconds, wall clock seconds, and its peak in megabytes."""

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    mark: str
    measured: str
    beside: str
    met: bool | None


def command(arguments: Sequence[str], cwd: Path | None = None, stdin: str = "") -> Cost:
    """Run a process and return what it cost; its output goes nowhere."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env=environment,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(arguments[:6])} ended with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def best(runs: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, Cost]:
    """Return the best of each contestant, taken in turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            costs[name].append(run())
    return {name: Cost(*map(min, zip(*found, strict=True))) for name, found in costs.items()}


# --- whole trees --------------------------------------------------------------------------------

_PARSE = """
import ast, sys, warnings
warnings.simplefilter("ignore")
for name in sys.stdin.read().splitlines():
    with open(name, "rb") as stream:
        try:
            ast.parse(stream.read())
        except (SyntaxError, ValueError):
            pass
"""
_READ = """
import sys
from mapper.files.candidates import may_concern_us
for name in sys.stdin.read().splitlines():
    with open(name, "rb") as stream:
        may_concern_us(stream.read(), None)
"""
_LIBCST = """
import sys
import libcst as cst
from libcst.metadata import MetadataWrapper, QualifiedNameProvider
for name in sys.stdin.read().splitlines():
    with open(name, "rb") as stream:
        try:
            MetadataWrapper(cst.parse_module(stream.read())).resolve(QualifiedNameProvider)
        except Exception:
            pass
"""


def files_of(tree: Path) -> list[Path]:
    """Return the files that a run would read."""
    return [found.path for found in discover([str(tree)]) if found.error is None]


def candidates(files: Sequence[Path]) -> list[Path]:
    """Return the modules that a run has to parse."""
    return [f for f in files if f.suffix == ".py" and may_concern_us(f.read_bytes(), str(f))]


def listed(files: Sequence[Path]) -> str:
    return "\n".join(map(str, files))


def whole_trees(trees: Sequence[Path], rivals: Path | None) -> Iterator[Row]:
    """Measure each tree."""
    for tree in trees:
        yield from whole_tree(tree, rivals)


def whole_tree(tree: Path, rivals: Path | None) -> Iterator[Row]:
    """Measure `migrate --diff -j1` beside ast.parse, libcst and PaConvert."""
    files = files_of(tree)
    parsed = candidates(files)
    parse = [*PYTHON, "-c", _PARSE]
    costs = best(
        {
            "ours": lambda: command([*TM2MS, "migrate", "--diff", "-j1", str(tree)]),
            "parse": lambda: command(parse, stdin=listed(parsed)),
        },
        3,
    )
    ours, ratio = costs["ours"].cpu, costs["ours"].cpu / costs["parse"].cpu
    count = f"{len(files)} files, {len(parsed)} of them for ast.parse"
    yield Row(
        f"`migrate --diff -j1` on `{tree.name}`, {count}",
        "≤ 4 × `ast.parse`",
        f"{ratio:.1f} × ({ours:.1f} s)",
        f"`ast.parse` {costs['parse'].cpu:.2f} s",
        ratio <= 4,
    )
    sample = parsed[:: max(1, len(parsed) // SAMPLE)]
    scale = size(parsed) / size(sample)
    said = f"{len(sample)} of {len(parsed)} files, scaled by bytes × {scale:.1f}"
    libcst = scale * command([*PYTHON, "-c", _LIBCST], stdin=listed(sample)).cpu
    yield Row(
        "… beside libcst with QualifiedNameProvider",
        "≥ 20 × ahead",
        f"{libcst / ours:.1f} × ahead",
        f"{libcst:.0f} s ({said})",
        libcst >= 20 * ours,
    )
    yield paconvert(sample, rivals, scale, ours, said)


def paconvert(
    sample: Sequence[Path], rivals: Path | None, scale: float, ours: float, said: str
) -> Row:
    """Measure PaConvert on copies of the sample."""
    name, mark = "… beside PaConvert 3.3.1", "≥ 15 × ahead"
    tool = rivals / "bin" / "paconvert" if rivals else None
    if tool is None or not tool.exists():
        return Row(name, mark, "-", "skipped: paconvert could not be installed", None)
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "in"
        source.mkdir()
        for number, file in enumerate(sample):
            shutil.copy(file, source / f"m{number}.py")
        flags = ["--in_dir", str(source), "--out_dir", f"{directory}/out"]
        flags += ["--log_dir", f"{directory}/log"]
        try:
            spent = scale * command([str(tool), *flags], Path(directory)).cpu
        except RuntimeError as error:
            return Row(name, mark, "-", f"skipped: {error}", None)
    ahead = spent / ours
    beside = f"{spent:.0f} s ({said})"
    return Row(name, mark, f"{ahead:.1f} × ahead", beside, ahead >= 15)


def size(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def without_torch() -> Iterator[Row]:
    """Measure the standard library beside reading and searching its bytes."""
    library = Path(sysconfig.get_path("stdlib"))
    files = files_of(library)
    costs = best(
        {
            "ours": lambda: command([*TM2MS, "migrate", "--check", str(library)]),
            "read": lambda: command([*PYTHON, "-c", _READ], stdin=listed(files)),
        },
        5,
    )
    ratio = costs["ours"].cpu / costs["read"].cpu
    yield Row(
        f"tree without torch: the standard library, {len(files)} files",
        "≤ 2 × reading and searching",
        f"{ratio:.2f} × ({costs['ours'].cpu:.2f} s)",
        f"read and search {costs['read'].cpu:.2f} s",
        ratio <= 2,
    )


def two_processes(tree: Path) -> Iterator[Row]:
    """Measure -j2 beside -j1 by the clock."""
    flags = [*TM2MS, "migrate", "--diff"]
    runs = {f"-j{n}": partial(command, [*flags, f"-j{n}", str(tree)]) for n in (1, 2)}
    costs = best(runs, 3)
    one, two = costs["-j1"], costs["-j2"]
    gain = one.wall / two.wall
    yield Row(
        "`-j2` against `-j1`, wall clock",
        "≥ 1.7 ×",
        f"{gain:.2f} × ({two.wall:.1f} s)",
        f"`-j1` {one.wall:.1f} s; CPU {one.cpu:.1f} and {two.cpu:.1f} s; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        gain >= 1.7,
    )


# --- process start ------------------------------------------------------------------------------

NO_TORCH = '"""Nothing."""\n\nimport os\n\nprint(os.name)\n'
MODEL = """import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
"""
AROUND = 300  # files of the repository


def start(rivals: Path | None) -> Iterator[Row]:
    """Measure a hook on one file: without torch, a model alone, a model of a repository."""
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        places = {"no_torch": NO_TORCH, "model": MODEL, "repository/m0": MODEL}
        places |= {f"repository/m{n}": MODEL for n in range(1, AROUND)}
        for name, text in places.items():
            (here / name).parent.mkdir(exist_ok=True)
            (here / f"{name}.py").write_text(text)
        (here / "repository" / ".git").mkdir()
        runs = {"pass": partial(command, [*PYTHON, "-c", "pass"], here)}
        for name in ("no_torch", "model", "repository/m0"):
            file = f"{name}.py"
            runs[name] = partial(command, [*TM2MS, "migrate", "--check", file], here)
            for tool, flags in {"ruff": ["check"], "black": ["--check", "-q"]}.items():
                if (path := _tool(tool, rivals)) is not None:
                    runs[f"{tool} {name}"] = partial(command, [path, *flags, file], here)
        costs = best(runs, 15)
    python = costs["pass"].wall
    for name, what, mark in (
        ("no_torch", "a file without torch", 2),
        ("model", "one model file alone", 25),
        ("repository/m0", f"one model file of a repository of {AROUND}", 40),
    ):
        ratio = costs[name].wall / python
        beside = [f"{key.split()[0]} {costs[key].wall / python:.1f} ×" for key in runs
                  if key.endswith(f" {name}")]  # fmt: skip
        yield Row(
            f"process start: hook on {what}",
            f"≤ {mark} × `python -c pass`",
            f"{ratio:.1f} × ({1000 * costs[name].wall:.0f} ms)",
            ", ".join([f"`python -c pass` {1000 * python:.0f} ms", *beside]),
            ratio <= mark,
        )


def _tool(name: str, rivals: Path | None) -> str | None:
    found = rivals / "bin" / name if rivals else None
    return str(found) if found and found.exists() else shutil.which(name)


# --- proofs -------------------------------------------------------------------------------------


def proofs() -> Iterator[Row]:
    """Time the proofs of distinct literal calls, and of the same calls again."""
    from mapper.model.options import Options
    from mapper.proving.prover import Prover
    from mapper.rulebook.loader import load
    from mapper.running.module import Migrator

    spent: list[float] = []
    prove = Prover.prove

    def timed(self: Prover, request: Any) -> Any:
        began = time.perf_counter()
        try:
            return prove(self, request)
        finally:
            spent.append(time.perf_counter() - began)

    transposed = [f"nn.ConvTranspose2d(4, 8, {k}, stride={s})" for k in (2, 3, 4) for s in (1, 2)]
    calls = [
        f"nn.Conv2d({3 + k}, 8, {k}, stride={s}, padding={p})"
        for k in (1, 3, 5, 7) for s in (1, 2) for p in (0, 1, 2)
    ] + transposed  # fmt: skip
    migrator = Migrator(load(), Options(select=("conv",)))
    migrator.migrate("import torch.nn as nn\nnn.Conv1d(3, 8, 3)\n")  # imports and caches
    text = "import torch.nn as nn\n" + "\n".join(calls) + "\n"
    Prover.prove = timed  # type: ignore[method-assign]
    rounds = []
    try:
        for _ in range(2):
            spent.clear()
            migrator.migrate(text)
            rounds.append(list(spent))
    finally:
        Prover.prove = prove  # type: ignore[method-assign]
    for name, mark, figures in zip(("cold", "repeated"), (1000, 20), rounds, strict=True):
        value = 1e6 * statistics.median(figures)
        yield Row(
            f"proof of a literal call, {name}",
            "≤ 1 ms" if mark == 1000 else f"≤ {mark} µs",
            f"{value:.0f} µs (median)",
            f"{len(figures)} calls, worst {1e6 * max(figures):.0f} µs",
            value <= mark,
        )


# --- the engine ---------------------------------------------------------------------------------


def engine(torch_python: str | None, rivals: Path | None) -> Iterator[Row]:
    """Run benchmarks/engine.py where torch is, and take its marks over."""
    import numpy

    if torch_python is None:
        yield Row("engine", "see engine.py", "-", "skipped: no torch (--torch PYTHON)", None)
        return
    path = [str(Path(numpy.__file__).parents[1])]
    if rivals:
        path += [str(next((rivals / "lib").glob("python*/site-packages")))]
    done = subprocess.run(
        [torch_python, str(ROOT / "benchmarks" / "engine.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    for line in lines:
        if found := re.fullmatch(r"(.*?), mark (.*?): (met|MISSED)", line):
            what, mark, verdict = found.groups()
            yield Row("engine", mark, what, lines[0], verdict == "met")
    if done.returncode:
        why = (done.stderr.splitlines() or ["?"])[-1]
        yield Row("engine", "see engine.py", "-", f"failed: {why}", None)


# --- growth and memory --------------------------------------------------------------------------


def fit(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float]:
    """Return slope, intercept and R² of the least squares line."""
    line = statistics.linear_regression(xs, ys)
    mean = statistics.fmean(ys)
    total = sum((y - mean) ** 2 for y in ys)
    rest = sum((y - line.slope * x - line.intercept) ** 2 for x, y in zip(xs, ys, strict=True))
    return line.slope, line.intercept, 1 - rest / total


TIMES = (1, 2, 4, 8)


def growth(tree: Path) -> Iterator[Row]:
    """Measure time and memory over the number of files, and time over the length of one."""
    parsed = candidates(files_of(tree))
    sample = parsed[:: max(1, len(parsed) // SAMPLE)]
    costs = {}
    with tempfile.TemporaryDirectory() as directory:
        for times in TIMES:
            here = Path(directory) / f"x{times}"
            for number in range(times):
                (here / f"copy{number}").mkdir(parents=True)
                for index, file in enumerate(sample):
                    shutil.copy(file, here / f"copy{number}" / f"m{index}.py")
            for mode in ("--check", "--diff"):
                run = [*TM2MS, "migrate", mode, "-j1", "--output-format", "concise", str(here)]
                costs[mode, times] = best({"ours": partial(command, run)}, 2)["ours"]
    yield from _memory({mode: [costs[mode, n] for n in TIMES] for mode in ("--check", "--diff")})
    seconds = [costs["--diff", times].cpu for times in TIMES]
    yield _linear(f"growth: 1, 2, 4, 8 × {len(sample)} files", seconds)
    yield _linear("growth: one file, 1, 2, 4, 8 × 250 classes", list(_lengths()))


def _memory(costs: dict[str, list[Cost]]) -> Iterator[Row]:
    for mode, found in costs.items():
        ratio = found[-1].peak / found[0].peak
        yield Row(
            f"memory of `migrate {mode}`, 8 × the files",
            "flat: ≤ 1.25 ×",
            f"{ratio:.2f} × ({found[-1].peak:.0f} MB)",
            "MB: " + ", ".join(f"{cost.peak:.0f}" for cost in found),
            ratio <= 1.25,
        )


def _lengths() -> Iterator[float]:
    block = """
class Block{n}(nn.Module):
    def __init__(self, width, k=3):
        super().__init__()
        self.a = nn.Conv2d(width, {c}, 3, padding=1)
        self.b = nn.Conv2d({c}, width, k, padding=k // 2, bias=False)
"""
    with tempfile.TemporaryDirectory() as directory:
        for times in TIMES:
            file = Path(directory) / "long.py"
            text = "".join(block.format(n=n, c=n % 7 + 1) for n in range(250 * times))
            file.write_text(f"import torch.nn as nn\n{text}")
            run = [*TM2MS, "migrate", "--diff", "-j1", str(file)]
            yield best({"ours": partial(command, run)}, 2)["ours"].cpu


def _linear(what: str, seconds: Sequence[float]) -> Row:
    slope, intercept, r2 = fit(TIMES, seconds)
    return Row(
        what,
        "linear: R² ≥ 0.99",
        f"{intercept:.2f} s + {slope:.2f} s × n, R² {r2:.4f}",
        "s: " + ", ".join(f"{one:.2f}" for one in seconds),
        r2 >= 0.99,
    )


# --- everything ---------------------------------------------------------------------------------


def environment(directory: Path) -> Path | None:
    """Return the environment with the other tools, made where it is missing; None without it."""
    python = directory / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(RIVALS)} into {directory}", file=sys.stderr)
        venv.create(directory, with_pip=True)
        for package in RIVALS:
            install = [str(python), "-m", "pip", "install", "-q", package]
            subprocess.run(install, check=False, capture_output=True)
    return directory


def torch_of(python: str | None) -> tuple[str | None, Path | None]:
    """Return a Python that has torch, and where its package lies."""
    code = "import torch, os; print(os.path.dirname(torch.__file__))"
    python = python or sys.executable
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return (python, Path(found.stdout.strip())) if found.returncode == 0 else (None, None)


def lines_of(rows: Sequence[Row]) -> Iterator[str]:
    yield "| what | mark | measured | beside it, in the same run | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        verdict = {True: "met", False: "**missed**", None: "skipped"}[row.met]
        yield f"| {row.what} | {row.mark} | {row.measured} | {row.beside} | {verdict} |"


def page(rows: Sequence[Row], tree: str, loads: tuple[float, float]) -> str:
    """Return the generated part of the page."""
    import libcst
    import numpy

    said = (
        f"Measured on {datetime.date.today():%Y-%m-%d} with `python benchmarks/run.py --write TREE`"
        f" on {tree}; Python {platform.python_version()}, numpy {numpy.__version__}, "
        f"libcst {libcst.LIBCST_VERSION if hasattr(libcst, 'LIBCST_VERSION') else '1.x'}, "
        f"{os.cpu_count()} cores, {platform.system()}. "
        f"Load average before {loads[0]:.1f}, after {loads[1]:.1f}: on a busy machine wall clock "
        "figures (`-j2`, process start, the engine) come out worse; CPU seconds less so."
    )
    return "\n".join(["# Speed", "", said, "", *lines_of(rows), ""])


def write(text: str) -> None:
    """Replace the figures, and keep what was written by hand."""
    old = PAGE.read_text("utf-8") if PAGE.exists() else END + "\n"
    _, mark, rest = old.partition(END)
    PAGE.write_text(f"{text}\n{mark}{rest}", "utf-8")


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path, nargs="?", help="default: the torch package")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has torch")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--rivals", type=Path, default=cache / "tm2ms-rivals", metavar="DIR")
    parser.add_argument("--only", metavar="WORD", help="only the groups whose name contains it")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    given = parser.parse_args()
    python, package = torch_of(given.torch)
    tree = given.tree or package
    if tree is None:
        parser.error("name a tree, or an interpreter with torch (--torch)")
    rivals = environment(given.rivals)
    groups: dict[str, Callable[[], Iterator[Row]]] = {
        "tree": lambda: whole_trees(list(dict.fromkeys(filter(None, (tree, package)))), rivals),
        "library": without_torch,
        "jobs": lambda: two_processes(tree),
        "start": lambda: start(rivals),
        "proofs": proofs,
        "engine": lambda: engine(python, rivals),
        "growth": lambda: growth(tree),
    }
    before = os.getloadavg()[0]
    rows: list[Row] = []
    for name, group in groups.items():
        if given.only is None or given.only in name:
            for row in group():
                rows.append(row)
                print("\n".join(lines_of([row])).splitlines()[-1], file=sys.stderr, flush=True)
    loads = before, os.getloadavg()[0]
    said = " and ".join(
        f"`{name}`" for name in {tree.name: 1, **({package.name: 1} if package else {})}
    )
    text = page(rows, said, loads)
    print(text)
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
