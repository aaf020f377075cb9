"""Streams of NDJSON beside one call per profile, and how long `/livez` waits meanwhile.

    python -m benchmarks.batches PORT FILE

sends a file as one batch, reads the response at the same time, and prints how many seconds that took.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter
from typing import NamedTuple

import msgspec

from benchmarks import NEWEST
from benchmarks.cases import Cases, Fields
from benchmarks.load import Load
from benchmarks.over_http import CELLS, PROFILES, Server, serving, trivium_command
from benchmarks.probe import Waits
from benchmarks.processes import usage
from benchmarks.rows import Row, at_least, at_most, median_ratio
from benchmarks.stalls import probing
from trivium import catalog


ROUNDS = 3
CALL_SECONDS = 1.0
RANDOM = 6_000
"""Profiles in cells of their own: many more than the service keeps answers for, so that each one is worked out."""

USUAL = 60_000
"""Profiles of the load with which single calls are measured too: most bring new numbers in cells seen before."""

PAUSE_SECONDS = 0.1
"""How long the probe runs before and after a batch, whose decisions are counted once it is answered."""

END = b"\r\n0\r\n\r\n"
TAIL = 1024
"""Bytes at the end of the response that hold its summary."""


class Round(NamedTuple):
    """What was measured in one round.

    Attributes:
        calls: profiles per second, with one call for each.
        rows: profiles per second, in one batch.
        cpu: microseconds of processor time for each profile of the batch.
        waits: how long `/livez` took beside the batch.
    """

    calls: float
    rows: float
    cpu: float
    waits: Waits


def rows() -> Iterator[Row]:
    """Measure."""
    cases = Cases(catalog.shipped().renderer(NEWEST).advisor.policy, seed=4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = cases.distinct(CELLS, cases.mixed)
        loads = {
            "profiles in cells seen before": [cases.again(cells[at % CELLS]) for at in range(PROFILES)]
            * (USUAL // PROFILES),
            "profiles each in a cell of its own": cases.distinct(RANDOM, cases.mixed),
        }
        files = {what: _written(folder / str(at), profiles) for at, (what, profiles) in enumerate(loads.items())}
        with serving(trivium_command(), folder) as (server, _):
            found: dict[str, list[Round]] = {what: [] for what in files}
            for _ in range(ROUNDS):
                for what, file in files.items():
                    found[what].append(_round(server, file))
            with probing(server.port) as quiet:
                pass
    yield Row("POST /recommend/batch as NDJSON", "")
    for what, rounds in found.items():
        yield at_least(
            f"  {what}, vs one call per profile on one connection",
            median_ratio([one.rows for one in rounds], [one.calls for one in rounds]),
            20,
            f"{median(one.rows for one in rounds):.0f} vs {median(one.calls for one in rounds):.0f} profiles/s, "
            f"{median(one.cpu for one in rounds):.0f} us of processor time each",
        )
    for what, rounds in found.items():
        p99 = median(one.waits.p99 for one in rounds)
        longest = max(one.waits.longest for one in rounds)
        detail = f"p99 {p99:.1f} ms; without any request at most {quiet[0].longest:.1f} ms"
        yield at_most(f"  longest wait of /livez beside {what}", longest, 20, " ms", detail)


def _written(file: Path, profiles: list[Fields]) -> Path:
    file.write_bytes(b"".join(msgspec.json.encode(fields) + b"\n" for fields in profiles))
    return file


def _round(server: Server, file: Path) -> Round:
    calls = msgspec.json.decode(
        _output("benchmarks.load", str(server.port), "/recommend", str(CALL_SECONDS), "1", str(file)), type=Load
    )
    before = usage(server.process.pid).cpu
    with probing(server.port, PAUSE_SECONDS) as waits:
        seconds = float(_output("benchmarks.batches", str(server.port), str(file)))
    cpu = usage(server.process.pid).cpu - before
    count = file.read_bytes().count(b"\n")
    return Round(calls.per_second, count / seconds, cpu / count * 1e6, waits[0])


def _output(module: str, *arguments: str) -> bytes:
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, check=True).stdout  # noqa: S603 - our own command


def stream(port: int, file: Path) -> float:
    """Send a batch while its response is read; return the seconds from the first byte to the last."""
    body = file.read_bytes()
    head = (
        "POST /recommend/batch HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-ndjson\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        start = perf_counter()
        sending = Thread(target=connection.sendall, args=(head.encode() + body,), daemon=True)
        sending.start()
        tail = b""
        while not tail.endswith(END):
            part = connection.recv(1 << 18)
            if not part:
                raise ConnectionError(f"the response is cut off: {tail!r}")
            tail = (tail + part)[-TAIL:]
        seconds = perf_counter() - start
        sending.join()
    if b'"total":%d,"succeeded":%d,' % ((body.count(b"\n"),) * 2) not in tail:
        raise ValueError(f"not every profile was answered: {tail!r}")
    return seconds


if __name__ == "__main__":
    sys.stdout.write(str(stream(int(sys.argv[1]), Path(sys.argv[2]))))
