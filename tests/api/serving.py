"""The service as a test meets it: in process, with its log at hand, or as a process of its own."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

import trivium
from trivium.api.app import create_app
from trivium.api.logs import make_logger
from trivium.api.settings import Settings


TRIVIUM = Path(sys.executable).with_name("trivium")
JSON = {"Content-Type": "application/json"}

Line = dict[str, Any]


def parse(log: bytes) -> list[Line]:
    """Read a log; each line has to be JSON."""
    return [json.loads(line) for line in log.splitlines()]


@dataclass(frozen=True)
class Inside:
    """The application in this process."""

    app: Litestar
    client: TestClient[Litestar]
    log: io.BytesIO

    def line(self, response: httpx.Response) -> Line:
        """Return the one line that a request left in the log."""
        (line,) = [one for one in parse(self.log.getvalue()) if one.get("request_id") == response.headers["x-request-id"]]
        return line

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return every sample by name and labels."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


@contextmanager
def inside(directory: Path = trivium.POLICIES, *, shortcut: bool = True, **settings: Any) -> Iterator[Inside]:
    log = io.BytesIO()
    chosen = Settings(**settings)
    app = create_app(chosen, directory=directory, logger=make_logger(chosen.log_level, log), shortcut=shortcut)
    with TestClient(app) as client:
        yield Inside(app, client, log)


class Live:
    """`trivium serve` on a port of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")}
        command = [TRIVIUM, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("wb") as out, (folder / "errors").open("wb") as errors:
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, env=inherited | environment)
        self._await_readiness()

    def _await_readiness(self) -> None:
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the service does not start: {self._log.with_name('errors').read_text()}")

    def lines(self, request_id: str | None = None) -> list[Line]:
        """Return the log so far, or what it says of one request."""
        return [line for line in parse(self._log.read_bytes()) if request_id in {None, line.get("request_id")}]

    def stop(self) -> int:
        """Ask the service to stop, and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@contextmanager
def live(folder: Path, **environment: str) -> Iterator[Live]:
    served = Live(folder, **environment)
    try:
        yield served
    finally:
        served.stop()
