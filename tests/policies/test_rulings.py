"""Policy 1.0.0 says in every one of its cells what a plain transcription of its rulings says.

All policies read unknowns, and say who can change an input, as designed.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest

import trivium
from trivium.policy import Policy, load_policy
from trivium.profile import VOCABULARY


class UseCase(NamedTuple):
    """One cell: API values, None where nothing was measured."""

    requests_per_day: int
    task_consistency: str
    latency_need: str
    domain_specialization: str
    base_model_underperforms: bool | None
    labeled_examples: int
    example_quality: str
    can_label_more: bool
    knowledge_need: str
    prompt_maturity: str
    prompt_tokens: int
    output_strictness: str
    primary_goal: str


VALUES: dict[str, tuple[str | bool | int | None, ...]] = {
    "requests_per_day": (9_999, 10_000),
    "task_consistency": ("one_off", "varied", "consistent"),
    "latency_need": ("relaxed", "interactive", "tight"),
    "domain_specialization": ("general", "specialized", "highly_specialized"),
    "base_model_underperforms": (None, False, True),
    "labeled_examples": (499, 500),
    "example_quality": ("unreviewed", "mixed", "expert_reviewed"),
    "can_label_more": (False, True),
    "knowledge_need": ("none", "stable_facts", "changing_facts"),
    "prompt_maturity": ("none", "basic", "structured", "exhausted"),
    "prompt_tokens": (1_999, 7_999, 8_000),
    "output_strictness": ("free", "style", "format"),
    "primary_goal": ("quality", "cost", "latency", "style", "facts", "fewer_hallucinations"),
}
"""One value per band, just below and at the cuts of numbers."""

UNKNOWN: dict[str, dict[str, str]] = {
    "1.0.0": {
        "requests_per_day": "low",
        "domain_specialization": "general",
        "labeled_examples": "few",
        "knowledge_need": "none",
        "task_consistency": "consistent",
        "latency_need": "relaxed",
        "base_model_underperforms": "unmeasured",
        "example_quality": "expert_reviewed",
        "can_label_more": "yes",
        "prompt_maturity": "exhausted",
        "prompt_tokens": "short",
        "output_strictness": "free",
        "primary_goal": "quality",
    }
}
UNKNOWN["2.0.0"] = UNKNOWN["1.0.0"] | {
    "labeled_examples": "none",
    "has_evaluation_set": "yes",
    "fine_tuning_available": "yes",
    "citations_required": "no",
    "restricted_knowledge": "no",
    "knowledge_tokens": "large",
    "requirements_change": "rarely",
    "payback_months": "unmeasured",
}
UNKNOWN["3.0.0"] = UNKNOWN["2.0.0"] | {
    "knowledge_need": "unmeasured",
    "shortfall_with_knowledge": "unmeasured",
    "failure_kind": "unmeasured",
    "answers_checkable": "no",
    "knowledge_public": "no",
    "must_self_host": "no",
    "model_size": "large",
}
"""The four core inputs cautiously, all others as a competent team that asks would have them."""

ACTION = {
    *("labeled_examples", "example_quality", "can_label_more"),
    *("has_evaluation_set", "prompt_maturity", "prompt_tokens"),
}
FIXED = {
    *("domain_specialization", "task_consistency", "output_strictness", "primary_goal"),
    *("citations_required", "restricted_knowledge"),
    *("answers_checkable", "knowledge_public", "must_self_host"),
}


def gap(case: UseCase) -> bool:
    shaped = case.output_strictness != "free"
    if case.base_model_underperforms is False:
        return False
    if (shaped and case.prompt_tokens >= 8_000) or case.domain_specialization != "general":
        return True
    return shaped and case.task_consistency == "consistent" and case.base_model_underperforms is True


def pays(case: UseCase) -> bool:
    return case.task_consistency == "consistent" and (
        case.requests_per_day >= 10_000 or (case.latency_need == "tight" and case.prompt_tokens >= 2_000)
    )


def fits(case: UseCase) -> bool:
    return case.task_consistency == "consistent" or (
        case.task_consistency == "varied" and case.domain_specialization != "general"
    )


def data(case: UseCase) -> str:
    if case.labeled_examples < 500 or case.example_quality == "unreviewed":
        return "collect" if case.can_label_more else "lacking"
    return "lacking" if case.example_quality == "mixed" and not case.can_label_more else "ready"


def tuning(case: UseCase) -> str:
    if not gap(case) and (case.primary_goal in {"facts", "fewer_hallucinations"} or not pays(case)):
        return "not_needed"
    if not fits(case):
        return "not_needed"
    if case.prompt_maturity != "exhausted" or data(case) == "collect":
        return "later"
    return "blocked" if data(case) == "lacking" else "adopt"


def rulings(case: UseCase) -> tuple[str, str]:
    """Return the strategy and the verdict on fine-tuning."""
    verdict = tuning(case)
    if case.knowledge_need == "none":
        return "fine_tuning" if verdict == "adopt" else "prompt_engineering", verdict
    return "rag_and_fine_tuning" if verdict == "adopt" else "rag", verdict


def load(version: str) -> Policy:
    file = trivium.POLICIES / f"adaptation-{version}.yaml"
    return load_policy(file.read_text(encoding="utf-8"), file.name, VOCABULARY)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load("1.0.0")


def cells(policy: Policy) -> Iterator[tuple[UseCase, tuple[int, ...]]]:
    bands = [[field.read(value) for value in VALUES[field.name]] for field in policy.inputs]
    return zip(map(UseCase._make, product(*VALUES.values())), product(*bands), strict=True)


def test_values_stand_for_every_band(policy: Policy) -> None:
    assert UseCase._fields == tuple(VALUES) == tuple(field.name for field in policy.inputs)
    for field, values in zip(policy.inputs, VALUES.values(), strict=True):
        assert [field.read(value) for value in values] == list(range(len(field.bands)))


def test_every_cell_follows_the_rulings(policy: Policy) -> None:
    """Also that every rule, hence every code, and every strategy comes up in some cell."""
    table = policy.positions["fine_tuning"] - len(policy.inputs)
    verdicts = policy.tables[table].outcomes
    fired = set()
    reached = set()
    compared = 0
    for case, cell in cells(policy):
        decision = policy.decide(cell)
        said = policy.strategies[decision.strategy], verdicts[decision.fired[table].outcome]
        if said != rulings(case):
            pytest.fail(f"{said}, but the rulings say {rulings(case)} of {case}")
        fired.add(decision.fired)
        reached.add(said)
        compared += 1
    assert compared == policy.cells == 1_259_712
    rules = {rule for row in fired for rule in row}
    assert rules == {rule for table in policy.tables for rule in table.rules}
    assert {code for rule in rules for code in rule.because} == set(policy.document.codes)
    assert {strategy for strategy, _ in reached} == set(policy.strategies)


@pytest.mark.parametrize("version", UNKNOWN)
def test_unknowns_are_read_as_designed(version: str) -> None:
    assumed = {assumption.input: assumption.band for assumption in trivium.recommend({}, policy=version).assumptions}
    assert assumed == UNKNOWN[version]


@pytest.mark.parametrize("version", UNKNOWN)
def test_inputs_change_by_whom_the_design_says(version: str) -> None:
    for name, spec in load(version).document.inputs.items():
        expected = "action" if name in ACTION else "fixed" if name in FIXED else "circumstance"
        assert spec.changed_by == expected, name


SINCE: dict[str, dict[str, object]] = {
    "2.0.0": {
        "has_evaluation_set": True,
        "knowledge_tokens": 1000,
        "citations_required": True,
        "restricted_knowledge": True,
        "fine_tuning_available": False,
        "requirements_change": "weekly",
    },
    "3.0.0": {
        "shortfall_with_knowledge": True,
        "failure_kind": "style",
        "answers_checkable": True,
        "knowledge_public": True,
        "must_self_host": True,
        "model_size": "small",
    },
}
"""The fields that each version is the first to read, with a value."""


@pytest.mark.parametrize(("first", "name"), [(version, name) for version, names in SINCE.items() for name in names])
def test_what_a_policy_does_not_read_is_named(first: str, name: str) -> None:
    profile = {"labeled_examples": 500, name: SINCE[first][name]}
    for version in UNKNOWN:
        ignored = trivium.recommend(profile, policy=version).ignored_inputs
        assert ignored == ([] if version >= first else [name])
