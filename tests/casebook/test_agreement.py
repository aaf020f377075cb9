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
    advisers,
    agreement,
    cases,
    differences,
    fired,
    policies,
    report,
)
from trivium.policy import Document
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
    assert len(BY_ID) == len(BOOK) == 47
    for case in BOOK:
        make_profile(case.profile)
        assert {*case.assumed} <= case.profile.keys()
        assert {case.outcome, *case.also_defensible} <= {*POLICY.strategies}
        assert case.outcome not in case.also_defensible
        assert case.address.startswith("https://")


def test_it_agrees_in_95_of_100_cases_and_strictly_in_78() -> None:
    found = agreement(ADVISERS[EXPLAINED], BOOK, nothing)
    assert found.defensible / found.cases >= 0.95
    assert found.strict / found.cases >= 0.78


def test_it_beats_the_rule_of_four_fields_above_all_on_hard_cases() -> None:
    hard = [case for case in BOOK if HARD in case.tags]
    assert len(hard) == 15
    for some in (hard, BOOK):
        simple, ours = (agreement(ADVISERS[name], some, nothing) for name in ("four fields", EXPLAINED))
        assert ours.strict > simple.strict
        assert ours.defensible > simple.defensible


def test_the_rule_of_four_fields_is_a_fair_rival() -> None:
    simple = agreement(ADVISERS["four fields"], BOOK, nothing)
    assert (simple.strict, simple.defensible) == (30, 42)


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
