"""When garbage is looked for: between files, and only once there has been much to read.

A tree is many objects and hardly a cycle, and so are imports: Python's own rhythm, by the number of
objects, takes a tenth of a run and finds next to nothing. So it rests while the command runs.
"""

from __future__ import annotations

import gc

_AFTER = 1_000_000  # bytes of source, whose trees take some fifty times as much

_read = 0


def rest() -> None:
    """Let the collector rest in this process."""
    gc.disable()


def sweep(size: int) -> None:
    """Collect, where it rests, once there was enough; what is alive then is not looked at again."""
    global _read
    _read += size
    if _read >= _AFTER and not gc.isenabled():
        _read = 0
        gc.collect()
        gc.freeze()
