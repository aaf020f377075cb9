"""Problem documents (RFC 9457): every error of the API, in one shape, from one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException

from trivium.errors import MOST_ERRORS, FieldError, InvalidInputError
from trivium.policy import RetiredPolicyError, UnknownPolicyError


PROBLEM_JSON = "application/problem+json"


class ProblemType(msgspec.Struct, frozen=True):
    """A kind of problem.

    Attributes:
        code: stable name; `/problems/{code}` is its URI.
        status: HTTP status.
        title: the same short text every time.
        description: what it means and what to do.
    """

    code: str
    status: int
    title: str
    description: str

    @property
    def uri(self) -> str:
        """The relative URI that identifies the type and documents it."""
        return f"/problems/{self.code}"


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, as RFC 9457 has it.

    Attributes:
        type: URI of the kind of problem; it leads to a description.
        title: the kind in words.
        status: the HTTP status.
        detail: what went wrong this time, and what to do.
        instance: URI of this occurrence.
        code: the kind of problem as a stable word.
        request_id: the id of the request, also in the header X-Request-ID and in the log.
        errors: every bad field or parameter, or the first hundred and a last entry `too_many`.
        limit: the limit that was passed, for `too-large`.
        supported: what is supported instead, for `unsupported-media-type` and `not-acceptable`.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldError] = []
    limit: int | None = None
    supported: list[str] = []


_TYPES = (
    ProblemType(
        "invalid-input", 400, "The input is not valid", "Fields or parameters are wrong; `errors` names each of them."
    ),
    ProblemType("unauthorized", 401, "Unauthorized", "The request needs valid credentials."),
    ProblemType("forbidden", 403, "Forbidden", "The credentials do not allow this request."),
    ProblemType("not-found", 404, "Not found", "Nothing is at this path; /docs lists all paths."),
    ProblemType("unknown-policy", 404, "No such policy", "No served policy fits; GET /policies lists them."),
    ProblemType(
        "unknown-code", 404, "No such code", "No served policy has this rationale code; GET /codes lists them."
    ),
    ProblemType("unknown-problem", 404, "No such problem type", "GET /problems lists the problem types."),
    ProblemType(
        "method-not-allowed", 405, "Method not allowed", "The path exists; the header Allow names its methods."
    ),
    ProblemType(
        "not-acceptable", 406, "Not acceptable", "None of the media types in Accept is offered; see `supported`."
    ),
    ProblemType(
        "request-timeout",
        408,
        "Request timeout",
        "The body did not arrive in time; send it without pauses.",
    ),
    ProblemType(
        "not-mappable", 409, "These inputs cannot be mapped", "x and y are two different inputs that the policy reads."
    ),
    ProblemType(
        "policy-retired", 410, "Policy retired", "This version is retired; its document stays at /policies/{version}."
    ),
    ProblemType("too-large", 413, "Too large", "The body or the batch exceeds the limit that `limit` gives."),
    ProblemType(
        "unsupported-media-type", 415, "Unsupported media type", "The body's Content-Type is not read; see `supported`."
    ),
    ProblemType(
        "too-many-requests", 429, "Too many requests", "Wait for as many seconds as Retry-After says, then try again."
    ),
    ProblemType(
        "headers-too-large", 431, "Headers too large", "The header fields exceed the limit in bytes that `limit` gives."
    ),
    ProblemType(
        "internal-error", 500, "Internal error", "A defect of the service; please report it with the request id."
    ),
    ProblemType(
        "busy", 503, "Busy", "As many batches as the service takes at once are running; try again after Retry-After."
    ),
    ProblemType("not-ready", 503, "Not ready", "The service cannot decide yet or is stopping; try again later."),
)

PROBLEM_TYPES: dict[str, ProblemType] = {kind.code: kind for kind in _TYPES}

_BY_STATUS = {
    400: "invalid-input",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    413: "too-large",
    429: "too-many-requests",
}
"""What exceptions of the framework, and of guards, become."""


class ProblemError(Exception):
    """An error that is answered with a problem document.

    Args:
        code: the kind of problem.
        detail: what went wrong this time, and what to do.
        headers: headers of the response.
        members: further members of the document.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.kind = PROBLEM_TYPES[code]
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def to_problem(error: Exception) -> ProblemError:  # noqa: PLR0911 - one return per kind of error
    """Translate any exception; an unforeseen one becomes `internal-error` and reveals nothing of itself."""
    match error:
        case ProblemError():
            return error
        case InvalidInputError():
            return ProblemError("invalid-input", _count(error), errors=list(error.errors))
        case RetiredPolicyError():
            return ProblemError("policy-retired", f"{error}.")
        case UnknownPolicyError():
            return ProblemError("unknown-policy", f"{error}")
        case MethodNotAllowedException():
            allow = ", ".join(sorted(method.strip() for method in (error.headers or {}).get("allow", "").split(",")))
            return ProblemError("method-not-allowed", f"This path answers {allow}.", {"Allow": allow})
        case HTTPException(status_code=status) if status in _BY_STATUS:
            code = _BY_STATUS[status]
            return ProblemError(code, PROBLEM_TYPES[code].description, error.headers)
    return ProblemError("internal-error", PROBLEM_TYPES["internal-error"].description)


def document(problem: ProblemError, request_id: str) -> ProblemDocument:
    """Return the document of a problem for a request."""
    kind = problem.kind
    return ProblemDocument(
        type=kind.uri,
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
    return ProblemError("too-large", f"The body has more than {limit} bytes.", limit=limit)


def _count(error: InvalidInputError) -> str:
    if error.more:
        return f"More than {MOST_ERRORS} things are wrong with the input; the first {MOST_ERRORS} are listed."
    count = len(error.errors)
    return "1 thing is wrong with the input." if count == 1 else f"{count} things are wrong with the input."
