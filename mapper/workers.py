"""Tasks over any executor: a bounded number at a time, results in order, however a worker ends.

When a worker ends the hard way (killed, out of memory, a crash in C), its executor is broken and
says of every open task only that it is lost; a cluster gives tasks up after some tries. Those are
done again here, one at a time in a process with nothing else to do, so that the one task that ends
it is known, reported and left behind.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mapper.outcome import FileResult
from mapper.process import Task, failed

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    Make = Callable[[], Executor]

Work = Callable[[Task], FileResult]
AHEAD = 64  # tasks that may be under way at a time; they and their contents are held

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
) -> Iterator[FileResult]:
    """Yield a result for each file, in order; what is a result already passes through.

    `renew` makes the executor anew when it is broken; without it the rest is done one at a time.
    The executor that was passed stays open, those that were made here are closed.
    """
    crew = _Crew(work, executor, renew)
    waiting: deque[_Waiting] = deque()
    under_way = 0
    try:
        for file in files:
            if isinstance(file, FileResult):
                waiting.append(_Waiting(file))
            else:
                waiting.append(crew.start(file))
                under_way += 1
            while waiting and (waiting[0].result or under_way >= ahead):
                under_way -= waiting[0].result is None
                yield crew.finish(waiting.popleft())
        while waiting:
            yield crew.finish(waiting.popleft())
    finally:
        for one in waiting:
            if one.future is not None:
                one.future.cancel()
        crew.close()


class _Waiting:
    """A file whose turn has not come: its result, or the task that somebody works on."""

    __slots__ = ("executor", "future", "result", "task")

    def __init__(
        self,
        result: FileResult | None = None,
        task: Task | None = None,
        future: Future[FileResult] | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.result, self.task, self.future, self.executor = result, task, future, executor


class _Crew:
    """An executor, and what to do about the tasks of one that broke."""

    def __init__(self, work: Work, executor: Executor, renew: Make | None) -> None:
        self._work, self._renew = work, renew
        self._executor: Executor | None = executor
        self._alone: Executor | None = None
        self._made: list[Executor] = []

    def start(self, task: Task) -> _Waiting:
        """Hand a task over."""
        executor = self._executor
        if executor is None:
            return _Waiting(task=task)
        try:
            return _Waiting(None, task, executor.submit(self._work, task), executor)
        except Exception:
            self._executor = self._make(self._renew)
            return _Waiting(task=task)

    def finish(self, waiting: _Waiting) -> FileResult:
        """Wait for the result of what is first in the row."""
        from concurrent.futures import BrokenExecutor

        if waiting.result is not None:
            return waiting.result
        assert waiting.task is not None
        try:
            if waiting.future is not None:
                return waiting.future.result()
        except BrokenExecutor:
            if waiting.executor is self._executor:
                self._executor = self._make(self._renew)
        except Exception:  # a cluster gave it up, perhaps for the fault of a neighbour
            pass
        return self._by_itself(waiting.task)

    def _by_itself(self, task: Task) -> FileResult:
        """Work on one task with nothing beside it, so that it is to blame if the process ends."""
        from concurrent.futures import BrokenExecutor

        self._alone = self._alone or self._make(lambda: processes(1))
        assert self._alone is not None
        try:
            return self._alone.submit(self._work, task).result()
        except BrokenExecutor:
            self._alone = None
            return failed(task.path, CRASHED)
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
    """Let Ctrl-C reach the first process only, which says how far it got; share the cores out."""
    import os
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    """End with the process that started this one: a killed one can tell nobody to stop."""
    import os
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if (parent := parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
