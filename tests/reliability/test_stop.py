"""A stop that loses nothing: callers are sent away first, then the port is closed, then running requests finish."""

import signal
from pathlib import Path

import pytest

from reliability.service import UPLOAD, everything, get, running, send, status, until


pytestmark = pytest.mark.e2e


def test_callers_are_sent_away_before_the_port_is_closed(tmp_path: Path) -> None:
    with running(tmp_path, drain_seconds=3600) as service:
        assert get(service.port, "/version").getheader("connection") is None
        service.process.send_signal(signal.SIGTERM)
        until(lambda: status(service.management, "/readyz") == 503)
        for _ in range(3):
            answer = get(service.port, "/version")
            assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert status(service.management, "/livez") == 200
        assert service.stop() == 0


def test_the_drain_ends_by_itself(tmp_path: Path) -> None:
    with running(tmp_path, drain_seconds=0.2) as service:
        assert service.stop() == 0
        assert len(service.errors().splitlines()) == 2


def test_a_running_request_is_finished_after_the_port_is_closed(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        upload = send(service.port, UPLOAD + b"\r\n{")
        await_start(service.management)
        service.process.send_signal(signal.SIGTERM)
        until(service.is_closed)
        assert status(service.management, "/livez") == 200
        upload.sendall(b"}")
        assert everything(upload).startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(60) == 0
        assert service.events("cut_off") == []


def await_start(management: int) -> None:
    """Wait until a request is running."""

    def runs() -> bool:
        connection = send(management, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"\nhttp_requests_in_progress 2.0\n" in everything(connection)

    until(runs)


@pytest.mark.parametrize(("seconds", "signals"), [(0.2, 1), (3600, 2)], ids=["late", "told twice"])
def test_an_upload_that_is_cut_off_is_logged(tmp_path: Path, seconds: float, signals: int) -> None:
    with running(tmp_path, shutdown_seconds=seconds) as service:
        upload = send(service.port, UPLOAD + b"X-Request-ID: slow-upload\r\n\r\n{")
        await_start(service.management)
        service.process.send_signal(signal.SIGTERM)
        until(service.is_closed)
        assert service.stop(times=signals - 1) == 0
        assert everything(upload).startswith(b"HTTP/1.1 503 ")
        (line,) = service.events("cut_off")
        assert (line["level"], line["method"], line["path"]) == ("warning", "POST", "/recommend")
        assert line["request_id"] == "slow-upload"


def test_connections_that_send_nothing_do_not_hold_the_stop_up(tmp_path: Path) -> None:
    with running(tmp_path, shutdown_seconds=3600) as service:
        silent = [send(service.port, sent) for sent in (b"", b"GET /vers")]
        assert service.stop() == 0
        assert [everything(connection) for connection in silent] == [b"", b""]
