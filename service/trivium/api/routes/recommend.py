"""POST /recommend: a strategy for one use case."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from trivium.api.http.negotiation import chosen_media_type
from trivium.api.http.responses import HTML, JSON, MARKDOWN, BytesResponse
from trivium.api.openapi.examples import INDEED, PROFILE_EXAMPLES
from trivium.api.openapi.operation import LIFECYCLE_HEADERS, OneOf, Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.routes.parameters import PolicyParameter, ViewParameter
from trivium.api.services import read_request, services_of
from trivium.catalog import PolicySet
from trivium.profile import Profile, make_profile, parse_profile
from trivium.recommendation import BriefRecommendation, Recommendation, View
from trivium.rendering import Advice, Renderer


ANSWER = OneOf("Answer", (Recommendation, BriefRecommendation))
"""A recommendation in one of its views."""

DECISION_HEADERS = ("Cache-Control", "Vary", *LIFECYCLE_HEADERS)
DECISION_PROBLEMS = ("unknown_policy", "policy_retired")


def _example(policies: PolicySet) -> dict[str, Any]:
    found = policies.default.recommend(make_profile(INDEED))
    return {JSON: found.standard(), MARKDOWN: found.to_markdown(), HTML: found.to_html()}


RECOMMEND = Operation(
    id="recommend",
    tag="advice",
    summary="Recommend a strategy for one use case",
    description="Send what is known of the use case; leave out the rest. The same profile and policy always give "
    "the same body, byte for byte. Retrying is safe: nothing is stored.",
    body=Profile,
    body_examples=PROFILE_EXAMPLES,
    reply=Reply(
        "The recommendation.",
        {JSON: ANSWER, MARKDOWN: str, HTML: str},
        example=_example,
        headers=DECISION_HEADERS,
    ),
    problems=DECISION_PROBLEMS,
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
    return parse_profile(await read_request(request))


def _answer(renderer: Renderer, profile: Profile, media_type: str, view: View) -> tuple[bytes, Advice]:
    match media_type:
        case "text/markdown":
            return renderer.markdown(profile)
        case "text/html":
            return renderer.html(profile)
    return renderer.json(profile, view)


@post("/recommend", **describes(RECOMMEND))
async def recommend(
    request: Request[Any, Any, Any], policy: PolicyParameter = None, view: ViewParameter = "standard"
) -> ASGIApp:
    """Recommend a strategy for one use case."""
    renderer = services_of(request).policies.renderer(policy)
    profile = await read_profile(request)
    media_type = chosen_media_type(request)
    answer = partial(_answer, renderer, profile, media_type, view)
    body, advice = await asyncio.to_thread(answer) if renderer.is_slow(profile) else answer()
    if media_type != JSON:
        media_type = f"{media_type}; charset=utf-8"
    request.scope["state"]["advice"] = advice
    return BytesResponse(body, media_type, decision_headers(renderer.advisor))
