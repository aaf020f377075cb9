"""Counts of decisions, by what logs and metrics tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from trivium.rendering import Outcome


MOST_WAITING = 1024
"""Different outcomes counted as they are before they are spread over their codes, which then takes a millisecond."""


class Kind(NamedTuple):
    """What a decision is counted as, beside its codes."""

    version: str
    strategy: str
    status: str


class Decisions:
    """Counts decisions.

    Of random profiles almost each has an outcome of its own. So outcomes are not kept: a long batch would take ever
    more memory, and its end would keep the event loop for as long as it takes to go through all of them.
    """

    def __init__(self) -> None:
        self._kinds: Counter[Kind] = Counter()
        self._codes: Counter[str] = Counter()
        self._waiting: Counter[Outcome] = Counter()

    def count(self, outcome: Outcome) -> None:
        """Count one decision: one addition, where its outcome was counted just before."""
        self._waiting[outcome] += 1
        if len(self._waiting) > MOST_WAITING:
            self._spread()

    def replace(self, kinds: Mapping[Kind, int], codes: Mapping[str, int]) -> None:
        """Take the counts of somebody else, who counts all decisions of a batch."""
        self._kinds, self._codes = Counter(kinds), Counter(codes)

    def add(self, others: Decisions) -> None:
        """Count other decisions too."""
        self._kinds.update(others.kinds)
        self._codes.update(others.codes)

    @property
    def kinds(self) -> Mapping[Kind, int]:
        """How many decisions there are of each kind."""
        self._spread()
        return self._kinds

    @property
    def codes(self) -> Mapping[str, int]:
        """How often each rationale code was given."""
        self._spread()
        return self._codes

    def total(self) -> int:
        """Return how many decisions there are."""
        return self._kinds.total() + self._waiting.total()

    def _spread(self) -> None:
        for outcome, count in self._waiting.items():
            self._kinds[Kind(outcome.policy.version, outcome.strategy, outcome.status)] += count
            for code in outcome.codes:
                self._codes[code] += count
        self._waiting.clear()
