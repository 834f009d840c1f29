"""The command line: modes, streams and exit codes, as the contract promises them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mapper
from mapper.cli.app import app
from tests.test_process import AFTER, NOTEBOOK, TEXT

PERSON = "import torch.nn as nn\nc = nn.Conv2d(*sizes)\n"
BROKEN = "import torch.nn as nn\nnn.Conv2d(\n"
PLAIN = "x = 1\n"


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tm2ms(*arguments: str, stdin: bytes | None = None) -> Result:
    """Run one command; `migrate` does convolutions, if nothing else is selected."""
    if arguments[:1] == ("migrate",) and "--select" not in arguments:
        arguments = (*arguments, "--select", "conv")
    result = CliRunner().invoke(app, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def real(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the program as its own process."""
    command = [sys.executable, "-m", "mapper", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


# --- exit codes -----------------------------------------------------------------------------------

CODES = {
    "nothing to do": ([PLAIN], [], 0),
    "everything migrated": ([TEXT], [], 0),
    "a site for a person": ([PERSON], [], 1),
    "a site for a person, exit-zero": ([PERSON], ["--exit-zero"], 0),
    "a broken file": ([BROKEN], [], 2),
    "a broken file, exit-zero": ([BROKEN], ["--exit-zero"], 2),
    "a broken file beats a person": ([PERSON, BROKEN, TEXT], [], 2),
    "undecodable bytes": ([b"# torch Conv2d \xe9\n"], [], 2),
    "--check with nothing to do": ([PLAIN], ["--check"], 0),
    "--check with a change": ([TEXT], ["--check"], 1),
    "--check with a person": ([PERSON], ["--check"], 1),
    "--check with a broken file": ([BROKEN, TEXT], ["--check"], 2),
    "--check with exit-zero": ([TEXT], ["--check", "--exit-zero"], 0),
    "--diff with nothing to do": ([PLAIN], ["--diff"], 0),
    "--diff with a change": ([TEXT], ["--diff"], 1),
    "--diff with a broken file": ([BROKEN], ["--diff"], 2),
    "a missing path": ([TEXT], ["nowhere"], 2),
    "an unknown flag": ([TEXT], ["--wrong"], 2),
    "an unknown format": ([TEXT], ["--output-format", "xml"], 2),
    "an unknown recipe": ([TEXT], ["--recipe", "best"], 2),
    "an unknown version": ([TEXT], ["--target-version", "1.9"], 2),
    "an unknown device": ([TEXT], ["--device", "tpu"], 2),
    "no jobs": ([TEXT], ["-j", "0"], 2),
    "a report of an unknown kind": ([TEXT], ["--report", "x.pdf"], 2),
    "--output with --check": ([TEXT], ["--output", "o", "--check"], 2),
    "--output with --diff": ([TEXT], ["--output", "o", "--diff"], 2),
    "- with a path": ([TEXT], ["-"], 2),
    "--diff with a format": ([TEXT], ["--diff", "--output-format", "json"], 2),
}


def test_a_diff_goes_into_a_file_where_one_is_named() -> None:
    write("src/model.py", TEXT)
    shown = tm2ms("migrate", "src", "--diff").stdout
    assert shown.startswith("--- src/model.py\n")
    assert tm2ms("migrate", "src", "--diff", "--output-file", "out/x.diff").stdout == ""
    assert Path("out/x.diff").read_text("utf-8") == shown


def test_no_commands_help_is_cut_short_in_the_list() -> None:
    listed = tm2ms("--help").stdout.partition("Commands:")[2]
    assert "migrate" in listed
    assert "..." not in listed


@pytest.mark.parametrize(("files", "flags", "code"), CODES.values(), ids=CODES)
def test_the_exit_code(files: list[str | bytes], flags: list[str], code: int) -> None:
    for number, text in enumerate(files):
        write(f"src/f{number}.py", text)
    result = tm2ms("migrate", "src", *flags)
    assert result.exit_code == code
    if code == 2:
        assert result.stderr
        assert "Traceback" not in result.output


BAD_CONFIG = {
    "an unknown key": ("[tool.tm2ms]\nrecipes = 'exact'\n", "unknown key 'recipes'"),
    "a wrong type": ("[tool.tm2ms]\nunsafe = 1\n", "'unsafe' must be true or false"),
    "a value out of range": ("[tool.tm2ms]\nrecipe = 'x'\n", "must be one of exact, table"),
    "broken TOML": ("[tool.tm2ms\n", "not valid TOML"),
}


@pytest.mark.parametrize(("text", "words"), BAD_CONFIG.values(), ids=BAD_CONFIG)
def test_a_bad_configuration_is_one_clear_line(text: str, words: str) -> None:
    write("pyproject.toml", text)
    source = write("a.py", TEXT)
    result = tm2ms("migrate", "a.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr and result.stderr.count("\n") == 1
    assert source.read_text() == TEXT


@pytest.mark.parametrize("key", ["output-format", "output_format"])
def test_a_configuration_is_in_force(key: str) -> None:
    write("pyproject.toml", f"[tool.tm2ms]\n{key} = 'concise'\n")
    write("a.py", PERSON)
    assert tm2ms("migrate", "a.py").stdout.startswith("a.py:2:5: TM101 [manual]")


def test_a_flag_beats_the_configuration() -> None:
    write("pyproject.toml", "[tool.tm2ms]\noutput-format = 'json'\n")
    write("a.py", PERSON)
    result = tm2ms("migrate", "a.py", "--output-format", "concise")
    assert result.stdout.startswith("a.py:2:5:")


# --- modes ----------------------------------------------------------------------------------------


def test_in_place_writes_and_the_next_run_has_nothing_to_do() -> None:
    path = write("a.py", TEXT)
    assert tm2ms("migrate", "a.py").exit_code == 0
    assert path.read_text() == AFTER
    before = path.stat().st_mtime_ns
    assert tm2ms("migrate", "a.py").exit_code == 0
    assert path.stat().st_mtime_ns == before
    assert tm2ms("migrate", "--check", "a.py").exit_code == 0


@pytest.mark.parametrize("flag", ["--check", "--diff"])
def test_a_dry_run_leaves_the_file(flag: str) -> None:
    path = write("a.py", TEXT)
    tm2ms("migrate", flag, "a.py")
    assert path.read_text() == TEXT


def test_output_leaves_the_source(tree: Path) -> None:
    path = write("src/a.py", TEXT)
    assert tm2ms("migrate", "src", "--output", "out").exit_code == 0
    assert path.read_text() == TEXT
    assert (tree / "out" / "a.py").read_text() == AFTER


PATCHED = {
    "plain": (TEXT, AFTER),
    "Windows line ends": (TEXT.replace("\n", "\r\n"), AFTER.replace("\n", "\r\n")),
    "no newline at the end": (TEXT[:-1], AFTER[:-1]),
    "a form feed": (TEXT.replace("c =", "\f\nc ="), AFTER.replace("c =", "\f\nc =")),
    "wide characters": (f"é = '日本🎉'\n{TEXT}", f"é = '日本🎉'\n{AFTER}"),
}
TOOLS = {"patch": ["patch", "-p0", "--binary"], "git": ["git", "apply", "-p0"]}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("before", "after"), PATCHED.values(), ids=PATCHED)
def test_a_diff_can_be_applied(tree: Path, tool: str, before: str, after: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not here")
    path = write("src/deep/a b.py", before)
    diff = tm2ms("migrate", "--diff", "src").stdout_bytes
    subprocess.run(TOOLS[tool], input=diff, check=True, capture_output=True, cwd=tree)
    assert path.read_bytes() == after.encode()


def test_a_diff_says_nothing_of_files_that_stay() -> None:
    write("a.py", PLAIN)
    write("b.py", PERSON)
    assert tm2ms("migrate", "--diff", ".").stdout == ""


# --- standard input -------------------------------------------------------------------------------

FILTERED = {
    "a change": (TEXT.encode(), AFTER.encode(), 0),
    "nothing": (b"", b"", 0),
    "nothing to do": (b"x = 1\r\n\xff", b"x = 1\r\n\xff", 0),
    "a person": (PERSON.encode(), PERSON.encode(), 1),
    "a syntax error": (BROKEN.encode(), BROKEN.encode(), 2),
    "a latin-1 cookie": (
        f"# coding: latin-1\n# é\n{TEXT}".encode("latin-1"),
        f"# coding: latin-1\n# é\n{AFTER}".encode("latin-1"),
        0,
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), b"\xef\xbb\xbf" + AFTER.encode(), 0),
    "Windows line ends": (TEXT.replace("\n", "\r\n").encode(),
                          AFTER.replace("\n", "\r\n").encode(), 0),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected", "code"), FILTERED.values(), ids=FILTERED)
def test_a_filter_gives_back_bytes(data: bytes, expected: bytes, code: int) -> None:
    result = tm2ms("migrate", "-", stdin=data)
    assert result.stdout_bytes == expected
    assert result.exit_code == code


def test_the_filters_name_is_told() -> None:
    result = tm2ms("migrate", "-", "--diff", "--stdin-filename", "src/x.py", stdin=TEXT.encode())
    assert result.stdout.startswith("--- src/x.py\n+++ src/x.py\n")
    failed = tm2ms("migrate", "-", "--stdin-filename", "src/x.py", stdin=BROKEN.encode())
    assert "src/x.py" in failed.stderr


def test_a_notebook_goes_through_the_filter_by_its_name() -> None:
    result = tm2ms("migrate", "-", "--stdin-filename", "x.ipynb", stdin=NOTEBOOK.encode())
    assert b"import mindspore.nn as nn\\n" in result.stdout_bytes


# --- what is said, and where ----------------------------------------------------------------------


def test_talk_goes_to_stderr_and_the_product_to_stdout() -> None:
    write("a.py", PERSON)
    result = tm2ms("migrate", "a.py", "--output-format", "concise")
    assert result.stdout.startswith("a.py:2:5: TM101 [manual]")
    assert result.stdout.count("\n") == 1
    assert "1 file" in result.stderr and "a.py:2:5" not in result.stderr


def test_quiet_says_nothing_on_stderr() -> None:
    write("a.py", TEXT)
    result = tm2ms("migrate", "-q", "a.py")
    assert (result.stdout, result.stderr) == ("", "")


def test_verbose_lists_what_was_written_too() -> None:
    write("a.py", TEXT)
    assert "nn.Conv2d" not in tm2ms("migrate", "--check", "a.py").stdout
    assert "nn.Conv2d" in tm2ms("migrate", "--check", "-v", "a.py").stdout


def test_statistics_count_the_rules() -> None:
    write("a.py", TEXT)
    assert "TM101" in tm2ms("migrate", "--check", "--statistics", "a.py").stderr


def test_json_carries_every_site() -> None:
    write("a.py", TEXT + PERSON)
    result = tm2ms("migrate", "--check", "--output-format", "json", "a.py")
    document = json.loads(result.stdout)
    (file,) = document["files"]
    assert (document["tool"], document["version"]) == ("tm2ms", mapper.__version__)
    assert [site["status"] for site in file["sites"]] == ["migrated", "manual"]
    assert document["summary"]["sites"] == 2


def test_the_report_can_go_into_a_file() -> None:
    write("a.py", PERSON)
    result = tm2ms("migrate", "a.py", "--output-format", "json", "--output-file", "r/x.json")
    assert result.stdout == ""
    assert json.loads(Path("r/x.json").read_text())["summary"]["manual"] == 1


def test_several_reports_are_written_beside_the_product() -> None:
    write("a.py", PERSON)
    names = ["r.html", "r.md", "r.json", "r.sarif"]
    flags = [flag for name in names for flag in ("--report", name)]
    result = tm2ms("migrate", "a.py", "--output-format", "concise", *flags)
    assert result.stdout.startswith("a.py:2:5:")
    assert all(Path(name).stat().st_size > 100 for name in names)


def test_a_report_that_cannot_be_written_is_an_error() -> None:
    write("a.py", TEXT)
    write("taken", "")
    result = tm2ms("migrate", "a.py", "--report", "taken/r.json")
    assert result.exit_code == 2
    assert "taken" in result.stderr


@pytest.mark.parametrize("arguments", [["migrate", "a.py"], ["verify", "nn.Conv2d(3, 8, 3)"]])
def test_there_is_no_colour_without_a_terminal(arguments: list[str]) -> None:
    write("a.py", PERSON)
    result = tm2ms(*arguments)
    assert "\x1b" not in result.stdout + result.stderr


# --- other commands -------------------------------------------------------------------------------

VERIFIED = {
    "a call": (["nn.Conv2d(3, 8, 3, padding=1)"], 0, "pad_mode='pad'"),
    "a call by its class": (["Conv2d(3, 8, 3)"], 0, "pad_mode='valid'"),
    "a call by its full name": (["torch.nn.Conv1d(3, 8, 3)"], 0, "(2, 3, "),
    "a call for a person": (["nn.Conv2d(*x)"], 1, "manual"),
    "an input size": (["nn.Conv2d(3, 8, 3)", "--input-size", "16,50"], 0, "(2, 3, 16, 50)"),
    "the recipe of the tables": (
        ["nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)", "--recipe", "table"],
        1,
        "shape-only",
    ),
    "no expression": (["nn.Conv2d("], 2, "not a Python expression"),
    "no torch": (["len(3, 8)"], 2, "0 torch calls"),
    "another layer": (["nn.Linear(3, 8)"], 0, "mindspore.nn.Dense"),
    "two convolutions": (["nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)"], 2, "2 torch calls"),
    "a size that is no number": (["nn.Conv2d(3, 8, 3)", "--input-size", "x"], 2, "--input-size"),
    "a size of another rank": (["nn.Conv2d(3, 8, 3)", "--input-size", "8"], 2, "--input-size"),
    "a size that is too small": (["nn.Conv2d(3, 8, 3)", "--input-size", "2,2"], 2, "--input-size"),
    "an unknown recipe": (["nn.Conv2d(3, 8, 3)", "--recipe", "x"], 2, "--recipe"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), VERIFIED.values(), ids=VERIFIED)
def test_verify(arguments: list[str], code: int, words: str) -> None:
    result = tm2ms("verify", *arguments)
    assert result.exit_code == code
    assert words in (result.stderr if code == 2 else result.stdout)
    assert "Traceback" not in result.output


def test_the_version_is_told() -> None:
    assert tm2ms("--version").stdout == f"tm2ms {mapper.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["migrate", "--help"], ["verify", "-h"]])
def test_help_is_told(arguments: list[str]) -> None:
    result = tm2ms(*arguments)
    assert (result.exit_code, "Usage:" in result.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [[], ["migrate"], ["nonsense"]])
def test_no_path_or_command_is_wrong_usage(arguments: list[str]) -> None:
    result = tm2ms(*arguments)
    assert result.exit_code == 2


# --- as a process of its own ----------------------------------------------------------------------


def test_python_m_mapper_is_the_same_program(tree: Path) -> None:
    done = real("--version", cwd=tree)
    assert (done.returncode, done.stdout) == (0, f"tm2ms {mapper.__version__}\n".encode())


def test_a_closed_pipe_ends_it_quietly(tree: Path) -> None:
    for number in range(20):
        write(f"src/{number}.py", PERSON * 50)
    command = f"{sys.executable} -m mapper migrate --diff --output-format json src | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, cwd=tree)
    assert b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr
    command = f"{sys.executable} -m mapper migrate --check --output-format json src | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, cwd=tree)
    assert done.stdout == b"{"
    assert b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr


def test_a_traceback_never_reaches_the_user(tree: Path) -> None:
    write("a.py", BROKEN)
    done = real("migrate", "a.py", "b.py", cwd=tree)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"a.py" in done.stdout + done.stderr and b"b.py" in done.stdout + done.stderr
