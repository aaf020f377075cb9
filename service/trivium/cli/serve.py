"""`trivium serve`: check everything first, then hand over to the server."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
from functools import cache, partial
from typing import TYPE_CHECKING

import click
import msgspec

import trivium
from trivium.api.openapi.examples import INDEED
from trivium.cli.common import CANNOT_START, Failure
from trivium.errors import SettingsError
from trivium.policy import PolicyError


if TYPE_CHECKING:
    from litestar import Litestar


CONNECTIONS = 1024
"""Open connections at once; granian's `backpressure` counts connections, idle ones too, and lets further ones wait."""

DRAIN_SECONDS = 20
"""How long requests may take to finish after SIGTERM."""

START_SECONDS = 0.25
"""How long after the application the server has surely started."""

STOPS = (signal.SIGTERM, signal.SIGINT)


@click.command
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, show_envvar=True)
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000, show_default=True, show_envvar=True)
def serve(host: str, port: int) -> None:
    """Serve the API.

    SIGTERM and Ctrl-C stop the service once running requests are answered.
    """
    for number in STOPS:
        signal.signal(number, _stop)  # until the server sets its own; as PID 1 there is no default
    address = _check_address(host, port)
    try:
        application()
    except (SettingsError, PolicyError) as error:
        raise Failure(f"Error: {error}", CANNOT_START) from None
    click.echo(_greeting(address, port), err=True)
    _run(address, port)


@cache
def application() -> Litestar:
    """Return the application; made before the server forks, so that nothing is loaded twice and pages are shared."""
    from trivium.api.app import create_app  # noqa: PLC0415 - only serving needs the web framework

    app = create_app()
    app.on_startup.append(_listen_soon)
    return app


def _listen_soon() -> None:
    """Let the worker's pending signals through, once its server listens to them."""
    asyncio.get_running_loop().call_later(START_SECONDS, signal.pthread_sigmask, signal.SIG_UNBLOCK, STOPS)


def _run(address: str, port: int) -> None:
    from granian import Granian  # noqa: PLC0415 - only serving needs the server
    from granian.constants import HTTPModes, Interfaces, Loops  # noqa: PLC0415 - only serving needs the server
    from granian.log import LogLevels  # noqa: PLC0415 - only serving needs the server

    from trivium.api.telemetry.log import library_logging  # noqa: PLC0415 - only serving needs the web framework

    server = Granian(
        "trivium.api.app:create_app",
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        websockets=False,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        workers_kill_timeout=DRAIN_SECONDS,
        log_access=False,
        log_level=LogLevels.error,
        log_dictconfig=library_logging(application().state.services.logger),
    )
    os.register_at_fork(  # a worker that is told to stop before it serves would not notice: its signals wait
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPS),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOPS),
    )
    gc.collect()
    gc.freeze()  # the collector would write to pages that the worker shares
    try:
        server.serve(target_loader=application, wrap_loader=False)
    except SystemExit as stop:
        if stop.code and not server.interrupt_signal:
            raise Failure("Error: the worker ended unexpectedly; see the log above", CANNOT_START) from None


def _stop(*_: object) -> None:
    os._exit(0)  # an exception could get lost, in an import for one


def _check_address(host: str, port: int) -> str:
    """Return the address to listen on, which nothing else does.

    The server shares its port with anybody (SO_REUSEPORT), so it would not notice a second service.
    """
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise Failure(f"Error: cannot listen on {host}: {error.strerror}", CANNOT_START) from None
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            hint = ""
            if error.errno == errno.EADDRINUSE:
                hint = f"; choose another, such as: trivium serve --port {port % 65535 + 1}"
            message = f"Error: cannot listen on {host} port {port}: {error.strerror}{hint}"
            raise Failure(message, CANNOT_START) from None
    return str(where[0])


def _greeting(address: str, port: int) -> str:
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - all interfaces, from here
    url = f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
    profile = msgspec.json.encode({name: value for name, value in INDEED.items() if name != "id"}).decode()
    return (
        f"Trivium {trivium.__version__} on {url}, documented at {url}/docs. Try:\n"
        f"  curl {url}/recommend -H 'Content-Type: application/json' -d '{profile}'"
    )
