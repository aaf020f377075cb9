"""The recommendation: the one output type, and the shorter form of it that says only what matters most."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from trivium import pages
from trivium.economics import Economics


Value: TypeAlias = str | bool | int | float
View: TypeAlias = Literal["brief", "standard", "full"]
Verdict: TypeAlias = Literal["adopt", "not_needed", "blocked", "later"]
Basis: TypeAlias = Literal["stated", "assumed"]
Says: TypeAlias = Annotated[str, Meta(description="The value in words: a clause, such as `answers need facts`.")]


class NumberRange(msgspec.Struct, frozen=True):
    """Numbers from `at_least` up, and under `below`; null where there is no such limit."""

    at_least: int | float | None
    below: int | float | None


class Citation(msgspec.Struct, frozen=True):
    """A source that reasons rest on."""

    id: str
    title: str
    year: int
    url: str | None


class Premise(msgspec.Struct, frozen=True):
    """An input that the answer, or a reason, rests on."""

    input: Annotated[str, Meta(description="The profile's field.")]
    value: Annotated[
        Value | NumberRange | None,
        Meta(description="The value given or, where none was, the value or range assumed; null when nothing is known."),
    ]
    basis: Annotated[Basis, Meta(description="`stated` by the profile, or `assumed` because it leaves the field out.")]
    says: Says
    derived_from: Annotated[list[str], Meta(description="For a computed input, the fields it is computed from.")]


class ReasonInput(msgspec.Struct, frozen=True):
    """An input that a reason rests on; the reason's message says it in words."""

    input: Annotated[str, Meta(description="The profile's field.")]
    value: Annotated[
        Value | NumberRange | None,
        Meta(description="The value given or, where none was, the value or range assumed; null when nothing is known."),
    ]
    basis: Basis


class Reason(msgspec.Struct, frozen=True):
    """A rationale code, with what it rests on."""

    code: str
    lever: str
    effect: Annotated[
        Literal["supports", "opposes", "blocks", "informs"], Meta(description="What it says about the lever.")
    ]
    message: str
    decisive: Annotated[bool, Meta(description="Whether it rests on an input of `because`.")]
    basis: Annotated[Basis, Meta(description="`assumed` when an input it rests on is assumed.")]
    rule: Annotated[str, Meta(description="The rule of the policy that gives it: `table/rule`.")]
    inputs: Annotated[list[ReasonInput], Meta(description="The inputs that the rule's condition names.")]
    sources: Annotated[list[str], Meta(description="Ids of the sources it rests on.")]


class LeverVerdict(msgspec.Struct, frozen=True):
    """The verdict on a lever, and why."""

    label: Annotated[str, Meta(description="Its name for people.")]
    verdict: Verdict
    codes: Annotated[list[str], Meta(description="The rationale codes behind it.")]
    why_not: Annotated[str | None, Meta(description="Why it is not adopted; null when it is.")]
    opens: Annotated[str | None, Meta(description="What would open it; null when it is adopted.")]


class PlannedStep(msgspec.Struct, frozen=True):
    """Something to do, with the sign by which it is known to be done."""

    phase: Literal["now", "next", "later"]
    lever: Annotated[str | None, Meta(description="The lever it belongs to; null for checking an assumption.")]
    action: str
    done_when: str


class Change(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One changed input of a flip."""

    input: Annotated[str, Meta(description="The profile's field.")]
    from_: Annotated[
        Value | NumberRange | None, Meta(description="The value given or assumed; null when nothing is known.")
    ]
    basis: Basis
    to: Annotated[str | bool | NumberRange, Meta(description="The value, or the range of a number, to reach.")]
    says: Says


class Flip(msgspec.Struct, frozen=True):
    """A smallest set of changes that leads to another strategy."""

    strategy: Annotated[str, Meta(description="The strategy it leads to.")]
    changes: list[Change]
    why: Annotated[
        Literal["action", "circumstance", "assumption"],
        Meta(description="A team's own `action`, a `circumstance`, or an `assumption` that proves wrong."),
    ]


class QuestionAnswer(msgspec.Struct, frozen=True):
    """A possible answer to a question, and what it leaves open."""

    says: Says
    value: Annotated[Value | NumberRange, Meta(description="What to put into the profile.")]
    reachable: Annotated[list[str], Meta(description="The strategies that are still possible with it.")]
    settles: Annotated[bool, Meta(description="Whether only one strategy is left.")]


class Question(msgspec.Struct, frozen=True):
    """An unknown input whose value can change the strategy."""

    input: Annotated[str, Meta(description="The profile's field.")]
    question: str
    answers: list[QuestionAnswer]


class Assumption(msgspec.Struct, frozen=True):
    """An input that was not given, and what was assumed for it."""

    input: str
    band: Annotated[str, Meta(description="The band of the policy that was read.")]
    says: Says


class PolicyReference(msgspec.Struct, frozen=True):
    """The policy that decided."""

    name: str
    version: str
    digest: Annotated[str, Meta(description="SHA-256 of the policy.")]
    status: Literal["active", "deprecated", "retired"]


class Caution(msgspec.Struct, frozen=True):
    """A contradiction in the profile, a name that is not known, or a deprecated policy."""

    code: str
    message: str


class More(msgspec.Struct, frozen=True):
    """How many entries of each list the full view has beyond those listed."""

    rationale: int = 0
    steps: int = 0
    paths: int = 0
    risks: int = 0
    questions: int = 0
    assumptions: int = 0
    recheck_when: int = 0
    sources: int = 0


Strategy: TypeAlias = Annotated[str, Meta(description="The recommended strategy.")]
Status: TypeAlias = Annotated[
    Literal["settled", "provisional"],
    Meta(description="`settled`: no answer to an open question can change the strategy; else `provisional`."),
]
Summary: TypeAlias = Annotated[str, Meta(description="The answer in a few sentences that a manager can read.")]
Because: TypeAlias = Annotated[
    list[Premise],
    Meta(description="Inputs that alone settle the strategy, whatever the others are; none can be left out."),
]
DecisionId: TypeAlias = Annotated[str, Meta(description="Equal for equal profiles and equal policies.")]
OwnId: TypeAlias = Annotated[str | None, Meta(description="The profile's own id.")]


class BriefRecommendation(msgspec.Struct, frozen=True):
    """Which approach to use, and what that hangs on."""

    strategy: Strategy
    status: Status
    summary: Summary
    because: Because
    policy: PolicyReference
    decision_id: DecisionId
    id: OwnId


class Recommendation(msgspec.Struct, frozen=True):
    """Which approach to use, why, what to do first, and what would change the answer."""

    strategy: Strategy
    status: Status
    summary: Summary
    because: Because
    levers: Annotated[dict[str, LeverVerdict], Meta(description="Per lever its verdict, and why.")]
    rationale: Annotated[
        list[Reason], Meta(description="The reasons: decisive ones first, then what supports, then what opposes.")
    ]
    steps: Annotated[list[PlannedStep], Meta(description="What to do, by phase.")]
    paths: Annotated[
        list[Flip], Meta(description="What a team can do to reach another strategy, nearest first; all for the better.")
    ]
    risks: Annotated[
        list[Flip],
        Meta(description="What would overturn the answer, nearest first: circumstances, and wrong assumptions."),
    ]
    margin: Annotated[
        int | None, Meta(description="Fewest changed inputs in a path or risk; null when there is neither.")
    ]
    questions: Annotated[list[Question], Meta(description="What to find out, in the order worth asking.")]
    reachable: Annotated[list[str], Meta(description="Strategies that are possible, given what is unknown.")]
    assumptions: Annotated[list[Assumption], Meta(description="What was assumed for the inputs that were not given.")]
    economics: Annotated[Economics | None, Meta(description="What training costs and saves; null without `costs`.")]
    recheck_when: Annotated[list[str], Meta(description="Events after which to ask again.")]
    policy: PolicyReference
    decision_id: DecisionId
    id: OwnId
    warnings: Annotated[list[Caution], Meta(description="What is contradictory, unknown or deprecated.")]
    ignored_inputs: Annotated[list[str], Meta(description="Fields that were given and that this policy does not read.")]
    sources: Annotated[list[Citation], Meta(description="The sources that the reasons rest on, in the full view.")]
    labels: Annotated[dict[str, str], Meta(description="Names of all strategies for people.")]
    more: More

    def brief(self) -> BriefRecommendation:
        """Return what matters most."""
        return BriefRecommendation(*(getattr(self, name) for name in BriefRecommendation.__struct_fields__))

    def standard(self) -> Recommendation:
        """Return the same with its lists cut to what matters, and in `more` how much longer they are."""
        cut = {
            "rationale": _decisive(self.rationale),
            "steps": self.steps[:MOST["steps"]],
            "paths": _nearest(self.paths),
            "risks": _nearest(self.risks),
            "questions": self.questions[:MOST["questions"]],
            "assumptions": self._assumptions_that_matter(),
            "recheck_when": self.recheck_when[:MOST["recheck_when"]],
            "sources": [],
        }
        more = {name: len(getattr(self, name)) - len(kept) for name, kept in cut.items()}  # type: ignore[arg-type]  # all are lists
        return msgspec.structs.replace(self, **cut, more=More(**more))

    def view(self, view: View) -> Recommendation | BriefRecommendation:
        """Return one of the three views of a full recommendation."""
        if view == "full":
            return self
        return self.standard() if view == "standard" else self.brief()

    def to_json(self, view: View = "full") -> str:
        """Return the recommendation as the service answers it."""
        return encode(self.view(view)).decode()

    def to_dict(self, view: View = "full") -> dict[str, Any]:
        """Return the recommendation as plain Python objects, as decoding its JSON gives them."""
        decoded: dict[str, Any] = msgspec.json.decode(encode(self.view(view)))
        return decoded

    def to_markdown(self) -> str:
        """Return the recommendation as a page of Markdown, cut to what matters."""
        return pages.markdown(self.standard())

    def to_html(self) -> str:
        """Return the recommendation as a fragment of HTML, cut to what matters."""
        return pages.html(self.standard())

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        because = ", ".join(f"{one.input} ({one.basis})" for one in self.because)
        return f"<Recommendation {self.strategy}, {self.status}, because of {because or 'nothing'}>"

    def _assumptions_that_matter(self) -> list[Assumption]:
        """Return those of the questions worth asking, in their order; `because` has the decisive ones."""
        decisive = {one.input for one in self.because}
        return [one for one in self.assumptions if one.input not in decisive][:MOST["assumptions"]]


MOST = {"rationale": 4, "steps": 4, "flips": 4, "questions": 3, "assumptions": 2, "recheck_when": 4}
"""Most entries of each list in the standard view."""

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes recommendations: money is exact, and written as a JSON number."""


def _decisive(reasons: list[Reason]) -> list[Reason]:
    """Return the decisive reasons, and at least one."""
    decisive = [reason for reason in reasons if reason.decisive] or reasons[:1]
    return decisive[:MOST["rationale"]]


def _nearest(flips: list[Flip]) -> list[Flip]:
    """Return the nearest flip to each strategy, then the next nearest; in all, the order stays."""
    first: dict[str, Flip] = {}
    for flip in flips:
        first.setdefault(flip.strategy, flip)
    kept = [*first.values(), *(flip for flip in flips if flip is not first[flip.strategy])][:MOST["flips"]]
    return [flip for flip in flips if any(flip is one for one in kept)]
