"""`POST /recommend` over HTTP, beside a bare handler and FastAPI on the same server; its start and its memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import msgspec

from benchmarks import NEWEST
from benchmarks.cases import Cases
from benchmarks.load import Load
from benchmarks.processes import Usage, usage
from benchmarks.rows import Row, at_least, at_most, compared, median_ratio
from trivium import catalog
from trivium.profile import parse_profile


CONNECTIONS = 32
ROUNDS = 15
SECONDS = 1.0
"""Short, since the machine itself is now faster and now slower, and many, since a ratio compares neighbours."""
CELLS = 512
PROFILES = 2048
"""Distinct profiles in the load, four to a cell."""

NEVER_SEEN = 20_000
"""Profiles in cells of their own: more than the service keeps answers for, so that each one is worked out."""

STARTS = 5
WAIT = 30.0
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")},
    "TRIVIUM_DEFAULT_POLICY": NEWEST,
}

_encode = msgspec.json.encode


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def wait(self, start: float, log: Path) -> float:
        """Wait until it is ready; return the seconds since it was started."""
        while not self._ready():
            if self.process.poll() is not None or perf_counter() - start > WAIT:
                raise RuntimeError(f"the server does not start: {log.read_text(errors='replace')[-2000:]}")
            sleep(0.002)
        return perf_counter() - start

    def _ready(self) -> bool:
        """Say whether it answers; a rival without /readyz does so with 404 or with its only answer."""
        try:
            status, _ = self.ask("GET", "/readyz")
        except (OSError, HTTPException):
            return False
        return status in {200, 404}

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        sent = {"Content-Type": "application/json"} if body else {}
        try:
            connection.request(method, path, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def rows() -> Iterator[Row]:
    """Measure."""
    renderer = catalog.shipped().renderer(NEWEST)
    cases = Cases(renderer.advisor.policy, seed=4)
    first = cases.distinct(CELLS, cases.mixed)
    profiles = [_encode(cases.again(fields)) for _ in range(PROFILES // CELLS) for fields in first]
    sizes = sorted(len(renderer.json(parse_profile(body))[0]) for body in profiles)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seen, unseen = folder / "seen", folder / "unseen"
        seen.write_bytes(b"\n".join(profiles))
        unseen.write_bytes(b"\n".join(map(_encode, cases.distinct(NEVER_SEEN, cases.mixed))))
        yield starting(folder)
        size = sum(sizes) // len(sizes)
        bare, _ = stack.enter_context(serving(_rival("bare", str(size)), folder))
        fastapi, _ = stack.enter_context(serving(_rival("fastapi"), folder))
        trivium, _ = stack.enter_context(serving(trivium_command(), folder))
        working, _ = stack.enter_context(serving(trivium_command(), folder))  # apart: new cells push out what is kept
        agree(trivium, fastapi, profiles[:100])
        yield from loads(
            {
                "bare": (bare, "/recommend", seen),
                "trivium": (trivium, "/recommend", seen),
                "fastapi": (fastapi, "/recommend", seen),
                "fastapi, cached": (fastapi, "/answer", seen),
                "trivium, never seen": (working, "/recommend", unseen),
            },
            f"{PROFILES} profiles in {CELLS} cells, {size} bytes out",
        )
        yield from memory(working)


def starting(folder: Path) -> Row:
    """Time the service from process start to ready."""
    took = []
    for _ in range(STARTS):
        with serving(trivium_command(), folder) as (_, seconds):
            took.append(seconds)
    return at_most("service ready: process start to the first 200 on /readyz", median(took), 1, " s")


def agree(trivium: Server, fastapi: Server, profiles: list[bytes]) -> None:
    """Check that FastAPI gives Trivium's answers; it writes nulls where Trivium leaves a member out."""
    for body in profiles:
        ours, *theirs = (
            _pruned(msgspec.json.decode(server.ask("POST", path, body)[1]))
            for server, path in ((trivium, "/recommend"), (fastapi, "/recommend"), (fastapi, "/answer"))
        )
        if theirs != [ours, ours]:
            raise AssertionError(f"FastAPI answers otherwise than Trivium: {body!r}")


def loads(runs: dict[str, tuple[Server, str, Path]], load: str) -> Iterator[Row]:
    """Put every server under the same load in turn."""
    for server, path, bodies in runs.values():
        _load(server.port, path, bodies, SECONDS / 2)
    found: dict[str, list[Load]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS):
        for name in [*runs][:: 1 if number % 2 else -1]:
            server, path, bodies = runs[name]
            before = usage(server.process.pid)
            found[name].append(_load(server.port, path, bodies, SECONDS))
            cpu[name].append((usage(server.process.pid).cpu - before.cpu) / found[name][-1].answers * 1e6)
    per_second = {name: [one.per_second for one in each] for name, each in found.items()}

    def ratio(name: str, other: str) -> float:
        return median_ratio(per_second[name], per_second[other])

    def both(name: str, other: str) -> str:
        return f"{median(per_second[name]):.0f} vs {median(per_second[other]):.0f} requests/s"

    yield Row(f"POST /recommend at {CONNECTIONS} connections: {load}", "")
    yield at_least(
        "  throughput vs a bare handler, new numbers in cells seen before",
        ratio("trivium", "bare"),
        0.4,
        both("trivium", "bare"),
    )
    yield at_least("  throughput vs FastAPI and pydantic", ratio("trivium", "fastapi"), 4, both("trivium", "fastapi"))
    yield compared(
        "  throughput vs FastAPI and pydantic sending Trivium's cached bytes",
        ratio("trivium", "fastapi, cached"),
        both("trivium", "fastapi, cached"),
    )
    if any(cpu["bare"]):
        yield compared(
            "  processor time per request, a bare handler's over Trivium's",
            median_ratio(cpu["bare"], cpu["trivium"]),
            ", ".join(f"{name} {median(cpu[name]):.0f} us" for name in ("bare", "trivium", "fastapi")),
        )
    yield at_most(
        "  p99 over p50",
        median_ratio([one.p99 for one in found["trivium"]], [one.p50 for one in found["trivium"]]),
        3,
        "x",
        ", ".join(f"{name} {median(getattr(one, name) for one in found['trivium']):.2f} ms" for name in ("p50", "p99")),
    )
    yield at_least(
        "  throughput vs a bare handler, every profile in a cell never seen",
        ratio("trivium, never seen", "bare"),
        0.2,
        both("trivium, never seen", "bare"),
    )


def memory(server: Server) -> Iterator[Row]:
    """Report resident memory after the load, with every template in place that the service keeps."""
    used = usage(server.process.pid)
    if used == Usage():
        yield Row("resident memory", "not measured: there is no /proc here")
        return
    shared = f"whole tree {used.resident:.0f} MiB, of which {used.resident - used.proportional:.0f} shared"
    yield at_most("resident memory of the serving process after the load", used.largest, 90, " MiB", shared)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, management: int = 0
) -> Iterator[tuple[Server, float]]:
    """Run a server on a free port, its output going to a file; give it with the seconds until it was ready.

    Args:
        command: the command line; `{port}` stands for the port.
        folder: where the output goes.
        environment: further variables.
        management: the port to ask for readiness; 0 for the server's own.
    """
    port = free_port()
    log = folder / f"{port}.log"
    start = perf_counter()
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own commands
            [part.format(port=port) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | dict(environment or {}),
        ) as process,
    ):
        try:
            ready = Server(process, management or port).wait(start, log)
            yield Server(process, port), ready
        finally:
            process.terminate()


def trivium_command() -> list[str]:
    """Return the command line that serves Trivium."""
    return [str(Path(sys.executable).with_name("trivium")), "serve", "--port", "{port}"]


def _rival(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.server", name, "{port}", *arguments]


def _load(port: int, path: str, bodies: Path, seconds: float) -> Load:
    arguments = [str(port), path, str(seconds), str(CONNECTIONS), str(bodies)]
    command = [sys.executable, "-m", "benchmarks.load", *arguments]
    return msgspec.json.decode(subprocess.run(command, capture_output=True, check=True).stdout, type=Load)  # noqa: S603 - our own command


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(part) for name, part in value.items() if part is not None}
    return [_pruned(part) for part in value] if isinstance(value, list) else value
