"""Every claim of the framework can be seen in a recommendation of policy 1.0.0, and goes away with its cause."""

from typing import Any, NamedTuple

import pytest

import trivium
from trivium.policy.document import Document, Promise, parse


VERSION = "1.0.0"

TUNES = ["fine_tuning", "rag_and_fine_tuning"]
NEVER_TUNES = ["prompt_engineering", "rag"]
RETRIEVES = ["rag", "rag_and_fine_tuning"]

Profile = dict[str, Any]


class Claim(NamedTuple):
    """Codes and steps that show a claim for a profile, its strategy, and a change under which they are gone."""

    shown: set[str]
    profile: Profile
    strategy: str
    unless: Profile


READY: Profile = {"labeled_examples": 500}
BUSY: Profile = {"requests_per_day": 50000}

CLAIMS = {
    "A1": Claim(
        {"TUNING_SPECIALIZES", "train", "check-general-skill"},
        BUSY | READY,
        "fine_tuning",
        {"requests_per_day": 50},
    ),
    "A2": Claim({"KEEP_PROMPTING", "keep-prompt-best"}, {}, "prompt_engineering", BUSY | READY),
    "B1": Claim(
        {"PROMPTING_NOT_EXHAUSTED", "improve-prompt"},
        {"prompt_maturity": "basic"},
        "prompt_engineering",
        {"prompt_maturity": "exhausted"},
    ),
    "B2": Claim({"TUNING_COSTS"}, {"requests_per_day": 50}, "prompt_engineering", BUSY),
    "B3": Claim(
        {"PROMPT_REACHES"},
        READY | {"output_strictness": "format", "prompt_tokens": 3000},
        "prompt_engineering",
        {"base_model_underperforms": True},
    ),
    "B4": Claim(
        {"FRAGILE_PROMPT"},
        READY | {"output_strictness": "format", "prompt_tokens": 9000},
        "fine_tuning",
        {"prompt_tokens": 900},
    ),
    "B5": Claim(
        {"SPECIALIZED_DOMAIN"},
        READY | {"domain_specialization": "specialized"},
        "fine_tuning",
        {"domain_specialization": "general"},
    ),
    "B6": Claim(
        {"LATENCY_OF_LONG_PROMPT", "shorten-prompt"},
        READY | {"latency_need": "tight", "prompt_tokens": 3000},
        "fine_tuning",
        {"latency_need": "relaxed"},
    ),
    "C1": Claim(
        {"LEARNABLE_FORM"},
        READY | {"output_strictness": "style", "base_model_underperforms": True},
        "fine_tuning",
        {"output_strictness": "free"},
    ),
    "C2": Claim(
        {"FACTS_ARE_NO_REASON_TO_TUNE"},
        BUSY | READY | {"primary_goal": "facts"},
        "prompt_engineering",
        {"primary_goal": "cost"},
    ),
    "C3": Claim(
        {"KNOWLEDGE_IN_DOCUMENTS", "build-retrieval"},
        {"knowledge_need": "stable_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "C4": Claim(
        {"TUNING_IS_NO_CURE"},
        BUSY | READY | {"primary_goal": "fewer_hallucinations"},
        "prompt_engineering",
        {"primary_goal": "cost"},
    ),
    "D1": Claim({"EXAMPLES_TO_COLLECT", "collect-examples"}, BUSY, "prompt_engineering", READY),
    "D2": Claim(
        {"EXAMPLES_TO_REVIEW", "review-examples"},
        BUSY | {"labeled_examples": 5000, "example_quality": "unreviewed"},
        "prompt_engineering",
        READY | {"example_quality": "expert_reviewed"},
    ),
    "D3": Claim({"DATA_FIRST", "collect-examples"}, BUSY, "prompt_engineering", READY),
    "D4": Claim(
        {"NO_DATA_NO_TUNING", "stay-with-prompting"},
        BUSY | READY | {"example_quality": "mixed", "can_label_more": False},
        "prompt_engineering",
        {"can_label_more": True},
    ),
    "E1": Claim({"HIGH_VOLUME", "shorten-prompt"}, BUSY | READY, "fine_tuning", {"requests_per_day": 50}),
    "E2": Claim(
        {"OWN_LANGUAGE"},
        READY | {"domain_specialization": "highly_specialized"},
        "fine_tuning",
        {"domain_specialization": "general"},
    ),
    "E3": Claim(
        {"ONE_OFF_WORK"},
        BUSY | READY | {"task_consistency": "one_off"},
        "prompt_engineering",
        {"task_consistency": "consistent"},
    ),
    "F1": Claim(
        {"PROMPT_FIRST", "improve-prompt", "revisit-tuning"},
        BUSY | READY | {"prompt_maturity": "structured"},
        "prompt_engineering",
        {"prompt_maturity": "exhausted"},
    ),
    "F2": Claim(
        {"KNOWLEDGE_CHANGES", "build-retrieval"},
        {"knowledge_need": "changing_facts"},
        "rag",
        {"knowledge_need": "none"},
    ),
    "F3": Claim({"EXAMPLES_READY"}, BUSY | READY, "fine_tuning", {"labeled_examples": 499}),
    "F4": Claim(
        {"NOTHING_TO_AMORTIZE"},
        BUSY | READY | {"task_consistency": "varied"},
        "prompt_engineering",
        {"task_consistency": "consistent"},
    ),
    "F5": Claim(
        {"NO_GAP_MEASURED"},
        READY | {"domain_specialization": "highly_specialized", "base_model_underperforms": False},
        "prompt_engineering",
        {"base_model_underperforms": True},
    ),
    "F6": Claim({"KEEP_PROMPTING", "NO_REASON_TO_TUNE", "stay-with-prompting"}, READY, "prompt_engineering", BUSY),
}
"""One row per claim; the numbers are those of the framework."""

PROMISES: dict[int, list[Profile]] = {
    1: [{"if_": {"knowledge_need": "changing_facts"}, "then_strategy": RETRIEVES}],
    2: [{"if_": {"example_quality": "unreviewed", "can_label_more": "no"}, "then_strategy": NEVER_TUNES}],
    3: [
        {"if_": {"labeled_examples": "few"}, "then_strategy": NEVER_TUNES},
        {"if_": {"prompt_maturity": ["none", "basic", "structured"]}, "then_strategy": NEVER_TUNES},
    ],
    4: [
        {"if_": {"task_consistency": "one_off"}, "then_strategy": NEVER_TUNES},
        {"if_": {"task_consistency": "varied", "domain_specialization": "general"}, "then_strategy": NEVER_TUNES},
    ],
    5: [
        {"raising": "labeled_examples", "never_leaves": TUNES},
        {"raising": "example_quality", "never_leaves": TUNES},
        {"if_": {"task_consistency": "consistent"}, "raising": "requests_per_day", "never_leaves": TUNES},
    ],
    6: [{"setting": {"primary_goal": ["facts", "fewer_hallucinations"]}, "never_enters": TUNES}],
    7: [{"raising": "knowledge_need", "never_leaves": RETRIEVES}],
    9: [{"reachable_given": ["requests_per_day", "domain_specialization", "labeled_examples", "knowledge_need"]}],
}
"""What the document promises, by number; that everything is reached (8) is no promise but the load gate itself."""


@pytest.fixture(scope="module")
def document() -> Document:
    return parse((trivium.POLICIES / f"adaptation-{VERSION}.yaml").read_text(encoding="utf-8")).document


def seen(document: Document, profile: Profile) -> set[str]:
    """Return the codes and the ids of the steps in the recommendation for a profile."""
    made = trivium.recommend(profile, policy=VERSION)
    steps = {(step.action, step.done_when): step.id for step in document.steps}
    told = {steps[step.action, step.done_when] for step in made.steps if step.lever is not None}
    return told | {reason.code for reason in made.rationale}


def sources(document: Document) -> dict[str, list[str]]:
    return {name: code.source for name, code in document.codes.items()} | {
        step.id: step.source for step in document.steps
    }


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim(document: Document, claim: str) -> None:
    shown, profile, strategy, unless = CLAIMS[claim]
    assert trivium.recommend(profile, policy=VERSION).strategy == strategy
    assert shown <= seen(document, profile)
    assert not shown & seen(document, profile | unless)
    assert [name for name in shown if claim not in sources(document)[name]] == []


def test_there_is_a_row_per_claim_and_each_claim_is_cited(document: Document) -> None:
    cited = {source for listed in sources(document).values() for source in listed}
    assert set(CLAIMS) == set(document.sources) == cited


def test_rationale_shows_the_claims_it_rests_on() -> None:
    made = trivium.recommend(BUSY | READY, policy=VERSION)
    shown = {reason.code: [citation.id for citation in reason.source or []] for reason in made.rationale}
    assert shown["HIGH_VOLUME"] == ["E1", "F4"]


@pytest.mark.parametrize("number", PROMISES)
def test_promise_is_made(document: Document, number: int) -> None:
    made = [{name: part for name, part in fields(promise).items() if part is not None} for promise in document.promises]
    assert [promise for promise in PROMISES[number] if promise not in made] == []


def test_no_other_promise_is_made(document: Document) -> None:
    assert len(document.promises) == sum(map(len, PROMISES.values()))


def fields(promise: Promise) -> Profile:
    return {name: getattr(promise, name) for name in promise.__struct_fields__ if name != "id"}
