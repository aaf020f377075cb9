"""The same policy behind FastAPI and pydantic, with typed models in and out, and without metrics and logs.

`/recommend` lets the same `Advisor` make the recommendation and pydantic turn it into JSON. `/answer` sends the bytes
that `Advisor.answer` keeps, so it shows what FastAPI costs with all of Trivium's caching behind it.
"""
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

from typing import Annotated, Literal

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from benchmarks import VERSION
from trivium import POLICIES, Advisor, Profile
from trivium import Recommendation as Made
from trivium.policy import Registry, load_directory
from trivium.profile import MOST, VOCABULARY
from trivium.rendering import Renderer


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
    labeled_examples: Count | None = None
    example_quality: Literal["unreviewed", "mixed", "expert_reviewed"] | None = None
    can_label_more: Flag | None = None
    has_evaluation_set: Flag | None = None
    knowledge_need: Literal["none", "stable_facts", "changing_facts"] | None = None
    knowledge_tokens: Count | None = None
    citations_required: Flag | None = None
    restricted_knowledge: Flag | None = None
    prompt_maturity: Literal["none", "basic", "structured", "exhausted"] | None = None
    prompt_tokens: Count | None = None
    output_strictness: Literal["free", "style", "format"] | None = None
    primary_goal: Literal["quality", "cost", "latency", "style", "facts", "fewer_hallucinations"] | None = None
    fine_tuning_available: Flag | None = None
    requirements_change: Literal["rarely", "monthly", "weekly"] | None = None


class Range(BaseModel):
    """A threshold."""

    at_least: int | float | None
    below: int | float | None


class Citation(BaseModel):
    """A source."""

    id: str
    title: str
    year: int
    url: str | None


class ReasonInput(BaseModel):
    """An input behind a reason."""

    input: str
    value: Value | None
    band: str
    threshold: Range | None


class Reason(BaseModel):
    """A rationale code."""

    code: str
    lever: str
    effect: Literal["supports", "opposes", "blocks", "informs"]
    rule: str
    message: str | None
    inputs: list[ReasonInput] | None
    source: list[Citation] | None


class LeverVerdict(BaseModel):
    """The verdict on a lever."""

    verdict: Literal["adopt", "not_needed", "blocked", "later"]
    codes: list[str]


class PlannedStep(BaseModel):
    """A step."""

    phase: Literal["now", "next", "later"]
    lever: str | None
    action: str
    done_when: str


class Change(BaseModel):
    """One changed input of a flip."""

    input: str
    from_: Annotated[Value | Range | None, Field(serialization_alias="from")]
    known: bool
    to: str | bool | Range
    break_even: Range | None


class Flip(BaseModel):
    """What would change the answer."""

    strategy: str
    by: Literal["action", "circumstance"]
    changes: list[Change]


class Question(BaseModel):
    """An open question."""

    input: str
    question: str
    could_lead_to: list[str]


class Assumption(BaseModel):
    """An assumption."""

    input: str
    band: str


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


class Recommendation(BaseModel):
    """A recommendation."""

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
    economics: dict[str, float] | None
    recheck_when: list[str]
    policy: PolicyReference
    decision_id: str
    id: str | None
    warnings: list[Caution]
    ignored_inputs: list[str]


app = FastAPI()
advisor = Advisor(Registry(load_directory(POLICIES, VOCABULARY)).deciding(VERSION))
renderer = Renderer(advisor)


@app.post("/recommend", response_model=Recommendation)
async def recommend(profile: ProfileIn) -> Made:
    """Recommend a strategy."""
    return advisor.recommend(Profile(**profile.model_dump()))


@app.post("/answer", response_class=Response)
async def answer(profile: ProfileIn) -> Response:
    """Recommend a strategy, with the bytes that Trivium keeps."""
    return Response(renderer.json(Profile(**profile.model_dump()))[0], media_type="application/json")
