"""What `rules` and `explain` print: drawn tables that fit a terminal, and plain text in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import unicodedata
from pathlib import Path

import pytest

from tests.shell import COMMAND, environment, tm2ms

COLUMNS = 80


def on_a_terminal(cwd: Path, *arguments: str, **more: str) -> str:
    """Run a command whose standard output is a terminal of 80 columns."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, stdin=subprocess.DEVNULL, stdout=writer,
        stderr=subprocess.PIPE, env=environment(TERM="xterm-256color", **more),
    ) as process:  # fmt: skip
        os.close(writer)
        found = b""
        while True:
            try:
                data = os.read(reader, 65_536)
            except OSError:  # Linux: nobody has the terminal open any more
                break
            if not data:
                break
            found += data
        os.close(reader)
        assert process.wait() == 0
    return found.decode().replace("\r\n", "\n")


def without_style(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rules",), ("TM101", "layer", "torch.nn.Conv2d", "mindspore.nn.Conv2d")),
        (("explain", "TM101"), ("Difference table", "groups", "contradicted", "what is done")),
        (("explain", "TM104"), ("Difference table", "功")),
    ],
    ids=["rules", "a page", "a page with Chinese in it"],
)
def test_tables_are_drawn_and_fit(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    shown = without_style(on_a_terminal(tmp_path, *arguments))
    assert "─────" in shown or "━━━━━" in shown
    assert not re.search(r"^\|.*\|$", shown, re.MULTILINE)
    assert max(map(width, shown.splitlines())) <= COLUMNS
    for word in words:
        assert word in shown


@pytest.mark.parametrize("arguments", [("rules",), ("explain", "TM101")])
def test_in_a_pipe_it_is_plain(arguments: tuple[str, ...], tmp_path: Path) -> None:
    shown = tm2ms(*arguments, cwd=tmp_path).stdout.decode()
    assert "\x1b" not in shown
    assert "─" not in shown
    assert "mindspore.nn.Conv2d" in shown


def test_no_color_is_respected(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "rules", NO_COLOR="1")
    assert "TM101" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)
