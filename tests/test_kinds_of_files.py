"""Kinds of value across files: each file is analysed once, whoever asks for it first."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from mapper.analysis import kinds_of_files, project_files
from mapper.analysis.kinds_of_files import File, Project

HEAD = "import torch\nfrom torch import nn\n"

PROJECTS = {
    "a single file": {"a.py": "x = torch.ones(1)\n"},
    "a chain of files": {
        "a.py": "from b import make\nx = make()\n",
        "b.py": "from c import base\ndef make():\n    return base() + 1\n",
        "c.py": "def base():\n    return torch.ones(2)\n",
    },
    "a file that two others import": {
        "a.py": "from c import Net\nx = Net()(torch.ones(1))\n",
        "b.py": "from c import Net\nclass Own(Net):\n    size = 3\nx = Own().size\n",
        "c.py": "class Net(nn.Module):\n    def forward(self, x):\n        return x.mean(), 1\n",
    },
    "two files that import each other": {
        "a.py": "from b import g\ndef f():\n    return g()\ndef h():\n    return torch.ones(1)\n"
        "x = f()\n",
        "b.py": "from a import h\ndef g():\n    return h()\nx = g()\n",
    },
    "a circle of three, and one that imports it": {
        "a.py": "from b import f\nx = f(1)\ndef one():\n    return 1\n",
        "b.py": "from c import g\ndef f(y):\n    return g()\nx = f(2)\n",
        "c.py": "import a\ndef g():\n    return torch.ones(a.one())\nx = a.one()\n",
        "d.py": "from c import g\nx = g()\n",
    },
    "a file that sets an attribute of a class of another one": {
        "a.py": "from b import Net\nnet = Net()\nnet.scale = torch.ones(1)\nx = net.scale\n",
        "b.py": "class Net(nn.Module):\n    def forward(self, y):\n        return y\n"
        "x = Net().scale\n",
        "c.py": "from b import Net\nx = Net().scale\n",
        "d.py": "import a\nfrom b import Net\nfrom a import net\nx = Net().scale\n",
    },
    "names handed on by stars": {
        "a.py": "from b import *\nx = make()\n",
        "b.py": "from c import *\nx = make()\n",
        "c.py": "def make():\n    return [torch.ones(1)]\nx = make()\n",
    },
}


@pytest.fixture(autouse=True)
def _new_run() -> None:
    project_files.forget()


def written(files: dict[str, str], directory: Path) -> list[Path]:
    (directory / ".git").mkdir()
    for name, text in files.items():
        (directory / name).write_text(HEAD + text)
    return [directory / name for name in sorted(files)]


def file_at(project: Project, path: Path) -> File:
    found = project.file(path)
    assert found is not None
    return found


def kinds(file: File) -> dict[str, str]:
    """Return the kinds of the module-level names, as text."""
    file.analyse()
    scope = file.cells.scopes.module
    return {name: str(file.cells.read(("name", scope, name), None).name) for name in scope.bindings}


@pytest.mark.parametrize("files", PROJECTS.values(), ids=PROJECTS.keys())
def test_kinds_do_not_depend_on_which_file_is_asked_first(
    files: dict[str, str], tmp_path: Path
) -> None:
    paths = written(files, tmp_path)
    found = list[dict[str, dict[str, str]]]()
    for order in permutations(paths):
        project = Project()
        by_name = {path.name: kinds(file_at(project, path)) for path in order}
        found.append(by_name)
    assert all(one == found[0] for one in found)
    alone = {path.name: kinds(file_at(Project(), path)) for path in paths}
    assert alone == found[0]


KNOWN = {
    "a chain of files": {"a.py": "Tensor"},
    "a file that two others import": {"a.py": "tuple", "b.py": "int"},
    "two files that import each other": {"a.py": "Tensor", "b.py": "Tensor"},
    "a circle of three, and one that imports it": {
        "a.py": "Tensor", "b.py": "Tensor", "c.py": "int", "d.py": "Tensor",
    },
    "a file that sets an attribute of a class of another one": {
        "a.py": "Tensor", "b.py": "unknown", "c.py": "unknown", "d.py": "Tensor",
    },
    "names handed on by stars": {"a.py": "list", "b.py": "list"},
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_comes_from_other_files_is_known(name: str, tmp_path: Path) -> None:
    project, paths = Project(), written(PROJECTS[name], tmp_path)
    found = {path.name: kinds(file_at(project, path)).get("x", "") for path in paths}
    assert {file: found[file] for file in KNOWN[name]} == KNOWN[name]


def test_a_file_is_analysed_once_for_all_that_import_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"m{n}.py": "from base import f\nx = f()\n" for n in range(5)}
    paths = written({**files, "base.py": "def f():\n    return torch.ones(1)\n"}, tmp_path)
    runs = list[str]()
    run = File._run

    def counted(self: File) -> None:
        assert self.path is not None
        runs.append(self.path.name)
        run(self)

    monkeypatch.setattr(File, "_run", counted)
    project = Project()
    assert {kinds(file_at(project, path)).get("x", "") for path in paths} == {"Tensor", ""}
    assert sorted(runs) == sorted(path.name for path in paths)


def test_a_file_leads_to_so_many_others_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds_of_files, "KINDS_FILES", 2)
    files = {f"m{n}.py": "x = torch.ones(1)\n" for n in range(3)}
    files["main.py"] = "".join(f"from m{n} import x as x{n}\n" for n in range(3))
    main = file_at(Project(), written(files, tmp_path)[-1])
    assert kinds(main) | {"torch": "", "nn": ""} == {
        "torch": "", "nn": "", "x0": "Tensor", "x1": "Tensor", "x2": "function",
    }  # fmt: skip


def test_a_chain_of_imports_is_followed_so_deep_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds_of_files, "KINDS_DEEP", 3)
    files = {f"m{n}.py": f"from m{n + 1} import x\n" for n in range(6)}
    files["m6.py"] = "x = torch.ones(1)\n"
    paths = written(files, tmp_path)
    assert kinds(file_at(Project(), paths[0]))["x"] == "function"  # whatever it returns
    assert kinds(file_at(Project(), paths[4]))["x"] == "Tensor"


def test_files_are_forgotten_where_there_are_very_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(PROJECTS["a single file"], tmp_path)[0]
    project = Project()
    first = file_at(project, path)
    project.release()
    assert project.file(path) is first
    monkeypatch.setattr(kinds_of_files, "KINDS_CHARACTERS", 1)
    project.release()
    assert project.file(path) is not first
