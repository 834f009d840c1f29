"""Atomic writes: at every moment and after every accident, the old bytes or the new ones, whole."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mapper.files import atomic_write as write
from mapper.files.atomic_write import PREFIX, WriteError, clean_leftovers, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KILLS = int(os.environ.get("TM2MS_KILLS", "30"))
OLD, NEW = b"old\r\n" * 50, b"new\n" * 9000


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def leftovers(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.name.startswith(PREFIX))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_bytes(OLD)
    return path


def _identity(target: Path) -> tuple[int, ...]:
    """Return what changes when a file is written or replaced; reading changes none of it."""
    found = target.stat()
    return found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns, found.st_ctime_ns


def test_equal_bytes_are_not_written(target: Path) -> None:
    before = _identity(target)
    assert replace(target, OLD, OLD) is None
    assert _identity(target) == before


def test_bytes_that_another_run_wrote_already_are_fine(target: Path) -> None:
    before = _identity(target)
    assert replace(target, OLD, b"what we read before the other run") is None
    assert _identity(target) == before


def test_new_bytes_replace_the_old_and_nothing_else_stays(target: Path) -> None:
    assert replace(target, NEW, OLD) is None
    assert target.read_bytes() == NEW
    assert names(target.parent) == ["model.py"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o664])
def test_the_mode_is_kept_whatever_the_umask(target: Path, mode: int) -> None:
    target.chmod(mode)
    umask = os.umask(0o077)
    try:
        replace(target, NEW, OLD)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.parametrize("step", ["_create", "_lock", "_write_all", "_keep_attributes"])
def test_ctrl_c_waits_until_a_file_is_written(
    step: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = getattr(write, step)

    def interrupted(*arguments: Any, **more: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return work(*arguments, **more)

    monkeypatch.setattr(write, step, interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            replace(target, b"new", target.read_bytes())
    finally:
        signal.signal(signal.SIGINT, before)
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(target: Path) -> None:
    os.chown(target, 1234, 4321)
    target.chmod(0o4755)
    replace(target, NEW, OLD)
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o4755)


def test_an_owner_that_cannot_be_kept_does_not_stop_the_write(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(*args: object) -> None:
        asked.append(args)
        raise PermissionError(errno.EPERM, "not yours")

    real = os.fstat

    def foreign(handle: int) -> Any:
        values = list(real(handle))
        values[stat.ST_UID] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "fstat", foreign)
    replace(target, NEW, OLD)
    assert asked
    assert target.read_bytes() == NEW


def test_extended_attributes_are_kept(target: Path) -> None:
    try:
        os.setxattr(target, "user.tm2ms", b"kept")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    replace(target, NEW, OLD)
    assert os.getxattr(target, "user.tm2ms") == b"kept"


def test_a_symlink_stays_and_its_file_changes(target: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "links"
    elsewhere.mkdir()
    link = elsewhere / "link.py"
    link.symlink_to(target)
    replace(link, NEW, OLD)
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert names(elsewhere) == ["link.py"]


def test_a_hard_link_is_parted_and_the_user_is_told(target: Path, tmp_path: Path) -> None:
    other = tmp_path / "backup.py"
    other.hardlink_to(target)
    remark = replace(target, NEW, OLD)
    assert remark is not None
    assert "had 2 hard links; only this name has the new content" in remark
    assert (target.read_bytes(), other.read_bytes()) == (NEW, OLD)


def test_without_expectation_a_file_is_created_with_the_usual_mode(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        replace(tmp_path / "report.json", NEW, None)
    finally:
        os.umask(umask)
    found = tmp_path / "report.json"
    assert found.read_bytes() == NEW
    assert stat.S_IMODE(found.stat().st_mode) == 0o640


def test_without_expectation_anything_is_overwritten(target: Path) -> None:
    replace(target, NEW, None)
    assert target.read_bytes() == NEW


def test_a_file_that_someone_else_changed_is_left_alone(target: Path) -> None:
    target.write_bytes(b"theirs")
    with pytest.raises(WriteError, match=r"model\.py: changed by someone else .* rerun"):
        replace(target, NEW, OLD)
    assert target.read_bytes() == b"theirs"
    assert names(target.parent) == ["model.py"]


def test_a_change_during_the_write_is_noticed_too(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def meanwhile(handle: int) -> None:
        target.write_bytes(b"theirs")
        real(handle)

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(WriteError, match="changed by someone else"):
        replace(target, NEW, OLD)
    assert target.read_bytes() == b"theirs"
    assert names(target.parent) == ["model.py"]


def test_a_file_that_went_away_is_not_brought_back(target: Path) -> None:
    target.unlink()
    with pytest.raises(WriteError, match="No such file"):
        replace(target, NEW, OLD)
    assert names(target.parent) == []


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="not a regular file"):
        replace(tmp_path, NEW, None)


def test_a_read_only_file_is_refused_even_to_root(target: Path) -> None:
    target.chmod(0o444)
    with pytest.raises(WriteError, match=r"read-only; make it writable \(chmod u\+w\)"):
        replace(target, NEW, OLD)
    assert target.read_bytes() == OLD


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A world-readable directory, seen by someone who is not root."""
    directory = Path(tempfile.mkdtemp())
    user = os.geteuid()
    try:
        directory.chmod(0o755)
        (directory / "model.py").write_bytes(OLD)
        if user == 0:
            os.seteuid(65534)
        else:
            directory.chmod(0o555)
        yield directory
    finally:
        os.seteuid(user)
        directory.chmod(0o755)
        shutil.rmtree(directory)


def test_a_read_only_directory_is_refused(unprivileged: Path) -> None:
    path = unprivileged / "model.py"
    if os.geteuid() == 65534:
        os.seteuid(0)
        os.chown(path, 65534, 65534)
        os.seteuid(65534)
    with pytest.raises(WriteError, match="not written, the file is as it was: Permission denied"):
        replace(path, NEW, OLD)
    assert path.read_bytes() == OLD
    assert names(unprivileged) == ["model.py"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_a_file_of_someone_else_is_refused(unprivileged: Path) -> None:
    with pytest.raises(WriteError, match="read-only"):
        replace(unprivileged / "model.py", NEW, OLD)


FAILING = {
    "disk full at the first write": ("write", 1),
    "disk full after half": ("write", 2),
    "disk full at the sync": ("fsync", 1),
    "mode refused": ("fchmod", 1),
}


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING.keys())
def test_a_failing_write_leaves_the_old_file_and_no_other(
    target: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[str, int]
) -> None:
    name, failing_call = case
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def fail(handle: int, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, args[0][:10]) if name == "write" else real(handle, *args)

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(WriteError, match="the file is as it was: No space left on device"):
        replace(target, NEW, OLD)
    assert calls == failing_call
    assert target.read_bytes() == OLD
    assert names(target.parent) == ["model.py"]


def test_short_writes_are_continued(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:1000]))
    replace(target, NEW, OLD)
    assert target.read_bytes() == NEW


def test_a_real_limit_of_the_file_size_behaves_like_a_full_disk(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WriteError, match="File too large"):
            replace(target, NEW, OLD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == OLD
    assert names(target.parent) == ["model.py"]


def test_ctrl_c_in_the_middle_leaves_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace(target, NEW, OLD)
    assert target.read_bytes() == OLD
    assert names(target.parent) == ["model.py"]


def test_only_abandoned_temporary_files_are_cleaned(tmp_path: Path) -> None:
    dead = tmp_path / f"{PREFIX}{os.getpid()}-00ff.tmp"
    kept = [tmp_path / f"{PREFIX}notes.txt", tmp_path / f"x{PREFIX}1-0.tmp", tmp_path / "a.tmp"]
    for path in [dead, *kept]:
        path.touch()
    link = tmp_path / f"{PREFIX}1-aa.tmp"
    link.symlink_to(kept[0])
    living, handle = write._create(tmp_path, 0o600)
    try:
        assert clean_leftovers(tmp_path) == [dead]
        assert sorted(tmp_path.iterdir()) == sorted([*kept, link, living])
    finally:
        os.close(handle)
    assert clean_leftovers(tmp_path) == [living]


def test_without_locks_the_process_id_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = tmp_path / f"{PREFIX}{ended.pid}-0a.tmp"
    huge = tmp_path / f"{PREFIX}{10**30}-0a.tmp"
    alive = tmp_path / f"{PREFIX}{os.getpid()}-0a.tmp"
    for path in (dead, huge, alive):
        path.touch()
    monkeypatch.setattr(write, "_lock", lambda handle, *, wait: None)
    assert set(clean_leftovers(tmp_path)) == {huge, dead}
    assert list(tmp_path.iterdir()) == [alive]


def test_cleaning_a_directory_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert clean_leftovers(tmp_path / "missing") == []


def test_a_file_swept_up_before_it_was_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write._lock
    swept: list[Path] = []

    def sweep_first(handle: int, *, wait: bool) -> bool | None:
        if not swept:
            swept.extend(tmp_path.iterdir())
            swept[0].unlink()
        return real(handle, wait=wait)

    monkeypatch.setattr(write, "_lock", sweep_first)
    replace(tmp_path / "a.py", NEW, None)
    assert len(swept) == 1
    assert (tmp_path / "a.py").read_bytes() == NEW


FLIP = """
import sys
from pathlib import Path
from mapper.files.atomic_write import WriteError, clean_leftovers, replace
directory, rounds = Path(sys.argv[1]), int(sys.argv[2])
sides = {b"old": b"new" * 60000, b"new": b"old" * 60000}
clean_leftovers(directory)
print(flush=True)
for _ in range(rounds):
    for path in sorted(directory.glob("*.py")):
        data = path.read_bytes()
        try:
            replace(path, sides[data[:3]], data)
        except WriteError as error:
            assert "changed by someone else" in str(error), error
"""


def flip(directory: Path, rounds: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", FLIP, str(directory), str(rounds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(write.__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    process.stdout.close()
    return process


def make_tree(directory: Path) -> list[Path]:
    paths = [directory / f"{name}.py" for name in "abcd"]
    for path in paths:
        path.write_bytes(b"old" * 60000)
    return paths


def test_sigkill_at_random_moments_leaves_whole_files(tmp_path: Path) -> None:
    paths = make_tree(tmp_path)
    choose = random.Random(7)
    left = 0
    for _ in range(KILLS):
        process = flip(tmp_path, 10**6)
        assert leftovers(tmp_path) == [] or process.poll() is None
        time.sleep(choose.uniform(0, 0.02))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert {path.read_bytes() for path in paths} <= {b"old" * 60000, b"new" * 60000}
        left += len(leftovers(tmp_path))
    assert left, "no kill hit a write, so nothing was tested"
    assert flip(tmp_path, 0).wait() == 0
    assert sorted(tmp_path.iterdir()) == paths


DIE = """
import os, signal, sys
from pathlib import Path
from mapper.files import atomic_write as write
owner = {"replace": Path, "unlink": Path}.get(sys.argv[2], os)
real = getattr(owner, sys.argv[2])
def die(*args):
    if sys.argv[3] == "after":
        real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, sys.argv[2], die)
path = Path(sys.argv[1])
write.replace(path, b"new", path.read_bytes())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["urandom", "open", "write", "fchmod", "fsync", "replace"])
def test_sigkill_at_each_step_leaves_a_whole_file(target: Path, step: str, moment: str) -> None:
    command = [sys.executable, "-c", DIE, str(target), step, moment]
    done = subprocess.run(command, cwd=Path(write.__file__).parents[1], check=False)
    assert done.returncode == -signal.SIGKILL
    expected = b"new" if (step, moment) == ("replace", "after") else OLD
    assert target.read_bytes() == expected
    clean_leftovers(target.parent)
    assert names(target.parent) == ["model.py"]


def test_two_runs_at_once_never_mix_their_bytes(tmp_path: Path) -> None:
    paths = make_tree(tmp_path)
    first, second = flip(tmp_path, 40), flip(tmp_path, 40)
    while first.poll() is None or second.poll() is None:
        assert {path.read_bytes() for path in paths} <= {b"old" * 60000, b"new" * 60000}
        clean_leftovers(tmp_path)
    assert (first.wait(), second.wait()) == (0, 0)
    assert sorted(tmp_path.iterdir()) == paths
