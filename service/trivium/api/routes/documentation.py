"""The contract as JSON and as YAML, and the interactive reference that shows it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, route
from litestar.types import ASGIApp

from trivium.api.http.conditional import respond
from trivium.api.http.problems import ProblemError
from trivium.api.http.responses import HTML, JSON
from trivium.api.openapi.document import API_VERSION, Contract
from trivium.api.openapi.operation import YAML, Operation, describes, revalidated
from trivium.api.openapi.swagger_ui import PAGE, SwaggerUI
from trivium.api.routes.common import READ
from trivium.api.routes.operations import LIVE
from trivium.api.routes.parameters import AssetParameter
from trivium.api.services import services_of
from trivium.catalog import PolicySet


class OpenApiDocument(msgspec.Struct, frozen=True):
    """An OpenAPI 3.1 document."""

    openapi: Annotated[str, msgspec.Meta(description="The version of the specification.")]
    info: Annotated[dict[str, Any], msgspec.Meta(description="Title, version and description of the API.")]
    paths: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="The operations, by path and method.")]


def _beginning(_: PolicySet) -> OpenApiDocument:
    """Return the document of one operation."""
    live = {"operationId": LIVE.id, "tags": [LIVE.tag], "summary": LIVE.summary, "description": LIVE.description}
    return OpenApiDocument("3.1.0", {"title": "Trivium", "version": API_VERSION}, {"/livez": {"get": live}})


CONTRACT_JSON = Operation(
    id="read_contract_json",
    tag="operations",
    summary="The contract as JSON",
    description="This OpenAPI document, compact.",
    reply=revalidated("The contract.", {JSON: OpenApiDocument}, _beginning),
)
CONTRACT_YAML = Operation(
    id="read_contract_yaml",
    tag="operations",
    summary="The contract as YAML",
    description="This OpenAPI document, to be read by people.",
    reply=revalidated("The contract.", {YAML: OpenApiDocument}, _beginning),
)
DOCS = Operation(
    id="read_docs",
    tag="operations",
    summary="The contract as an interactive page",
    description="Swagger UI, with search, requests to try and the same as curl. It loads nothing from other hosts.",
    reply=revalidated("The page.", {HTML: str}, lambda _: PAGE),
)

_SWAGGER_UI = SwaggerUI()


@route("/openapi.json", http_method=READ, **describes(CONTRACT_JSON))
async def read_contract_json(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the contract as JSON."""
    return respond(request, await _contract(request).representation("json"))


@route("/openapi.yaml", http_method=READ, **describes(CONTRACT_YAML))
async def read_contract_yaml(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the contract as YAML."""
    return respond(request, await _contract(request).representation("yaml"))


@route("/docs", http_method=READ, **describes(DOCS))
async def read_docs(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the interactive page."""
    return respond(request, await _SWAGGER_UI.representation("page"))


@route("/docs/{asset:str}", http_method=READ, status_code=200, include_in_schema=False)
async def read_docs_asset(request: Request[Any, Any, Any], asset: AssetParameter) -> ASGIApp:
    """Read a file that the interactive page loads."""
    if asset not in _SWAGGER_UI.assets:
        raise ProblemError("not_found")
    return respond(request, await _SWAGGER_UI.representation(asset))


def _contract(request: Request[Any, Any, Any]) -> Contract:
    contract: Contract = services_of(request).contract
    return contract
