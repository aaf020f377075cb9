"""Arrow streams: record batches are read, and scored, in a few threads of their own, in pieces that do not take long.

What is sent as Arrow and wanted as Arrow is scored as columns. In every other case the rows of record batches are the
use cases of a batch like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from time import thread_time
from typing import TYPE_CHECKING, Any, TypeVar

from litestar import Request
from litestar.types import ASGIApp

from trivium.advisor import Advisor
from trivium.api.batches.runner import with_end
from trivium.api.http.body import BodyStream
from trivium.api.http.responses import ARROW, Header, StreamingResponse
from trivium.api.services import services_of, stream_request
from trivium.api.telemetry.decisions import Decisions, Kind
from trivium.portfolio.arrow_messages import Messages
from trivium.portfolio.streams import Case
from trivium.recommendation import encode


if TYPE_CHECKING:  # it needs the extra, and takes a while to import
    from trivium.portfolio.arrow_reader import BatchReader
    from trivium.portfolio.arrow_stream import ArrowStream

T = TypeVar("T")

THREADS = 2
"""Threads that work for all Arrow streams together."""

PIECE_SECONDS = 0.03
"""How long a thread should work on a piece; then it is looked whether the caller has left."""

FEWEST_ROWS, FIRST_ROWS, MOST_ROWS = 8, 64, 1 << 16
"""Rows of a piece; rows that are wrong take a hundred times as long as others."""

EXTRA = "" if find_spec("pyarrow") and find_spec("numpy") else "arrow"
"""The extra that Arrow streams need and that is not installed; empty where it is."""

POOL = ThreadPoolExecutor(THREADS, thread_name_prefix="arrow")
"""Where record batches are read and scored."""


async def load_arrow() -> None:
    """Import what the extra brings, in a thread, because that takes a while."""
    if not _load.cache_info().currsize:  # else a request would wait for what the threads work on
        await asyncio.to_thread(_load)


@lru_cache(maxsize=1)
def _load() -> None:
    for module in ("trivium.portfolio.arrow_stream", "trivium.api.batches.arrow_items"):
        import_module(module)
    import_module("pyarrow").array([0])  # the first array imports pandas, where that is installed


async def arrow_cases(stream: BodyStream) -> AsyncGenerator[Iterable[Case]]:
    """Yield the cases of a body in Arrow, for each record batch when it is whole."""
    from trivium.portfolio.arrow_reader import BatchReader, CaseReader  # noqa: PLC0415 - an extra

    cases = CaseReader()
    async with aclosing(_record_batches(stream, BatchReader())) as batches:
        async for batch in batches:
            yield cases.read(batch)


async def _record_batches(stream: BodyStream, reader: BatchReader) -> AsyncGenerator[Any]:
    """Yield the record batches of a body until it ends, or its caller leaves."""
    messages = Messages()
    async with aclosing(stream.parts()) as arriving:
        async for part in arriving:
            for message in messages.feed(part):
                if (batch := await _run(reader.read, message)) is not None:
                    yield batch
                if stream.has_left():
                    return
        messages.end()


def answer_arrow(
    request: Request[Any, Any, Any],
    advisor: Advisor,
    summarize: Callable[[Decisions, int], Any],
    headers: Sequence[Header],
) -> ASGIApp:
    """Return the response to an Arrow stream, which is sent as it is made.

    Args:
        request: its body is the stream.
        advisor: recommends.
        summarize: returns what there is to say of all rows, given the decisions and how many rows were wrong.
        headers: further headers, names in lower case.

    Raises:
        ProblemError: `busy`, or the body is too large.
    """
    with ExitStack() as stack:
        stack.enter_context(services_of(request).streams.slot())
        stream = stream_request(request)
        stack.callback(stream.close)
        batch = _ArrowBatch(stream, advisor, summarize, request.scope["state"])
        return StreamingResponse(batch.parts(), ARROW, headers, stack.pop_all().close, stream.has_left)


class _ArrowBatch:
    """Scores one stream.

    Args:
        stream: the body.
        advisor: recommends.
        summarize: returns what there is to say of all rows.
        state: the state of the request, where decisions and a problem are noted for the log and the metrics.
    """

    def __init__(
        self,
        stream: BodyStream,
        advisor: Advisor,
        summarize: Callable[[Decisions, int], Any],
        state: dict[str, Any],
    ) -> None:
        self._stream = stream
        self._advisor = advisor
        self._summarize = summarize
        self._state = state
        self._decisions = Decisions()
        self._rows = FIRST_ROWS
        state["decisions"] = self._decisions

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the response in parts: one for each record batch.

        What makes the rest of a stream unreadable is told in the metadata of a last batch without rows, and the
        response is cut off, because a reader would take its end for that of the stream.
        """
        scored, reader = await _run(_begin, self._advisor)
        parts = self._scored(scored, reader)
        ended = with_end(parts, lambda error: scored.close("error", encode(error)), self._state, is_cut_off=True)
        async with aclosing(ended):
            async for part in ended:
                yield part

    async def _scored(self, scored: ArrowStream, reader: BatchReader) -> AsyncGenerator[bytes]:
        async with aclosing(_record_batches(self._stream, reader)) as batches:
            async for batch in batches:
                for part in _taken(await self._answer(scored, batch)):
                    yield part
        for part in scored.close("summary", encode(self._summarize(self._decisions, scored.failed))):
            yield part

    async def _answer(self, scored: ArrowStream, batch: Any) -> list[bytes]:
        """Return what a record batch adds to the response; nothing where the caller has left."""
        added = []
        start = 0
        while start < batch.num_rows:
            if self._stream.has_left():
                return []
            rows = batch.slice(start, self._rows)
            start += rows.num_rows
            columns, seconds = await _run(_timed, scored, rows)
            added.append(columns)
            self._rows = _rows_after(rows.num_rows, seconds)
            self._note(scored)
        return await _run(scored.write, batch, added)

    def _note(self, scored: ArrowStream) -> None:
        version = self._advisor.policy.version
        kinds = {Kind(version, strategy, status): count for (strategy, status), count in scored.decided.items()}
        self._decisions.replace(kinds, scored.codes)


def _taken(parts: list[bytes]) -> Iterator[bytes]:
    """Yield parts, and keep none of them."""
    parts.reverse()
    while parts:
        yield parts.pop()


async def _run(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(POOL, work, *arguments)


def _begin(advisor: Advisor) -> tuple[ArrowStream, BatchReader]:
    from trivium.portfolio.arrow_reader import BatchReader  # noqa: PLC0415 - an extra
    from trivium.portfolio.arrow_stream import ArrowStream  # noqa: PLC0415 - an extra

    scored = ArrowStream(_scorer(advisor))
    return scored, BatchReader(scored.begin)


@lru_cache(maxsize=8)
def _scorer(advisor: Advisor) -> Any:
    from trivium.portfolio.arrow import Scorer  # noqa: PLC0415 - an extra

    return Scorer(advisor)


def _timed(scored: ArrowStream, rows: Any) -> tuple[list[Any], float]:
    started = thread_time()
    return scored.score(rows), thread_time() - started


def _rows_after(rows: int, seconds: float) -> int:
    """Return how many rows the next piece should have, given how long the last one took."""
    factor = min(max(PIECE_SECONDS / max(seconds, 1e-6), 0.25), 4)
    return min(max(int(rows * factor), FEWEST_ROWS), MOST_ROWS)
