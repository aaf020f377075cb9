"""The contract as JSON, as YAML, and as a page for people."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, route
from litestar.types import ASGIApp

from trivium.api.http.conditional import respond
from trivium.api.http.responses import JSON
from trivium.api.openapi.document import API_VERSION, Contract
from trivium.api.openapi.operation import HTML, YAML, Operation, describes, tagged
from trivium.api.routes.common import READ
from trivium.api.routes.operations import LIVE
from trivium.api.services import services_of
from trivium.catalog import PolicySet


class OpenApiDocument(msgspec.Struct, frozen=True):
    """An OpenAPI 3.1 document.

    Attributes:
        openapi: the version of the specification.
        info: title, version and description of the API.
        paths: the operations, by path and method.
    """

    openapi: str
    info: dict[str, Any]
    paths: dict[str, dict[str, Any]]


def _beginning(_: PolicySet) -> OpenApiDocument:
    """Return the document of one operation."""
    live = {"operationId": LIVE.id, "tags": [LIVE.tag], "summary": LIVE.summary, "description": LIVE.description}
    return OpenApiDocument("3.1.0", {"title": "Trivium", "version": API_VERSION}, {"/livez": {"get": live}})


_PAGE = f"""\
<!doctype html><html lang="en"><meta charset="utf-8"><title>Trivium API</title>
<h1>Trivium API {API_VERSION}</h1>
<section id="live"><h3><b>GET</b> <code>/livez</code></h3>
<p><strong>{LIVE.summary}.</strong> {LIVE.description}</p>
"""

CONTRACT_JSON = Operation(
    id="read_contract_json",
    tag="operations",
    summary="The contract as JSON",
    description="This OpenAPI document.",
    replies=tagged("The contract.", {JSON: OpenApiDocument}, _beginning),
)
CONTRACT_YAML = Operation(
    id="read_contract_yaml",
    tag="operations",
    summary="The contract as YAML",
    description="This OpenAPI document.",
    replies=tagged("The contract.", {YAML: OpenApiDocument}, _beginning),
)
DOCS = Operation(
    id="read_docs",
    tag="operations",
    summary="The contract as a page",
    description="Every operation with its parameters, bodies and answers; without scripts, so it needs no network.",
    replies=tagged("The page.", {HTML: str}, lambda _: _PAGE),
)


@route("/openapi.json", http_method=READ, produces=(JSON,), **describes(CONTRACT_JSON))
async def read_contract_json(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the contract as JSON."""
    return respond(request, await _contract(request).representation("json"))


@route("/openapi.yaml", http_method=READ, produces=(YAML,), **describes(CONTRACT_YAML))
async def read_contract_yaml(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the contract as YAML."""
    return respond(request, await _contract(request).representation("yaml"))


@route("/docs", http_method=READ, produces=(HTML,), **describes(DOCS))
async def read_docs(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the contract as a page."""
    return respond(request, await _contract(request).representation("page"))


def _contract(request: Request[Any, Any, Any]) -> Contract:
    contract: Contract = services_of(request).contract
    return contract
