"""Conditional requests: representations that change seldom, each encoded once per set of policies."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from litestar import Request
from litestar.types import ASGIApp

from trivium.api.http.responses import JSON, BytesResponse, Header
from trivium.catalog import PolicySet


class Representation(msgspec.Struct, frozen=True, eq=False):
    """A body that is ready to be sent, with its entity tag.

    Attributes:
        body: the body.
        etag: its entity tag, without quotes.
        media_type: its media type.
        compressed: the same body in gzip, where that is offered.
        headers: further headers, names in lower case.
    """

    body: bytes
    etag: str
    media_type: str = JSON
    compressed: bytes | None = None
    headers: tuple[Header, ...] = ()


def represent(
    value: Any,
    etag: str | None = None,
    *,
    media_type: str = JSON,
    compress: bool = False,
    headers: Sequence[Header] = (),
) -> Representation:
    """Encode a value, given as bytes or as what to encode as JSON; its tag is the hash of the body unless given."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Representation(
        body,
        etag or hashlib.sha256(body).hexdigest()[:32],
        media_type,
        gzip.compress(body, mtime=0) if compress else None,
        tuple(headers),
    )


def respond(request: Request[Any, Any, Any], representation: Representation, headers: Sequence[Header] = ()) -> ASGIApp:
    """Send a representation, or 304 to a caller who has it already."""
    body, etag = representation.body, representation.etag
    common: list[Header] = [(b"cache-control", b"public, no-cache"), *representation.headers, *headers]
    if representation.compressed is None:
        common.append((b"vary", b"Accept"))
    else:
        common.append((b"vary", b"Accept, Accept-Encoding"))
        if _takes_gzip(request.headers.get("accept-encoding", "")):
            body, etag = representation.compressed, f"{etag}-gzip"
            common.append((b"content-encoding", b"gzip"))
    common.append((b"etag", f'"{etag}"'.encode()))
    if _matches(",".join(request.headers.getall("if-none-match", [])), etag):
        return BytesResponse(b"", representation.media_type, common, 304)
    return BytesResponse(body, representation.media_type, common)


def once_per_set(make: Callable[..., Representation]) -> Callable[..., Representation]:
    """Keep what a function makes of a set of policies, its first argument, for as long as the set is served."""
    kept: WeakKeyDictionary[PolicySet, dict[tuple[Any, ...], Representation]] = WeakKeyDictionary()

    @wraps(make)
    def get(policies: PolicySet, *args: Any) -> Representation:
        found = kept.setdefault(policies, {})
        if args not in found:
            found[args] = make(policies, *args)
        return found[args]

    return get


def _takes_gzip(accept_encoding: str) -> bool:
    codings = {}
    for one in accept_encoding.lower().split(","):
        name, _, weight = one.partition(";")
        codings[name.strip()] = weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return codings.get("gzip", codings.get("*", False))


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip() for tag in if_none_match.split(",")]
    return "*" in tags or f'"{etag}"' in tags or f'W/"{etag}"' in tags
