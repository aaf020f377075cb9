"""The same portfolio under two policies: which use cases get another strategy, and by which rule."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec

from trivium.advisor import Advisor
from trivium.portfolio.rows import CELLS, NO_FACTS, RowScorer, Scored
from trivium.profile import Profile
from trivium.recommendation import Strategy


COLUMNS = ("strategy_before", "strategy_after", "changed", "rule", "error")
"""What is added to each row; `rule` is empty where the strategy stays."""


class Change(NamedTuple):
    """A strategy by the older policy, one by the newer, and the rule of the newer that decides, as `table/rule`.

    Where the strategies are the same, `rule` is empty.
    """

    before: str
    after: str
    rule: str


class ImpactScorer:
    """Scores profiles by two policies, and counts what changes.

    Args:
        before: recommends by the older policy.
        after: recommends by the newer one.

    Attributes:
        advisor: the newer one.
        before: the older one.
        columns: what is added to each row.
        digests: of both policies.
        compared: how many profiles were scored so far.
        changes: how many of them changed, by change.
    """

    def __init__(self, before: Advisor, after: Advisor) -> None:
        self.advisor, self.before = after, before
        self.columns: tuple[str, ...] = COLUMNS
        self.digests: tuple[str, ...] = (before.policy.digest, after.policy.digest)
        self.compared = 0
        self.changes: Counter[Change] = Counter()
        self._before, self._after = RowScorer(before, ("strategy",)), RowScorer(after, ("strategy",))
        self._rule = lru_cache(maxsize=CELLS)(self._find_rule)

    def score(self, profile: Profile) -> Scored:
        """Score a profile by both policies; what is told beside the values is that of the newer one."""
        before, after = self._before.score(profile), self._after.score(profile)
        change = self._change(profile, before, after)
        changed = change.before != change.after
        self.compared += 1
        if changed:
            self.changes[change] += 1
        values = [change.before, change.after, changed, change.rule or None, None]
        return after._replace(values=values, listed=changed)

    def change(self, profile: Profile) -> Change:
        """Return how a profile changes, without counting it."""
        return self._change(profile, self._before.score(profile), self._after.score(profile))

    def _change(self, profile: Profile, before: Scored, after: Scored) -> Change:
        strategies = before.cell.strategy, after.cell.strategy
        if strategies[0] == strategies[1]:
            return Change(*strategies, "")
        inputs = self.advisor.inputs(profile, after.economics)
        return Change(*strategies, self._rule(self.advisor.policy.rounded(inputs)))

    def failed(self, error: str) -> list[Any]:
        """Return the values of the columns for a row that is wrong."""
        return [None, None, None, None, error]

    def _find_rule(self, inputs: tuple[Any, ...]) -> str:
        """Return the rule behind the first reason of an answer, which is a decisive one where there is any."""
        cell, known = self.advisor.policy.read(inputs)
        reasons = self.advisor.explain(cell, known, NO_FACTS, nearest=True).reasons
        return next((reason.rule for reason in reasons if reason.rule), "")


class ChangeCount(msgspec.Struct, frozen=True):
    """How many use cases a change of strategy concerns."""

    before: Annotated[Strategy, msgspec.Meta(description="The strategy by the older policy.")]
    after: Annotated[Strategy, msgspec.Meta(description="The strategy by the newer policy.")]
    rule: Annotated[str, msgspec.Meta(description="The rule of the newer policy that decides, as `table/rule`.")]
    projects: Annotated[int, msgspec.Meta(description="How many use cases.")]


def counted(changes: Counter[Change]) -> list[ChangeCount]:
    """Return the changes, those of most use cases first."""
    counts = [ChangeCount(*change, count) for change, count in changes.items()]
    return sorted(counts, key=lambda one: (-one.projects, one.before, one.after, one.rule))
