"""A rule file that cannot be used ends every command alike: file, line, key, remedy, and exit 2.

The command runs from a copy of the package with two good rules and the one at hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from mapper.model.results import FileResult
from mapper.rulebook.lines import line_of
from mapper.rulebook.tables import RuleError
from mapper.running.file import Task
from mapper.running.workers import in_order
from tests.test_new_rule import LAYER

HERE = Path(__file__).resolve().parent.parent.parent
GOOD = ("nn/relu.toml", "modules/module.toml")
RULE = "nn/slope.toml"
REMEDY = "correct this file of the rule database, or install tm2ms again"

BROKEN = {
    # what is wrong: replaced, by, the place and the words of the message, the remedy
    "no TOML": ("[torch]", "[torch", ":5: not TOML: Expected ']'", REMEDY),
    "an unknown key": (
        'api = "torch.nn.Slope"', 'api = "torch.nn.Slope"\nsignatur = "()"',
        ":7: torch.signatur: unknown key; expected one of 'api', ", "did you mean 'signature'?",
    ),
    "an unknown kind": (
        'kind = "layer"', 'kind = "leyer"', ":3: kind: expected one of 'layer', ", REMEDY,
    ),
    "an unknown strategy": (
        'kind = "layer"', 'kind = "layer"\nstrategy = "direct"',
        ":4: strategy: expected one of 'conv', ", REMEDY,
    ),
    "no signature": (
        "negative: float = 0.01", "negative: float =",
        ":8: torch.signature: expected a signature such as '(size: int = 1)', got ", REMEDY,
    ),
    "an annotation that is none": (
        "negative: float", "negative: flaot", ":8: torch.signature: `flaot` is no annotation",
        REMEDY,
    ),
    "a parameter twice": (
        "positive: float = 1.0,", "negative: float = 1.0,",
        ":8: torch.signature: 'negative' is there twice", REMEDY,
    ),
    "a parameter of which nothing becomes": (
        'inplace = "the result is a new tensor"', "",
        ":8: torch.signature: nothing becomes of 'inplace'", REMEDY,
    ),
    "an id twice": (
        "TM3998", "TM301", ":2: id: 'TM301' is also in rules/nn/relu.toml", "'TM3000' is free",
    ),
    "no id": ('id = "TM3998"', "", ":1: id: missing", REMEDY),
    "an id that the lookup would not find": (
        'id = "TM3998"', "id = 'TM3998'", ": 'TM3998' must stand in a line `id = …`", REMEDY,
    ),
    "a name twice": (
        "torch.nn.modules.activation.Slope", "torch.nn.ReLU",
        ":7: torch.aliases: 'torch.nn.ReLU' is also in rules/nn/relu.toml",
        "a torch name has one rule",
    ),
    "a formula that does not parse": (
        "input * positive,", "input * positive,, ", ":10: torch.computes: not a formula: ", REMEDY,
    ),
    "a formula with an unknown function": (
        'computes = "where(x', 'computes = "wheer(x',
        ":16: mindspore.computes: there is no function `wheer`", REMEDY,
    ),
    "a formula with a wrong call": (
        'computes = "where(x', 'computes = "where(x, x',
        ":16: mindspore.computes: `where`: too many positional arguments", REMEDY,
    ),
    "an argument that is no expression": (
        'alpha = "negative"', 'alpha = "negative -"',
        ":19: arguments.alpha: not an expression: 'negative -'", REMEDY,
    ),
    "a condition that is none": (
        "[inputs]", '[manual]\n"negative is is 3" = "no"\n\n[inputs]',
        ":26: manual.negative is is 3: expected a condition such as 'groups != 1'", REMEDY,
    ),
    "an input that is no expression": (
        '["(2, 3, 4)"]', '["(2, 3, 4"]', ":26: inputs.input: `(2, 3, 4` is no expression", REMEDY,
    ),
    "no examples": (
        LAYER[LAYER.index("[[examples]]"):], "", ":1: examples: missing; a rule of kind 'layer'",
        REMEDY,
    ),
    "an example without an end": (
        'after = "nn.Slope(0.1, beta=2.0)"', "", ":28: examples[0]: needs either after or stays",
        REMEDY,
    ),
    "an empty file": (LAYER, "", ":1: id: missing", REMEDY),
    "no UTF-8": ("is a new", "\udcff", ": not UTF-8: invalid start byte at byte ", REMEDY),
}  # fmt: skip


class Tool:
    """The command, run from the copy in a tree of two files; only the second needs the rule."""

    def __init__(self, home: Path, tree: Path) -> None:
        self.home, self.tree = home, tree
        (tree / "pyproject.toml").write_text("")
        (tree / "first.py").write_text("import torch.nn as nn\n\nrelu = nn.ReLU()\n")
        (tree / "second.py").write_text("import torch.nn as nn\n\nslope = nn.Slope(0.1)\n")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mapper", *words],
            cwd=self.tree,
            env={**os.environ, "PYTHONPATH": str(self.home), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE / "mapper", copy / "mapper", ignore=ignored)
    for name in GOOD:
        (copy / "rules" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "rules" / name, copy / "rules" / name)
    return copy


@pytest.fixture
def tm2ms(home: Path, tmp_path: Path) -> Tool:
    (home / "rules" / RULE).write_text(LAYER)
    return Tool(home, tmp_path)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_file_is_one_error_with_its_place_and_a_remedy(
    name: str, tm2ms: Tool
) -> None:
    old, new, words, remedy = BROKEN[name]
    assert LAYER.count(old) >= 1
    file = tm2ms.home / "rules" / RULE
    file.write_bytes(LAYER.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    for command in (("migrate", "--check", "."), ("explain", "torch.nn.Slope")):
        done = tm2ms(*command)
        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"tm2ms: {file}{words}")
        assert line.endswith(f"; {remedy}")


def test_the_unbroken_rule_works(tm2ms: Tool) -> None:
    done = tm2ms("migrate", "--check", ".")
    assert (done.returncode, "migrated" in done.stderr) == (1, True)
    assert "2 files, 2 would change" in done.stderr


def test_a_page_without_its_rule_is_an_error(tm2ms: Tool) -> None:
    (tm2ms.home / "rules" / RULE).unlink()
    page = tm2ms.home / "rules/nn/slope.doc.toml"
    page.write_text("")
    done = tm2ms("rules")
    page.unlink()
    assert done.returncode == 2
    assert done.stderr.startswith(f"tm2ms: {page}: the rule of this page is missing: slope.toml; ")


def test_a_run_that_ends_in_the_middle_says_so_and_writes_nothing(tm2ms: Tool) -> None:
    (tm2ms.home / "rules" / RULE).write_text(LAYER.replace("negative: float", "negative: flaot", 1))
    done = tm2ms("migrate", "-j1", ".")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "tm2ms: interrupted after 1 of 2 files; nothing was written"
    ]
    assert "torch" in (tm2ms.tree / "first.py").read_text()
    assert "torch" in (tm2ms.tree / "second.py").read_text()


def refuse(task: Task) -> FileResult:
    raise RuleError("rules/nn/slope.toml", "id", "missing")


def test_the_error_comes_out_of_a_worker_as_it_is() -> None:
    with ProcessPoolExecutor(1) as pool, pytest.raises(RuleError) as caught:
        list(in_order([Task("a.py", b"")], refuse, pool))
    assert str(caught.value) == "rules/nn/slope.toml: id: missing"


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("", 1), ("id", 1), ("torch", 3), ("torch.api", 4), ("torch.inputs", 3),
        ("torch.state.bn2d.gamma", 6), ("rows[0].number", 8), ("rows[1].number", 10),
        ("rows[1].evidence", 9), ("manual.stride is None", 12), ("values.x.map.a", 14),
    ],
)  # fmt: skip
def test_the_line_of_a_key(key: str, line: int) -> None:
    text = (
        'id = "TM1"\n\n[torch]\napi = "x"\n[torch.state]\n"bn2d.gamma" = "1"\n'
        '[[rows]]\nnumber = 1\n[[rows]]\nnumber = 2\n[manual]\n"stride is None" = "no"\n'
        "[values.x]\nmap = { a = 1 }\n"
    )
    assert line_of(text, key) == line
