"""POST /recommend: a strategy for one use case."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import QueryParameter
from litestar.types import ASGIApp

from trivium.api.http.body import read_body
from trivium.api.http.responses import JSON, BytesResponse
from trivium.api.openapi.examples import INDEED, PROFILE_EXAMPLES, WRONG_PROFILE
from trivium.api.openapi.operation import SELECTOR, Meet, Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.services import services_of
from trivium.catalog import PolicySet
from trivium.decoding import NO_NEWLINE
from trivium.policy import Lifecycle, RetiredPolicyError, ServedPolicy
from trivium.profile import Profile, make_profile, parse_profile
from trivium.recommendation import Explain, Recommendation


Selector = Annotated[
    str,
    msgspec.Meta(
        pattern=SELECTOR + NO_NEWLINE,
        description="`1.0.0`, `1` or `1.0` for the newest such version not retired, or `latest`.",
        examples=["1.0.0"],
    ),
]
PolicyParameter = Annotated[Selector | None, QueryParameter(description="Which policy decides.")]
ExplainParameter = Annotated[
    Explain,
    QueryParameter(
        description="How much of the rationale: `full`; `codes`, without messages, inputs and sources; or `none`."
    ),
]


class AdviceQuery(msgspec.Struct, frozen=True):
    """Parameters of a recommendation."""

    policy: Selector | None = None
    explain: Annotated[
        Explain,
        msgspec.Meta(
            description="How much of the rationale: `full`; `codes`, without messages, inputs and sources; or `none`."
        ),
    ] = "full"


DECISION_HEADERS = {
    "Deprecation": "When the deciding policy is deprecated: since when (RFC 9745).",
    "Sunset": "When the deciding policy is deprecated: from when on it may be retired (RFC 8594).",
}


def _ask_a_retired_policy(policies: PolicySet) -> None:
    oldest = next(iter(policies.registry.by_version.values()))
    retired = Lifecycle(status="retired", successor=policies.default.policy.version)
    raise RetiredPolicyError(ServedPolicy(oldest.policy, retired))


DECISION_PROBLEMS: dict[str, Meet] = {
    "unknown-policy": lambda policies: policies.advisor("9"),
    "policy-retired": _ask_a_retired_policy,
}

RECOMMEND = Operation(
    id="recommend",
    tag="advice",
    summary="Recommend a strategy for one use case",
    description="Send what is known of the use case; leave out the rest. The same profile and policy always give "
    "the same body, byte for byte. Retrying is safe: nothing is stored.",
    query=AdviceQuery,
    body=Profile,
    body_examples=PROFILE_EXAMPLES,
    replies={
        200: Reply(
            "The recommendation.",
            {JSON: Recommendation},
            example=lambda policies: policies.default.recommend(make_profile(INDEED)),
            headers=DECISION_HEADERS,
        )
    },
    problems=DECISION_PROBLEMS | {"invalid-input": lambda _: parse_profile(msgspec.json.encode(WRONG_PROFILE))},
    links={
        "policy": {"operationId": "read_policy", "parameters": {"version": "$response.body#/policy/version"}},
        "code": {"operationId": "read_code", "parameters": {"code": "$response.body#/rationale/0/code"}},
    },
)


async def read_profile(request: Request[Any, Any, Any]) -> Profile:
    """Read the body of a request as a profile.

    Raises:
        InvalidInputError: with every bad field.
        ProblemError: the body is too large, or does not arrive in time.
    """
    settings = services_of(request).settings
    return parse_profile(await read_body(request, limit=settings.max_body_bytes, seconds=settings.body_seconds))


@post("/recommend", consumes=(JSON,), produces=(JSON,), **describes(RECOMMEND))
async def recommend(
    request: Request[Any, Any, Any], policy: PolicyParameter = None, explain: ExplainParameter = "full"
) -> ASGIApp:
    """Recommend a strategy for one use case."""
    advisor = services_of(request).policies.advisor(policy)
    profile = await read_profile(request)
    body, request.scope["state"]["advice"] = advisor.answer(profile, explain)
    return BytesResponse(body, JSON, decision_headers(advisor))
