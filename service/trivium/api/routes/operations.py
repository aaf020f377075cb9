"""What operators and their tools ask: alive, ready, metrics, versions."""

from __future__ import annotations

import platform
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, route
from litestar.params import QueryParameter
from litestar.types import ASGIApp

import trivium
from trivium.api.http.problems import ProblemError
from trivium.api.http.responses import JSON, BytesResponse, json_response
from trivium.api.openapi.document import API_VERSION
from trivium.api.openapi.operation import PROMETHEUS, Operation, Reply, describes
from trivium.api.routes.common import READ
from trivium.api.services import services_of
from trivium.api.telemetry.metrics import Metrics
from trivium.catalog import PolicySet
from trivium.policy.registry import Status


class Liveness(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """The service can decide; `checks` only when asked for."""

    status: Literal["ok"]
    checks: dict[str, str] | None = None


class PolicyVersion(msgspec.Struct, frozen=True):
    """A served policy's identity."""

    name: str
    version: str
    digest: str
    status: Status


class Versions(msgspec.Struct, frozen=True):
    """The three versions, never mixed up: contract, policies, package."""

    api: str
    package: str
    python: str
    policies: list[PolicyVersion]


VerboseParameter = Annotated[Literal["", "true", "false"], QueryParameter(description="Also name each check.")]


_METRICS_EXAMPLE = """\
# HELP trivium_recommendations_total Recommendations made, single and in batches.
# TYPE trivium_recommendations_total counter
trivium_recommendations_total{policy_version="1.0.0",status="settled",strategy="rag"} 12.0
"""

LIVE = Operation(
    id="live",
    tag="operations",
    summary="Is the process alive",
    description="Depends on nothing: restart the process when this does not answer.",
    reply=Reply("Alive.", {JSON: Liveness}, example=lambda _: Liveness("ok")),
)
READY = Operation(
    id="ready",
    tag="operations",
    summary="Can the service decide",
    description="Every served policy decides a test profile. Send no requests while this is not 200.",
    reply=Reply("Ready.", {JSON: Readiness}, example=lambda policies: Readiness("ok", policies.self_test())),
    problems=("not_ready",),
)
METRICS = Operation(
    id="metrics",
    tag="operations",
    summary="Metrics for Prometheus",
    description="Requests, durations, recommendations by strategy, rationale codes, policies, build.",
    reply=Reply("The metrics, in the text format.", {PROMETHEUS: str}, example=lambda _: _METRICS_EXAMPLE),
)
VERSION = Operation(
    id="version",
    tag="operations",
    summary="The versions of contract, package and policies",
    description="Three versions that never mix: the contract's, the package's, and one per policy.",
    reply=Reply(
        "The versions.",
        {JSON: Versions},
        example=lambda policies: msgspec.structs.replace(versions(policies), python="3.13.0"),
    ),
)


@route("/livez", http_method=READ, **describes(LIVE))
async def live() -> ASGIApp:
    """Say that the process answers."""
    return json_response(Liveness("ok"))


@route("/readyz", http_method=READ, **describes(READY))
async def ready(request: Request[Any, Any, Any], verbose: VerboseParameter = "false") -> ASGIApp:
    """Say whether the service can decide."""
    services = services_of(request)
    checks = services.policies.self_test()
    _all_pass({**checks, "drain": "the service is about to stop"} if services.drain.active else checks)
    return json_response(Readiness("ok", None if verbose == "false" else {**checks, **services.reloader.checks()}))


def _all_pass(checks: dict[str, str]) -> None:
    failing = [f"{name}: {result}" for name, result in checks.items() if result != "ok"]
    if failing:
        raise ProblemError("not_ready", "; ".join(failing), {"Retry-After": "5"})


@route("/metrics", http_method=READ, **describes(METRICS))
async def metrics(request: Request[Any, Any, Any]) -> ASGIApp:
    """Render the metrics for Prometheus."""
    measured: Metrics = services_of(request).metrics
    return BytesResponse(measured.render(), f"{PROMETHEUS}; version=0.0.4")


@route("/version", http_method=READ, **describes(VERSION))
async def version(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell the versions of contract, package and policies."""
    return json_response(versions(services_of(request).policies))


def versions(policies: PolicySet) -> Versions:
    """Return the versions of contract, package and policies."""
    served = [
        PolicyVersion(advisor.reference.name, version, advisor.reference.digest, advisor.reference.status)
        for version, advisor in reversed(list(policies.advisors.items()))
    ]
    return Versions(API_VERSION, trivium.__version__, platform.python_version(), served)
