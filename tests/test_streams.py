"""What a shell sees: help, settings, streams, pipes, interrupts, paths, bytes and exit codes."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from tests.shell import COMMAND, environment, tm2ms

CONV = "import torch.nn as nn\nx = nn.Conv2d(3, 8, 3, padding=1)\n"
MANUAL = "import torch.nn as nn\nx = nn.Conv2d(*args)\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(CONV)
    (tmp_path / "src" / "b.py").write_text(MANUAL)
    (tmp_path / "src" / "c.py").write_text("print('nothing')\n")
    return tmp_path


# --- standard output ------------------------------------------------------------------------------

OUTPUTS = {
    "migrate": "migrate --diff src",
    "migrate in another format": "migrate --check --output-format json src",
    "verify": "verify 'nn.Conv2d(3,8,3)'",
    "explain": "explain TM101",
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_a_full_output_ends_in_words(command: str, here: Path) -> None:
    ran = _shell(f"{command} > /dev/full", here)
    assert ran.returncode == 2
    assert ran.stderr.endswith(b"tm2ms: standard output: No space left on device\n")
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_without_an_output_the_exit_code_still_tells(command: str, here: Path) -> None:
    ran = _shell(f"{command} >&-", here)
    assert ran.returncode == _shell(command, here).returncode
    assert b"Traceback" not in ran.stderr


def _shell(command: str, here: Path) -> subprocess.CompletedProcess[bytes]:
    line = f"{shlex.join(COMMAND)} {command}"
    return subprocess.run(
        ["bash", "-c", line], cwd=here, env=environment(), capture_output=True, check=False
    )


# --- help, completion, settings -----------------------------------------------------------------


def test_help_groups_the_options_and_shows_examples(here: Path) -> None:
    shown = tm2ms("migrate", "--help", cwd=here).stdout.decode()
    groups = ["Arguments:", "Modes:", "What is written:", "Which files and rules:", "Reports:"]
    places = [shown.index(f"\n{group}\n") for group in groups]
    assert places == sorted(places)
    assert "\n    tm2ms migrate --diff . " in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("command", ["migrate", "verify", "explain", "rules"])
def test_every_command_has_help(command: str, here: Path) -> None:
    ran = tm2ms(command, "-h", cwd=here)
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"Usage: tm2ms {command}".encode())


COMPLETIONS = {
    "tm2ms mi": "migrate",
    "tm2ms migrate --out": "--output-format",
    "tm2ms migrate --device a": "ascend",
    "tm2ms migrate --select TM10": "TM101",
    "tm2ms explain torch.nn.Conv2": "torch.nn.Conv2d",
}


@pytest.mark.parametrize(("typed", "offered"), COMPLETIONS.items(), ids=COMPLETIONS.keys())
def test_the_shell_completes_commands_flags_and_values(
    typed: str, offered: str, here: Path
) -> None:
    words = typed.split(" ")
    at = str(len(words) - 1)
    ran = tm2ms(cwd=here, _TM2MS_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=at)
    assert offered in ran.stdout.decode().splitlines(), ran


def test_show_settings_prints_toml_and_where_each_value_came_from(here: Path) -> None:
    table = '\n[tool.tm2ms]\nselect = ["TM1"]\nper_file_ignores = {"src/*" = ["TM101"]}\n'
    (here / "pyproject.toml").write_text(table)
    ran = tm2ms("migrate", "--show-settings", "--device", "cpu", cwd=here)
    shown = ran.stdout.decode()
    assert ran.returncode == 0
    assert shown.startswith("# read from pyproject.toml\n")
    said = {line.partition(" = ")[0]: line for line in shown.splitlines()}
    assert said["select"].endswith("# pyproject.toml:3")
    assert said["per-file-ignores"].endswith("# pyproject.toml:4")
    assert said["device"].endswith("# --device")
    assert said["recipe"].endswith("# default")
    assert tomllib.loads(shown)["per-file-ignores"] == {"src/*": ["TM101"]}


def test_a_name_that_selects_nothing_is_wrong_usage_at_its_place(here: Path) -> None:
    ran = tm2ms("migrate", "--select", "TM1,TM777", "src", cwd=here)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"--select: 'TM777' names no rule" in ran.stderr
    (here / "pyproject.toml").write_text('[tool.tm2ms]\nignore = ["torch.nn.Conv2"]\n')
    ran = tm2ms("migrate", "src", cwd=here)
    assert ran.returncode == 2
    assert b"pyproject.toml:2: 'torch.nn.Conv2' names no rule; did you mean" in ran.stderr
    assert (here / "src" / "a.py").read_text() == CONV


def test_what_is_ignored_needs_nobody(here: Path) -> None:
    ran = tm2ms("migrate", "--ignore", "nn.Conv2d,TM105", "src", cwd=here)
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert b"2 ignored" in ran.stderr
    assert (here / "src" / "a.py").read_text() == CONV


def test_per_file_ignores_of_the_configuration_count_from_its_directory(here: Path) -> None:
    (here / "pyproject.toml").write_text('[tool.tm2ms]\nper-file-ignores = {"src/b.py" = ["TM1"]}')
    ran = tm2ms("migrate", ".", cwd=here / "src")
    assert ran.returncode == 0
    assert b"1 migrated (1 by numbers), 1 ignored" in ran.stderr


def test_statistics_count_the_sites_per_rule_also_when_quiet(here: Path) -> None:
    ran = tm2ms("migrate", "--check", "--statistics", "-q", "src", cwd=here)
    head, line = ran.stderr.decode().splitlines()
    assert head.split()[:4] == ["rule", "api", "sites", "migrated"]
    assert line.split() == ["TM101", "torch.nn.Conv2d", "2", "1", "0", "0", "1", "0", "0"]


OTHER_PRODUCTS = {"a diff": ("--diff", "src/b.py"), "source": ("-", "--stdin-filename", "src/b.py")}


@pytest.mark.parametrize("flags", OTHER_PRODUCTS.values(), ids=OTHER_PRODUCTS.keys())
def test_where_stdout_is_no_report_stderr_says_what_is_left(
    flags: tuple[str, ...], here: Path
) -> None:
    ran = tm2ms("migrate", *flags, cwd=here, stdin=MANUAL.encode())
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"src/b.py:2:5: TM101 [manual] ")
    assert b"TM101" not in tm2ms("migrate", "-q", *flags, cwd=here, stdin=MANUAL.encode()).stderr


def test_a_failed_file_is_named_even_when_quiet(here: Path) -> None:
    ran = tm2ms("migrate", "-q", "-", cwd=here, stdin=b"import torch\ndef (: Conv2d\n")
    assert ran.returncode == 2
    assert ran.stderr.startswith(b"<stdin>:2:5: [failed] not valid Python")


# --- colour, pipes, interrupts ------------------------------------------------------------------


def on_terminal(*arguments: str, cwd: Path, **more: str) -> str:
    """Run with a terminal for stdout and stderr, and return what it got."""
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm", **more)
    with subprocess.Popen([*COMMAND, *arguments], cwd=cwd, stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        got = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            got += part
    os.close(ours)
    return got.decode()


@pytest.mark.parametrize("arguments", [("migrate", "--diff", "src"), ("migrate", "--check", "src")])
def test_colour_is_for_terminals_that_want_it(arguments: tuple[str, ...], here: Path) -> None:
    assert "\x1b[" in on_terminal(*arguments, cwd=here)
    assert "\x1b[" not in on_terminal(*arguments, cwd=here, NO_COLOR="1")
    ran = tm2ms(*arguments, cwd=here)
    assert b"\x1b[" not in ran.stdout + ran.stderr


def test_a_page_is_set_for_reading_on_a_terminal(here: Path) -> None:
    shown = on_terminal("explain", "TM101", cwd=here)
    assert "## Signatures" not in shown
    assert "Signatures" in shown


PIPED = {
    "a diff": ("migrate", "--diff", "many"),
    "a report": ("migrate", "--check", "--output-format", "json", "many"),
    "the database": ("rules", "--output-format", "json"),
    "a page": ("explain", "TM105"),
}


@pytest.mark.parametrize("arguments", PIPED.values(), ids=PIPED.keys())
def test_a_reader_that_goes_away_ends_it_quietly(arguments: tuple[str, ...], here: Path) -> None:
    (here / "many").mkdir()
    (here / "many" / "a.py").write_text(CONV + "y = nn.Conv2d(3, 8, 3)\n" * 900)
    read, write = os.pipe()
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=here, stdout=write, stderr=subprocess.PIPE, env=environment()
    ) as ran:
        os.close(write)
        os.close(read)
        said = ran.communicate()[1]
    assert ran.returncode == 141
    assert said == b""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_whole_files_and_says_how_far_it_got(jobs: str, tmp_path: Path) -> None:
    calls = "".join(f"x{n} = nn.Conv2d({n + 1}, 8, 3, padding=1)\n" for n in range(20))
    text = f"import torch.nn as nn\n{calls}"
    for number in range(400):
        (tmp_path / f"f{number:03}.py").write_text(text.replace("8", str(number + 1)))
    with subprocess.Popen(
        [*COMMAND, "migrate", "--select", "conv", "-j", jobs, "."],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background, too
    ) as ran:
        deadline = time.monotonic() + 60
        while (tmp_path / "f003.py").read_text().startswith("import torch"):
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.005)
        os.killpg(ran.pid, signal.SIGINT)  # as a terminal does: the whole group gets it
        out, said = ran.communicate(timeout=60)
    assert ran.returncode == 130, said
    assert out == b""
    words = said.decode().split()
    assert words[:3] == ["tm2ms:", "interrupted", "after"], said
    assert said.count(b"\n") == 1
    done = int(words[3])
    assert 3 <= done < 400
    assert words[4:7] == ["of", "400", "files;"]
    changed = [f for f in sorted(tmp_path.glob("*.py")) if f.read_text().startswith("import minds")]
    assert len(changed) in (done, done + 1)
    for file in tmp_path.iterdir():
        assert file.suffix == ".py", "a temporary file is left"
        assert len(file.read_text().splitlines()) == 21


# --- paths and bytes ----------------------------------------------------------------------------

NAMED = {
    "as it is": ("src/a.py", "."),
    "with a dot": ("./src/a.py", "."),
    "absolute": ("{here}/src/a.py", "."),
    "an absolute directory": ("{here}/src", "."),
    "by way of a parent": ("{here}/src/../src/a.py", "."),
    "through a symbolic link": ("{here}/link/a.py", "."),
}


@pytest.mark.parametrize(("path", "_"), NAMED.values(), ids=NAMED.keys())
def test_reports_name_files_from_the_working_directory(path: str, _: str, here: Path) -> None:
    (here / "link").symlink_to("src")
    ran = tm2ms("migrate", "--check", "--output-format", "json", path.format(here=here), cwd=here)
    files = json.loads(ran.stdout)["files"]
    wanted = {"link/a.py"} if "link" in path else {"src/a.py"}
    assert wanted <= {file["path"] for file in files}
    assert not any(file["path"].startswith("/") for file in files)


def test_a_file_elsewhere_keeps_the_name_it_was_given(here: Path, tmp_path_factory: object) -> None:
    (here / "deep").mkdir()
    ran = tm2ms("migrate", "--check", "--output-format", "json", "../src/a.py", cwd=here / "deep")
    assert [file["path"] for file in json.loads(ran.stdout)["files"]] == ["../src/a.py"]


def test_a_working_directory_named_through_a_link_still_is_one(here: Path) -> None:
    link = here.parent / f"{here.name}-link"
    link.symlink_to(here)
    ran = tm2ms("migrate", "--check", "--output-format", "json", f"{link}/src/a.py", cwd=link)
    assert [file["path"] for file in json.loads(ran.stdout)["files"]] == ["src/a.py"]


LATIN = "# -*- coding: latin-1 -*-\nimport torch.nn as nn\nx = nn.Conv2d(3, 8, 3)  # hält\n"
FILES = {
    "latin-1": LATIN.encode("latin-1"),
    "latin-1 with CR LF": LATIN.replace("\n", "\r\n").encode("latin-1"),
    "a stateful encoding": LATIN.replace("latin-1", "iso2022_jp").replace("hält", "幅 x 幅")
    .encode("iso2022_jp"),
    "cp1251": LATIN.replace("latin-1", "cp1251").replace("hält", "держит").encode("cp1251"),
    "a byte order mark": b"\xef\xbb\xbf" + CONV.encode() + "# größer\n".encode(),
    "plain UTF-8": CONV.encode() + "# größer 幅\n".encode(),
    "no final newline": CONV.encode().rstrip(b"\n"),
}  # fmt: skip
TOOLS = {"patch": ["patch", "-p0", "--silent", "--binary"], "git": ["git", "apply", "-p0"]}


@pytest.mark.parametrize("named", ["relative", "absolute"])
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_the_diff_applies_to_the_bytes_of_any_encoding(
    data: bytes, tool: str, named: str, tmp_path: Path
) -> None:
    if shutil.which(TOOLS[tool][0]) is None:
        pytest.skip(f"{tool} is not installed")
    file = tmp_path / "src" / "a.py"
    file.parent.mkdir()
    file.write_bytes(data)
    path = "src" if named == "relative" else str(tmp_path / "src")
    diff = tm2ms("migrate", "--diff", path, cwd=tmp_path)
    assert diff.returncode == 1
    assert diff.stdout.startswith(b"--- src/a.py\n+++ src/a.py\n")
    applied = subprocess.run(TOOLS[tool], input=diff.stdout, cwd=tmp_path, check=False)
    assert applied.returncode == 0
    patched = file.read_bytes()
    file.write_bytes(data)
    assert tm2ms("migrate", "src", cwd=tmp_path).returncode == 0
    assert file.read_bytes() == patched != data


# --- the summary of a GitHub job ----------------------------------------------------------------


def test_the_github_format_appends_to_the_job_s_summary(here: Path) -> None:
    summary = here / "summary.md"
    summary.write_text("before\n")
    flags = ("migrate", "--check", "--output-format", "github", "src")
    ran = tm2ms(*flags, cwd=here, GITHUB_STEP_SUMMARY=str(summary))
    assert ran.stdout.startswith(b"::notice file=src/a.py")
    assert summary.read_text().startswith("before\n## tm2ms: 1 of 2 convolutions migrated\n")
    tm2ms("migrate", "--check", "src", cwd=here, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().count("## tm2ms") == 1


def test_a_summary_that_cannot_be_written_is_said_and_no_failure(here: Path) -> None:
    flags = ("migrate", "--check", "--exit-zero", "--output-format", "github", "src")
    ran = tm2ms(*flags, cwd=here, GITHUB_STEP_SUMMARY=str(here / "no" / "summary.md"))
    assert ran.returncode == 0
    assert b"the job's summary is not written" in ran.stderr
