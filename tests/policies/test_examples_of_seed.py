"""The framework's own examples, told as profiles, come out of the policies as the framework has them.

3.0.0 asks for a measured gap first where the framework takes a special domain for one (K2, K3).
"""

from typing import Any, NamedTuple

import pytest

import trivium
from trivium.recommendation import Recommendation


Profile = dict[str, Any]

DATA: Profile = {"labeled_examples": 800, "example_quality": "expert_reviewed", "prompt_maturity": "exhausted"}


class Told(NamedTuple):
    strategy: str
    profile: Profile


CASES = {
    "classifying support requests at volume": Told(
        "fine_tuning", DATA | {"requests_per_day": 40000, "output_strictness": "format"}
    ),
    "the same, prompting hardly tried": Told(
        "prompt_engineering", DATA | {"requests_per_day": 40000, "prompt_maturity": "basic"}
    ),
    "descriptions of products in a fixed form": Told(
        "fine_tuning", DATA | {"requests_per_day": 30000, "output_strictness": "style", "primary_goal": "cost"}
    ),
    "coding diagnoses": Told("fine_tuning", DATA | {"domain_specialization": "highly_specialized"}),
    "coding diagnoses where a general model does well": Told(
        "prompt_engineering",
        DATA | {"domain_specialization": "highly_specialized", "base_model_underperforms": False},
    ),
    "reviewing contracts against a library of clauses": Told(
        "rag_and_fine_tuning", DATA | {"domain_specialization": "specialized", "knowledge_need": "stable_facts"}
    ),
    "an in-house programming language": Told(
        "fine_tuning",
        DATA | {"domain_specialization": "highly_specialized", "task_consistency": "varied", "requests_per_day": 200},
    ),
    "a brand voice that the base model misses": Told(
        "fine_tuning",
        DATA | {"output_strictness": "style", "primary_goal": "style", "base_model_underperforms": True},
    ),
    "answers from the documents of a company": Told(
        "rag", DATA | {"knowledge_need": "changing_facts", "primary_goal": "facts", "requests_per_day": 20000}
    ),
    "fewer made-up answers": Told(
        "prompt_engineering", DATA | {"primary_goal": "fewer_hallucinations", "requests_per_day": 20000}
    ),
    "an autocomplete that must be quick": Told("fine_tuning", DATA | {"latency_need": "tight", "prompt_tokens": 2500}),
    "five thousand inconsistent examples": Told(
        "prompt_engineering",
        DATA | {"requests_per_day": 40000, "labeled_examples": 5000, "example_quality": "unreviewed"},
    ),
    "five hundred good examples": Told("fine_tuning", DATA | {"requests_per_day": 40000, "labeled_examples": 500}),
    "no budget for data": Told(
        "prompt_engineering",
        DATA | {"requests_per_day": 40000, "labeled_examples": 60, "can_label_more": False},
    ),
    "a one-off analysis": Told("prompt_engineering", DATA | {"task_consistency": "one_off"}),
    "an exploratory assistant for everything": Told(
        "prompt_engineering", DATA | {"task_consistency": "varied", "requests_per_day": 50000}
    ),
}


MEASURED_FIRST = {
    "coding diagnoses": Told("prompt_engineering", {"base_model_underperforms": True}),
    "an in-house programming language": Told("prompt_engineering", {"base_model_underperforms": True}),
    "reviewing contracts against a library of clauses": Told("rag", {"shortfall_with_knowledge": True}),
}
"""The examples that 3.0.0 has measured first: its answer until then, and the measurement after which it agrees."""


def recommend(profile: Profile) -> Recommendation:
    return trivium.recommend(profile, policy="1.0.0")


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, version: str) -> None:
    strategy, profile = CASES[name]
    assert trivium.recommend(profile, policy=version).strategy == strategy


@pytest.mark.parametrize("name", CASES)
def test_case_of_the_newest(name: str) -> None:
    strategy, profile = CASES[name]
    if name in MEASURED_FIRST:
        first, measured = MEASURED_FIRST[name]
        made = trivium.recommend(profile, policy="3.0.0")
        assert (made.strategy, made.levers["fine_tuning"].verdict) == (first, "later")
        profile = profile | measured
    assert trivium.recommend(profile, policy="3.0.0").strategy == strategy


@pytest.mark.parametrize("maturity", ["structured", "exhausted"])
@pytest.mark.parametrize("lacking", [{"labeled_examples": 60}, {"example_quality": "unreviewed"}])
def test_nobody_is_told_to_label_where_nobody_can(lacking: Profile, maturity: str) -> None:
    profile = DATA | {"requests_per_day": 40000, "prompt_maturity": maturity} | lacking
    able, unable = (recommend(profile | {"can_label_more": can}) for can in (True, False))
    assert any("domain expert" in step.action for step in able.steps)
    assert not any("domain expert" in step.action for step in unable.steps)


def test_mixed_examples_are_reviewed_before_anything_else() -> None:
    everything = {
        "requests_per_day": 40000,
        "task_consistency": "consistent",
        "domain_specialization": "general",
        "base_model_underperforms": True,
        "can_label_more": True,
        "knowledge_need": "none",
        "primary_goal": "cost",
    }
    made = recommend(DATA | everything | {"example_quality": "mixed"})
    assert (made.strategy, made.status) == ("fine_tuning", "settled")
    assert "MIXED_EXAMPLES" in made.levers["fine_tuning"].codes
    assert "review" in made.steps[0].action


def test_an_answer_that_rests_on_an_assumption_starts_with_checking_it() -> None:
    made = recommend({"requests_per_day": 40000, "labeled_examples": 800})
    assert made.status == "provisional"
    assert (made.steps[0].phase, made.steps[0].lever) == ("now", None)


def test_a_prompt_with_room_left_is_improved_first() -> None:
    made = recommend(DATA | {"requests_per_day": 40000, "prompt_maturity": "structured"})
    assert made.levers["fine_tuning"].verdict == "later"
    assert "role, context, task, constraints and format" in made.steps[made.status == "provisional"].action
