"""POST /recommend/batch: a strategy for each of many use cases, whole or as a stream."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from trivium.advisor import Advisor
from trivium.api.batches.arrow import EXTRA, answer_arrow
from trivium.api.batches.items import TABLES, FailedItem, Id, Index, ItemWriter, make_writer
from trivium.api.batches.requests import HOW, BatchRequest, answer, example_replies, media_types
from trivium.api.http.responses import ARROW, CSV, JSON, NDJSON
from trivium.api.openapi.components import REF
from trivium.api.openapi.examples import BATCH_EXAMPLES, BATCH_TEXTS, SUPPORT
from trivium.api.openapi.operation import Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.routes.parameters import PolicyParameter, ViewParameter
from trivium.api.routes.recommend import ANSWER, DECISION_HEADERS, DECISION_PROBLEMS
from trivium.api.services import services_of
from trivium.api.telemetry.decisions import Decisions
from trivium.catalog import PolicySet
from trivium.portfolio.rows import CELLS, DEFAULT_COLUMNS, CellAnswer, RowScorer
from trivium.profile import Profile
from trivium.recommendation import PolicyReference, View
from trivium.rendering import Outcome, Renderer


class SucceededItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="ok"):
    """A profile that was decided."""

    index: Index
    id: Id = None
    result: Annotated[
        Any, msgspec.Meta(description="The recommendation.", extra_json_schema={"$ref": REF.format(name=ANSWER.name)})
    ]


BatchItem = Annotated[SucceededItem | FailedItem, msgspec.Meta(title="BatchItem")]


class BatchSummary(msgspec.Struct, frozen=True):
    """Counts over a batch."""

    total: int
    succeeded: int
    failed: int
    strategies: dict[str, int]
    policy: PolicyReference


class BatchResult(msgspec.Struct, frozen=True):
    """Per profile, in the order sent, a result or an error."""

    items: list[BatchItem]
    summary: BatchSummary


def summary_of(decisions: Decisions, failed: int, advisor: Advisor) -> BatchSummary:
    """Count what was answered."""
    counts = dict.fromkeys(advisor.policy.strategies, 0)
    for kind, count in decisions.kinds.items():
        counts[kind.strategy] += count
    succeeded = decisions.total()
    return BatchSummary(succeeded + failed, succeeded, failed, counts, advisor.reference)


class _Recommendations:
    """Recommends, and counts what.

    Args:
        renderer: what answers.
        writer: writes the items.

    Attributes:
        decisions: what was decided so far.
    """

    def __init__(self, renderer: Renderer, writer: ItemWriter) -> None:
        self.writer = writer
        self.decisions = Decisions()
        self._renderer = renderer

    def is_slow(self, profile: Profile) -> bool:
        return self._renderer.is_slow(profile)

    def summary(self, failed: int) -> BatchSummary:
        return summary_of(self.decisions, failed, self._renderer.advisor)


class _AsJson(_Recommendations):
    """Recommends as JSON, in a view."""

    def __init__(self, renderer: Renderer, writer: ItemWriter, view: View) -> None:
        super().__init__(renderer, writer)
        self._view: View = view

    def item(self, index: int, profile: Profile) -> bytes:
        body, advice = self._renderer.json(profile, self._view)
        self.decisions.count(advice.outcome)
        result: Any = msgspec.Raw(body)  # encoded already
        return self.writer.write(index, SucceededItem(index=index, id=profile.id, result=result))


class _AsCells(_Recommendations):
    """Recommends as the cells of a table."""

    def __init__(self, renderer: Renderer, writer: ItemWriter) -> None:
        super().__init__(renderer, writer)
        self._scorer = RowScorer(renderer.advisor)
        self._outcome = lru_cache(maxsize=CELLS)(self._make_outcome)

    def item(self, index: int, profile: Profile) -> bytes:
        scored = self._scorer.score(profile)
        self.decisions.count(self._outcome(scored.cell))
        return self.writer.write(index, [profile.id, *scored.values])

    def _make_outcome(self, cell: CellAnswer) -> Outcome:
        return Outcome(cell.strategy, cell.status, tuple(cell.values["codes"]), self._renderer.advisor.reference)


def _recommendations(renderer: Renderer, media_type: str, view: View) -> _AsJson | _AsCells:
    """Return what recommends in a media type; a table has the same columns in each view."""
    writer = make_writer(media_type, DEFAULT_COLUMNS)
    return _AsCells(renderer, writer) if media_type in TABLES else _AsJson(renderer, writer, view)


def _example(policies: PolicySet) -> dict[str, Any]:
    profiles = [SUPPORT, {"labeled_exampels": 120}]
    return example_replies(profiles, lambda media: _recommendations(policies.renderer(), media, "brief"))


RECOMMEND_BATCH = Operation(
    id="recommend_batch",
    tag="advice",
    summary="Recommend a strategy for each of many use cases",
    description="Answers 200 with one item for each profile, in the order sent: its result, or what is wrong with it. "
    f"An error of one item does not affect the others; the closing `summary` counts both. {HOW} Arrow that is answered "
    "as Arrow comes back with six columns more: the same record batches, with the answers of their rows.",
    body=BatchRequest,
    body_examples=BATCH_EXAMPLES,
    body_texts=BATCH_TEXTS,
    binary=ARROW,
    binary_extra=EXTRA,
    reply=Reply(
        "One item for each profile.",
        {JSON: BatchResult, NDJSON: str, CSV: str},
        example=_example,
        headers=DECISION_HEADERS,
    ),
    problems=(*DECISION_PROBLEMS, "busy"),
)


@post("/recommend/batch", **describes(RECOMMEND_BATCH))
async def recommend_batch(
    request: Request[Any, Any, Any], policy: PolicyParameter = None, view: ViewParameter = "brief"
) -> ASGIApp:
    """Recommend a strategy for each of many use cases."""
    renderer = services_of(request).policies.renderer(policy)
    headers = decision_headers(renderer.advisor)
    sent, wanted = await media_types(request)
    if sent == wanted == ARROW:
        return answer_arrow(request, renderer.advisor, partial(summary_of, advisor=renderer.advisor), headers)
    recommendations = _recommendations(renderer, wanted, view)
    request.scope["state"]["decisions"] = recommendations.decisions
    return await answer(request, sent, wanted, recommendations, headers)
