"""What an attack with executed programs found to be silently different, and is left since."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.model.results import Status
from mapper.running.file import Task, process

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"

WRITTEN = {
    "a number with a default": "def f(x, n=2):\n    n += 1\n    return F.relu(x) * n\n",
    "a number by its name": "def f(x, num):\n    num += 1\n    return F.relu(x) * num\n",
    "a Tensor that is new": "def f(x):\n    y = F.relu(x)\n    y += 1\n    return F.relu(y)\n",
    "a layer of the class's own": (
        "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.c = nn.Conv2d(3, 8, 3)\n        for m in self.modules():\n"
        "            if isinstance(m, nn.Conv2d):\n                print(m)\n"
    ),
    "a parameter": "def f(m):\n    return isinstance(m, nn.Conv2d)\n",
}
LEFT = {
    "adding to a parameter": "def f(x, y):\n    y /= 3\n    return F.relu(x)\n",
    "adding to a part of a parameter": (
        "def f(x):\n    y = x[0]\n    y += 1\n    return F.relu(y)\n"
    ),
    "a method in place, of a parameter": "def f(x, y):\n    y.mul_(2)\n    return F.relu(x)\n",
    "a median, which MindSpore gives with its place": (
        "def f(x, y):\n    return F.relu(x) + y.median()\n"
    ),
    "a method in place, of a cast": (
        "def f(x, y):\n    y.to(torch.float32).mul_(3)\n    return F.relu(x)\n"
    ),
    "a type test of what another file builds": (
        "import lib\nC = getattr(lib, 'C')\ndef f():\n    return isinstance(C(3, 4), nn.Conv2d)\n"
    ),
    "the same through a name": (
        "import lib\nC = vars(lib)['C']\ndef f():\n    c = C(3, 4)\n"
        "    return isinstance(c, nn.Conv2d)\n"
    ),
}


@pytest.mark.parametrize("name", ["adaptive_avg_pool1d", "adaptive_max_pool1d", "max_pool1d"])
def test_a_signal_without_a_batch_keeps_its_axes(name: str) -> None:
    text = f"{HEAD}def f(x: torch.Tensor):\n    return F.{name}(x, 2)\n"
    after = process(Task("module.py", text.encode()), Options()).after
    assert after is not None
    assert ".unsqueeze(-2)" in after and ".squeeze(-2)" in after


def _is_whole(text: str) -> bool:
    result = process(Task("module.py", (HEAD + text).encode()), Options())
    return all(site.status is Status.MIGRATED for site in result.sites)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_is_the_same_in_both_frameworks_is_written(text: str) -> None:
    assert _is_whole(text)


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_would_differ_without_a_word_is_left(text: str) -> None:
    assert not _is_whole(text)


def test_a_type_test_of_what_is_taken_by_its_name_in_a_project_is_left(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text("import torch.nn as nn\nC = nn.Conv2d\n")
    main = tmp_path / "main.py"
    main.write_text(HEAD + LEFT["a type test of what another file builds"])
    result = process(Task(str(main), main.read_bytes()), Options())
    assert [site.status for site in result.sites if site.before == "nn.Conv2d"] == [Status.MANUAL]


LOADING = {
    "that drops counts of batches": (
        "        key = prefix + 'num_batches_tracked'\n        if key in states:\n"
        "            del states[key]\n",
        True,
    ),
    "that drops something else": ("        del states[prefix + 'weight']\n", False),
    "that drops it and counts": (
        "        del states[prefix + 'num_batches_tracked']\n        self.loaded = True\n", False,
    ),
    "that renames": (
        "        states[prefix + 'num_batches_tracked'] = states.pop(prefix + 'n')\n", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "is_whole"), LOADING.values(), ids=LOADING)
def test_a_method_of_torchs_that_no_cell_calls_may_only_drop_counts(
    body: str, is_whole: bool
) -> None:
    text = (
        f"{HEAD}class Norm(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.register_buffer('weight', torch.ones(3))\n\n"
        "    def _load_from_state_dict(self, states, prefix, *more):\n"
        f"{body}        super()._load_from_state_dict(states, prefix, *more)\n\n"
        "    def forward(self, x):\n        return x * self.weight\n"
    )
    result = process(Task("x.py", text.encode()), Options())
    assert result.whole is is_whole
