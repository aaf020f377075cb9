"""What the worker is told: where to listen, how many connections to hold, and how long to wait for what."""

from __future__ import annotations

import resource

import msgspec


MANAGEMENT_CONNECTIONS = 256
"""Connections that the management listener holds; its callers are probes and a few scrapers."""

OTHER_FILES = MANAGEMENT_CONNECTIONS + 256
"""Open files that are no connections of the service port: those of management, event loop, log, policies, libraries."""


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
    """Let this process open as many files as that takes, or as it may; return how many of the connections fit.

    A listener that runs out of files cannot accept, and nothing else in its process can open a file either. So some are
    kept back.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    files = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return wanted if files == needed else files - min(OTHER_FILES, files // 2)
