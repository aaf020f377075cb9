"""Asking one question at a time: always the one that matters most, and none once the answer is settled.

An interview is a value: each answer makes the next one, and nothing here knows who asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from trivium.errors import InvalidInputError
from trivium.policy import CompiledInput, Policy, unknowns
from trivium.profile import make_profile


Value: TypeAlias = str | bool | int | float


class Interview:
    """What is known so far, and what to ask next. Immutable.

    Args:
        policy: the policy that decides.
        answers: per input its API value; None is unknown.
        skipped: inputs that nobody knows: they are not asked for again, and stay assumed.

    Attributes:
        reachable: the strategies that are still possible, in document order.
        asking: the input to ask for next; None when nothing is left to ask.
        leads_to: the strategies that its answer could decide between.

    Raises:
        ValueError: an unknown input, or a value that no band holds.
    """

    def __init__(
        self, policy: Policy, answers: Mapping[str, Value | None] | None = None, skipped: frozenset[str] = frozenset()
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

    def answer(self, value: Value) -> Interview:
        """Go on with an answer to what is asked.

        Raises:
            ValueError: nothing is asked, or no band holds the value.
        """
        return Interview(self.policy, {**self.answers, self._asked: value}, self.skipped)

    def skip(self) -> Interview:
        """Go on without an answer to what is asked.

        Raises:
            ValueError: nothing is asked.
        """
        return Interview(self.policy, self.answers, self.skipped | {self._asked})

    @property
    def _asked(self) -> str:
        if self.asking is None:
            raise ValueError("nothing is left to ask")
        return self.asking.name

    def _named(self, strategies: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.policy.strategies[strategy] for strategy in strategies)


def choices(field: CompiledInput) -> dict[str, str | bool]:
    """Return what an answer may say, with the API value it means; empty for numbers."""
    values = [field.values[band] for band in field.stated]
    words = {True: "yes", False: "no"}
    return {words[value] if isinstance(value, bool) else value: value for value in values if value is not None}


def read_answer(field: CompiledInput, text: str) -> Value:
    """Read what somebody types: a choice or the beginning of one, yes or no, a number such as 10000 or 10,000.

    Raises:
        ValueError: the text says what is allowed.
    """
    said = text.strip().lower()
    if field.cuts is not None:
        value: Value = _number(said)
    else:
        allowed = choices(field)
        is_flag = "yes" in allowed or "no" in allowed
        if is_flag:
            allowed |= {"true": True, "false": False}
        meant = [said] if said in allowed else [word for word in allowed if said and word.startswith(said)]
        if is_flag and not meant:
            raise ValueError("answer yes or no")
        if len(meant) > 1:
            raise ValueError(f"that could be {' or '.join(meant)}")
        value = allowed[meant[0]] if meant else said
    try:
        make_profile({field.name: value})
    except InvalidInputError as error:
        raise ValueError(error.errors[0].detail) from None
    return value


def _number(said: str) -> float:
    """Read a number, with or without marks between thousands."""
    try:
        number = float(re.sub(r"(?<=\d)[,_ ](?=\d{3}(?!\d))", "", said))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected a number, such as 500 or 10,000")
    return number


def every_interview(policy: Policy) -> Iterator[tuple[Interview, Fraction]]:
    """Yield how each possible interview ends, with the share of use cases that go this way.

    Every question is answered, and in each input every band is as likely as the other; so the shares add up to 1.
    """
    open_ones = [(Interview(policy), Fraction(1))]
    while open_ones:
        interview, share = open_ones.pop()
        field = interview.asking
        if field is None:
            yield interview, share
        else:
            answers: tuple[Value, ...] = field.cuts or tuple(choices(field).values())
            open_ones.extend((interview.answer(answer), share / len(answers)) for answer in answers)
