"""Two listeners: what machines ask is answered whatever happens on the service port, unless the event loop hangs."""

import json
import socket
import sys
from pathlib import Path

import pytest

from reliability import blocking
from reliability.service import Service, everything, get, running, send, status, until


pytestmark = pytest.mark.e2e


REQUEST = b"GET /version HTTP/1.1\r\nHost: x\r\n"
MACHINES = ("/livez", "/readyz", "/metrics")


def idle(port: int) -> socket.socket:
    """Return a connection whose one request has been answered."""
    connection = send(port, REQUEST + b"\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    return connection


def test_machines_are_answered_on_their_own_port_alone(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert [status(service.management, path) for path in MACHINES] == [200, 200, 200]
        assert [status(service.port, path) for path in MACHINES] == [404, 404, 404]
        assert [status(service.management, path) for path in ("/version", "/docs", "/policies")] == [404, 404, 404]
        assert status(service.port, "/version") == 200
        assert 'route="/version"' in metrics(service)
        assert service.stop() == 0


def metrics(service: Service) -> str:
    connection = send(service.management, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return everything(connection).decode()


def test_without_a_management_port_the_service_port_answers_them(tmp_path: Path) -> None:
    with running(tmp_path, managed=False) as service:
        assert [status(service.port, path) for path in MACHINES] == [200, 200, 200]


def test_a_full_service_port_starves_no_probe(tmp_path: Path) -> None:
    with running(tmp_path, max_connections=20) as service:
        held = [idle(service.port) for _ in range(20)]
        waiting = [send(service.port, REQUEST + b"Connection: close\r\n\r\n") for _ in range(20)]
        assert [status(service.management, path) for path in MACHINES] == [200, 200, 200]
        for connection in waiting:
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        for connection in held:
            connection.close()
        for connection in waiting:
            connection.settimeout(60)
            assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_and_half_heads_are_closed(tmp_path: Path) -> None:
    with running(tmp_path, idle_seconds=1) as service:
        assert everything(idle(service.port)) == b""
        assert everything(send(service.port, REQUEST)) == b""
        assert everything(send(service.management, REQUEST)) == b""


@pytest.mark.parametrize("head", [b"X: %s\r\n" % (b"x" * 70_000), b"X: x\r\n" * 120], ids=["long", "many"])
def test_a_head_that_is_too_large_is_refused(tmp_path: Path, head: bytes) -> None:
    with running(tmp_path) as service:
        for port in (service.port, service.management):
            assert everything(send(port, REQUEST + head + b"\r\n")).startswith(b"HTTP/1.1 431 ")
        allowed = REQUEST + b"X: %s\r\nConnection: close\r\n\r\n" % (b"x" * 16_000)
        assert everything(send(service.port, allowed)).startswith(b"HTTP/1.1 200 ")


def with_files(soft: int, hard: int) -> list[str]:
    """Return a command that serves with a limit of open files."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
    return [sys.executable, "-c", f"{limit}from trivium.cli import main; main(['serve'])"]


def test_a_low_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    with running(tmp_path, command=with_files(100, 1024), max_connections=150) as service:
        held = [idle(service.port) for _ in range(150)]
        assert [status(service.management, path) for path in MACHINES] == [200, 200, 200]
        assert service.events("max_connections") == []
        for connection in held:
            connection.close()


def test_connections_are_limited_by_the_files_that_may_be_open(tmp_path: Path) -> None:
    with running(tmp_path, command=with_files(100, 120)) as service:
        (line,) = service.events("max_connections")
        assert (line["level"], line["wanted"], line["allowed"]) == ("warning", 16384, 60)
        held = [send(service.port, REQUEST + b"\r\n") for _ in range(150)]
        assert [status(service.management, path) for path in MACHINES] == [200, 200, 200]
        for connection in held:
            connection.close()
        until(lambda: status(service.port, "/version", timeout=1) == 200)


def test_a_blocked_event_loop_fails_the_probe(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    command = [sys.executable, blocking.__file__, str(gate)]
    with running(tmp_path / "service", command=command) as service:
        blocked = send(service.port, b"GET /block HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        until(lambda: status(service.management, "/livez", timeout=1) == 0)
        gate.unlink()
        assert everything(blocked).startswith(b"HTTP/1.1 404 ")
        assert get(service.management, "/livez").status == 200


def test_the_contract_lists_what_the_service_port_answers(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        document = everything(
            send(service.port, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: close\r\n\r\n")
        )
        paths = json.loads(document.partition(b"\r\n\r\n")[2])["paths"]
        assert "/recommend" in paths
        assert paths.keys().isdisjoint(MACHINES)
