"""A slice of the attack with hostile trees (`fuzz/trees.py`), and that it would see what breaks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PER_KIND = 1


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trees", ROOT / "fuzz" / "trees.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["trees"] = module
    spec.loader.exec_module(module)
    return module


trees = loaded()
KINDS = [kind.__name__ for kind in trees.KINDS]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # an attack leaves the directory; this puts it back


@pytest.mark.parametrize("number", range(PER_KIND))
@pytest.mark.parametrize("kind", KINDS)
def test_no_promise_is_broken(kind: str, number: int) -> None:
    made, seconds, _, _, broken = trees.attack(number, 11, kind)
    assert (made, broken) == (kind, [])
    assert seconds < trees.SECONDS


PY = (0o100644, 1, b"x = 1\n")
BROKEN = {
    "nothing": (PY, PY, 0),
    "a mode": (PY, (0o100600, 1, b"x = 1\n"), 1),
    "a result that does not compile": (PY, (0o100644, 2, b"return 1\n"), 1),
    "one whose original does not either": (
        (0o100644, 1, b"return 1\n"), (0o100644, 2, b"return 2\n"), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_what_breaks_is_seen(case: tuple[object, object, int]) -> None:
    before, after, count = case
    assert len(trees.results({"a.py": before}, {"a.py": after})) == count


def test_a_lost_file_and_a_lost_site_are_seen(tmp_path: Path) -> None:
    assert trees.results({"a.py": PY}, {}) == ["'a.py' is new or gone"]
    case = trees.Case(tmp_path, trees.random.Random(0))
    counts = {"failed": 0, "unsafe": 0, "manual": 0, "changed": 0}
    file: dict[str, object] = {
        "path": "a.py",
        "status": "unchanged",
        "sites": [],
        "notes": [],
        "message": None,
    }
    known = {"a.py": (0o100644, 1, trees.SOURCE.encode())}
    report = {"summary": counts, "files": [file]}
    assert trees.reported(case, report, 0, known) == ["'a.py': 0 of 1 sites"]
    assert trees.reported(case, report, 2, {}) == [f"exit 2 instead of 0: {counts}"]
