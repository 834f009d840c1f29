"""Tasks over executors: order, a bounded number at a time, and workers that end the hard way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus
from mapper.running import tree as running
from mapper.running.config import load
from mapper.running.file import Task
from mapper.running.tree import migrate_files
from mapper.running.workers import CRASHED, in_order, processes
from tests.test_process import AFTER, TEXT

DONE = FileStatus.UNCHANGED


def work(task: Task) -> FileResult:
    """Do as the content says."""
    if task.data == b"crash":
        os._exit(9)
    if task.data == b"kill":
        os.kill(os.getpid(), 9)
    if task.data == b"raise":
        raise RuntimeError("as told")
    return FileResult(task.path, DONE)


def tasks(count: int, **special: bytes) -> list[Task | FileResult]:
    """Return tasks t0, t1, …; `t3=b"crash"` tells one what to do."""
    names = [f"t{number}" for number in range(count)]
    return [Task(name, special.get(name, b"")) for name in names]


class Inline(Executor):
    """Does everything at once, in the calling thread; counts what it was given."""

    given = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task now."""
        self.given += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Closed(Inline):
    """Takes three tasks and no more, as one that was shut down does."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task now, or refuse it."""
        if self.given == 3:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return super().submit(fn, *args, **kwargs)


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "a thread pool": lambda: ThreadPoolExecutor(2),
    "a process pool": lambda: ProcessPoolExecutor(2),
    "our own processes": lambda: processes(2),
    "one that does it at once": Inline,
}


@pytest.mark.parametrize("bundle", [1, 4, 100])
@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS)
def test_any_executor_gives_the_results_in_order(make: Callable[[], Executor], bundle: int) -> None:
    files = [*tasks(20), FileResult("known", DONE), *tasks(7)]
    with make() as executor:
        results = list(in_order(files, work, executor, ahead=5, bundle=bundle))
    assert [result.path for result in results] == [file.path for file in files]


def test_a_result_does_not_wait_for_later_files() -> None:
    gate = threading.Event()

    def files() -> Iterator[Task | FileResult]:
        yield FileResult("known", DONE)
        gate.set()
        yield from tasks(3)

    with ThreadPoolExecutor(1) as executor:
        stream = in_order(files(), work, executor)
        assert next(stream).path == "known"
        assert not gate.is_set()
        assert len(list(stream)) == 3


@pytest.mark.parametrize("bundle", [1, 3])
@pytest.mark.parametrize("ahead", [1, 4, 100])
def test_no_more_files_are_held_than_may_be_under_way(ahead: int, bundle: int) -> None:
    read, most, done = 0, 0, 0

    def files() -> Iterator[Task | FileResult]:
        nonlocal read
        for task in tasks(50):
            read += 1
            yield task

    for _ in in_order(files(), work, Inline(), ahead, None, bundle):
        most = max(most, read - done)
        done += 1
    assert (done, most) == (50, min(ahead, 50))


def test_small_neighbours_go_together_and_large_files_alone() -> None:
    executor, large = Inline(), b" " * 300_000
    list(in_order(tasks(10, t6=large, t7=large), work, executor, 64, None, 3))
    assert executor.given == len(["012", "345", "6", "7", "89"])


ENDS = {
    "the first": {"t0": b"crash"},
    "one in the middle": {"t9": b"crash"},
    "the last": {"t23": b"crash"},
    "one that is killed from outside": {"t5": b"kill"},
    "two neighbours": {"t6": b"crash", "t7": b"crash"},
    "several": {"t1": b"crash", "t9": b"kill", "t22": b"crash"},
}


@pytest.mark.parametrize("special", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("is_renewed", [True, False], ids=["made anew", "somebody else's"])
@pytest.mark.parametrize("bundle", [1, 5], ids=["alone", "with neighbours"])
def test_a_file_that_ends_its_process_is_named_and_all_others_are_done(
    special: dict[str, bytes], is_renewed: bool, bundle: int
) -> None:
    def make() -> Executor:
        return processes(2)

    with make() as executor:
        renew = make if is_renewed else None
        results = list(in_order(tasks(24, **special), work, executor, 8, renew, bundle))
    assert [result.path for result in results] == [f"t{number}" for number in range(24)]
    failures = {result.path: result.message for result in results if result.status is not DONE}
    assert failures == dict.fromkeys(special, CRASHED)


REFUSING = {"one that is shut down in between": Closed}


@pytest.mark.parametrize("make", REFUSING.values(), ids=REFUSING)
def test_what_an_executor_refuses_is_done_here(make: Callable[[], Executor]) -> None:
    results = list(in_order(tasks(9), work, make(), 2))
    assert [result.path for result in results] == [f"t{number}" for number in range(9)]
    assert {result.status for result in results} == {DONE}


def test_a_task_that_a_cluster_gives_up_is_tried_here_and_its_failure_told() -> None:
    results = list(in_order(tasks(3, t1=b"raise"), work, Inline()))
    assert [result.status for result in results] == [DONE, FileStatus.FAILED, DONE]
    assert results[1].message == "the worker failed: RuntimeError: as told"


# --- the library's way in -----------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a directory with twelve files to change."""
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        Path(f"m{number:02}.py").write_text(TEXT.replace("3)", f"{number % 3 + 1})"))
    return tmp_path


@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS)
def test_migrate_takes_any_executor_and_leaves_it_open(
    make: Callable[[], Executor], tree: Path
) -> None:
    config = load(tree, {"check": True})
    alone = migrate_files(["."], load(tree, {"check": True, "jobs": 1}), Options(select=("conv",)))
    with make() as executor:
        assert migrate_files(["."], config, Options(select=("conv",)), executor=executor) == alone
        assert executor.submit(len, "open").result() == 4
    assert len(alone) == 12


class Crashing(running.Process):
    """Ends the process at one file."""

    def __call__(self, task: Task) -> FileResult:
        """Migrate the file, or not."""
        if task.path == "m05.py":
            os._exit(1)
        return super().__call__(task)


def test_a_crash_while_writing_in_place_loses_one_file_only(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "POOL_PAYS", 1)
    monkeypatch.setattr(running, "Process", Crashing)
    results = migrate_files(["."], load(tree, {"jobs": 2}), Options(select=("conv",)))
    assert [result.path for result in results if result.message] == ["m05.py"]
    assert Path("m02.py").read_text() == Path("m11.py").read_text() == AFTER
    assert "mindspore" not in Path("m05.py").read_text()


POOLS = {
    "little to do": (2, 10**9, []),
    "one process wanted": (1, 1, []),
    "much to do": (2, 1, [2]),
}


@pytest.mark.parametrize(("jobs", "pays", "started"), POOLS.values(), ids=POOLS)
def test_processes_are_started_only_where_they_pay(
    jobs: int, pays: int, started: list[int], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counted(number: int) -> Executor:
        counts.append(number)
        return Inline()

    monkeypatch.setattr("mapper.running.workers.processes", counted)
    monkeypatch.setattr(running, "POOL_PAYS", pays)
    assert (
        len(
            migrate_files(
                ["."], load(tree, {"jobs": jobs, "check": True}), Options(select=("conv",))
            )
        )
        == 12
    )
    assert counts == started


# --- what is kept -------------------------------------------------------------------------------

MANUAL = "import torch.nn as nn\nc = nn.Conv2d(*x)\nnn.Conv2d(3, 8, 3)\n"
KEPT: dict[str, tuple[dict[str, Any], str, tuple[bool, bool]]] = {
    "a diff shows both texts": ({"diff": True}, TEXT, (True, True)),
    "so does the page": ({"check": True, "report": ["x.html"]}, TEXT, (True, True)),
    "a listing shows sites for people": ({"check": True}, MANUAL, (True, False)),
    "and the others only on demand": ({"check": True}, TEXT, (False, False)),
    "which is this": ({"check": True, "verbose": 1}, TEXT, (True, False)),
    "JSON shows no more than the sites": (
        {"check": True, "output_format": "json"}, MANUAL, (False, False),
    ),
    "what is written is on the disk": ({"output_format": "concise"}, TEXT, (False, False)),
}  # fmt: skip


@pytest.mark.parametrize(("flags", "text", "kept"), KEPT.values(), ids=KEPT)
def test_texts_are_kept_only_where_a_report_shows_them(
    flags: dict[str, Any], text: str, kept: tuple[bool, bool], tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(text)
    (result,) = migrate_files([str(tmp_path)], load(tmp_path, flags), Options(select=("conv",)))
    assert (result.before is not None, result.after is not None) == kept
    assert result.sites


def test_a_command_that_has_shown_a_diff_holds_no_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mapper.cli.session import Session

    kept: list[FileResult] = []
    monkeypatch.setattr(Session, "_emit", lambda self, run, is_stdin: kept.extend(run.files))
    (tmp_path / "a.py").write_text(TEXT)
    session = Session(load(tmp_path, {"diff": True}))
    assert session.run([str(tmp_path)]) == 1
    assert [(one.status, one.before, one.after) for one in kept] == [("changed", None, None)]
    assert session._diffs[0].endswith("has_bias=True)\n")
