"""How much is read, and how long anything may take: every bound of a run, with its reason.

A tree may come from anybody. What has no bound of its own here is bounded through these.
"""

from __future__ import annotations

LARGEST_SOURCE = 5_000_000
"""Bytes of Python that are parsed: Python's tree takes up to 500 times as much memory."""

LARGEST_NOTEBOOK = 100_000_000
"""Bytes of JSON that are read: most of a large notebook are pictures."""

LARGEST_FILE = 100_000_000
"""Bytes of any file that is looked at for torch: they are held, and a sparse file has no end."""

HELD_CHANGES = 50_000_000
"""Bytes of changed files that are held in memory until they are written; more go to the disk."""

LARGEST_SETTINGS = 5_000_000
"""Bytes of a pyproject.toml or an ignore file: a thousand times what people write by hand."""

MOST_JOBS = 256
"""Processes that a pyproject.toml may ask for: each takes 50 MB before it has read anything."""

MOST_ALTERNATIVES = 1_000
"""Patterns that the braces of one exclude pattern stand for: they multiply."""

MOST_TRIED = 200
"""Rewrites of one file that are compiled alone to find the one that does not: each is a parse."""

PROJECT_FILES = 20_000
"""Files of a project that are looked at; in a larger one every name counts as taken."""

PROJECT_DIRECTORIES = 20_000
"""Directories of a project that are listed, for trees that are deep and empty."""

PROJECT_CONTENTS = 1_000
"""Files whose words a process keeps: they take four times as many bytes as the text."""

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

HANDED_FILES = 60
"""Files that a class handed on as a value is followed into."""

HANDED_STEPS = 2_000
"""Expressions that one class is followed through."""

PARSED_FILES = 256
"""Parsed files that a process keeps: a tree is up to 500 times as large as its text."""

DRAFTED_CHARACTERS = 2_000_000
"""Characters of the files that a process keeps drafted for others until their turn comes."""

PROGRAMS = 8
"""Programs (files that may do something to the same layers) that a process keeps."""

KINDS_FILES = 40
"""Files of a project that one file's kinds of value may lead to."""

KINDS_DEEP = 40
"""Files that are analysed one inside the other: each takes a score of Python's frames."""

KINDS_ROUNDS = 3
"""Rounds over files that import each other; what they say of each other settles in two."""

KINDS_CHARACTERS = 4_000_000
"""Characters of the files whose kinds a process keeps: they take fifty times as many bytes."""

KINDS_LONGEST = 400_000
"""Bytes of another file that is looked into for them: model files have a tenth of that."""

KINDS_SHORT = 10_000
"""Bytes of another file without the word torch: a longer one defines no layers."""

KINDS_PASSES = 3
"""Passes over a file, as it turns out which parameters have callers in it."""

KINDS_RUNS = 40
"""Runs of one function over kinds; ordinary files need 3, and one that needs more is unknown."""

KINDS_WIDENINGS = 12
"""Times that what is known of one name may change; after them it is unknown."""

KINDS_BASES = 12
"""Classes that a class is looked up through."""
