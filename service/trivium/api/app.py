"""`create_app`: the only place where the parts are put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from trivium.api.http import negotiation, problems
from trivium.api.openapi.document import Contract
from trivium.api.reloader import Serving
from trivium.api.routes import documentation as contract_routes
from trivium.api.routes import operations, policies, reference
from trivium.api.routes import recommend as advice
from trivium.api.settings import Settings
from trivium.api.telemetry.log import make_logger
from trivium.api.telemetry.log_writer import LogWriter
from trivium.api.telemetry.metrics import Metrics
from trivium.api.telemetry.middleware import TelemetryMiddleware


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

CONTRACT = Contract(ROUTES)


def create_app(
    settings: Settings | None = None,
    *,
    directory: Path | None = None,
    log: LogWriter | None = None,
) -> Litestar:
    """Put the application together.

    Args:
        settings: as set; None reads the environment.
        directory: where the policies are; None for what the settings say.
        log: writes the log; None for stdout.

    Raises:
        SettingsError: a setting is wrong.
        PolicyError: a policy must not be served.
    """
    settings = settings or Settings.from_environment()
    log = log or LogWriter()
    logger = make_logger(settings.log_level, log)
    serving = Serving(settings, directory, logger)
    metrics = Metrics(serving, log)
    app = Litestar(
        route_handlers=list(ROUTES),
        dependencies={
            "service": Provide(lambda: serving.service, sync_to_thread=False),
            "serving": Provide(lambda: serving, sync_to_thread=False),
            "contract": Provide(lambda: CONTRACT, sync_to_thread=False),
            "metrics": Provide(lambda: metrics, sync_to_thread=False),
        },
        before_request=negotiation.enforce,
        after_request=negotiation.tell_head,
        exception_handlers={HTTPException: problems.handle, Exception: problems.handle},
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
        lifespan=[log.lifespan, serving.lifespan],
        state=State({"serving": serving, "logger": logger}),
    )
    metrics.create_series((method, route.path_format) for route in app.routes for method in route.methods - {"OPTIONS"})
    telemetry: Any = TelemetryMiddleware(app.asgi_handler, metrics, logger, log_profiles=settings.log_profiles)
    app.asgi_handler = telemetry
    return app
