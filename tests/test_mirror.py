"""`--output DIR`: the whole tree, nowhere else, and nothing lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.shell import tm2ms

SOURCE = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"


def plant(tree: Path, **files: str) -> None:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(directory: Path) -> dict[str, str]:
    """Return every file and link below a directory, with what is in it or where it leads."""
    return {
        str(path.relative_to(directory)): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        )
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def mirror(tmp_path: Path, *paths: str) -> subprocess.CompletedProcess[bytes]:
    ran = tm2ms("migrate", *paths, "--output", "out", cwd=tmp_path)
    assert b"Traceback" not in ran.stderr
    return ran


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a source, data of every kind, and what a walk leaves out."""
    plant(
        tmp_path / "tree",
        **{"pkg/model.py": SOURCE, "pkg/data.json": "{}", "setup.cfg": "[x]\n",
           "Makefile": "all:\n", ".gitignore": "*.log\n", "run.log": "log", "build/x.py": SOURCE,
           "a b/é.txt": "é",           ".hidden": "h", "pkg/empty": ""},
    )  # fmt: skip
    (tmp_path / "tree" / ".git").mkdir()
    (tmp_path / "tree" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tree" / "run.sh").chmod(0o755)
    return tmp_path / "tree"


def test_every_file_that_the_walk_does_not_exclude_is_there(tree: Path, tmp_path: Path) -> None:
    before = contents(tree)
    assert mirror(tmp_path, "tree").returncode == 0
    assert contents(tree) == before
    out = contents(tmp_path / "out")
    assert out.keys() == before.keys() - {"run.log", "build/x.py"}
    assert "mindspore" in out.pop("pkg/model.py")
    assert out == {name: before[name] for name in out}
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_twice_is_once_also_with_the_mirror_inside_the_tree(tree: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert tm2ms("migrate", ".", "--output", "out", cwd=tree).returncode == 0
    assert "out/out" not in {str(path.parent) for path in (tree / "out").rglob("*")}
    first = contents(tree / "out")
    assert not any(name.startswith("out/") for name in first)
    assert "mindspore" in first["pkg/model.py"]


def test_a_link_inside_the_tree_is_one_inside_the_mirror(tree: Path, tmp_path: Path) -> None:
    (tree / "link.py").symlink_to("pkg/model.py")
    (tree / "pkg" / "data").symlink_to("../setup.cfg")
    (tree / "absolute").symlink_to(tree / "Makefile")
    (tmp_path / "secret").write_text("secret")
    (tree / "out.txt").symlink_to(tmp_path / "secret")
    for _ in range(2):
        assert mirror(tmp_path, "tree").returncode == 0
        out = contents(tmp_path / "out")
        assert out["link.py"] == f"-> {Path('pkg/model.py')}"
        assert out["pkg/data"] == "-> ../setup.cfg"
        assert out["absolute"] == "-> Makefile"
        assert "out.txt" not in out


def test_what_is_no_regular_file_is_not_copied(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / "zero").symlink_to("/dev/zero")
    assert mirror(tmp_path, "tree").returncode == 0
    assert not {"pipe", "zero"} & contents(tmp_path / "out").keys()


@pytest.mark.parametrize("where", ["pkg/model.py", "pkg/data.json", "pkg"])
def test_a_link_that_leads_out_of_the_mirror_is_an_error(
    where: str, tree: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    plant(victim, **{"model.py": "kept", "data.json": "kept"})
    link = tmp_path / "out" / where
    link.parent.mkdir(parents=True)
    link.symlink_to(victim if where == "pkg" else victim / link.name)
    ran = mirror(tmp_path, "tree")
    assert ran.returncode == 2
    assert b"leads out of" in ran.stderr
    assert b"nothing was written" in ran.stderr
    assert contents(victim) == {"model.py": "kept", "data.json": "kept"}
    assert [str(path) for path in contents(tmp_path / "out")] == ([where])


def test_a_link_to_nowhere_is_one_too(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "pkg").mkdir(parents=True)
    (tmp_path / "out" / "pkg" / "model.py").symlink_to(tmp_path / "new.py")
    assert mirror(tmp_path, "tree").returncode == 2
    assert not (tmp_path / "new.py").exists()


@pytest.mark.parametrize("names", [("x.py", "x.py"), ("data.txt", "data.txt")])
def test_two_sources_for_one_target_are_an_error(names: tuple[str, str], tmp_path: Path) -> None:
    for directory, name in zip(("one", "two"), names, strict=True):
        plant(tmp_path / directory, **{name: SOURCE, f"{directory}.py": SOURCE})
    ran = mirror(tmp_path, "one", "two")
    assert ran.returncode == 2
    assert f"one/{names[0]} and two/{names[1]} would both become out/" in ran.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_two_that_do_not_meet_are_both_there(tmp_path: Path) -> None:
    plant(tmp_path / "one", **{"a.py": SOURCE})
    plant(tmp_path / "two", **{"b.py": SOURCE})
    assert mirror(tmp_path, "one", "two", "two/b.py").returncode == 0
    assert contents(tmp_path / "out").keys() == {"a.py", "b.py"}


@pytest.mark.parametrize("output", [".", "tree", "tree/../tree"])
def test_the_tree_itself_is_no_mirror(output: str, tree: Path, tmp_path: Path) -> None:
    before = contents(tree)
    ran = tm2ms("migrate", ".", "--output", f"../{output}" if output != "." else ".", cwd=tree)
    assert ran.returncode == 2
    assert b"over the source" in ran.stderr
    assert contents(tree) == before


def test_a_file_is_no_mirror(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("kept")
    ran = mirror(tmp_path, "tree")
    assert (ran.returncode, (tmp_path / "out").read_text()) == (2, "kept")


def test_what_cannot_be_copied_is_named_and_the_rest_is_there(tree: Path, tmp_path: Path) -> None:
    plant(tmp_path / "out", **{"setup.cfg/in the way": ""})
    ran = mirror(tmp_path, "tree")
    assert ran.returncode == 2
    assert b"setup.cfg" in ran.stdout + ran.stderr
    assert "mindspore" in (tmp_path / "out" / "pkg" / "model.py").read_text()
