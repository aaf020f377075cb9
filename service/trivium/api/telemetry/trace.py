"""Ids of a request: X-Request-ID, and W3C Trace Context (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import randbytes

import msgspec


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
LONGEST_TRACESTATE = 4096
"""Bytes; the standard asks to pass on 512."""

_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16


class Trace(msgspec.Struct, frozen=True):
    """Where a request stands in a trace: the caller's trace, or a new one, and a span of our own."""

    request_id: str
    trace_id: str
    span_id: str
    flags: str
    tracestate: bytes | None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that tell the caller."""
        headers = [
            (b"x-request-id", self.request_id.encode()),
            (b"traceparent", f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()),
        ]
        if self.tracestate is not None:
            headers.append((b"tracestate", self.tracestate))
        return headers


def read(headers: Mapping[bytes, bytes]) -> Trace:
    """Read the ids of a request, or make them; an invalid traceparent starts a new trace, as the standard asks."""
    request_id = headers.get(b"x-request-id")
    usable = request_id is not None and _REQUEST_ID.fullmatch(request_id)
    random = randbytes(40).hex()  # noqa: S311 - ids are told apart, not kept secret
    own_id = request_id.decode() if usable and request_id else random[:32]
    span = random[32:48]
    parent = headers.get(b"traceparent")
    if parent is not None and (match := _TRACEPARENT.fullmatch(parent)):
        version, trace_id, parent_id, flags, more = match.groups()
        valid = version != b"ff" and not (version == b"00" and more) and trace_id != _NO_TRACE and parent_id != _NO_SPAN
        if valid:
            sampled = "01" if int(flags, 16) & 1 else "00"  # the one flag of version 00; unknown ones are not passed on
            tracestate = headers.get(b"tracestate", b"")
            passed_on = tracestate if 0 < len(tracestate) <= LONGEST_TRACESTATE else None
            return Trace(own_id, trace_id.decode(), span, sampled, passed_on)
    return Trace(own_id, random[48:], span, "00", None)
