"""Runs tasks on any executor: a bounded number at a time, results in order, even if a worker dies.

When a worker dies (killed, out of memory, a crash in C), its executor is broken and reports every
open task as lost; a cluster gives tasks up after some tries. These tasks are run again here, one at
a time in a process of their own, so that the task that kills it is known, reported and skipped.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mapper.model.results import FileResult
from mapper.rulebook.tables import RuleError
from mapper.running.file import Task, failed

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    Make = Callable[[], Executor]

Work = Callable[[Task], FileResult]
AHEAD = 64  # tasks that may be under way at a time, for each process of our own; they are held
BUNDLE = 16  # tasks that go to one of them together: neighbours share proofs and imports
_LARGE = 300_000  # bytes that fill a bundle

CRASHED = (
    "the process that worked on it ended at once (out of memory, or a crash); "
    "look at it alone with -j1, or leave it out with --extend-exclude"
)


def in_order(
    files: Iterable[Task | FileResult],
    work: Work,
    executor: Executor,
    ahead: int = AHEAD,
    renew: Make | None = None,
    bundle: int = 1,
) -> Iterator[FileResult]:
    """Yield a result for each file, in order; what is a result already passes through.

    `ahead` tasks may be under way, `bundle` of them go together. `renew` makes the executor anew
    when it is broken; without it the rest is done one at a time.
    The executor that was passed stays open, those that were made here are closed.
    """
    crew = _Crew(work, executor, renew)
    waiting: deque[_Bundle] = deque()
    is_open, under_way = False, 0
    try:
        for file in files:
            if not is_open:
                waiting.append(_Bundle())
            last = waiting[-1]
            under_way += last.add(file)
            is_open = bool(last.tasks) and not last.is_full(min(bundle, ahead))
            if last.tasks and not is_open:
                crew.start(last)
            while len(waiting) > is_open and (not waiting[0].tasks or under_way >= ahead):
                under_way -= len(waiting[0].tasks)
                yield from crew.finish(waiting.popleft())
        if is_open:
            crew.start(waiting[-1])
        while waiting:
            yield from crew.finish(waiting.popleft())
    finally:
        for one in waiting:
            if one.future is not None:
                one.future.cancel()
        crew.close()


class _Bundle:
    """Files in their order: finished results, and tasks that a worker has."""

    def __init__(self) -> None:
        self.files: list[Task | FileResult] = []
        self.tasks: list[Task] = []
        self.future: Future[list[FileResult]] | None = None
        self.executor: Executor | None = None

    def add(self, file: Task | FileResult) -> bool:
        """Take a file, and say whether it is a task."""
        self.files.append(file)
        if isinstance(file, FileResult):
            return False
        self.tasks.append(file)
        return True

    def is_full(self, most: int) -> bool:
        """Say whether there is enough in it for one turn."""
        return len(self.tasks) >= most or sum(len(task.data) for task in self.tasks) >= _LARGE


def _each(work: Work, tasks: Iterable[Task]) -> list[FileResult]:
    return [work(task) for task in tasks]


class _Crew:
    """An executor, and how the tasks of a broken one are done."""

    def __init__(self, work: Work, executor: Executor, renew: Make | None) -> None:
        self._work, self._renew = work, renew
        self._executor: Executor | None = executor
        self._alone: Executor | None = None
        self._made: list[Executor] = []

    def start(self, bundle: _Bundle) -> None:
        """Submit the tasks of a bundle."""
        if self._executor is None:
            return
        bundle.executor = self._executor
        try:
            bundle.future = self._executor.submit(_each, self._work, bundle.tasks)
        except Exception:
            self._executor = self._make(self._renew)

    def finish(self, bundle: _Bundle) -> Iterator[FileResult]:
        """Wait for the results of a bundle."""
        done = iter(self._done(bundle))
        for file in bundle.files:
            yield file if isinstance(file, FileResult) else next(done)

    def _done(self, bundle: _Bundle) -> Iterable[FileResult]:
        from concurrent.futures import BrokenExecutor

        try:
            if bundle.future is not None:
                return bundle.future.result()
        except BrokenExecutor:
            if bundle.executor is self._executor:
                self._executor = self._make(self._renew)
        except RuleError:
            raise
        except Exception:  # a cluster gave it up, perhaps because of another task
            pass
        return map(self._by_itself, bundle.tasks)

    def _by_itself(self, task: Task) -> FileResult:
        """Work on one task alone, so that it is known to be the cause if the process dies."""
        from concurrent.futures import BrokenExecutor

        self._alone = self._alone or self._make(lambda: processes(1))
        assert self._alone is not None
        try:
            return self._alone.submit(self._work, task).result()
        except BrokenExecutor:
            self._alone = None
            return failed(task.path, CRASHED)
        except RuleError:
            raise
        except Exception as error:
            return failed(task.path, f"the worker failed: {type(error).__name__}: {error}")

    def _make(self, make: Make | None) -> Executor | None:
        if make is None:
            return None
        executor = make()
        self._made.append(executor)
        return executor

    def close(self) -> None:
        """End the processes that were started here."""
        for executor in self._made:
            executor.shutdown(cancel_futures=True)


def processes(jobs: int) -> Executor:
    """Return a pool of processes."""
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(jobs, initializer=_prepare)


def _prepare() -> None:
    """Ignore Ctrl-C in a worker, for the first process reports it; let numpy use one core.

    The garbage collector stays off between files, too (see `file.without_collector`).
    """
    import gc
    import os
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()
    Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    """End when the process that started this one does: if killed, it cannot stop its workers."""
    import os
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if (parent := parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
