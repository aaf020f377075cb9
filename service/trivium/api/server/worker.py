"""The worker: opens the listeners, waits for the signal to stop, and lets no running request down."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NamedTuple

import uvloop

from trivium.api.drain import Drain
from trivium.api.server import handshakes
from trivium.api.server.listener import App, Listener
from trivium.api.server.options import MANAGEMENT_CONNECTIONS, Options, allow_connections
from trivium.api.telemetry.log import library_logging


LONGEST_PATH = 200
"""Characters of a path that are logged."""


SWITCH_SECONDS = 0.0005
"""How long the event loop may keep the interpreter from the server's threads, which hand requests over."""


class Applications(NamedTuple):
    """What is served.

    Attributes:
        service: answers on the service port.
        management: answers on the management port; None where there is none.
        drain: what both read.
        logger: where it is told which requests were cut off.
        lifespan: what runs around both.
    """

    service: App
    management: App | None
    drain: Drain
    logger: Any
    lifespan: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext


class Stop:
    """What the signals ask for.

    Attributes:
        asked: done with the first signal.
        at_once: done with the second.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.asked: asyncio.Future[None] = loop.create_future()
        self.at_once: asyncio.Future[None] = loop.create_future()

    def signal(self) -> None:
        """Take note of a signal."""
        if not self.asked.done():
            self.asked.set_result(None)
        elif not self.at_once.done():
            self.at_once.set_result(None)


def work(applications: Applications, options: Options) -> None:
    """Serve until SIGTERM.

    Raises:
        OSError: a port cannot be listened on.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(_serve(applications, options))


async def _serve(applications: Applications, options: Options) -> None:
    stop = Stop()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the supervisor blocks it until here
    service, *others = _listeners(applications, options)
    async with applications.lifespan():
        serving = [await listener.open() for listener in (service, *others)]
        for ended in await _first(stop.asked, *serving):
            ended.result()
        applications.drain.begin()
        await _first(stop.at_once, seconds=options.drain_seconds)
        service.close_softly()
        await _first(stop.at_once, seconds=handshakes.SECONDS)
        service.close()
        finishing = asyncio.create_task(service.finish())
        await _first(stop.at_once, finishing, seconds=options.shutdown_seconds)
        finishing.cancel()
        for scope in await service.requests.cut_off():
            request_id = scope.get("state", {}).get("request_id")
            applications.logger.warning(
                "cut_off", method=scope["method"], path=scope["path"][:LONGEST_PATH], request_id=request_id
            )
        # The other listener answers up to here; the end of the process closes it.


def _listeners(applications: Applications, options: Options) -> list[Listener]:
    """Return the listener of the service, and that of management where there is one."""
    connections = allow_connections(options.max_connections)
    if connections < options.max_connections:
        applications.logger.warning("max_connections", wanted=options.max_connections, allowed=connections)
    applications_of = [(applications.service, options.port, connections)]
    if applications.management is not None:
        applications_of.append((applications.management, options.management_port, MANAGEMENT_CONNECTIONS))
    return [
        Listener(
            app,
            options.host,
            port,
            connections=most,
            idle_seconds=options.idle_seconds,
            log_config=library_logging(applications.logger),
        )
        for app, port, most in applications_of
    ]


async def _first(*futures: asyncio.Future[Any], seconds: float | None = None) -> set[asyncio.Future[Any]]:
    """Wait until the first of them is done, but no longer than that; return those that are."""
    done, _ = await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return done
