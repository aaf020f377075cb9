"""Media types, query parameters and conditional requests: what HTTP lets a caller ask, refused or honoured."""

from __future__ import annotations

import hashlib
import re
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from trivium.api.http.problems import ProblemError, with_head
from trivium.api.openapi.operation import JSON, Operation
from trivium.decoding import field_error
from trivium.errors import MOST_ERRORS, FieldError, InvalidInputError
from trivium.policy.errors import nearest_name


T = TypeVar("T", bound=msgspec.Struct)


async def enforce(request: Request[Any, Any, Any]) -> None:
    """Refuse what the operation does not declare: media types in and out, and parameters, before its handler runs."""
    operation: Operation | None = request.route_handler.opt.get("operation")
    if operation is None:
        return
    if operation.body is not None and not _is_json(request.headers.get("content-type", "")):
        supported = [JSON]
        detail = f"Send the body as {JSON}, with that Content-Type."
        raise ProblemError("unsupported-media-type", detail, {"Accept-Post": JSON}, supported=supported)
    if operation.body is not None and request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("unsupported-media-type", "Send the body without a Content-Encoding.", supported=[JSON])
    accept = ",".join(request.headers.getall("accept", ["*/*"]))
    if accept not in {"*/*", ""} and not _accepts(accept, operation.offers):
        offers = list(operation.offers)
        raise ProblemError("not-acceptable", f"This is offered as {', '.join(offers)}.", supported=offers)
    if operation.query is None and request.scope["query_string"]:
        read_query(request, _NoQuery)


def tell_head(response: Response[Any]) -> Response[Any]:
    """Complete what OPTIONS is answered with."""
    if allow := response.headers.get("Allow"):
        response.headers["Allow"] = with_head(allow)
    return response


class _NoQuery(msgspec.Struct):
    """For operations without parameters."""


def read_query(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read the query parameters into a struct.

    Raises:
        InvalidInputError: with every parameter that is unknown, repeated or wrong.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    errors = []
    for name, text in request.query_params.items():
        if name not in fields:
            known = nearest_name(name[:80], list(fields)) if fields else "; there are none here"
            errors.append(FieldError("unknown_field", f"unknown parameter{known}", parameter=name[:200]))
        elif name in values:
            errors.append(FieldError("malformed", "the parameter stands twice", parameter=name))
        else:
            try:
                values[name] = msgspec.convert(text, fields[name].type, strict=False)
            except msgspec.ValidationError as error:
                errors.append(field_error(text, fields[name].type, str(error), parameter=name))
        if len(errors) > MOST_ERRORS:
            break
    if errors:
        raise InvalidInputError(errors)
    return kind(**values)


def reply(
    value: Any, *, media_type: str = JSON, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Answer with a value as JSON, or with bytes as they are; never cached."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_encoded(value), media_type=media_type, status_code=status, headers=headers)


def reply_tagged(
    request: Request[Any, Any, Any],
    value: Any,
    etag: str | None = None,
    *,
    media_type: str = JSON,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Answer with an entity tag, the body's hash unless given, or with 304 when the caller has that state already."""
    if etag is None:
        value = _encoded(value)
        etag = hashlib.sha256(value).hexdigest()[:32]
    tagged = {"ETag": f'"{etag}"', "Cache-Control": "public, no-cache", "Vary": "Accept", **(headers or {})}
    if _matches(",".join(request.headers.getall("if-none-match", [])), etag):
        return Response(b"", status_code=304, headers=tagged, media_type=media_type)
    return reply(value, media_type=media_type, headers=tagged)


def _encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip() for tag in if_none_match.split(",")]
    return "*" in tags or f'"{etag}"' in tags or f'W/"{etag}"' in tags


def _accepts(accept: str, offers: tuple[str, ...]) -> bool:
    """Tell whether one of the offers is wanted; of the ranges that fit an offer, the most specific one counts."""
    wanted = {}
    for one in accept.lower().split(","):
        media, *parameters = (part.strip() for part in one.split(";"))
        wanted[media] = not any(_NEVER.fullmatch(parameter) for parameter in parameters)
    ranges = ([offer, offer.partition("/")[0] + "/*", "*/*"] for offer in offers)
    return any(next((wanted[media] for media in fitting if media in wanted), False) for fitting in ranges)


_NEVER = re.compile(r"q\s*=\s*0(\.0*)?")
"""The weight that says "not this"."""


def _is_json(content_type: str) -> bool:
    """Tell JSON; of its parameters only a character set would change what the body means."""
    media, *parameters = (part.strip() for part in content_type.lower().split(";"))
    charsets = {
        value.strip('"') for name, _, value in (part.partition("=") for part in parameters) if name == "charset"
    }
    return media == JSON and charsets <= {"utf-8", "utf8"}
