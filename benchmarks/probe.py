"""A probe: asks for /livez without a pause and reports how long it waits.

    python -m benchmarks.probe PORT

It prints a line once it has begun, stops when its standard input is closed, and then prints a `Waits` as JSON.
"""

from __future__ import annotations

import select
import socket
import sys
from time import perf_counter

import msgspec


REQUEST = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"
PAUSE_SECONDS = 0.001


class Waits(msgspec.Struct, frozen=True):
    """What was measured: how many probes were answered, and milliseconds that 99 % of them and all of them took."""

    probes: int
    p99: float
    longest: float


def probe(port: int) -> Waits:
    """Ask until standard input ends."""
    took: list[float] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _ask(connection)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            start = perf_counter()
            _ask(connection)
            took.append((perf_counter() - start) * 1000)
    took.sort()
    return Waits(len(took), took[len(took) * 99 // 100], took[-1])


def _ask(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    answer = b""
    while b'"ok"}' not in answer:
        part = connection.recv(65536)
        if not part or (answer and not answer.startswith(b"HTTP/1.1 200 ")):
            raise ConnectionError(f"the probe was not answered: {answer!r}")
        answer += part


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(probe(int(sys.argv[1]))).decode())
