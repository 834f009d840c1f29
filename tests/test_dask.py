"""`--dask`: a real cluster of two worker processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult
from mapper.running.cluster import ClusterError, connected
from mapper.running.config import load
from mapper.running.tree import migrate_files
from tests.shell import environment, tm2ms
from tests.test_process import TEXT

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("default"),  # those of dask are not ours
]
FILES = 60

_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a cluster beside us, as an existing one is, in another directory; yield its address."""
    pytest.importorskip("distributed", reason="needs the dask extra: pip install -e '.[dask]'")
    there = tmp_path_factory.mktemp("cluster")
    script = there / "cluster.py"
    script.write_text(_CLUSTER)
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=there,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin and running.stdout
        yield running.stdout.readline().strip()
        running.stdin.close()
        running.wait(60)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a directory with files to change, each with much to prove."""
    monkeypatch.chdir(tmp_path)
    for number in range(FILES):
        calls = "".join(
            f"nn.Conv2d({number + 3}, {one + 1}, {one % 5 + 1}, padding={number % 4})\n"
            for one in range(10)
        )
        Path(f"m{number:02}.py").write_text(TEXT + calls)
    Path("plain.py").write_text("x = 1\n")
    return tmp_path


def run(tree: Path, **flags: object) -> list[FileResult]:
    return migrate_files(["."], load(tree, {"check": True, **flags}), Options(select=("conv",)))


def test_a_cluster_gives_what_one_process_gives(cluster: str, tree: Path) -> None:
    alone = run(tree, jobs=1)
    assert len(alone) == FILES + 1
    assert run(tree, dask=cluster) == alone


def test_the_command_line_prints_the_same_diff(cluster: str, tree: Path) -> None:
    alone = tm2ms("migrate", "--diff", "-j1", ".", cwd=tree)
    there = tm2ms("migrate", "--diff", "--dask", cluster, ".", cwd=tree)
    assert (there.returncode, there.stdout) == (1, alone.stdout)


def test_files_are_switched_off_by_where_they_are_here(cluster: str, tree: Path) -> None:
    (tree / "pyproject.toml").write_text('[tool.tm2ms.per-file-ignores]\n"m0*.py" = ["TM101"]\n')
    ran = tm2ms("migrate", "--check", "--dask", cluster, ".", cwd=tree)
    alone = tm2ms("migrate", "--check", "-j1", ".", cwd=tree)
    verdict = alone.stderr.decode().rpartition(";")[0]
    assert ran.stderr.decode().rpartition(";")[0] == verdict
    assert "ignored" in verdict


def test_a_worker_that_is_killed_in_mid_run_loses_nothing(cluster: str, tree: Path) -> None:
    alone = run(tree, jobs=1)
    killed: list[int] = []

    def watch(total: int, results: Iterator[FileResult]) -> Iterator[FileResult]:
        for number, result in enumerate(results):
            if number == FILES // 4:
                killed.append(kill_a_worker(cluster))
            yield result

    config = load(tree, {"check": True, "dask": cluster})
    assert migrate_files(["."], config, Options(select=("conv",)), watch) == alone
    assert killed


def kill_a_worker(address: str) -> int:
    """End one worker's process as the kernel does when memory runs out."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        assert len(client.ncores()) == 2
        pids: dict[str, Any] = client.run(os.getpid)
        pid = int(next(iter(pids.values())))
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
    return pid


def test_an_address_where_nothing_listens_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed", reason="needs the dask extra: pip install -e '.[dask]'")
    monkeypatch.setattr("mapper.running.cluster.SECONDS", 1)
    with (
        pytest.raises(ClusterError, match=r"--dask tcp://127\.0\.0\.1:9: no scheduler"),
        connected("tcp://127.0.0.1:9"),
    ):
        pass


def test_workers_with_another_version_are_refused(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapper.__version__", "99.0")
    with (
        pytest.raises(ClusterError, match=r"its workers need tm2ms 99\.0, not 0\."),
        connected(cluster),
    ):
        pass


def test_without_the_extra_the_way_to_get_it_is_said(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'tm2ms\[dask\]'"):
        run(tree, dask="tcp://127.0.0.1:9")
