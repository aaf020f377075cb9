"""A body that never arrives whole is answered in the end, and holds nothing up."""

import asyncio
import socket
from collections.abc import Iterator
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api import serving
from api.serving import Inside, Live, problem
from trivium.api.arrivals import Arrivals


PATHS = ["/recommend", "/recommend?explain=full", "/recommend/batch", "/policies/1/map"]
HEAD = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CUT_OFF = {
    "a bad chunk": "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a bad second chunk": "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nzz\r\n",
    "the end too early": "Content-Length: 50\r\n\r\n{",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("rest", CUT_OFF.values(), ids=CUT_OFF)
def test_a_body_cut_off_is_answered_to_who_still_listens(live: Live, path: str, rest: str) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as caller:
        caller.sendall(f"{HEAD.format(path)}X-Request-ID: cut-off\r\n{rest}".encode())
        caller.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    response = httpx.Response(int(status.split()[1]), headers=headers, content=body)
    (error,) = problem(response, 400, "invalid-input")["errors"]
    assert (error["code"], error["pointer"]) == ("malformed", "")
    assert error["detail"].startswith("the body ended before it was whole")
    line = live.lines("cut-off", 1)[-1]
    assert (line["level"], line["status"], line["problem"]) == ("info", 400, "invalid-input")


@pytest.fixture(scope="module")
def impatient() -> Iterator[Inside]:
    """A service that waits for bodies not for long."""
    with serving.inside() as served:
        edge: Any = served.app.asgi_handler
        edge._arrivals = Arrivals(seconds=0.2, every=0.05)  # noqa: SLF001 - half a minute is too long for a test
        yield served


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("start", [b"", b"{"], ids=["nothing", "a part"])
def test_a_body_that_stops_is_given_up(impatient: Inside, path: str, start: bytes) -> None:
    parts = [{"type": "http.request", "body": start, "more_body": True}] if start else []

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop()

    async def ask() -> httpx.Response:
        async with asyncio.timeout(10):
            return await serving.call(impatient.app, path, receive, **{"content-length": "50"})

    response = asyncio.run(ask())
    (error,) = problem(response, 400, "invalid-input")["errors"]
    assert error["detail"] == "the body did not arrive within 0.2 seconds"
    assert response.headers["connection"] == "close"


def arriving(receive: Any) -> Any:
    return SimpleNamespace(start=perf_counter(), take=receive, more=True, failure=None)


def test_who_is_in_time_is_not_disturbed() -> None:
    async def ask(arrivals: Arrivals, seconds: float) -> Any:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": b"{}"}

        return await arrivals.read(arriving(receive), 100)

    async def several() -> list[Any]:
        arrivals = Arrivals(seconds=0.5, every=0.02)
        return await asyncio.gather(*(ask(arrivals, one / 100) for one in range(20)))

    assert asyncio.run(several()) == [b"{}"] * 20


@pytest.mark.parametrize(("enough", "read", "more"), [(3, b"abcd", True), (4, b"abcd", True), (5, b"abcdef", False)])
def test_no_more_parts_are_read_than_are_enough(enough: int, read: bytes, more: bool) -> None:
    parts = [b"ab", b"cd", b"ef"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    request = arriving(receive)
    assert asyncio.run(Arrivals().read(request, enough)) == read
    assert request.more is more


def test_a_request_that_is_cancelled_from_outside_stays_cancelled() -> None:
    async def cancel() -> None:
        async def receive() -> None:
            await asyncio.Event().wait()

        waiting = asyncio.create_task(Arrivals().read(arriving(receive), 100))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
