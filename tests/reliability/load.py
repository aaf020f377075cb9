"""Callers who ask one request after the other over kept connections, and count what fails."""

import asyncio
from collections import Counter

import msgspec

from trivium.api.openapi.examples import INDEED


BODY = msgspec.json.encode(INDEED)
REQUEST = (
    b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY

CALLERS = 16


class Load:
    """Requests for as long as wanted.

    Args:
        port: of the load balancer.

    Attributes:
        answers: how many there were of each status; `lost` where there was none.
    """

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self._port = port
        self._enough = False

    async def run(self) -> None:
        """Ask until told that it is enough."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._call())

    def end(self) -> None:
        """Stop to ask."""
        self._enough = True

    async def _call(self) -> None:
        while not self._enough:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while await self._ask(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError):
                self.answers["lost"] += 1
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask once; return whether to ask again on the same connection."""
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        self.answers[head[9:12].decode()] += 1
        return not self._enough and b"connection: close" not in head
