"""Ends a run without a traceback where standard output is a closed pipe or a full disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BROKEN_PIPE = 141  # as a program ended by SIGPIPE


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End quietly when nobody reads the output, and with a message when the disk is full.

    What is still buffered is discarded then, and without a standard output (`>&-`) everything is.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8"))
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(BROKEN_PIPE) from None
        print(f"tm2ms: standard output: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(2) from None
