"""Which projects of a portfolio to look at first."""

from __future__ import annotations

import heapq

import msgspec

from trivium.economics import Economics
from trivium.portfolio.rows import Scored
from trivium.profile import Profile


MOST_RANKED = 1000
"""Most projects that are kept, however many there are."""


class Project(msgspec.Struct, order=True):
    """A project with its place in the ranking.

    Attributes:
        key: larger is earlier: whether it pays back, how soon, and the requests a day; then the earlier row.
        name: what it is called; empty where it has no name.
        source: the file it comes from.
        number: its row there.
        profile: what is known of it.
    """

    key: tuple[float, float, int]
    name: str
    source: str
    number: int
    profile: Profile


class Ranking(msgspec.Struct):
    """The first projects of a portfolio: those that pay back soonest, then those with most requests a day.

    Attributes:
        kept: the projects, as a heap with the last one on top.
        seen: how many there were.
    """

    kept: list[Project] = []
    seen: int = 0

    def add(self, name: str, source: str, number: int, profile: Profile, scored: Scored) -> None:
        """Rank the next project; the last one is dropped where there are too many."""
        self.seen += 1
        self.place(name, source, number, profile, scored.economics, self.seen)

    def place(
        self, name: str, source: str, number: int, profile: Profile, economics: Economics | None, order: int
    ) -> None:
        """Rank a project that has been counted.

        Args:
            name: what it is called; empty where it has no name.
            source: the file it comes from.
            number: its row there.
            profile: what is known of it.
            economics: its money, where it gives costs.
            order: how many projects there were with it; of two that are alike, the first one is earlier.
        """
        months = None if economics is None else economics.payback_months
        soon = float("-inf") if months is None else -float(months)
        key = (soon, profile.requests_per_day or 0.0, -order)
        self._keep(Project(key, name, source, number, profile))

    def merge(self, other: Ranking) -> None:
        """Add the projects of another part of the same portfolio, which comes after this one."""
        for one in other.first():
            soon, requests, order = one.key
            self._keep(Project((soon, requests, order - self.seen), one.name, one.source, one.number, one.profile))
        self.seen += other.seen

    def first(self) -> list[Project]:
        """Return the projects that were kept, the first one first."""
        return sorted(self.kept, key=lambda one: one.key, reverse=True)

    def _keep(self, project: Project) -> None:
        if len(self.kept) < MOST_RANKED:
            heapq.heappush(self.kept, project)
        elif project.key > self.kept[0].key:
            heapq.heapreplace(self.kept, project)
