"""What the disk, the system and other people do to a run of the real command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shell import COMMAND, ROOT, environment, tm2ms

SOURCE = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
LARGE = SOURCE + "# a comment that takes its room on the disk\n" * 1_000


def outcome(command: list[str], why: str) -> None:
    """Skip the test where the system does not allow a command."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{why}: {command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{why}: {done.stderr.strip()}")


FULL_DISK = """
mount -t tmpfs -o size=64k tmpfs disk
cp model.py disk/
"$@" migrate disk
code=$?
cmp model.py disk/model.py && ls -A disk
exit $code
"""


def test_a_full_disk_fails_the_file_and_keeps_it(tmp_path: Path) -> None:
    alone = ["unshare", "--mount", "--map-root-user"]
    outcome([*alone, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], "no disk can be mounted")
    (tmp_path / "model.py").write_text(LARGE)
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*alone, "sh", "-c", FULL_DISK, "sh", *COMMAND],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "not written, the file is as it was: No space left on device" in done.stdout
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "model.py"


def without_privileges() -> list[str]:
    """Return what runs a command that permissions hold back, as they do not root."""
    if os.geteuid() != 0:
        return []
    drop = "-dac_override,-dac_read_search,-fowner"
    command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]
    outcome([*command, "true"], "root cannot give up its privileges")
    return command


READ_ONLY = {
    "a directory": (".", 0o555, "not written, the file is as it was: Permission denied"),
    "a file": ("model.py", 0o444, "the file is read-only; make it writable (chmod u+w)"),
    "a file that nobody may read": ("model.py", 0o000, "cannot be read: Permission denied"),
}


@pytest.mark.parametrize(("name", "mode", "words"), READ_ONLY.values(), ids=READ_ONLY)
def test_permissions_fail_the_file_and_the_others_are_done(
    tmp_path: Path, name: str, mode: int, words: str
) -> None:
    command = without_privileges()
    closed, fine = tmp_path / "closed", tmp_path / "fine.py"
    closed.mkdir()
    (closed / "model.py").write_text(SOURCE)
    fine.write_text(SOURCE)
    (closed / name).chmod(mode)
    try:
        done = subprocess.run(
            [*command, *COMMAND, "migrate", "."],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        (closed / name).chmod(0o755)
    assert done.returncode == 2
    assert words in done.stdout
    assert "Traceback" not in done.stderr
    assert (closed / "model.py").read_text() == SOURCE
    assert [path.name for path in closed.iterdir()] == ["model.py"]
    assert "mindspore" in fine.read_text()


def test_a_hard_link_keeps_the_old_content_and_the_report_says_so(tmp_path: Path) -> None:
    tree, backup = tmp_path / "tree", tmp_path / "backup.py"
    tree.mkdir()
    (tree / "model.py").write_text(SOURCE)
    backup.hardlink_to(tree / "model.py")
    done = tm2ms("migrate", "tree", cwd=tmp_path)
    assert done.returncode == 0
    assert b"had 2 hard links; only this name has the new content" in done.stdout
    assert backup.read_text() == SOURCE
    assert "mindspore" in (tree / "model.py").read_text()


def test_mode_and_owner_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    path.chmod(0o750)
    before = path.stat()
    assert tm2ms("migrate", "model.py", cwd=tmp_path).returncode == 0
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip
    assert after.st_ino != before.st_ino, "written through, not replaced"


MEDDLER = """
import sys
def hook(event, arguments):
    if event == "open" and {moment!r} in str(arguments[0]) and not done:
        done.append(True)
        with open({victim!r}, "a") as stream:
            stream.write("# by someone else\\n")
done = []
sys.addaudithook(hook)
"""
MOMENTS = {"since it was read": "z_last.py", "while it was written": ".tm2ms-"}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_file_that_someone_else_changes_is_reported_and_left(tmp_path: Path, moment: str) -> None:
    tree, hook = tmp_path / "tree", tmp_path / "hook"
    for directory in (tree, hook):
        directory.mkdir()
    victim, last = tree / "model.py", tree / "z_last.py"
    for path in (victim, last):
        path.write_text(SOURCE)
    meddler = MEDDLER.format(moment=moment, victim=str(victim))
    (hook / "sitecustomize.py").write_text(meddler)
    done = tm2ms("migrate", "-j2", "tree", cwd=tmp_path, PYTHONPATH=f"{hook}:{ROOT}")
    assert done.returncode == 2
    assert b"changed by someone else since it was read" in done.stdout
    assert victim.read_text() == SOURCE + "# by someone else\n"
    assert "mindspore" in last.read_text()
    assert sorted(path.name for path in tree.iterdir()) == ["model.py", "z_last.py"]


def start(tree: Path, jobs: int) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [*COMMAND, "migrate", "-q", f"-j{jobs}", "."],
        cwd=tree, env=environment(), stdout=quiet, stderr=quiet, start_new_session=True,
    )  # fmt: skip


def test_two_runs_at_once_write_the_same_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"m{number}.py" for number in range(12)]
    for path in paths:
        path.write_text(LARGE)
    assert [run.wait() for run in [start(tmp_path, 1), start(tmp_path, 1)]] == [0, 0]
    assert len({path.read_text() for path in paths}) == 1
    assert "mindspore" in paths[0].read_text()
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"m{number}.py").write_text(SOURCE + "c = nn.Conv2d(3, 8, 3)\n" * 8_000)
    run = start(tmp_path, 2)
    group = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    if not group.parent.exists():
        pytest.skip("the system does not tell the children of a process")
    while not group.read_text():
        assert run.poll() is None, "it ended without a pool, so nothing was tested"
        time.sleep(0.01)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    for _ in range(300):
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    pytest.fail("its workers are still there")


LEFT_IN = {"in place": ([], "."), "into a mirror": (["--output", "mirror"], "mirror")}


@pytest.mark.parametrize(("flags", "place"), LEFT_IN.values(), ids=LEFT_IN)
def test_the_next_run_removes_what_a_killed_one_left(
    tmp_path: Path, flags: list[str], place: str
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "plain.py").write_text("x = 1\n")
    (tmp_path / place).mkdir(exist_ok=True)
    left = tmp_path / place / f".tm2ms-{ended.pid}-0123456789ab.tmp"
    left.write_text("half of a fi")
    tm2ms("migrate", "--check", ".", cwd=tmp_path)
    assert left.exists(), "a check writes nothing"
    tm2ms("migrate", *flags, ".", cwd=tmp_path)
    assert not left.exists()
