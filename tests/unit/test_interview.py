"""An interview asks little, nothing twice and nothing in vain, and ends where the whole profile would."""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import generators
import trivium
from trivium import Advisor, Policy, Registry
from trivium.interview import Interview, Value, choices, every_interview, read_answer
from trivium.policy import CompiledInput, compile_policy, load_directory
from trivium.profile import VOCABULARY, make_profile


SERVED = Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version
POLICIES = {version: served.policy for version, served in SERVED.items()}
versions = st.sampled_from(sorted(POLICIES))


def answers_to(field: CompiledInput) -> list[Value]:
    """Return one API value per band."""
    return list(field.cuts or choices(field).values())


def complete(policy: Policy) -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries({field.name: st.sampled_from(answers_to(field)) for field in policy.inputs})


def strategy(policy: Policy, answers: Mapping[str, Value | None]) -> str:
    return policy.strategies[policy.decide(policy.read_profile(answers)[0]).strategy]


@cache
def ends(version: str) -> list[tuple[Interview, Fraction]]:
    return list(every_interview(POLICIES[version]))


NEWEST = max(POLICIES)
BY_SIZE = [pytest.param(one, marks=[pytest.mark.exhaustive] if one == NEWEST else []) for one in POLICIES]


@pytest.mark.parametrize("version", BY_SIZE)
def test_every_interview_settles_and_on_average_half_of_the_inputs_are_never_asked_for(version: str) -> None:
    assert all(interview.settled for interview, _ in ends(version))
    assert sum(share for _, share in ends(version)) == 1
    average = sum(len(interview.answers) * share for interview, share in ends(version))
    assert average <= Fraction(len(POLICIES[version].inputs), 2)


@given(generators.documents())
def test_every_interview_ends_with_the_strategy_of_all_cells_that_fit_it(document: generators.Part) -> None:
    policy = compile_policy(generators.text(document))
    left = {field.name: answers_to(field) for field in policy.inputs}
    cells = [dict(zip(left, cell, strict=True)) for cell in product(*left.values())]
    told = [strategy(policy, cell) for cell in cells]
    for interview, share in every_interview(policy):
        fitting = [
            answer for cell, answer in zip(cells, told, strict=True) if interview.answers.items() <= cell.items()
        ]
        assert {*fitting} == {*interview.reachable}
        assert share == Fraction(len(fitting), len(cells))


@given(st.data(), versions)
def test_an_interview_asks_nothing_twice_and_ends_with_the_strategy_of_the_whole_profile(
    data: st.DataObject, version: str
) -> None:
    policy = POLICIES[version]
    known = data.draw(complete(policy))
    unknown = data.draw(st.sets(st.sampled_from(sorted(known)), max_size=3))
    interview = Interview(policy)
    while (field := interview.asking) is not None:
        assert field.name not in interview.answers.keys() | interview.skipped
        assert len(interview.leads_to) >= 2
        assert {*interview.leads_to} <= {*interview.reachable}
        went_on = interview.skip() if field.name in unknown else interview.answer(known[field.name])
        assert {*went_on.reachable} <= {*interview.reachable}
        interview = went_on
    assert strategy(policy, known) in interview.reachable
    assert interview.settled or interview.skipped
    if interview.settled:
        assert strategy(policy, interview.answers) == strategy(policy, known)


@given(st.data(), versions)
def test_no_question_is_in_vain(data: st.DataObject, version: str) -> None:
    """Each that is asked decides between two profiles which differ in nothing else."""
    policy = POLICIES[version]
    known = data.draw(complete(policy))
    open_ones = sorted(data.draw(st.sets(st.sampled_from(sorted(known)), max_size=4)))
    interview = Interview(policy, {name: value for name, value in known.items() if name not in open_ones})
    while (field := interview.asking) is not None:
        others = [one for one in policy.inputs if one.name in open_ones and one.name not in interview.answers]
        others.remove(field)
        assert any(
            len(
                {
                    strategy(policy, known | dict(zip(names, rest, strict=True)) | {field.name: one})
                    for one in answers_to(field)
                }
            )
            > 1
            for names in [[one.name for one in others]]
            for rest in product(*map(answers_to, others))
        )
        interview = interview.answer(known[field.name])


@given(st.data(), versions)
def test_it_asks_what_the_recommendation_asks_first(data: st.DataObject, version: str) -> None:
    advisor = Advisor(SERVED[version])
    known = data.draw(complete(advisor.policy))
    known.pop("payback_months", None)
    some = {name: known[name] for name in data.draw(st.sets(st.sampled_from(sorted(known))))}
    made, asking = advisor.recommend(make_profile(some)), Interview(advisor.policy, some).asking
    first = made.questions[0].question if made.questions else None
    assert first == (asking.spec.question if asking else None)
    assert Interview(advisor.policy, some).reachable == tuple(made.reachable)


def test_when_nothing_is_known_at_all_everything_is_asked_once_and_the_assumptions_stay() -> None:
    for policy in POLICIES.values():
        interview = Interview(policy)
        while interview.asking is not None:
            interview = interview.skip()
        assert len(interview.skipped) == len(policy.inputs)
        assert interview.reachable == policy.strategies
        with pytest.raises(ValueError, match="nothing is left to ask"):
            interview.skip()


def field(name: str) -> CompiledInput:
    return next(one for one in POLICIES["3.0.0"].inputs if one.name == name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("knowledge_need", "changing_facts", "changing_facts"),
        ("knowledge_need", " Stable ", "stable_facts"),
        ("domain_specialization", "specialized", "specialized"),
        ("domain_specialization", "h", "highly_specialized"),
        ("citations_required", "yes", True),
        ("citations_required", "N", False),
        ("citations_required", "true", True),
        ("citations_required", "f", False),
        ("labeled_examples", "500", 500),
        ("labeled_examples", "1_000", 1000),
        ("requests_per_day", "1,250,000.5", 1250000.5),
        ("requests_per_day", "1 000", 1000),
        ("requests_per_day", "5e4", 50000),
    ],
)
def test_answers_are_the_values_of_the_api_or_how_people_write_them(name: str, text: str, value: Any) -> None:
    assert read_answer(field(name), text) == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("knowledge_need", "changing_fats", "unknown value; did you mean `changing_facts`?"),
        ("primary_goal", "f", "that could be facts or fewer_hallucinations"),
        ("citations_required", "perhaps", "answer yes or no"),
        ("labeled_examples", "many", "expected a number, such as 500 or 10,000"),
        ("labeled_examples", "nan", "expected a number, such as 500 or 10,000"),
        ("labeled_examples", "1e999", "expected a number, such as 500 or 10,000"),
        ("labeled_examples", "0,5", "expected a number, such as 500 or 10,000"),
        ("labeled_examples", "1.5", "expected a whole number, got 1.5"),
        ("requests_per_day", "-1", "expected a number >= 0.0"),
        ("requests_per_day", "1e13", "expected a number <= 1000000000000.0"),
    ],
)
def test_a_bad_answer_is_told_what_is_allowed(name: str, text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        read_answer(field(name), text)
    assert str(refused.value) == said
