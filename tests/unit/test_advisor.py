"""A recommendation is the same bytes on either path, and each of its parts says what the policy says."""

import doctest
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import trivium
from trivium import Advisor, Explain, Profile, Recommendation
from trivium.advisor import _take_apart, encode
from trivium.economics import Costs
from trivium.policy import Lifecycle, Registry, ServedPolicy, load_directory, load_policy
from trivium.profile import COUNTS, FIELDS, VOCABULARY, make_profile
from trivium.recommendation import Range


FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
POLICY = load_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
ADVISOR = Advisor(ServedPolicy(POLICY, Lifecycle()))
SLOW = reference.shipped("1.0.0")
SERVED = {
    version: Advisor(one) for version, one in Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version.items()
}
CODES = {(name, rule["id"]): rule.get("because", []) for name, rules in SLOW.tables.items() for rule in rules}


money = st.integers(0, 5000).map(float)
some_costs = st.builds(
    Costs,
    model=st.sampled_from([None, "gpt-4o", "nobody-knows"]),
    variable_input_tokens=st.none() | money,
    output_tokens=st.none() | money,
    input_price=st.none() | st.sampled_from([0.15, 2.5]),
    output_price=st.none() | st.sampled_from([0.6, 10.0]),
    price_multiplier=st.none() | st.sampled_from([0.5, 1.5]),
    training_price=st.none() | money,
    engineering=st.none() | money,
)


def values(name: str) -> st.SearchStrategy[Any]:
    if name == "costs":
        return some_costs
    field = VOCABULARY[name]
    if field.kind == "choice":
        return st.sampled_from(field.choices)
    if field.kind == "flag":
        return st.booleans()
    cuts = [float(cut) for cut in SLOW.inputs[name]["cuts"].values()] if name in SLOW.inputs else [0.0]
    near = st.sampled_from([*cuts, *(cut - 1 for cut in cuts if cut)]) | st.integers(0, 20_000).map(float)
    return near if name in COUNTS else near | st.floats(0, 1e12)


own_ids = st.none() | st.text(st.characters(codec="utf-8"), max_size=200)
complete = st.builds(Profile, **{name: values(name) for name in FIELDS[1:]})
nothing_but_inputs = st.builds(Profile, **{name: st.none() | values(name) for name in SLOW.inputs})
anything = st.builds(Profile, id=own_ids, **{name: st.none() | values(name) for name in FIELDS[1:]})
profiles = anything | complete | nothing_but_inputs
nearly_complete = st.builds(  # so that all completions can be tried
    lambda profile, unknown: msgspec.structs.replace(profile, **dict.fromkeys(unknown)),
    complete,
    st.lists(st.sampled_from(FIELDS[1:]), max_size=5),
)
explained = st.sampled_from(get_args(Explain))


def stated(profile: Profile) -> dict[str, Any]:
    fields = msgspec.structs.asdict(profile)
    return {name: value for name, value in fields.items() if value is not None and name != "id"}


def reachable(profile: Profile) -> list[str]:
    """Return the strategies of all completions."""
    given = stated(profile)
    cell, known = SLOW.read(given), [name in given for name in SLOW.inputs]
    return [SLOW.strategies[answer] for answer in sorted(set(map(SLOW.answer, SLOW.completions(cell, known))))]


@pytest.mark.parametrize("version", SERVED)
@given(profiles, explained)
def test_the_fast_answer_is_the_slow_one_encoded(version: str, profile: Profile, explain: Explain) -> None:
    advisor = SERVED[version]
    (body, advice), made = advisor.answer(profile, explain), advisor.recommend(profile, explain)
    assert body == encode(made)
    assert advisor.answer(profile, explain) == (body, advice)  # now surely from the cache
    assert advice.decision_id == made.decision_id
    assert (advice.outcome.strategy, advice.outcome.status) == (made.strategy, made.status)
    assert json.loads(body)["id"] == profile.id
    assert list(advice.given) == [f"/{name}" for name in FIELDS if getattr(profile, name) is not None]


@given(profiles)
def test_strategy_summary_and_rationale_are_those_of_the_rules_that_fired(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    state, rows = SLOW.state(SLOW.read(stated(profile)))
    fired = [
        (name, SLOW.tables[name][row]["id"]) for name, row in zip(SLOW.tables, rows, strict=True) if row is not None
    ]
    codes = [(f"{table}/{rule}", code) for table, rule in fired for code in CODES[table, rule]]
    assert made.strategy == state["strategy"]
    assert [(reason.rule, reason.code) for reason in made.rationale] == codes
    assert list(ADVISOR.answer(profile)[1].outcome.codes) == list(dict.fromkeys(code for _, code in codes))
    said = next(one for one in SLOW.written["summary"] if reference.holds(one.get("when"), state))
    assert made.summary == said["text"]
    for name, lever in made.levers.items():
        assert lever.codes == [code for _, code in codes if SLOW.written["codes"][code]["lever"] == name]


@given(profiles)
def test_each_reason_shows_values_given_bands_read_and_thresholds_that_hold(profile: Profile) -> None:
    given = stated(profile)
    state, _ = SLOW.state(SLOW.read(given))
    for reason in ADVISOR.recommend(profile).rationale:
        assert reason.inputs
        for behind in reason.inputs:
            assert behind.value == given.get(behind.input)
            assert behind.band == state[behind.input]
            if behind.threshold is not None and behind.value is not None:
                assert within(float(behind.value), behind.threshold)


@given(profiles)
def test_explain_only_shortens_the_rationale(profile: Profile) -> None:
    full, codes, none = (
        msgspec.to_builtins(ADVISOR.recommend(profile, explain)) for explain in ("full", "codes", "none")
    )
    kept = ("code", "lever", "effect", "rule")
    assert codes["rationale"] == [{key: reason[key] for key in kept} for reason in full["rationale"]]
    assert none["rationale"] == []
    assert full | {"rationale": []} == codes | {"rationale": []} == none


@given(nearly_complete)
def test_settled_means_that_no_completion_leads_elsewhere(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    assert made.reachable == reachable(profile)
    assert made.strategy in made.reachable
    assert (made.status == "settled") == (len(made.reachable) == 1)
    assert bool(made.open_questions) == (made.status == "provisional")
    assert all(set(asked.could_lead_to) <= set(made.reachable) for asked in made.open_questions)
    assert all(len(asked.could_lead_to) > 1 for asked in made.open_questions)


@given(profiles)
def test_an_answer_that_rests_on_an_assumption_starts_with_checking_it(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    checks = [step for step in made.steps if step.lever is None]
    if made.status == "settled":
        assert checks == []
    else:
        asked = made.open_questions[0].input
        assert made.steps[:1] == checks
        assert checks[0].action == SLOW.inputs[asked]["check"]["action"]
        assert asked not in stated(profile)


@given(profiles)
def test_assumptions_are_exactly_the_unknown_inputs_and_ignored_are_exactly_the_unread_fields(profile: Profile) -> None:
    made, given = ADVISOR.recommend(profile), stated(profile)
    assert [(one.input, one.band) for one in made.assumptions] == [
        (name, spec["when_unknown"]) for name, spec in SLOW.inputs.items() if name not in given
    ]
    assert made.ignored_inputs == [name for name in given if name not in SLOW.inputs]


@given(profiles)
def test_steps_and_events_are_those_whose_conditions_hold(profile: Profile) -> None:
    made, given = ADVISOR.recommend(profile), stated(profile)
    state, _ = SLOW.state(SLOW.read(given))
    phases = ["now", "next", "later"]
    holding = [step for step in SLOW.written["steps"] if reference.holds(step.get("when"), state)]
    holding.sort(key=lambda step: phases.index(step["phase"]))
    assert [(step.phase, step.action) for step in made.steps if step.lever] == [
        (one["phase"], one["action"]) for one in holding
    ]
    assert [step.phase for step in made.steps] == sorted((step.phase for step in made.steps), key=phases.index)
    assert made.recheck_when == [
        one["event"] for one in SLOW.written["recheck"] if reference.holds(one.get("when"), state)
    ]
    assert [warning.code for warning in made.warnings] == [
        one["code"]
        for one in SLOW.written["warnings"]
        if one["when"].keys() <= given.keys() and reference.holds(one["when"], state)
    ]


@given(profiles)
def test_making_the_changes_of_a_flip_leads_to_its_strategy(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    assert made.margin == min((len(flip.changes) for flip in made.flips), default=None)
    for flip in made.flips:
        assert flip.strategy != made.strategy
        changes = {change.input: lowest(change.to) for change in flip.changes}
        assert all(SLOW.inputs[name]["changed_by"] != "fixed" for name in changes)
        assert (flip.by == "action") == all(SLOW.inputs[name]["changed_by"] == "action" for name in changes)
        # Applied to what was read: an unknown input that the flip leaves alone stays as it was assumed.
        assert ADVISOR.recommend(make_profile(stated(profile) | changes)).strategy == flip.strategy


@given(profiles)
def test_a_change_starts_from_what_was_given_or_assumed(profile: Profile) -> None:
    given = stated(profile)
    for flip in ADVISOR.recommend(profile).flips:
        for change in flip.changes:
            assert change.known == (change.input in given)
            if change.known:
                assert change.from_ == given[change.input]
            elif SLOW.inputs[change.input]["when_unknown"] == "unmeasured":
                assert change.from_ is None
            else:
                assert SLOW.read({change.input: lowest(change.from_)}) == SLOW.read({})
            if isinstance(change.to, Range) and change.known:
                assert not within(float(given[change.input]), change.to)


def lowest(value: Any) -> Any:
    """Return a value to state: of a range, its lower end."""
    return (value.at_least or 0) if isinstance(value, Range) else value


def within(value: float, limits: Range) -> bool:
    return (limits.at_least is None or value >= limits.at_least) and (limits.below is None or value < limits.below)


# Lifecycle and policies


@given(profiles, explained)
def test_a_deprecated_policy_answers_the_same_with_a_warning(profile: Profile, explain: Explain) -> None:
    lifecycle = msgspec.convert({"status": "deprecated", "sunset": "2027-01-31", "successor": "2.0.0"}, Lifecycle)
    old = Advisor(ServedPolicy(POLICY, lifecycle))
    made, before = old.recommend(profile, explain), ADVISOR.recommend(profile, explain)
    assert made.policy.status == "deprecated"
    assert made.warnings[0].code == "POLICY_DEPRECATED"
    assert all(part in made.warnings[0].message for part in ("1.0.0", "2027-01-31", "2.0.0"))
    assert msgspec.structs.replace(made, policy=before.policy, warnings=made.warnings[1:]) == before
    assert old.answer(profile, explain)[0] == encode(made)


def test_a_recommendation_can_be_read_back_from_its_json() -> None:
    made = ADVISOR.recommend(Profile(labeled_examples=700, id="%d %(id)s \0"))
    assert (
        msgspec.json.decode(ADVISOR.answer(Profile(labeled_examples=700, id="%d %(id)s \0"))[0], type=Recommendation)
        == made
    )


def test_texts_of_a_policy_are_shown_as_they_stand(tmp_path: Path) -> None:
    odd = '100 %% sure: %(id)s, \\"{},{}\\", \\\\0id\\\\0 and ü'
    text = FILE.read_text(encoding="utf-8").replace("Keep working on the prompt: nothing", f"{odd} nothing")
    assert odd in text
    advisor = Advisor(ServedPolicy(load_policy(text, str(tmp_path), VOCABULARY), Lifecycle()))
    assert advisor.answer(Profile())[0] == encode(advisor.recommend(Profile()))
    assert advisor.recommend(Profile()).summary.startswith('100 %% sure: %(id)s, "{},{}", \\0id\\0 and ü')


def test_answers_share_their_pieces() -> None:
    one, other = (_take_apart(ADVISOR.answer(Profile(knowledge_need=need))[0])[0] for need in (None, "none"))
    same = {id(piece) for piece in one} & {id(piece) for piece in other}
    assert same == {id(piece) for piece in one if piece in other}
    assert 1 < len(same) < len(one)


def test_decisions_alike_have_one_outcome() -> None:
    one, other, unlike = (
        ADVISOR.answer(Profile(requests_per_day=requests))[1].outcome for requests in (500_000, 600_000, 10)
    )
    assert one is other
    assert one is not unlike


@pytest.mark.parametrize("version", SERVED)
def test_a_number_that_no_profile_may_state_is_answered_by_neither_way(version: str) -> None:
    wrong = Profile(labeled_examples=-1)  # made by hand, so unchecked
    for advise in (SERVED[version].answer, SERVED[version].recommend, SERVED[version].answer):
        with pytest.raises(KeyError):
            advise(wrong)


# The package's front door


def test_the_example_in_the_package_works() -> None:
    assert doctest.testmod(trivium) == doctest.TestResults(failed=0, attempted=2)


@given(profiles, explained)
def test_the_front_door_recommends_by_the_version_asked_for(profile: Profile, explain: Explain) -> None:
    made = trivium.recommend(profile, policy="1.0.0", explain=explain)
    assert made == ADVISOR.recommend(profile, explain)
    assert trivium.recommend(stated(profile) | {"id": profile.id}, policy="1.0.0", explain=explain) == made


def test_the_front_door_refuses_what_does_not_exist() -> None:
    with pytest.raises(trivium.UnknownPolicyError):
        trivium.recommend({}, policy="0.1")
    with pytest.raises(trivium.InvalidInputError):
        trivium.recommend({"labelled_examples": 3})
