"""Methods in place that became assignments compute in both modes what torch's do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.comparing.compare import Frameworks
from mapper.comparing.request import Interpreters, Request, parse_input
from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.test_in_place import HANDED_OVER, HELPER, NET, SUMS, WRITTEN

pytestmark = pytest.mark.oracle
PROGRAMS = {
    **{
        name: NET.format(body=textwrap.indent(body, " " * 8))
        for name, (body, _) in (*WRITTEN.items(), *SUMS.items())
    },
    **{
        name: HELPER.format(function=function, body=textwrap.indent(body, " " * 8))
        for name, (function, body) in HANDED_OVER.items()
    },
}


@pytest.fixture(scope="module")
def frameworks() -> Iterator[Frameworks]:
    """Both programs, for all models."""
    with Frameworks(Interpreters()) as both:
        yield both


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_what_is_assigned_is_what_torch_changed(
    text: str, frameworks: Frameworks, tmp_path: Path
) -> None:
    for side in ("before", "after"):
        (tmp_path / side).mkdir()
    (tmp_path / "before" / "net.py").write_text(text)
    after = process(Task("net.py", text.encode(), str(tmp_path / "before")), Options()).after
    assert after is not None and "torch" not in after
    (tmp_path / "after" / "net.py").write_text(after)
    request = Request(
        tmp_path / "before", tmp_path / "after", "net:Net()", (parse_input("2,3,5,4"),),
        train=True, modes=("pynative", "graph"),
    )  # fmt: skip
    result = frameworks.compare(request)
    assert len(result.runs) == 4
    for run in result.runs:
        assert run.agrees and not run.failure, (run.mode, run.train, run.first or run.failure)
