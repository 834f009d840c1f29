"""Nothing of the migrated code is run or imported, and nothing goes over the network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.shell import COMMAND, environment

ROOT = Path(__file__).parents[2]
TRAP = "(__import__('pathlib').Path({mark!r}).write_text('run'))"
TRAPS = {
    "a statement of the module": "{trap}\nc = nn.Conv2d(3, 8, 3)",
    "a decorator": "@({trap} or (lambda f: f))\ndef f():\n    return nn.Conv2d(3, 8, 3)",
    "a default argument": "def f(k={trap}):\n    return nn.Conv2d(3, 8, k)",
    "the body of a class": "class A:\n    x = {trap}\n    c = nn.Conv2d(3, 8, 3)",
    "the dtype": "c = nn.Conv2d(3, 8, 3, dtype={trap})",
    "the kernel": "c = nn.Conv2d(3, 8, {trap})",
    "a condition": "c = nn.Conv2d(3, 8, 3, bias=True if {trap} else False)",
    "an annotation": "c: {trap} = nn.Conv2d(3, 8, 3)",
    "an f-string": 'c = nn.Conv2d(3, 8, 3, padding_mode=f"{{{trap}}}")',
    "an import of a neighbour": "import neighbour\nc = nn.Conv2d(3, 8, neighbour.k)",
}


def planted(directory: Path, text: str) -> tuple[Path, Path]:
    mark, path = directory / "mark", directory / "model.py"
    trap = TRAP.format(mark=str(mark))
    (directory / "neighbour.py").write_text(trap + "\nk = 3\n")
    path.write_text("import torch.nn as nn\n" + text.format(trap=trap) + "\n")
    return path, mark


def test_the_trap_works_when_it_is_run(tmp_path: Path) -> None:
    path, mark = planted(tmp_path, "{trap}")
    subprocess.run([sys.executable, "-c", path.read_text().split("\n", 1)[1]], check=True)
    assert mark.exists()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Path]]:
    """Every trap processed under the audit hook, each with its own mark."""
    pairs = {name: planted(tmp_path_factory.mktemp("trap"), text) for name, text in TRAPS.items()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.watched", *(str(p) for p, _ in pairs.values())],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *found, control = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(event.startswith("exec") for event in control["events"]), "the hook sees nothing"
    marks = [mark for _, mark in pairs.values()]
    return dict(zip(pairs, zip(found, marks, strict=True), strict=True))


@pytest.mark.parametrize("name", TRAPS)
def test_no_code_of_the_file_is_run(
    outcomes: dict[str, tuple[dict[str, Any], Path]], name: str
) -> None:
    found, mark = outcomes[name]
    assert found["sites"], "nothing was looked at, so nothing was tested"
    assert found["events"] == []
    assert not mark.exists()


OFFLINE = """
import sys
def hook(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        print("NETWORK", event, file=sys.stderr)
        raise SystemExit(99)
sys.addaudithook(hook)
"""


def test_the_command_line_makes_no_connection(tmp_path: Path) -> None:
    path, mark = planted(tmp_path, "c = nn.Conv2d(3, 8, 3)")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(OFFLINE)
    roots = f"{tmp_path / 'hook'}:{ROOT}"
    environ = {**environment(), "PYTHONPATH": roots}
    reach = "import socket; socket.getaddrinfo('localhost', 1)"
    probe = subprocess.run([sys.executable, "-c", reach], env=environ, check=False)
    assert probe.returncode == 99, "the hook does not see connections"
    done = subprocess.run(
        [*COMMAND, "migrate", str(path)],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"NETWORK" in done.stderr) == (0, False)
    assert "mindspore" in path.read_text()
    assert not mark.exists()


def test_the_command_line_works_with_the_network_off(tmp_path: Path) -> None:
    off = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*off, "true"], check=False).returncode:
        pytest.skip("the system does not let a process have a network of its own")
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    probe = subprocess.run(
        [*off, sys.executable, "-c", reach], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in probe.stderr
    path, mark = planted(tmp_path, "c = nn.Conv2d(3, 8, 3)")
    done = subprocess.run(
        [*off, *COMMAND, "migrate", "-j2", str(path)],
        cwd=tmp_path, env=environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, mark.exists()) == (0, False)
    assert "mindspore" in path.read_text()


SHADOWS = (
    "__future__", "annotationlib", "ast", "base64", "bisect", "click", "collections", "contextlib",
    "copy", "dataclasses", "difflib", "enum", "functools", "gc", "hashlib", "inspect", "json",
    "keyword", "logging", "numpy", "pathlib", "pathspec", "random", "re", "shlex", "shutil",
    "signal", "string", "struct", "tempfile", "textwrap", "threading", "tomllib", "traceback",
    "typer", "types", "typing", "unicodedata", "warnings",
)  # fmt: skip
STARTS = {
    "as a module": ["-m", "mapper"],
    "as a command": ["-c", "from tm2ms_start import main; main()"],
}
COMMANDS = {
    "in place": ["migrate", "."],
    "in place, in the short way": ["migrate", "plain.py"],
    "with processes": ["migrate", "--check", "-j2", "--output-format", "json", "."],
    "with every report": ["migrate", "--check", "--report", "a.html", "--report", "a.sarif", "."],
    "explained": ["explain", "TM101"],
    "its help": ["--help"],
}


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    """A tree with a file for everything that could be imported in its place."""
    trap = f"open({str(tmp_path / 'mark')!r}, 'a').write(__name__)\n"
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in SHADOWS:
        (tree / f"{name}.py").write_text(trap)
    (tree / "plain.py").write_text("x = 1\n")
    (tree / "model.py").write_text("import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n")
    return tree


def test_the_shadows_work_where_nobody_leaves_the_directory(shadowed: Path) -> None:
    subprocess.run([sys.executable, "-m", "tabnanny"], cwd=shadowed, capture_output=True)
    assert (shadowed.parent / "mark").exists()


def imported_by_python_itself(directory: Path) -> list[str]:
    """Return what `python -m` imports before anything of the package that it is to start."""
    (directory / "empty").mkdir()
    (directory / "empty" / "__init__.py").write_text("import sys\nprint(*sys.modules)\n")
    (directory / "empty" / "__main__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "empty"], cwd=directory, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_nothing_of_the_working_directory_is_imported(
    start: list[str], command: list[str], shadowed: Path
) -> None:
    if start[0] == "-c":  # an installed command has its own directory in the first place
        start = ["-P", *start]
    for name in imported_by_python_itself(shadowed.parent) if start[0] == "-m" else ():
        (shadowed / f"{name}.py").unlink(missing_ok=True)
    assert len(list(shadowed.iterdir())) > 30
    done = subprocess.run(
        [sys.executable, *start, *command],
        cwd=shadowed, env=environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if "--check" in command else 0), done.stderr
    assert not (shadowed.parent / "mark").exists(), (shadowed.parent / "mark").read_text()
    assert ("mindspore" in (shadowed / "model.py").read_text()) is (command == ["migrate", "."])


FOREIGN = {
    "a package": "mapper/__init__.py",
    "a module": "mapper.py",
    "a package with a start of its own": "mapper/__main__.py",
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_another_package_of_the_name_is_named_and_not_run(foreign: str, tmp_path: Path) -> None:
    file = tmp_path / "other" / foreign
    file.parent.mkdir(parents=True)
    for path in {file, file.with_name("__init__.py")} if "/" in foreign else {file}:
        path.write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", STARTS["as a command"][1], "--version"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment(PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}"),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("tm2ms: the name `mapper` means ")
    assert str(tmp_path / "other") in done.stderr
    assert "PYTHONPATH" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mark").exists()


def test_from_its_own_directory_it_runs_too() -> None:
    for start in STARTS.values():
        done = subprocess.run(
            [sys.executable, *start, "--version"],
            cwd=ROOT, capture_output=True, text=True, check=False, env=environment(PYTHONPATH=""),
        )  # fmt: skip
        assert done.stdout.startswith("tm2ms "), done.stderr
