"""How much is read, and how long anything may take: every bound of a run, with its reason.

A tree may be anybody's. What has no bound here is bounded by what these bounds let in.
"""

from __future__ import annotations

LARGEST_SOURCE = 5_000_000
"""Bytes of Python that are parsed: Python's tree takes up to 500 times as much memory."""

LARGEST_NOTEBOOK = 100_000_000
"""Bytes of JSON that are read: most of a large notebook are pictures."""

LARGEST_FILE = 100_000_000
"""Bytes of any file that is looked at for torch: they are held, and a sparse file has no end."""

LARGEST_SETTINGS = 5_000_000
"""Bytes of a pyproject.toml or an ignore file: a thousand times what people write by hand."""

MOST_JOBS = 256
"""Processes that a pyproject.toml may ask for: each takes 50 MB before it has read anything."""

MOST_ALTERNATIVES = 1_000
"""Patterns that the braces of one exclude pattern stand for: they multiply."""

MOST_TRIED = 200
"""Rewrites of one file that are compiled alone to find the one that does not: each is a parse."""
