"""Each part of a recommendation says what the policy says, and nothing that the profile did not state."""

import doctest
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import trivium
from costs import COSTS
from trivium import Advisor, Profile
from trivium.economics import Costs
from trivium.policy import Lifecycle, ServedPolicy, load_policy
from trivium.policy.engine.bands import NumberRange
from trivium.policy.language.texts import phrase
from trivium.profile import COUNTS, FIELDS, READ_AS, VOCABULARY, make_profile
from trivium.recommendation import Recommendation
from trivium.wording import EFFECTS


FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
POLICY = load_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
ADVISOR = Advisor(ServedPolicy(POLICY, Lifecycle()))
SLOW = reference.shipped("1.0.0")
PHRASES = {(field.name, band): phrase(field.spec, band) for field in POLICY.inputs for band in field.bands}
ASSUMED = " (assumed)"


class NAType:
    """As what pandas has for a missing value: it compares as neither true nor false."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class Scalar:
    """As a scalar of NumPy: it holds a plain value, and is none."""

    dtype = "any"
    ndim = 0

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value


class Array(Scalar):
    """As an array of NumPy."""

    ndim = 1


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


def stated(profile: Profile) -> dict[str, Any]:
    fields = msgspec.structs.asdict(profile)
    return {name: value for name, value in fields.items() if value is not None and name != "id"}


def reachable(profile: Profile) -> list[str]:
    """Return the strategies of all completions."""
    given = stated(profile)
    cell, known = SLOW.read(given), [name in given for name in SLOW.inputs]
    found = {SLOW.state(one)[0]["strategy"] for one in SLOW.completions(cell, known)}
    return [strategy for strategy in SLOW.strategies if strategy in found]


# What decides


@given(nearly_complete)
def test_settled_means_that_no_completion_leads_elsewhere(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    assert made.reachable == reachable(profile)
    assert made.strategy in made.reachable
    assert (made.status == "settled") == (len(made.reachable) == 1)
    assert bool(made.questions) == (made.status == "provisional")
    assert (made.status == "settled") == all(one.basis == "stated" for one in made.because)


@given(profiles)
def test_because_says_what_each_input_is_and_whether_it_was_stated(profile: Profile) -> None:
    given = stated(profile)
    state, _ = SLOW.state(SLOW.read(given))
    made = ADVISOR.recommend(profile)
    assert [one.basis for one in made.because] == sorted((one.basis for one in made.because), reverse=True)
    for one in made.because:
        assert one.basis == ("stated" if one.input in given else "assumed")
        assert one.says == PHRASES[one.input, str(state[one.input])]
        if one.basis == "stated":
            assert one.value == READ_AS.get(one.input, {}).get(given[one.input], given[one.input])


@given(profiles, st.randoms())
def test_what_because_names_settles_the_strategy_whatever_the_rest_is(profile: Profile, random: Any) -> None:
    made = ADVISOR.recommend(profile)
    state, _ = SLOW.state(SLOW.read(stated(profile)))
    held = {one.input for one in made.because}
    for _ in range(20):
        cell = [
            SLOW.bands[at].index(state[name]) if name in held else random.randrange(len(SLOW.bands[at]))
            for at, name in enumerate(SLOW.inputs)
        ]
        assert SLOW.state(tuple(cell))[0]["strategy"] == made.strategy


@given(profiles)
def test_decisive_reasons_come_first_and_rest_on_what_because_names(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    named = {one.input for one in made.because}
    assert [one.decisive for one in made.rationale] == sorted((one.decisive for one in made.rationale), reverse=True)
    for reason in made.rationale:
        assert reason.decisive == bool(named & reason.inputs.keys())
        assert reason.basis == ("assumed" if "assumed" in reason.inputs.values() else "stated")


@given(profiles)
def test_what_is_always_adopted_has_the_last_word_among_reasons_alike(profile: Profile) -> None:
    made, levers = ADVISOR.recommend(profile), ADVISOR.policy.document.levers
    places = [
        (not one.decisive, EFFECTS.index(one.effect), levers[one.lever].table is None, one.basis == "assumed")
        for one in made.rationale
    ]
    assert places == sorted(places)


@given(profiles)
def test_reasons_are_those_of_the_rules_that_hold_up_to_one_that_says_something_else(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    state, rows = SLOW.state(SLOW.read(stated(profile)))
    expected: dict[str, str] = {}
    for (table, rules), row in zip(SLOW.tables.items(), rows, strict=True):
        assert row is not None
        told: list[Any] = []
        for rule in rules[row:]:
            when = rule.get("when", {})
            if not reference.holds(when, state):
                continue
            if rule["then"] != rules[row]["then"]:
                break
            if told and any(
                all(name in one and labels(one[name]) <= labels(when[name]) for name in when) for one in told
            ):
                continue  # it only says more generally what is told already
            told.append(when)
            for code in rule.get("because", []):
                expected.setdefault(code, f"{table}/{rule['id']}")
    assert {reason.code: reason.rule for reason in made.rationale} == expected


def labels(wanted: str | list[str]) -> set[str]:
    return {wanted} if isinstance(wanted, str) else set(wanted)


@given(profiles)
def test_a_reason_names_only_inputs_of_its_rules_condition(profile: Profile) -> None:
    given = stated(profile)
    for reason in ADVISOR.recommend(profile).rationale:
        table, _, rule_id = (reason.rule or "").partition("/")
        rule = next(rule for rule in SLOW.tables[table] if rule["id"] == rule_id)
        named = set(rule.get("when", {}))
        if named and named <= SLOW.inputs.keys():
            assert reason.inputs.keys() == named
        assert reason.inputs == {name: "stated" if name in given else "assumed" for name in reason.inputs}


# What is assumed


@given(profiles)
def test_no_text_states_what_the_profile_does_not_state(profile: Profile) -> None:
    """Wherever the phrase of a band that is only assumed is told as a fact, it is marked."""
    made, given = ADVISOR.recommend(profile), stated(profile)
    told = [
        *(reason.message for reason in made.rationale),
        *(text for lever in made.levers.values() for text in (lever.why_not,) if text),
        made.summary.partition("This assumes ")[0],
    ]
    for one in made.assumptions:
        if one.band == "unmeasured":
            continue
        for text in told:
            for found in re.finditer(re.escape(one.says), text, re.IGNORECASE):
                assert text[found.end() :].startswith(ASSUMED), text
    assert [(one.input, one.band) for one in made.assumptions] == [
        (name, spec["when_unknown"]) for name, spec in SLOW.inputs.items() if name not in given
    ]


@given(profiles)
def test_a_provisional_summary_names_decisive_assumptions(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    assumed = [one for one in made.because if one.basis == "assumed"]
    named = [one for one in assumed if one.says.lower() in made.summary.lower()]
    assert len(named) >= min(len(assumed), 3)
    if made.status == "settled":
        assert "assume" not in made.summary.partition(ASSUMED)[0].partition("This ")[2]


@given(profiles)
def test_an_answer_that_rests_on_an_assumption_starts_with_checking_it(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    checks = [step for step in made.steps if step.lever is None]
    if made.status == "settled":
        assert checks == []
    else:
        asked = made.questions[0].input
        assert made.steps[:1] == checks
        assert checks[0].action == SLOW.inputs[asked]["check"]["action"]
        assert asked not in stated(profile)


@given(profiles)
def test_ignored_are_exactly_the_unread_fields(profile: Profile) -> None:
    given = stated(profile)
    assert ADVISOR.recommend(profile).ignored_inputs == [name for name in given if name not in SLOW.inputs]


def test_an_empty_profile_is_told_that_nothing_is_known() -> None:
    assert trivium.recommend({}).summary.startswith("Nothing is known about this use case yet.")
    assert "Nothing is known" not in trivium.recommend({"citations_required": False}).summary


# Levers, steps and events


@given(profiles)
def test_each_lever_that_is_not_adopted_says_why_and_what_opens_it(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    for name, lever in made.levers.items():
        assert lever.codes == [reason.code for reason in made.rationale if reason.lever == name]
        if lever.verdict == "adopt":
            assert lever.why_not is lever.opens is None
        else:
            assert lever.why_not
            assert lever.opens
            assert "\n" not in lever.why_not


@given(profiles)
def test_steps_and_events_are_those_whose_conditions_hold(profile: Profile) -> None:
    made, given = ADVISOR.recommend(profile), stated(profile)
    state, _ = SLOW.state(SLOW.read(given))
    phases = ["now", "next", "later"]
    holding = [step for step in SLOW.written["steps"] if reference.holds(step.get("when"), state)]
    holding.sort(key=lambda step: phases.index(step["phase"]))
    assert [(step.phase, step.lever) for step in made.steps if step.lever] == [
        (one["phase"], one["lever"]) for one in holding
    ]
    assert [step.phase for step in made.steps] == sorted((step.phase for step in made.steps), key=phases.index)
    assert len(made.recheck_when) == sum(reference.holds(one.get("when"), state) for one in SLOW.written["recheck"])
    assert [warning.code for warning in made.warnings] == [
        one["code"]
        for one in SLOW.written["warnings"]
        if one["when"].keys() <= given.keys() and reference.holds(one["when"], state)
    ]


# Questions


@given(nearly_complete)
@settings(max_examples=50)
def test_an_answer_says_what_is_still_reachable_with_it(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    for asked in made.questions:
        assert all(answer.settles == (len(answer.reachable) == 1) for answer in asked.answers)
        for answer in asked.answers:
            answered = make_profile(stated(profile) | {asked.input: lowest(answer.value)})
            assert answer.reachable == reachable(answered)


def lowest(value: Any) -> Any:
    """Return a value to state: of a range, its lower end."""
    return (value.at_least or 0) if isinstance(value, NumberRange) else value


def test_every_answer_of_a_question_has_its_phrase() -> None:
    for asked in trivium.recommend({}, policy="1").questions:
        field = POLICY.inputs[POLICY.positions[asked.input]]
        assert [answer.says for answer in asked.answers] == [
            PHRASES[field.name, field.bands[at]] for at in field.stated
        ]


# Paths and risks


@given(profiles)
def test_making_the_changes_of_a_flip_leads_to_its_strategy(profile: Profile) -> None:
    made = ADVISOR.recommend(profile)
    flips = [*made.paths, *made.risks]
    assert made.margin == min((len(flip.changes) for flip in flips), default=None)
    assert all(flip.why == "action" for flip in made.paths)
    assert all(flip.why != "action" for flip in made.risks)
    for flip in flips:
        assert flip.strategy != made.strategy
        changes = {change.input: lowest(change.to) for change in flip.changes}
        # Applied to what was read: an unknown input that the flip leaves alone stays as it was assumed.
        assert ADVISOR.recommend(make_profile(stated(profile) | changes)).strategy == flip.strategy


# Lifecycle and identity


@given(profiles)
def test_a_deprecated_policy_answers_the_same_with_a_warning(profile: Profile) -> None:
    lifecycle = msgspec.convert({"status": "deprecated", "sunset": "2027-01-31", "successor": "2.0.0"}, Lifecycle)
    made, before = Advisor(ServedPolicy(POLICY, lifecycle)).recommend(profile), ADVISOR.recommend(profile)
    assert made.policy.status == "deprecated"
    assert made.warnings[0].code == "POLICY_DEPRECATED"
    assert all(part in made.warnings[0].message for part in ("1.0.0", "2027-01-31", "2.0.0"))
    assert msgspec.structs.replace(made, policy=before.policy, warnings=made.warnings[1:]) == before


def test_a_number_that_no_profile_may_state_is_refused() -> None:
    with pytest.raises(KeyError):
        ADVISOR.recommend(Profile(labeled_examples=-1))  # made by hand, so unchecked


# Money


def test_money_is_in_the_summary_and_in_the_reason_that_rests_on_it() -> None:
    made = trivium.recommend(
        {"requests_per_day": 20_000, "prompt_tokens": 2000, "labeled_examples": 800, "costs": COSTS}
    )
    assert "training pays back in 3.7 months and breaks even at 6,238 requests a day" in made.summary
    (reason,) = [one for one in made.rationale if one.code == "PAYS_BACK"]
    assert reason.message.startswith("Training pays back in 3.7 months")
    (payback,) = [one for one in made.because if one.input == "payback_months"]
    assert all(f"`{name}`" in payback.says for name in ("costs", "requests_per_day", "prompt_tokens"))


def test_a_payback_in_centuries_is_the_first_thing_that_is_said() -> None:
    profile = {
        "requests_per_day": 3,
        "domain_specialization": "specialized",
        "base_model_underperforms": True,
        "labeled_examples": 800,
        "prompt_tokens": 1000,
        "costs": COSTS | {"engineering": 90_000},
    }
    made = trivium.recommend(profile)
    assert made.strategy == "fine_tuning"
    first = re.split(r"(?<=[a-z])\.", made.summary)[0]
    assert re.search(r"training takes [\d,]+ months to pay back, longer than the model lasts", first)


def test_a_model_that_nobody_knows_is_a_warning_with_the_nearest_names() -> None:
    made = trivium.recommend({"costs": {"model": "gpt4o-mini"}})
    (caution,) = [one for one in made.warnings if one.code == "UNKNOWN_MODEL"]
    assert "`gpt4o-mini`" in caution.message
    assert "did you mean `gpt-4o-mini`" in caution.message
    assert not trivium.recommend({"costs": {"model": "gpt-4o-mini"}}).warnings


# The package's front door


def test_the_example_in_the_package_works() -> None:
    assert doctest.testmod(trivium) == doctest.TestResults(failed=0, attempted=2)


@given(profiles)
def test_the_front_door_recommends_by_the_version_asked_for(profile: Profile) -> None:
    made = trivium.recommend(profile, policy="1.0.0")
    assert made == ADVISOR.recommend(profile)
    assert trivium.recommend(stated(profile) | {"id": profile.id}, policy="1.0.0") == made


def test_the_front_door_refuses_what_does_not_exist() -> None:
    with pytest.raises(trivium.UnknownPolicyError):
        trivium.recommend({}, policy="0.1")
    with pytest.raises(trivium.InvalidInputError):
        trivium.recommend({"labelled_examples": 3})


def test_a_recommendation_shows_itself_in_one_line() -> None:
    made = trivium.recommend({"knowledge_need": "changing_facts"})
    assert repr(made).startswith("<Recommendation rag, provisional, because of knowledge_need (stated)")
    assert isinstance(made, Recommendation)


# From the data tools of Python


@pytest.mark.parametrize("unknown", [None, math.nan, Scalar(math.nan), NAType()])
def test_whatever_stands_for_not_known_is_unknown(unknown: Any) -> None:
    assert trivium.recommend({"requests_per_day": unknown, "costs": {"engineering": unknown}}) == trivium.recommend(
        {"costs": {}}
    )


def test_scalars_of_numpy_count_as_what_they_hold() -> None:
    scalars = {
        "requests_per_day": Scalar(20_000.0),
        "labeled_examples": Scalar(800),
        "can_label_more": Scalar(False),
        "knowledge_need": Scalar("none"),
    }
    plain = {"requests_per_day": 20_000, "labeled_examples": 800, "can_label_more": False, "knowledge_need": "none"}
    assert trivium.recommend(scalars) == trivium.recommend(plain)


def test_an_array_is_no_scalar() -> None:
    with pytest.raises(trivium.InvalidInputError):
        trivium.recommend({"labeled_examples": Array(1)})


def test_a_policy_of_your_own_recommends(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(FILE.read_text("utf-8").replace("policy: adaptation", "policy: own"), "utf-8")
    own = trivium.load(tmp_path / "own.yaml")
    assert own.recommend({"knowledge_need": "changing_facts"}).policy.name == "own"
    assert repr(own) == "<Recommender by own 1.0.0>"
    (tmp_path / "own.yaml").write_text("policy: own", "utf-8")
    with pytest.raises(trivium.PolicyError):
        trivium.load(tmp_path / "own.yaml")
