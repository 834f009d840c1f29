"""Answers most runs of a hook: named files, no settings, and nothing to migrate in them.

That is decided before the rule database and the parser of the command line are imported, for most
of the time of such a run is imports. In every case of doubt the command runs in full.
"""

# Strings, not Paths: importing pathlib takes as long as everything here.
# ruff: noqa: PTH100, PTH109, PTH118, PTH120, PTH206

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from mapper.files import regular
from mapper.files.candidates import may_concern_us
from mapper.files.prefilter import DEFAULT_EXCLUDE
from mapper.limits import LARGEST_FILE, LARGEST_SETTINGS

_MOST = 1_000  # files; more of them are worth a look at several at a time


def verdict(paths: Sequence[str], switches: Collection[str]) -> str | None:
    """Return the summary of a run that has nothing to do, None where it may have."""
    if len(paths) > _MOST or _has_settings(os.getcwd()):
        return None
    if "force_exclude" in switches and any(map(_may_be_excluded, paths)):
        return None
    if not all(map(_is_no_concern, paths)):
        return None
    count = len({os.path.realpath(path) for path in paths})
    return f"{count} file{'' if count == 1 else 's'}: no torch; 0.0 s"


def _has_settings(directory: str) -> bool:
    """Tell whether a pyproject.toml above might hold settings."""
    above = ""
    while directory != above:
        try:
            if b"tm2ms" in regular.read(
                os.path.join(directory, "pyproject.toml"), LARGEST_SETTINGS
            ):
                return True
        except FileNotFoundError:
            pass
        except OSError:
            return True
        directory, above = os.path.dirname(directory), directory
    return False


def _may_be_excluded(path: str) -> bool:
    return not set(DEFAULT_EXCLUDE).isdisjoint(os.path.abspath(path).split(os.sep))


def _is_no_concern(path: str) -> bool:
    try:
        return not may_concern_us(regular.read(path, LARGEST_FILE), path)
    except (OSError, ValueError):
        return False
