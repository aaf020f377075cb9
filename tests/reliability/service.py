"""`trivium serve` as a process of its own with a management port, and connections to it by hand."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


PATIENCE = 60.0
"""Seconds after which a test gives up; nothing is meant to take so long."""

UPLOAD = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def get(port: int, path: str, timeout: float = PATIENCE) -> http.client.HTTPResponse:
    """Ask on a connection of its own; the body is read.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def status(port: int, path: str, timeout: float = PATIENCE) -> int:
    """Return the status of an answer, 0 where nobody answers."""
    try:
        return get(port, path, timeout).status
    except OSError:
        return 0


def send(port: int, sent: bytes) -> socket.socket:
    """Send bytes on a new connection."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes, and close the connection."""
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


class Service:
    """A running service.

    Args:
        folder: where its log and its errors go.
        ports: service port and management port; any when not given.
        managed: whether it has a management port.
        command: what to run in place of `trivium serve`.
        settings: TRIVIUM_ variables, named without that.
    """

    def __init__(
        self,
        folder: Path,
        ports: list[int] | None = None,
        *,
        managed: bool = True,
        command: list[str] | None = None,
        **settings: object,
    ) -> None:
        self.port, self.management = ports or free_ports(2)
        if managed:
            settings["management_port"] = self.management
        else:
            self.management = self.port
        self.folder = folder
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")}
        self._environment |= {f"TRIVIUM_{name.upper()}": str(value) for name, value in settings.items()}
        self._command = command or [sys.executable, "-m", "trivium.cli", "serve"]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        environment = self._environment | {"HOST": "127.0.0.1", "PORT": str(self.port)}
        with (self.folder / "log").open("ab") as out, (self.folder / "errors").open("ab") as errors:
            self.process = subprocess.Popen(self._command, env=environment, stdout=out, stderr=errors)
        until(self.is_ready)

    def is_ready(self) -> bool:
        """Say whether it is ready; it must not have ended."""
        assert self.process.poll() is None, self.errors()
        return status(self.management, "/readyz") == 200

    def worker(self) -> int:
        """Return the process id of the worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        (worker,) = map(int, children.split())
        return worker

    def stop(self, *, times: int = 1) -> int:
        """Tell it to stop, so many times; return its exit code."""
        for _ in range(times):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def is_closed(self) -> bool:
        """Say whether the service port is closed."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
        except OSError:
            return True
        return False

    def errors(self) -> str:
        """Return what stands on standard error."""
        return (self.folder / "errors").read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of an event."""
        lines = [json.loads(line) for line in (self.folder / "log").read_bytes().splitlines()]
        return [line for line in lines if line["event"] == name]


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Service]:
    """Run a service, and kill it in the end where it still runs."""
    folder.mkdir(exist_ok=True)
    service = Service(folder, **options)
    try:
        yield service
    finally:
        service.process.kill()
        service.process.wait()
