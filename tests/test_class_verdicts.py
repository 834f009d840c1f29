"""What `benchmarks/classes.py` calls equal, and what it does not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper.comparing.results import Comparison, Culprit, Failure, Finding, Kind, Rounding, Run
from mapper.weights.namemap import NameMap

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def classes() -> Iterator[Any]:
    """The command, as a module; those beside it are forgotten afterwards."""
    known, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("classes", BENCHMARKS / "classes.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["classes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in [name for name in sys.modules if name not in known and "." not in name]:
        del sys.modules[name]


def run(mode: str = "pynative", **more: Any) -> Run:
    return Run(mode, False, 1e-5, **more)


APART = Culprit("fc", "torch.nn.Linear", None, None, None, (Finding(Kind.OUTPUT, "fc", "apart"),))
RAISED = Failure("MindSpore", "ValueError: no")
NEAR = Rounding(None, 2e-5, 1e-5)
DRAWS = ("torch draws by normal_: MindSpore cannot be given the same",)
OWN = ("random numbers cannot be given to a model in GRAPH_MODE",)
COUNTS = ("torch draws 2 times, MindSpore 1 times",)

JUDGED = [
    pytest.param([run(), run()], "equal", id="runs that agree"),
    pytest.param([run(), run(rounding=NEAR)], "rounding", id="one agrees up to rounding"),
    pytest.param([run(first=APART), run()], "different", id="one differs"),
    pytest.param([run(first=APART), run(failure=RAISED)], "different", id="a failure hides none"),
    pytest.param([run(failure=RAISED, first=APART)], "raises", id="it raised on the way"),
    pytest.param([run(), run(failure=RAISED)], "raises", id="one raises"),
    pytest.param([run(first=APART, notes=DRAWS)], "random", id="torch draws by itself"),
    pytest.param([run("graph", first=APART, notes=OWN)], "random", id="GRAPH_MODE draws its own"),
    pytest.param([run(first=APART, notes=COUNTS)], "different", id="one draws more often"),
]


@pytest.mark.parametrize(("runs", "kind"), JUDGED)
def test_the_worst_run_decides(classes: Any, runs: list[Run], kind: str) -> None:
    found, words = classes.judged(Comparison(NameMap((), ()), tuple(runs)))
    assert found == kind
    assert bool(words) == (kind != "equal")


COMBINED = [
    pytest.param({"pynative": "equal", "graph": "raises"}, "raises", id="GRAPH_MODE raises"),
    pytest.param({"pynative": "tanh", "graph": "different"}, "different", id="GRAPH_MODE differs"),
    pytest.param({"pynative": "rounding", "graph": "equal"}, "rounding", id="PyNative is worse"),
    pytest.param({"pynative": "equal", "graph": "random"}, "equal", id="GRAPH_MODE's own numbers"),
    pytest.param(
        {"pynative": "random", "graph": "equal"}, "random", id="numbers of PyNative's own"
    ),
    pytest.param({"graph": "random"}, "random", id="nothing else is known"),
]


@pytest.mark.parametrize(("kinds", "kind"), COMBINED)
def test_the_worse_mode_decides(classes: Any, kinds: dict[str, str], kind: str) -> None:
    verdicts = [
        classes.Verdict("net.py", "Net", "Net()", ["2,3"], mode, classes.Kind(one), "", 1.0)
        for mode, one in kinds.items()
    ]
    assert classes.combined(verdicts).kind == kind
