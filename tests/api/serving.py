"""The service as a test meets it: in process, with its log at hand, or as a process of its own."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

import trivium
from trivium.api.app import CONTRACT, create_app
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.settings import Settings
from trivium.api.telemetry.log_writer import LogWriter


TRIVIUM = Path(sys.executable).with_name("trivium")
JSON = {"Content-Type": "application/json"}

ALWAYS = {"type", "title", "status", "detail", "instance", "code", "request_id"}
SOMETIMES = {"errors", "limit", "supported"}
INTERNALS = re.compile(r"Traceback|Exception|\.py\b|msgspec|litestar|granian|site-packages|\b0x[0-9a-f]{6}")

PATHS = CONTRACT.document["paths"]
OPERATIONS = [(method.upper(), path) for path, methods in PATHS.items() for method in methods]

Line = dict[str, Any]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return a problem document, which has to be whole and to tell nothing of the service's inside."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()
    assert ALWAYS <= found.keys() <= ALWAYS | SOMETIMES
    kind = PROBLEM_TYPES[code]
    assert (found["code"], found["title"]) == (code, kind.title)
    assert re.fullmatch(rf"(/|(\.\./)*)problems/{code}", found["type"])
    assert found["status"] == kind.status == status
    assert found["request_id"] == response.headers["x-request-id"]
    assert found["instance"] == f"urn:trivium:request:{found['request_id']}"
    assert found["detail"]
    assert not INTERNALS.search(response.text)
    return found


def named(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where each error of a problem is, and what kind it is of."""
    return sorted((error.get("pointer", error.get("parameter")), error["code"]) for error in found["errors"])


def parse(log: bytes) -> list[Line]:
    """Read a log; each line has to be JSON."""
    return [json.loads(line) for line in log.splitlines()]


@dataclass(frozen=True)
class Inside:
    """The application in this process."""

    app: Litestar
    client: TestClient[Litestar]
    writer: LogWriter
    file: IO[bytes]

    @property
    def log(self) -> bytes:
        """The log, up to the last request answered."""
        with self.client.portal() as portal:
            portal.call(asyncio.sleep, 0)  # requests are recorded in the turn of the event loop after their answers
        assert self.writer.flush(120)
        return os.pread(self.file.fileno(), 1 << 30, 0)

    def line(self, response: httpx.Response) -> Line:
        """Return the one line that a request left in the log."""
        (line,) = [one for one in parse(self.log) if one.get("request_id") == response.headers["x-request-id"]]
        return line

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return every sample by name and labels."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


async def call(app: Any, path: str, receive: Any, **headers: str) -> httpx.Response:
    """Post JSON to an application by hand, its body coming from *receive*."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    name, _, query = path.partition("?")
    lines = {"content-type": "application/json", **headers}
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": name}
    scope |= {"raw_path": name.encode(), "query_string": query.encode()}
    encoded = [(key.encode(), value.encode("latin-1")) for key, value in lines.items()]
    await app(scope | {"headers": encoded}, receive, send)
    start, *rest = sent
    content = b"".join(part["body"] for part in rest)
    return httpx.Response(start["status"], headers=start["headers"], content=content)


def resolved(part: Any) -> Any:
    """Follow a reference of the contract."""
    while "$ref" in part:
        *_, kind, name = part["$ref"].split("/")
        part = CONTRACT.document["components"][kind][name]
    return part


def problems_of(response: Any) -> dict[str, Any]:
    """Return the examples of problems of a response in the contract, by code."""
    content = resolved(response).get("content", {}).get("application/problem+json", {})
    return {code: resolved(example)["value"] for code, example in content.get("examples", {}).items()}


def fill(path: str) -> str:
    """Fill the parameters of a path with what is there."""
    code = "too_large" if path.startswith("/problems") else "HIGH_VOLUME"
    return path.format(version="1.0.0", a="1", b="latest", code=code)


def documented(served: Inside, response: httpx.Response) -> None:
    """Check that the contract foresees this problem at this operation."""
    line, found = served.line(response), response.json()
    assert line["problem"] == found["code"]
    if line["route"] in PATHS and found["code"] not in {"method_not_allowed", "not_found"}:
        answers = PATHS[line["route"]][line["method"].lower()]["responses"][str(response.status_code)]
        assert found["code"] in problems_of(answers)


def required(method: str, path: str) -> dict[str, str]:
    """Return the parameters of the query that an operation must have, with their examples."""
    parameters = map(resolved, PATHS[path][method.lower()].get("parameters", []))
    return {
        one["name"]: one["schema"]["examples"][0] for one in parameters if one["in"] == "query" and "required" in one
    }


@contextmanager
def inside(directory: Path = trivium.POLICIES, guards: Sequence[Any] = (), **settings: Any) -> Iterator[Inside]:
    with tempfile.TemporaryFile(buffering=0) as file:
        writer = LogWriter(file.fileno())
        app = create_app(Settings(**settings), directory=directory, log=writer, guards=guards)
        with TestClient(app) as client:
            yield Inside(app, client, writer, file)


class Live:
    """`trivium serve` on a port of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")}
        command: list[str | Path] = [TRIVIUM, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("wb") as out, (folder / "errors").open("wb") as errors:
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, env=inherited | environment)
        self._await_readiness()

    def _await_readiness(self) -> None:
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the service does not start: {self._log.with_name('errors').read_text()}")

    def lines(self, start: str = "", least: int = 0) -> list[Line]:
        """Return the lines of requests whose ids start so, once there are enough: an answer comes before its line."""
        deadline = time.monotonic() + 120
        while True:
            whole = self._log.read_bytes().rpartition(b"\n")[0]
            found = [line for line in parse(whole) if line.get("request_id", "").startswith(start)]
            if len(found) >= least or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask the service to stop, and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=120)


@contextmanager
def live(folder: Path, **environment: str) -> Iterator[Live]:
    served = Live(folder, **environment)
    try:
        yield served
    finally:
        served.stop()
