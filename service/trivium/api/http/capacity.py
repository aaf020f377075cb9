"""Capacity: how many expensive requests run at once. Further ones are refused rather than queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trivium.api.http.problems import ProblemError


RETRY_SECONDS = 1


class Capacity:
    """A number of slots. Used on the event loop only.

    Args:
        slots: how many there are.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            ProblemError: `busy`, none is free.
        """
        if not self._free:
            raise ProblemError("busy", headers={"Retry-After": str(RETRY_SECONDS)})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
