"""Exceptions to responses: every error of the API is a problem document, made here."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from trivium.api.http.body import discard_body
from trivium.api.http.problems import PROBLEM_JSON, document, to_problem


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception with its problem document."""
    problem = to_problem(error)
    state = request.scope["state"]
    state["problem"] = problem.kind.code
    if problem.kind.code == "internal_error":
        state["exception"] = error
    body = msgspec.json.encode(document(problem, state.get("request_id", ""), request.scope["path"]))
    headers = {"Cache-Control": "no-store", **problem.headers}
    return ProblemResponse(body, status_code=problem.kind.status, media_type=PROBLEM_JSON, headers=headers)


class ProblemResponse(Response[bytes]):
    """A problem document; what is left of the request's body is read first, so that the caller gets the response."""

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        """Return the response as an ASGI application."""
        del app, options
        is_head = request.method == "HEAD"
        return _ReadingFirst(
            body=b"" if is_head else self.content,
            headers=self.headers,
            is_head_response=is_head,
            media_type=self.media_type,
            status_code=self.status_code,
        )


class _ReadingFirst(ASGIResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await discard_body(scope, receive):
            self.headers.setdefault("connection", "close")
        await super().__call__(scope, receive, send)
