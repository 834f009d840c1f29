"""Attack the command with hostile trees: `python fuzz/trees.py COUNT [SEED] [KIND]`.

Each tree is made from its number alone. The real command runs on it within bounds of time and
memory, and again, and every promise that holds for any tree is checked. Prints a line for each that
is broken, and the counts.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.counter import count  # noqa: E402

SECONDS, MEMORY = 60, 1 << 30
HEAD = "import torch.nn as nn\n"
CALL = "c = nn.Conv2d(3, 8, 3, padding=1)\n"
SOURCE = HEAD + CALL
PIECES = (
    "nn.Conv2d(3, 8, 3)",
    "nn.Conv1d(a, b, k)",
    "nn.ConvTranspose2d(3, 8, 3, output_padding=1)",
    "nn.Conv２d(3, 8, 3)",
    "nn.Conv2d(*a)",
    "nn.LazyConv2d(8, 3)",
    "nn.Conv2d",
    "ｎｎ.Conv3d(1, 2, 3)",
    "nn.Conv2d(3, 8, 3, padding=(p := 1))",
    "nn.Conv2d(3, 8, 3, padding=_pair(q := 1))",
    "nn.Conv2d(3, 8, (yield))",
    "nn.Conv2d(3, 8, 3, padding_mode='''\n::error::x\n''')",
)
FORMS = (
    "x = {}",
    "class A:\n    c = {}",
    "def f(c={}): ...",
    "def f():\n    return {}",
    "x = [{} for k in range(3)]",
    "x = f'{{{}}}'",
    "@g({})\ndef f(): ...",
    "x: 'nn.Conv2d' = {}",
    "for x in {}: pass",
    "lambda: {}",
    "x = (\n    {},\n)",
    "if (y := {}): pass",
    "print({}); z = 1",
)
IMPORTS = (
    HEAD,
    "from torch import nn\n",
    "import torch\nfrom torch import (nn,\n    optim)\n",
    "try:\n    import torch.nn as nn\nexcept ImportError:\n    nn = None\n",
    "import torch\nnn = torch.nn\n",
    "from layers import (f,\n    nn)\n",
    "from layers import *\n",
)
EVIL = (
    "\n::error::x",
    "::error::x",
    "##[error]x",
    "\x1b[2K",
    "\u202e",
    "\u2028",
    "\udcff",
    "-q",
    "--output=x",
    "é",
    "日",
    " ",
    "'",
    '"',
    "$(touch x)",
    "%s",
    "{}",
    "\\",
    "*",
    "[a",
    "con",
)
CONFIGURATIONS = (
    'output = "{out}/new"',
    'output-file = "{out}/victim.txt"',
    'report = ["{out}/victim.md"]',
    'dask = "tcp://192.0.2.1:1"',
    "x = 1",
    "jobs = 1000000000",
    "jobs = 3",
    "exclude = []",
    'extend-exclude = ["{stars}"]',
    'extend-exclude = ["["]',
    'extend-exclude = ["{{a,{{b,c}}"]',
    'select = ["TM1"]',
    'select = ["nothing"]',
    'per-file-ignores = {{"**/*a*a" = ["TM101"]}}',
    "exit-zero = true",
    "quiet = true",
    'target-version = "9"',
    "x = {deep}",
    "\udcff",
    "= =",
    'device = "ascend"',
    "unsafe = true",
    'output-format = "sarif"',
)
IGNORES = (
    "*",
    "!*",
    "[[:alpha:]]*",
    "*.py\n!a.py",
    "**/" * 50 + "a",
    "*a" * 80,
    "[",
    "\\",
    "\ufeffa",
    "a\r\nb\r\n",
    "\0",
    "é?.py",
    "/",
    "!",
    "#",
    "[[:nothing:]]",
    "[a-",
    "?" * 300,
)


@dataclass(slots=True)
class Case:
    """A tree below `base / "tree"`, with `base / "outside"` that nobody may touch."""

    base: Path
    random: random.Random
    flags: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=lambda: ["."])
    runs: int = 1

    @property
    def tree(self) -> Path:
        """The tree that is attacked."""
        return self.base / "tree"

    @property
    def outside(self) -> Path:
        """What nobody may touch."""
        return self.base / "outside"

    def module(self) -> str:
        """Draw a module with a few references."""
        draw = self.random
        lines = [draw.choice(FORMS).format(draw.choice(PIECES)) for _ in range(draw.randint(1, 4))]
        return draw.choice(IMPORTS) + "\n".join(lines) + "\n"

    def put(self, name: str, data: bytes | str) -> Path:
        """Put a file into the tree, where the system allows its name."""
        path = self.tree / name
        with suppress(OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
            )
        return path


def links(case: Case) -> None:
    """Links to everything: out, in circles, to devices, to nothing."""
    draw = case.random
    (case.tree / "sub").mkdir()
    case.put("sub/own.py", case.module())
    aims = [
        "../outside/victim.py",
        "/dev/zero",
        "sub/own.py",
        "gone.py",
        "loop.py",
        "sub",
        "..",
        ".",
        "../outside",
        "/",
        "/proc/self/mem",
        "sub/../sub/own.py",
        str(case.outside / "victim.py"),
    ]
    names = [
        "a.py",
        "loop.py",
        "b.ipynb",
        "d",
        "sub/e.py",
        "sub/up",
        "pyproject.toml",
        ".gitignore",
    ]
    for name in draw.sample(names, draw.randint(2, 5)):
        (case.tree / name).symlink_to(draw.choice(aims))


def special(case: Case) -> None:
    """Pipes, sockets, directories and sparse files in the place of files."""
    draw = case.random
    names = ["x.py", "y.ipynb", "pyproject.toml", ".gitignore", "layers.py", "sub/z.py", "data.txt"]
    (case.tree / "sub").mkdir()
    for name in draw.sample(names, draw.randint(1, 4)):
        path = case.tree / name
        kind = draw.randrange(4)
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            path.mkdir()
        elif kind == 2:
            with path.open("wb") as stream:
                stream.truncate(draw.choice([1 << 20, 1 << 30, 1 << 42]))
        else:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as end:
                os.chdir(path.parent)
                end.bind(path.name)
    case.paths = draw.choice([["."], [n for n in names if (case.tree / n).exists()] or ["."]])


def names(case: Case) -> None:
    """Names that could be commands, flags, escapes or no text."""
    draw = case.random
    for number in range(draw.randint(1, 5)):
        evil = "".join(draw.sample(EVIL, draw.randint(1, 3))).replace("/", "_")
        folder = draw.choice(["", f"{number}{evil}/"])
        case.put(f"{folder}{evil}{number}.py", case.module())
    case.flags += ["--output-format", draw.choice(["full", "concise", "github"])]


def permissions(case: Case) -> None:
    """Files and directories with odd modes."""
    draw = case.random
    (case.tree / "closed").mkdir()
    for name in ("a.py", "b.py", "closed/c.py"):
        case.put(name, case.module()).chmod(draw.choice([0, 0o444, 0o400, 0o755, 0o4755, 0o200]))
    (case.tree / "closed").chmod(draw.choice([0o755, 0o555, 0o311, 0]))


def encodings(case: Case) -> None:
    """Cookies that lie, torn characters, odd line ends."""
    draw = case.random
    cookies = (
        "",
        "# coding: latin-1\n",
        "# -*- coding: utf-16 -*-\n",
        "# coding: nothing\n",
        "# coding: cp1252\n",
        "# coding: rot13\n",
        "# coding: utf-7\n",
        "# coding: punycode\n",
    )
    for number in range(4):
        text = draw.choice(cookies) + f"# é日\n{case.module()}"
        text = text.replace("\n", draw.choice(["\n", "\r\n", "\r"]))
        data = text.encode(
            draw.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]), "replace"
        )
        if draw.random() < 0.4:
            at = draw.randrange(len(data))
            data = (
                data[:at]
                + draw.choice([b"\0", b"\xff", b"", b"\x0c", b"\x1a", b"("])
                + data[at + 1 :]
            )
        case.put(f"m{number}.py", data)


def notebooks(case: Case) -> None:
    """Cells of any kind, escapes, JSON that is none."""
    draw = case.random
    for number in range(3):
        cells: list[Any] = []
        for _ in range(draw.randint(1, 5)):
            text = draw.choice(
                [
                    HEAD,
                    "%time import torch.nn as nn",
                    case.module(),
                    "%%bash\nnn.Conv2d",
                    "!pip x",
                    "nn.Conv2d(",
                    "nn.Conv2d?",
                    "x = %time nn.Conv2d(3, 8, 3)",
                    "return 1",
                    "await f()",
                    "$$x$$",
                    CALL,
                    "",
                    "\x00",
                    "%%time\n" + CALL,
                ]
            )
            source: Any = draw.choice([text, text.splitlines(keepends=True), [text], 3, None, [1]])
            cells.append(
                {"cell_type": draw.choice(["code", "code", "markdown", 3]), "source": source}
            )
        book: Any = {
            "cells": cells,
            "metadata": draw.choice([{}, None, {"kernelspec": {"language": "R"}}]),
        }
        text = json.dumps(book, indent=draw.choice([None, 1]), ensure_ascii=draw.random() < 0.5)
        if draw.random() < 0.3:
            text = "".join(
                f"\\u{ord(c):04x}" if c in "Cth" and draw.random() < 0.2 else c for c in text
            )
        if draw.random() < 0.15:
            text = draw.choice(
                [text[: len(text) // 2], "[" * 99_999, text + text, "\ufeff" + text, "{}"]
            )
        case.put(f"n{number}.ipynb", text)


def configurations(case: Case) -> None:
    """Settings that are wrong, hostile or costly."""
    draw = case.random
    case.put("a.py", case.module())
    case.put("sub/" + "a" * 100 + ".py", case.module())
    lines = draw.sample(CONFIGURATIONS, draw.randint(1, 2))
    text = "[tool.tm2ms]\n" + "\n".join(lines)
    text = text.format(out=case.outside, stars="*a" * 40 + "b", deep="[" * 9_000)
    case.put("pyproject.toml", text)
    case.flags += draw.choice([[], ["--check"], ["--diff"], ["--output", str(case.base / "new")]])


def ignores(case: Case) -> None:
    """Ignore files, up to the limits of what they can say."""
    draw = case.random
    (case.tree / ".git" / "info").mkdir(parents=True)
    case.put(".git/info/exclude", draw.choice(IGNORES))
    case.put(".gitignore", "\n".join(draw.sample(IGNORES, 3)))
    case.put("sub/.gitignore", draw.choice(IGNORES))
    for name in ("a.py", "é日.py", "sub/a.py", "a" * 200 + ".py", "a/b/c/a.py"):
        case.put(name, case.module())


def mirrors(case: Case) -> None:
    """Links in the tree, and in the directory that is to mirror it."""
    links(case)
    for name in (".gitignore", "pyproject.toml"):
        (case.tree / name).unlink(missing_ok=True)
    draw = case.random
    out = case.base / "out"
    out.mkdir()
    for name in draw.sample(["sub", "sub/own.py", "a.py", "d", "data.txt"], 2):
        with suppress(OSError):
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).symlink_to(
                draw.choice([case.outside, case.outside / "victim.py", "sub", "x"])
            )
    case.put("data.txt", "data")
    case.flags += ["--output", draw.choice([str(out), "out", "../out/.", ".", "../tree"])]


def modules(case: Case) -> None:
    """References in every layout."""
    case.put("layers.py", HEAD + "from torch.nn import Conv2d as f\n")
    for number in range(5):
        case.put(f"m{number}.py", case.module())


def concurrent(case: Case) -> None:
    """Several runs at once."""
    modules(case)
    case.runs = 3
    case.flags += [case.random.choice(["-j1", "-j2"])]


def shadows(case: Case) -> None:
    """Files with the names of modules."""
    modules(case)
    trap = f"open({str(case.outside / 'mark')!r}, 'w')\n"
    for name in case.random.sample(["inspect", "typing", "ast", "json", "re", "numpy", "typer"], 3):
        case.put(f"{name}.py", trap)


KINDS: tuple[Callable[[Case], None], ...] = (
    links,
    special,
    names,
    permissions,
    encodings,
    notebooks,
    configurations,
    ignores,
    mirrors,
    modules,
    concurrent,
    shadows,
)


def snapshot(directory: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Return mode, time and content of everything below a directory; links are not followed."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for folder, folders, files in os.walk(directory):
        for name in [*folders, *files]:
            path = Path(folder, name)
            seen = path.lstat()
            content: bytes | str = ""
            if stat.S_ISLNK(seen.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(seen.st_mode) and seen.st_size < 1_000_000:
                content = path.read_bytes()
            time_ = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_mtime_ns
            found[str(path.relative_to(directory))] = seen.st_mode, time_, content
    return found


def bounded() -> None:
    """Bound the memory of a process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def start(case: Case, report: Path) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [sys.executable, "-m", "mapper", "migrate", "--report", str(report), *case.flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--", *case.paths],
        cwd=case.tree,
        env=environment,
        preexec_fn=bounded,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def text_of(content: bytes | str) -> str | None:
    """Return a source that Python reads and has code for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "x", "exec", dont_inherit=True)
            if isinstance(content, str):
                return content
            return content.decode(tokenize.detect_encoding(io.BytesIO(content).readline)[0])
        except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
            return None


def attack(number: int, seed: int, kind: str = "") -> tuple[str, float, int, int, list[str]]:
    """Run one case; return its kind, seconds, exit code, sites, and what was broken."""
    os.chdir("/")
    draw = random.Random(seed * 1_000_003 + number)
    chosen = [one for one in KINDS if not kind or one.__name__ == kind]
    make = chosen[number % len(chosen)]
    base = Path(tempfile.mkdtemp(prefix="tm2ms-trees-"))
    try:
        case = Case(base, draw)
        case.tree.mkdir()
        case.outside.mkdir()
        for name in ("victim.py", "victim.txt", "victim.md"):
            (case.outside / name).write_text(SOURCE)
        make(case)
        os.chdir("/")
        return make.__name__, *judged(case)
    finally:
        for folder, _, _ in os.walk(base):
            Path(folder).chmod(0o755)
        shutil.rmtree(base, ignore_errors=True)


def judged(case: Case) -> tuple[float, int, int, list[str]]:
    """Run the command and check every promise."""
    broken: list[str] = []
    outside, before = snapshot(case.outside), snapshot(case.tree)
    began = time.monotonic()
    report = case.base / "report.json"
    runs = [start(case, report.with_suffix(f".{n}.json")) for n in range(case.runs)]
    codes = []
    for run in runs:
        try:
            _, err = run.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            return time.monotonic() - began, -1, 0, ["it hangs"]
        codes.append(run.returncode)
        if b"Traceback" in err or b"internal error" in err:
            broken.append(err.decode(errors="replace").strip()[-300:])
    seconds = time.monotonic() - began
    after = snapshot(case.tree)
    if snapshot(case.outside) != outside:
        broken.append("something outside was changed")
    written = report.with_suffix(".0.json")
    document = json.loads(written.read_bytes()) if written.exists() else None
    sites = 0
    if document is None:
        if codes[0] != 2:
            broken.append(f"no report, and exit {codes[0]}")
        if after != before and not any("--output" in flag for flag in case.flags):
            broken.append("wrong usage changed something")
    elif case.runs == 1:
        sites = document["summary"]["sites"]
        broken += reported(case, document, codes[0], before)
    broken += results(before, after)
    if case.runs > 1 and set(codes) - {0, 1, 2}:
        broken.append(f"exit {codes}")
    if codes[0] != -1 and document is not None:
        again = start(case, case.base / "again.json")
        again.communicate(timeout=SECONDS)
        if snapshot(case.tree) != after:
            broken.append("a second run changes something")
    if snapshot(case.outside) != outside:
        broken.append("a second run changed something outside")
    return seconds, codes[0], sites, broken


def reported(case: Case, document: Any, code: int, before: Any) -> list[str]:
    """Check the exit code against the report, and the report against the independent count."""
    broken = []
    summary, files = document["summary"], document["files"]
    is_error = summary["failed"] or any(n["level"] == "error" for f in files for n in f["notes"])
    settings = str(before.get("pyproject.toml", ""))
    dry = {"--check", "--diff"} & set(case.flags)
    unsafe = 0 if "unsafe" in settings else summary["unsafe"]
    is_open = summary["manual"] + unsafe
    wanted = 2 if is_error else 1 if is_open or (dry and summary["changed"]) else 0
    if code != wanted and not (code == 0 and "exit-zero" in settings):
        broken.append(f"exit {code} instead of {wanted}: {summary}")
    for file in files:
        known = before.get(file["path"])
        text = text_of(known[2]) if known and file["path"].endswith(".py") else None
        is_read = file["status"] != "failed" and "select" not in settings
        expected = count(text) if is_read and text is not None else 0
        if len(file["sites"]) < expected:
            broken.append(f"{file['path']!a}: {len(file['sites'])} of {expected} sites")
        if file["status"] == "failed" and "internal error" in (file.get("message") or ""):
            broken.append(file["message"])
    return broken


def results(before: Any, after: Any) -> list[str]:
    """Check what became of the files: nothing new or gone, and what had code has code."""
    broken = [
        f"{name!a} is new or gone"
        for name in before.keys() ^ after.keys()
        if not name.startswith(("out", "new"))
    ]
    for name in before.keys() & after.keys():
        if before[name][0] != after[name][0]:
            broken.append(f"{name!a}: its mode changed")
        if before[name][2] != after[name][2]:
            had = name.endswith(".py") and text_of(before[name][2]) is not None
            if had and text_of(after[name][2]) is None:
                broken.append(f"{name!a} does not compile any more")
            if name.endswith(".ipynb"):
                json.loads(after[name][2])
    return broken


def main() -> None:
    """Attack with so many trees, on all cores, and count."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    kind = sys.argv[3] if len(sys.argv) > 3 else ""
    kinds, codes, seconds, sites, bad = Counter[str](), Counter[int](), 0.0, 0, 0
    with ProcessPoolExecutor(2) as pool:
        for number, found in enumerate(
            pool.map(partial(attack, seed=seed, kind=kind), range(most))
        ):
            name, took, code, some, broken = found
            kinds[name] += 1
            codes[code] += 1
            seconds, sites, bad = max(seconds, took), sites + some, bad + bool(broken)
            for one in broken:
                print(f"{number} {name}: {one}", flush=True)
    print(f"{most} trees, broken {bad}; sites {sites}; the longest {seconds:.1f} s")
    print("exit codes", dict(sorted(codes.items())))
    print("kinds", dict(kinds))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
