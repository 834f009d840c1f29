"""`--output DIR`: which file goes where, and what is copied as it is; all checked before a write.

The mirror is the tree as the walk sees it, so that it can be run: sources, rewritten or not, and
data, configuration and texts. A link inside the tree becomes a link inside the mirror.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mapper.files import regular
from mapper.files.discover import Found
from mapper.files.paths import shown
from mapper.model.results import FileResult
from mapper.running.file import failed

_CHUNK = 1 << 20


class MirrorError(Exception):
    """A mirror that cannot be written as asked; the message says why."""


@dataclass(slots=True)
class Mirror:
    """Where everything goes: `copies` and `links` are all that is not done by the migration."""

    output: Path
    copies: list[tuple[Found, Path]] = field(default_factory=list)
    links: list[tuple[Found, Path, str]] = field(default_factory=list)

    def write(self) -> Iterator[FileResult]:
        """Copy and link; yield a result for what cannot be."""
        for found, target in self.copies:
            if (error := _copied(found.name, target)) is not None:
                yield failed(shown(found.name), f"cannot be copied to {target}: {error}")
        for found, target, text in self.links:
            if (error := _linked(text, target)) is not None:
                yield failed(shown(found.name), f"cannot be linked at {target}: {error}")


def target_of(found: Found, output: Path) -> Path:
    """Return the path that a file goes to: below the output as it is below the path named."""
    path, root = found.path, found.root
    return output / (path.relative_to(root) if root != path else path.name)


def planned(everything: Iterable[Found], output: Path) -> tuple[list[Found], Mirror]:
    """Return the files to migrate, and the plan for all others.

    Raises:
        MirrorError: two files go to one place, or one leaves the output directory.
    """
    mirror, sources = Mirror(output), list[Found]()
    top = os.path.realpath(output)
    if os.path.lexists(top) and not Path(top).is_dir():
        raise MirrorError(f"{output}: not a directory, so nothing can be put into it")
    taken = dict[str, Found]()
    homes = dict[str, Path]()  # of what is no link
    links = list[tuple[Found, Path]]()
    everything = list(everything)
    for found in everything:
        if found.error is not None:
            sources.append(found)
            continue
        target = target_of(found, output)
        _check(found, target, top, taken)
        if found.link is not None:
            links.append((found, target))
            continue
        homes[os.path.realpath(found.name)] = target
        if found.is_source:
            sources.append(found)
        else:
            mirror.copies.append((found, target))
    _check_sources(everything, taken)
    for found, target in links:
        assert found.link is not None
        home = homes.get(found.link)
        if home is not None:
            text = os.path.relpath(home, target.parent)
            mirror.links.append((found, target, text))
    return sources, mirror


def _check(found: Found, target: Path, top: str, taken: dict[str, Found]) -> None:
    """Raise where a file would leave the output directory, or meet another one in it."""
    place = os.path.realpath(target.parent)
    if not _is_below(place, top):
        raise MirrorError(
            f"{target}: a symbolic link above it leads out of {top} to {place}: remove the link, "
            "or name another directory; nothing was written"
        )
    whole = str(Path(place, target.name))
    if target.is_symlink() and not _is_below(os.path.realpath(target), top):
        raise MirrorError(
            f"{target}: a symbolic link that leads out of {top}: remove it, or name another "
            "directory; nothing was written"
        )
    key = whole if found.link is not None else os.path.realpath(whole)
    other = taken.setdefault(key, found)
    if other is not found:
        raise MirrorError(
            f"{other.name} and {found.name} would both become {target}: mirror them into two "
            "directories; nothing was written"
        )


def _check_sources(everything: Iterable[Found], taken: dict[str, Found]) -> None:
    """Raise where the mirror would be written over the tree that it shows."""
    for found in everything:
        if os.path.realpath(found.name) in taken:
            raise MirrorError(
                f"{found.name}: the mirror would be written over the source: name another "
                "directory; nothing was written"
            )


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)


def _copied(source: str, target: Path) -> str | None:
    """Copy a regular file whole or not at all, with its mode; say why it was not."""
    temporary = target.with_name(f".tm2ms-{os.getpid()}-{os.urandom(6).hex()}.tmp")
    try:
        handle = regular.open_regular(source)
        with os.fdopen(handle, "rb") as stream:
            target.parent.mkdir(parents=True, exist_ok=True)
            if _is_same(stream, target):
                return None
            try:
                with temporary.open("xb") as copy:
                    shutil.copyfileobj(stream, copy)
                temporary.chmod(os.fstat(stream.fileno()).st_mode & 0o777)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _is_same(stream: BinaryIO, target: Path) -> bool:
    """Say whether a copy of what is read is there already, and go back to the beginning."""
    try:
        if target.is_symlink() or target.stat().st_size != os.fstat(stream.fileno()).st_size:
            return False
        with os.fdopen(regular.open_regular(target), "rb") as there:
            while part := stream.read(_CHUNK):
                if there.read(len(part)) != part:
                    return False
    except OSError:
        return False
    finally:
        stream.seek(0)
    return True


def _linked(text: str, target: Path) -> str | None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() and str(target.readlink()) == text:
            return None
        target.unlink(missing_ok=True)
        target.symlink_to(text)
    except OSError as error:
        return error.strerror or str(error)
    return None
