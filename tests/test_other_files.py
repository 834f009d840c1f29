"""A file is rewritten only as far as the other files of its program let it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.projects import ALIAS, NOT_RUN, NOT_TAKING, TAKING, notebook, write
from tests.shell import tm2ms

HEAD = "import torch.nn as nn\n"
ALL_TAKING = TAKING | NOT_RUN


Case = tuple[str, str]
CASES: dict[Case, tuple[dict[str, str], str]] = {}
"""For every table and case: the files of a project, and the one that is migrated."""


def table(name: str, cases: dict[str, dict[str, str]], migrated: str) -> list[Any]:
    """Enter the projects of a table; each is a repository of its own."""
    CASES.update({(name, case): (files, migrated) for case, files in cases.items()})
    return [pytest.param((name, case), id=case) for case in cases]


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, str]:
    """Return what each named file holds after one run of the real command on all of them."""
    root = tmp_path_factory.mktemp("projects")
    paths = {}
    for number, (case, (files, name)) in enumerate(CASES.items()):
        write(root / str(number), {".git/HEAD": "", **files})
        paths[case] = root / str(number) / name
    done = tm2ms("migrate", "-j1", *map(str, paths.values()), cwd=root)
    assert done.returncode in (0, 1), done.stderr
    return {case: path.read_text() for case, path in paths.items()}


def migrated(root: Path, name: str) -> str:
    """Run the real command on one file of a project, and return what the file then holds."""
    done = tm2ms("migrate", name, cwd=root)
    assert done.returncode in (0, 1), done.stderr
    return (root / name).read_text()


def one_file(texts: dict[str, str], head: str = "") -> dict[str, dict[str, str]]:
    """Return a project of one file for every text."""
    return {case: {"layers.py": head + text} for case, text in texts.items()}


def with_layers(cases: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the projects with the module that they take from."""
    return {case: {"layers.py": ALIAS, **files} for case, files in cases.items()}


@pytest.mark.parametrize("case", table("nobody", with_layers(NOT_TAKING), "layers.py"))
def test_an_alias_that_nobody_takes_is_rewritten(case: Case, after: dict[Case, str]) -> None:
    assert "mindspore" in after[case]


@pytest.mark.parametrize("case", table("taken", with_layers(ALL_TAKING), "layers.py"))
def test_an_alias_that_another_file_takes_stays(case: Case, after: dict[Case, str]) -> None:
    assert after[case] == ALIAS


OUTSIDE: dict[str, dict[str, str]] = {
    "a file above the nearest settings": {
        "lib/pyproject.toml": "", "main.py": "from lib.layers import C\n",
    },
    "a file beside them that says where they are": {
        "lib/pyproject.toml": "",
        "app/main.py": "import sys\nsys.path.append('../lib')\nfrom layers import C\n",
    },
    "a file far off in the repository": {
        "a/b/lib/pyproject.toml": "", ".git/HEAD": "", "x/y/main.py": "from layers import C\n",
    },
    "a file around a submodule": {
        "lib/.git": "gitdir: x\n", ".git/HEAD": "", "x/main.py": "from lib.layers import C\n",
    },
    "a file above a source directory": {
        "pack/setup.py": "", "lib/__init__.py": "", "main.py": "import lib.layers as l\nl.C(3)\n",
    },
    "a file two levels up": {"src/lib/x.txt": "", "main.py": "from src.lib.layers import C\n"},
}  # fmt: skip


@pytest.mark.parametrize("files", OUTSIDE.values(), ids=OUTSIDE)
def test_a_project_is_more_than_what_its_settings_are_beside(
    files: dict[str, str], tmp_path: Path
) -> None:
    where = next(
        name for name in ("a/b/lib", "src/lib", "lib") if any(f.startswith(name) for f in files)
    )
    write(tmp_path, {**files, f"{where}/layers.py": ALIAS})
    assert migrated(tmp_path, f"{where}/layers.py") == ALIAS


def test_a_file_beside_a_project_that_does_not_name_it_is_none_of_it(tmp_path: Path) -> None:
    files = {"lib/pyproject.toml": "", "lib/layers.py": ALIAS, "x/main.py": "from layers import C"}
    assert "mindspore" in migrated(write(tmp_path, files), "lib/layers.py")


SWAP = "import torch.nn as nn\n\n\ndef stem():\n    return nn.Conv2d(3, 8, 3)\n"


@pytest.mark.parametrize("cell", ["from layers import *\n", "import layers\nlayers.nn\n"])
def test_torchs_module_stays_in_reach_of_a_notebook(cell: str, tmp_path: Path) -> None:
    book = notebook(cell, "nn.Dropout(0.1)\n")
    write(tmp_path, {"layers.py": SWAP, "main.ipynb": book})
    after = migrated(tmp_path, "layers.py")
    assert after.startswith("import torch.nn as nn\nimport mindspore.nn as ms_nn\n")
    assert "ms_nn.Conv2d" in after


@pytest.mark.parametrize("cell", ["from layers import *\n", "import layers\nnn = layers.nn\n"])
@pytest.mark.parametrize("name", ["main.ipynb", "main.py"])
def test_torchs_module_stays_in_reach_of_a_file_that_a_run_does_not_name(
    cell: str, name: str, tmp_path: Path
) -> None:
    use = "nn.Dropout(0.1)\n"
    main = notebook(cell, use) if name.endswith("ipynb") else cell + use
    write(tmp_path, {".git/HEAD": "", "lib/layers.py": SWAP, f"lib/{name}": main})
    done = tm2ms("migrate", "--select", "", "lib/layers.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = (tmp_path / "lib/layers.py").read_text()
    assert after.startswith("import torch.nn as nn\nimport mindspore.nn as ms_nn\n")
    assert "ms_nn.Conv2d" in after


def test_torchs_module_goes_where_the_run_names_who_takes_it(tmp_path: Path) -> None:
    main = "from layers import *\nlayer = nn.Dropout(0.1)\n"
    write(tmp_path, {".git/HEAD": "", "lib/layers.py": SWAP, "lib/main.py": main})
    assert tm2ms("migrate", "--select", "", "lib", cwd=tmp_path).returncode == 0
    assert "torch" not in (tmp_path / "lib/layers.py").read_text()
    assert "p=0.1" in (tmp_path / "lib/main.py").read_text()


def test_an_alias_stays_where_the_run_does_not_name_who_takes_it(tmp_path: Path) -> None:
    write(
        tmp_path, {".git/HEAD": "", "layers.py": ALIAS, "main.py": "from layers import C\nC(3)\n"}
    )
    done = tm2ms("migrate", "--select", "", "layers.py", cwd=tmp_path)
    assert b"name that file in the run, too" in done.stdout + done.stderr
    assert (tmp_path / "layers.py").read_text() == ALIAS


BASE = (
    "import torch.nn as nn\n\n\nclass K(nn.Conv2d):\n    def __init__(self, c):\n"
    "        super().__init__(c, c, 3)\n"
)


@pytest.mark.parametrize(
    "main",
    [
        "from layers import K\n\n\nclass R(K):\n    pass\n",
        "import layers\n\n\nclass R(layers.K):\n    pass\n",
        "import layers\nlib = layers\nlib.K.forward = None\n",
        "import layers\nsetattr(layers.K, 'forward', None)\n",
    ],
)
def test_a_class_that_another_file_derives_from_or_changes_stays(main: str, tmp_path: Path) -> None:
    write(tmp_path, {"layers.py": BASE, "main.py": main})
    assert migrated(tmp_path, "layers.py") == BASE


def test_a_class_that_nobody_derives_from_is_rebased(tmp_path: Path) -> None:
    write(tmp_path, {"layers.py": BASE, "main.py": "import layers\n"})
    assert "class K(nn.Conv2d)" in (after := migrated(tmp_path, "layers.py"))
    assert "mindspore" in after


OWN = f"{HEAD}\n\nclass K(nn.Conv2d):\n"
SHIM = "layer = nn.Conv2d(3, 8, 3)\n"
SETTING_HERE: dict[str, str] = {
    "an assignment": f"{HEAD}nn.Conv2d = Shim\n{SHIM}",
    "an assignment after it": f"{HEAD}{SHIM}nn.Conv2d = Shim\n",
    "a chain of targets": f"{HEAD}x = nn.Conv2d = Shim\n{SHIM}",
    "a tuple of targets": f"{HEAD}(nn.Conv2d,  # both\n nn.X) = Shim, 1\n{SHIM}",
    "a continuation line": f"{HEAD}nn.Conv2d \\\n    = Shim\n{SHIM}",
    "an annotation": f"{HEAD}nn.Conv2d: type = Shim\n{SHIM}",
    "a loop": f"{HEAD}for nn.Conv2d in [Shim]: pass\n{SHIM}",
    "a with statement": f"{HEAD}with open() as nn.Conv2d: pass\n{SHIM}",
    "an alias of the module": f"{HEAD}lib = nn\nlib.Conv2d = Shim\n{SHIM}",
    "another name of the module": f"{HEAD}import torch\ntorch.nn.Conv2d = Shim\n{SHIM}",
    "setattr": f"{HEAD}setattr(nn, 'Conv2d', Shim)\n{SHIM}",
    "setattr of whatever": f"{HEAD}for n in names: setattr(nn, n, Shim)\n{SHIM}",
    "its dictionary": f"{HEAD}nn.__dict__['Conv2d'] = Shim\n{SHIM}",
    "vars": f"{HEAD}vars(nn)['Conv2d'] = Shim\n{SHIM}",
    "vars updated": f"{HEAD}vars(nn).update(Conv2d=Shim)\n{SHIM}",
    "a method of the class": f"{HEAD}nn.Conv2d.forward = shim\n{SHIM}",
    "a function that does it": f"{HEAD}def f():\n    nn.Conv2d = Shim\nf()\n{SHIM}",
    "a patch": f"{HEAD}mock.patch('torch.nn.Conv2d', Shim).start()\n{SHIM}",
    "a patch of the module": f"{HEAD}mock.patch.object(nn, 'Conv2d', Shim).start()\n{SHIM}",
}


@pytest.mark.parametrize("case", table("set here", one_file(SETTING_HERE), "layers.py"))
def test_a_class_of_torchs_that_the_file_sets_is_left(case: Case, after: dict[Case, str]) -> None:
    assert after[case] == CASES[case][0]["layers.py"]


NOT_SET = {
    line: f"{HEAD}{line}\n{SHIM}"
    for line in (
        "Conv2d = Shim",
        "self.Conv2d = Shim",
        "nn.Linear = Shim",
        "f(nn.Conv2d == Shim)",
        "if isinstance(x, nn.Conv2d): y = 1",
        "setattr(self, name, Shim)",
    )
}


@pytest.mark.parametrize("case", table("not set", one_file(NOT_SET), "layers.py"))
def test_what_sets_another_name_does_not_matter(case: Case, after: dict[Case, str]) -> None:
    assert "mindspore" in after[case]


MODEL = f"{HEAD}import shims\n{SHIM}"
FROM_LAYERS = "from layers import Conv2d\nlayer = Conv2d(3, 8, 3)\n"
SETTING_ELSEWHERE: dict[str, dict[str, str]] = {
    "another file sets it": {"shims.py": f"{HEAD}nn.Conv2d = Shim\n", "model.py": MODEL},
    "a file that imports both": {
        "main.py": f"import model\n{HEAD}nn.Conv2d = Shim\n", "model.py": f"{HEAD}{SHIM}",
    },
    "a notebook sets it": {
        "main.ipynb": notebook(f"import model\n{HEAD}", "nn.Conv2d = Shim\n"),
        "model.py": f"{HEAD}{SHIM}",
    },
    "through another file's name": {
        "common.py": HEAD, "shims.py": "from common import nn\nnn.Conv2d = Shim\n",
        "model.py": MODEL,
    },
    "global": {
        "layers.py": "from torch.nn import Conv2d\n\n\ndef f():\n    global Conv2d\n"
        "    Conv2d = Shim\n",
        "model.py": FROM_LAYERS,
    },
    "a walrus": {
        "layers.py": "from torch.nn import Conv2d\nx = (Conv2d := X)\n", "model.py": FROM_LAYERS,
    },
    "an assignment": {
        "layers.py": "from torch.nn import Conv2d\nConv2d = Shim\n", "model.py": FROM_LAYERS,
    },
    "an attribute": {
        "layers.py": "from torch.nn import Conv2d\n",
        "shims.py": "import layers\nlayers.Conv2d = Shim\n",
        "model.py": FROM_LAYERS,
    },
    "an attribute by setattr": {
        "layers.py": "from torch.nn import Conv2d\n",
        "shims.py": "import layers\nsetattr(layers, name, Shim)\n",
        "model.py": FROM_LAYERS,
    },
    "an attribute by mock": {
        "layers.py": "from torch.nn import Conv2d\n",
        "shims.py": "from unittest import mock\nmock.patch('layers.Conv2d', Shim).start()\n",
        "model.py": FROM_LAYERS,
    },
    "an attribute behind two files": {
        "base.py": "from torch.nn import Conv2d\n",
        "layers.py": "from base import Conv2d\n",
        "shims.py": "import base\nbase.Conv2d = Shim\n",
        "model.py": FROM_LAYERS,
    },
    "the module by star": {
        "layers.py": "from torch.nn import Conv2d\n",
        "shims.py": "import layers\nlayers.Conv2d = Shim\n",
        "model.py": "from layers import *\nlayer = Conv2d(3, 8, 3)\n",
    },
    "the module as a whole": {
        "layers.py": "from torch.nn import Conv2d\n",
        "shims.py": "import layers\nlayers.Conv2d = Shim\n",
        "model.py": "import layers\nlayer = layers.Conv2d(3, 8, 3)\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("case", table("set elsewhere", SETTING_ELSEWHERE, "model.py"))
def test_a_class_that_the_program_replaces_is_left(case: Case, after: dict[Case, str]) -> None:
    assert after[case] == CASES[case][0]["model.py"]


def test_a_program_of_its_own_does_not_matter(tmp_path: Path) -> None:
    files = {"model.py": f"{HEAD}{SHIM}", "other.py": f"{HEAD}nn.Conv2d = Shim\n"}
    assert "mindspore" in migrated(write(tmp_path, files), "model.py")


INIT = "    def __init__({0}):\n        {1}\n"
KEPT_CLASSES: dict[str, str] = {
    "another name than self": INIT.format("this, c", "super().__init__(c, c, 3); this.x = 1"),
    "a method called on it": INIT.format("this, c", "super().__init__(c, c, 3); this.stride = 2"),
    "super of another object": INIT.format("self, x, *args", "super(K, x).__init__(*args)"),
    "super of another class": INIT.format("self, c", "super(nn.Conv2d, self).__init__(c, c, 3)"),
    "the object among the arguments": INIT.format("*args", "super(K, args[0]).__init__(*args[1:])"),
    "vars": INIT.format("self, c", "super().__init__(c, c, 3); vars()['self'].stride = 2"),
    "locals": INIT.format("self, c", "super().__init__(c, c, 3); f(**locals())"),
    "the object as an argument": INIT.format("self, c", "super().__init__(f(self), c, 3)"),
}


@pytest.mark.parametrize("case", table("init", one_file(KEPT_CLASSES, OWN), "layers.py"))
def test_an_init_that_does_more_keeps_the_base(case: Case, after: dict[Case, str]) -> None:
    assert after[case] == CASES[case][0]["layers.py"]


KEPT_BY_USES: dict[str, str] = {
    "a method put on it": "K.forward = lambda self, x: x\n",
    "setattr": "setattr(K, 'forward', None)\n",
    "a subclass": "class R(K): pass\n",
    "a subclass of an alias": "J = K\nclass R(J): pass\n",
    "a subclass of an attribute": "class NS: J = K\nclass R(NS.J): pass\n",
    "a subclass by type": "R = type('R', (K,), {'forward': None})\n",
    "a decorator": "f = register(K)\n",
    "its name in the namespace": "globals()['K'].forward = None\n",
    "its name by getattr": "getattr(sys.modules[__name__], 'K').forward = None\n",
    "a loop": "for J in [K]: J.forward = None\n",
}


@pytest.mark.parametrize("case", table("uses", one_file(KEPT_BY_USES, f"{BASE}\n\n"), "layers.py"))
def test_a_class_that_the_file_derives_from_or_changes_stays(
    case: Case, after: dict[Case, str]
) -> None:
    assert after[case] == CASES[case][0]["layers.py"]


REBASED: dict[str, str] = {
    "calls": "x = K(3), K(c=4)\n",
    "a type test": "isinstance(x, K)\n",
    "an annotation": "def f(k: K) -> K: pass\n",
    "what is exported": "__all__ = ['K']\n",
    "a comparison": "type(x) is K\n",
}


@pytest.mark.parametrize("case", table("rebased", one_file(REBASED, f"{BASE}\n\n"), "layers.py"))
def test_a_class_that_is_only_called_is_rebased(case: Case, after: dict[Case, str]) -> None:
    assert "mindspore" in after[case]


NAMED = {
    "super without arguments": INIT.format("this, c", "super().__init__(c, c, 3)"),
    "super with both": INIT.format("this, c", "super(K, this).__init__(c, c, 3)"),
}


@pytest.mark.parametrize("case", table("named", one_file(NAMED, OWN), "layers.py"))
def test_the_name_of_the_object_does_not_matter(case: Case, after: dict[Case, str]) -> None:
    assert "mindspore" in after[case]


def test_standard_input_without_a_name_says_what_was_not_checked(tmp_path: Path) -> None:
    found = tm2ms("migrate", "-", "--output-format", "json", cwd=tmp_path, stdin=ALIAS.encode())
    (file,) = json.loads(found.stdout)["files"]
    assert "`C`, `nn`" in file["notes"][0]["message"]
    assert "--stdin-filename" in file["notes"][0]["message"]


def test_standard_input_with_a_name_is_checked(tmp_path: Path) -> None:
    write(tmp_path, {"layers.py": ALIAS, "main.py": "from layers import C\n"})
    found = tm2ms("migrate", "--stdin-filename", "layers.py", cwd=tmp_path, stdin=ALIAS.encode())
    assert found.stdout.decode() == ALIAS
