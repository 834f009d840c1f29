"""A name for each finding that survives edits elsewhere in the file.

It is made of what the finding is about, not of where it stands: the path, the rule, the call's
own text without its blanks, and its rank among equal calls of the file.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from mapper.report.visible import posix

if TYPE_CHECKING:
    from mapper.model.results import FileResult


def fingerprints(file: FileResult) -> list[str]:
    """Return one fingerprint per site of the file, in order."""
    seen: Counter[tuple[str, str, str]] = Counter()
    out = []
    for site in file.sites:
        key = (site.rule, site.api, "".join(site.before.split()))
        out.append(digest(posix(file.path), *key, str(seen[key])))
        seen[key] += 1
    return out


def digest(*words: str) -> str:
    """Return a hash of the words in which no two lists of words can be confused."""
    return sha256("\0".join(map(ascii, words)).encode()).hexdigest()
