"""What is written for programs that try to be silently different (see `tests/attacks`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.running.file import Task, process
from tests.attacks import files, in_place, later
from tests.attacks.case import Case
from tests.projects import write

CASES = {
    f"{table.__name__.rpartition('.')[2]}: {name}": case
    for table in (in_place, files, later)
    for name, case in table.CASES.items()
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_program_is_whole_only_where_it_computes_the_same(case: Case, tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", **case.files})
    named = case.only or tuple(case.files)
    options = Options(named=frozenset(str((tmp_path / name).resolve()) for name in named))
    results = [
        process(Task(str(tmp_path / name), (tmp_path / name).read_bytes()), options)
        for name in named
    ]
    is_left = any(not one.whole for one in results if one.sites)
    assert is_left == (case.becomes == "left"), [
        site.message for one in results for site in one.sites
    ]
