"""The contract as JSON, as YAML, and as a page for people."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency

from trivium.api.http.negotiation import reply_tagged
from trivium.api.openapi.document import API_VERSION, Contract
from trivium.api.openapi.operation import HTML, JSON, YAML, Operation, describes, tagged
from trivium.api.policy_set import Service
from trivium.api.routes.operations import LIVE


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


def _beginning(_: Service) -> OpenApiDocument:
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


@get("/openapi.json", **describes(CONTRACT_JSON))
async def read_contract_json(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as JSON."""
    return reply_tagged(request, contract.json.encode())


@get("/openapi.yaml", **describes(CONTRACT_YAML))
async def read_contract_yaml(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as YAML."""
    return reply_tagged(request, contract.yaml.encode(), media_type=YAML)


@get("/docs", **describes(DOCS))
async def read_docs(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as a page."""
    headers = {"Content-Security-Policy": contract.page_policy}
    return reply_tagged(request, contract.page.encode(), media_type=HTML, headers=headers)
