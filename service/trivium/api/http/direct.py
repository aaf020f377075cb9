"""A route whose parameters Litestar does not read, for the handler that is called thousands of times a second."""

from __future__ import annotations

from typing import Any

from litestar import Request, asgi
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.routes import ASGIRoute, BaseRoute
from litestar.types import Receive, Send

from trivium.api.http.negotiation import read_request_line


def direct(handler: HTTPRouteHandler, path: str) -> ASGIRouteHandler:
    """Return a route that calls a handler as Litestar does, and answers the same in every case.

    Litestar reads, converts and checks the parameters of each request, which takes longer than to decide. Here that is
    done only where there are any. Guards and exception handlers of the application hold here as everywhere.

    Args:
        handler: takes the request and parameters of the query, and returns an ASGI application.
        path: where it is.
    """
    methods = frozenset({"OPTIONS", *handler.http_methods})
    allow = ", ".join(sorted(methods))
    call: Any = handler.fn

    @asgi(path, opt={**handler.opt, "methods": methods}, copy_scope=False)
    async def route(scope: Any, receive: Receive, send: Send) -> None:
        if scope["method"] in handler.http_methods:
            parameters = read_request_line(scope, handler)
            response = await call(Request(scope, receive, send), **parameters)
            await response(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            read_request_line(scope, None)
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow.encode())]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            del scope["path_template"]  # Litestar finds no route then
            raise MethodNotAllowedException(headers={"allow": allow})

    return route


def methods_of(route: BaseRoute) -> frozenset[str]:
    """Return the methods that a route of the application answers."""
    return frozenset(route.route_handler.opt["methods"] if isinstance(route, ASGIRoute) else route.methods)
