"""The interactive reference: Swagger UI, served by the service itself under a strict Content-Security-Policy.

The files of Swagger UI are those in the package `mkdocs-swagger-ui-tag`, which keeps them current and asks for no web
framework; nothing else of it is used. Page and script are relative, so that a gateway may add a prefix to all paths.
"""

from __future__ import annotations

import asyncio
from importlib import resources
from threading import Lock

from trivium.api.http.conditional import Representation, represent


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trivium API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

START = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  filter: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""
"""A script of its own, because the policy allows none in the page."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_SCRIPT = "text/javascript; charset=utf-8"
_FILES = {
    "swagger-ui.css": ("stylesheets/swagger-ui.css", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("javascripts/swagger-ui-bundle.js", _SCRIPT),
}
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
)


class SwaggerUI:
    """The page and its files, each read and compressed once, off the event loop.

    Attributes:
        assets: the names of the files that the page loads.
    """

    assets = frozenset({"start.js", *_FILES})

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: dict[str, Representation] = {}

    async def representation(self, name: str) -> Representation:
        """Return the `page`, or one of the assets; where it is not made yet, a thread makes it."""
        return self._made[name] if name in self._made else await asyncio.to_thread(self._make, name)

    def _make(self, name: str) -> Representation:
        with self._lock:
            if name not in self._made:
                body, media_type = _read(name)
                self._made[name] = represent(body, media_type=media_type, compress=True, headers=_HEADERS)
            return self._made[name]


def _read(name: str) -> tuple[bytes, str]:
    if name == "page":
        return PAGE.encode(), "text/html; charset=utf-8"
    if name == "start.js":
        return START.encode(), _SCRIPT
    path, media_type = _FILES[name]
    return resources.files("mkdocs_swagger_ui_tag").joinpath("swagger-ui", path).read_bytes(), media_type
