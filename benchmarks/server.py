"""Serve a rival just as `trivium serve` serves Trivium: same server, same flags.

python -m benchmarks.server bare PORT BYTES
python -m benchmarks.server fastapi PORT
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from trivium.api.drain import Drain
from trivium.api.server.options import Options
from trivium.api.server.worker import Applications
from trivium.api.telemetry.log import make_logger
from trivium.cli.serve import run


def bare(size: int) -> Any:
    """Return an ASGI application that reads the body and answers a fixed one of a given size."""
    answer = b"{" + b" " * (size - 2) + b"}"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    return app


def fastapi() -> Any:
    """Return the FastAPI application."""
    return importlib.import_module("benchmarks.fastapi_rival").app


def main(name: str, port: str, *arguments: str) -> None:
    """Run from the command line."""
    app = bare(int(arguments[0])) if name == "bare" else fastapi()
    run(Applications(app, None, Drain(), make_logger("info")), Options(host="127.0.0.1", port=int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
