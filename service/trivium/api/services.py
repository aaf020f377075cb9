"""What the handlers of one application share."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from structlog.typing import FilteringBoundLogger

from trivium.api.drain import Drain
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
        logger: takes what is to be logged.
        drain: whether the service is about to stop.
    """

    settings: Settings
    reloader: PolicyReloader
    metrics: Metrics
    contract: Contract
    batches: Capacity
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
