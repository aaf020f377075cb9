"""POST /recommend: a strategy for one use case."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import QueryParameter
from litestar.types import ASGIApp

from trivium.api.http.body import read_body
from trivium.api.http.negotiation import chosen_media_type
from trivium.api.http.responses import HTML, JSON, MARKDOWN, BytesResponse
from trivium.api.openapi.examples import INDEED, PROFILE_EXAMPLES, WRONG_PROFILE
from trivium.api.openapi.operation import SELECTOR, Meet, Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.services import services_of
from trivium.catalog import PolicySet
from trivium.decoding import NO_NEWLINE
from trivium.policy import Lifecycle, RetiredPolicyError, ServedPolicy
from trivium.profile import Profile, make_profile, parse_profile
from trivium.recommendation import Recommendation, View


Selector = Annotated[
    str,
    msgspec.Meta(
        pattern=SELECTOR + NO_NEWLINE,
        description="`1.0.0`, `1` or `1.0` for the newest such version not retired, or `latest`.",
        examples=["1.0.0"],
    ),
]
PolicyParameter = Annotated[Selector | None, QueryParameter(description="Which policy decides.")]
VIEW = "How much of the answer: `brief`; `standard`; or `full`, which shortens no list."
ViewParameter = Annotated[View, QueryParameter(description=VIEW)]


class AdviceQuery(msgspec.Struct, frozen=True):
    """Parameters of a recommendation."""

    policy: Selector | None = None
    view: Annotated[View, msgspec.Meta(description=VIEW)] = "standard"


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
            {JSON: Recommendation, MARKDOWN: str, HTML: str},
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


@post("/recommend", consumes=(JSON,), produces=(JSON, MARKDOWN, HTML), **describes(RECOMMEND))
async def recommend(
    request: Request[Any, Any, Any], policy: PolicyParameter = None, view: ViewParameter = "standard"
) -> ASGIApp:
    """Recommend a strategy for one use case."""
    renderer = services_of(request).policies.renderer(policy)
    profile = await read_profile(request)
    match chosen_media_type(request):
        case "text/markdown":
            body, advice = renderer.markdown(profile)
            media_type = f"{MARKDOWN}; charset=utf-8"
        case "text/html":
            body, advice = renderer.html(profile)
            media_type = f"{HTML}; charset=utf-8"
        case _:
            body, advice = renderer.json(profile, view)
            media_type = JSON
    request.scope["state"]["advice"] = advice
    return BytesResponse(body, media_type, decision_headers(renderer.advisor))
