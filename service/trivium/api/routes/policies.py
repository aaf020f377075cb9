"""The policies as resources: list, document, difference, map."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import msgspec
from litestar import Request, post, route
from litestar.types import ASGIApp

from trivium.api.http.conditional import Representation, once_per_set, represent, respond
from trivium.api.http.problems import ProblemError
from trivium.api.http.responses import JSON, json_response
from trivium.api.openapi.examples import SUPPORT
from trivium.api.openapi.operation import LIFECYCLE_HEADERS, Operation, Reply, describes, revalidated
from trivium.api.routes.common import READ, lifecycle_headers
from trivium.api.routes.parameters import NewerParameter, OlderParameter, VersionParameter
from trivium.api.services import read_request, services_of
from trivium.catalog import PolicySet
from trivium.decoding import decode, one_of
from trivium.policy import Difference, Document, Policy, diff
from trivium.policy.engine.map import StrategyMap, strategy_map
from trivium.policy.language.normal_form import normal_form
from trivium.policy.registry import Status
from trivium.profile import VOCABULARY, Profile


class PolicySummary(msgspec.Struct, frozen=True):
    """A served version."""

    name: Annotated[str, msgspec.Meta(description="The policy's name.")]
    version: Annotated[str, msgspec.Meta(description="Its semantic version.")]
    digest: Annotated[str, msgspec.Meta(description="SHA-256 of the canonical document.")]
    title: Annotated[str, msgspec.Meta(description="What it is, in words.")]
    status: Annotated[
        Status, msgspec.Meta(description="Active, deprecated (still decides) or retired (readable only).")
    ]
    default: Annotated[bool, msgspec.Meta(description="Whether it decides when a request names no policy.")]
    released: Annotated[dt.date | None, msgspec.Meta(description="Day of release.")]
    deprecated: Annotated[dt.date | None, msgspec.Meta(description="Day from which on it is deprecated.")]
    sunset: Annotated[dt.date | None, msgspec.Meta(description="Day from which on it may be retired.")]
    successor: Annotated[str | None, msgspec.Meta(description="The version to move to.")]
    cells: Annotated[int, msgspec.Meta(description="Number of combinations of bands it decides.")]
    nodes: Annotated[int, msgspec.Meta(description="Number of nodes of its decision diagram.")]


class PolicyList(msgspec.Struct, frozen=True):
    """All served versions, newest first."""

    policies: list[PolicySummary]


class PolicyDetail(msgspec.Struct, frozen=True):
    """A whole policy: tables, bands, codes and promises."""

    name: str
    version: str
    digest: str
    document: Document


InputName = Annotated[str, one_of(VOCABULARY), msgspec.Meta(title="InputName")]


class MapRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which two inputs to vary, and the rest of the profile."""

    x: Annotated[InputName, msgspec.Meta(description="The input along the columns.")]
    y: Annotated[InputName, msgspec.Meta(description="The input along the rows.")]
    profile: Annotated[Profile | None, msgspec.Meta(description="The other inputs; what it leaves out is assumed.")] = (
        None
    )


_MAP = msgspec.json.Decoder(MapRequest)


def _list(policies: PolicySet) -> PolicyList:
    registry = policies.registry
    return PolicyList(
        [
            _summary(policies, version, default=version == registry.default.version)
            for version in reversed(registry.by_version)
        ]
    )


def _detail(policy: Policy) -> PolicyDetail:
    document = normal_form(policy.document)
    return PolicyDetail(policy.document.policy, policy.version, policy.digest, document)


def _example_diff(policies: PolicySet) -> Difference:
    older, newer, *_ = policies.registry.by_version.values()
    return diff(older.policy, newer.policy)


def _summary(policies: PolicySet, version: str, *, default: bool) -> PolicySummary:
    served = policies.registry.by_version[version]
    policy: Policy = served.policy
    lifecycle = served.lifecycle
    return PolicySummary(
        name=policy.document.policy,
        version=version,
        digest=policy.digest,
        title=policy.document.title,
        status=lifecycle.status,
        default=default,
        released=lifecycle.released,
        deprecated=lifecycle.deprecated,
        sunset=lifecycle.sunset,
        successor=lifecycle.successor,
        cells=policy.cells,
        nodes=len(policy.diagrams.nodes(policy.root)),
    )


LIST_POLICIES = Operation(
    id="list_policies",
    tag="policies",
    summary="List the policies served",
    description="Every served version with its status, dates and digest, newest first.",
    links={"newest": {"operationId": "read_policy", "parameters": {"version": "$response.body#/policies/0/version"}}},
    reply=revalidated("The versions.", {JSON: PolicyList}, _list),
)
READ_POLICY = Operation(
    id="read_policy",
    tag="policies",
    summary="Read a whole policy",
    description="The document that decides: inputs with their bands, decision tables, codes, steps and promises. "
    "The entity tag is the digest, so If-None-Match saves the transfer.",
    reply=revalidated(
        "The document.",
        {JSON: PolicyDetail},
        lambda policies: _detail(policies.registry.default.policy),
        *LIFECYCLE_HEADERS,
    ),
    problems=("unknown_policy",),
)
DIFF_POLICIES = Operation(
    id="diff_policies",
    tag="policies",
    summary="Compare two policies exactly",
    description="Counts, over every combination of bands, how many change from which strategy to which, with sample "
    "profiles, and names the semantic version step that follows.",
    reply=revalidated("The difference.", {JSON: Difference}, _example_diff),
    problems=("unknown_policy",),
)
MAP_POLICY = Operation(
    id="map_policy",
    tag="policies",
    summary="Map the strategies over two inputs",
    description="Varies two inputs over all their bands and holds the rest of the profile fixed.",
    body=MapRequest,
    body_examples={"volume_and_data": {"x": "requests_per_day", "y": "labeled_examples", "profile": SUPPORT}},
    reply=Reply(
        "The strategies, a row for each band of y.",
        {JSON: StrategyMap},
        example=lambda policies: strategy_map(
            policies.registry.default.policy, "requests_per_day", "labeled_examples", {}
        ),
        headers=("Cache-Control",),
    ),
    problems=("unknown_policy", "not_mappable"),
)


@route("/policies", http_method=READ, **describes(LIST_POLICIES))
async def list_policies(request: Request[Any, Any, Any]) -> ASGIApp:
    """List the policies served."""
    return respond(request, _listed(services_of(request).policies))


@route("/policies/{version:str}", http_method=READ, **describes(READ_POLICY))
async def read_policy(request: Request[Any, Any, Any], version: VersionParameter) -> ASGIApp:
    """Read a whole policy."""
    policies = services_of(request).policies
    found = policies.registry.resolve(version).version
    return respond(request, _read(policies, found), lifecycle_headers(policies.advisors[found]))


@route("/policies/{a:str}/diff/{b:str}", http_method=READ, **describes(DIFF_POLICIES))
async def diff_policies(request: Request[Any, Any, Any], a: OlderParameter, b: NewerParameter) -> ASGIApp:
    """Compare two policies exactly."""
    policies = services_of(request).policies
    older, newer = policies.registry.resolve(a), policies.registry.resolve(b)
    return respond(request, await _compared(policies, older.version, newer.version))


@post("/policies/{version:str}/map", **describes(MAP_POLICY))
async def map_policy(request: Request[Any, Any, Any], version: VersionParameter) -> ASGIApp:
    """Map the strategies over two inputs."""
    policies = services_of(request).policies
    found = policies.registry.resolve(version).version
    body = await read_request(request)
    return json_response(_map(policies, found, body))


@once_per_set
def _listed(policies: PolicySet) -> Representation:
    return represent(_list(policies))


@once_per_set
def _read(policies: PolicySet, version: str) -> Representation:
    policy = policies.registry.by_version[version].policy
    return represent(_detail(policy), policy.digest)


_COMPARISONS: WeakKeyDictionary[PolicySet, dict[tuple[str, str], asyncio.Task[Representation]]] = WeakKeyDictionary()


async def _compared(policies: PolicySet, older: str, newer: str) -> Representation:
    """Return the difference of two versions: worked out once, off the event loop, for all who ask."""
    tasks = _COMPARISONS.setdefault(policies, {})
    if (older, newer) not in tasks:
        by_version = policies.registry.by_version
        compare = partial(diff, by_version[older].policy, by_version[newer].policy)
        tasks[older, newer] = asyncio.create_task(_represented(compare))
    return await asyncio.shield(tasks[older, newer])


async def _represented(compare: Callable[[], Difference]) -> Representation:
    return represent(await asyncio.to_thread(compare))


def _map(policies: PolicySet, version: str, body: bytes) -> StrategyMap:
    policy = policies.registry.by_version[version].policy
    asked = decode(body, _MAP)
    stated = policies.advisors[version].stated(asked.profile or Profile())
    for axis in (asked.x, asked.y):
        if axis not in stated:
            raise ProblemError(
                "not_mappable", f"Policy {version} does not read `{axis}`; it reads {', '.join(stated)}."
            )
    if asked.x == asked.y:
        raise ProblemError("not_mappable", "x and y must be two different inputs.")
    return strategy_map(policy, asked.x, asked.y, stated)
