"""What a request may ask of a route: media types in and out, parameters, a canonical path, headers of a fair size.

The media types that a handler reads and offers are its options `consumes` and `produces`; `extras` has those that it
would with an extra that is not installed. Its parameters are those of its signature. What it does not declare is
refused before it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Scope
from litestar.typing import FieldDefinition

from trivium.api.http.problems import ProblemError
from trivium.decoding import description, field_error
from trivium.errors import MOST_ERRORS, FieldError, InvalidInputError
from trivium.policy.errors import nearest_name


MAX_HEADER_BYTES = 16 << 10
"""Most bytes of all header fields together."""


async def negotiate(request: Request[Any, Any, Any]) -> None:
    """Refuse what the route does not declare. It is the application's `before_request` hook.

    Raises:
        ProblemError: `headers_too_large`, `not_found`, `unsupported_media_type` or `not_acceptable`.
        InvalidInputError: with every parameter that is unknown, repeated or wrong.
    """
    read_request_line(request.scope, request.route_handler)


def read_request_line(scope: Scope, handler: BaseRouteHandler | None) -> dict[str, Any]:
    """Return the parameters of the query of a request to a handler, and keep which media type it wants.

    Args:
        scope: the request.
        handler: declares what it takes; None where that is nothing.

    Raises:
        ProblemError: `headers_too_large`, `not_found`, `unsupported_media_type` or `not_acceptable`.
        InvalidInputError: with every parameter that is unknown, repeated or wrong.
    """
    content_type, content_encoding, accept = _read_headers(scope)
    if not _is_canonical(scope):
        raise ProblemError("not_found")
    if handler is not None:
        opt = handler.opt
        if (consumes := opt.get("consumes")) is not None:
            _check_body_type(content_type, content_encoding, consumes, opt.get("extras", {}))
            if len(consumes) > 1:
                scope["state"]["body_media_type"] = body = _media_type(content_type)
                scope["state"]["media_type"] = body  # where the caller leaves it open
        if accept is not None and (produces := opt.get("produces")) is not None:
            first = scope["state"].get("media_type", produces[0])
            scope["state"]["media_type"] = _choose(accept, _from(first, produces), _lacking(accept, opt["extras"]))
    return _read_parameters(scope, handler) if scope["query_string"] or _required(handler) else {}


def chosen_media_type(request: Request[Any, Any, Any]) -> str:
    """Return which of the media types that the handler offers the caller prefers."""
    produces: tuple[str, ...] = request.route_handler.opt["produces"]
    media_type: str = request.scope["state"].get("media_type", produces[0])
    return media_type


def body_media_type(request: Request[Any, Any, Any]) -> str:
    """Return which of the media types that the handler reads the body has."""
    consumes: tuple[str, ...] = request.route_handler.opt["consumes"]
    media_type: str = request.scope["state"].get("body_media_type", consumes[0])
    return media_type


def _from(first: str, offers: tuple[str, ...]) -> tuple[str, ...]:
    return offers if first == offers[0] else (first, *(offer for offer in offers if offer != first))


def _media_type(content_type: bytes) -> str:
    return content_type.decode("latin-1").partition(";")[0].strip().lower()


def _read_headers(scope: Scope) -> tuple[bytes, bytes, bytes | None]:
    """Return Content-Type, Content-Encoding and Accept; lines of the same name are one list (RFC 9110, 5.3)."""
    size = 0
    content_type = content_encoding = b""
    accept = None
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"accept":
            accept = value if accept is None else accept + b"," + value
        elif name == b"content-type":
            content_type = content_type + b"," + value if content_type else value
        elif name == b"content-encoding":
            content_encoding = content_encoding + b"," + value if content_encoding else value
    if size > MAX_HEADER_BYTES:
        detail = f"The header fields have more than {MAX_HEADER_BYTES} bytes."
        raise ProblemError("headers_too_large", detail, limit=MAX_HEADER_BYTES)
    return content_type, content_encoding, accept


def _is_canonical(scope: Scope) -> bool:
    """Return whether the path is spelled as it would be linked to: `//metrics` and `%6Detrics` are no resources."""
    raw = scope["raw_path"].partition(b"?")[0]
    path = scope["path"]
    return raw == path.encode() or raw == quote(path, safe=_UNQUOTED).encode()


_UNQUOTED = "/:@!$&'()*+,;=~"
"""What a path may hold as it is (RFC 3986, 3.3)."""


@lru_cache(maxsize=256)
def _body_type_is_known(content_type: bytes, consumes: tuple[str, ...]) -> bool:
    """Return whether a Content-Type is one of these, in UTF-8; other parameters do not change what the body means."""
    media, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    charsets = {
        value.strip('"') for name, _, value in (part.partition("=") for part in parameters) if name == "charset"
    }
    return media in consumes and charsets <= {"utf-8", "utf8"}


def _check_body_type(
    content_type: bytes, content_encoding: bytes, consumes: tuple[str, ...], extras: Mapping[str, str]
) -> None:
    headers, supported = {"Accept-Post": ", ".join(consumes)}, list(consumes)
    if not _body_type_is_known(content_type, consumes):
        detail = f"Send the body as {' or '.join(consumes)}, with that Content-Type.{_lacking(content_type, extras)}"
        raise ProblemError("unsupported_media_type", detail, headers, supported=supported)
    if content_encoding and content_encoding.lower() != b"identity":
        detail = "Send the body without a Content-Encoding."
        raise ProblemError("unsupported_media_type", detail, headers, supported=supported)


def _lacking(named: bytes, extras: Mapping[str, str]) -> str:
    """Say which extra the service needs for a media type that a header names; empty where it is not for that."""
    return "".join(
        f" For {media} the service needs the extra `{extra}`: pip install '.[{extra}]'."
        for media, extra in extras.items()
        if media.encode() in named.lower()
    )


@lru_cache(maxsize=256)
def _choose(accept: bytes, produces: tuple[str, ...], lacking: str) -> str:
    """Return the offer with the highest weight, the first of several; the most specific range that fits one counts."""
    weights: dict[str, float] = {}
    for one in accept.decode("latin-1").lower().split(","):
        media, *parameters = (part.strip() for part in one.split(";"))
        if media:
            weights[media] = next((_weight(match) for match in map(_QUALITY.fullmatch, parameters) if match), 1.0)
    if not weights:
        return produces[0]

    def weight(offer: str) -> float:
        ranges = (offer, offer.partition("/")[0] + "/*", "*/*")
        return next((weights[media] for media in ranges if media in weights), 0.0)

    best = max(produces, key=weight)
    if weight(best) == 0:
        detail = f"This is offered as {', '.join(produces)}.{lacking}"
        raise ProblemError("not_acceptable", detail, supported=list(produces))
    return best


_QUALITY = re.compile(r"q\s*=\s*([01](?:\.\d{0,3})?)")


def _weight(quality: re.Match[str]) -> float:
    return float(quality[1])


def _read_parameters(scope: Scope, handler: BaseRouteHandler | None) -> dict[str, Any]:
    """Read every query parameter; Litestar itself ignores unknown ones and takes the last of repeated ones."""
    types = {} if handler is None else _parameters(handler)
    values: dict[str, Any] = {}
    errors = []
    for name, text in ASGIConnection[Any, Any, Any, Any](scope).query_params.items():
        if name not in types:
            known = nearest_name(name, types) if types else "; there are none here"
            errors.append(FieldError("unknown_field", f"unknown parameter{known}", parameter=name[:200]))
        elif name in values:
            errors.append(FieldError("malformed", "the parameter is given twice", parameter=name))
        else:
            values[name] = None
            try:
                values[name] = msgspec.convert(text, types[name], strict=False)
            except msgspec.ValidationError as error:
                errors.append(field_error(text, types[name], str(error), parameter=name))
        if len(errors) > MOST_ERRORS:
            break
    errors += [
        FieldError("missing_field", f"the parameter is required: {description(types[name])}", parameter=name)
        for name in _required(handler)
        if name not in values
    ]
    if errors:
        raise InvalidInputError(errors)
    return values


@lru_cache(maxsize=256)
def _parameters(handler: BaseRouteHandler) -> dict[str, Any]:
    """Return the types of a handler's query parameters, by the name that a query gives them."""
    return {name: field.raw for name, field in query_fields(handler).items()}


@lru_cache(maxsize=256)
def _required(handler: BaseRouteHandler | None) -> tuple[str, ...]:
    """Return the query parameters that a request must have."""
    fields = {} if handler is None else query_fields(handler)
    return tuple(name for name, field in fields.items() if field.is_required)


def query_fields(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """Return the arguments of a handler that are query parameters, by the name that a query gives them."""
    return {
        field.kwarg_definition.name or field.name: field
        for field in handler.parsed_fn_signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
