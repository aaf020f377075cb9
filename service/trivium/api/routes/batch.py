"""POST /recommend/batch: a strategy for each of many use cases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from time import perf_counter
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from trivium.api.http.capacity import Capacity
from trivium.api.http.problems import ProblemError, to_problem
from trivium.api.http.responses import JSON, PART_BYTES, StreamingResponse
from trivium.api.openapi.components import REF
from trivium.api.openapi.examples import BATCH_EXAMPLES, SUPPORT
from trivium.api.openapi.operation import Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.routes.parameters import PolicyParameter, ViewParameter
from trivium.api.routes.recommend import (
    ANSWER,
    DECISION_HEADERS,
    DECISION_PROBLEMS,
)
from trivium.api.services import read_request, services_of
from trivium.api.settings import Settings
from trivium.catalog import PolicySet
from trivium.decoding import decode
from trivium.errors import FieldError, InvalidInputError
from trivium.profile import Profile, make_profile
from trivium.recommendation import View, encode
from trivium.rendering import Outcome, Renderer


TURN_SECONDS = 0.005
"""How long a batch works before other requests get their turn."""

MAX_SUGGESTING = 50
"""How many bad profiles of a batch get suggestions; looking for them takes longer than deciding."""

Item = Annotated[Any, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="Profile")})]
"""Decoded on its own, so that what is wrong with one profile does not touch the others."""


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many profiles at once."""

    profiles: Annotated[
        list[Item],
        msgspec.Meta(
            min_length=1,
            extra_json_schema={"maxItems": Settings().max_batch},
            description="The use cases; each is checked on its own. A deployment may set another limit than 1000; "
            "more are answered with 413, and `limit` says how many it takes.",
        ),
    ]
    defaults: Annotated[
        Profile | None,
        msgspec.Meta(description="Fields for all of them; a profile's own field wins, and its null means unknown."),
    ] = None


_BATCH = msgspec.json.Decoder(BatchRequest)


class ItemError(msgspec.Struct, frozen=True):
    """What is wrong with one profile of a batch; pointers start at the profile."""

    code: str
    detail: str
    errors: list[FieldError]


class SucceededItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="ok"):
    """A profile that was decided."""

    index: Annotated[int, msgspec.Meta(description="Its place among the profiles sent, from 0.")]
    id: Annotated[str | None, msgspec.Meta(description="Its id, when it has one.")] = None
    result: Annotated[
        Any, msgspec.Meta(description="The recommendation.", extra_json_schema={"$ref": REF.format(name=ANSWER.name)})
    ]


class FailedItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="error"):
    """A profile that is wrong."""

    index: Annotated[int, msgspec.Meta(description="Its place among the profiles sent, from 0.")]
    id: Annotated[str | None, msgspec.Meta(description="Its id, when it has one.")] = None
    error: Annotated[ItemError, msgspec.Meta(description="What is wrong with it.")]


BatchItem = Annotated[SucceededItem | FailedItem, msgspec.Meta(title="BatchItem")]


class BatchSummary(msgspec.Struct, frozen=True):
    """Counts over a batch."""

    total: int
    succeeded: int
    failed: int
    strategies: dict[str, int]


class BatchResult(msgspec.Struct, frozen=True):
    """Per profile, in the order sent, a result or an error."""

    items: list[BatchItem]
    summary: BatchSummary


def _example(policies: PolicySet) -> Any:
    request = BatchRequest([SUPPORT, {"labeled_exampels": 120}])
    batch = Batch(policies.renderer(), request, "brief")
    items = [msgspec.json.decode(batch.item(*one)) for one in enumerate(request.profiles)]
    return {"items": items, "summary": batch.summary()}


RECOMMEND_BATCH = Operation(
    id="recommend_batch",
    tag="advice",
    summary="Recommend a strategy for each of many use cases",
    description="Answers 200 with one item for each profile, in the order sent: its result, or what is wrong with it. "
    "An error of one item does not affect the others; the closing `summary` counts both. The response is sent as it "
    "is made: one that ends without a summary was cut off. The deployment sets how many profiles a batch may have, by "
    "default 1000 (more: 413), and how many batches run at once (more: 503 with Retry-After).",
    body=BatchRequest,
    body_examples=BATCH_EXAMPLES,
    reply=Reply("One item for each profile.", {JSON: BatchResult}, example=_example, headers=DECISION_HEADERS),
    problems=(*DECISION_PROBLEMS, "busy"),
)


@post("/recommend/batch", **describes(RECOMMEND_BATCH))
async def recommend_batch(
    request: Request[Any, Any, Any], policy: PolicyParameter = None, view: ViewParameter = "brief"
) -> ASGIApp:
    """Recommend a strategy for each of many use cases."""
    renderer = services_of(request).policies.renderer(policy)
    settings = services_of(request).settings
    capacity: Capacity = services_of(request).batches
    with ExitStack() as stack:
        stack.enter_context(capacity.slot())  # before the body is read, so that waiting ones take no memory
        body = await read_request(request)
        batch = Batch(renderer, read_batch(body, settings.max_batch), view)
        request.scope["state"]["outcomes"] = batch.outcomes
        return StreamingResponse(batch.parts(), JSON, decision_headers(renderer.advisor), stack.pop_all().close)


def read_batch(body: bytes, limit: int) -> BatchRequest:
    """Read a batch; its profiles are still to be checked.

    Raises:
        InvalidInputError: with everything that is wrong with the batch itself.
        ProblemError: `too_large`, there are more profiles than the limit.
    """
    batch = decode(body, _BATCH)
    if len(batch.profiles) > limit:
        detail = f"The batch has {len(batch.profiles)} profiles; at most {limit} are taken at once."
        raise ProblemError("too_large", detail, limit=limit)
    return batch


class Batch:
    """Answers the profiles of a batch one after the other.

    Args:
        renderer: what answers.
        batch: the profiles, and the fields they share.
        view: how much of each answer.

    Attributes:
        outcomes: how many profiles were decided so far, by outcome.
        failed: how many were wrong.
    """

    def __init__(self, renderer: Renderer, batch: BatchRequest, view: View) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.failed = 0
        self._renderer = renderer
        self._profiles = batch.profiles
        shared = msgspec.structs.asdict(batch.defaults or Profile())
        self._defaults = {name: value for name, value in shared.items() if value is not None}
        self._view: View = view

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the `BatchResult` as JSON, in parts; other requests get their turn now and then."""
        part = bytearray(b'{"items":[')
        started = perf_counter()
        for index, profile in enumerate(self._profiles):
            part += (b"," if index else b"") + self.item(index, profile)
            if len(part) >= PART_BYTES:
                yield bytes(part)
                part.clear()
            if perf_counter() - started > TURN_SECONDS:
                await asyncio.sleep(0)
                started = perf_counter()
        yield bytes(part) + b'],"summary":%b}' % msgspec.json.encode(self.summary())

    def item(self, index: int, own: Any) -> bytes:
        """Answer one profile, as JSON."""
        fields = {**self._defaults, **own} if isinstance(own, dict) else own
        try:
            profile = make_profile(fields, suggest=self.failed < MAX_SUGGESTING)
        except InvalidInputError as error:
            self.failed += 1
            return msgspec.json.encode(_failed(index, fields, error))
        body, advice = self._renderer.json(profile, self._view)
        self.outcomes[advice.outcome] += 1
        result: Any = msgspec.Raw(body)  # encoded already
        return encode(SucceededItem(index=index, id=profile.id, result=result))

    def summary(self) -> BatchSummary:
        """Count what was answered so far."""
        strategies = dict.fromkeys(self._renderer.advisor.policy.strategies, 0)
        for outcome, count in self.outcomes.items():
            strategies[outcome.strategy] += count
        succeeded = self.outcomes.total()
        return BatchSummary(succeeded + self.failed, succeeded, self.failed, strategies)


def _failed(index: int, fields: Any, error: InvalidInputError) -> FailedItem:
    own_id = fields.get("id") if isinstance(fields, dict) else None
    problem = to_problem(error)
    return FailedItem(
        index=index,
        id=own_id if isinstance(own_id, str) else None,
        error=ItemError(problem.kind.code, problem.detail, list(error.errors)),
    )
