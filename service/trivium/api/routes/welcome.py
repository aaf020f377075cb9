"""GET /: what this is, and where things are; as a page for browsers, and as JSON for all others."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

import msgspec
from litestar import Request, route
from litestar.types import ASGIApp

import trivium
from trivium.api.http.conditional import represent, respond
from trivium.api.http.negotiation import chosen_media_type
from trivium.api.http.responses import HTML, JSON
from trivium.api.openapi.operation import Operation, describes, revalidated
from trivium.api.routes.common import READ


class Welcome(msgspec.Struct, frozen=True):
    """What this service is, and where its parts are."""

    name: str
    version: Annotated[str, msgspec.Meta(description="The version of the package.")]
    description: str
    links: Annotated[dict[str, str], msgspec.Meta(description="Name to path, relative to this one.")]


WELCOME = Welcome(
    name="Trivium",
    version=trivium.__version__,
    description="Recommends prompt engineering, retrieval, fine-tuning, or retrieval and fine-tuning for an LLM use "
    "case, by a versioned policy, with reasons. Send a profile of it to POST /recommend; every field is optional.",
    links={
        "documentation": "docs",
        "contract": "openapi.json",
        "profile fields": "inputs",
        "policies": "policies",
        "rationale codes": "codes",
        "problem types": "problems",
    },
)

_ITEMS = "".join(
    f'<li><a href="{escape(path)}">{escape(name.capitalize())}</a>' for name, path in WELCOME.links.items()
)
_PAGE = (
    f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{WELCOME.name}</title>'
    f'<meta name="viewport" content="width=device-width"><h1>{WELCOME.name} {escape(WELCOME.version)}</h1>'
    f"<p>{escape(WELCOME.description)}</p><ul>{_ITEMS}</ul>"
)
_HEADERS = [(b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")]
_REPRESENTATIONS = {
    JSON: represent(WELCOME),
    HTML: represent(_PAGE.encode(), media_type=f"{HTML}; charset=utf-8", headers=_HEADERS),
}

START = Operation(
    id="read_start",
    tag="operations",
    summary="What this is, and where things are",
    description="Browsers get a page.",
    reply=revalidated("Name, version and links.", {JSON: Welcome, HTML: str}, lambda _: {JSON: WELCOME, HTML: _PAGE}),
)


@route("/", http_method=READ, **describes(START))
async def read_start(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say what this is, and where things are."""
    return respond(request, _REPRESENTATIONS[chosen_media_type(request)])
