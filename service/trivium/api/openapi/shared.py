"""Components that operations share: headers, problems, the request for what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from trivium.api.http import problems
from trivium.api.http.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemDocument, ProblemError
from trivium.api.openapi.examples import PROBLEM_EXAMPLES


_EXAMPLE_REQUEST = "6f1f0c0be0a94b3fb2f7a1a4fd0c2a55"

HEADERS: dict[str, str] = {
    "X-Request-ID": "The id of the request: the caller's own, if it sent one, else a new one.",
    "ETag": "Changes when the body does; send it back in If-None-Match.",
    "Cache-Control": "`no-store`, or `no-cache` for what may be kept and revalidated before each use.",
    "Vary": "The request headers that the response depends on.",
    "Deprecation": "Where the policy that decided is deprecated: since when (RFC 9745).",
    "Sunset": "Where the policy that decided is deprecated: when it may be retired (RFC 8594).",
    "Link": "Where the policy that decided is deprecated: its successor, as `successor-version`.",
    "Retry-After": "After how many seconds to try again.",
    "Accept-Post": "The media types that the body may have.",
}

_PROBLEM_HEADERS = {"unsupported_media_type": "Accept-Post", "busy": "Retry-After", "not_ready": "Retry-After"}

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Entity tags of what the caller has already; if the newest is among them, the response is 304.",
    "schema": {"type": "string", "format": "entity-tags"},
    "example": '"0f343b0931126a20f133d67c2b018a3b"',
}

NOT_MODIFIED = "NotModified"


def pascal_case(name: str) -> str:
    """Return the name of a component: `unknown_policy` is `UnknownPolicy`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def header_references(*names: str) -> dict[str, Any]:
    """Return references to headers, that of the request's id first."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}


def header_components() -> dict[str, Any]:
    """Return the headers."""
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in sorted(HEADERS.items())}


def response_components(references: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the response of each problem, and that to a caller who has everything already."""
    return {
        NOT_MODIFIED: {
            "description": "The caller has this already.",
            "headers": header_references("ETag", "Cache-Control", "Vary"),
        },
        **{pascal_case(code): _problem(code, references) for code in PROBLEM_EXAMPLES},
    }


def _problem(code: str, references: Mapping[Any, Any]) -> dict[str, Any]:
    name = pascal_case(code)
    own = (_PROBLEM_HEADERS[code],) if code in _PROBLEM_HEADERS else ()
    examples = {code: {"$ref": f"#/components/examples/{name}"}}
    return {
        "description": PROBLEM_TYPES[code].description,
        "headers": header_references("Cache-Control", *own),
        "content": {PROBLEM_JSON: {"schema": references[ProblemDocument], "examples": examples}},
    }


def problem_example_components() -> dict[str, Any]:
    """Return an example of each problem."""
    return {pascal_case(code): {"value": _document(code)} for code in PROBLEM_EXAMPLES}


def _document(code: str) -> Any:
    detail, members = PROBLEM_EXAMPLES[code]
    problem = ProblemError(code, detail, **members)
    return msgspec.to_builtins(problems.document(problem, _EXAMPLE_REQUEST, "/recommend"))
