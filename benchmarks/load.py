"""A load generator: keep-alive connections that each send the next request as soon as they have their answer.

    python -m benchmarks.load PORT PATH SECONDS CONNECTIONS BODIES

BODIES is a file with one JSON body per line; each connection starts somewhere else in it. Prints a `Load` as JSON.
Plain non-blocking sockets cost some ten microseconds a request, so that the server stays the bottleneck.
"""

from __future__ import annotations

import re
import selectors
import socket
import sys
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import cast

import msgspec


CHUNK = 1 << 16
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Load(msgspec.Struct, frozen=True):
    """What was measured: answers, in how many seconds, and milliseconds within which a share of them came."""

    answers: int
    seconds: float
    p50: float
    p99: float

    @property
    def per_second(self) -> float:
        """The throughput."""
        return self.answers / self.seconds


class _Connection:
    """One connection: sends requests in turn, measures how long each answer takes."""

    def __init__(self, port: int, requests: list[bytes], start: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = islice(cycle(requests), start, None)
        self._missing = 0
        self._head = b""
        self._sent = 0.0

    def ask(self) -> None:
        """Send the next request."""
        self._sent = perf_counter()
        self.socket.sendall(next(self._requests))

    def hear(self) -> float | None:
        """Read what has come; return the answer's seconds once it is whole."""
        chunk = self.socket.recv(CHUNK)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        if self._missing:
            self._missing -= len(chunk)
        else:
            self._head += chunk
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._head, 0, end)
            if not self._head.startswith(b"HTTP/1.1 200 ") or length is None:
                raise ConnectionError(f"unexpected answer: {self._head[:200]!r}")
            self._missing = end + 4 + int(length[1]) - len(self._head)
            self._head = b""
        return None if self._missing else perf_counter() - self._sent


def drive(port: int, requests: list[bytes], connections: int, seconds: float) -> Load:
    """Put a server under load."""
    selector = selectors.DefaultSelector()
    for number in range(connections):
        connection = _Connection(port, requests, number * len(requests) // connections)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
    took: list[float] = []
    start = now = perf_counter()
    while now < start + seconds:
        for key, _ in selector.select():
            answered = cast("_Connection", key.data)
            if (waited := answered.hear()) is not None:
                took.append(waited * 1000)
                answered.ask()
        now = perf_counter()
    took.sort()
    return Load(len(took), now - start, took[len(took) // 2], took[len(took) * 99 // 100])


def request(path: str, body: bytes) -> bytes:
    """Return the bytes of a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main(port: str, path: str, seconds: str, connections: str, bodies: str) -> None:
    """Run from the command line."""
    requests = [request(path, body) for body in Path(bodies).read_bytes().splitlines()]
    load = drive(int(port), requests, int(connections), float(seconds))
    sys.stdout.write(msgspec.json.encode(load).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
