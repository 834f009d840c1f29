"""The tool over much foreign code, in memory: what is promised is checked file by file.

Run: python fuzz/corpora.py NAME=DIRECTORY [NAME=DIRECTORY]...
Nothing is written. Prints one line of counts per corpus and one per broken promise; exits 1 then.
A file is parsed by Python first: what parsed before must parse after, and is counted as failed only
when it did not parse. `missing` sums the references that tests/counter.py finds and we do not.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mapper.files.prefilter import may_mention_conv
from mapper.files.source import SourceError, decode
from mapper.model.options import Options
from mapper.model.results import FileStatus
from tests.counter import count
from tests.reliability.invariants import BrokenError, checked

NAMES = (
    "files", "passed over, and counted", "with convolutions", "changed", "failed",
    "did not parse before", "sites", "migrated", "unsafe", "manual", "ignored", "counted",
    "uncountable", "missing", "broken",
)  # fmt: skip


def parses(data: bytes) -> bool:
    """Say whether Python itself reads the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(data, "<corpus>", "exec", dont_inherit=True, flags=0x400)  # PyCF_ONLY_AST
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def one(path: Path, seen: Counter[str]) -> None:
    """Process one file and count what became of it."""
    data = path.read_bytes()
    seen["files"] += 1
    if not may_mention_conv(data):
        if b"torch" in data and path.suffix == ".py" and parses(data):
            seen["passed over, and counted"] += 1
            _count(path, data, 0, seen)
        return
    seen["with convolutions"] += 1
    was_fine = path.suffix == ".ipynb" or parses(data)
    seen["did not parse before"] += not was_fine
    try:
        result = checked(str(path), data, Options(select=("conv",)))
    except BrokenError as error:
        seen["broken"] += 1
        print(f"BROKEN {path}: {error}")
        return
    seen["changed"] += result.status is FileStatus.CHANGED
    seen["sites"] += len(result.sites)
    seen.update(site.status.value for site in result.sites)
    if result.status is FileStatus.FAILED:
        seen["failed"] += 1
        if was_fine:
            seen["broken"] += 1
            print(f"BROKEN {path}: parsed before, and failed: {result.message}")
    elif path.suffix == ".py":
        _count(path, data, len(result.sites), seen)


def _count(path: Path, data: bytes, sites: int, seen: Counter[str]) -> None:
    try:
        counted = count(decode(data).text)
    except (AssertionError, RecursionError, SourceError, SyntaxError) as error:
        seen["uncountable"] += 1
        print(f"UNCOUNTABLE {path}: {type(error).__name__}: {error}")
        return
    seen["counted"] += counted
    if sites < counted:
        seen["missing"] += counted - sites
        seen["broken"] += 1
        print(f"BROKEN {path}: {sites} sites, {counted} references")


def main(arguments: list[str]) -> int:
    """Go over the corpora; return the exit code."""
    broken = 0
    for argument in arguments:
        name, _, directory = argument.partition("=")
        began, seen = time.perf_counter(), Counter[str]()
        found = [p for end in ("py", "ipynb") for p in Path(directory).rglob(f"*.{end}")]
        for path in sorted(p for p in found if p.is_file()):
            one(path, seen)
        words = ", ".join(f"{seen[key]} {key}" for key in NAMES)
        print(f"{name}: {words}; {time.perf_counter() - began:.0f} s", flush=True)
        broken += seen["broken"]
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
