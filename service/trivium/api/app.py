"""`create_app`: the only place where the parts are put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from trivium.api.drain import Drain
from trivium.api.http import negotiation, problems
from trivium.api.openapi.document import Contract
from trivium.api.reloader import Serving
from trivium.api.routes import documentation as contract_routes
from trivium.api.routes import operations, policies, reference
from trivium.api.routes import recommend as advice
from trivium.api.settings import Settings
from trivium.api.telemetry.log import make_logger
from trivium.api.telemetry.metrics import Metrics
from trivium.api.telemetry.middleware import Edge


ROUTES: tuple[Any, ...] = (
    advice.recommend,
    advice.recommend_batch,
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
    contract_routes.read_contract_json,
    contract_routes.read_contract_yaml,
    contract_routes.read_docs,
)

MANAGEMENT_ROUTES: tuple[Any, ...] = (operations.live, operations.ready, operations.metrics)
"""What machines ask; answered on the management port where there is one."""

CONTRACT = Contract(ROUTES)


def create_app(
    settings: Settings | None = None,
    *,
    directory: Path | None = None,
    logger: Any = None,
    drain: Drain | None = None,
    shortcut: bool = True,
) -> Litestar:
    """Put the application together; where there is a management port, without what is answered there.

    Args:
        settings: as set; None reads the environment.
        directory: where the policies are; None for what the settings say.
        logger: where the log goes; None for JSON lines on stdout.
        drain: tells when the service is about to stop; None for never.
        shortcut: see `telemetry.Edge`.

    Raises:
        SettingsError: a setting is wrong.
        PolicyError: a policy must not be served.
    """
    settings = settings or Settings.from_environment()
    logger = logger or make_logger(settings.log_level)
    drain = drain or Drain()
    serving = Serving(settings, directory, logger)
    metrics = Metrics(serving)
    elsewhere = MANAGEMENT_ROUTES if settings.management_port else ()
    app = Litestar(
        route_handlers=[route for route in ROUTES if route not in elsewhere],
        dependencies={
            "service": Provide(lambda: serving.service, sync_to_thread=False),
            "serving": Provide(lambda: serving, sync_to_thread=False),
            "contract": Provide(lambda: CONTRACT, sync_to_thread=False),
            "metrics": Provide(lambda: metrics, sync_to_thread=False),
            "drain": Provide(lambda: drain, sync_to_thread=False),
        },
        before_request=negotiation.enforce,
        after_request=negotiation.tell_head,
        exception_handlers={HTTPException: problems.handle, Exception: problems.handle},
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        lifespan=[serving.lifespan],
        state=State({"serving": serving, "metrics": metrics, "logger": logger, "drain": drain}),
    )
    edge: Any = Edge(app.asgi_handler, serving, metrics, logger, closing=drain, shortcut=shortcut)
    app.asgi_handler = edge
    app.on_shutdown.append(edge.drain)
    return app


def create_management_app(service: Litestar) -> Litestar:
    """Put together what answers probes and scrapers on a port of its own.

    Args:
        service: made by `create_app`; its policies, metrics and log are shared.
    """
    state = service.state
    app = Litestar(
        route_handlers=list(MANAGEMENT_ROUTES),
        dependencies={
            "service": Provide(lambda: state.serving.service, sync_to_thread=False),
            "serving": Provide(lambda: state.serving, sync_to_thread=False),
            "metrics": Provide(lambda: state.metrics, sync_to_thread=False),
            "drain": Provide(lambda: state.drain, sync_to_thread=False),
        },
        before_request=negotiation.enforce,
        after_request=negotiation.tell_head,
        exception_handlers={HTTPException: problems.handle, Exception: problems.handle},
        request_max_body_size=state.serving.settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
    )
    edge: Any = Edge(app.asgi_handler, state.serving, state.metrics, state.logger, closing=state.drain, shortcut=False)
    app.asgi_handler = edge
    service.on_shutdown.append(edge.drain)
    return app
