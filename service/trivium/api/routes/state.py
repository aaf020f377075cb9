"""What handlers share: the served policies, the settings, and the headers of decisions."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from litestar import HttpMethod, Request

from trivium.advisor import Advisor
from trivium.api.http.responses import NO_STORE, Header
from trivium.api.settings import Settings
from trivium.catalog import PolicySet


READ = [HttpMethod.GET, HttpMethod.HEAD]
"""The methods of a route that only reads."""


def served_policies(request: Request[Any, Any, Any]) -> PolicySet:
    """Return the policies that are served now."""
    policies: PolicySet = request.app.state.reloader.current
    return policies


def settings_of(request: Request[Any, Any, Any]) -> Settings:
    """Return the settings of the application."""
    settings: Settings = request.app.state.settings
    return settings


@lru_cache(maxsize=64)
def decision_headers(advisor: Advisor) -> tuple[Header, ...]:
    """Return the headers of a decision: it is not to be stored, and a deprecated policy announces its end."""
    return (NO_STORE, *lifecycle_headers(advisor))


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
