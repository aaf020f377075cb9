"""Asking one question at a time: always the one that matters most, and none once the answer is settled.

An interview is a value: every answer makes the next one. It knows what a policy reads, and neither terminals nor texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.policy import CompiledInput, Policy, unknowns


class Interview:
    """What is known so far, and what to ask next. Immutable.

    Args:
        policy: the policy that decides.
        answers: per input its API value; None is unknown.
        skipped: inputs that nobody knows, which are not asked for again and stay assumed.

    Attributes:
        reachable: the strategies that are still possible, in document order.
        asking: the input to ask for next; None when nothing is left to ask.
        leads_to: the strategies that its answer could decide between.

    Raises:
        ValueError: an unknown input, or a value that no band holds.
    """

    def __init__(
        self, policy: Policy, answers: Mapping[str, Any] | None = None, skipped: frozenset[str] = frozenset()
    ) -> None:
        self.policy = policy
        self.answers = dict(answers or {})
        self.skipped = skipped
        left = unknowns(policy, *policy.read_profile(self.answers))
        self.reachable = self._named(left.reachable)
        self.asking: CompiledInput | None = None
        self.leads_to: tuple[str, ...] = ()
        for question in left.questions:
            field = policy.inputs[question.position]
            if field.name not in skipped:
                self.asking, self.leads_to = field, self._named(question.could_lead_to)
                break

    @property
    def settled(self) -> bool:
        """Whether no answer can change the strategy any more."""
        return len(self.reachable) == 1

    def answer(self, value: Any) -> Interview:
        """Go on with an answer to the question asked.

        Raises:
            ValueError: no band holds the value.
        """
        return Interview(self.policy, {**self.answers, self._asked: value}, self.skipped)

    def skip(self) -> Interview:
        """Go on without an answer: the input stays assumed, and is not asked for again."""
        return Interview(self.policy, self.answers, self.skipped | {self._asked})

    @property
    def _asked(self) -> str:
        if self.asking is None:
            raise ValueError("nothing is left to ask")
        return self.asking.name

    def _named(self, strategies: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.policy.strategies[strategy] for strategy in strategies)


def questions_asked(policy: Policy, complete: Mapping[str, Any]) -> list[str]:
    """Return the inputs that an interview asks for, in order, when every answer is known.

    Args:
        policy: the policy that decides.
        complete: a value for each of its inputs.
    """
    interview = Interview(policy)
    asked = []
    while interview.asking is not None:
        asked.append(interview.asking.name)
        interview = interview.answer(complete[interview.asking.name])
    return asked
