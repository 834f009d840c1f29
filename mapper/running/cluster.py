"""`--dask ADDRESS`: an existing dask cluster as the executor of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import mapper

if TYPE_CHECKING:
    from concurrent.futures import Executor

SECONDS = 10  # to reach the scheduler
PER_CORE = 4  # tasks under way for each core of the cluster


class ClusterError(Exception):
    """The cluster cannot be used; the message says why, and what to do."""


@contextmanager
def connected(address: str) -> Iterator[tuple[Executor, int]]:
    """Yield the cluster's executor, and how many tasks it should have at a time.

    The cluster stays as it is afterwards; only the connection is closed.

    Raises:
        ClusterError: dask is missing here, or the cluster, or tm2ms there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError("--dask needs an extra: pip install 'tm2ms[dask]'") from error
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False, name="tm2ms")
    except (OSError, ValueError) as error:
        raise ClusterError(f"--dask {address}: no scheduler was reached: {error}") from error
    with client:
        _check_versions(client, address)
        cores = sum(client.ncores().values())
        with client.get_executor(pure=False) as executor:
            yield executor, max(16, PER_CORE * cores)


def _check_versions(client: Any, address: str) -> None:
    """Raise unless every worker has the version of tm2ms that runs here."""
    try:
        versions = set(client.run(version).values())
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ClusterError(f"--dask {address}: {_advice()} ({said})") from error
    if wrong := versions - {mapper.__version__}:
        raise ClusterError(f"--dask {address}: {_advice()}, not {', '.join(sorted(wrong))}")


def _advice() -> str:
    return f"its workers need tm2ms {mapper.__version__}"


def version() -> str:
    """Return the version of tm2ms that is running; asked on every worker."""
    return mapper.__version__
