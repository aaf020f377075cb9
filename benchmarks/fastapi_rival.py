"""The same policy behind FastAPI and pydantic, with typed models in and out, and without metrics and logs.

`/recommend` lets the same `Advisor` make the recommendation and pydantic turn it into JSON. `/answer` sends the bytes
that `Renderer.json` keeps, so it shows what FastAPI costs with all of Trivium's caching behind it.
"""
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

from typing import Annotated, Literal

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from benchmarks import NEWEST
from trivium import Profile, catalog
from trivium import Recommendation as Made
from trivium.profile import MOST


Number = Annotated[float, Field(ge=0, le=MOST, strict=True)]
Count = Annotated[float, Field(ge=0, le=MOST, multiple_of=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Value = str | bool | int | float


class ProfileIn(BaseModel):
    """A profile."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(max_length=200)] | None = None
    requests_per_day: Number | None = None
    task_consistency: Literal["one_off", "varied", "consistent"] | None = None
    latency_need: Literal["relaxed", "interactive", "tight"] | None = None
    domain_specialization: Literal["general", "specialized", "highly_specialized"] | None = None
    base_model_underperforms: Flag | None = None
    shortfall_with_knowledge: Flag | None = None
    failure_kind: Literal["facts", "format_syntax", "style", "judgement"] | None = None
    answers_checkable: Flag | None = None
    labeled_examples: Count | None = None
    example_quality: Literal["unreviewed", "mixed", "machine_verified", "expert_reviewed"] | None = None
    can_label_more: Flag | None = None
    has_evaluation_set: Flag | None = None
    knowledge_need: Literal["none", "stable_facts", "changing_facts"] | None = None
    knowledge_tokens: Count | None = None
    knowledge_public: Flag | None = None
    citations_required: Flag | None = None
    restricted_knowledge: Flag | None = None
    prompt_maturity: Literal["none", "basic", "structured", "exhausted"] | None = None
    prompt_tokens: Count | None = None
    output_strictness: Literal["free", "style", "format"] | None = None
    primary_goal: Literal["quality", "cost", "latency", "style", "facts", "fewer_hallucinations"] | None = None
    fine_tuning_available: Flag | None = None
    must_self_host: Flag | None = None
    model_size: Literal["small", "large"] | None = None
    requirements_change: Literal["rarely", "monthly", "weekly"] | None = None


class NumberRange(BaseModel):
    """A range of numbers."""

    at_least: int | float | None
    below: int | float | None


class Premise(BaseModel):
    """An input that the answer rests on."""

    input: str
    value: Value | None
    basis: Literal["stated", "assumed"]
    says: str


class LeverVerdict(BaseModel):
    """The verdict on a lever."""

    verdict: Literal["adopt", "not_needed", "blocked", "later"]
    codes: list[str]
    why_not: str | None
    opens: str | None


class Reason(BaseModel):
    """A rationale code."""

    code: str
    lever: str
    effect: Literal["supports", "opposes", "blocks", "informs"]
    message: str
    decisive: bool
    basis: Literal["stated", "assumed"]
    inputs: dict[str, Literal["stated", "assumed"]]


class PlannedStep(BaseModel):
    """A step."""

    phase: Literal["now", "next", "later"]
    lever: str | None
    action: str
    done_when: str


class Change(BaseModel):
    """One changed input of a flip."""

    input: str
    from_: Annotated[Value | None, Field(serialization_alias="from")]
    to: str | bool | NumberRange
    says: str


class Flip(BaseModel):
    """What would change the answer."""

    strategy: str
    changes: list[Change]
    why: Literal["action", "circumstance", "assumption"]


class QuestionAnswer(BaseModel):
    """A possible answer."""

    says: str
    value: Value | NumberRange
    reachable: list[str]
    settles: bool


class Question(BaseModel):
    """An open question."""

    input: str
    question: str
    answers: list[QuestionAnswer]


class PolicyReference(BaseModel):
    """The policy that decided."""

    name: str
    version: str
    digest: str
    status: Literal["active", "deprecated", "retired"]


class Caution(BaseModel):
    """A warning."""

    code: str
    message: str


class More(BaseModel):
    """How much longer the lists are."""

    rationale: int
    steps: int
    paths: int
    risks: int
    questions: int
    assumptions: int
    recheck_when: int


class Recommendation(BaseModel):
    """A recommendation in the standard view."""

    strategy: str
    status: Literal["settled", "provisional"]
    summary: str
    because: list[Premise]
    levers: dict[str, LeverVerdict]
    rationale: list[Reason]
    steps: list[PlannedStep]
    paths: list[Flip]
    risks: list[Flip]
    margin: int | None
    questions: list[Question]
    reachable: list[str]
    economics: dict[str, float] | None
    recheck_when: list[str]
    policy: PolicyReference
    decision_id: str
    id: str | None
    warnings: list[Caution]
    ignored_inputs: list[str]
    more: More


app = FastAPI()
renderer = catalog.shipped().renderer(NEWEST)


@app.post("/recommend", response_model=Recommendation)
async def recommend(profile: ProfileIn) -> Made:
    """Recommend a strategy."""
    return renderer.advisor.recommend(Profile(**profile.model_dump())).standard()


@app.post("/answer", response_class=Response)
async def answer(profile: ProfileIn) -> Response:
    """Recommend a strategy, with the bytes that Trivium keeps."""
    return Response(renderer.json(Profile(**profile.model_dump()))[0], media_type="application/json")
