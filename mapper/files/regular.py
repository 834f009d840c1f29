"""The bytes of a regular file, and of nothing else: the one way in which files are opened to read.

A tree may hold pipes that nobody writes to, devices without an end, and links to both. Whatever is
no regular file is an error at once, and so is one that is larger than whoever asks can hold.
"""

# Strings, not Paths: importing pathlib takes as long as all that a file without torch costs.
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import os
import stat

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that took the file's place must not hold us up
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_CHUNK = 1 << 20


def read(path: str | os.PathLike[str], most: int, *, follow: bool = True) -> bytes:
    """Return the bytes of a regular file that holds at most `most` of them.

    `follow` says whether the path may be a symbolic link.

    Raises:
        OSError: it cannot be read, is no regular file (a pipe, a device, …), or is too large.
    """
    handle = open_regular(path, follow=follow)
    try:
        if os.fstat(handle).st_size > most:
            raise _too_large(path, most)
        parts, size = list[bytes](), 0
        while part := os.read(handle, _CHUNK):
            parts.append(part)
            size += len(part)
            if size > most:  # it grows, or says that it is empty, as in /proc
                raise _too_large(path, most)
        return b"".join(parts)
    finally:
        os.close(handle)


def open_regular(path: str | os.PathLike[str], *, follow: bool = True) -> int:
    """Return a handle to read a regular file from.

    It is looked at before it is opened, since opening a device may do something, and again after,
    since it may be another one by then.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    _check(path, os.stat(path, follow_symlinks=follow).st_mode)
    handle = os.open(path, _FLAGS | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        _check(path, os.fstat(handle).st_mode)
    except OSError:
        os.close(handle)
        raise
    return handle


def _check(path: str | os.PathLike[str], mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def _too_large(path: str | os.PathLike[str], most: int) -> OSError:
    words = f"larger than {most / 1e6:.0f} MB; leave it out with --extend-exclude"
    return OSError(errno.EFBIG, words, os.fspath(path))
