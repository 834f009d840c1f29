"""Shards of a run, and their reports joined again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mapper.report.merge import MergeError, merged
from mapper.running.shards import parse_shard, part
from tests.shell import tm2ms

TEXTS = (
    "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n",
    "import torch.nn as nn\nc = nn.Conv2d(*x)\n",
    "x = 1\n",
    "import torch\nnn.Conv2d(\n",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a tree whose walk is not the order of its paths as texts."""
    places = ["a/m{}.py", "a-b/m{}.py", "a.b/n/m{}.py", "z{}.py", "a{}.py"]
    for number in range(23):
        file = tmp_path / "src" / places[number % 5].format(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEXTS[number % 4])
    return tmp_path


# --- --shard ------------------------------------------------------------------------------------

READ = {"1/1": (1, 1), "2/4": (2, 4), "12/12": (12, 12), " 1/3 ": (1, 3)}


@pytest.mark.parametrize(("text", "numbers"), READ.items(), ids=READ)
def test_a_shard_is_a_number_of_a_number(text: str, numbers: tuple[int, int]) -> None:
    assert parse_shard(text) == numbers


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "01/2"])
def test_anything_else_is_refused(text: str, tree: Path) -> None:
    with pytest.raises(ValueError, match="K/N with K from 1 to N"):
        parse_shard(text)
    ran = tm2ms("migrate", "--check", f"--shard={text}", "src", cwd=tree)
    assert ran.returncode == 2
    assert b"--shard must be K/N" in ran.stderr


@pytest.mark.parametrize("count", [0, 1, 5, 24])
@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_are_disjoint_and_together_everything(count: int, of: int) -> None:
    files = list(range(count))
    shards = [part(files, f"{number}/{of}") for number in range(1, of + 1)]
    assert sorted(one for shard in shards for one in shard) == files
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_no_shard_is_everything() -> None:
    assert part([1, 2, 3], None) == [1, 2, 3]


def test_a_shard_cannot_be_set_in_a_file(tree: Path) -> None:
    (tree / "pyproject.toml").write_text('[tool.tm2ms]\nshard = "1/2"\n')
    ran = tm2ms("migrate", "--check", "src", cwd=tree)
    assert (ran.returncode, b"belongs on the command line: --shard" in ran.stderr) == (2, True)


@pytest.mark.parametrize("of", [1, 2, 5, 9])
def test_the_joined_reports_of_all_shards_are_the_report_of_the_whole_run(
    of: int, tree: Path
) -> None:
    json_flags = ("migrate", "--check", "--output-format", "json", "src")
    whole = tm2ms(*json_flags, cwd=tree).stdout
    names = [f"{number}.json" for number in range(of, 0, -1)]
    for number, name in zip(range(of, 0, -1), names, strict=True):
        shard = f"{number}/{of}"
        tm2ms(*json_flags, "--shard", shard, "--output-file", name, cwd=tree)
    ran = tm2ms("merge-reports", *names, cwd=tree)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == whole
    assert json.loads(whole)["summary"]["files"] == 23


def test_written_shards_write_the_whole_tree(tree: Path) -> None:
    tm2ms("migrate", "--output", "whole", "src", cwd=tree)
    for number in (1, 2, 3):
        tm2ms("migrate", "--output", "parts", "--shard", f"{number}/3", "src", cwd=tree)

    def content(name: str) -> dict[str, bytes]:
        files = (tree / name).rglob("*.py")
        return {file.relative_to(tree / name).as_posix(): file.read_bytes() for file in files}

    assert content("parts") == content("whole") != {}


# --- merge-reports ------------------------------------------------------------------------------


def report(*paths: str, **changed: Any) -> dict[str, Any]:
    """Return a report of unchanged files."""
    return {
        "tool": "tm2ms",
        "version": "1",
        "schema": 2,
        "target": {"mindspore": "2.10", "device": "any", "recipe": "exact"},
        "summary": {"files": len(paths), "sites": 0},
        "files": [{"path": path, "status": "unchanged", "sites": []} for path in paths],
        **changed,
    }


def write(directory: Path, *reports: object) -> list[Path]:
    paths = [directory / f"{'abcd'[number]}.json" for number in range(len(reports))]
    for path, one in zip(paths, reports, strict=True):
        path.write_text(one if isinstance(one, str) else json.dumps(one))
    return paths


def test_files_come_in_the_order_of_a_walk_and_figures_are_summed(tmp_path: Path) -> None:
    paths = write(tmp_path, report("a.py", "a/z.py"), report(), report("a-b.py", "a/b/c.py"))
    joined = json.loads(merged(paths))
    assert [file["path"] for file in joined["files"]] == ["a/b/c.py", "a/z.py", "a-b.py", "a.py"]
    assert joined["summary"] == {"files": 4, "sites": 0}


def test_one_report_is_itself(tmp_path: Path) -> None:
    assert json.loads(merged(write(tmp_path, report("a.py")))) == report("a.py")


OTHER_TARGET = {"mindspore": "2.6", "device": "any", "recipe": "exact"}
WRONG: dict[str, tuple[object, str]] = {
    "another target": (report("b.py", target=OTHER_TARGET), r"b\.json: target is .*2\.6.*a\.json"),
    "another version": (report("b.py", version="2"), r'b\.json: version is "2", but in .*a\.json'),
    "another schema": (report("b.py", schema=1), r"b\.json: schema 1, where this tm2ms reads 2"),
    "other figures": (report("b.py", summary={"files": 1}), r"b\.json: its summary counts other"),
    "a file twice": (report("b.py", "a.py"), r"a\.py is in .*a\.json and in .*b\.json"),
    "no JSON": ("nope", r"b\.json: not valid JSON"),
    "no text": ("\ud800".encode("utf-8", "surrogatepass").hex(), r"b\.json: not"),
    "a list": ([], r"b\.json: not a JSON report of `tm2ms migrate`"),
    "another tool's": (report("b.py", tool="other"), r"b\.json: not a JSON report"),
    "no files": (report(files=None), r"b\.json: not a JSON report"),
    "nameless files": (report(files=[{}]), r"b\.json: not a JSON report"),
    "no figures": (report(summary={"files": "1"}), r"b\.json: not a JSON report"),
}


@pytest.mark.parametrize(("second", "words"), WRONG.values(), ids=WRONG)
def test_reports_that_do_not_go_together_are_refused(
    second: object, words: str, tmp_path: Path
) -> None:
    paths = write(tmp_path, report("a.py"), second)
    with pytest.raises(MergeError, match=words):
        merged(paths)


COMMANDS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no report": ((), 2, "Missing argument"),
    "a missing file": (("a.json", "gone.json"), 2, "tm2ms: gone.json: cannot be read: No such"),
    "the same twice": (("a.json", "a.json"), 2, "tm2ms: a.py is in a.json and in a.json"),
    "another format": (("--output-format", "sarif", "a.json"), 2, "must be json, not 'sarif'"),
    "json": (("--output-format", "json", "a.json"), 0, ""),
}


@pytest.mark.parametrize(("arguments", "code", "words"), COMMANDS.values(), ids=COMMANDS)
def test_the_command_says_what_is_wrong(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    write(tmp_path, report("a.py"))
    ran = tm2ms("merge-reports", *arguments, cwd=tmp_path)
    assert (ran.returncode, words in ran.stderr.decode()) == (code, True), ran.stderr


def test_the_report_goes_into_a_file_where_one_is_named(tmp_path: Path) -> None:
    write(tmp_path, report("a.py"), report("b.py"))
    ran = tm2ms("merge-reports", "--output-file", "o/all.json", "a.json", "b.json", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert json.loads((tmp_path / "o/all.json").read_text())["summary"]["files"] == 2


def test_help_shows_the_matrix_and_the_join(tmp_path: Path) -> None:
    shown = tm2ms("merge-reports", "--help", cwd=tmp_path).stdout.decode()
    assert "--shard 1/2" in shown and "merge-reports 1.json 2.json > all.json" in shown
