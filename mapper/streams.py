"""Standard output as a good neighbour in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BROKEN_PIPE = 141  # as a program ended by SIGPIPE


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End quietly when nobody reads: what is still buffered goes nowhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None
