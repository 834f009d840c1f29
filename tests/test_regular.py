"""Only regular files are read, and only so much of them, wherever a tree holds something else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mapper.files import regular
from tests.shell import COMMAND, environment

SOURCE = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
SECONDS = 20


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(path.parent)  # the address has to be short
        try:
            end.bind(path.name)
        finally:
            os.chdir(here)


def endless(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe, "a device without end": device, "a socket": listening, "a terabyte": endless,
}  # fmt: skip


def migrate(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command within half a gigabyte, and not for long."""
    bounded = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", bounded, *COMMAND, "migrate", *arguments],
        cwd=cwd, capture_output=True, check=False, timeout=SECONDS,
        env=environment(OPENBLAS_NUM_THREADS="1"),
    )  # fmt: skip


def test_a_regular_file_is_read_whole_and_a_link_to_one_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to("a")
    assert regular.read(tmp_path / "a", 5) == regular.read(tmp_path / "b", 5) == b"12345"


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_nothing_else_is(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match=r"not a regular file|larger than"):
        regular.read(tmp_path / "x", 1_000_000)


def test_a_file_that_says_it_is_empty_and_is_not_has_a_bound() -> None:
    with pytest.raises(OSError, match="larger than"):
        regular.read("/proc/self/status", 10)


def test_a_link_is_read_only_where_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="not a regular file"):
        regular.read(tmp_path / "b", 5, follow=False)


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", ["x.py", "x.ipynb"])
def test_a_source_that_is_named(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    (tmp_path / "own.py").write_text(SOURCE)
    for flags in ([], ["--output-format", "json"]):
        ran = migrate(tmp_path, *flags, name, "own.py")
        assert ran.returncode == 2, ran.stderr
        assert b"Traceback" not in ran.stderr
    assert "mindspore" in (tmp_path / "own.py").read_text()
    failed = json.loads(ran.stdout)["files"][0]
    assert failed["status"] == "failed"
    assert "cannot be read: " in failed["message"]


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_a_source_that_is_met_on_the_walk(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a.py")
    (tmp_path / "own.py").write_text(SOURCE)
    ran = migrate(tmp_path, ".")
    assert ran.returncode == (2 if make is endless else 0), ran.stderr
    assert "mindspore" in (tmp_path / "own.py").read_text()


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_an_ignore_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / ".gitignore")
    (tmp_path / ".git" / "info").mkdir(parents=True)
    make(tmp_path / ".git" / "info" / "exclude")
    (tmp_path / "own.py").write_text(SOURCE)
    assert migrate(tmp_path, ".").returncode == 0
    assert "mindspore" in (tmp_path / "own.py").read_text()


@pytest.mark.parametrize("text", ["x = 1\n", SOURCE], ids=["the short way", "the long way"])
@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_a_configuration(make: Callable[[Path], None], text: str, tmp_path: Path) -> None:
    make(tmp_path / "pyproject.toml")
    (tmp_path / "own.py").write_text(text)
    ran = migrate(tmp_path, "own.py")
    assert ran.returncode == 2
    assert b"pyproject.toml: cannot be read: " in ran.stderr
    assert (tmp_path / "own.py").read_text() == text


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_a_neighbour_that_a_file_imports(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "layers.py")
    text = "from layers import Conv2d\nimport torch\nc = Conv2d(3, 8, 3)\n"
    (tmp_path / "own.py").write_text(text)
    ran = migrate(tmp_path, "own.py")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "own.py").read_text() == text
