"""The contract as JSON, as YAML, and as a page for people."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency

from trivium.api.contract import HTML, JSON, YAML, Operation, Reply, describes
from trivium.api.negotiation import reply_tagged
from trivium.api.operations import LIVE
from trivium.api.schema import API_VERSION, Contract
from trivium.api.service import Service


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
_ETAG = {"ETag": "Changes when the contract does."}

CONTRACT_JSON = Operation(
    id="read_contract_json",
    tag="operations",
    summary="The contract as JSON",
    description="This OpenAPI document.",
    replies={
        200: Reply("The contract.", {JSON: OpenApiDocument}, example=_beginning, headers=_ETAG),
        304: Reply("The caller has this contract already.", headers=_ETAG),
    },
)
CONTRACT_YAML = Operation(
    id="read_contract_yaml",
    tag="operations",
    summary="The contract as YAML",
    description="This OpenAPI document.",
    replies={
        200: Reply("The contract.", {YAML: OpenApiDocument}, example=_beginning, headers=_ETAG),
        304: Reply("The caller has this contract already.", headers=_ETAG),
    },
)
DOCS = Operation(
    id="read_docs",
    tag="operations",
    summary="The contract as a page",
    description="Every operation with its parameters, bodies and answers; without scripts, so it needs no network.",
    replies={
        200: Reply("The page.", {HTML: str}, example=lambda _: _PAGE, headers=_ETAG),
        304: Reply("The caller has this page already.", headers=_ETAG),
    },
)


@get("/openapi.json", **describes(CONTRACT_JSON))
async def read_contract_json(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as JSON."""
    return _tagged(request, contract.json, JSON)


@get("/openapi.yaml", **describes(CONTRACT_YAML))
async def read_contract_yaml(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as YAML."""
    return _tagged(request, contract.yaml, YAML)


@get("/docs", **describes(DOCS))
async def read_docs(request: Request[Any, Any, Any], contract: NamedDependency[Contract]) -> Response[bytes]:
    """Read the contract as a page."""
    return _tagged(request, contract.page, HTML, {"Content-Security-Policy": contract.page_policy})


def _tagged(
    request: Request[Any, Any, Any], text: str, media_type: str, headers: dict[str, str] | None = None
) -> Response[bytes]:
    body = text.encode()
    etag = hashlib.sha256(body).hexdigest()[:32]
    return reply_tagged(request, body, etag, media_type=media_type, headers=headers)
