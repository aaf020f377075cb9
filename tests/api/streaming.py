"""Streams as a test sends and reads them, piece by piece, and the memory that the service takes meanwhile."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api.serving import Live


NDJSON, CSV = "application/x-ndjson", "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
LINE = b'{"id": "a", "requests_per_day": 5000, "knowledge_need": "changing_facts"}\n'
LIMIT = 60.0
"""Seconds that only a fault takes."""


class Stream:
    """A streamed batch over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.left = b""

    async def send(self, body: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(body), body))
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), LIMIT)

    async def chunk(self) -> bytes:
        """Return the next part of the response; nothing at its end."""
        size = int(await asyncio.wait_for(self.reader.readuntil(b"\r\n"), LIMIT), 16)
        return (await asyncio.wait_for(self.reader.readexactly(size + 2), LIMIT))[:-2]

    async def lines(self) -> AsyncIterator[bytes]:
        while part := await self.chunk():
            pieces = (self.left + part).split(b"\n")
            self.left = pieces.pop()
            for piece in pieces:
                yield piece


@asynccontextmanager
async def streaming(
    live: Live, media: str = NDJSON, request_id: str = "stream", path: str = "/recommend/batch", accept: str = "*/*"
) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port, limit=1 << 24)
    lines = {"Host": "x", "Content-Type": media, "Transfer-Encoding": "chunked", "X-Request-ID": request_id}
    lines |= {"Accept": accept}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        yield Stream(reader, writer)
    finally:
        writer.transport.abort()


def memory(live: Live) -> int:
    """Return the pages that the largest process of the service has resident, in bytes."""
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if live.process.pid in {int(path.name), parent}:
                found = max(found, int((path / "statm").read_text().split()[1]))
        except (OSError, ValueError):
            continue
    return found * resource.getpagesize()


def arriving(*parts: bytes, pause: float = 0, ends: bool = True) -> Any:
    """Return what receives a body in parts, with a pause after each; one that does not end just stops coming."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages += [{"type": "http.request", "body": b"", "more_body": False}] * ends

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        await asyncio.sleep(pause)
        return messages.pop(0)

    return receive
