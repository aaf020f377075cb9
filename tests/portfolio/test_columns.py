"""Names and cells of portfolios are read kindly and never guessed."""

import difflib
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivium import Profile
from trivium.economics import Costs
from trivium.errors import InvalidInputError
from trivium.portfolio.columns import (
    MOST_COLUMNS,
    MOST_MISSPELT,
    TARGETS,
    BadCell,
    Columns,
    ColumnsError,
    Target,
    misspelt,
    read_cell,
)
from trivium.profile import VOCABULARY, make_profile


NUMBER = TARGETS["requests_per_day"]
FLAG = TARGETS["citations_required"]
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


def test_every_field_is_a_target() -> None:
    own = [name for name in Profile.__struct_fields__ if name != "costs"]
    assert list(TARGETS) == [*own, *(f"costs.{name}" for name in Costs.__struct_fields__)]
    for name, field in VOCABULARY.items():
        if field.derived_from is None:
            assert (TARGETS[name].kind, TARGETS[name].choices) == (field.kind, field.choices)


@given(st.sampled_from(sorted(TARGETS)), st.sampled_from([" ", "-", "_", "  ", ": ", ""]), st.randoms())
def test_a_name_matches_whatever_its_case_and_punctuation(name: str, between: str, chance: random.Random) -> None:
    words = name.replace(".", "_").split("_")
    written = between.join(chance.choice([str.upper, str.title, str.lower])(word) for word in words)
    columns = Columns([f" {written} ", "Owner"])
    assert columns.targets == {f" {written} ": TARGETS[name]}
    assert columns.others == ["Owner"]


@given(st.sampled_from(sorted(name for name in TARGETS if len(name) > 8)), st.randoms())
def test_a_misspelt_name_is_an_error_that_names_the_nearest(name: str, chance: random.Random) -> None:
    at = chance.randrange(1, len(name) - 1)
    written = name[:at] + "q" + name[at:]
    if written.replace("_", "") == name.replace("_", ""):
        return
    with pytest.raises(ColumnsError, match="looks like `"):
        Columns(["id", written])
    assert Columns(["id", written], {written: ""}).others == [written]
    assert Columns(["id", written], {written: name}).targets[written].name == name


@given(st.one_of(st.text(max_size=30), st.sampled_from(sorted(TARGETS))), st.integers(0, 6), st.randoms())
def test_the_nearest_name_is_the_nearest_of_all(name: str, edits: int, chance: random.Random) -> None:
    for _ in range(edits):
        at = chance.randrange(len(name) + 1)
        name = name[:at] + chance.choice(["", "a", "e", "_", "q"]) + name[at + chance.randrange(2) :]
    keys = {"".join(filter(str.isalnum, known)): known for known in TARGETS}
    close = difflib.get_close_matches("".join(filter(str.isalnum, name.casefold())), keys, n=1, cutoff=0.85)
    assert misspelt(name) == (keys[close[0]] if close else None)


def test_of_many_misspelt_names_the_first_are_named() -> None:
    with pytest.raises(ColumnsError) as raised:
        Columns([f"labeled_exampels{number}" for number in range(MOST_COLUMNS)])
    assert raised.value.reason.count("looks like `labeled_examples`") == MOST_MISSPELT


@pytest.mark.parametrize(
    ("names", "mapping", "says"),
    [
        (["a", "b"], {}, "no column is a field of the profile: found `a`, `b`; known: id, requests_per_day"),
        ([], {}, "found none"),
        ([f"c{number}" for number in range(10_000)], {}, f"more than {MOST_COLUMNS} columns"),
        (["id"], {"Volume": "requests_per_day"}, "no column `Volume`"),
        (["id", "volumes"], {"volume": "requests_per_day"}, "did you mean `volumes`?"),
        (["id", "n"], {"n": "request_per_day"}, "did you mean `requests_per_day`?"),
        (["id", "n"], {"n": "costs"}, "no field `costs`"),
    ],
)
def test_columns_that_cannot_be_understood(names: list[str], mapping: dict[str, str], says: str) -> None:
    with pytest.raises(ColumnsError) as found:
        Columns(names, mapping)
    assert says in str(found.value)


def test_two_columns_for_one_field_are_found() -> None:
    columns = Columns(["Labeled examples", "labeled_examples", "id"])
    assert "both give `labeled_examples`" in columns.twice(["Labeled examples", "labeled_examples"])
    assert "is there 2 times" in columns.twice(["id", "id"])
    assert columns.twice(["Labeled examples", "id"]) == ""
    reason = "`Labeled examples` gives `labeled_examples` too: leave one of them empty"
    both = columns.profile({"Labeled examples": 1, "labeled_examples": 2})
    assert both == [BadCell("labeled_examples", "2", reason, "malformed", "/labeled_examples")]
    assert columns.profile({"Labeled examples": "", "labeled_examples": 2}) == Profile(labeled_examples=2.0)


def grouped(digits: str, mark: str) -> str:
    parts = []
    while digits:
        parts.append(digits[-3:])
        digits = digits[:-3]
    return mark.join(reversed(parts))


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[Decimal, str, str]:
    """Draw a number, how it is written, and the decimal mark it is written with."""
    whole = str(draw(st.integers(0, 10**12) | st.integers(0, 5000)))
    fraction = draw(st.text("0123456789", max_size=4))
    mark = draw(st.sampled_from(".,"))
    separator = draw(st.sampled_from(["", " ", "'", "\u2019", "\u00a0", "\u202f", "," if mark == "." else "."]))
    text = grouped(whole, separator) + (mark + fraction if fraction else "")
    power = draw(st.sampled_from([("", 0), ("k", 3), (" K", 3), ("M", 6), (" million", 6), ("bn", 9), ("e2", 2)]))
    return Decimal(f"{whole}.{fraction or 0}").scaleb(power[1]), text + power[0], mark


@given(written_numbers())
@example((Decimal(1234), "1,234", "."))
@example((Decimal("0.125"), "0,125", ","))
def test_a_number_is_read_as_it_was_meant_or_refused(drawn: tuple[Decimal, str, str]) -> None:
    meant, text, mark = drawn
    assert read_cell(text, NUMBER, mark) == float(meant)  # type: ignore[arg-type]  # one of the two marks
    try:
        found = read_cell(text, NUMBER)
    except ValueError as error:
        assert str(error).endswith("give the decimal mark (--decimal)")  # noqa: PT017 - both ways are right
    else:
        assert found == float(meant)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10k", 10_000),
        ("1.5 M", 1_500_000),
        ("1,234,567", 1_234_567),
        ("1.234.567,8", 1_234_567.8),
        ("1 000", 1000),
        ("$0.15", 0.15),
        ("\N{EURO SIGN}15000", 15_000),
        ("-\N{EURO SIGN} 0,15", -0.15),
        ("2,5 EUR", 2.5),
        ("eur 12", 12),
        ("15.000,50 \N{EURO SIGN}", 15_000.5),
        ("15\N{NO-BREAK SPACE}000\N{NO-BREAK SPACE}\N{EURO SIGN}", 15_000),
        ("1.5 M\N{EURO SIGN}", 1_500_000),
        ("3 USD", 3),
        ("1e5", 100_000),
        (" 7 ", 7),
        ("+5", 5),
        ("-0.5", -0.5),
        (",5", 0.5),
        (3, 3),
        (0.25, 0.25),
        ("", None),
        ("n/a", None),
        ("Unknown", None),
        (float("nan"), None),
    ],
)
def test_numbers(text: Any, value: float | None) -> None:
    assert read_cell(text, NUMBER) == value


@pytest.mark.parametrize(
    "text",
    [
        "1,234",
        "1.234",
        "1.234k",
        "15.000 \N{EURO SIGN}",
        "$5 \N{EURO SIGN}",
        "\N{EURO SIGN}",
        "5 E",
        "12,34,56",
        "1,2,3",
        "none",
        "ten",
        "5 apples",
        "0x10",
        "1_0_0",
        "inf",
        "--5",
        True,
        [1],
    ],
)
def test_what_is_no_clear_number_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a number|could be"):
        read_cell(text, NUMBER)


def test_the_decimal_mark_says_how_to_read_and_how_to_write() -> None:
    assert read_cell("15.000 \N{EURO SIGN}", NUMBER, ",") == 15_000
    assert read_cell("15.000 \N{EURO SIGN}", NUMBER, ".") == 15
    with pytest.raises(ValueError, match=r"^expected a number: write 1,2 for 1\.2, because `,` is the decimal mark$"):
        read_cell("1.2 M", NUMBER, ",")
    with pytest.raises(ValueError, match=r"^expected a number: write 0\.5 for 0,5, because `\.` is the decimal mark$"):
        read_cell("0,5", NUMBER, ".")
    with pytest.raises(ValueError, match="separators are out of place"):
        read_cell("1.2.3", NUMBER, ",")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("yes", "YES", "y", "True", "1", "1.0", "x", True, 1, 1.0)),
        *((word, False) for word in ("no", "N", "FALSE", "0", "off", False, 0)),
        *((word, None) for word in ("", " ", "?", "n/a", "NaN", None)),
    ],
)
def test_flags(text: Any, value: bool | None) -> None:
    assert read_cell(text, FLAG) is value


def test_choices_match_whatever_their_case_and_punctuation() -> None:
    for name, target in TARGETS.items():
        for word in target.choices:
            for written in (word, word.upper(), word.replace("_", " ").title(), word.replace("_", "-")):
                assert read_cell(written, target) == word, name
    with pytest.raises(ValueError, match="did you mean `changing_facts`"):
        read_cell("changing fact", TARGETS["knowledge_need"])
    with pytest.raises(ValueError, match="known: `none`, `stable_facts`"):
        read_cell("7", TARGETS["knowledge_need"])


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("latency_need", "real time"),
        ("latency_need", "realtime"),
        ("task_consistency", "inconsistent"),
        ("task_consistency", "Not consistent"),
        ("example_quality", "reviewed"),
        ("latency_need", "high"),
        ("prompt_maturity", "no"),
    ],
)
def test_a_word_that_may_mean_the_opposite_is_not_suggested(field: str, word: str) -> None:
    listed = ", ".join(f"`{choice}`" for choice in TARGETS[field].choices)
    with pytest.raises(ValueError, match=f"^unknown value; known: {listed}$"):
        read_cell(word, TARGETS[field])
    with pytest.raises(InvalidInputError, match=f"unknown value; known: {listed}$"):
        make_profile({field: word})


@given(st.sampled_from(sorted(TARGETS.values())), anything)
def test_a_cell_is_read_or_its_error_says_why(target: Target, cell: Any) -> None:
    try:
        read_cell(cell, target)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both ways are right


@given(st.dictionaries(st.sampled_from(sorted(TARGETS)), anything, min_size=1))
def test_a_row_is_a_profile_or_names_every_bad_cell(cells: dict[str, Any]) -> None:
    columns = Columns(list(cells))
    found = columns.profile(cells)
    if isinstance(found, Profile):
        assert make_profile(found) == found
    else:
        assert found
        for bad in found:
            assert bad.column in cells
            assert bad.reason
