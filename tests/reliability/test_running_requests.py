"""Requests that are cut off: who has no answer yet gets one, and half an answer does not look whole."""

import asyncio
from typing import Any

from reliability.service import free_ports
from trivium.api.server.listener import Listener


async def cut_off(path: str) -> bytes:
    """Cut a request off once it runs; return all that the caller receives."""
    runs = asyncio.Event()

    async def answer_without_end(scope: Any, receive: Any, send: Any) -> None:
        del receive
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        runs.set()
        await asyncio.Event().wait()

    (port,) = free_ports(1)
    listener = Listener(answer_without_end, "127.0.0.1", port, connections=10, idle_seconds=80, log_config={})
    serving = await listener.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    received = await reader.readuntil(b"part") if path == "/begun" else b""
    await runs.wait()
    listener.close()
    (scope,) = await listener.requests.cut_off()
    assert scope["path"] == path
    received += await reader.read()
    writer.close()
    await serving
    assert len(listener.requests) == 0
    return received


def test_a_caller_without_an_answer_is_refused() -> None:
    received = asyncio.run(cut_off("/waiting"))
    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in received


def test_half_an_answer_does_not_look_whole() -> None:
    received = asyncio.run(cut_off("/begun"))
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"part\r\n")  # without the chunk of length 0 that ends an answer
