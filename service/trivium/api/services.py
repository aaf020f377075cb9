"""What the handlers of one application share."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from structlog.typing import FilteringBoundLogger

from trivium.api.drain import Drain
from trivium.api.http.body import BodyStream, Deadline, read_body
from trivium.api.http.capacity import Capacity
from trivium.api.openapi.document import Contract
from trivium.api.reloader import PolicyReloader
from trivium.api.settings import Settings
from trivium.api.telemetry.metrics import Metrics
from trivium.catalog import PolicySet


class Services(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What the handlers of one application share.

    Attributes:
        settings: as set.
        reloader: holds the policies.
        metrics: what is measured.
        contract: the OpenAPI document.
        batches: how many batches run at once.
        streams: how many streams run at once.
        body_deadline: ends the reading of a body that does not arrive.
        logger: takes what is to be logged.
        drain: whether the service is about to stop.
    """

    settings: Settings
    reloader: PolicyReloader
    metrics: Metrics
    contract: Contract
    batches: Capacity
    streams: Capacity
    body_deadline: Deadline
    logger: FilteringBoundLogger
    drain: Drain

    @property
    def policies(self) -> PolicySet:
        """The policies that are served now: read it once per request."""
        return self.reloader.current


def services_of(request: Request[Any, Any, Any]) -> Services:
    """Return the services of the application that a request came to."""
    services: Services = request.scope["litestar_app"].state.services
    return services


async def read_request(request: Request[Any, Any, Any]) -> bytes:
    """Read the body of a request, within the size and the time that are set.

    Raises:
        InvalidInputError: the caller stopped in the middle, or the body's framing is malformed.
        ProblemError: the body is too large, or does not arrive in time.
    """
    services = services_of(request)
    return await read_body(request, limit=services.settings.max_body_bytes, deadline=services.body_deadline)


def stream_request(request: Request[Any, Any, Any]) -> BodyStream:
    """Return the body of a request as a stream, within the size and the pauses that are set.

    Raises:
        ProblemError: `too_large`, the announced length is beyond the limit.
    """
    settings = services_of(request).settings
    return BodyStream(request, limit=settings.max_stream_bytes, idle_seconds=settings.stream_idle_seconds)
