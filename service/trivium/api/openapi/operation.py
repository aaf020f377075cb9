"""What the contract says of an operation beyond its handler's own signature; declared beside the handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec
from litestar import HttpMethod

from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.http.responses import JSON
from trivium.catalog import PolicySet


Tag: TypeAlias = Literal["advice", "policies", "reference", "operations"]

YAML = "application/yaml"
PROMETHEUS = "text/plain"

SELECTOR = r"^(latest|\d{1,6}(\.\d{1,6}){0,2})$"
"""What names a policy: a version, the beginning of one, or `latest`."""


LIFECYCLE_HEADERS = ("Deprecation", "Sunset", "Link")
"""Headers that announce the end of a deprecated policy."""


class OneOf(msgspec.Struct, frozen=True):
    """A body of one of several types; its schema is a component.

    Attributes:
        name: the name of the component.
        kinds: the types; a reader tries them in this order.
    """

    name: str
    kinds: tuple[Any, ...]


class Reply(msgspec.Struct, frozen=True):
    """A successful response.

    Attributes:
        description: when it is given.
        content: media type to the type it carries, or to several; `str` for text.
        example: a realistic body, or one for each media type, given the policies served; long lists are shortened.
        headers: names of headers that `shared` describes.
    """

    description: str
    content: dict[str, Any] = {}
    example: Callable[[PolicySet], Any] | None = None
    headers: tuple[str, ...] = ()


def revalidated(description: str, content: dict[str, Any], example: Callable[[PolicySet], Any], *headers: str) -> Reply:
    """Return the reply of what seldom changes: with If-None-Match, a caller who has it already gets 304."""
    return Reply(description, content, example, ("ETag", "Cache-Control", "Vary", *headers))


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the contract.

    Attributes:
        id: the operationId.
        tag: its group.
        summary: what it does, in a line.
        description: what a caller should know.
        reply: the successful response.
        problems: codes of the problems it can answer with beside those that every operation has.
        body: the type of the JSON body.
        body_examples: name to body.
        body_texts: further media types of the body to an example of each; their schema is a string.
        binary: a further media type of body and response, which is binary.
        binary_extra: the extra that it needs and that is not installed here; the contract has it in any case.
        links: operations that a result leads to, as OpenAPI links of the reply.
    """

    id: str
    tag: Tag
    summary: str
    description: str
    reply: Reply
    problems: tuple[str, ...] = ()
    body: Any = None
    body_examples: dict[str, Any] = {}
    body_texts: dict[str, str] = {}
    binary: str = ""
    binary_extra: str = ""
    links: dict[str, Any] = {}

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every problem it can answer with, in the order of their statuses."""
        codes = {"invalid_input", "not_acceptable", "headers_too_large", "internal_error", *self.problems}
        if self.body is not None:
            codes |= {"too_large", "unsupported_media_type", "request_timeout"}
        return tuple(code for code in PROBLEM_TYPES if code in codes)


def describes(operation: Operation) -> dict[str, Any]:
    """Return the keyword arguments of a Litestar handler that carry an operation.

    `consumes` and `produces` are what `negotiation` enforces, so that the contract and the service cannot disagree.
    """

    def operation_id(_handler: Any, method: HttpMethod, _path: Any) -> str:
        # Litestar wants them unique; the contract leaves HEAD out.
        return operation.id if method != HttpMethod.HEAD else f"{operation.id}_head"

    binary = (operation.binary,) if operation.binary and not operation.binary_extra else ()
    return {
        "operation_id": operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "status_code": 200,
        "opt": {
            "operation": operation,
            "consumes": None if operation.body is None else (JSON, *operation.body_texts, *binary),
            "produces": (*operation.reply.content, *binary),
            "extras": {operation.binary: operation.binary_extra} if operation.binary_extra else {},
        },
    }
