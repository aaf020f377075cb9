"""Responses as plain ASGI applications, which handlers return: Litestar sends them as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send


Header = tuple[bytes, bytes]

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
MARKDOWN = "text/markdown"
HTML = "text/html"
NO_STORE: Header = (b"cache-control", b"no-store")

PART_BYTES = 1 << 18
"""Longer bodies are sent in parts of this size, so that a caller who does not read holds no more than a few."""

READ_SECONDS = 30.0
"""How long a caller may take to read one part of a body before the connection is closed."""


class BytesResponse:
    """A body that is ready, with its headers.

    Args:
        body: the body.
        media_type: its media type.
        headers: further headers, names in lower case.
        status: the status code.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: bytes, media_type: str = JSON, headers: Sequence[Header] = (NO_STORE,), status: int = 200
    ) -> None:
        self.body = body
        self.status = status
        self.headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; to HEAD without the body."""
        del receive
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        body = b"" if scope.get("method") == "HEAD" else self.body
        if len(body) > PART_BYTES:
            await send_parts(send, body)
        else:
            await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_parts(send: Send, body: bytes, *, more: bool = False) -> None:
    """Send a long body in parts, each of which the caller has to read in time.

    Raises:
        TimeoutError: the caller does not read; the server then closes the connection.
    """
    for start in range(0, len(body), PART_BYTES):
        part = body[start : start + PART_BYTES]
        async with asyncio.timeout(READ_SECONDS):
            await send(
                {"type": "http.response.body", "body": part, "more_body": more or start + PART_BYTES < len(body)}
            )


class CutOffError(Exception):
    """Ends a body before it is whole, in a way that the caller notices."""


class StreamingResponse:
    """A body that is sent as it is made.

    Args:
        parts: the parts of the body.
        media_type: its media type.
        headers: further headers, names in lower case.
        on_end: called once the body is sent, or given up.
        has_left: says whether the caller has gone; None where the request's body is read, so that it can be awaited.
    """

    __slots__ = ("has_left", "headers", "on_end", "parts")

    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        media_type: str = JSON,
        headers: Sequence[Header] = (NO_STORE,),
        on_end: Callable[[], object] = bool,
        has_left: Callable[[], bool] | None = None,
    ) -> None:
        self.parts = parts
        self.headers = [(b"content-type", media_type.encode()), *headers]
        self.on_end = on_end
        self.has_left = has_left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts until the caller leaves; a failure on the way cuts the body off, which the caller notices."""
        del scope
        # Once the body is read, the next message says that the caller has left.
        left = asyncio.ensure_future(receive()) if self.has_left is None else None
        has_left = self.has_left or (lambda: left is not None and left.done())
        try:
            part = await anext(self.parts)  # whatever fails until here is answered as an error
            await send({"type": "http.response.start", "status": 200, "headers": self.headers})
            await send_parts(send, part, more=True)
            async for part in self.parts:
                if has_left():
                    return
                await send_parts(send, part, more=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except CutOffError:
            return  # the server closes the connection, because the last part was not sent
        finally:
            if left is not None:
                left.cancel()
            await self.parts.aclose()
            self.on_end()


def json_response(value: Any, headers: Sequence[Header] = (NO_STORE,), status: int = 200) -> ASGIApp:
    """Return a value as JSON that no cache keeps."""
    return BytesResponse(msgspec.json.encode(value), JSON, headers, status)
