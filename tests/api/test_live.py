"""The served process under many callers at once, and when it is told to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from api.serving import JSON, Live
from trivium.api.openapi.examples import INDEED, SUPPORT


CALLERS = 64
ROUNDS = 6

GOOD = msgspec.json.encode(INDEED)
KINDS: list[tuple[str, str, bytes, int]] = [
    ("POST", "/recommend", GOOD, 200),
    ("POST", "/recommend", msgspec.json.encode(SUPPORT), 200),
    ("POST", "/recommend", b'{"id": NaN}', 400),
    ("POST", "/recommend", b"[" * 10_000, 400),
    ("POST", "/recommend?view=brief", GOOD, 200),
    ("POST", "/recommend?policy=9", GOOD, 404),
    ("POST", "/recommend/batch", b'{"profiles": [{}, 1, {"x": 1}]}', 200),
    ("POST", "/recommend/impact?from=1", b'{"profiles": [{}, 1, {"x": 1}]}', 200),
    ("POST", "/recommend", b" " * (2 << 20), 413),
    ("GET", "/policies/1", b"", 200),
    ("GET", "/nope", b"", 404),
    ("DELETE", "/recommend", b"", 405),
    ("GET", "/livez", b"", 200),
]


def test_many_callers_at_once_each_get_their_own_answer(live: Live) -> None:
    async def call(client: httpx.AsyncClient, caller: int) -> None:
        for turn in range(ROUNDS):
            method, path, body, status = KINDS[(caller + turn) % len(KINDS)]
            own = f"caller-{caller}-{turn}"
            if status == 200 and path == "/recommend":
                body = msgspec.json.encode(msgspec.json.decode(body) | {"id": own})
            response = await client.request(method, path, content=body, headers={**JSON, "X-Request-ID": own})
            assert response.headers["x-request-id"] == own
            busy = path.startswith("/recommend/") and response.status_code == 503
            assert response.status_code == status or busy
            if response.status_code >= 400:
                assert response.json()["request_id"] == own
            elif path == "/recommend":
                assert response.json()["id"] == own

    async def storm() -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(base_url=live.url, limits=limits, timeout=30) as client:
            await asyncio.gather(*(call(client, caller) for caller in range(CALLERS)))

    asyncio.run(storm())
    asked = [KINDS[(caller + turn) % len(KINDS)][1] for caller in range(CALLERS) for turn in range(ROUNDS)]
    logged = sum(path != "/livez" for path in asked)
    lines = live.lines("caller-", logged)
    assert len(lines) == len({line["request_id"] for line in lines}) == logged
    assert {line["level"] for line in lines} == {"info"}


@pytest.mark.parametrize("path", ["/recommend", "/recommend?view=full", "/nope"])
def test_a_refusal_arrives_though_the_body_was_not_wanted(live: Live, path: str) -> None:
    """Every answer is read whole, and on the same connection the next request is answered, too."""
    with httpx.Client(base_url=live.url, timeout=10, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(10):
            assert client.post(path, content=b" " * (2 << 20), headers=JSON).status_code in {404, 413}
            assert client.get("/livez").is_success


@pytest.mark.parametrize(("path", "length"), [("/nope", 10), ("/recommend", 2 << 20), ("/recommend", 1 << 40)])
def test_a_body_that_never_comes_holds_up_no_refusal(live: Live, path: str, length: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as caller:
        caller.sendall(head.encode())
        answer = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 413"))
    assert b"connection: close" in answer


def test_requests_in_flight_are_answered_before_the_process_ends(tmp_path: Path) -> None:
    """Callers who are half through with sending when the process is told to stop send the rest half a second later."""
    profiles = [{"id": str(number), "requests_per_day": number} for number in range(1000)]
    batch = msgspec.json.encode({"profiles": profiles})
    bodies = [("/recommend", GOOD), ("/recommend?view=brief", GOOD), *[("/recommend/batch", batch)] * 3]

    async def send(client: httpx.AsyncClient, path: str, body: bytes, on: asyncio.Event) -> httpx.Response:
        async def halves() -> AsyncIterator[bytes]:
            yield body[: len(body) // 2]
            await on.wait()
            yield body[len(body) // 2 :]

        return await client.post(path, content=halves(), headers=JSON | {"X-Request-ID": "leaving"})

    async def leave(served: Live) -> list[httpx.Response]:
        on = asyncio.Event()
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
            requests = [asyncio.create_task(send(client, path, body, on)) for path, body in bodies]
            await asyncio.sleep(0.5)
            served.process.terminate()
            await asyncio.sleep(0.5)
            assert not any(request.done() for request in requests)
            on.set()
            return await asyncio.gather(*requests)

    served = Live(tmp_path)
    answers = asyncio.run(leave(served))
    assert served.process.wait(timeout=30) == 0
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    assert [answer.json()["summary"]["succeeded"] for answer in answers[2:]] == [1000] * 3
    assert [line["status"] for line in served.lines("leaving")] == [200] * len(bodies)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/livez")


def test_a_large_batch_lets_others_through(live: Live) -> None:
    """A batch of nothing but mistakes takes longest."""
    wrong = {f"field_{number}": number for number in range(60)}
    batch = msgspec.json.encode({"profiles": [wrong] * 1000})
    probes = []
    with ThreadPoolExecutor() as pool, httpx.Client(base_url=live.url, timeout=60) as client:
        asked = pool.submit(httpx.post, f"{live.url}/recommend/batch", content=batch, headers=JSON, timeout=60)
        while not asked.done():
            probes.append(client.get("/livez").status_code)
    assert asked.result().json()["summary"]["failed"] == 1000
    assert probes[:5] == [200] * 5
