"""What routes share: the methods of reading, and the headers of decisions."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from functools import lru_cache

from litestar import HttpMethod

from trivium.advisor import Advisor
from trivium.api.http.responses import NO_STORE, Header


READ = [HttpMethod.GET, HttpMethod.HEAD]
"""The methods of a route that only reads."""


@lru_cache(maxsize=64)
def decision_headers(advisor: Advisor) -> tuple[Header, ...]:
    """Return the headers of a decision: it is not to be stored, and a deprecated policy announces its end."""
    return (NO_STORE, (b"vary", b"Accept"), *lifecycle_headers(advisor))


def lifecycle_headers(advisor: Advisor) -> tuple[Header, ...]:
    """Return the headers that announce the end of a deprecated policy (RFC 9745, RFC 8594); else none."""
    lifecycle = advisor.lifecycle
    headers: list[Header] = []
    if lifecycle.status != "active":
        if lifecycle.deprecated:
            headers.append((b"deprecation", b"@%d" % _midnight(lifecycle.deprecated).timestamp()))
        if lifecycle.sunset:
            headers.append((b"sunset", format_datetime(_midnight(lifecycle.sunset), usegmt=True).encode()))
        if lifecycle.successor:
            headers.append((b"link", f'</policies/{lifecycle.successor}>; rel="successor-version"'.encode()))
    return tuple(headers)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
