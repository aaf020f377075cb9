"""POST /recommend/impact: what another policy changes for many use cases, whole or as a stream."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from trivium.api.batches.arrow import EXTRA
from trivium.api.batches.items import TABLES, FailedItem, Id, Index, ItemWriter, make_writer
from trivium.api.batches.requests import HOW, BatchRequest, answer, example_replies, media_types
from trivium.api.http.responses import ARROW, CSV, JSON, NDJSON
from trivium.api.openapi.examples import BATCH_EXAMPLES, BATCH_TEXTS, HANDBOOK
from trivium.api.openapi.operation import Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.routes.parameters import FromParameter, ToParameter
from trivium.api.routes.recommend import DECISION_HEADERS, DECISION_PROBLEMS
from trivium.api.services import services_of
from trivium.catalog import PolicySet
from trivium.portfolio.impact import COLUMNS, ChangeCount, ImpactScorer, counted
from trivium.profile import Profile
from trivium.recommendation import Strategy
from trivium.rendering import Renderer


class ComparedItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="ok"):
    """A profile that both policies decided."""

    index: Index
    id: Id = None
    before: Annotated[Strategy, msgspec.Meta(description="The strategy by the policy `from`.")]
    after: Annotated[Strategy, msgspec.Meta(description="The strategy by the policy `to`.")]
    changed: Annotated[bool, msgspec.Meta(description="Whether they differ.")]
    rule: Annotated[
        str | None,
        msgspec.Meta(description="The rule of the policy `to` that decides, as `table/rule`, when they differ."),
    ] = None


ImpactItem = Annotated[ComparedItem | FailedItem, msgspec.Meta(title="ImpactItem")]


class ImpactSummary(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What changes over a batch."""

    from_: Annotated[str, msgspec.Meta(description="The version that decides now.")]
    to: Annotated[str, msgspec.Meta(description="The version it was compared with.")]
    projects: Annotated[int, msgspec.Meta(description="How many profiles were compared.")]
    failed: Annotated[int, msgspec.Meta(description="How many were wrong.")]
    changed: Annotated[int, msgspec.Meta(description="How many get another strategy.")]
    changes: Annotated[list[ChangeCount], msgspec.Meta(description="The changes, those of most profiles first.")]


class ImpactResult(msgspec.Struct, frozen=True):
    """Per profile, in the order sent, both strategies or an error."""

    items: list[ImpactItem]
    summary: ImpactSummary


class _Impact:
    """Compares the strategies of two policies.

    Args:
        before: the policy that decides now.
        after: the policy to compare with.
        media_type: what the items are written in.
    """

    def __init__(self, before: Renderer, after: Renderer, media_type: str) -> None:
        self._renderers = before, after
        self.writer: ItemWriter = make_writer(media_type, COLUMNS)
        self.scorer = ImpactScorer(before.advisor, after.advisor)
        self._versions = before.advisor.policy.version, after.advisor.policy.version
        self._as_cells = media_type in TABLES

    def is_slow(self, profile: Profile) -> bool:
        return any(renderer.is_slow(profile) for renderer in self._renderers)

    def item(self, index: int, profile: Profile) -> bytes:
        values = self.scorer.score(profile).values
        if self._as_cells:
            return self.writer.write(index, [profile.id, *values])
        before, after, changed, rule, _ = values
        item = ComparedItem(index=index, id=profile.id, before=before, after=after, changed=changed, rule=rule)
        return self.writer.write(index, item)

    def summary(self, failed: int) -> ImpactSummary:
        changes = self.scorer.changes
        return ImpactSummary(*self._versions, self.scorer.compared, failed, changes.total(), counted(changes))


def _example(policies: PolicySet) -> dict[str, Any]:
    older, newer = list(policies.renderers.values())[-2:]
    profiles = [HANDBOOK, {"labeled_exampels": 120}]
    return example_replies(profiles, lambda media: _Impact(older, newer, media))


RECOMMEND_IMPACT = Operation(
    id="recommend_impact",
    tag="advice",
    summary="Compare two policies over many use cases",
    description="Takes what a batch takes, and answers 200 with one item for each profile, in the order sent: the "
    "strategy by the policy `from`, that by the policy `to`, whether they differ, and by which rule; or what is wrong "
    f"with the profile. The closing `summary` counts the changes. {HOW}",
    body=BatchRequest,
    body_examples=BATCH_EXAMPLES,
    body_texts=BATCH_TEXTS,
    binary=ARROW,
    binary_extra=EXTRA,
    reply=Reply(
        "One item for each profile.",
        {JSON: ImpactResult, NDJSON: str, CSV: str},
        example=_example,
        headers=DECISION_HEADERS,
    ),
    problems=(*DECISION_PROBLEMS, "busy"),
)


@post("/recommend/impact", **describes(RECOMMEND_IMPACT))
async def recommend_impact(request: Request[Any, Any, Any], older: FromParameter, newer: ToParameter = None) -> ASGIApp:
    """Compare two policies over many use cases."""
    policies = services_of(request).policies
    before, after = policies.renderer(older), policies.renderer(newer)
    sent, wanted = await media_types(request)
    impact = _Impact(before, after, wanted)
    request.scope["state"]["impact"] = impact.scorer
    return await answer(request, sent, wanted, impact, decision_headers(after.advisor))
