"""Ray: a function for `map_batches` of Ray Data, and one Ray task for each task of a portfolio of files."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import ray
from ray.exceptions import RayError

from trivium.portfolio.engines.attempt import attempt
from trivium.portfolio.engines.plan import Outcome, RunSpec, Task
from trivium.portfolio.engines.run import EngineError
from trivium.portfolio.engines.spec import ScorerSpec, scored_batches


SUBMITTED = 1000
"""Most tasks that are submitted and not done. It is large, because a cluster grows by what waits."""

RETRIES = 3
"""How often a task is tried again whose worker died."""

CONNECT_SECONDS = 10.0
"""How long the address of a cluster may take to answer; a cluster may be starting."""

_ATTEMPTS = "RAY_gcs_server_port_wait_time_s"
"""How often Ray tries to connect, each time for 40 s; it says so itself where it reads this. Else it tries 20 times."""

OBJECT_STORE_BYTES = 128 << 20
"""Shared memory of a cluster that is started here: rows go from file to file, so it holds only what to do."""


class ScoreBatches:
    """Scores batches of Ray Data: `dataset.map_batches(ScoreBatches(spec), batch_format="pyarrow")`.

    Each worker process loads the policy once. A row that is no valid profile has its errors in `error`.

    Args:
        spec: what to score by.
    """

    def __init__(self, spec: ScorerSpec) -> None:
        self._spec = spec

    def __call__(self, table: Any) -> Any:
        """Return a `pyarrow.Table` with the answers of its rows added.

        Raises:
            InvalidInputError: no column is a field of a profile, or a column to add is there.
        """
        batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        return pa.Table.from_batches(scored_batches(self._spec, batches))


def score_batches(policy: str | Path | None = None, columns: Sequence[str] | None = None) -> ScoreBatches:
    """Return a function for `map_batches(..., batch_format="pyarrow")`.

    Args:
        policy: a selector such as `1.0.0`, `1` or `latest`, or the path of a YAML file; None for the default policy.
        columns: the columns to add; None for the default ones.

    Raises:
        OSError: the file cannot be read.
        PolicyError: the file's policy does not load.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
        InvalidInputError: a name is not that of a column, or is given twice.
    """
    return ScoreBatches(ScorerSpec.find(policy, columns))


def score_tasks(run: RunSpec, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Do each task as a task of Ray, and yield the outcomes as they are known.

    It uses the cluster that this process is connected to, else the one that `RAY_ADDRESS` names, else the cores of this
    machine.

    Args:
        run: what all tasks have in common.
        tasks: what to do; every machine of the cluster reads and writes their files under the same paths.

    Raises:
        EngineError: there is no such cluster, or it does not start.
    """
    with _connected():
        do_task = ray.remote(num_cpus=1, max_retries=RETRIES)(_attempt)
        shared = ray.put(run)
        waiting = list(reversed(tasks))
        submitted: dict[Any, Task] = {}
        while waiting or submitted:
            while waiting and len(submitted) < SUBMITTED:
                task = waiting.pop()
                submitted[do_task.options(name=task.target).remote(shared, task)] = task
            (done,), _ = ray.wait(list(submitted), num_returns=1)
            task = submitted.pop(done)
            try:
                yield ray.get(done)
            except RayError as error:
                yield Outcome(task, error=f"the task failed: {_last_line(error)}")


def _attempt(run: RunSpec, task: Task) -> Outcome:
    pa.set_cpu_count(1)  # the task has one core; others have the rest
    return attempt(run, task)


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to a cluster; leave it, or stop it, only if this has connected."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            _await(address)
            with _one_attempt():
                ray.init(log_to_driver=False, logging_level="error")
        else:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a started cluster reports itself to its makers
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level="error",
            )
    except (ConnectionError, RuntimeError, OSError, ValueError) as error:
        hint = f"; {_HINT.format(address)}" if address else ""
        raise EngineError(f"Ray does not start: {_last_line(error)}{hint}") from None
    try:
        yield
    finally:
        ray.shutdown()


_HINT = (
    "RAY_ADDRESS is {}: see that a cluster runs there, and that this is its address as `ray start` printed it, or leave"
    " RAY_ADDRESS out to use the cores of this machine"
)


def _await(address: str) -> None:
    """Wait until something listens at an address, because Ray itself would try for a quarter of an hour.

    Raises:
        ConnectionError: nothing does.
        ValueError: the port is no number.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    host, port = parts.hostname, parts.port
    if host is None or port is None:  # as in `auto`
        return
    if host in {"localhost", "127.0.0.1", "::1"}:
        host = ray.util.get_node_ip_address()  # as Ray itself takes it
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            socket.create_connection((host, port), timeout=max(end - time.monotonic(), 0.1)).close()
        except OSError as error:
            if time.monotonic() + 1 > end:
                reason = error.strerror or str(error)
                raise ConnectionError(f"nothing answers within {CONNECT_SECONDS:.0f} s ({reason})") from None
            time.sleep(1)
        else:
            return


@contextmanager
def _one_attempt() -> Iterator[None]:
    """Let Ray try once to connect, unless somebody has said how often."""
    if _ATTEMPTS in os.environ:
        yield
        return
    os.environ[_ATTEMPTS] = "1"
    try:
        yield
    finally:
        del os.environ[_ATTEMPTS]


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
