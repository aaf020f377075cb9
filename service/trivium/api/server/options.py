"""What the worker is told: where to listen, how many connections to hold, and how long to wait for what."""

from __future__ import annotations

import resource

import msgspec


MANAGEMENT_CONNECTIONS = 256
"""Connections that the management listener holds; its callers are probes and a few scrapers."""

OTHER_FILES = 256
"""Open files that are no connections: listeners, event loop, log, policies, libraries."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve.

    Attributes:
        host: address to listen on.
        port: where the service listens.
        management_port: where probes and metrics are answered; 0 for no listener of their own.
        max_connections: most connections of the service port at once, idle ones too.
        idle_seconds: how long a connection may wait for its next request, or take over the head of one.
        drain_seconds: how long to tell callers that the service is about to stop, before it closes its port.
        shutdown_seconds: how long running requests may take after that.
    """

    host: str
    port: int
    management_port: int = 0
    max_connections: int = 16384
    idle_seconds: float = 80
    drain_seconds: float = 0
    shutdown_seconds: float = 20

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports to listen on."""
        return (self.port, self.management_port) if self.management_port else (self.port,)


def allow_connections(wanted: int) -> int:
    """Let this process open as many files as it may, and return how many of the wanted connections fit.

    A listener that runs out of files cannot accept, and nothing else in its process can open a file either. So some are
    kept back.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most == resource.RLIM_INFINITY:
        return wanted
    reserve = min(MANAGEMENT_CONNECTIONS + OTHER_FILES, most // 2)
    return max(1, min(wanted, most - reserve))
