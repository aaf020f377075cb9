"""The log: structlog, one JSON object per line, and one line per request with a known set of fields."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any, TypedDict

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from trivium.api.telemetry.log_writer import LogWriter
from trivium.rendering import Advice


class RequestFields(TypedDict, total=False):
    """The fields of the line that each request leaves, besides `time`, `level`, `event` and `exception`.

    Attributes:
        method: HTTP method, cut at 20 characters.
        route: template of the path, or `unmatched`.
        path: the path, cut at 200 characters.
        status: HTTP status; 499 when the request was given up before its answer began.
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
        compared: number of profiles for which two policies were compared.
    """

    method: str
    route: str
    path: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str
    span_id: str
    problem: str
    decision_id: str
    policy_version: str
    policy_digest: str
    strategy: str
    recommendation_status: str
    codes: tuple[str, ...]
    masked: tuple[str, ...]
    profile: Any
    decisions: int
    compared: int


def decision_fields(advice: Advice, *, with_values: bool) -> RequestFields:
    """Return what is logged of a decision; the profile's values only when asked for."""
    outcome = advice.outcome
    fields: RequestFields = {
        "decision_id": advice.decision_id,
        "policy_version": outcome.policy.version,
        "policy_digest": outcome.policy.digest,
        "strategy": outcome.strategy,
        "recommendation_status": outcome.status,
        "codes": outcome.codes,
    }
    if with_values:
        fields["profile"] = advice.profile
    else:
        fields["masked"] = advice.given
    return fields


def make_logger(level: str, writer: LogWriter) -> FilteringBoundLogger:
    """Return a logger that hands one JSON object per line to the writer.

    Args:
        level: the least severe level to log, such as `info`.
        writer: writes the lines.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(
        writer,
        processors=[
            structlog.processors.add_log_level,
            _add_time,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger.bind()  # bound once, so that a call does not bind anew


def _add_time(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the time as a datetime, which msgspec writes faster than Python does."""
    event["time"] = dt.datetime.now(dt.UTC)
    return event


def _render(_logger: object, _method: str, event: EventDict) -> bytes:
    """Encode an event as JSON; time, level and event come first, for people who read the log.

    The fields of a request come as one dictionary, because passing them one by one would copy them three times.
    """
    fields = event.pop("fields", {})
    ordered = {"time": event.pop("time"), "level": event.pop("level"), "event": event.pop("event"), **fields, **event}
    try:
        return _ENCODER.encode(ordered)
    except UnicodeEncodeError:  # a path may decode to lone surrogates, which UTF-8 cannot say and JSON can
        return json.dumps(msgspec.to_builtins(ordered, enc_hook=repr)).encode()


_ENCODER = msgspec.json.Encoder(enc_hook=repr)


class LibraryLogHandler(logging.Handler):
    """Passes what libraries log by the standard library on to the log of the service, so that all of it is JSON.

    Args:
        logger: the log of the service.
    """

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as an event `library_log`."""
        more = {} if record.exc_info is None or record.exc_info[1] is None else {"exc_info": record.exc_info[1]}
        self._logger.log(_level(record.levelno), "library_log", logger=record.name, message=record.getMessage(), **more)


def _level(number: int) -> int:
    """Return the closest level that structlog names, at most that severe."""
    return max(logging.DEBUG, min(logging.CRITICAL, number // 10 * 10))


def library_logging(logger: FilteringBoundLogger) -> dict[str, Any]:
    """Return a configuration of the standard library's logging that sends everything to the log of the service.

    It fits `logging.config.dictConfig`, and granian's `log_dictconfig`, whose own logger it includes.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {},
        "handlers": {"service": {"()": LibraryLogHandler, "logger": logger}},
        "loggers": {
            "_granian": {"handlers": [], "propagate": True},
            "granian.access": {"handlers": [], "propagate": True},
        },
        "root": {"handlers": ["service"], "level": "WARNING"},
    }
