"""POST /recommend and POST /recommend/batch."""

from __future__ import annotations

import asyncio
import datetime as dt
from email.utils import format_datetime
from time import perf_counter
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from trivium.advisor import Advisor
from trivium.api.http.negotiation import read_query, reply
from trivium.api.http.problems import ProblemError, to_problem
from trivium.api.openapi.examples import (
    BATCH_EXAMPLES,
    INDEED,
    LARGE_BATCH,
    PROFILE_EXAMPLES,
    SUPPORT,
    WRONG_BATCH,
    WRONG_PROFILE,
)
from trivium.api.openapi.operation import JSON, SELECTOR, Meet, Operation, Reply, describes
from trivium.api.policy_set import Service
from trivium.decoding import NO_NEWLINE, decode
from trivium.errors import FieldError, InvalidInputError
from trivium.policy import Lifecycle, RetiredPolicyError, Served
from trivium.profile import Profile, make_profile, parse_profile
from trivium.recommendation import Recommendation, View, encode
from trivium.rendering import Advice, Renderer


Selector = Annotated[
    str,
    msgspec.Meta(
        pattern=SELECTOR + NO_NEWLINE,
        description="`1.0.0`, `1` or `1.0` for the newest such version not retired, or `latest`.",
        examples=["1.0.0"],
    ),
]


class AdviceQuery(msgspec.Struct, frozen=True):
    """Parameters of a recommendation."""

    policy: Selector | None = None
    view: Annotated[
        View,
        msgspec.Meta(description="How much of the answer: `brief`, `standard`, or `full`, which cuts no list."),
    ] = "standard"


_ANYTHING = [{"type": ["object", "string", "number", "boolean", "null"]}, {"type": "array", "items": {}}]

Item = Annotated[
    Any,
    msgspec.Meta(
        description="A profile. Anything else is answered with an error in its place.",
        extra_json_schema={"anyOf": [{"$ref": "#/components/schemas/Profile"}, *_ANYTHING]},
    ),
]


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many profiles at once.

    Attributes:
        profiles: the use cases; each is checked on its own. How many are taken at once is set by the deployment, by
            default 1000; more are answered with 413, and `limit` says how many.
        defaults: fields for all of them; a profile's own field wins, and its null means unknown.
    """

    profiles: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=1_000_000)]
    defaults: Profile | None = None


_BATCH = msgspec.json.Decoder(BatchRequest)


class ItemError(msgspec.Struct, frozen=True):
    """What is wrong with one profile of a batch; pointers start at the profile."""

    code: str
    detail: str
    errors: list[FieldError]


class SucceededItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="ok"):
    """A profile that was decided.

    Attributes:
        index: its place among the profiles sent, from 0.
        id: its id, when it has one.
        result: the recommendation.
    """

    index: int
    id: str | None = None
    result: Recommendation


class FailedItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="error"):
    """A profile that is wrong.

    Attributes:
        index: its place among the profiles sent, from 0.
        id: its id, when it has one.
        error: what is wrong with it.
    """

    index: int
    id: str | None = None
    error: ItemError


BatchItem: TypeAlias = SucceededItem | FailedItem


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


_DECISION_HEADERS = {
    "Deprecation": "When the deciding policy is deprecated: since when (RFC 9745).",
    "Sunset": "When the deciding policy is deprecated: from when on it may be retired (RFC 8594).",
}
SUGGESTING = 50
"""How many bad profiles of a batch get suggestions; looking for them takes longer than deciding."""


TURN = 0.005
"""Seconds that a batch takes before it lets other requests have their turn."""


def _ask_a_retired_policy(service: Service) -> None:
    oldest = next(iter(service.registry.by_version.values()))
    retired = Lifecycle(status="retired", successor=service.default.policy.version)
    raise RetiredPolicyError(Served(oldest.policy, retired))


def _example_of_a_batch(service: Service) -> Any:
    batch = _Batch(service.renderer(), {}, "brief")
    for profile in (SUPPORT, {"labeled_exampels": 120}):
        batch.add(profile)
    return msgspec.json.decode(batch.body())


_PROBLEMS: dict[str, Meet] = {
    "unknown-policy": lambda service: service.advisor("9"),
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
            example=lambda service: service.default.recommend(make_profile(INDEED)).standard(),
            headers=_DECISION_HEADERS,
        )
    },
    problems=_PROBLEMS | {"invalid-input": lambda _: parse_profile(msgspec.json.encode(WRONG_PROFILE))},
    links={
        "policy": {"operationId": "read_policy", "parameters": {"version": "$response.body#/policy/version"}},
        "code": {"operationId": "read_code", "parameters": {"code": "$response.body#/rationale/0/code"}},
    },
)

RECOMMEND_BATCH = Operation(
    id="recommend_batch",
    tag="advice",
    summary="Recommend a strategy for each of many use cases",
    description="Answers 200 with one item for each profile, in the order sent: its result, or what is wrong with it. "
    "An error of one item does not touch the others; the header X-Batch-Failed counts them. The deployment sets how "
    "many profiles it takes at once, by default 1000; more are answered with 413.",
    query=AdviceQuery,
    body=BatchRequest,
    body_examples=BATCH_EXAMPLES,
    replies={
        200: Reply(
            "One item for each profile.",
            {JSON: BatchResult},
            example=_example_of_a_batch,
            headers={**_DECISION_HEADERS, "X-Batch-Failed": "How many items are errors."},
        )
    },
    problems=_PROBLEMS
    | {
        "invalid-input": lambda service: _read_batch(msgspec.json.encode(WRONG_BATCH), service.settings.max_batch),
        "too-large": lambda service: _read_batch(msgspec.json.encode(LARGE_BATCH), service.settings.max_batch),
    },
)


@post("/recommend", **describes(RECOMMEND))
async def recommend(request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Response[bytes]:
    """Recommend a strategy for one use case."""
    query = read_query(request, AdviceQuery)
    advisor = service.advisor(query.policy)
    profile = parse_profile(await request.body())
    body, request.scope["state"]["advice"] = service.renderer(query.policy).json(profile, query.view)
    return reply(body, headers=lifecycle_headers(advisor))


@post("/recommend/batch", **describes(RECOMMEND_BATCH))
async def recommend_batch(request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Response[bytes]:
    """Recommend a strategy for each of many use cases."""
    query = read_query(request, AdviceQuery)
    advisor = service.advisor(query.policy)
    profiles, defaults = _read_batch(await request.body(), service.settings.max_batch)
    batch = _Batch(service.renderer(query.policy), defaults, query.view)
    started = perf_counter()
    for profile in profiles:
        batch.add(profile)
        if perf_counter() - started > TURN:
            await asyncio.sleep(0)
            started = perf_counter()
    request.scope["state"]["batch"] = batch.given
    return reply(batch.body(), headers={**lifecycle_headers(advisor), "X-Batch-Failed": str(batch.failed)})


def lifecycle_headers(advisor: Advisor) -> dict[str, str]:
    """Return the headers that tell of a deprecated policy."""
    lifecycle = advisor.lifecycle
    headers = {}
    if lifecycle.status != "active":
        if lifecycle.deprecated:
            headers["Deprecation"] = f"@{int(_midnight(lifecycle.deprecated).timestamp())}"
        if lifecycle.sunset:
            headers["Sunset"] = format_datetime(_midnight(lifecycle.sunset), usegmt=True)
        if lifecycle.successor:
            headers["Link"] = f'</policies/{lifecycle.successor}>; rel="successor-version"'
    return headers


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _read_batch(body: bytes, limit: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the profiles, still to be checked, and the fields they share."""
    batch = decode(body, _BATCH)
    if len(batch.profiles) > limit:
        detail = f"The batch has {len(batch.profiles)} profiles; at most {limit} are taken at once."
        raise ProblemError("too-large", detail, limit=limit)
    defaults = batch.defaults or Profile()
    return batch.profiles, {
        name: value for name, value in msgspec.structs.asdict(defaults).items() if value is not None
    }


class _Batch:
    """The answers to a batch, as they come.

    Args:
        renderer: what answers.
        defaults: fields for all profiles; a profile's own field wins.
        view: how much of each answer.
    """

    def __init__(self, renderer: Renderer, defaults: dict[str, Any], view: View) -> None:
        self.given: list[Advice] = []
        self._renderer = renderer
        self._defaults = defaults
        self._view: View = view
        self._items: list[bytes] = []

    @property
    def failed(self) -> int:
        """How many profiles are wrong."""
        return len(self._items) - len(self.given)

    def add(self, own: Any) -> None:
        """Answer one more profile."""
        index = len(self._items)
        fields = {**self._defaults, **own} if isinstance(own, dict) else own
        try:
            profile = make_profile(fields, suggest=self.failed < SUGGESTING)
        except InvalidInputError as error:
            self._items.append(msgspec.json.encode(_failed(index, fields, error)))
        else:
            body, advice = self._renderer.json(profile, self._view)
            self.given.append(advice)
            result: Any = msgspec.Raw(body)  # encoded already
            self._items.append(encode(SucceededItem(index=index, id=profile.id, result=result)))

    def body(self) -> bytes:
        """Return the `BatchResult` as JSON."""
        strategies: dict[str, int] = dict.fromkeys(self._renderer.advisor.policy.strategies, 0)
        for advice in self.given:
            strategies[advice.outcome.strategy] += 1
        summary = BatchSummary(len(self._items), len(self.given), self.failed, strategies)
        return b'{"items":[%b],"summary":%b}' % (b",".join(self._items), msgspec.json.encode(summary))


def _failed(index: int, fields: Any, error: InvalidInputError) -> FailedItem:
    own_id = fields.get("id") if isinstance(fields, dict) else None
    problem = to_problem(error)
    return FailedItem(
        index=index,
        id=own_id if isinstance(own_id, str) else None,
        error=ItemError(problem.kind.code, problem.detail, list(error.errors)),
    )
