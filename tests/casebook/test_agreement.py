"""The policies agree with published cases, and where they do not, the reason is written down and real."""

import re
from collections import Counter
from pathlib import Path

import pytest

from casebook import (
    EXPLAINED,
    GIVEN,
    HARD,
    Case,
    Difference,
    Practice,
    advisers,
    agreement,
    baselines,
    cases,
    differences,
    fired,
    mcnemar,
    policies,
    practices,
    report,
    wilson,
)
from trivium.advisor import Advisor
from trivium.policy import Document, Lifecycle, ServedPolicy, unknowns
from trivium.profile import make_profile


PAGE = Path(__file__).resolve().parents[2] / "docs" / "casebook.md"
BOOK = cases()
BY_ID = {case.id: case for case in BOOK}
ADVISERS = advisers()
POLICIES = policies()
POLICY = POLICIES[EXPLAINED]


def nothing(_: Case) -> list[str]:
    return []


def test_the_casebook_is_whole() -> None:
    assert len(BY_ID) == len(BOOK) == 69
    for case in BOOK:
        make_profile(case.profile)
        assert {*case.assumed} <= case.profile.keys()
        assert {case.outcome, *case.also_defensible} <= {*POLICY.strategies}
        assert case.outcome not in case.also_defensible
        assert case.address.startswith("https://")


def test_it_agrees_no_less_than_the_policy_before_and_in_94_of_100_cases() -> None:
    found, before = (agreement(ADVISERS[version], BOOK, nothing) for version in (EXPLAINED, "2.0.0"))
    assert found.strict >= before.strict
    assert found.defensible > before.defensible
    assert found.defensible / found.cases >= 0.94
    assert found.strict / found.cases >= 0.75


def test_it_beats_the_rule_of_four_fields_above_all_on_hard_cases() -> None:
    hard = [case for case in BOOK if HARD in case.tags]
    assert len(hard) == 23
    for some in (hard, BOOK):
        simple, ours = (agreement(ADVISERS[name], some, nothing) for name in ("four fields", EXPLAINED))
        assert ours.strict > simple.strict
        assert ours.defensible > simple.defensible


def test_the_rule_of_four_fields_is_a_fair_rival() -> None:
    simple = agreement(ADVISERS["four fields"], BOOK, nothing)
    assert (simple.strict, simple.defensible) == (44, 61)
    others = [agreement(adviser, BOOK, nothing) for name, adviser in baselines().items() if name != "four fields"]
    assert len(others) == len(POLICY.strategies)
    assert all(simple.strict > other.strict and simple.defensible > other.defensible for other in others)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(37, 47, 0.651, 0.880), (45, 47, 0.858, 0.988), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1)],
)
def test_the_interval_is_wilson_s(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=0.001)


@pytest.mark.parametrize(
    ("one", "other", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (0, 6, 0.03125), (13, 5, 0.09625), (5, 13, 0.09625)]
)
def test_the_paired_test_is_mcnemar_s_exact_one(one: int, other: int, p: float) -> None:
    assert mcnemar(one, other) == pytest.approx(p, abs=0.0001)


@pytest.mark.parametrize("one", practices(), ids=lambda one: one.name)
def test_a_practitioner_agrees_or_the_reason_is_real(one: Practice) -> None:
    make_profile(one.profile)
    assert {*one.assumed} <= one.profile.keys()
    answer = ADVISERS[EXPLAINED](one.profile)
    assert bool(one.differs) == bool(one.agrees_if) == (answer not in one.expert)
    assert ADVISERS[EXPLAINED](one.profile | one.agrees_if) in one.expert


@pytest.mark.parametrize("one", practices(), ids=lambda one: one.name)
def test_no_profile_is_first_asked_what_makes_no_sense_for_it(one: Practice) -> None:
    stated = Advisor(ServedPolicy(POLICY, Lifecycle())).stated(make_profile(one.profile))
    cell, known = POLICY.read_profile(stated)
    for asked in unknowns(POLICY, cell, known).questions[:1]:
        sensible = POLICY.inputs[asked.position].asked_when
        assert all(not known[at] or cell[at] in bands for at, bands in sensible)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (
            "insurance mail triage",
            "payback_months",
        ),  # where the prompted model is good enough, an offer decides nothing
        ("voice booking agent", "model_size"),
        ("PII redaction on premises", "requirements_change"),  # whose weights are at hand
    ],
)
def test_what_decides_is_asked_before_offers_and_rights(name: str, field: str) -> None:
    (one,) = [practice for practice in practices() if practice.name == name]
    cell, known = POLICY.read_profile(Advisor(ServedPolicy(POLICY, Lifecycle())).stated(make_profile(one.profile)))
    assert POLICY.inputs[unknowns(POLICY, cell, known).questions[0].position].name == field


def test_missing_facts_are_asked_about_before_access_rights_where_the_model_falls_short() -> None:
    (one,) = [practice for practice in practices() if practice.name == "in-house trading DSL"]
    open_ones = unknowns(POLICY, *POLICY.read_profile(one.profile)).questions
    names = [POLICY.inputs[asked.position].name for asked in open_ones]
    assert names.index("shortfall_with_knowledge") < names.index("restricted_knowledge")


def test_the_listed_differences_are_the_real_ones() -> None:
    answers = {case.id: ADVISERS[EXPLAINED](case.known()) for case in BOOK}
    real = {(name, answer) for name, answer in answers.items() if answer != BY_ID[name].outcome}
    listed = [(one.case, one.answer) for one in differences()]
    assert sorted(listed) == sorted(real)


@pytest.mark.parametrize("one", differences(), ids=lambda one: one.case)
def test_the_reason_for_a_difference_is_real(one: Difference) -> None:
    case = BY_ID[one.case]
    assert one.rule in fired(POLICY, case)
    assert {*one.sources} <= POLICY.document.sources.keys()
    assert ADVISERS[EXPLAINED](case.known() | one.agrees_if) == case.outcome
    for name in one.agrees_if:  # all of it is needed
        some = {other: value for other, value in one.agrees_if.items() if other != name}
        assert ADVISERS[EXPLAINED](case.known() | some) != case.outcome


def test_every_code_cites_a_source_and_every_departure_from_the_framework_published_evidence() -> None:
    framework, refined = (POLICIES[version].document for version in ("1.0.0", EXPLAINED))
    assert all(code.source for code in refined.codes.values())
    departures = refined.codes.keys() - framework.codes.keys()
    assert departures
    assert [name for name in departures if not published(refined, name)] == []


def published(document: Document, code: str) -> list[str]:
    """Return the sources of a code that are not claims of the framework."""
    return [source for source in document.codes[code].source if not re.fullmatch("[A-F][1-6]", source)]


def test_no_rule_rests_on_one_case() -> None:
    """A rule that one case alone reaches has a source that is not this case."""
    reached = Counter(rule for case in BOOK for rule in fired(POLICY, case))
    because = {f"{table.name}/{rule.id}": rule.because for table in POLICY.tables for rule in table.rules}
    for case in BOOK:
        for rule in fired(POLICY, case):
            if reached[rule] == 1:
                sources = {source for code in because[rule] for source in POLICY.document.codes[code].source}
                addresses = {POLICY.document.sources[source].url or source for source in sources}
                assert addresses - {case.address.split(" ")[0]}, (case.id, rule)


def test_what_a_case_leaves_out_is_given_only_where_it_leaves_it_out() -> None:
    case = BY_ID["lima-2023"]
    assert case.known() == GIVEN | case.profile
    assert "labeled_examples" not in case.known(["labeled_examples"])


def test_the_page_shows_what_is_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for part in report().split("\n\n"):
        assert part in page, "run: make casebook, and paste what it prints"
