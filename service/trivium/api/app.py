"""`create_app`: the only place where the parts are put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import Guard

from trivium.api.drain import Drain
from trivium.api.http.body import Deadline
from trivium.api.http.capacity import Capacity
from trivium.api.http.direct import direct, methods_of
from trivium.api.http.exceptions import handle_exception
from trivium.api.http.negotiation import negotiate
from trivium.api.openapi.document import Contract
from trivium.api.reloader import PolicyReloader
from trivium.api.routes import batch, documentation, impact, operations, policies, recommend, reference, welcome
from trivium.api.services import Services
from trivium.api.settings import Settings
from trivium.api.telemetry.log import make_logger
from trivium.api.telemetry.log_writer import LogWriter
from trivium.api.telemetry.metrics import Metrics
from trivium.api.telemetry.middleware import TelemetryMiddleware


ROUTES: tuple[Any, ...] = (
    recommend.recommend,
    batch.recommend_batch,
    impact.recommend_impact,
    policies.list_policies,
    policies.read_policy,
    policies.diff_policies,
    policies.map_policy,
    reference.list_codes,
    reference.read_code,
    reference.list_inputs,
    reference.list_problems,
    reference.read_problem,
    operations.live,
    operations.ready,
    operations.metrics,
    operations.version,
    welcome.read_start,
    documentation.read_contract_json,
    documentation.read_contract_yaml,
    documentation.read_docs,
)
"""The operations of the contract."""

MANAGEMENT_ROUTES: tuple[Any, ...] = (operations.live, operations.ready, operations.metrics)
"""What probes and scrapers ask; answered on the management port where there is one."""

DIRECT = {recommend.recommend: direct(recommend.recommend, "/recommend")}
"""What is served without Litestar's own reading of parameters, and how."""

CONTRACT = Contract(ROUTES)
"""The contract of all operations, as a service without a management port has it."""


def create_app(
    settings: Settings | None = None,
    *,
    directory: Path | None = None,
    log: LogWriter | None = None,
    drain: Drain | None = None,
    guards: Sequence[Guard] = (),
) -> Litestar:
    """Put the application together; where there is a management port, without what is answered there.

    Args:
        settings: as set; None reads the environment.
        directory: where the policies are; None for what the settings say.
        log: writes the log; None for stdout.
        drain: says whether the service is about to stop; None for never.
        guards: who may pass; they hold for every route.

    Raises:
        SettingsError: a setting is wrong.
        PolicyError: a policy must not be served.
    """
    settings = settings or Settings.from_environment()
    log = log or LogWriter()
    logger = make_logger(settings.log_level, log)
    reloader = PolicyReloader(settings, directory, logger)
    elsewhere = MANAGEMENT_ROUTES if settings.management_port else ()
    here = [route for route in ROUTES if route not in elsewhere]
    contract = Contract(here) if elsewhere else CONTRACT
    services = Services(
        settings=settings,
        reloader=reloader,
        metrics=Metrics(reloader, log),
        contract=contract,
        batches=Capacity(settings.max_batches),
        streams=Capacity(settings.max_streams),
        body_deadline=Deadline(settings.body_seconds),
        logger=logger,
        drain=drain or Drain(),
    )
    routes = [*(DIRECT.get(route, route) for route in here), documentation.read_docs_asset]
    lifespan = [log.lifespan, reloader.lifespan, contract.lifespan]
    return _application(routes, services, guards=guards, lifespan=lifespan)


def create_management_app(service: Litestar) -> Litestar:
    """Put together what answers probes and scrapers on a port of its own.

    Args:
        service: made by `create_app`; its policies, metrics and log are shared, and its lifespan covers both.
    """
    return _application(MANAGEMENT_ROUTES, service.state.services)


def _application(
    routes: Sequence[Any], services: Services, *, guards: Sequence[Guard] = (), lifespan: Sequence[Any] = ()
) -> Litestar:
    app = Litestar(
        route_handlers=list(routes),
        guards=list(guards),
        before_request=negotiate,
        exception_handlers={HTTPException: handle_exception, Exception: handle_exception},
        openapi_config=None,
        logging_config=None,
        lifespan=list(lifespan),
        state=State({"services": services}),
    )
    services.metrics.create_series(
        (method, route.path_format) for route in app.routes for method in methods_of(route) - {"OPTIONS"}
    )
    telemetry: Any = TelemetryMiddleware(
        app.asgi_handler,
        services.metrics,
        services.logger,
        log_profiles=services.settings.log_profiles,
        drain=services.drain,
    )
    app.asgi_handler = telemetry
    return app
