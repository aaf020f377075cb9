"""The recommendation: the one output type."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from trivium.economics import Economics


Value: TypeAlias = str | bool | int | float
Explain: TypeAlias = Literal["full", "codes", "none"]
Verdict: TypeAlias = Literal["adopt", "not_needed", "blocked", "later"]


class Range(msgspec.Struct, frozen=True, omit_defaults=True):
    """A numeric threshold: from `at_least` up, and under `below`."""

    at_least: int | float | None = None
    below: int | float | None = None


class Citation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A source that a rationale code rests on."""

    id: str
    title: str
    year: int
    url: str | None = None


class ReasonInput(msgspec.Struct, frozen=True):
    """An input behind a reason: the value given (null when assumed), its band, and the threshold that matters."""

    input: str
    value: Value | None
    band: str
    threshold: Range | None = None


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rationale code with the rule that gave it. `explain=codes` leaves out message, inputs and source."""

    code: str
    lever: str
    effect: Literal["supports", "opposes", "blocks", "informs"]
    rule: str
    message: str | None = None
    inputs: list[ReasonInput] | None = None
    source: list[Citation] | None = None


class LeverVerdict(msgspec.Struct, frozen=True):
    """The verdict on a lever and the codes behind it."""

    verdict: Verdict
    codes: list[str]


class PlannedStep(msgspec.Struct, frozen=True):
    """Something to do, with the sign by which it is known to be done; `lever` is null for checking an assumption."""

    phase: Literal["now", "next", "later"]
    lever: str | None
    action: str
    done_when: str


class Change(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One changed input of a flip.

    Attributes:
        input: the profile's field.
        from_: the value given; when unknown, the value or range assumed, and null when nothing is measured.
        known: whether the profile gave it.
        to: the value, or for numbers the threshold, to reach.
        break_even: for a payback, the requests a day from which on training pays back soon enough, all else equal.
    """

    input: str
    from_: Value | Range | None
    known: bool
    to: str | bool | Range
    break_even: Range | None = None


class Flip(msgspec.Struct, frozen=True):
    """The fewest changes that lead to another strategy; `action`: a team can make them all itself."""

    strategy: str
    by: Literal["action", "circumstance"]
    changes: list[Change]


class Question(msgspec.Struct, frozen=True):
    """An unknown input whose answer can matter, with the strategies it could decide between."""

    input: str
    question: str
    could_lead_to: list[str]


class Assumption(msgspec.Struct, frozen=True):
    """An input that was not given, and the band read for it."""

    input: str
    band: str


class PolicyReference(msgspec.Struct, frozen=True):
    """The policy that decided."""

    name: str
    version: str
    digest: str
    status: Literal["active", "deprecated", "retired"]


class Caution(msgspec.Struct, frozen=True):
    """A contradiction in the profile, or a deprecated policy."""

    code: str
    message: str


class Recommendation(msgspec.Struct, frozen=True):
    """Which road to take, why, what to do first, and what would change the answer.

    Attributes:
        strategy: the recommended strategy.
        status: `settled`, no answer to an open question can change it; else `provisional`.
        summary: one or two sentences that a manager can read.
        levers: per lever its verdict and the codes behind it.
        rationale: one entry per code, in the order of the decision tables.
        steps: what to do, by phase.
        flips: what would change the answer, nearest first.
        margin: smallest number of changed inputs that changes the strategy; null when nothing does.
        open_questions: what to ask next, in the order worth asking.
        reachable: strategies still possible given the unknowns.
        assumptions: what was assumed for the inputs not given.
        economics: what training costs and saves; null without `costs`.
        recheck_when: events that should re-open the answer.
        policy: the policy that decided.
        decision_id: equal for equal questions to equal policies.
        id: the profile's own id.
        warnings: contradictory inputs, a deprecated policy.
        ignored_inputs: given, but not read by this policy.
    """

    strategy: str
    status: Literal["settled", "provisional"]
    summary: str
    levers: dict[str, LeverVerdict]
    rationale: list[Reason]
    steps: list[PlannedStep]
    flips: list[Flip]
    margin: int | None
    open_questions: list[Question]
    reachable: list[str]
    assumptions: list[Assumption]
    economics: Economics | None
    recheck_when: list[str]
    policy: PolicyReference
    decision_id: str
    id: str | None
    warnings: list[Caution]
    ignored_inputs: list[str]
