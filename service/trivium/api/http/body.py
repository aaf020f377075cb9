"""Reading request bodies, within a size and a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from litestar import Request
from litestar.types import Receive, Scope

from trivium.api.http.problems import ProblemError, too_large
from trivium.errors import FieldError, InvalidInputError


DISCARD_BYTES = 16 << 20
"""How much of a refused body is read and thrown away: a connection closed on unread bytes may lose the response."""

DISCARD_SECONDS = 2.0
"""How long that may take."""

AHEAD_SECONDS = 0.02
"""How long a part of a stream is worked on before one more is read. Only behind the parts that wait does the server say
that the caller has left: to it, sending to nobody is no error (granian issue 650)."""

MOST_AHEAD = 32
"""How many parts may wait; one has up to 32 KiB."""

_ENDED = "body_ended"
"""In the state of a request: nothing more of its body will be read."""

_NEXT = "body_next"
"""In the state of a request: what receives the next message already."""


class Deadline:
    """Ends what takes too long; `with deadline:` raises `TimeoutError` when the time is up.

    `asyncio.timeout` does the same with a timer for each use, which uvloop takes 13 us to start and to close: a sixth
    of what a whole request takes. Here one timer serves all tasks; each may use it once at a time.

    Args:
        seconds: how long anything may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[Any] | None, float] = {}  # the first is due first, since all have the same time
        self._armed = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._due[asyncio.current_task()] = loop.time() + self._seconds
        if not self._armed:
            self._armed = True
            loop.call_later(self._seconds, self._expire, loop)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task = asyncio.current_task()
        expired = self._due.pop(task, None) is None
        if expired and task is not None and not task.uncancel() and kind is asyncio.CancelledError:
            raise TimeoutError

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is due, and come back when the next is."""
        for task, due in list(self._due.items()):
            if due > loop.time():
                loop.call_at(due, self._expire, loop)
                return
            del self._due[task]
            if task is not None:
                task.cancel()
        self._armed = False


async def read_body(request: Request[Any, Any, Any], *, limit: int, deadline: Deadline) -> bytes:
    """Read the whole body of a request.

    Args:
        request: the request.
        limit: most bytes of the body.
        deadline: until when it must have arrived.

    Raises:
        ProblemError: `too_large`, or `request_timeout`.
        InvalidInputError: the caller stopped in the middle, or the body's framing is malformed.
    """
    if _announced(request.scope) > limit:
        raise too_large(limit)
    try:
        with deadline:
            body = await _read(request.receive, limit)
    except TimeoutError:
        raise ProblemError("request_timeout") from None
    request.scope["state"][_ENDED] = True
    if body is None:
        raise _cut_off()
    return body


def _cut_off() -> InvalidInputError:
    detail = "the body ended before it was complete, or its chunks are malformed"
    return InvalidInputError([FieldError("malformed", detail, pointer="")])


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Read a body to its end; None where it stops before."""
    message: Any = await receive()
    body: bytes | bytearray = message.get("body", b"")
    if message.get("more_body"):
        body = bytearray(body)
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
    if len(body) > limit:
        raise too_large(limit)
    return None if message["type"] == "http.disconnect" else bytes(body)


class BodyStream:
    """A request body that is read while it arrives.

    The next message is always awaited, so that a caller who leaves is noticed while a part is worked on.

    Args:
        request: the request.
        limit: most bytes of the body.
        idle_seconds: how long the body may pause.

    Raises:
        ProblemError: `too_large`, the announced length is beyond the limit.
    """

    def __init__(self, request: Request[Any, Any, Any], *, limit: int, idle_seconds: float) -> None:
        if _announced(request.scope) > limit:
            raise too_large(limit)
        self._scope = request.scope
        self._receive = request.receive
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._next: asyncio.Future[Any] | None = None
        self._waiting: deque[Any] = deque()
        self._read_ahead_at = 0.0

    def has_left(self) -> bool:
        """Say whether the caller has gone, as far as it is known; to be asked now and then while a part is worked on.

        A caller who goes is known of behind what it has sent, so this reads a part ahead where it may.
        """
        message = self._next
        if message is None or not message.done() or message.cancelled() or message.exception() is not None:
            return False
        if message.result()["type"] == "http.disconnect":
            return True
        now = asyncio.get_running_loop().time()
        if now - self._read_ahead_at > AHEAD_SECONDS and len(self._waiting) < MOST_AHEAD:
            self._read_ahead_at = now
            self._waiting.append(message.result())
            self._next = asyncio.ensure_future(self._receive())
        return False

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the parts of the body.

        Raises:
            ProblemError: `too_large`, or `request_timeout` after a pause that is too long.
            InvalidInputError: the caller stopped in the middle, or the body's framing is malformed.
        """
        taken, more = 0, True
        try:
            while more:
                message = await self._message()
                if message["type"] == "http.disconnect":
                    self._scope["state"][_ENDED] = True
                    raise _cut_off()  # noqa: TRY301 - whatever happens, no further message is awaited
                body, more = message.get("body", b""), message.get("more_body", False)
                self._scope["state"][_ENDED] = not more
                self._next = self._next or asyncio.ensure_future(self._receive())
                self._read_ahead_at = asyncio.get_running_loop().time()
                taken += len(body)
                if taken > self._limit:
                    raise too_large(self._limit)  # noqa: TRY301 - as above
                if body:
                    yield body
        except BaseException:
            await self.aclose()
            raise

    async def _message(self) -> Any:
        if self._waiting:
            return self._waiting.popleft()
        if self._next is None:
            self._next = asyncio.ensure_future(self._receive())
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await asyncio.shield(self._next)
        except TimeoutError:
            raise ProblemError("request_timeout") from None
        if message["type"] != "http.disconnect":  # which stays to be seen by `has_left`
            self._next = None
        return message

    async def aclose(self) -> None:
        """Leave what has not been looked at to `discard_body`: a message whose receiver is cancelled is lost."""
        unread, self._waiting = self._waiting, deque()
        for message in unread:
            self._scope["state"][_ENDED] = not message.get("more_body")
        if self._next is not None:
            self._scope["state"][_NEXT], self._next = self._next, None

    def close(self) -> None:
        """Await no further message."""
        if self._next is not None:
            self._next.cancel()


async def discard_body(scope: Scope, receive: Receive) -> bool:
    """Read what is left of the body of a refused request; return whether it has come to its end."""
    if scope["state"].get(_ENDED) or not _has_body(scope):
        return True
    taken = 0
    following = scope["state"].pop(_NEXT, None)
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while taken < DISCARD_BYTES:
                message: Any = await (following or receive())
                following = None
                taken += len(message.get("body", b""))
                if not message.get("more_body"):
                    return True
    return False


def _announced(scope: Scope) -> int:
    """Return the length that the request announces; 0 where there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])  # more digits than any body has bytes
    return 0


def _has_body(scope: Scope) -> bool:
    return any(name in _FRAMING and value != b"0" for name, value in scope["headers"])


_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
