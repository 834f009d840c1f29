"""tm2ms: migrate PyTorch source to MindSpore, with a proof for every call."""

# `os` and `sys` are part of the interpreter; no file of the working directory can take their place.
# ruff: noqa: PTH109, PTH120
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mapper.api import (
        FileResult,
        FileStatus,
        Note,
        Proof,
        Run,
        Site,
        Status,
        UsageError,
        migrate_paths,
        migrate_source,
    )

__all__ = [
    "FileResult", "FileStatus", "Note", "Proof", "Run", "Site", "Status", "UsageError",
    "migrate_paths", "migrate_source",
]  # fmt: skip
__version__ = "0.1.0"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Return a part of the Python API, which is imported when it is first asked for."""
        if name in __all__:
            from mapper import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def leave_the_working_directory() -> None:
    """Take the working directory off the module path: it may be the tree of a stranger.

    Python puts it first for `python -m mapper`, so that an `inspect.py` in it would be imported,
    and run, in place of Python's own. If this package itself stands there, it is put last.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:
        return
    home = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))
    kept = [path for path in sys.path if os.path.realpath(path) != here]
    sys.path[:] = [*kept, here] if home == here else kept


if sys.argv[:1] == ["-m"] and "mapper" in sys.orig_argv:  # on the way to `mapper.__main__`
    leave_the_working_directory()
