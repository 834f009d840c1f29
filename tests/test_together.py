"""What stays torch's is decided for all files of a project together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.projects import write
from tests.shell import tm2ms

HEAD = "import torch\nimport torch.nn as nn\n\n\n"
BLOCK = (
    "class Block(nn.Module):\n    def __init__(self, n: int) -> None:\n        super().__init__()\n"
    "        self.fc = nn.Linear(n, n)\n\n    def forward(self, x):\n        return self.fc(x)\n"
)
HOLDER = (
    "class Residual(nn.Module):\n    def __init__(self, inner) -> None:\n"
    "        super().__init__()\n        self.inner = inner\n\n"
    "    def forward(self, x):\n        return self.inner(x) + x\n"
)
ABSTRACT = "class Base(nn.Module):\n    def forward(self, x):\n        raise NotImplementedError\n"
TEMPLATE = "class Base(nn.Module):\n    def forward(self, x):\n        return self.head(x)\n"
UNKNOWN = "        self.odd = torch.fft.rfft(torch.ones(3))\n"  # no rule: its class stays torch's


def net(imports: str, body: str, base: str = "nn.Module", odd: str = UNKNOWN) -> str:
    return (
        f"{HEAD}{imports}\n\n\nclass Net({base}):\n    def __init__(self) -> None:\n"
        f"        super().__init__()\n{body}{odd}"
    )


def report(root: Path, *paths: str) -> dict[str, Any]:
    done = tm2ms("migrate", "--check", "--select", "", "--output-format", "json", *paths, cwd=root)
    assert done.returncode in (0, 1), done.stderr
    files = json.loads(done.stdout)["files"]
    return {file["path"]: file for file in files}


def left(file: dict[str, Any]) -> list[str]:
    return [site["message"] for site in file["sites"] if site["status"] in ("manual", "uncovered")]


GIVEN = {
    "that only holds what it is given": (HOLDER, "Residual", "Residual(nn.Linear(3, 3))"),
    "whose base calls what it sets": (TEMPLATE, "Base", "nn.Linear(3, 3)"),
}


@pytest.mark.parametrize("case", GIVEN)
@pytest.mark.parametrize(
    "imports",
    ["from blocks import {0}", "from blocks import {0} as Other", "from parts import {0}"],
    ids=["by its name", "under another name", "through another file"],
)
def test_a_class_stays_where_torchs_could_go_on_with_it_in_silence(
    case: str, imports: str, tmp_path: Path
) -> None:
    text, name, made = GIVEN[case]
    local = "Other" if "Other" in imports else name
    base = local if name == "Base" else "nn.Module"
    body = f"        self.a = {made.replace(name, local)}\n"
    write(tmp_path, {
        "blocks.py": HEAD + text,
        "parts.py": f"from blocks import {name}\n",
        "net.py": net(imports.format(name), body, base),
    })  # fmt: skip
    found = report(tmp_path, ".")
    assert not found["blocks.py"]["whole"]
    assert "class `Net` of another file stays torch's" in left(found["blocks.py"])[-1]


LOUD = {
    "whose layer refuses torch's Tensors": (BLOCK, "Block", "nn.Module", "Block(3)"),
    "whose method has to be overridden": (ABSTRACT, "Base", "Base", "3"),
}


@pytest.mark.parametrize("case", LOUD)
def test_a_class_migrates_where_what_uses_it_raises_and_a_note_says_so(
    case: str, tmp_path: Path
) -> None:
    text, name, base, made = LOUD[case]
    body = f"        self.a = {made}\n"
    write(tmp_path, {
        "blocks.py": HEAD + text, "net.py": net(f"from blocks import {name}", body, base),
    })  # fmt: skip
    found = report(tmp_path, ".")
    assert left(found["blocks.py"]) == []
    (note,) = found["blocks.py"]["notes"]
    said = f"what uses `{name}` in net.py runs again when it is migrated, too"
    assert said in note["message"]
    assert found["net.py"]["whole"] is False


def test_nothing_is_said_where_all_that_use_a_class_migrate(tmp_path: Path) -> None:
    text = net("from blocks import Block", "        self.a = Block(3)\n", odd="")
    write(tmp_path, {"blocks.py": HEAD + BLOCK, "net.py": text})
    assert report(tmp_path, ".")["blocks.py"].get("notes", []) == []


def circle(first: str, second: str, odd: str) -> str:
    """Return a file with a class that holds one of the next file."""
    return (
        f"{HEAD}def make():\n    from {second} import C{second}\n\n    return C{second}()\n\n\n"
        f"class C{first}(nn.Module):\n    def __init__(self) -> None:\n"
        f"        super().__init__()\n        self.fc = nn.Linear(3, 3)\n{odd}\n"
        "    def forward(self, x):\n        return make()(self.fc(x))\n"
    )


@pytest.mark.parametrize("odd", ["a", "b", "c"])
def test_a_circle_of_files_comes_out_alike_wherever_the_run_starts(
    odd: str, tmp_path: Path
) -> None:
    names = "abc"
    write(tmp_path, {
        f"{one}.py": circle(one, names[(n + 1) % 3], UNKNOWN if one == odd else "")
        for n, one in enumerate(names)
    } | {".git/HEAD": ""})  # fmt: skip
    whole = {path: left(file) for path, file in report(tmp_path, ".").items()}
    assert all(whole.values())
    for turn in range(3):
        order = [f"{one}.py" for one in names[turn:] + names[:turn]]
        assert {path: left(file) for path, file in report(tmp_path, *order).items()} == whole


def test_a_class_that_is_switched_off_keeps_those_that_use_it(tmp_path: Path) -> None:
    off = BLOCK.replace("nn.Linear(n, n)", "nn.Linear(n, n)  # tm2ms: ignore")
    user = net("from blocks import Block", "        self.a = Block(3)\n", odd="")
    write(tmp_path, {"blocks.py": HEAD + off, "net.py": user})
    assert "stays torch's" in left(report(tmp_path, ".")["net.py"])[-1]


WITH_3D = "class Video(nn.Module):\n    norm = nn.BatchNorm3d\n"


@pytest.mark.parametrize(
    ("use", "is_left"),
    [("", False), ("video = Video()\n", True), ("class More(Video):\n    pass\n", True)],
    ids=["that nothing names", "that its file builds", "that another class derives from"],
)
def test_a_type_test_minds_another_class_of_torchs_in_code(
    use: str, is_left: bool, tmp_path: Path
) -> None:
    tested = (
        "        for m in self.modules():\n            if isinstance(m, nn.BatchNorm2d):\n"
        "                nn.init.ones_(m.weight)\n"
    )
    write(tmp_path, {
        "blocks.py": f"{HEAD}{BLOCK}\n\n{WITH_3D}\n\n{use}",
        "net.py": net("from blocks import Block", "        self.a = Block(3)\n", odd=tested),
    })  # fmt: skip
    found = left(report(tmp_path, ".")["net.py"])
    assert any("do not tell it from `BatchNorm3d`" in words for words in found) is is_left
