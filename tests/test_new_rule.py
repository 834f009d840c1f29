"""A new plain rule is one file: it is dropped into a copy of the database, and the command works.

The copy holds the package and `rules/` as a checkout does. Nothing in the package knows the names.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent.parent

LAYER = """
id = "TM3998"
kind = "layer"

[torch]
api = "torch.nn.Slope"
aliases = ["torch.nn.modules.activation.Slope"]
signature = "(negative: float = 0.01, positive: float = 1.0, inplace: bool = False)"
inputs = "(input: Tensor)"
computes = "where(input >= 0, input * positive, input * negative)"

[mindspore]
api = "mindspore.nn.Slope"
signature = "(alpha: float = 0.2, beta: float = 1.0)"
inputs = "(x: Tensor)"
computes = "where(x >= 0, x * beta, x * alpha)"

[arguments]
alpha = "negative"
beta = "positive"

[drop]
inplace = "the result is a new tensor"

[inputs]
input = ["(2, 3, 4)"]

[[examples]]
before = "nn.Slope(0.1, positive=2.0)"
after = "nn.Slope(0.1, beta=2.0)"
"""

FUNCTION = """
id = "TM4999"
kind = "function"

[torch]
api = "torch.nn.functional.slope"
signature = "(input: Tensor, negative: float = 0.01, positive: float = 1.0)"
computes = "where(input >= 0, input * positive, input * negative)"

[mindspore]
api = "mindspore.ops.slope"
signature = "(x: Tensor, alpha: float = 0.2, beta: float = 1.0)"
computes = "where(x >= 0, x * beta, x * alpha)"

[arguments]
x = "input"
alpha = "negative"
beta = "positive"

[inputs]
input = ["(2, 3, 4)"]

[[examples]]
before = "F.slope(x, 0.1, positive=2.0)"
after = "ops.slope(x, 0.1, beta=2.0)"
"""

WAVE = """
id = "TM3999"
kind = "layer"

[torch]
api = "torch.nn.Wave"
signature = "(frequency: float = 4.0)"
inputs = "(input: Tensor)"
computes = "wave_by_frequency(input, frequency)"

[mindspore]
api = "mindspore.nn.Wave"
signature = "(period: float = 0.25)"
inputs = "(x: Tensor)"
computes = "wave_by_period(x, period)"

[arguments]
period = "1 / frequency"

[samples]
frequency = [2.0, 8.0]

[inputs]
input = ["(2, 3, 4)"]

[[examples]]
before = "nn.Wave(2.0)"
after = "nn.Wave(0.5)"
"""

SEMANTICS = '''

def wave_by_frequency(x: Array, frequency: float) -> Array:
    """Return sin(2 pi frequency x); shape of `x`."""
    return np.sin(2 * np.pi * frequency * x)


def wave_by_period(x: Array, period: float) -> Array:
    """Return sin(2 pi x / period); shape of `x`."""
    return np.sin(2 * np.pi * x / period)
'''

LAYERS = """import torch
import torch.nn as nn
from torch.nn import Slope
from torch.nn import Slope as Bent

from shared import Handed


class Net(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.direct = nn.Slope()
        self.imported = Slope(0.1)
        self.renamed = Bent(0.3, positive=2.0)
        self.alias = torch.nn.modules.activation.Slope(negative=0.2, inplace=True)
        self.handed = Handed(slope)

    def forward(self, x):
        x = self.alias(self.renamed(self.imported(self.direct(x))))
        return self.handed(x)
"""

FUNCTIONS = """import torch.nn as nn
import torch.nn.functional as F
from torch.nn.functional import slope
from torch.nn.functional import slope as bent

from shared import handed


class Net(nn.Module):
    def forward(self, x):
        x = F.slope(x)
        x = slope(x, 0.1)
        x = bent(F.slope(x, negative=0.3), positive=2.0)
        return handed(x, 0.4)
"""

WAVES = """import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.usual = nn.Wave()
        self.slow = nn.Wave(frequency=2.0)

    def forward(self, x):
        return self.slow(self.usual(x))
"""

PAGE = (HERE / "CONTRIBUTING.md").read_text()
(CONTRIBUTING,) = re.findall(
    r"^```toml\n# rules/nn/gaussian_nll_loss.toml\n(.*?)^```", PAGE, re.M | re.S
)

LOSSES = """import torch.nn as nn


class Net(nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.usual = nn.GaussianNLLLoss()
        self.other = nn.GaussianNLLLoss(full=True, eps=eps, reduction="sum")

    def forward(self, x, y, var):
        return self.usual(x, y, var) + self.other(x, y, var)
"""

SHARED = "from torch.nn import Slope as Handed\nfrom torch.nn.functional import slope as handed\n"


class Tool:
    """The command, run from a copy of the package with one rule more."""

    def __init__(self, home: Path, tree: Path) -> None:
        self.home = home
        self.tree = tree

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mapper", *words],
            cwd=self.tree,
            env={**os.environ, "PYTHONPATH": str(self.home), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def migrated(self, rule: str) -> list[dict[str, Any]]:
        """Migrate the tree, and return the sites of a rule in `model.py`."""
        report = json.loads(self("migrate", "--output-format", "json", "."))
        (file,) = [one for one in report["files"] if one["path"].endswith("model.py")]
        return [site for site in file["sites"] if site["rule"] == rule]


Drop = Callable[[str, str, str], AbstractContextManager[Tool]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy")
    for name in ("mapper", "rules"):
        shutil.copytree(HERE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def drop(home: Path, tmp_path: Path) -> Drop:
    @contextmanager
    def dropped(file: str, rule: str, model: str) -> Iterator[Tool]:
        (tmp_path / "model.py").write_text(model)
        (tmp_path / "shared.py").write_text(SHARED)
        (tmp_path / "pyproject.toml").write_text("")
        (home / "rules" / file).write_text(rule)
        try:
            yield Tool(home, tmp_path)
        finally:
            (home / "rules" / file).unlink()

    return dropped


@pytest.fixture
def waves(home: Path) -> Iterator[None]:
    """The functions that WAVE's formulas call, added where CONTRIBUTING says."""
    file = home / "mapper/proving/semantics/elementwise.py"
    text = file.read_text()
    file.write_text(text + SEMANTICS)
    yield
    file.write_text(text)


NEW = {
    "a layer": (
        "nn/slope.toml", LAYER, LAYERS, "TM3998", "torch.nn.Slope",
        ["nn.Slope(alpha=0.01)", "nn.Slope(0.1)", "nn.Slope(0.3, beta=2.0)",
         "nn.Slope(alpha=0.2)", "nn.Slope(slope)"],
    ),
    "a function": (
        "functional/slope.toml", FUNCTION, FUNCTIONS, "TM4999", "torch.nn.functional.slope",
        ["ops.slope(x, alpha=0.01)", "ops.slope(x, 0.1)",
         "ops.slope(ops.slope(x, alpha=0.3), beta=2.0, alpha=0.01)", "ops.slope(x, alpha=0.3)",
         "ops.slope(x, 0.4)"],
    ),
    "a layer with functions of its own": (
        "nn/wave.toml", WAVE, WAVES, "TM3999", "torch.nn.Wave",
        ["nn.Wave()", "nn.Wave(period=0.5)"],
    ),
    "the rule of CONTRIBUTING.md": (
        "nn/gaussian_nll_loss.toml", CONTRIBUTING, LOSSES, "TM3078", "torch.nn.GaussianNLLLoss",
        ["nn.GaussianNLLLoss()", 'nn.GaussianNLLLoss(full=True, eps=eps, reduction="sum")'],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEW)
def test_one_file_is_enough(name: str, drop: Drop, waves: None) -> None:
    file, rule, model, identifier, api, written = NEW[name]
    with drop(file, rule, model) as tm2ms:
        assert re.search(rf"^{identifier} .* {re.escape(api)} ", tm2ms("rules"), re.MULTILINE)

        page = tm2ms("explain", api)
        assert page.startswith(f"# {identifier}: {api} → mindspore.")
        assert "**migrated** (exact proof)" in page

        text = tm2ms("migrate", "--check", "-v", ".")
        assert text.count(identifier) == len(written)

        sites = tm2ms.migrated(identifier)
        new = (tm2ms.tree / "model.py").read_text()
    assert [(site["status"], site["after"]) for site in sites] == [
        ("migrated", text) for text in written
    ]
    assert {site["proof"]["kind"] for site in sites} <= {"exact", "sampled"}
    assert all(site["proof"]["cases"] for site in sites)
    assert all(after in new for after in written)
    assert "torch" not in new


@pytest.mark.parametrize("name", NEW)
def test_its_page_is_generated(name: str, drop: Drop, waves: None, tmp_path: Path) -> None:
    file, rule, model, identifier, api, _ = NEW[name]
    with drop(file, rule, model) as tm2ms:
        only = tmp_path / "only"
        shutil.copytree(tm2ms.home / "mapper", only / "mapper")
        (only / "rules" / file).parent.mkdir(parents=True)
        shutil.copy(tm2ms.home / "rules" / file, only / "rules" / file)
    alone = Tool(only, tmp_path)
    alone("explain", "--write", "pages")
    assert (tmp_path / "pages" / f"{identifier}.md").read_text() == alone("explain", api)
    assert f"[{identifier}]({identifier}.md)" in (tmp_path / "pages/README.md").read_text()


WRONG = {
    "a layer with another default": (
        "a layer", {"alpha": "0.2 if negative == 0.01 else negative"},
    ),
    "a layer with exchanged arguments": ("a layer", {"alpha": "positive", "beta": "negative"}),
    "a function with another default": (
        "a function", {"alpha": "0.2 if negative == 0.01 else negative"},
    ),
    "a function with exchanged arguments": (
        "a function", {"alpha": "positive", "beta": "negative"},
    ),
    "a value that is not converted": (
        "a layer with functions of its own", {"period": "frequency"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_writes_nothing(name: str, drop: Drop, waves: None) -> None:
    of, arguments = WRONG[name]
    file, rule, model, identifier, _, written = NEW[of]
    for key, text in arguments.items():
        rule, count = re.subn(rf'^{key} = ".*"$', f'{key} = "{text}"', rule, flags=re.MULTILINE)
        assert count == 1
    with drop(file, rule, model) as tm2ms:
        sites = tm2ms.migrated(identifier)
        new = (tm2ms.tree / "model.py").read_text()
    assert [site["status"] for site in sites] == ["manual"] * len(written)
    assert any("differ" in site["message"] for site in sites)
    assert new == model
