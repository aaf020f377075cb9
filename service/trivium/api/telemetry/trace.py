"""Ids of a request: X-Request-ID, and W3C Trace Context (https://www.w3.org/TR/trace-context/).

All ids are read and made here and nowhere else, so that a tracing library can take them over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import randbytes

import msgspec


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(rb"[\t\x20-\x7e]{1,4096}")  # the standard asks to pass on 512 bytes

_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16

_HEADERS = frozenset({b"x-request-id", b"traceparent", b"tracestate"})


class Trace(msgspec.Struct, frozen=True):
    """Where a request stands in a trace: the caller's trace, or a new one, and a span of our own.

    Attributes:
        request_id: the caller's id of the request, or a new one.
        trace_id: the caller's trace, or a new one.
        span_id: this request's span.
        flags: `01` when the caller records the trace, else `00`.
        tracestate: what other tracing systems know of the trace, to be passed on.
    """

    request_id: str
    trace_id: str
    span_id: str
    flags: str
    tracestate: bytes | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell the caller."""
        headers = [
            (b"x-request-id", self.request_id.encode()),
            (b"traceparent", f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()),
        ]
        if self.tracestate is not None:
            headers.append((b"tracestate", self.tracestate))
        return headers


def read_trace(headers: Iterable[tuple[bytes, bytes]]) -> Trace:
    """Read the ids of a request, or make them; an invalid traceparent starts a new trace, as the standard asks.

    Args:
        headers: the request's headers, with names in lower case, as ASGI has them.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _HEADERS:  # lines of the same name are one list (RFC 9110, 5.3)
            found[name] = found[name] + b"," + value if name in found else value
    random = randbytes(40).hex()  # noqa: S311 - ids are told apart, not kept secret
    span = random[32:48]
    if not found:
        return Trace(random[:32], random[48:], span, "00", None)
    given = found.get(b"x-request-id", b"")
    request_id = given.decode() if _REQUEST_ID.fullmatch(given) else random[:32]
    match = _TRACEPARENT.fullmatch(found.get(b"traceparent", b""))
    if match is not None:
        version, trace_id, parent_id, flags, more = match.groups()
        valid = version != b"ff" and not (version == b"00" and more) and trace_id != _NO_TRACE and parent_id != _NO_SPAN
        if valid:
            sampled = "01" if int(flags, 16) & 1 else "00"  # the one flag of version 00; unknown ones are not passed on
            tracestate = found.get(b"tracestate", b"")
            passed_on = tracestate if _TRACESTATE.fullmatch(tracestate) else None
            return Trace(request_id, trace_id.decode(), span, sampled, passed_on)
    return Trace(request_id, random[48:], span, "00", None)
