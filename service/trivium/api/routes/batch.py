"""POST /recommend/batch: a strategy for each of many use cases, whole or as a stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from trivium.api.http.body import BodyStream
from trivium.api.http.negotiation import body_media_type, chosen_media_type
from trivium.api.http.problems import ProblemError, to_problem
from trivium.api.http.responses import CSV, JSON, NDJSON, PART_BYTES, StreamingResponse
from trivium.api.openapi.components import REF
from trivium.api.openapi.examples import BATCH_EXAMPLES, BATCH_TEXTS, SUPPORT
from trivium.api.openapi.operation import Operation, Reply, describes
from trivium.api.routes.common import decision_headers
from trivium.api.routes.items import BatchResult, ItemError, ItemWriter, make_writer, summary_of
from trivium.api.routes.parameters import PolicyParameter, ViewParameter
from trivium.api.routes.recommend import DECISION_HEADERS, DECISION_PROBLEMS
from trivium.api.services import read_request, services_of, stream_request
from trivium.api.settings import Settings
from trivium.catalog import PolicySet
from trivium.decoding import decode
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.streams import Case, CsvReader, JsonCases, Lines, NdjsonReader, Reader, StreamError
from trivium.profile import Profile
from trivium.rendering import Outcome, Renderer


TURN_SECONDS = 0.001
"""How long a batch works before other requests get their turn."""

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


def _example(policies: PolicySet) -> dict[str, Any]:
    profiles = [SUPPORT, {"labeled_exampels": 120}]
    return {media: _answered(policies, profiles, media) for media in (JSON, NDJSON, CSV)}


def _answered(policies: PolicySet, profiles: list[Any], media_type: str) -> Any:
    renderer = policies.renderer()
    batch = Batch(renderer, make_writer(media_type, renderer, "brief"))
    items = b"".join(batch.item(case) for case in map(JsonCases().case, profiles))
    whole = batch.writer.opening + items + batch.closing()
    return msgspec.json.decode(whole) if media_type == JSON else whole.decode()


RECOMMEND_BATCH = Operation(
    id="recommend_batch",
    tag="advice",
    summary="Recommend a strategy for each of many use cases",
    description="Answers 200 with one item for each profile, in the order sent: its result, or what is wrong with it. "
    "An error of one item does not affect the others; the closing `summary` counts both. The response is sent as it "
    "is made: one that ends without a summary was cut off. As JSON a batch is read whole: the deployment sets how many "
    "profiles it may have, by default 1000 (more: 413). NDJSON (a profile on each line) and CSV (the names of fields "
    "in the first row) are streams: items are answered while the body is still sent, and it may have any number of "
    "profiles. Read the response while you send, or both ends wait for each other. The response has the media type of "
    "the body unless Accept says otherwise. The deployment also sets how many batches and streams run at once (more: "
    "503 with Retry-After).",
    body=BatchRequest,
    body_examples=BATCH_EXAMPLES,
    body_texts=BATCH_TEXTS,
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
    services = services_of(request)
    renderer = services.policies.renderer(policy)
    settings = services.settings
    state: Any = request.scope["state"]
    sent, wanted = body_media_type(request), chosen_media_type(request)
    writer = make_writer(wanted, renderer, view)
    media_type = f"{CSV}; charset=utf-8; header=present" if wanted == CSV else wanted
    batch = Batch(renderer, writer)
    state["outcomes"] = batch.outcomes
    headers = decision_headers(renderer.advisor)
    with ExitStack() as stack:
        if sent == JSON:
            stack.enter_context(services.batches.slot())  # before the body is read, so that waiting ones take no memory
            whole = read_batch(await read_request(request), settings.max_batch)
            parts = batch.parts(_whole(map(JsonCases(whole.defaults).case, whole.profiles)))
            return StreamingResponse(parts, media_type, headers, stack.pop_all().close)
        stack.enter_context(services.streams.slot())
        stream = stream_request(request)
        stack.callback(stream.close)
        longest = settings.max_body_bytes
        reader = NdjsonReader() if sent == NDJSON else CsvReader(longest)
        parts = batch.parts(_arriving(stream, reader, longest), lambda: stream.left, state)
        return StreamingResponse(parts, media_type, headers, stack.pop_all().close, lambda: stream.left)


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


async def _whole(cases: Iterable[Case]) -> AsyncGenerator[Iterable[Case]]:
    yield cases


async def _arriving(stream: BodyStream, reader: Reader, longest: int) -> AsyncGenerator[Iterable[Case]]:
    """Yield the cases of a body in portions, as they arrive."""
    lines = Lines(longest)
    arriving = stream.parts()
    try:
        async for part in arriving:
            yield _cases(reader, lines.feed(part))
        yield _cases(reader, lines.end())
        reader.end()
    finally:
        await arriving.aclose()


def _cases(reader: Reader, lines: Iterable[bytes | None]) -> Iterator[Case]:
    for line in lines:
        case = reader.read(line)
        if case is not None:
            yield case


class Batch:
    """Answers the profiles of a batch one after the other.

    Args:
        renderer: what answers.
        writer: writes the answers.

    Attributes:
        outcomes: how many profiles were decided so far, by outcome.
        failed: how many were wrong.
    """

    def __init__(self, renderer: Renderer, writer: ItemWriter) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.failed = 0
        self.writer = writer
        self._is_slow = renderer.slow
        self._strategies = renderer.advisor.policy.strategies
        self._done = 0
        self._part = bytearray(writer.opening)

    async def parts(
        self,
        portions: AsyncGenerator[Iterable[Case]],
        has_left: Callable[[], bool] = lambda: False,
        state: dict[str, Any] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Yield the response in parts: after each portion of cases, and where there is enough of it.

        Other requests get their turn now and then, and nothing more is done once the caller has left. What makes the
        rest of a stream unreadable is raised while nothing is sent, and is told in the last part afterwards.

        Args:
            portions: the cases.
            has_left: says whether the caller has gone.
            state: the state of the request, where a problem is noted for its line in the log.
        """
        is_sent = False
        items = self._items(portions, has_left)
        try:
            async for part in items:
                yield part
                is_sent = True
        except (StreamError, ProblemError, InvalidInputError) as error:
            problem = to_problem(_as_input(error))
            if not is_sent:
                raise problem from None
            if state is not None:
                state["problem"] = problem.kind.code
            yield bytes(self._part) + self.writer.stopped(_item_error(problem))
        finally:
            await items.aclose()

    async def _items(
        self, portions: AsyncGenerator[Iterable[Case]], has_left: Callable[[], bool]
    ) -> AsyncGenerator[bytes]:
        started = perf_counter()
        try:
            async for cases in portions:
                for case in cases:
                    self._part += await asyncio.to_thread(self.item, case) if self._is_slow else self.item(case)
                    if len(self._part) >= PART_BYTES:
                        yield self._taken()
                    if perf_counter() - started > TURN_SECONDS:
                        await asyncio.sleep(0)
                        if has_left():
                            return
                        started = perf_counter()
                if self._done and self._part:
                    yield self._taken()
            if not self._done:
                raise StreamError("the body has no profiles")
            yield self._taken() + self.closing()
        finally:
            await portions.aclose()

    def _taken(self) -> bytes:
        part = bytes(self._part)
        self._part.clear()
        return part

    def item(self, case: Case) -> bytes:
        """Answer one profile."""
        index, self._done = self._done, self._done + 1
        if case.profile is None:
            self.failed += 1
            return self.writer.failed(index, case, _item_error(to_problem(InvalidInputError(case.errors))))
        item, outcome = self.writer.succeeded(index, case.profile)
        self.outcomes[outcome] += 1
        return item

    def closing(self) -> bytes:
        """Return the end of the response, with what was answered counted."""
        return self.writer.summary(summary_of(self.outcomes, self.failed, self._strategies))


def _as_input(error: Exception) -> Exception:
    """Return the error of a stream that cannot be read any further as one of the body."""
    if isinstance(error, StreamError):
        return InvalidInputError([FieldError("malformed", str(error), pointer="")])
    return error


def _item_error(problem: ProblemError) -> ItemError:
    return ItemError(problem.kind.code, problem.detail, problem.members.get("errors", []))
