"""The recommendation: the one output type, and the shorter form of it that says only what matters most."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from trivium import pages
from trivium.economics import Economics
from trivium.policy.engine.bands import NumberRange
from trivium.policy.language.document import Effect, Phase, Verdict
from trivium.policy.registry import Status as PolicyStatus


Value: TypeAlias = str | bool | int | float
View: TypeAlias = Annotated[Literal["brief", "standard", "full"], Meta(title="View")]
VIEWS: tuple[View, ...] = ("brief", "standard", "full")
Basis: TypeAlias = Annotated[Literal["stated", "assumed"], Meta(title="Basis")]
Says: TypeAlias = Annotated[str, Meta(description="The value in words: a clause, such as `answers need facts`.")]


class Citation(msgspec.Struct, frozen=True, gc=False):
    """A source that reasons rest on."""

    id: str
    title: str
    year: int
    url: str | None


class Premise(msgspec.Struct, frozen=True, gc=False):
    """An input that the answer, or a reason, rests on."""

    input: Annotated[str, Meta(description="The profile's field.")]
    value: Annotated[
        Value | None, Meta(description="The value given, else the one assumed; null for a number that is not known.")
    ]
    basis: Annotated[Basis, Meta(description="`stated` by the profile, or `assumed` because it leaves the field out.")]
    says: Says


class Reason(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A rationale code, with what it rests on."""

    code: str
    lever: str
    effect: Annotated[Effect, Meta(description="What it says about the lever.")]
    message: str
    decisive: Annotated[bool, Meta(description="Whether it rests on an input of `because`.")]
    basis: Annotated[Basis, Meta(description="`assumed` when an input it rests on is assumed.")]
    rule: Annotated[str | None, Meta(description="The rule that gives it, `table/rule`; in the full view only.")] = None
    inputs: Annotated[
        dict[str, Basis],
        Meta(description="The inputs that its rule's condition names: field to `stated` or `assumed`."),
    ]
    sources: Annotated[list[str], Meta(description="Ids of the sources it rests on; in the full view only.")] = []


class LeverVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on a lever, and why."""

    verdict: Verdict
    codes: Annotated[list[str], Meta(description="The rationale codes behind it.")]
    why_not: Annotated[str | None, Meta(description="Why it is not adopted; null when it is.")]
    opens: Annotated[str | None, Meta(description="What would open it; null when it is adopted.")]


class PlannedStep(msgspec.Struct, frozen=True, gc=False):
    """Something to do, with the sign by which it is known to be done."""

    phase: Phase
    lever: Annotated[str | None, Meta(description="The lever it belongs to; null for checking an assumption.")]
    action: str
    done_when: str


class Change(msgspec.Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """One changed input of a flip."""

    input: Annotated[str, Meta(description="The profile's field.")]
    from_: Annotated[Value | None, Meta(description="The value given or assumed; null for a number that is not known.")]
    to: Annotated[str | bool | NumberRange, Meta(description="The value, or the range of a number, to reach.")]
    says: Says


class Flip(msgspec.Struct, frozen=True, gc=False):
    """A smallest set of changes that leads to another strategy."""

    strategy: Annotated[str, Meta(description="The strategy it leads to.")]
    changes: list[Change]
    why: Annotated[
        Annotated[Literal["action", "circumstance", "assumption"], Meta(title="FlipCause")],
        Meta(description="A team's own `action`, a `circumstance`, or an `assumption` that proves wrong."),
    ]


class QuestionAnswer(msgspec.Struct, frozen=True, gc=False):
    """A possible answer to a question, and what it leaves open."""

    says: Says
    value: Annotated[Value | NumberRange, Meta(description="What to put into the profile.")]
    reachable: Annotated[list[str], Meta(description="The strategies that are still possible with it.")]
    settles: Annotated[bool, Meta(description="Whether only one strategy is left.")]


class Question(msgspec.Struct, frozen=True, gc=False):
    """An unknown input whose value can change the strategy."""

    input: Annotated[str, Meta(description="The profile's field.")]
    question: str
    answers: list[QuestionAnswer]


class Assumption(msgspec.Struct, frozen=True, gc=False):
    """An input that was not given, and what was assumed for it."""

    input: str
    band: Annotated[str, Meta(description="The band of the policy that was read.")]
    says: Says


class PolicyName(msgspec.Struct, frozen=True, gc=False):
    """The policy that decided; other views have its digest too."""

    name: str
    version: str
    status: PolicyStatus


class PolicyReference(msgspec.Struct, frozen=True, gc=False):
    """The policy that decided."""

    name: str
    version: str
    digest: Annotated[str, Meta(description="SHA-256 of the policy.")]
    status: PolicyStatus

    def named(self) -> PolicyName:
        """Return the same without the digest."""
        return PolicyName(self.name, self.version, self.status)


class Caution(msgspec.Struct, frozen=True, gc=False):
    """A contradiction in the profile, a name that is not known, or a deprecated policy."""

    code: str
    message: str


class Labels(msgspec.Struct, frozen=True, gc=False):
    """What strategies and levers are called in the policy."""

    strategies: dict[str, str]
    levers: dict[str, str]


class More(msgspec.Struct, frozen=True, gc=False):
    """How many entries of each list the full view has beyond those listed."""

    rationale: int = 0
    steps: int = 0
    paths: int = 0
    risks: int = 0
    questions: int = 0
    assumptions: int = 0
    recheck_when: int = 0


Strategy: TypeAlias = Annotated[
    str,
    Meta(
        description="The recommended strategy; an own policy may have others.",
        extra_json_schema={"x-extensible-enum": ["prompt_engineering", "rag", "fine_tuning", "rag_and_fine_tuning"]},
    ),
]
Status: TypeAlias = Annotated[
    Annotated[Literal["settled", "provisional"], Meta(title="RecommendationStatus")],
    Meta(description="`settled`: no answer to an open question can change the strategy; else `provisional`."),
]
Summary: TypeAlias = Annotated[str, Meta(description="The answer in a few sentences that a manager can read.")]
DecisionId: TypeAlias = Annotated[str, Meta(description="Equal for equal profiles and equal policies.")]
OwnId: TypeAlias = Annotated[str | None, Meta(description="The profile's own id.")]


class Because(msgspec.Struct, frozen=True, gc=False):
    """Inputs that alone settle the strategy, whatever the others are; none can be left out."""

    stated: Annotated[list[str], Meta(description="Fields that the profile states.")]
    assumed: Annotated[list[str], Meta(description="Fields that it leaves out.")]


class BriefRecommendation(msgspec.Struct, frozen=True, gc=False):
    """Which approach to use, and what that hangs on: under 1 KB, beside the profile's own id."""

    strategy: Strategy
    status: Status
    summary: Summary
    because: Because
    policy: PolicyName
    decision_id: DecisionId
    id: OwnId


class Recommendation(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Which approach to use, why, what to do first, and what would change the answer."""

    strategy: Strategy
    status: Status
    summary: Summary
    because: Annotated[
        list[Premise],
        Meta(description="Inputs that alone settle the strategy, whatever the others are; none can be left out."),
    ]
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
    assumptions: Annotated[
        list[Assumption],
        Meta(description="What was assumed for the inputs that were not given; in the full view only."),
    ] = []
    economics: Annotated[Economics | None, Meta(description="What training costs and saves; null without `costs`.")]
    recheck_when: Annotated[list[str], Meta(description="Events after which to ask again.")]
    policy: PolicyReference
    decision_id: DecisionId
    id: OwnId
    warnings: Annotated[list[Caution], Meta(description="What is contradictory, unknown or deprecated.")]
    ignored_inputs: Annotated[list[str], Meta(description="Fields that were given and that this policy does not read.")]
    sources: Annotated[
        list[Citation], Meta(description="The sources that the reasons rest on; in the full view only.")
    ] = []
    labels: Annotated[Labels | None, Meta(description="Names for people; in the full view only.")] = None
    more: More

    def brief(self) -> BriefRecommendation:
        """Return what matters most."""
        return BriefRecommendation(
            self.strategy,
            self.status,
            self.summary,
            Because(
                [one.input for one in self.because if one.basis == "stated"],
                [one.input for one in self.because if one.basis == "assumed"],
            ),
            self.policy.named(),
            self.decision_id,
            self.id,
        )

    def standard(self) -> Recommendation:
        """Return the same with its lists cut to what matters, and in `more` how much longer they are."""
        reasons = _telling(self.rationale)
        cut = {
            "rationale": reasons,
            "steps": self.steps[: MOST["steps"]],
            "paths": _nearest(self.paths),
            "risks": _nearest(self.risks),
            "questions": self.questions[: MOST["questions"]],
            "recheck_when": self.recheck_when[: MOST["recheck_when"]],
            "assumptions": [],
        }
        more = {
            name: getattr(self.more, name) + len(getattr(self, name)) - len(kept)  # type: ignore[arg-type]  # all are lists
            for name, kept in cut.items()
        }
        levers = _shown_with(self.levers, reasons)
        return msgspec.structs.replace(self, **cut, levers=levers, sources=[], labels=None, more=More(**more))

    def page(self) -> Recommendation:
        """Return what a page for people shows: the standard view, with the names of strategies."""
        return msgspec.structs.replace(self.standard(), labels=self.labels)

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
        return pages.markdown(self.page())

    def to_html(self) -> str:
        """Return the recommendation as a fragment of HTML, cut to what matters."""
        return pages.html(self.page())

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        because = ", ".join(f"{one.input} ({one.basis})" for one in self.because)
        return f"<Recommendation {self.strategy}, {self.status}, because of {because or 'nothing'}>"


MOST = {"rationale": 2, "steps": 3, "flips": 4, "questions": 1, "recheck_when": 1}
"""Most entries of each list in the standard view."""

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes recommendations: money is exact, and written as a JSON number."""


def _telling(reasons: list[Reason]) -> list[Reason]:
    """Return the decisive reasons that each rest on an input that none before rests on; at least one reason."""
    told: set[str] = set()
    kept = []
    for reason in reasons:
        if reason.decisive and not told.issuperset(reason.inputs):
            told.update(reason.inputs)
            kept.append(reason)
    kept = kept[: MOST["rationale"]] or reasons[:1]
    return [msgspec.structs.replace(reason, rule=None, sources=[]) for reason in kept]


def _nearest(flips: list[Flip]) -> list[Flip]:
    """Return the nearest flip to each strategy, without those that only add changes to another one of them."""
    first: dict[str, Flip] = {}
    for flip in flips:
        first.setdefault(flip.strategy, flip)
    changes = [frozenset([change.input for change in flip.changes]) for flip in first.values()]
    return [
        flip for flip, own in zip(first.values(), changes, strict=True) if not any(other < own for other in changes)
    ][: MOST["flips"]]


def _shown_with(levers: dict[str, LeverVerdict], reasons: list[Reason]) -> dict[str, LeverVerdict]:
    """Return the levers with the codes of the reasons that are shown."""
    shown = {reason.code for reason in reasons}
    return {
        name: msgspec.structs.replace(lever, codes=[code for code in lever.codes if code in shown])
        for name, lever in levers.items()
    }
