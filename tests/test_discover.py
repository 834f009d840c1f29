"""Which files a run reads, on small trees; git itself is asked where it has an opinion."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mapper.files.discover import discover
from mapper.files.prefilter import DEFAULT_EXCLUDE


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory that has no git repository above it."""
    here = tmp_path / "project"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def plant(*files: str, **texts: str) -> None:
    for name in files:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, text in texts.items():
        path = Path(name.replace("__", "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ignore(directory: str, *lines: str) -> None:
    Path(directory).mkdir(parents=True, exist_ok=True)
    (Path(directory) / ".gitignore").write_text("\n".join(lines) + "\n")


def names(*paths: str, **options: Any) -> list[str]:
    found = list(discover(paths or (".",), **options))
    assert [entry.error for entry in found if entry.error] == []
    return [entry.path.as_posix() for entry in found]


def test_no_path_and_an_empty_directory_give_nothing() -> None:
    assert list(discover([])) == []
    assert names(".") == []


def test_other_files_and_stubs_are_passed_over() -> None:
    plant("a.txt", "b.pyi", "c.PY", "d.pyc", "py", ".py.swp")
    Path("dir.py").mkdir()
    assert names() == []


def test_files_come_sorted_below_the_directory() -> None:
    plant("b.py", "a/z.py", "a/c/d.ipynb", "a.py", "B.py", "c/x.py")
    assert names() == ["B.py", "a/c/d.ipynb", "a/z.py", "a.py", "b.py", "c/x.py"]


def test_paths_look_as_the_user_wrote_them(inside: Path) -> None:
    plant("src/a.py")
    assert names("src") == ["src/a.py"]
    assert names("./") == ["src/a.py"]
    assert names("../project/src/") == ["../project/src/a.py"]
    assert names(str(inside)) == [f"{inside}/src/a.py"]


def test_root_is_the_named_path() -> None:
    plant("src/deep/a.py", "b.py")
    found = list(discover(["src", Path("b.py")]))
    assert [(str(entry.path), str(entry.root)) for entry in found] == [
        ("src/deep/a.py", "src"),
        ("b.py", "b.py"),
    ]


def test_each_file_comes_once_in_the_order_given() -> None:
    plant("a/x.py", "a/y.py", "b.py")
    assert names("b.py", "a/y.py", "a", "./a/../b.py", ".") == ["b.py", "a/y.py", "a/x.py"]


def test_hard_links_are_two_files() -> None:
    plant("a.py")
    Path("b.py").hardlink_to("a.py")
    assert names() == ["a.py", "b.py"]


def test_what_is_named_is_taken_whatever_its_name_and_place() -> None:
    plant("script", "stubs.pyi", "venv/a.py")
    ignore(".", "ignored.py")
    plant("ignored.py")
    wanted = ["script", "stubs.pyi", "venv/a.py", "ignored.py"]
    assert names(*wanted) == wanted


def test_a_missing_path_is_an_entry_and_stops_nobody() -> None:
    plant("a.py")
    Path("broken.py").symlink_to("nowhere.py")
    found = list(discover(["gone.py", "broken.py", "a.py"]))
    assert [entry.error for entry in found] == [
        "gone.py: no such file or directory",
        "broken.py: a symbolic link to a file that does not exist",
        None,
    ]


def test_an_unreadable_directory_is_an_entry_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant("a/x.py", "b/y.py")
    real = os.scandir

    def refuse(path: str) -> Any:
        if path == "a":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(discover(["."]))
    assert [(str(entry.path), entry.error) for entry in found] == [
        ("a", "a: cannot be listed: Permission denied"),
        ("b/y.py", None),
    ]


@pytest.mark.parametrize("name", DEFAULT_EXCLUDE)
def test_default_excludes_apply_at_every_depth_and_to_nothing_longer(name: str) -> None:
    plant(f"{name}/a.py", f"deep/{name}/a.py", f"my{name}/a.py")
    assert names() == [f"my{name}/a.py"]
    assert names(name) == [f"{name}/a.py"]
    assert len(names(".", exclude=())) == 3


TREE = ("a.py", "ab.py", "src/a.py", "src/old/a.py", "src/old/deep/b.py", "tests/test_a.py")
EXCLUDES = {
    "nothing": ([], TREE),
    "part of a name": (["rc", "test"], TREE),
    "a path that is not at the root": (["old/a.py", "deep/b.py"], TREE),
    "a file name anywhere": (["a.py"], ("ab.py", "src/old/deep/b.py", "tests/test_a.py")),
    "a directory name anywhere": (["old"], ("a.py", "ab.py", "src/a.py", "tests/test_a.py")),
    "a directory name with a slash": (["old/"], ("a.py", "ab.py", "src/a.py", "tests/test_a.py")),
    "a glob on names": (["test_*.py", "?b.py"], ("a.py", "src/a.py", "src/old/a.py", TREE[4])),
    "a path from the root": (["src/old"], ("a.py", "ab.py", "src/a.py", "tests/test_a.py")),
    "a path from the root with a dot": (["./src/a.py"], (*TREE[:2], *TREE[3:])),
    "a path that goes up first": (["../project/src/a.py"], (*TREE[:2], *TREE[3:])),
    "a star that crosses slashes": (["src/*.py"], (*TREE[:2], TREE[5])),
    "two stars for no directory too": (["src/**/a.py"], (*TREE[:2], *TREE[4:])),
    "two stars in front": (["**/deep"], (*TREE[:4], TREE[5])),
    "everything below": (["src/**"], (*TREE[:2], TREE[5])),
    "a choice": (["{src,tests}", "{x,a}b.py"], ("a.py",)),
    "a class": (["[ab]b.py", "src/[!x]ld"], ("a.py", "src/a.py", "tests/test_a.py")),
    "braces that do not close and other letters of regexes": (["{src", "a.p(", "a|b^$.py"], TREE),
}


@pytest.mark.parametrize("case", EXCLUDES.values(), ids=EXCLUDES.keys())
def test_exclude_patterns(case: tuple[list[str], tuple[str, ...]], inside: Path) -> None:
    plant(*TREE)
    assert names(exclude=case[0]) == list(case[1])
    assert names(extend_exclude=case[0]) == list(case[1])
    assert names(exclude=case[0], root=inside) == list(case[1])


def test_relative_patterns_start_at_the_project_root(inside: Path) -> None:
    plant("pkg/src/a.py", "src/b.py")
    assert names(exclude=["src/*"], root=inside / "pkg") == ["src/b.py"]
    assert names(exclude=[f"{inside}/src/*"], root=inside / "pkg") == ["pkg/src/a.py"]


def test_a_root_with_glob_letters_is_taken_literally(inside: Path) -> None:
    plant("[x]/src/a.py", "x/src/a.py")
    assert names(exclude=["src/a.py"], root=inside / "[x]") == ["x/src/a.py"]


@pytest.mark.parametrize("pattern", ["[z-a]", "src/[z-a]"])
def test_a_pattern_that_means_nothing_is_an_error_at_once(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a valid exclude pattern"):
        discover(["."], exclude=[pattern])


def test_force_exclude_drops_named_files_and_what_is_below_excluded_directories() -> None:
    plant("venv/lib/a.py", "src/a.py", "src/b.py")
    named = ("venv/lib/a.py", "src/a.py", "src/b.py", "venv")
    assert names(*named) == ["venv/lib/a.py", "src/a.py", "src/b.py"]
    assert names(*named, force_exclude=True, extend_exclude=["src/a.py"]) == ["src/b.py"]


def test_links_to_directories_are_not_followed_unless_named(inside: Path) -> None:
    plant("real/a.py")
    Path("link").symlink_to("real")
    Path("loop").symlink_to(".")
    assert names() == ["real/a.py"]
    assert names("link") == ["link/a.py"]
    assert names("link", "real") == ["link/a.py"]


def test_links_to_files_count_only_inside_the_named_trees(inside: Path) -> None:
    outside = inside.parent / "outside.py"
    outside.touch()
    plant("tree/real", "venv/hidden.py", "other/b.py")
    links: dict[str, str | Path] = {
        "in": "real",
        "out": outside,
        "broken": "gone",
        "loop": "loop.py",
        "hidden": "../venv/hidden.py",
        "dir": "../other",
        "across": "../other/b.py",
    }
    for name, target in links.items():
        Path("tree", f"{name}.py").symlink_to(target)
    assert names("tree") == ["tree/in.py"]
    assert names("tree", "other") == ["tree/across.py", "tree/in.py"]
    assert names(".") == ["other/b.py", "tree/in.py"]
    assert names("tree/out.py") == ["tree/out.py"]


IGNORES = {
    "no ignore file": ({}, {}),
    "a file of comments": ({".": ["# *.py", "", "  "]}, {}),
    "a pattern for another suffix": ({".": ["*.txt"]}, {}),
    "a name anywhere": ({".": ["b.py"]}, {}),
    "an anchored name": ({".": ["/b.py"]}, {}),
    "a directory": ({".": ["sub/"]}, {}),
    "a directory pattern does not match a file": ({".": ["b.py/"]}, {}),
    "taken back": ({".": ["*.py", "!a.py"]}, {}),
    "taken back below an ignored directory": ({".": ["sub/", "!sub/a.py"]}, {}),
    "contents ignored and one taken back": ({".": ["sub/*", "!sub/a.py"]}, {}),
    "a nested file ignores": ({"sub": ["a.py"]}, {}),
    "a nested file takes back": ({".": ["a.py"], "sub": ["!a.py"]}, {}),
    "a nested anchored pattern": ({"sub": ["/a.py"]}, {}),
    "two stars": ({".": ["sub/**/a.py"]}, {}),
    "a class and a question mark": ({".": ["[ab].p?"]}, {}),
    "trailing spaces": ({".": ["b.py   "]}, {}),
    "a line git cannot read": ({".": ["!", "/", "b.py"]}, {}),
    "BOM": ({".": ["\ufeffb.py"]}, {}),
    "info/exclude": ({}, {"exclude": "b.py\n"}),
    "an ignore file takes back what info/exclude ignores": (
        {"sub": ["!*.py"]},
        {"exclude": "*.py"},
    ),
}


@pytest.mark.parametrize("case", IGNORES.values(), ids=IGNORES.keys())
def test_ignore_files_as_git_reads_them(case: tuple[dict[str, list[str]], dict[str, str]]) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    files, info = case
    plant("a.py", "b.py", "sub/a.py", "sub/b.py", "sub/deep/a.py", "sub/deep/b.py")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], check=True, env=environment)
    for directory, lines in files.items():
        ignore(directory, *lines)
    for name, text in info.items():
        Path(".git/info", name).write_text(text)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "*.py"],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert sorted(names()) == sorted(listed.stdout.split())
    assert len(names(respect_gitignore=False)) == 6


def test_ignore_files_above_the_named_directory_count_up_to_the_repository() -> None:
    Path("repo/.git").mkdir(parents=True)
    ignore(".", "c.py")
    ignore("repo", "a.py")
    plant("repo/src/a.py", "repo/src/b.py", "repo/src/c.py")
    assert names("repo/src") == ["repo/src/b.py", "repo/src/c.py"]


def test_without_a_repository_only_ignore_files_below_count() -> None:
    ignore(".", "a.py")
    ignore("src", "b.py")
    plant("src/a.py", "src/b.py")
    assert names("src") == ["src/a.py"]
    assert names(".") == []


def test_a_named_directory_is_walked_even_when_ignored() -> None:
    Path(".git").mkdir()
    ignore(".", "data/", "a.py")
    plant("data/deep/a.py", "src/a.py")
    assert names("data") == names("data/deep") == ["data/deep/a.py"]
    assert names(".") == []


def test_bytes_that_are_no_text_in_names_and_ignore_files_do_no_harm() -> None:
    Path(".gitignore").write_bytes(b"\xff.py\nb.py\n")
    plant("b.py", os.fsdecode(b"\xff.py"), os.fsdecode(b"\xfe.py"), "new\nline.py")
    assert {entry.path.name for entry in discover(["."])} == {
        os.fsdecode(b"\xfe.py"),
        "new\nline.py",
    }


def test_thousands_of_files_are_found_quickly() -> None:
    ignore(".", *(f"pattern-{number}/*.ext" for number in range(60)))
    for directory in range(50):
        Path(f"d{directory}").mkdir()
        for number in range(100):
            Path(f"d{directory}/{number}.py").touch()
    start = time.perf_counter()
    assert len(names()) == 5000
    assert time.perf_counter() - start < 3


def test_a_very_deep_tree_is_no_recursion() -> None:
    depth = 1200
    for level in range(depth):
        Path("d/" * (level + 1)).mkdir()
    file = Path("d/" * depth, "a.py")
    file.touch()
    try:
        assert names() == [file.as_posix()]
    finally:  # pytest's own clean-up does recurse
        file.unlink()
        for level in range(depth, 0, -1):
            Path("d/" * level).rmdir()
