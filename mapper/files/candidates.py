"""Which files the tool looks at: those that mention torch, or may take a name of torch's.

A run asks this of every file, and a hook at every commit, so strings stand for paths and nothing
is parsed: what a file imports is read off its lines, and errs towards yes.
"""

# ruff: noqa: PTH112, PTH113, PTH118, PTH120

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache

from mapper.files import regular
from mapper.files.prefilter import MARK, may_mention_conv, may_mention_torch
from mapper.limits import LARGEST_SOURCE, PROJECT_HOPS

# a statement may begin behind `;`, and in a notebook behind a quote or an escaped line end
_IMPORT = re.compile(
    rb"(?:^|[\r\n;]|\\n|\")[ \t]*(?:from[ \t]+(\.*)[ \t]*([\w.]*)[ \t]+import[ \t(]+([\w \t,]*)"
    rb"|import[ \t]+([\w., \t]+))"
)
_ABOVE = 12  # directories above a file in which a module that it imports may stand
Module = tuple[int, str]
"""How many dots stand before a module's name in `from … import`, and the name."""


def is_candidate(data: bytes, path: str | None, is_whole: bool = True) -> bool:
    """Tell quickly whether there may be a site in a file; `path` is where it stands, if it does.

    `is_whole`: every reference to torch is a site, not only convolutions.
    """
    if not is_whole:
        return may_mention_conv(data)
    return may_mention_torch(data) or (path is not None and _takes_torch(data, path, PROJECT_HOPS))


def may_concern_us(data: bytes, path: str | None, is_whole: bool = True) -> bool:
    """Tell quickly whether there could be anything to do in, or to say about, a file."""
    return MARK in data or is_candidate(data, path, is_whole)


def _takes_torch(data: bytes, path: str, hops: int) -> bool:
    """Say whether a file of the project that this one imports mentions torch, or takes it so."""
    if b"import" not in data:
        return False
    modules = dict.fromkeys(_modules(data))
    return any(
        _is_torch(file, *_state(file), hops)
        for module in modules
        for file in _files(module, os.path.dirname(os.path.abspath(path)))  # noqa: PTH100
        if file != path
    )


def _modules(data: bytes) -> Iterator[Module]:
    """Yield the modules that a file imports, save those of Python's own library."""
    for dots, module, names, plain in _IMPORT.findall(data):
        found = [(len(dots), module.decode())]
        if dots and not module:  # `from . import blocks`
            found = [(len(dots), name) for name in re.findall(r"\w+", names.decode())]
        if plain:
            found = [(0, part.split()[0]) for part in plain.decode().split(",") if part.strip()]
        for level, name in found:
            if level or name.partition(".")[0] not in sys.stdlib_module_names:
                yield level, name


def _files(module: Module, directory: str) -> Iterator[str]:
    """Yield the files that a module may be, from a file in that directory."""
    level, name = module
    parts = name.split(".")
    if level:
        for _ in range(level - 1):
            directory = os.path.dirname(directory)
        yield from _at(os.path.join(directory, *parts))
        return
    for _ in range(_ABOVE):
        place = os.path.join(directory, parts[0])
        if os.path.isdir(place) or os.path.isfile(f"{place}.py"):
            yield from _at(os.path.join(directory, *parts))
            return
        above = os.path.dirname(directory)
        if above == directory:
            return
        directory = above


def _at(place: str) -> Iterator[str]:
    for file in (f"{place}.py", os.path.join(place, "__init__.py")):
        if os.path.isfile(file):
            yield file


def _state(file: str) -> tuple[int, int]:
    """Return what changes when a file is written."""
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=10_000)
def _is_torch(file: str, changed: int, size: int, hops: int) -> bool:
    try:
        data = regular.read(file, LARGEST_SOURCE)
    except (OSError, ValueError):
        return False
    return b"torch" in data or (hops > 0 and _takes_torch(data, file, hops - 1))
