"""What operators and their tools ask: alive, ready, metrics, versions."""

from __future__ import annotations

import platform
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency

import trivium
from trivium.api.http.negotiation import read_query, reply
from trivium.api.http.problems import ProblemError
from trivium.api.openapi.document import API_VERSION
from trivium.api.openapi.operation import JSON, PROMETHEUS, Operation, Reply, describes
from trivium.api.policy_set import Service
from trivium.api.reloader import Serving
from trivium.api.telemetry.metrics import Metrics


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
    status: Literal["active", "deprecated", "retired"]


class Versions(msgspec.Struct, frozen=True):
    """The three versions, never mixed up: contract, policies, package."""

    api: str
    package: str
    python: str
    policies: list[PolicyVersion]


class ReadinessQuery(msgspec.Struct, frozen=True):
    """Parameters of readiness."""

    verbose: Annotated[Literal["", "true", "false"], msgspec.Meta(description="Also name each check.")] = "false"


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
    replies={200: Reply("Alive.", {JSON: Liveness}, example=lambda _: Liveness("ok"))},
)
READY = Operation(
    id="ready",
    tag="operations",
    summary="Can the service decide",
    description="Every served policy decides a test profile. Send no requests while this is not 200.",
    query=ReadinessQuery,
    replies={200: Reply("Ready.", {JSON: Readiness}, example=lambda service: Readiness("ok", service.self_test()))},
    problems={
        "not-ready": lambda _: _all_pass({"policy 2.0.0": "the strategy is not among the reachable ones"}),
    },
)
METRICS = Operation(
    id="metrics",
    tag="operations",
    summary="Metrics for Prometheus",
    description="Requests, durations, recommendations by strategy, rationale codes, policies, build.",
    replies={200: Reply("The metrics, in the text format.", {PROMETHEUS: str}, example=lambda _: _METRICS_EXAMPLE)},
)
VERSION = Operation(
    id="version",
    tag="operations",
    summary="The versions of contract, package and policies",
    description="Three versions that never mix: the contract's, the package's, and one per policy.",
    replies={
        200: Reply(
            "The versions.",
            {JSON: Versions},
            example=lambda service: msgspec.structs.replace(versions(service), python="3.13.0"),
        )
    },
)


@get("/livez", **describes(LIVE))
async def live() -> Response[bytes]:
    """Is the process alive."""
    return reply(Liveness("ok"))


@get("/readyz", **describes(READY))
async def ready(
    request: Request[Any, Any, Any], service: NamedDependency[Service], serving: NamedDependency[Serving]
) -> Response[bytes]:
    """Can the service decide."""
    query = read_query(request, ReadinessQuery)
    checks = service.self_test()
    _all_pass(checks)
    return reply(Readiness("ok", None if query.verbose == "false" else {**checks, **serving.checks()}))


def _all_pass(checks: dict[str, str]) -> None:
    failing = [f"{name}: {result}" for name, result in checks.items() if result != "ok"]
    if failing:
        raise ProblemError("not-ready", "; ".join(failing), {"Retry-After": "5"})


@get("/metrics", **describes(METRICS))
async def metrics(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Metrics for Prometheus."""
    return reply(metrics.render(), media_type=f"{PROMETHEUS}; version=0.0.4")


@get("/version", **describes(VERSION))
async def version(service: NamedDependency[Service]) -> Response[bytes]:
    """Tell the versions of contract, package and policies."""
    return reply(versions(service))


def versions(service: Service) -> Versions:
    """Return the versions of contract, package and policies."""
    policies = [
        PolicyVersion(advisor.reference.name, version, advisor.policy.digest, advisor.reference.status)
        for version, advisor in reversed(service.advisors.items())
    ]
    return Versions(API_VERSION, trivium.__version__, platform.python_version(), policies)
