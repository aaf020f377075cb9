"""A listener: one embedded granian server, and the requests that are running behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from trivium.api.server.handshakes import find_listener, ignore_new


Scope: TypeAlias = dict[str, Any]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

HEAD_BYTES = 32 << 10
"""Largest request line and headers together; much more is answered 431 by the server itself, which counts in reads."""

BACKLOG = 4096
"""Connections that wait in the kernel while the listener is at its limit."""

SETTLE_SECONDS = 2.0
"""How long the last bytes of the last answer may take; the server does not say when they are out."""

CUT_OFF_SECONDS = 1.0
"""How long requests that are cut off may take to clean up."""

POLL_SECONDS = 0.02


class RunningRequests:
    """The requests that are being answered.

    It is the outermost application, because the server tells neither how many requests run nor lets them be ended.

    Args:
        app: the application inside.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._scopes: dict[asyncio.Task[Any], Scope] = {}
        self._cut_off: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._scopes)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        task: Any = asyncio.current_task()
        self._scopes[task] = scope
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if task in self._cut_off:
                await _refuse(send)
            raise  # shows a caller whose answer has begun that it is not whole
        finally:
            del self._scopes[task]

    async def cut_off(self) -> list[Scope]:
        """End all of them, and return what they were."""
        scopes = dict(self._scopes)
        self._cut_off.update(scopes)
        for task in scopes:
            task.cancel()
        if scopes:
            await asyncio.wait(scopes, timeout=CUT_OFF_SECONDS)
        return list(scopes.values())


async def _refuse(send: Any) -> None:
    """Answer 503, unless the answer has begun."""
    headers = [(b"content-length", b"0"), (b"retry-after", b"1"), (b"connection", b"close")]
    with suppress(Exception):
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Listener:
    """One port, served in the running event loop.

    Args:
        app: what answers; its lifespan is not run.
        host: address to listen on.
        port: port to listen on.
        connections: most connections at once, idle ones too; further ones wait.
        idle_seconds: how long a connection may wait for its next request, or take over the head of one. The server
            cannot tell the two apart.
        log_config: where the server logs to, as `logging.config.dictConfig` takes it.
    """

    def __init__(
        self, app: App, host: str, port: int, *, connections: int, idle_seconds: float, log_config: dict[str, Any]
    ) -> None:
        self.requests = RunningRequests(app)
        self._port = port
        self._socket: socket.socket | None = None
        self._server = Server(
            self.requests,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=connections,
            http1_settings=HTTP1Settings(header_read_timeout=round(idle_seconds * 1000), max_buffer_size=HEAD_BYTES),
            log_level=LogLevels.error,
            log_dictconfig=log_config,
        )

    async def open(self) -> asyncio.Task[None]:
        """Start to listen; return what ends once the listener and all its connections are closed."""
        self._serving = asyncio.create_task(self._server.serve())
        while not self._serving.done():
            self._socket = find_listener(self._port)
            if self._socket is not None:
                break
            await asyncio.sleep(POLL_SECONDS)
        return self._serving

    def close_softly(self) -> None:
        """Let no new connection begin; `close` is to follow after `handshakes.SECONDS`."""
        if self._socket is not None:
            ignore_new(self._socket)

    def close(self) -> None:
        """Stop to listen; requests that are running go on, and idle connections are closed."""
        if self._socket is not None:
            self._socket.close()
        self._server.stop()  # type: ignore[no-untyped-call]  # granian gives it no types

    async def finish(self) -> None:
        """Wait until all connections are closed, or no request has been running for a while.

        The server itself would also wait for connections that have sent no request, or half of one.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        while not self._serving.done() and loop.time() - since < SETTLE_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            if self.requests:
                since = loop.time()
