"""Many files: order, processes, writing in place or into another tree, and files that fail."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus
from mapper.running.config import load
from mapper.running.tree import migrate_files
from tests.test_process import AFTER, NOTEBOOK, TEXT

STATUS = FileStatus


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a directory with two files to change, one to leave, and one that fails."""
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    write("src/a.py", TEXT)
    write("src/deep/b.py", TEXT)
    write("src/plain.py", "x = 1\n")
    write("src/z_broken.py", "import torch.nn\nConv2d(\n")
    write("src/data.txt", "torch Conv2d\n")
    return tmp_path


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_bytes(text.encode())
    return path


def identity(name: str) -> tuple[int, int]:
    """Return what a file that is written anew does not keep."""
    found = Path(name).stat()
    return found.st_ino, found.st_mtime_ns


def run(*paths: str, **flags: object) -> list[FileResult]:
    return migrate_files(paths or ("src",), load(Path.cwd(), flags), Options(select=("conv",)))


def statuses(results: list[FileResult]) -> dict[str, str]:
    return {result.path: str(result.status) for result in results}


EXPECTED = {
    "src/a.py": "changed",
    "src/deep/b.py": "changed",
    "src/plain.py": "unchanged",
    "src/z_broken.py": "failed",
}


def content(directory: Path) -> dict[str, bytes]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def test_one_broken_file_does_not_keep_the_others_from_being_written() -> None:
    assert statuses(run()) == EXPECTED
    assert Path("src/a.py").read_text() == Path("src/deep/b.py").read_text() == AFTER
    assert Path("src/z_broken.py").read_text() == "import torch.nn\nConv2d(\n"


@pytest.mark.parametrize("flag", ["check", "diff"])
def test_a_dry_run_writes_nothing(flag: str, tree: Path) -> None:
    before = content(tree)
    assert statuses(run(**{flag: True})) == EXPECTED
    assert content(tree) == before


def test_files_that_do_not_change_are_not_written() -> None:
    names = ("src/plain.py", "src/z_broken.py", "src/data.txt")
    before = [identity(name) for name in names]
    run()
    assert [identity(name) for name in names] == before


def test_a_second_run_writes_nothing() -> None:
    run()
    before = identity("src/a.py")
    assert statuses(run())["src/a.py"] == "unchanged"
    assert identity("src/a.py") == before


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600])
def test_permissions_are_kept(mode: int) -> None:
    Path("src/a.py").chmod(mode)
    run()
    assert stat.S_IMODE(Path("src/a.py").stat().st_mode) == mode


def test_no_other_file_appears(tree: Path) -> None:
    before = content(tree).keys()
    run()
    assert content(tree).keys() == before


def test_the_mirror_has_every_file_and_the_source_stays(tree: Path) -> None:
    before = content(tree)
    results = run(output=Path("out"))
    assert statuses(results) == EXPECTED
    mirrored = content(Path("out"))
    assert {name: data for name, data in content(tree).items() if not name.startswith("out/")} == (
        before
    )
    assert mirrored["a.py"] == mirrored["deep/b.py"] == AFTER.encode()
    assert mirrored["plain.py"] == b"x = 1\n"
    assert mirrored.keys() == {"a.py", "data.txt", "deep/b.py", "plain.py", "z_broken.py"}


def test_a_mirrored_file_goes_to_the_top() -> None:
    run("src/deep/b.py", output=Path("out"))
    assert content(Path("out")) == {"b.py": AFTER.encode()}


def test_a_missing_path_fails_and_the_others_are_done() -> None:
    results = run("src/a.py", "nowhere", "src/deep")
    assert statuses(results) == {
        "src/a.py": "changed",
        "nowhere": "failed",
        "src/deep/b.py": "changed",
    }


def test_a_file_that_is_named_twice_is_done_once() -> None:
    assert list(statuses(run("src/a.py", "src/a.py"))) == ["src/a.py"]
    assert len(run("src", "src/a.py")) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_must_not_be_read_fails() -> None:
    Path("src/a.py").chmod(0)
    assert statuses(run())["src/a.py"] == "failed"


def test_two_processes_give_what_one_gives() -> None:
    for number in range(90):
        write(f"src/deep/m{number:02}.py", TEXT.replace("3)", f"{number % 7 + 1})"))
    alone = run(jobs=1, check=True)
    assert len(alone) == 94
    assert run(jobs=2, check=True) == alone


def test_the_results_pass_by_in_order() -> None:
    seen: list[str] = []
    total: list[int] = []

    def watch(count, results):  # type: ignore[no-untyped-def]
        total.append(count)
        for result in results:
            seen.append(result.path)
            yield result

    config = load(Path.cwd(), {"check": True})
    results = migrate_files(["src"], config, Options(select=("conv",)), watch)
    assert (total, seen) == ([4], [result.path for result in results])


def test_excludes_leave_files_out() -> None:
    assert list(statuses(run(extend_exclude=["deep"]))) == [
        "src/a.py",
        "src/plain.py",
        "src/z_broken.py",
    ]


def test_a_notebook_is_found_and_written() -> None:
    path = write("src/n.ipynb", NOTEBOOK)
    assert statuses(run())["src/n.ipynb"] == "changed"
    assert "mindspore.nn" in path.read_text()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_neighbour_is_read_as_it_was_before_the_run(jobs: int, tmp_path: Path) -> None:
    head, tail = (
        "from torch import nn\n\n\n",
        "\n    def forward(self, x):\n        return x.size(1)\n",
    )
    write("src/a.py", f"{head}class Base(nn.Module):{tail}")
    write("src/b.py", f"from a import Base\n\n\nclass Net(Base):{tail}")
    migrate_files(["src/a.py", "src/b.py"], load(tmp_path, {"jobs": jobs}), Options())
    for name in ("a.py", "b.py"):
        text = Path("src", name).read_text()
        assert text.endswith("def construct(self, x):\n        return x.shape[1]\n")


def test_a_second_run_of_a_process_sees_what_has_changed(tmp_path: Path) -> None:
    write("src/b.py", "from a import Base\n\n\nclass Net(Base):\n    def forward(self, x):\n"
                      "        return x\n")  # fmt: skip
    settings = load(tmp_path, {"diff": True, "jobs": 1})
    for base, status in (("object", STATUS.UNCHANGED), ("nn.Module", STATUS.CHANGED)):
        write("src/a.py", f"from torch import nn\n\n\nclass Base({base}):\n    pass\n")
        _, result = migrate_files(["src/a.py", "src/b.py"], settings, Options())
        assert result.status is status
