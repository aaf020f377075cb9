"""Ids, metrics and one canonical log line for every request.

It is plain ASGI around the whole application, so that unmatched paths and wrong methods are counted too. It observes:
it adds headers to answers, and changes nothing else of a request or an answer.

Handlers say more about a request in `scope["state"]`:

| key | holds |
| --- | --- |
| `advice` | the `Advice` of a single recommendation |
| `decisions` | the `Decisions` of a batch; they may grow while the answer is sent |
| `problem` | the code of the problem answered with |
| `exception` | the exception of a defect that was answered with a problem |

`request_id` is there for handlers to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from structlog.typing import FilteringBoundLogger

from trivium.api.telemetry.log import RequestFields, decision_fields
from trivium.api.telemetry.metrics import UNMATCHED, Metrics
from trivium.api.telemetry.trace import Trace, read_trace


Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that machines poll: logged at level debug while they succeed."""

UNANSWERED = 500
"""Logged and counted as status when the application fails before it answers; the server then answers so."""

GIVEN_UP = 499
"""Logged and counted as status when a request is cancelled before its answer begins."""

LONGEST_PATH = 200
LONGEST_METHOD = 20
"""Characters of what a caller chose freely that are logged."""

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_CLOSE = (b"connection", b"close")


class Drain(Protocol):
    """Whether the service is about to stop.

    Attributes:
        active: callers are asked to close their connections.
    """

    active: bool


class TelemetryMiddleware:
    """The outermost ASGI application.

    Args:
        app: the application inside.
        metrics: counts requests and decisions.
        logger: takes the canonical lines.
        log_profiles: whether to log the values of profiles.
        drain: while it is active, every answer asks the caller to close the connection.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        logger: FilteringBoundLogger,
        *,
        log_profiles: bool = False,
        drain: Drain | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._logger = logger
        self._log_profiles = log_profiles
        self._drain = drain
        self._finished: list[tuple[Scope, Trace, int, float]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        trace = read_trace(scope["headers"])
        state = scope["state"] = {**scope.get("state", {}), "request_id": trace.request_id}
        status = 0  # until the answer begins

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                timing = (b"server-timing", b"app;dur=%.3f" % ((perf_counter() - start) * 1000))
                headers = message["headers"] = [*message.get("headers", ()), *trace.headers(), _NOSNIFF, timing]
                if self._drain is not None and self._drain.active and _CLOSE not in headers:
                    headers.append(_CLOSE)
            await send(message)

        self._metrics.in_progress += 1
        try:
            await self._app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            status = status or GIVEN_UP
            raise
        except Exception as error:
            state["exception"] = error
            raise
        finally:
            self._metrics.in_progress -= 1
            self._finished.append((scope, trace, status or UNANSWERED, perf_counter() - start))
            if len(self._finished) == 1:
                asyncio.get_running_loop().call_soon(self._record_finished)

    def _record_finished(self) -> None:
        """Count and log the requests that have finished in this turn of the event loop.

        Their answers are out by then, and many in a row take a third of the time that each would take alone, because
        the code and the data that it needs stay in the processor's caches.
        """
        finished, self._finished = self._finished, []
        for one in finished:
            self._record(*one)

    def _record(self, scope: Scope, trace: Trace, status: int, seconds: float) -> None:
        """Count one request, and log it."""
        state = scope["state"]
        route = scope.get("path_template") or UNMATCHED
        self._metrics.count_request(scope["method"], route, status, seconds)
        fields: RequestFields = {
            "method": scope["method"][:LONGEST_METHOD],
            "route": route,
            "path": scope["path"][:LONGEST_PATH],
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "request_id": trace.request_id,
            "trace_id": trace.trace_id,
            "span_id": trace.span_id,
        }
        if "problem" in state:
            fields["problem"] = state["problem"]
        if (advice := state.get("advice")) is not None:
            self._metrics.count_decision(advice.outcome)
            fields.update(decision_fields(advice, with_values=self._log_profiles))
        elif (decisions := state.get("decisions")) is not None:
            self._metrics.count_decisions(decisions)
            fields["decisions"] = decisions.total()
        elif (impact := state.get("impact")) is not None:  # no recommendation is made, so none is counted
            fields["compared"] = impact.compared
        if (error := state.get("exception")) is not None:
            self._logger.error("request", fields=fields, exc_info=error)
        elif route in QUIET and "problem" not in state:
            self._logger.debug("request", fields=fields)
        else:
            self._logger.info("request", fields=fields)
