"""How much is read, and how long anything may take: every bound of a run, with its reason."""

from __future__ import annotations

PROJECT_FILES = 20_000
"""Files of a project that are looked at; in a larger one every name counts as taken."""

PROJECT_DIRECTORIES = 20_000
"""Directories of a project that are listed, for trees that are deep and empty."""

PROJECT_LEVELS = 8
"""Directories above a file that may belong to its project where no repository says so."""

PROJECT_ENTRIES = 500
"""Entries of a directory above, beyond which it is a heap (a home, a temporary directory)."""

PROJECT_EVIDENCE = 200
"""Files that are read to see whether a directory above belongs to the project."""

PROJECT_HOPS = 8
"""Modules that a name may be handed on through."""

PROJECT_CALLERS = 8
"""Files whose calls of one function are looked at: more say little that is new."""

PARSED_FILES = 256
"""Parsed files that a process keeps: a tree is up to 500 times as large as its text."""
