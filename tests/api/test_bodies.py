"""A body that never arrives whole is answered in the end, and holds nothing up."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api import serving
from api.serving import JSON, Inside, Live, problem


PATHS = ["/recommend", "/recommend?view=full", "/recommend/batch", "/policies/1/map"]
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
    (error,) = problem(response, 400, "invalid_input")["errors"]
    assert (error["code"], error["pointer"]) == ("malformed", "")
    assert error["detail"].startswith("the body ended before it was complete")
    line = live.lines("cut-off", 1)[-1]
    assert (line["level"], line["status"], line["problem"]) == ("info", 400, "invalid_input")


@pytest.fixture(scope="module")
def impatient() -> Iterator[Inside]:
    """A service that waits for bodies not for long."""
    with serving.inside(body_seconds=0.2) as served:
        yield served


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("start", [b"", b"{"], ids=["nothing", "a part"])
def test_a_body_that_stops_arriving_is_given_up(impatient: Inside, path: str, start: bytes) -> None:
    parts = [{"type": "http.request", "body": start, "more_body": True}] if start else []

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop()

    async def ask() -> httpx.Response:
        async with asyncio.timeout(30):
            return await serving.call(impatient.app, path, receive, **{"content-length": "50"})

    response = asyncio.run(ask())
    found = problem(response, 408, "request_timeout")
    assert found["detail"] == "The body did not arrive in time; send it without pauses."
    assert response.headers["connection"] == "close"


def test_a_body_in_many_parts_is_read_whole(service: Inside) -> None:
    body = b'{"id": "mine", "requests_per_day": 1}'
    parts = [{"type": "http.request", "body": body[at : at + 1], "more_body": True} for at in range(len(body))]
    parts.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    response = asyncio.run(serving.call(service.app, "/recommend", receive))
    assert response.json() == service.client.post("/recommend", content=body, headers=JSON).json()


@pytest.mark.parametrize("length", ["9" * 4301, "0" * 4301, "-1", "1e3", "\xb2", "", "1, 1", "99999999999999999999"])
def test_a_length_that_is_no_number_of_bytes_raises_nothing(service: Inside, length: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    response = asyncio.run(serving.call(service.app, "/recommend", receive, **{"content-length": length}))
    assert response.status_code in {200, 413}


def test_a_request_that_is_cancelled_from_outside_stays_cancelled(service: Inside) -> None:
    async def cancel() -> None:
        async def receive() -> None:
            await asyncio.Event().wait()

        waiting = asyncio.create_task(serving.call(service.app, "/recommend", receive))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
