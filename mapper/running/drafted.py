"""Files of the project that were drafted for another one, kept until their own turn comes."""

from __future__ import annotations

from pathlib import Path

from mapper.analysis.module import ParsedModule
from mapper.files import regular
from mapper.files.candidates import is_candidate
from mapper.files.source import check_size, decode
from mapper.files.suppressions import Suppressions
from mapper.limits import LARGEST_NOTEBOOK, LARGEST_SOURCE
from mapper.model.record import record
from mapper.running.models import Models


@record(frozen=True, slots=True)
class Drafted:
    """A module with the drafts of its sites; `off` is what switches some of them off."""

    module: ParsedModule
    models: Models
    off: Suppressions | None


@record(frozen=True, slots=True)
class Readable:
    """The Python of a file, that of a notebook as one module."""

    text: str
    newline: str


def readable(file: Path) -> Readable | None:
    """Return the Python of a file; None where it takes nothing of torch's.

    Raises:
        OSError: it cannot be read.
        SourceError: it is no text, or too large.
    """
    is_notebook = file.suffix == ".ipynb"
    limit = LARGEST_NOTEBOOK if is_notebook else LARGEST_SOURCE
    data = regular.read(file, limit)
    if not is_candidate(data, str(file)):
        return None
    check_size(len(data), limit)
    found = decode(data)
    if is_notebook:
        from mapper.files.notebook_module import Joined

        book = Joined(found.text)
        return Readable(book.text, book.newline)
    return Readable(found.text, found.newline)


class Kept:
    """Drafted files that have at most so many characters together.

    A run goes through files in the order of their paths, so those that come last are given up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: dict[Path, Drafted] = {}

    def clear(self) -> None:
        """Give all of them up."""
        self._files.clear()

    def add(self, file: Path, drafted: Drafted) -> None:
        """Keep a file, if there is room for it and for those that come before it."""
        self._files[file] = drafted
        while sum(len(one.module.text) for one in self._files.values()) > self._most:
            del self._files[max(self._files)]

    def pop(self, file: Path | None, text: str) -> Drafted | None:
        """Return a file and keep it no longer; None where it is not kept or has another text."""
        found = None if file is None else self._files.pop(file, None)
        return found if found is not None and found.module.text == text else None
