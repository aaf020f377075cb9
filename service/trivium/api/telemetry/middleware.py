"""The edge of the application: ids, metrics and one canonical log line per request, around everything else.

It is plain ASGI around Litestar, so that unmatched paths and wrong methods are counted too. It answers HEAD from GET,
and it answers the plain `POST /recommend` by itself: default policy, JSON in and out, a valid profile. What is anything
else goes the ordinary way, and both ways answer with the same bytes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from time import perf_counter, time
from traceback import format_exception
from typing import Any, TypeAlias

from msgspec import UNSET

from trivium.advisor import Advisor
from trivium.api.arrivals import Arrivals
from trivium.api.reloader import Serving
from trivium.api.routes.recommend import lifecycle_headers
from trivium.api.telemetry import trace as tracing
from trivium.api.telemetry.log import LEVELS, RequestLine
from trivium.api.telemetry.metrics import UNMATCHED, Metrics
from trivium.errors import InvalidInputError
from trivium.profile import parse_profile


Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes that machines poll: logged at level debug while they succeed."""

UNANSWERED = 500
"""Logged and counted as status when nothing was answered; the server then answers so."""

REFUSED_BYTES = 16 << 20
"""How much of a refused body is read: a connection closed on unread bytes may lose the answer."""

REFUSED_SECONDS = 2.0
"""How long that may take."""

PART = 1 << 16
"""Bytes of a body that the application is given at once, or some more."""

LONGEST_PATH = 200
LONGEST_METHOD = 20
"""Characters of what a caller chose freely that are logged."""

_JSON_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_ANY = frozenset({None, b"*/*", b"application/json"})


class Edge:
    """The outermost ASGI application.

    Args:
        app: the application inside.
        serving: what decides.
        metrics: where requests and decisions are counted.
        logger: where the canonical lines go.
        shortcut: whether to answer plain recommendations here; off only to prove that it changes nothing.
    """

    def __init__(self, app: App, serving: Serving, metrics: Metrics, logger: Any, *, shortcut: bool = True) -> None:
        self._app = app
        self._serving = serving
        self._metrics = metrics
        self._logger = logger
        self._shortcut = shortcut
        self._with_values = serving.settings.log_profiles
        self._finished: list[_Exchange] = []
        self._draining = Lock()
        self._max_body_bytes = serving.settings.max_body_bytes
        self._arrivals = Arrivals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope["headers"])
        trace = tracing.read(headers)
        state = scope["state"] = {**scope.get("state", {}), "request_id": trace.request_id}
        exchange = _Exchange(scope, receive, send, self._arrivals, trace)
        self._metrics.requests.in_progress += 1
        try:
            if self._shortcut and self._is_plain(scope, headers):
                await self._advise(exchange)
            else:
                await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception as error:
            state["exception"] = error
            raise
        finally:
            self._metrics.requests.in_progress -= 1
            exchange.end()
            self._finished.append(exchange)
            if len(self._finished) == 1:
                asyncio.get_running_loop().call_soon(self.drain)

    def drain(self) -> None:
        """Count and log the requests that have finished.

        It runs once per turn of the event loop, after the answers of that turn are out: right away when there is little
        to do, and for many requests in a row, which takes a third of the time per request, when there is much.
        """
        with self._draining:
            finished, self._finished = self._finished, []
            levels: dict[str, list[RequestLine]] = {}
            for exchange in finished:
                line = self._record(exchange)
                levels.setdefault(line.level, []).append(line)
            for level, lines in levels.items():
                self._logger.log(LEVELS[level], "request", lines=lines)

    def _is_plain(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        return (
            scope["path"] == "/recommend"
            and scope["method"] == "POST"
            and not scope["query_string"]
            and headers.get(b"content-type") in _JSON_TYPES
            and headers.get(b"accept") in _ANY
            and b"content-encoding" not in headers
            and (length := headers.get(b"content-length", b"")).isdigit()
            and int(length) <= self._max_body_bytes
        )

    async def _advise(self, exchange: _Exchange) -> None:
        """Answer a plain recommendation, or leave it to the ordinary way."""
        scope = exchange.scope
        scope["path_template"] = "/recommend"  # as Litestar does
        advisor = self._serving.service.default
        try:
            exchange.unread = await self._arrivals.read(exchange, self._max_body_bytes)
            answer, scope["state"]["advice"] = self._serving.service.renderer().json(parse_profile(exchange.unread))
        except Exception:  # noqa: BLE001 - whatever it is, the ordinary way answers it
            await self._app(scope, exchange.receive, exchange.send)
            return
        headers = [*_advice_headers(advisor), (b"content-length", b"%d" % len(answer)), *exchange.begin(200)]
        await exchange.pass_on({"type": "http.response.start", "status": 200, "headers": headers})
        await exchange.pass_on({"type": "http.response.body", "body": answer, "more_body": False})

    def _record(self, exchange: _Exchange) -> RequestLine:
        """Count one request, and return its line."""
        scope, state = exchange.scope, exchange.scope["state"]
        route = scope.get("path_template") or UNMATCHED
        self._metrics.requests.observe(exchange.method, route, exchange.status, exchange.seconds)
        trace = exchange.trace
        line = RequestLine(
            time=dt.datetime.fromtimestamp(exchange.ended, dt.UTC),
            method=exchange.method[:LONGEST_METHOD],
            route=route,
            path=scope["path"][:LONGEST_PATH],
            status=exchange.status,
            duration_ms=round(exchange.seconds * 1000, 3),
            request_id=trace.request_id,
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            problem=state.get("problem", UNSET),
        )
        if (advice := state.get("advice")) is not None:
            self._metrics.decisions.add(advice.outcome)
            line.tell(advice, with_values=self._with_values)
        elif (batch := state.get("batch")) is not None:
            line.decisions = len(batch)
            for advice in batch:
                self._metrics.decisions.add(advice.outcome)
        if (error := state.get("exception")) is not None:
            line.level = "error"
            line.exception = "".join(format_exception(error))
        elif route in QUIET and "problem" not in state:
            line.level = "debug"
        return line


class _Exchange:
    """One request on its way: remembers the status, adds the ids to the answer, leaves the body out for HEAD."""

    __slots__ = (
        "_arrivals",
        "ended",
        "failure",
        "method",
        "more",
        "pass_on",
        "scope",
        "seconds",
        "start",
        "status",
        "take",
        "trace",
        "unread",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, arrivals: Arrivals, trace: tracing.Trace) -> None:
        self.start = perf_counter()
        self.method: str = scope["method"]
        self.scope: Scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        self.status = UNANSWERED
        self.seconds = 0.0
        self.ended = 0.0
        self.more = True
        self.trace = trace
        self.pass_on = send
        self.take = receive
        self._arrivals = arrivals
        self.unread: bytes | None = None
        self.failure: InvalidInputError | None = None

    async def receive(self) -> Message:
        """Pass a message on to the application.

        Raises:
            InvalidInputError: the body does not arrive.
        """
        if self.failure is not None:
            raise self.failure
        if self.unread is None and not self.more:
            return await self.take()
        body = self.unread or await self._arrivals.read(self, PART)
        self.unread = None
        return {"type": "http.request", "body": body, "more_body": self.more}

    async def _read_on(self) -> None:
        """Read the rest of a refused body, within reason."""
        taken = 0
        with suppress(TimeoutError, InvalidInputError):
            async with asyncio.timeout(REFUSED_SECONDS):
                while self.more and taken < REFUSED_BYTES:
                    taken += len((await self.receive()).get("body", b""))

    async def send(self, message: Message) -> None:
        """Pass a message on to the server."""
        if message["type"] == "http.response.start":
            refused = "problem" in self.scope["state"]
            if refused:
                await self._read_on()
            message["headers"] = [*message.get("headers", ()), *self.begin(message["status"])]
            if refused and self.more:
                message["headers"].append((b"connection", b"close"))
        elif self.method == "HEAD" and message["type"] == "http.response.body":
            message["body"] = b""
        await self.pass_on(message)

    def begin(self, status: int) -> list[tuple[bytes, bytes]]:
        """Take note that the answer begins, and return the headers that every answer has."""
        self.status = status
        return [
            *self.trace.headers,
            (b"x-content-type-options", b"nosniff"),
            (b"server-timing", b"app;dur=%.3f" % ((perf_counter() - self.start) * 1000)),
        ]

    def end(self) -> None:
        """Take note that the answer is out."""
        self.seconds = perf_counter() - self.start
        self.ended = time()


@lru_cache(maxsize=1)  # plain recommendations come from one advisor at a time
def _advice_headers(advisor: Advisor) -> tuple[tuple[bytes, bytes], ...]:
    lifecycle = lifecycle_headers(advisor)
    return (
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in lifecycle.items()),
        (b"content-type", b"application/json"),
    )


def _headers(lines: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name; lines of the same name are one list, as RFC 9110 (5.3) has it."""
    headers = dict(lines)
    if len(headers) < len(lines):
        headers = {name: b",".join(value for other, value in lines if other == name) for name in headers}
    return headers
