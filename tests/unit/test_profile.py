"""A profile is read strictly: every bad field is named, nothing else is ever raised, and equal questions are equal."""

import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

import trivium
from trivium import Advisor, InvalidInputError, Profile, Registry
from trivium.decoding import check
from trivium.errors import FieldError
from trivium.policy import load_directory
from trivium.profile import COUNTS, FIELDS, MOST, READ_AS, VOCABULARY, canonical_json, make_profile, parse_profile
from trivium.rendering import Renderer


RENDERER = Renderer(Advisor(Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version["1.0.0"]))
encode = msgspec.json.encode
ANSWERS = Path(__file__).parents[2] / "docs/answers.md"

counts = st.integers(0, 10_000) | st.integers(0, int(MOST))
words = st.text(st.characters(codec="utf-8"), max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def good(name: str) -> st.SearchStrategy[Any]:
    if name == "id":
        return st.text(st.characters(codec="utf-8"), max_size=200)
    if name == "costs":
        return st.fixed_dictionaries({}, optional={"model": words, "epochs": counts, "label_cost": st.floats(0, MOST)})
    field = VOCABULARY[name]
    if field.kind == "number":
        return counts if name in COUNTS else counts | st.floats(0, MOST)
    return st.booleans() if field.kind == "flag" else st.sampled_from(field.choices)


def bad(name: str) -> st.SearchStrategy[Any]:
    """Return values that a field never accepts: of another type, out of range, or an unknown word."""
    if name == "id":
        return anything.filter(lambda value: not isinstance(value, str | None)) | st.just("x" * 201)
    if name == "costs":
        return anything.filter(lambda value: not isinstance(value, dict | None))
    field = VOCABULARY[name]
    if field.kind == "flag":
        return anything.filter(lambda value: not isinstance(value, bool | None))
    if field.kind == "choice":
        return anything.filter(lambda value: value is not None and value not in list(field.choices))
    wrong = anything.filter(lambda value: value is not None and not is_number(value))
    beyond = st.floats(max_value=0, exclude_max=True, allow_infinity=False) | st.integers(int(MOST) + 1, 2**53)
    fractions = st.floats(0.001, 1e6).filter(lambda value: not value.is_integer())
    return wrong | beyond | fractions if name in COUNTS else wrong | beyond


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


profiles = st.fixed_dictionaries({}, optional={name: st.none() | good(name) for name in FIELDS})
flaws = st.fixed_dictionaries({}, optional={name: bad(name) for name in FIELDS})
strangers = st.dictionaries(words.filter(lambda name: name not in FIELDS), anything, max_size=2)


def errors(read: Callable[[Any], Profile], data: object) -> tuple[FieldError, ...]:
    """Return the errors of reading a profile; none when it is fine."""
    try:
        read(data)
    except InvalidInputError as refused:
        return refused.errors
    return ()


def pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


@given(profiles, flaws, strangers)
@example({}, {}, {"a/b~c": 1})
def test_exactly_the_bad_fields_are_named_each_with_its_pointer(
    fine: dict[str, Any], flawed: dict[str, Any], strange: dict[str, Any]
) -> None:
    data = fine | flawed | strange
    wanted = sorted(pointer(name) for name in (*flawed, *strange))
    for found in (errors(parse_profile, encode(data)), errors(make_profile, data)):
        assert sorted(str(error.pointer) for error in found) == wanted
        assert all(error.detail for error in found)
        assert {error.pointer for error in found if error.code == "unknown_field"} == set(map(pointer, strange))


@pytest.mark.parametrize(
    ("field", "value", "code", "says"),
    [
        ("labelled_examples", 5, "unknown_field", "did you mean `labeled_examples`?"),
        ("zzz", 5, "unknown_field", "known: `id`, `requests_per_day`"),
        ("knowledge_need", "changing_fact", "unknown_value", "did you mean `changing_facts`?"),
        ("knowledge_need", 5, "wrong_type", "expected one of none, stable_facts, changing_facts, got a number"),
        ("can_label_more", "yes", "wrong_type", "expected true or false, got a string"),
        ("requests_per_day", "many", "wrong_type", "expected a number, got a string"),
        ("requests_per_day", True, "wrong_type", "expected a number, got a boolean"),
        ("requests_per_day", -1, "out_of_range", "expected a number >= 0"),
        ("requests_per_day", 1e13, "out_of_range", "expected a number <= 1"),
        ("labeled_examples", 1.5, "wrong_type", "expected a whole number, got 1.5"),
        ("id", "x" * 201, "too_long", "expected a string of length <= 200"),
        ("id", [], "wrong_type", "expected a string, got an array"),
    ],
)
def test_an_error_says_what_is_allowed_or_was_meant(field: str, value: object, code: str, says: str) -> None:
    (error,) = check({field: value}, Profile)
    assert (error.code, error.pointer) == (code, f"/{field}")
    assert says in error.detail


@given(st.binary(max_size=60))
@example(b"")
@example(b" \n")
@example(b"null")
@example(b"\xff\xfe{}")
@example(b"\xef\xbb\xbf{}")
@example(b'{"id": "\xff"}')
@example(b'{"id": "\xed\xa0\x80"}')
@example(b'{"id": "\\ud800"}')
@example(b'{"\\ud800": 1}')
@example(b'{"requests_per_day": NaN}')
@example(b'{"requests_per_day": 1e999}')
@example(b'{"requests_per_day": -1e999}')
@example(b'{"requests_per_day": ' + b"9" * 5_000 + b"}")
@example(b'{"labeled_examples": ' + b"9" * 30 + b"}")
@example(b'{"x": ' + b"9" * 5_000 + b"}")
@example(b"[" * 100_000)
@example(b'{"id":' * 100_000)
@example(b'{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}")
def test_whatever_the_bytes_only_invalid_input_is_raised(body: bytes) -> None:
    assert errors(parse_profile, body) or isinstance(msgspec.json.decode(body), dict)


@given(anything)
def test_whatever_the_json_only_invalid_input_is_raised(data: object) -> None:
    if isinstance(data, dict) and data.keys() <= set(FIELDS):
        return
    with pytest.raises(InvalidInputError):
        parse_profile(encode(data))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e300])
@pytest.mark.parametrize("field", ["requests_per_day", "labeled_examples"])
def test_numbers_that_json_does_not_have_are_refused_from_python_too(field: str, number: float) -> None:
    with pytest.raises(InvalidInputError) as refused:
        make_profile({field: number})
    assert [error.pointer for error in refused.value.errors] == [f"/{field}"]


@given(profiles)
def test_a_profile_made_by_hand_is_checked_like_any_other(fields: dict[str, Any]) -> None:
    assert make_profile(make_profile(fields)) == make_profile(fields)
    with pytest.raises(InvalidInputError):
        make_profile(Profile(requests_per_day=-1))


def test_errors_inside_a_larger_body_point_into_it() -> None:
    with pytest.raises(InvalidInputError) as refused:
        make_profile({"nope": 1}, pointer="/profiles/7")
    assert [error.pointer for error in refused.value.errors] == ["/profiles/7/nope"]


# Equal questions


@pytest.mark.parametrize("field", [name for name, field in VOCABULARY.items() if field.kind == "number"])
def test_however_a_number_is_written_the_answer_is_the_same_bytes(field: str) -> None:
    answers = {
        RENDERER.json(parse_profile(b'{"%b": %b}' % (field.encode(), number)))[0]
        for number in (b"1000", b"1000.0", b"1e3", b"1.0E+3", b"10000e-1")
    }
    assert len(answers) == 1
    zeros = {RENDERER.json(parse_profile(b'{"%b": %b}' % (field.encode(), zero)))[0] for zero in (b"0", b"-0", b"-0.0")}
    assert len(zeros) == 1


@given(profiles, st.permutations(FIELDS))
def test_null_is_absent_and_the_order_of_fields_does_not_count(fields: dict[str, Any], order: list[str]) -> None:
    stated = {name: fields[name] for name in order if fields.get(name) is not None}
    assert RENDERER.json(make_profile(fields)) == RENDERER.json(parse_profile(encode(stated)))


def decision_id(fields: dict[str, Any]) -> str:
    return RENDERER.json(make_profile(fields))[1].decision_id


@given(profiles, good("id"))
def test_the_id_of_a_profile_does_not_change_the_decision_id(fields: dict[str, Any], own: str) -> None:
    assert decision_id(fields) == decision_id(fields | {"id": own})


# Where ways to write numbers differ.
small = st.floats(1e-7, 1e-4) | st.sampled_from([1e-6, 1e-5, 9.99e-6, 5e-324, 0.0, -0.0, 1e12, 0.1, 1234.5])


@given(profiles, st.none() | small, st.none() | st.fixed_dictionaries({"label_cost": small, "model": words}))
def test_a_profile_has_the_canonical_json_of_rfc_8785(
    fields: dict[str, Any], volume: float | None, costs: dict[str, Any] | None
) -> None:
    fields |= {} if volume is None else {"requests_per_day": volume}
    fields |= {} if costs is None else {"costs": costs}
    profile = make_profile(fields)
    stated = {name: value for name, value in msgspec.to_builtins(profile).items() if name != "id"}
    assert canonical_json(profile) == rfc8785.dumps(stated)


@given(profiles, st.sampled_from(FIELDS[1:]), st.data())
def test_every_change_of_a_field_changes_the_decision_id(
    fields: dict[str, Any], name: str, data: st.DataObject
) -> None:
    now = fields.get(name)
    value = data.draw((st.none() | good(name)).filter(lambda value: value != now))
    assert decision_id(fields) != decision_id(fields | {name: value})


@pytest.mark.parametrize(
    ("name", "later", "earlier"),
    [(name, later, earlier) for name, values in READ_AS.items() for later, earlier in values.items()],
)
@given(profiles)
def test_a_policy_reads_a_choice_that_it_does_not_know_as_an_earlier_one(
    name: str, later: str, earlier: str, fields: dict[str, Any]
) -> None:
    answers = [
        msgspec.json.decode(RENDERER.json(make_profile(fields | {name: value}))[0]) for value in (later, earlier)
    ]
    first, second = (answer.pop("decision_id") for answer in answers)
    assert first != second
    assert answers[0] == answers[1]


def test_the_decision_id_depends_on_the_policy(tmp_path: Path) -> None:
    text = (trivium.POLICIES / "adaptation-1.0.0.yaml").read_text(encoding="utf-8")
    (tmp_path / "other.yaml").write_text(text.replace("version: 1.0.0", "version: 1.0.1", 1), encoding="utf-8")
    (other,) = load_directory(tmp_path, VOCABULARY)
    assert Advisor(other).identify(Profile()) != decision_id({})


VECTOR = re.compile(r"^\| `(\{.*\})` \| `(\{.*\})` \| `([0-9a-f]{32})` \|$", re.MULTILINE)
VECTORS = VECTOR.findall(ANSWERS.read_text(encoding="utf-8"))


def test_the_documentation_has_vectors() -> None:
    assert len(VECTORS) == 3


@pytest.mark.parametrize(("sent", "canonical", "expected"), VECTORS)
def test_others_can_compute_a_decision_id_as_documented(sent: str, canonical: str, expected: str) -> None:
    def computed(digest: str) -> str:
        return hashlib.sha256(f"{canonical}\n{digest}".encode()).hexdigest()[:32]

    assert computed("0" * 64) == expected
    advisor = RENDERER.advisor
    assert computed(advisor.policy.digest) == advisor.identify(parse_profile(sent.encode()))
