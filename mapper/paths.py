"""How a path is shown: relative to the working directory wherever it lies below it."""

# Strings, not Paths: a run shows tens of thousands of them.
# ruff: noqa: PTH100, PTH109, PTH118, PTH206

from __future__ import annotations

import os
from functools import lru_cache


def shown(path: str) -> str:
    """Return the path with forward slashes as reports and diffs name it."""
    here = os.getcwd()
    found = _below(path, here)
    if found is None:  # perhaps named through a symbolic link, or by way of `..`
        directory, name = os.path.split(path)
        found = _below(os.path.join(_real(directory, here), name), here)
    return (found or path).replace(os.sep, "/")


def _below(path: str, here: str) -> str | None:
    if ".." in path.split(os.sep):
        return None
    absolute = os.path.abspath(path)
    prefix = os.path.join(here, "")
    return absolute[len(prefix) :] if absolute.startswith(prefix) else None


@lru_cache(maxsize=1024)
def _real(directory: str, _here: str) -> str:
    return os.path.realpath(directory)
