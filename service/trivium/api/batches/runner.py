"""Runs a batch: one profile after the other, in turns with other requests, and sent in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from time import perf_counter
from typing import Any, Protocol

from trivium.api.batches.items import ItemError, ItemWriter, item_error
from trivium.api.http.problems import ProblemError, to_problem
from trivium.api.http.responses import PART_BYTES, CutOffError
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.streams import Case, StreamError, TooLargeError
from trivium.profile import Profile


TURN_SECONDS = 0.001
"""How long a batch works before other requests get their turn."""


class Answers(Protocol):
    """What a batch says of its profiles.

    Attributes:
        writer: writes the items.
    """

    writer: ItemWriter

    def is_slow(self, profile: Profile) -> bool:
        """Say whether an answer may take so long that the event loop should not wait for it."""

    def item(self, index: int, profile: Profile) -> bytes:
        """Answer one profile."""

    def summary(self, failed: int) -> Any:
        """Return what there is to say of all of them, given how many were wrong."""


class Batch:
    """Answers the profiles of a batch one after the other.

    Args:
        answers: says what of each.
        may_be_empty: whether a batch without profiles has an answer.

    Attributes:
        failed: how many profiles were wrong so far.
    """

    def __init__(self, answers: Answers, *, may_be_empty: bool = False) -> None:
        self.failed = 0
        self._may_be_empty = may_be_empty
        self._answers = answers
        self._writer = answers.writer
        self._done = 0
        self._part = bytearray(self._writer.opening)

    def whole(self, cases: Iterable[Case]) -> bytes:
        """Return the response to a few cases."""
        return self._writer.opening + b"".join(map(self.item, cases)) + self.closing()

    def parts(
        self,
        portions: AsyncGenerator[Iterable[Case | None]],
        has_left: Callable[[], bool] = lambda: False,
        state: dict[str, Any] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Return the response in parts: after each portion of cases, and where there is enough of it.

        Other requests get their turn now and then, and nothing more is done once the caller has left. What makes the
        rest of a stream unreadable ends it as `with_end` says.

        Args:
            portions: the cases; None for a line without one, which may be many and take their time too.
            has_left: says whether the caller has gone.
            state: the state of the request, where a problem is noted for its line in the log.
        """
        items = self._items(portions, has_left)
        return with_end(items, self._stopped, {} if state is None else state, is_cut_off=self._writer.is_cut_off)

    def _stopped(self, error: ItemError) -> Iterable[bytes]:
        yield bytes(self._part) + self._writer.stopped(error)

    async def _items(
        self, portions: AsyncGenerator[Iterable[Case | None]], has_left: Callable[[], bool]
    ) -> AsyncGenerator[bytes]:
        started = perf_counter()
        async with aclosing(portions):
            async for cases in portions:
                for case in cases:
                    if case is not None:
                        is_slow = case.profile is not None and self._answers.is_slow(case.profile)
                        self._part += await asyncio.to_thread(self.item, case) if is_slow else self.item(case)
                        if len(self._part) >= PART_BYTES:
                            yield self._taken()
                    if perf_counter() - started > TURN_SECONDS:
                        await asyncio.sleep(0)
                        if has_left():
                            return
                        started = perf_counter()
                self._part += self._writer.flush()
                if self._done and self._part:
                    yield self._taken()
            if not self._done and not self._may_be_empty:
                raise StreamError("the body has no profiles")
            yield self._taken() + self.closing()

    def _taken(self) -> bytes:
        part = bytes(self._part)
        self._part.clear()
        return part

    def item(self, case: Case) -> bytes:
        """Answer one profile."""
        index, self._done = self._done, self._done + 1
        if case.profile is None:
            self.failed += 1
            return self._writer.failed(index, case, item_error(to_problem(InvalidInputError(case.errors))))
        return self._answers.item(index, case.profile)

    def closing(self) -> bytes:
        """Return the end of the response, with what was answered counted."""
        return self._writer.summary(self._answers.summary(self.failed))


async def with_end(
    parts: AsyncGenerator[bytes],
    stopped: Callable[[ItemError], Iterable[bytes]],
    state: dict[str, Any],
    *,
    is_cut_off: bool,
) -> AsyncGenerator[bytes]:
    """Yield the parts of a response, and say at its end what has made the rest of a stream unreadable.

    While nothing is sent, that is raised instead.

    Args:
        parts: the parts.
        stopped: returns the last ones, given what was wrong.
        state: the state of the request, where a problem is noted for its line in the log.
        is_cut_off: whether the response is cut off after them, as `ItemWriter` has it.
    """
    is_sent = False
    async with aclosing(parts):
        try:
            async for part in parts:
                yield part
                is_sent = True
        except (StreamError, ProblemError, InvalidInputError) as error:
            problem = to_problem(_as_input(error))
            if not is_sent:
                raise problem from None
            state["problem"] = problem.kind.code
            for part in stopped(item_error(problem)):
                yield part
            if is_cut_off:
                raise CutOffError from None


def _as_input(error: Exception) -> Exception:
    """Return the error of a stream that cannot be read any further as one of the body."""
    if isinstance(error, TooLargeError):
        return ProblemError("too_large", f"{str(error)[:1].upper()}{str(error)[1:]}.", limit=error.limit)
    if isinstance(error, StreamError):
        return InvalidInputError([FieldError("malformed", str(error), pointer="")])
    return error
