"""The short ways at the start: they say what the long way says, and step aside when in doubt."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mapper.__main__ import plainly
from tests.shell import COMMAND, environment

PLAIN: dict[str, tuple[str, object]] = {
    "paths": ("migrate a.py b", (["a.py", "b"], {})),
    "standard input": ("migrate -", None),
    "switches": ("migrate --check a.py -q", (["a.py"], {"check": True, "quiet": True})),
    "a hook": ("migrate --force-exclude a.py", (["a.py"], {"force_exclude": True})),
    "no path": ("migrate --check", None),
    "an unknown flag": ("migrate --chekc a.py", None),
    "a number of processes": ("migrate -j2 --diff a.py", (["a.py"], {"jobs": 2, "diff": True})),
    "no processes": ("migrate -j0 a.py", None),
    "a number with a sign": ("migrate -j+1 a.py", None),
    "a number apart": ("migrate -j 1 a.py", None),
    "a flag with a value": ("migrate --target-version=2.6 a.py", None),
    "a flag with a value behind it": ("migrate --output out a.py", None),
    "switches in one": ("migrate -qv a.py", None),
    "the end of flags": ("migrate -- a.py", None),
    "help": ("migrate --help", None),
    "another command": ("rules", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("typed", "meant"), PLAIN.values(), ids=PLAIN)
def test_only_paths_and_switches_are_read_at_the_start(typed: str, meant: object) -> None:
    assert plainly(typed.split()) == meant


NOTHING, SOMETHING = "x = 1\n", "import torch.nn as nn\nnn.Conv2d(3, 8, 3)\n"
RUNS: dict[str, tuple[dict[str, str], str]] = {
    "nothing to do": ({"a.py": NOTHING}, "a.py"),
    "nothing, dry": ({"a.py": NOTHING}, "--check a.py"),
    "nothing, as a diff": ({"a.py": NOTHING}, "--diff --statistics a.py"),
    "nothing, by one process": ({"a.py": NOTHING}, "--check -j1 a.py"),
    "a convolution, by one process": ({"a.py": SOMETHING}, "--diff -j1 a.py"),
    "nothing, and quiet": ({"a.py": NOTHING}, "-q a.py"),
    "several files": ({"a.py": NOTHING, "b.txt": ""}, "a.py b.txt ./a.py"),
    "not Python": ({"a.py": "this is ((( not"}, "a.py"),
    "a convolution": ({"a.py": SOMETHING}, "--check a.py"),
    "one of two": ({"a.py": NOTHING, "b.py": SOMETHING}, "--diff a.py b.py"),
    "a useless comment": ({"a.py": "x = 1  # tm2ms: ignore\n"}, "a.py"),
    "a missing file": ({"a.py": NOTHING}, "a.py gone.py"),
    "a directory": ({"a.py": NOTHING}, "--check ."),
    "an empty argument": ({"a.py": NOTHING}, "a.py "),
    "an excluded file": ({"build/a.py": NOTHING}, "--force-exclude build/a.py"),
    "one excluded by nobody": ({"src/a.py": NOTHING}, "--force-exclude src/a.py"),
    "one that is only named like it": ({"build": NOTHING}, "--force-exclude build"),
    "settings": (
        {"a.py": NOTHING, "pyproject.toml": "[tool.tm2ms]\nquiet = true\n"}, "--check a.py",
    ),
    "settings that are wrong": ({"a.py": NOTHING, "pyproject.toml": "[tool.tm2ms]\nx=1\n"}, "a.py"),
    "settings of others": ({"a.py": NOTHING, "pyproject.toml": "[tool.x]\ny = 1\n"}, "a.py"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "arguments"), RUNS.values(), ids=RUNS)
def test_the_short_way_says_what_the_long_way_says(
    files: dict[str, str], arguments: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    words = ["migrate", *arguments.split(" ")]
    short = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, capture_output=True, check=False, env=environment()
    )
    code = f"import sys; sys.argv = ['tm2ms', *{words!r}]; from mapper.cli.app import main; main()"
    long = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, check=False, env=environment(),
    )  # fmt: skip
    assert timeless(short) == timeless(long)


def timeless(ran: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes, bytes]:
    return ran.returncode, ran.stdout, re.sub(rb"[\d.]+ s\n$", b"", ran.stderr)


def test_where_there_is_nothing_to_do_nothing_much_is_imported(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(NOTHING)
    code = (
        "import sys; sys.argv = ['tm2ms', 'migrate', '--force-exclude', 'a.py']\n"
        "from mapper.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n"
        "    print([n for n in ('typer', 'dataclasses', 'pathlib') if n in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path, capture_output=True, check=True, env=environment(),
    )  # fmt: skip
    assert ran.stdout == b"[]\n"
