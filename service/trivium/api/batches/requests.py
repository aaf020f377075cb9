"""The request of a batch, read whole or as it arrives, and its response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import ExitStack, aclosing
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.types import ASGIApp

from trivium.api.batches.arrow import arrow_cases, load_arrow
from trivium.api.batches.runner import Answers, Batch
from trivium.api.http.body import BodyStream
from trivium.api.http.negotiation import body_media_type, chosen_media_type
from trivium.api.http.problems import ProblemError
from trivium.api.http.responses import ARROW, CSV, JSON, NDJSON, Header, StreamingResponse
from trivium.api.openapi.components import REF
from trivium.api.services import read_request, services_of, stream_request
from trivium.api.settings import Settings
from trivium.decoding import UNDECODED, decode, decode_outline, explain
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.streams import LONGEST_LINE, Case, CsvReader, JsonCases, Lines, NdjsonReader, Reader
from trivium.profile import Profile


Item = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="Profile")})]
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


MOST_FIELDS = 64
"""More fields than a profile has. A body with more commas than its profiles may have is read with care: making a list
of the 350,000 empty objects of a MiB takes twenty milliseconds; skipping those beyond the limit takes two."""

MOST_COUNTED = 10_000
"""The highest limit with which that is done: the struct that holds the profiles has as many fields."""


def read_batch(body: bytes, limit: int) -> BatchRequest:
    """Read a batch; its profiles are still to be checked.

    Raises:
        InvalidInputError: with everything that is wrong with the batch itself.
        ProblemError: `too_large`, there are more profiles than the limit.
    """
    if body.lstrip()[:1] == b"[":
        decode_outline(body, BatchRequest)  # which says so where it is no JSON
        detail = 'expected an object, got an array: send {"profiles": [...]}'
        raise InvalidInputError([FieldError("wrong_type", detail, pointer="")])
    if limit <= MOST_COUNTED and body.count(b",") > limit * MOST_FIELDS:
        return _read_beginning(body, limit)
    return _limited(decode(body, _BATCH), limit)


def _limited(batch: BatchRequest, limit: int) -> BatchRequest:
    if len(batch.profiles) > limit:
        detail = f"The batch has {len(batch.profiles)} profiles; at most {limit} are taken at once."
        raise ProblemError("too_large", detail, limit=limit)
    return batch


def _read_beginning(body: bytes, limit: int) -> BatchRequest:
    """Read a batch that may have very many profiles, without making a list of them."""
    try:
        body.decode()
        begun = _beginning(limit + 1).decode(body)
    except UNDECODED:
        return _limited(explain(body, BatchRequest), limit)
    profiles = [one for one in msgspec.structs.astuple(begun.profiles) if one is not None]
    if len(profiles) > limit:
        raise ProblemError("too_large", f"The batch has more than {limit} profiles.", limit=limit)
    if not profiles:
        return explain(body, BatchRequest)
    return BatchRequest(profiles, begun.defaults)


@lru_cache(maxsize=4)
def _beginning(size: int) -> msgspec.json.Decoder[Any]:
    """Return what decodes a batch up to a number of profiles, and skips those beyond."""
    first = msgspec.defstruct("First", [(f"f{at}", msgspec.Raw, None) for at in range(size)], array_like=True)
    fields: list[Any] = [("profiles", first), ("defaults", Profile | None, None)]
    return msgspec.json.Decoder(msgspec.defstruct("Beginning", fields, forbid_unknown_fields=True))


HOW = (
    "The response is sent as it is made: one that ends without a summary was cut off. As JSON a batch is read whole: "
    "the deployment sets how many profiles it may have, by default 1000 (more: 413). NDJSON (a profile on each line) "
    "and CSV (the names of fields in the first row) are streams: items are answered while the body is still sent, and "
    "it may have any number of profiles, but at least one. A line is limited to 128 KiB. At least one column of CSV "
    "is a field; a misspelt one is refused, and all others are ignored. Arrow (columns with the names of fields) is "
    "such a stream where the deployment has the extra `arrow`; its `summary` is in the metadata of a last record batch "
    "without rows. Read the response while you send, or both ends wait for each other. The response has the media type "
    "of the body unless Accept says otherwise. The deployment also sets how many batches and streams run at once "
    "(more: 503 with Retry-After)."
)
"""What the contract says of the form of every batch."""


def example_replies(profiles: Sequence[Any], make_answers: Callable[[str], Answers]) -> dict[str, Any]:
    """Return the response to a batch in each media type, as the contract shows it.

    Args:
        profiles: the profiles of the batch.
        make_answers: returns what answers in a media type.
    """
    cases = JsonCases()
    replies = {media: Batch(make_answers(media)).whole(map(cases.case, profiles)) for media in (JSON, NDJSON, CSV)}
    return {media: msgspec.json.decode(body) if media == JSON else body.decode() for media, body in replies.items()}


async def media_types(request: Request[Any, Any, Any]) -> tuple[str, str]:
    """Return the media types of the body and of the response; where one is Arrow, what that needs is loaded."""
    sent, wanted = body_media_type(request), chosen_media_type(request)
    if ARROW in {sent, wanted}:
        await load_arrow()
    return sent, wanted


async def answer(
    request: Request[Any, Any, Any], sent: str, wanted: str, answers: Answers, headers: Sequence[Header]
) -> ASGIApp:
    """Return the response to a batch, which is sent as it is made.

    Args:
        request: a batch in JSON, which is read whole, or in NDJSON, CSV or Arrow, which are read as they arrive.
        sent: the media type of the body.
        wanted: the media type of the response; both as `media_types` returns them.
        answers: says what of each profile, in the media type that the caller wants.
        headers: further headers, names in lower case.

    Raises:
        InvalidInputError: a batch in JSON is no batch.
        ProblemError: `busy`, or the body is too large or does not arrive in time.
    """
    services = services_of(request)
    settings = services.settings
    media_type = f"{CSV}; charset=utf-8; header=present" if wanted == CSV else wanted
    batch = Batch(answers, may_be_empty=sent == ARROW)  # a frame without rows has columns all the same
    with ExitStack() as stack:
        if sent == JSON:
            stack.enter_context(services.batches.slot())  # before the body is read, so that waiting ones take no memory
            whole = read_batch(await read_request(request), settings.max_batch)
            parts = batch.parts(_whole(map(JsonCases(whole.defaults).read, map(bytes, whole.profiles))))
            return StreamingResponse(parts, media_type, headers, stack.pop_all().close)
        stack.enter_context(services.streams.slot())
        stream = stream_request(request)
        stack.callback(stream.close)
        cases = _arriving(stream, sent, min(settings.max_body_bytes, LONGEST_LINE))
        parts = batch.parts(cases, stream.has_left, request.scope["state"])
        return StreamingResponse(parts, media_type, headers, stack.pop_all().close, stream.has_left)


def _arriving(stream: BodyStream, media_type: str, longest: int) -> AsyncGenerator[Iterable[Case | None]]:
    """Return the cases of a body in portions, as they arrive; None for a line that ends none.

    Args:
        stream: the body.
        media_type: what it is.
        longest: most bytes of a line.
    """
    if media_type == ARROW:
        return arrow_cases(stream)
    return _lines(stream, NdjsonReader(longest) if media_type == NDJSON else CsvReader(longest), longest)


async def _whole(cases: Iterable[Case]) -> AsyncGenerator[Iterable[Case]]:
    yield cases


async def _lines(stream: BodyStream, reader: Reader, longest: int) -> AsyncGenerator[Iterable[Case | None]]:
    """Yield the cases of lines in portions, as they arrive; None for a line that ends none."""
    lines = Lines(longest)
    async with aclosing(stream.parts()) as arriving:
        async for part in arriving:
            yield map(reader.read, lines.feed(part))
        yield map(reader.read, lines.end())
        reader.end()
