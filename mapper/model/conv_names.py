"""How torch's convolutions are named, as regular expressions: the one place that says it."""

from __future__ import annotations

CLASS = r"(?:Lazy)?Conv(?:Transpose)?[123]d"
FUNCTION = r"conv(?:_transpose)?[123]d"

AFTER_FIRST_LETTER = r"onv(?:_?[Tt]ranspose)?[123]d"
"""How either goes on after its first letter, for searches in whole files.

A literal first byte lets `re` search three times as fast as `[Cc]onv…`, and hits are as rare.
"""
