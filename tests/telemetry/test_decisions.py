"""Decisions are counted exactly, and however many outcomes there are, few are kept."""

import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trivium.api.telemetry.decisions import MOST_WAITING, Decisions
from trivium.recommendation import PolicyReference
from trivium.rendering import Outcome


POLICIES = [PolicyReference("a-policy", version, "digest", "active") for version in ("1.0.0", "2.0.0")]
outcomes = st.builds(
    Outcome,
    st.sampled_from(["rag", "prompting"]),
    st.sampled_from(["settled", "provisional"]),
    st.lists(st.sampled_from(["ONE", "TWO", "THREE"]), unique=True).map(tuple),
    st.sampled_from(POLICIES),
)


@given(st.lists(outcomes), st.lists(outcomes), st.integers(1, 3))
def test_each_decision_and_each_of_its_codes_is_counted_once(
    first: list[Outcome], second: list[Outcome], times: int
) -> None:
    one, other = Decisions(), Decisions()
    for outcome in first * times:
        one.count(outcome)
    for outcome in second:
        other.count(outcome)
    assert one.total() == len(first) * times
    one.add(other)
    counted = first * times + second
    assert one.total() == len(counted)
    assert one.kinds == Counter((each.policy.version, each.strategy, each.status) for each in counted)
    assert one.codes == Counter(code for each in counted for code in each.codes)
    assert other.total() == len(second)


def test_the_outcomes_of_a_long_batch_are_not_kept() -> None:
    many = [Outcome("rag", "settled", ("ONE", str(number)), POLICIES[0]) for number in range(5 * MOST_WAITING)]
    decisions = Decisions()
    alone = sys.getrefcount(many[0])
    for outcome in many:
        decisions.count(outcome)
    kept = [number for number in range(len(many)) if sys.getrefcount(many[number]) > alone]
    assert len(kept) <= MOST_WAITING
    assert decisions.codes["ONE"] == len(many)
