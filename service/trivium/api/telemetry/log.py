"""The log: structlog, one JSON object per line, and one line per request with a known set of fields."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import msgspec
import structlog

from trivium.rendering import Advice


LEVELS = {"debug": 10, "info": 20, "error": 40}
"""As numbers, which is how a logger takes them."""


class RequestLine(msgspec.Struct, kw_only=True):
    """The canonical line of a request.

    Attributes:
        time: end of the request, UTC.
        level: `error` when the service failed, `debug` for what machines poll with success, else `info`.
        event: `request`.
        method: HTTP method.
        route: template of the path, or `unmatched`.
        path: the path, cut at 200 characters.
        status: HTTP status; 499 when the caller left before the answer.
        duration_ms: from the request's arrival to the end of its answer.
        request_id: as in X-Request-ID.
        trace_id: the caller's trace, or a new one.
        span_id: this request's span.
        problem: code of the problem answered with.
        decision_id: as in the recommendation.
        policy_version: the policy that decided.
        policy_digest: its digest.
        strategy: what was recommended.
        recommendation_status: settled or provisional.
        codes: the rationale codes.
        masked: JSON Pointers of the profile's fields that were given; their values are not logged.
        profile: the profile, where the operator switched that on.
        decisions: number of decisions of a batch.
        exception: traceback of a defect.
    """

    time: dt.datetime
    level: str = "info"
    event: str = "request"
    method: str
    route: str
    path: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str
    span_id: str
    problem: str | msgspec.UnsetType = msgspec.UNSET
    decision_id: str | msgspec.UnsetType = msgspec.UNSET
    policy_version: str | msgspec.UnsetType = msgspec.UNSET
    policy_digest: str | msgspec.UnsetType = msgspec.UNSET
    strategy: str | msgspec.UnsetType = msgspec.UNSET
    recommendation_status: str | msgspec.UnsetType = msgspec.UNSET
    codes: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    masked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    profile: Any = msgspec.UNSET
    decisions: int | msgspec.UnsetType = msgspec.UNSET
    exception: str | msgspec.UnsetType = msgspec.UNSET

    def tell(self, advice: Advice, *, with_values: bool) -> None:
        """Add what was advised; the profile's values only when asked to."""
        outcome = advice.outcome
        self.decision_id = advice.decision_id
        self.policy_version = outcome.policy.version
        self.policy_digest = outcome.policy.digest or msgspec.UNSET
        self.strategy = outcome.strategy
        self.recommendation_status = outcome.status
        self.codes = outcome.codes
        if with_values:
            self.profile = advice.profile
        else:
            self.masked = advice.given


def make_logger(level: str, stream: BinaryIO | None = None) -> Any:
    """Return a logger that writes one JSON object per line, to stdout unless told otherwise."""
    logger = structlog.wrap_logger(
        structlog.BytesLogger(stream or sys.stdout.buffer),
        processors=[structlog.processors.format_exc_info, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger.bind()  # bound once, so that a call does not bind anew


def _render(_logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    """Encode an event; the lines of requests come as structs, several at once, and are written at once."""
    lines: list[RequestLine] | None = event.get("lines")
    if lines is None:
        return _ENCODER.encode({"time": dt.datetime.now(dt.UTC), "level": level, **event})
    return _ENCODER.encode_lines(lines)[:-1]


_ENCODER = msgspec.json.Encoder(enc_hook=repr)
