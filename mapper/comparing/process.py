"""Starts a program in the interpreter that has a framework, and sends it requests.

A request and its answer are one line of JSON each (see `side.serve`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from mapper.comparing.results import Failure, SideError

TIMEOUT = 1800.0  # seconds; a step of a large model on a CPU takes minutes
LAST_LINES = 5  # of standard error, that are reported when the program ends without an answer
SETTINGS = {"GLOG_v": "4", "PYTHONIOENCODING": "utf-8"}  # MindSpore: errors only


class Side:
    """One framework's program, which runs while the context manager is open."""

    def __init__(self, name: str, python: str, program: str, timeout: float = TIMEOUT) -> None:
        self.name = name
        self._command = [python, str(Path(__file__).with_name(program))]
        self._timeout = timeout
        self._answers: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        """Start the program.

        Raises:
            SideError: there is no such interpreter.
        """
        # a file and no pipe: the program would wait once nobody reads a pipe that is full
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        # MindSpore writes files here when a compilation fails, else into the working directory
        self._compiled = tempfile.TemporaryDirectory(prefix="tm2ms-")
        settings = {**SETTINGS, "MS_OM_PATH": self._compiled.name}
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=settings | os.environ,
                encoding="utf-8",
            )
        except OSError as error:
            self._close()
            message = f"{self._command[0]} cannot be started: {error.strerror}"
            raise SideError(Failure(self.name, message)) from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program; after an error it is not waited for."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(0.0 if kind else 5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5.0)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        self._close()

    def _close(self) -> None:
        self._errors.close()
        self._compiled.cleanup()

    def ask(self, do: str, **request: Any) -> Any:
        """Return the answer to a request.

        Raises:
            SideError: the user's code raised, or the program ended or did not answer in time.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, which the empty line below says
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            self._process.kill()
            message = f"no answer within {self._timeout:.0f} seconds"
            raise SideError(Failure(self.name, message)) from None
        if not line:
            raise SideError(self._ended())
        answer = json.loads(line)
        if "error" in answer:
            raised = answer["error"]
            raise SideError(Failure(self.name, raised["message"], tuple(raised["traceback"])))
        return answer["value"]

    def _ended(self) -> Failure:
        """Return how the program ended: its exit code and its last lines on standard error."""
        self._answers.put("")  # for the next request, which must not wait either
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        last = lines[-1] if lines else "nothing on standard error"
        return Failure(self.name, f"ended with {code}: {last}", tuple(lines[-LAST_LINES:]))
