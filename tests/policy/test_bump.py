"""The difference between two versions calls for the version step that the kind of change deserves."""

from pathlib import Path

import pytest

from trivium.policy import Difference, compile_policy, diff


COMMUTE = Path(__file__).with_name("commute.yaml").read_text(encoding="utf-8")

MOOD = """\
  mood:
    question: How are you?
    values: [low, high]
    when_unknown: low
    changed_by: fixed
    check: {action: Ask., done_when: Told.}
strategies:
"""

# Per name, what is replaced by what, and the step that follows.
EDITS: dict[str, tuple[dict[str, str], str]] = {
    "another strategy in some cells": ({"distance: middle, cycling": "distance: [middle, far], cycling"}, "major"),
    "another cut": ({"middle: 2": "middle: 3"}, "major"),
    "another band for unknowns": ({"when_unknown: near": "when_unknown: middle"}, "major"),
    "an unknown that was measured before": ({"when_unknown: no\n": "when_unknown: unmeasured\n"}, "major"),
    "a code that disappears": (
        {
            ", because: [TOO_FAR]": "",
            "  TOO_FAR: {lever: feet, effect: informs, message: It is too far to walk., source: [S1]}\n": "",
        },
        "major",
    ),
    "a code that is renamed": ({"TOO_FAR": "FAR_AWAY"}, "major"),
    "an input that decides": (
        {
            "strategies:\n": MOOD,
            "inputs: [distance, cycling]": "inputs: [distance, cycling, mood]",
            "cycling: fine}, then: bike": "cycling: fine, mood: high}, then: bike",
        },
        "major",
    ),
    "a rule that says the same": (
        {
            "      - {id: otherwise, ": "      - {id: wet-far, when: {distance: far, cycling: bad}, then: bus}\n"
            "      - {id: otherwise, "
        },
        "minor",
    ),
    "a rule under a new id": ({"id: otherwise": "id: else"}, "minor"),
    "a new code": (
        {
            "then: walk}": "then: walk, because: [NEAR]}",
            "  RAIN: {": "  NEAR: {lever: feet, effect: supports, message: It is near., source: [S1]}\n  RAIN: {",
        },
        "minor",
    ),
    "a code for another lever": ({"RAIN: {lever: wheels": "RAIN: {lever: feet"}, "minor"),
    "an input that changes no strategy": (
        {
            "strategies:\n": MOOD,
            "inputs: [distance, cycling]": "inputs: [distance, cycling, mood]",
            "      - {id: otherwise, ": "      - {id: moody, when: {mood: low}, then: bus}\n      - {id: otherwise, ",
        },
        "minor",
    ),
    "a band that splits another": ({"far: 10": "far: 10, remote: 50"}, "minor"),
    "a new step": (
        {"recheck:\n": "  - {id: go, phase: now, lever: feet, action: Go., done_when: Gone.}\nrecheck:\n"},
        "minor",
    ),
    "another phase": ({"phase: now": "phase: next"}, "minor"),
    "another event": ({"  - {id: rain-stops,": "  - {id: moved, event: You move.}\n  - {id: rain-stops,"}, "minor"),
    "a promise less": ({"  - {id: rain-never-cycles, setting: {weather: wet}, never_enters: [bike]}\n": ""}, "minor"),
    "a weaker promise": ({"then_strategy: [walk]": "then_strategy: [walk, bike]"}, "minor"),
    "strategies in another order": (
        {"  walk: Walk\n  bike: Take the bicycle\n": "  bike: Take the bicycle\n  walk: Walk\n"},
        "minor",
    ),
    "a message": ({"would get wet": "would be wet"}, "patch"),
    "a summary": ({"Take the bus.}": "The bus it is.}"}, "patch"),
    "a question": ({"How many kilometers": "How far"}, "patch"),
    "a title": ({"How to get to work": "The way to work"}, "patch"),
    "the name shown for a strategy": ({"bus: Take the bus": "bus: By bus"}, "patch"),
    "an event's words": ({"The rain stops.": "It clears up."}, "patch"),
    "the words of a check": ({"Look outside.": "Open the window."}, "patch"),
    "an example": ({"  - {id: far-away, profile: {distance: 10}, strategy: bus}\n": ""}, "patch"),
    "the version alone": ({"version: 1.0.0": "version: 1.0.1"}, "patch"),
    "a comment": ({"codes:": "# Reasons.\ncodes:"}, "none"),
    "layout": ({"[dry, wet]": "[ dry,\n      wet ]"}, "none"),
    "nothing": ({}, "none"),
}


def between(old: str, new: str) -> Difference:
    return diff(compile_policy(old), compile_policy(new))


def edited(replacements: dict[str, str]) -> str:
    text = COMMUTE
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_calls_for_its_step(name: str) -> None:
    replacements, bump = EDITS[name]
    difference = between(COMMUTE, edited(replacements))
    assert difference.bump == bump
    assert (difference.changed_cells > 0) == bool(difference.changes)
    assert bump == "major" or not (difference.changes or difference.when_unknown_changed or difference.codes_removed)


@pytest.mark.parametrize("name", EDITS)
def test_undoing_an_edit_names_the_same_things_the_other_way_round(name: str) -> None:
    new = edited(EDITS[name][0])
    there, back = between(COMMUTE, new), between(new, COMMUTE)
    assert (there.cells, there.changed_cells) == (back.cells, back.changed_cells)
    assert {(one.from_, one.to, one.cells) for one in there.changes} == {
        (one.to, one.from_, one.cells) for one in back.changes
    }
    assert (there.codes_added, there.codes_removed) == (back.codes_removed, back.codes_added)
    assert (there.rules_added, there.rules_removed) == (back.rules_removed, back.rules_added)
    assert (there.inputs_added, there.inputs_removed) == (back.inputs_removed, back.inputs_added)
    assert there.when_unknown_changed == back.when_unknown_changed


def test_a_difference_names_what_came_and_went() -> None:
    difference = between(COMMUTE, edited(EDITS["an input that changes no strategy"][0]))
    assert (difference.inputs_added, difference.rules_added) == (["mood"], ["strategy/moody"])
    assert difference.cells == 36  # twice the cells of before: the new input is free on the old side
    assert between(COMMUTE, edited(EDITS["another band for unknowns"][0])).when_unknown_changed == ["distance"]
    renamed = between(COMMUTE, edited(EDITS["a code that is renamed"][0]))
    assert (renamed.codes_added, renamed.codes_removed) == (["FAR_AWAY"], ["TOO_FAR"])


@pytest.mark.parametrize(
    ("replacements", "says"),
    [
        ({"cuts: {near: 0, middle: 2, far: 10}": "values: [near, middle, far]"}, "`distance` is a number in only one"),
        ({"values: {no: false, yes: true}": "values: {no: never, yes: always}"}, "no value of `has_bike`"),
    ],
)
def test_versions_without_a_common_value_cannot_be_compared(replacements: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        between(COMMUTE, edited(replacements))


def test_a_difference_lists_dropped_promises_and_counts_the_cells_of_codes() -> None:
    less = between(COMMUTE, edited(EDITS["a promise less"][0]))
    assert less.promises_dropped == ["rain-never-cycles"]
    assert between(COMMUTE, edited(EDITS["a weaker promise"][0])).promises_dropped == ["near-is-walked"]
    assert less.code_changes == []
    more = between(COMMUTE, edited(EDITS["a new code"][0]))
    assert [(one.code, one.gained, one.lost) for one in more.code_changes] == [("NEAR", 6, 0)]
    back = between(edited(EDITS["a new code"][0]), COMMUTE)
    assert [(one.code, one.gained, one.lost) for one in back.code_changes] == [("NEAR", 0, 6)]
