"""Put new bytes in the place of old ones, whole or not at all.

A temporary file beside the target is written, synced and renamed over it, so at every moment the
target holds either the old bytes or the new ones. The temporary file is locked as long as its
writer lives; one that nobody locks was left by a killed run and is removed by `clean_leftovers`.

A file with hard links gets a new inode like every other: writing through the shared inode could
not be atomic, and the other names often belong to a cache or a backup that wants the old bytes.
The caller is told, so that the report can say so.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.files import regular

if TYPE_CHECKING:
    from types import FrameType

if sys.platform != "win32":
    import fcntl

PREFIX = ".tm2ms-"
_TEMPORARY = re.compile(rf"{re.escape(PREFIX)}(\d+)-[0-9a-f]+\.tmp")
_BINARY = getattr(os, "O_BINARY", 0)


class WriteError(Exception):
    """A file that was not written and still has its old content, with reason and remedy."""


def replace(path: Path, data: bytes, expected: bytes | None) -> str | None:
    """Replace a file's bytes atomically; return a remark for the user, or None.

    A symbolic link is followed to its file. Mode, owner and extended attributes are kept where the
    system lets us. `expected` is what was read before: other content by now is someone else's work
    and is left alone (unless it is `data` already, as when two runs meet). With None the file may
    be missing, and is not compared.
    """
    target = Path(os.path.realpath(path))
    try:
        found = _writable(path, target)
        if _settled(path, target, data, expected):
            return None
        _swap(path, target, data, expected, found)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{path}: not written, the file is as it was: {reason}") from error
    if found is not None and found.st_nlink > 1:
        return (
            f"{path} had {found.st_nlink} hard links; "
            "only this name has the new content, the others keep the old"
        )
    return None


def clean_leftovers(directory: Path) -> list[Path]:
    """Remove the temporary files that killed runs left in a directory; return their paths."""
    removed = []
    with suppress(OSError), os.scandir(directory) as entries:
        for name in sorted(entry.name for entry in entries if _TEMPORARY.fullmatch(entry.name)):
            path = directory / name
            if _remove_if_abandoned(path):
                removed.append(path)
    return removed


def _writable(path: Path, target: Path) -> os.stat_result | None:
    """Check that the target may be replaced; None when it is not there."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise WriteError(f"{path}: not a regular file, so it is not replaced")
    effective = os.access in os.supports_effective_ids
    if not found.st_mode & 0o222 or not os.access(target, os.W_OK, effective_ids=effective):
        raise WriteError(f"{path}: the file is read-only; make it writable (chmod u+w) and rerun")
    return found


def _settled(path: Path, target: Path, data: bytes, expected: bytes | None) -> bool:
    """Tell whether the target holds the new bytes already; refuse what nobody expected."""
    current: bytes | None = None
    try:
        current = regular.read(target, max(len(data), len(expected or b"")))
    except FileNotFoundError:
        if expected is not None:
            raise
    except OSError as error:
        if error.errno != errno.EFBIG:  # a larger one is neither of the two
            raise
    if current != data and expected is not None and current != expected:
        raise WriteError(
            f"{path}: changed by someone else since it was read, so it is left alone; rerun"
        )
    return current == data


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put a Ctrl-C off until the block is done: it would leave what the block has made.

    Only where Python handles signals, in the main thread.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if caught:
            handler(*caught[0])


@_undisturbed()
def _swap(
    path: Path, target: Path, data: bytes, expected: bytes | None, found: os.stat_result | None
) -> None:
    """Write a temporary file, and rename it over the target after a last look."""
    temporary, handle = _create(target.parent, 0o666 if found is None else 0o600)
    try:
        try:
            _write_all(handle, data)
            if found is not None:
                _keep_attributes(handle, target, found)
            os.fsync(handle)
            settled = _settled(path, target, data, expected)
            # Renamed before the lock goes, so that nobody takes it for a leftover; Windows cannot.
            if not settled and sys.platform != "win32":
                temporary.replace(target)
        finally:
            os.close(handle)
        if not settled and sys.platform == "win32":
            temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _create(directory: Path, mode: int) -> tuple[Path, int]:
    """Create a temporary file that is locked for as long as the handle is open."""
    while True:
        path = directory / f"{PREFIX}{os.getpid()}-{os.urandom(6).hex()}.tmp"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        _lock(handle, wait=True)
        # Another run may have swept the file up in the moment before it was locked.
        if os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _keep_attributes(handle: int, target: Path, found: os.stat_result) -> None:
    """Give the temporary file the owner, mode and extended attributes of the target."""
    if sys.platform == "win32":
        return
    created = os.fstat(handle)
    if (created.st_uid, created.st_gid) != (found.st_uid, found.st_gid):
        with suppress(OSError):
            os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
    if sys.platform == "linux":
        with suppress(OSError):
            for name in os.listxattr(target):
                with suppress(OSError):
                    os.setxattr(handle, name, os.getxattr(target, name))


def _lock(handle: int, *, wait: bool) -> bool | None:
    """Lock an open file: True when it is ours, False when another holds it, None without locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_if_abandoned(path: Path) -> bool:
    """Remove a temporary file unless its writer is still at work."""
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        locked = _lock(handle, wait=False)
        if locked is False or (locked is None and _owner_lives(path)):
            return False
        if sys.platform == "win32":
            os.close(handle)
            handle = -1
        path.unlink()
    except OSError:
        return False
    finally:
        if handle != -1:
            os.close(handle)
    return True


def _owner_lives(path: Path) -> bool:
    """Ask by process id, where the file system has no locks; Windows guards open files itself."""
    if sys.platform == "win32":
        return False
    owner = _TEMPORARY.fullmatch(path.name)
    try:
        os.kill(int(owner[1]) if owner else 0, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
