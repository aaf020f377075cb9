"""Problem documents (RFC 9457): every error of the API, in one shape, from one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException

from trivium.errors import MOST_ERRORS, FieldError, InvalidInputError
from trivium.policy import RetiredPolicyError, UnknownPolicyError


PROBLEM_JSON = "application/problem+json"


MAX_DEPTH = 8
"""No route has more segments."""


class ProblemType(msgspec.Struct, frozen=True):
    """A kind of problem."""

    code: Annotated[str, msgspec.Meta(description="Stable name; `/problems/{code}` is its URI.")]
    status: Annotated[int, msgspec.Meta(description="HTTP status.")]
    title: Annotated[str, msgspec.Meta(description="The same short text every time.")]
    description: Annotated[str, msgspec.Meta(description="What it means and what to do.")]

    def uri(self, path: str) -> str:
        """Return the URI that identifies the type and documents it, relative to the path of a request.

        A gateway may add a prefix to all paths, which the service does not know: a relative reference leads to the same
        place behind it. Below paths deeper than any route it is absolute, and stays short.
        """
        depth = path.count("/") - 1
        return f"{'../' * depth if depth <= MAX_DEPTH else '/'}problems/{self.code}"


_TYPES = (
    ProblemType(
        "invalid_input", 400, "The input is not valid", "Fields or parameters are wrong; `errors` names each of them."
    ),
    ProblemType("unauthorized", 401, "Unauthorized", "The request needs valid credentials."),
    ProblemType("forbidden", 403, "Forbidden", "The credentials do not allow this request."),
    ProblemType("not_found", 404, "Not found", "Nothing is at this path; /docs lists all paths."),
    ProblemType("unknown_policy", 404, "No such policy", "No served policy fits; GET /policies lists them."),
    ProblemType(
        "unknown_code", 404, "No such code", "No served policy has this rationale code; GET /codes lists them."
    ),
    ProblemType("unknown_problem", 404, "No such problem type", "GET /problems lists the problem types."),
    ProblemType(
        "method_not_allowed", 405, "Method not allowed", "The path exists; the header Allow names its methods."
    ),
    ProblemType(
        "not_acceptable", 406, "Not acceptable", "None of the media types in Accept is offered; see `supported`."
    ),
    ProblemType(
        "request_timeout",
        408,
        "Request timeout",
        "The body did not arrive in time; send it without pauses.",
    ),
    ProblemType(
        "not_mappable", 409, "These inputs cannot be mapped", "x and y are two different inputs that the policy reads."
    ),
    ProblemType(
        "policy_retired", 410, "Policy retired", "This version is retired; its document stays at /policies/{version}."
    ),
    ProblemType("too_large", 413, "Too large", "The body or the batch exceeds the limit that `limit` gives."),
    ProblemType(
        "unsupported_media_type", 415, "Unsupported media type", "The body's Content-Type is not read; see `supported`."
    ),
    ProblemType(
        "too_many_requests", 429, "Too many requests", "Wait for as many seconds as Retry-After says, then try again."
    ),
    ProblemType(
        "headers_too_large", 431, "Headers too large", "The header fields exceed the limit in bytes that `limit` gives."
    ),
    ProblemType(
        "internal_error", 500, "Internal error", "A defect of the service; please report it with the request id."
    ),
    ProblemType(
        "busy", 503, "Busy", "As many batches as the service takes at once are running; try again after Retry-After."
    ),
    ProblemType("not_ready", 503, "Not ready", "The service cannot decide yet or is stopping; try again later."),
)

PROBLEM_TYPES: dict[str, ProblemType] = {kind.code: kind for kind in _TYPES}

ProblemCode = Annotated[
    str, msgspec.Meta(title="ProblemCode", extra_json_schema={"x-extensible-enum": list(PROBLEM_TYPES)})
]


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, as RFC 9457 has it."""

    type: Annotated[
        str,
        msgspec.Meta(
            description="URI of the kind of problem, relative to that of the request; it leads to a description."
        ),
    ]
    title: Annotated[str, msgspec.Meta(description="The kind in words.")]
    status: Annotated[int, msgspec.Meta(description="The HTTP status.")]
    detail: Annotated[str, msgspec.Meta(description="What went wrong this time, and what to do.")]
    instance: Annotated[str, msgspec.Meta(description="URI of this occurrence.")]
    code: Annotated[ProblemCode, msgspec.Meta(description="The kind of problem as a stable word.")]
    request_id: Annotated[
        str, msgspec.Meta(description="The id of the request, also in the header X-Request-ID and in the log.")
    ]
    errors: Annotated[
        list[FieldError],
        msgspec.Meta(description="Every bad field or parameter, or the first hundred and a last entry `too_many`."),
    ] = []
    limit: Annotated[int | None, msgspec.Meta(description="The limit that was passed, for `too_large`.")] = None
    supported: Annotated[
        list[str],
        msgspec.Meta(description="What is supported instead, for `unsupported_media_type` and `not_acceptable`."),
    ] = []


_BY_STATUS = {
    400: "invalid_input",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    429: "too_many_requests",
}
"""What exceptions of the framework, and of guards, become."""


class ProblemError(Exception):
    """An error that is answered with a problem document.

    Args:
        code: the kind of problem.
        detail: what went wrong this time, and what to do; None for what the kind of problem says.
        headers: headers of the response.
        members: further members of the document.
    """

    def __init__(
        self, code: str, detail: str | None = None, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        self.kind = PROBLEM_TYPES[code]
        self.detail = self.kind.description if detail is None else detail
        super().__init__(self.detail)
        self.headers = dict(headers or {})
        self.members = members


def to_problem(error: Exception) -> ProblemError:  # noqa: PLR0911 - one return per kind of error
    """Translate any exception; an unforeseen one becomes `internal_error` and reveals nothing of itself."""
    match error:
        case ProblemError():
            return error
        case InvalidInputError():
            return ProblemError("invalid_input", _count(error), errors=list(error.errors))
        case RetiredPolicyError():
            return ProblemError("policy_retired", f"{error}.")
        case UnknownPolicyError():
            return ProblemError("unknown_policy", f"{error}")
        case MethodNotAllowedException():
            allow = ", ".join(sorted(method.strip() for method in (error.headers or {}).get("allow", "").split(",")))
            return ProblemError("method_not_allowed", f"This path answers {allow}.", {"Allow": allow})
        case HTTPException(status_code=status) if status in _BY_STATUS:
            code = _BY_STATUS[status]
            return ProblemError(code, headers=error.headers)
    return ProblemError("internal_error")


def document(problem: ProblemError, request_id: str, path: str) -> ProblemDocument:
    """Return the document of a problem for a request to a path."""
    kind = problem.kind
    return ProblemDocument(
        type=kind.uri(path),
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=f"urn:trivium:request:{request_id}",
        code=kind.code,
        request_id=request_id,
        **problem.members,
    )


def too_large(limit: int) -> ProblemError:
    """Return the problem of a body beyond the limit."""
    return ProblemError("too_large", f"The body has more than {limit} bytes.", limit=limit)


def _count(error: InvalidInputError) -> str:
    if error.more:
        return f"More than {MOST_ERRORS} things are wrong with the input; the first {MOST_ERRORS} are listed."
    count = len(error.errors)
    return "1 thing is wrong with the input." if count == 1 else f"{count} things are wrong with the input."
