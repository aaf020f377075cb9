"""The supervisor: a killed worker comes back, a killed parent leaves nothing behind, and a stop always ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reliability import blocking
from reliability.service import Service, running, send, status, until
from trivium.api.server.supervisor import RESTARTS


pytestmark = pytest.mark.e2e


def is_gone(process: int) -> bool:
    """Say whether a process has ended; its new parent may be slow to bury it."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def kill_worker(service: Service) -> int:
    worker = service.worker()
    os.kill(worker, signal.SIGKILL)
    until(lambda: is_gone(worker))
    return worker


def test_a_killed_worker_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        worker = kill_worker(service)
        until(service.is_ready)
        assert service.worker() != worker
        assert status(service.port, "/version") == 200
        (restart,) = service.events("worker_restarted")
        assert (restart["level"], restart["killed_by"]) == ("warning", "SIGKILL")
        assert service.stop() == 0


def test_a_worker_that_is_killed_over_and_over_is_given_up(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for restarts in range(1, RESTARTS + 1):
            kill_worker(service)
            until(lambda restarts=restarts: len(service.events("worker_restarted")) == restarts)  # type: ignore[misc]
            until(service.is_ready)
        kill_worker(service)
        assert service.process.wait(60) == 4
        assert service.errors().endswith("Error: the worker was killed by SIGKILL, 6 times within 60 seconds\n")


def test_a_killed_parent_takes_its_worker_along(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with running(tmp_path / "service", command=[sys.executable, blocking.__file__, str(gate)]) as service:
        worker = service.worker()
        held = send(service.port, b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")  # not even a worker that hangs stays
        until(lambda: status(service.management, "/livez", timeout=1) == 0)
        service.process.kill()
        service.process.wait()
        until(lambda: is_gone(worker))
        held.close()


def test_a_worker_that_hangs_is_killed_by_the_third_signal(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with running(tmp_path / "service", command=[sys.executable, blocking.__file__, str(gate)]) as service:
        held = send(service.port, b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: status(service.management, "/livez", timeout=1) == 0)
        worker = service.worker()
        for _ in range(3):
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)  # else two of them may arrive as one
        assert service.process.wait(60) == 128 + signal.SIGKILL
        until(lambda: is_gone(worker))
        held.close()


def test_a_worker_that_ends_by_itself_ends_the_service() -> None:
    program = (
        "from trivium.api.server.supervisor import WorkerError, supervise\n"
        "try:\n    supervise(lambda: 1 / 0, patience=60, on_restart=print)\n"
        "except WorkerError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the worker ended by itself; see above\n"
    assert "ZeroDivisionError" in done.stderr
