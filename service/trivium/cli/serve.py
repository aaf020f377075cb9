"""`trivium serve`: check everything first, then hand over to the supervisor."""

from __future__ import annotations

import errno
import gc
import logging.config
import os
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec

import trivium
from trivium.api.openapi.examples import INDEED
from trivium.api.server.options import Options
from trivium.api.server.supervisor import WorkerError, supervise
from trivium.api.settings import Settings
from trivium.cli.common import CANNOT_START, Failure
from trivium.errors import SettingsError
from trivium.policy import PolicyError


if TYPE_CHECKING:
    from trivium.api.server.worker import Applications


STOP_SECONDS = 4.0
"""How long a worker may take to stop beyond what it was given for its requests; the chart leaves five seconds."""

GARBAGE = 10_000
"""New objects after which the collector looks for cycles: it takes 4 % of a request's time with Python's own 700."""

STOPS = (signal.SIGTERM, signal.SIGINT)


@click.command
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, show_envvar=True)
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000, show_default=True, show_envvar=True)
def serve(host: str, port: int) -> None:
    """Serve the API.

    SIGTERM and Ctrl-C stop the service once running requests are answered; a second one stops it at once.
    """
    for number in STOPS:
        signal.signal(number, _stop)  # as PID 1 there is no default
    try:
        settings = Settings.from_environment()
        options = _options(settings, host, port)
        applications = _applications(settings)
    except (SettingsError, PolicyError) as error:
        raise Failure(f"Error: {error}", CANNOT_START) from None
    click.echo(_greeting(options.host, port), err=True)
    run(applications, options)


def run(applications: Applications, options: Options) -> None:
    """Serve until told to stop, and end this process.

    Raises:
        Failure: the worker ended though nobody told it to.
    """
    from trivium.api.server.worker import work  # noqa: PLC0415 - only serving needs the server

    gc.collect()
    gc.freeze()  # the collector would write to pages that the worker shares
    gc.set_threshold(GARBAGE)
    patience = options.drain_seconds + options.shutdown_seconds + STOP_SECONDS
    logger = applications.logger
    try:
        code = supervise(
            partial(work, applications, options),
            patience=patience,
            on_restart=lambda name: logger.warning("worker_restarted", killed_by=name),
        )
    except WorkerError as error:
        raise Failure(f"Error: {error}", CANNOT_START) from None
    sys.exit(code)


def _applications(settings: Settings) -> Applications:
    """Load everything before the worker is forked: it starts again quickly then, and shares memory."""
    from trivium.api.app import create_app, create_management_app  # noqa: PLC0415 - only serving needs them
    from trivium.api.drain import Drain  # noqa: PLC0415
    from trivium.api.server.worker import Applications  # noqa: PLC0415
    from trivium.api.telemetry.log import library_logging  # noqa: PLC0415

    drain = Drain()
    service = create_app(settings, drain=drain)
    management = create_management_app(service) if settings.management_port else None
    logger = service.state.services.logger
    logging.config.dictConfig(library_logging(logger))
    return Applications(service, management, drain, logger, service.lifespan)


def _options(settings: Settings, host: str, port: int) -> Options:
    if settings.management_port == port:
        raise SettingsError(f"TRIVIUM_MANAGEMENT_PORT: {port} is the port of the service itself")
    options = Options(
        host=_check_address(host, port),
        port=port,
        management_port=settings.management_port,
        max_connections=settings.max_connections,
        idle_seconds=settings.idle_seconds,
        drain_seconds=settings.drain_seconds,
        shutdown_seconds=settings.shutdown_seconds,
    )
    if options.management_port:
        _check_address(host, options.management_port)
    return options


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
