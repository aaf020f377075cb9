"""Waiting for bodies: who stops sending gets an answer in the end, and does not hold a connection for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol

from trivium.errors import FieldError, InvalidInputError


SECONDS = 30.0
"""How long a body may take to arrive; the server gives as long to the headers."""

EVERY = 1.0
"""Seconds between two looks at who is late: one timer for all, since one for each would cost as much as an answer."""


class Arriving(Protocol):
    """A request whose body is read.

    Attributes:
        start: when it came, by `perf_counter`.
        take: gives the server's next message.
        more: whether there is more of the body.
        failure: why the rest will not come.
    """

    start: float
    take: Callable[[], Awaitable[dict[str, Any]]]
    more: bool
    failure: InvalidInputError | None


class Arrivals:
    """The requests whose bodies are awaited.

    Args:
        seconds: how long a body may take.
        every: seconds between two looks.
    """

    def __init__(self, seconds: float = SECONDS, every: float = EVERY) -> None:
        self._seconds = seconds
        self._every = every
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._watched_by: asyncio.AbstractEventLoop | None = None

    async def read(self, arriving: Arriving, enough: int) -> bytes:
        """Read on until a body is whole, or that many bytes of it are there.

        Raises:
            InvalidInputError: the rest does not come: the caller left, is too slow, or sends what is no body.
        """
        parts: list[bytes] = []
        missing = enough
        task: Any = asyncio.current_task()
        self._since[task] = arriving.start
        if self._watched_by is not (loop := asyncio.get_running_loop()):
            self._watch(loop)
        try:
            while arriving.more and missing > 0:
                message = await arriving.take()
                if message["type"] == "http.disconnect":
                    arriving.failure = _cut_off("the body ended before it was whole, or its chunks are malformed")
                    raise arriving.failure
                part = message.get("body", b"")
                parts.append(part)
                missing -= len(part)
                arriving.more = message.get("more_body", False)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            arriving.failure = _cut_off(f"the body did not arrive within {self._seconds:g} seconds")
            raise arriving.failure from None
        finally:
            del self._since[task]
        return b"".join(parts)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched_by = loop
        loop.call_later(self._every, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up who is late."""
        self._watched_by = None
        latest = perf_counter() - self._seconds
        for task, since in self._since.items():
            if since < latest:
                self._late.add(task)
                task.cancel()
        if self._since:
            self._watch(loop)


def _cut_off(detail: str) -> InvalidInputError:
    return InvalidInputError([FieldError("malformed", detail, pointer="")])
