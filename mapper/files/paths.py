"""How a path is shown: relative to the working directory wherever it lies below it."""

# Strings, not Paths: a run shows tens of thousands of them.
# ruff: noqa: PTH100, PTH109, PTH118, PTH206

from __future__ import annotations

import os
from functools import lru_cache


def shown(path: str) -> str:
    """Return the path with forward slashes as reports and diffs name it."""
    here = os.getcwd()
    directory, name = os.path.split(path)
    if name in ("", os.curdir, os.pardir):
        below = _below(path, here)
    else:
        start = _start(directory, here)
        below = None if start is None else start + name
    return (below or path).replace(os.sep, "/")


@lru_cache(maxsize=1024)
def _start(directory: str, here: str) -> str | None:
    """Return what the paths of a directory's files begin with, relative to `here`, if below it."""
    below = _below(os.path.join(directory, "x"), here)
    return None if below is None else below[:-1]


def _below(path: str, here: str) -> str | None:
    found = _plainly_below(path, here)
    if found is None:  # perhaps named through a symbolic link, or by way of `..`
        directory, name = os.path.split(path)
        found = _plainly_below(os.path.join(os.path.realpath(directory), name), here)
    return found


def _plainly_below(path: str, here: str) -> str | None:
    if ".." in path.split(os.sep):
        return None
    absolute = os.path.abspath(path)
    prefix = os.path.join(here, "")
    return absolute[len(prefix) :] if absolute.startswith(prefix) else None
