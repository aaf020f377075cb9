"""What a route promises, declared once beside its handler: enforced by `negotiation`, written down by `schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from trivium.api.http.problems import PROBLEM_TYPES
from trivium.catalog import PolicySet


Tag: TypeAlias = Literal["advice", "policies", "reference", "operations"]

JSON = "application/json"
YAML = "application/yaml"
HTML = "text/html"
PROMETHEUS = "text/plain"

SELECTOR = r"^(latest|\d{1,6}(\.\d{1,6}){0,2})$"
"""What names a policy: a version, the beginning of one, or `latest`."""


Meet: TypeAlias = Callable[[PolicySet], object]
"""Meets a problem: raises what a request that has it raises."""


class Reply(msgspec.Struct, frozen=True):
    """A response.

    Attributes:
        description: when it is given.
        content: media type to the type it carries; None for text.
        example: a realistic body, given the policies served.
        headers: header name to what it says.
    """

    description: str
    content: dict[str, Any] = {}
    example: Callable[[PolicySet], Any] | None = None
    headers: dict[str, str] = {}


def tagged(
    description: str,
    content: dict[str, Any],
    example: Callable[[PolicySet], Any],
    etag: str = "Changes when the body does.",
) -> dict[int, Reply]:
    """Return the replies of what changes seldom: who has it already, and says so, gets 304."""
    headers = {"ETag": etag, "Cache-Control": "Revalidate before use."}
    return {
        200: Reply(description, content, example, headers),
        304: Reply("The caller has this already.", headers=headers),
    }


class PathParameter(msgspec.Struct, frozen=True):
    """A variable of the path."""

    description: str
    example: str
    pattern: str
    max_length: int = 64


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the contract.

    Attributes:
        id: the operationId.
        tag: its group.
        summary: what it does, in a line.
        description: what a caller should know.
        replies: by status, the successful responses.
        problems: by code, the problems it can answer with beside those every operation has, and those that it has for
            reasons of its own; each with what meets it, for the example.
        path: its path parameters.
        query: a struct with one field per query parameter.
        body: the type of the JSON body.
        body_examples: name to body.
        links: operations that a result leads to, as OpenAPI links on the 200.
    """

    id: str
    tag: Tag
    summary: str
    description: str
    replies: dict[int, Reply]
    problems: dict[str, Meet] = {}
    path: dict[str, PathParameter] = {}
    query: type[msgspec.Struct] | None = None
    body: Any = None
    body_examples: dict[str, Any] = {}
    links: dict[str, Any] = {}

    @property
    def offers(self) -> tuple[str, ...]:
        """The media types of its successful responses."""
        return tuple(dict.fromkeys(media for reply in self.replies.values() for media in reply.content))

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every problem it can answer with, in the order of their statuses."""
        codes = {"invalid-input", "not-acceptable", "headers-too-large", "internal-error", *self.problems}
        if self.body is not None:
            codes |= {"too-large", "unsupported-media-type", "request-timeout"}
        return tuple(code for code in PROBLEM_TYPES if code in codes)


def describes(operation: Operation) -> dict[str, Any]:
    """Return the keyword arguments that tie an operation to a Litestar handler."""
    return {"opt": {"operation": operation}, "status_code": 200}
