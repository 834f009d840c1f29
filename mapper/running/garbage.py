"""When garbage is looked for: between files, and only once there has been much to read.

A tree is many objects and hardly a cycle, and so are imports: Python's own rhythm, by the number of
objects, takes a tenth of a run and finds next to nothing. So it rests while the command runs.
"""

from __future__ import annotations

import gc

_AFTER = 1_000_000  # bytes of source

_read = _AFTER


def rest() -> None:
    """Let the collector rest in this process."""
    gc.disable()


def sweep(size: int) -> None:
    """Collect, where it rests, once there was enough; what is alive then is not looked at again.

    The first time there is nothing to collect, but all modules to be passed over from then on.
    """
    global _read
    if gc.isenabled():
        return
    if _read >= _AFTER:
        if gc.get_freeze_count():
            gc.collect()
        gc.freeze()
        _read = 0
    _read += size
