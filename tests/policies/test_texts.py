"""Texts of the shipped policies state what is so through phrases only, so that whatever is assumed can be marked."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest

import trivium
from trivium.explanation import ASSUMED
from trivium.policy import Policy, PolicyError, Problem, load_policy
from trivium.policy.language import texts
from trivium.policy.language.document import UNMEASURED, Input
from trivium.policy.language.texts import Slot, Text, UnknownPlaceholderError, compile_text, fill, phrase
from trivium.profile import VOCABULARY


VERSIONS = ("1.0.0", "2.0.0", "3.0.0")


@cache
def policy(version: str) -> Policy:
    return load_policy(source(version), f"adaptation-{version}.yaml", VOCABULARY)


@cache
def source(version: str) -> str:
    return (trivium.POLICIES / f"adaptation-{version}.yaml").read_text(encoding="utf-8")


class Told(NamedTuple):
    """A text of a policy, and the inputs that the rules or the condition behind it name."""

    where: str
    text: Text
    named: frozenset[str]


def told(version: str) -> Iterator[Told]:
    """Yield every code, summary and step."""
    document = policy(version).document
    named: dict[str, set[str]] = {}
    for table in document.tables.values():
        for rule in table.rules:
            for code in rule.because:
                named.setdefault(code, set()).update(rule.when)
    for name, one in document.codes.items():
        for key in ("message", "short", "opens"):
            if (written := getattr(one, key)) is not None:
                yield Told(f"{name}.{key}", compile_text(written, document.inputs), frozenset(named[name]))
    for said in document.summary:
        text = compile_text(said.text, document.inputs, document.levers)
        yield Told(f"summary {said.id}", text, frozenset(said.when))
    for step in document.steps:
        for key in ("action", "done_when"):
            text = compile_text(getattr(step, key), document.inputs)
            yield Told(f"step {step.id}.{key}", text, frozenset(step.when))


ALL = [(version, one) for version in VERSIONS for one in told(version)]


@pytest.mark.parametrize(("version", "one"), ALL, ids=[f"{version} {one.where}" for version, one in ALL])
def test_every_text_marks_what_it_states_when_nothing_is_known(version: str, one: Told) -> None:
    """Each input that a text speaks of is marked, in every band that can be assumed; nothing else states a phrase."""
    inputs = policy(version).document.inputs
    spoken = [slot.name for slot in texts.slots(one.text) if slot.kind == "input"]
    for bands in product(*(inputs[name].bands for name in dict.fromkeys(spoken))):
        band = dict(zip(dict.fromkeys(spoken), bands, strict=True))

        def say(slot: Slot, band: dict[str, str] = band) -> str:
            if slot.kind == "why":
                return "<why>"
            said = phrase(inputs[slot.name], band[slot.name])
            return said if band[slot.name] == UNMEASURED else said + ASSUMED

        text = fill(one.text, say)
        for name in spoken:
            said = phrase(inputs[name], band[name])
            found = [text[match.end() :] for match in re.finditer(re.escape(said), text, re.IGNORECASE)]
            assert found
            assert band[name] == UNMEASURED or all(rest.startswith(ASSUMED) for rest in found)


STATES_NOTHING = {
    "KEEP_PROMPTING": "what prompting is",
    "FACTS_NOT_TUNED_IN": "what training does",
    "BOTH_ADD_UP": "what studies found",
    "NO_REASON_TO_TUNE": "that nothing stated calls for training",
    "PROMPT_REACHES": "that nothing stated is out of reach for a prompt",
    "DATA_FIRST": "that there is a reason and no data; the codes of the table it reads say which",
}
"""Codes that speak of no input, and what they say instead."""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_other_reason_states_an_input(version: str) -> None:
    document = policy(version).document
    silent = {
        name for name, code in document.codes.items() if not texts.slots(compile_text(code.message, document.inputs))
    }
    assert silent <= STATES_NOTHING.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_reason_against_a_lever_can_say_so_in_a_clause_and_what_opens_it(version: str) -> None:
    document = policy(version).document
    against = {name: code for name, code in document.codes.items() if code.effect in {"opposes", "blocks"}}
    referring = {"NO_REASON_TO_TUNE", "DATA_FIRST", "NO_DATA_NO_TUNING"}  # the tables they read have the clause
    assert {name for name, code in against.items() if code.short is None} == referring & against.keys()
    closed = {name for name, code in against.items() if code.opens is None}
    assert {"DATA_FIRST", "NO_DATA_NO_TUNING"} <= closed <= referring


@pytest.mark.parametrize("version", VERSIONS)
def test_no_two_bands_of_an_input_are_told_alike(version: str) -> None:
    for field in policy(version).inputs:
        assert len({phrase(field.spec, band) for band in field.bands}) == len(field.bands)


@pytest.mark.parametrize("version", VERSIONS)
def test_phrases_are_clauses(version: str) -> None:
    for field in policy(version).inputs:
        for band in field.bands:
            assert re.fullmatch(r"[a-z0-9].*[^.\s]", phrase(field.spec, band))


def test_moving_a_cut_moves_every_text_that_tells_its_number() -> None:
    moved = load_policy(
        re.sub(
            r"  - \{id: [a-z0-9-]+, profile: .*\n", "", source("1.0.0").replace("high: 10000", "high: 12000")
        ).replace("tests:\n", "tests: []\n"),
        "moved.yaml",
        VOCABULARY,
    )
    assert phrase(moved.document.inputs["requests_per_day"], "low") == "fewer than 12,000 requests arrive a day"
    (event,) = [one.event for one in moved.document.recheck if one.id == "volume-drops"]
    assert compile_text(event, moved.document.inputs) == ("Volume falls below 12,000 requests a day.",)


# Placeholders

INPUTS: dict[str, Input] = {
    name: policy("2.0.0").document.inputs[name] for name in ("labeled_examples", "can_label_more")
}


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("plain", "plain"),
        ("{labeled_examples.ample} examples", "500 examples"),
        ("up to {labeled_examples.rich-1}", "up to 999"),
        ("{can_label_more:no}.", "Nobody can label or review more examples."),
        ("Stop. {can_label_more:no}", "Stop. Nobody can label or review more examples"),
        ("stop: {can_label_more:no}", "stop: nobody can label or review more examples"),
        ("{can_label_more}, so wait. {can_label_more}!", "It is so, so wait. It is so!"),
        ("{can_label_more} {can_label_more:no}", "It is so nobody can label or review more examples"),
    ],
)
def test_placeholders_are_filled(written: str, filled: str) -> None:
    assert fill(compile_text(written, INPUTS), lambda _: "it is so") == filled


def test_a_clause_begins_with_a_small_letter() -> None:
    assert fill(compile_text("{can_label_more}", INPUTS), lambda _: "it is so", clause=True) == "it is so"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{labelled_examples}", "no input `labelled_examples`; did you mean `labeled_examples`"),
        ("{labeled_examples:amble}", "has no band `amble`; did you mean `ample`"),
        ("{labeled_examples.amble}", "no number of a band `amble`; did you mean `ample`"),
        ("{can_label_more.no}", "no number of a band `no`"),
        ("{}", "is no placeholder"),
        ("{a b}", "is no placeholder"),
        ("{why.fine_tuning}", "is for summaries"),
    ],
)
def test_a_placeholder_that_names_nothing_is_refused(written: str, says: str) -> None:
    with pytest.raises(UnknownPlaceholderError, match=re.escape(says)):
        compile_text(written, INPUTS)


# The load gate

BAD: dict[str, tuple[str, str, str, str]] = {
    "a phrase that is missing": (
        "      none: answers need no facts from your documents\n",
        "",
        "missing-phrase",
        "band `none` of `knowledge_need` has no phrase",
    ),
    "a phrase of no band": (
        "      none: answers need no facts from your documents\n",
        "      none: answers need no facts from your documents\n      some: answers need some\n",
        "unknown-band",
        "no band `some`",
    ),
    "a phrase with a band that is none": (
        "{long} to {extreme-1}",
        "{lung} to {extreme-1}",
        "unknown-placeholder",
        "`lung`",
    ),
    "a number of a phrase": (
        "{high} or more requests arrive",
        "10,000 or more requests arrive",
        "typed-number",
        "{high}",
    ),
    "a phrase stated outright": (
        'message: "{knowledge_need}, so there is nothing to retrieve."',
        'message: "Answers need NO facts, from your documents!"',
        "stated-outright",
        "write `{knowledge_need}` where it is so, `{knowledge_need:none}` where it may be",
    ),
    "a cut typed into a step": (
        'action: "Have domain experts write and review examples, until {labeled_examples.enough} of them',
        'action: "Have domain experts write and review examples, until 500 of them',
        "typed-number",
        "write `{labeled_examples.enough}`",
    ),
    "a cut typed into an event": (
        '{labeled_examples.enough} reviewed examples exist."}',
        '500 reviewed examples exist."}',
        "typed-number",
        "500 is a cut of `labeled_examples`",
    ),
    "a cut typed into a warning": (
        "does not get {requests_per_day.high} or more",
        "does not get 10,000 or more",
        "typed-number",
        "10,000 is a cut of `requests_per_day`",
    ),
    "a step that states a state it cannot": (
        "done_when: The count is known.",
        'done_when: "{labeled_examples}"',
        "unknown-placeholder",
        "the same for every profile",
    ),
    "why of no lever": (
        "{why.rag}. There is also",
        "{why.rga}. There is also",
        "unknown-placeholder",
        "did you mean `rag`",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_the_load_gate_refuses(case: tuple[str, str, str, str]) -> None:
    old, new, code, says = case
    text = source("1.0.0")
    assert old in text
    with pytest.raises(PolicyError) as refused:
        load_policy(text.replace(old, new, 1), "bad.yaml", VOCABULARY)
    problems: list[Problem] = [problem for problem in refused.value.problems if problem.code == code]
    assert any(says in problem.message for problem in problems)
    assert all(problem.line > 1 for problem in problems)


def test_a_number_that_is_no_cut_may_be_typed() -> None:
    text = source("1.0.0").replace("The knowledge", "All 500 pages of knowledge").replace("fifty real", "50 real")
    assert load_policy(text, "good.yaml", VOCABULARY).version == "1.0.0"


def test_an_answer_of_a_policy_without_short_texts_still_says_why() -> None:
    text = re.sub(r"^    (short|opens): .*\n", "", source("1.0.0"), flags=re.MULTILINE)
    made: Any = trivium.Advisor(served(text)).recommend(trivium.Profile(knowledge_need="changing_facts"))
    assert made.summary.startswith("Use retrieval (RAG), because answers need facts that change. Retrieval looks")
    assert made.levers["fine_tuning"].why_not


def served(text: str) -> Any:
    return trivium.policy.ServedPolicy(load_policy(text, "plain.yaml", VOCABULARY), trivium.policy.Lifecycle())
