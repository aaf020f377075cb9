"""How long one request keeps the event loop from answering others, and what a crowd that does not read costs."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import msgspec

from benchmarks.over_http import Server, free_port, serving, trivium_command
from benchmarks.probe import Waits
from benchmarks.processes import usage
from benchmarks.rows import Row, at_most


PAUSE_SECONDS = 0.2
"""How long a probe runs before and after what it watches."""

CROWD = 100
CROWD_SECONDS = 5.0

_encode = msgspec.json.encode

BODY_BYTES = 1 << 20
"""The largest body by default."""


Request = tuple[str, str, bytes | None, dict[str, str]]
"""Method, path, body and headers."""


def _filled(path: str, begin: bytes, repeated: bytes, end: bytes) -> Request:
    """Return a request with a body of the largest size."""
    return "POST", path, begin + repeated * ((BODY_BYTES - len(begin + end)) // len(repeated)) + end, {}


WRONG = {f"field_{number}": number for number in range(60)}
DEEP = b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
MANY_FIELDS = _encode({f"unheard_of_field_number_{number}": number for number in range(25_000)})
COSTS_OF_MANY_FIELDS = b'{"costs": {"": 0' + b"".join(b',"%d":[]' % number for number in range(80_000)) + b"}}"
EMPTY_PROFILES = _encode({"profiles": [{}] * 1000})

REQUESTS: dict[str, Request] = {
    "the contract, first read": ("GET", "/openapi.json", None, {}),
    "the contract as YAML, first read": ("GET", "/openapi.yaml", None, {}),
    "the documentation page": ("GET", "/docs", None, {}),
    "the difference of two policies, first read": ("GET", "/policies/1/diff/2", None, {}),
    "a whole policy": ("GET", "/policies/2", None, {}),
    "the inputs": ("GET", "/inputs", None, {}),
    "the codes": ("GET", "/codes", None, {}),
    "the metrics": ("GET", "/metrics", None, {}),
    "readiness": ("GET", "/readyz", None, {}),
    "a profile in a cell never seen": ("POST", "/recommend", b"{}", {}),
    "a map": ("POST", "/policies/2/map", _encode({"x": "requests_per_day", "y": "labeled_examples"}), {}),
    "an Accept of 15,000 commas": ("POST", "/recommend", b"{}", {"Accept": "," * 15_000}),
    "JSON nested 200,000 deep": ("POST", "/recommend", DEEP, {}),
    "a profile of 25,000 unknown fields": ("POST", "/recommend", MANY_FIELDS, {}),
    "a number of a million digits": ("POST", "/recommend", b'{"prompt_tokens": ' + b"9" * 1_000_000 + b"}", {}),
    "a million spaces": ("POST", "/recommend", b" " * 1_000_000 + b"{}", {}),
    "a query of 10,000 parameters": ("GET", "/policies?" + "&".join(f"a{n}=1" for n in range(10_000)), None, {}),
    "the largest batch of empty profiles": ("POST", "/recommend/batch", EMPTY_PROFILES, {}),
    "the largest batch of wrong profiles": ("POST", "/recommend/batch", _encode({"profiles": [WRONG] * 1000}), {}),
    "a MiB of lists in a field": _filled("/recommend", b'{"id":[0', b",[]", b"]}"),
    "a MiB of objects in a field": _filled("/recommend", b'{"id":[0', b",{}", b"]}"),
    "a MiB of lists behind 1e400": _filled("/recommend", b'{"id":[1e400', b",[[]]", b"]}"),
    "a MiB of lists that do not end": _filled("/recommend", b'{"id":[1e400', b",[]", b""),
    "a MiB of numbers beyond doubles": _filled("/recommend", b'{"id":[0', b",1e400", b"]}"),
    "a MiB of one field": _filled("/recommend", b'{"id":1e400', b',"id":[]', b"}"),
    "a MiB of unknown fields": ("POST", "/recommend", COSTS_OF_MANY_FIELDS, {}),
    "a MiB of lists in a list": _filled("/recommend", b"[1e400", b",[]", b"]"),
    "a MiB of lists for a map": _filled("/policies/2/map", b'{"profile":{"id":[0', b",[]", b"]}}"),
    "a batch of 350,000 lists": _filled("/recommend/batch", b'{"profiles":[0', b",[]", b"]}"),
    "a batch of 350,000 lists and an unknown field": _filled(
        "/recommend/batch", b'{"profiles":[1e400', b",[]", b'],"x":0}'
    ),
    "a batch of one profile with a MiB of lists": _filled(
        "/recommend/batch", b'{"profiles":[{"id":[1e400', b",[]", b"]}]}"
    ),
    "a batch with a MiB of lists as defaults": _filled(
        "/recommend/batch", b'{"profiles":[{}],"defaults":{"id":[0', b",[]", b"]}}"
    ),
    "the impact on 350,000 objects": _filled("/recommend/impact?from=1&to=2", b'{"profiles":[0', b",{}", b"]}"),
    "the impact on one profile with a MiB of lists": _filled(
        "/recommend/impact?from=1&to=2", b'{"profiles":[{"id":[0', b",[]", b"]}]}"
    ),
}
"""What one caller can ask for, by name: method, path, body and headers."""


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        management = free_port()
        environment = {"TRIVIUM_MANAGEMENT_PORT": str(management), "TRIVIUM_LOG_LEVEL": "error"}
        server, _ = stack.enter_context(serving(trivium_command(), Path(name), environment, management))
        waits = {asked: _wait_beside(server, management, request) for asked, request in REQUESTS.items()}
        worst = max(waits, key=waits.__getitem__)
        detail = f"{worst}; without any request {_quiet(management):.1f} ms"
        yield at_most("longest wait of /livez beside any single request", waits[worst], 50, " ms", detail)
        yield crowd(server, management)


def crowd(server: Server, management: int) -> Row:
    """Let many callers send the largest batch at once, and read nothing."""
    head = (
        "POST /recommend/batch HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    )
    request = head.format(len(EMPTY_PROFILES)).encode() + EMPTY_PROFILES
    most = 0.0
    with ExitStack() as stack, probing(management) as waits:
        for _ in range(CROWD):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.sendall(request)
        for _ in range(round(CROWD_SECONDS / PAUSE_SECONDS)):
            most = max(most, usage(server.process.pid).largest)
            sleep(PAUSE_SECONDS)
    what = f"resident memory with {CROWD} callers who send the largest batch and read nothing"
    return at_most(what, most, 256, " MiB", f"longest wait of /livez {waits[0].longest:.0f} ms, target 100 ms")


def _wait_beside(server: Server, management: int, request: tuple[str, str, bytes | None, dict[str, str]]) -> float:
    """Return the longest wait of a probe, in milliseconds, while one request is answered."""
    method, path, body, headers = request
    port = management if path in {"/metrics", "/readyz"} else server.port
    with probing(management) as waits:
        Server(server.process, port).ask(method, path, body, headers)
    return waits[0].longest


def _quiet(management: int) -> float:
    with probing(management) as waits:
        pass
    return waits[0].longest


@contextmanager
def probing(port: int, pause: float = PAUSE_SECONDS) -> Iterator[list[Waits]]:
    """Probe for as long as the context lasts; the list then holds what was measured."""
    waits: list[Waits] = []
    command = [sys.executable, "-m", "benchmarks.probe", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        streams: Any = process
        streams.stdout.readline()
        sleep(pause)
        try:
            yield waits
        finally:
            sleep(pause)
            streams.stdin.close()
            waits.append(msgspec.json.decode(streams.stdout.read(), type=Waits))
