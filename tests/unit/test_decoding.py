"""What is wrong with JSON is told without making objects of all of it, in the words of a reader that makes them."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivium.api.batches.requests import BatchRequest, read_batch
from trivium.api.http.problems import ProblemError
from trivium.decoding import MOST_NAMES, check
from trivium.economics import Costs
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.streams import Case, JsonCases, NdjsonReader
from trivium.profile import FIELDS, Profile, make_profile, parse_profile


MALFORMED = [FieldError("malformed", "", pointer="")]


# The reference: everything is decoded, and then looked at.


def decoded(body: bytes) -> Any:
    """Decode all of a body; numbers beyond all bounds become infinite."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        data = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_members)
        json.dumps(data, ensure_ascii=False).encode()
        return data


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    json.dumps(pairs, ensure_ascii=False).encode()  # a lone surrogate is malformed, also where its name comes again
    return dict(pairs)


NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)


def profile_by_reference(body: bytes) -> Any:
    try:
        data = decoded(body)
    except NOT_JSON:
        return MALFORMED
    return [*InvalidInputError(check(data, Profile)).errors] or msgspec.convert(data, Profile, strict=True)


def cases_by_reference(body: bytes) -> Any:
    try:
        data = decoded(body)
    except NOT_JSON:
        return MALFORMED
    items = data.get("profiles") if isinstance(data, dict) else None
    if isinstance(items, list):
        data["profiles"] = [msgspec.Raw(b"null")] * len(items)  # each is checked on its own
    if errors := InvalidInputError(check(data, BatchRequest)).errors:
        return [*errors]
    defaults = data.get("defaults")
    return list(map(JsonCases(None if defaults is None else make_profile(defaults)).case, items or []))


def without_places(error: InvalidInputError) -> list[FieldError]:
    """Return the errors; of what is no JSON both readers name a place, but not always the same one."""
    (first, *_) = error.errors
    return MALFORMED if first.detail.startswith(("not JSON", "the body is", "the JSON")) else [*error.errors]


def read_profile(body: bytes) -> Any:
    try:
        return parse_profile(body)
    except InvalidInputError as error:
        return without_places(error)


def read_cases(body: bytes) -> Any:
    try:
        batch = read_batch(body, 1000)
    except InvalidInputError as error:
        return without_places(error)
    return list(map(JsonCases(batch.defaults).read, map(bytes, batch.profiles)))


# Texts that are nearly a profile or a batch: names given twice, endless numbers, and damage.

names = st.sampled_from([*FIELDS, "epochs", "model", "x", "a/b", "profiles", "defaults"])
NUMBERS = ["0", "-0.0", "12", "1.5", "-7", "1e12", "1e400", "-1e400", "9" * 400, " 5 "]
STRINGS = ['"cost"', '"x"', '"free"', '""', '"' + "x" * 201 + '"', '"\\ud83d\\ude00"', '"\N{SNOWMAN}"', '"a,b:c[{"']
plain = st.sampled_from(["null", "true", *NUMBERS, *STRINGS])


def objects(of_names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.builds('"{}": {}'.format, of_names, values)
    return st.lists(pairs, max_size=5).map(lambda found: f"{{{','.join(found)}}}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda found: f"[ {' ,'.join(found)}]")


texts = st.recursive(plain, lambda inner: objects(names, inner) | arrays(inner), max_leaves=6)
profiles = objects(names, plain | texts | objects(names, plain))
batches = objects(st.sampled_from(["profiles", "profiles", "defaults", "x"]), texts | profiles | arrays(profiles))


@st.composite
def damaged(draw: st.DrawFn, of_texts: st.SearchStrategy[str]) -> bytes:
    """Draw a text that may be cut off, or have another byte somewhere."""
    body = draw(of_texts).encode()
    if draw(st.integers(0, 3)) == 0 and body:
        at = draw(st.integers(0, len(body) - 1))
        return body[:at] + draw(st.sampled_from([b"", b"\xff", b"\\", b'"', b",", b"\\ud800", b"0"])) + body[at + 1 :]
    return body


@given(damaged(profiles | texts))
@example(b'{"id": [], "id": "x"}')
@example(b'{"costs": {"epochs": [], "epochs": 2}, "x": 1e400}')
@example(b'{"x": {"y": "\\ud800"}, "requests_per_day": 1e400}')
@example(b'{"x": "\xff"}')
@example(b'{"x": ["\xed\xa0\x80"]}')
def test_a_profile_is_read_as_by_a_reader_that_decodes_everything(body: bytes) -> None:
    assert read_profile(body) == profile_by_reference(body)


@given(damaged(batches))
@example(b'{"profiles": 1, "profiles": [{"id": "a"}, {"id": []}, 1e400]}')
@example(b'{"profiles": [{"x": "\xff"}]}')
@example(b'{"profiles": [{"x": "\\ud800"}]}')
@example(b'{"profiles": [{"epochs": 1}], "defaults": {"id": "d", "costs": {"epochs": 1}}}')
@example(b'{"profiles": [ ]}')
def test_a_batch_is_read_as_by_a_reader_that_decodes_everything(body: bytes) -> None:
    assert read_cases(body) == cases_by_reference(body)


@given(damaged(profiles | texts).filter(lambda body: body.strip() and b"\n" not in body))
def test_a_line_is_read_like_a_profile(body: bytes) -> None:
    case = NdjsonReader().read(body)
    assert isinstance(case, Case)
    found = read_profile(body)
    if isinstance(found, Profile):
        assert case.profile == found
    else:
        assert found in (list(case.errors), MALFORMED)


# How much is made of a body of a MiB: a list of 350,000 empty lists alone takes 22 MiB.

SIZE = 1 << 20
MOST_MEMORY = 4 * SIZE
"""Copies of parts of the body, and a few thousand objects."""

PARTS = {
    "lists": b"[]",
    "objects": b"{}",
    "nested lists": b"[[]]",
    "objects with a field": b'{"a":1}',
    "numbers": b"1.5",
    "endless numbers": b"1e400",
    "strings": b'""',
    "fields": b'"f":1',
}
PLACES = {
    "a field": (b'{"id": [', b"]}"),
    "a field of the costs": (b'{"costs": {"model": [', b"]}}"),
    "an unknown field": (b'{"x": [', b"]}"),
    "the whole body": (b"[", b"]"),
    "the end": (b'{"id": [', b""),
    "a batch": (b'{"profiles": [', b"]}"),
    "a batch beside an unknown field": (b'{"profiles": [{"id": [', b']}], "y": 1}'),
    "one profile of a batch": (b'{"profiles": [{"id": [', b"]}]}"),
    "defaults": (b'{"profiles": [{}], "defaults": {"id": [', b"]}}"),
}
FIELDS_OF = {"a field": (b'{"x": 1, ', b"}"), "a field of the costs": (b'{"costs": {', b"}}")}


def hostile(place: str, part: str, first: bytes = b"") -> bytes:
    begin, end = (FIELDS_OF if part == "fields" else PLACES)[place]
    repeated = PARTS[part] + b","
    count = (SIZE - len(begin + first + end)) // len(repeated)
    if part == "fields":
        made = b",".join(b'"%d":[]' % number for number in range(count))[: SIZE - len(begin + first + end)]
        return begin + first + made[: made.rindex(b",")] + end
    return begin + first + (repeated * count)[:-1] + end


HOSTILE = [
    (place, part, first)
    for place in PLACES
    for part in PARTS
    for first in (b"", b"1e400,")
    if part != "fields" or (place in FIELDS_OF and not first)
]


@pytest.mark.parametrize(("place", "part", "first"), HOSTILE)
def test_few_objects_are_made_of_a_body_whatever_is_in_it(place: str, part: str, first: bytes) -> None:
    body = hostile(place, part, first)
    assert SIZE - 100 < len(body) <= SIZE
    reads: list[Callable[[bytes], Any]] = [parse_profile, lambda body: read_batch(body, 1000), JsonCases().read]
    for read in reads:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with suppress(InvalidInputError, ProblemError):
                read(body)
            assert tracemalloc.get_traced_memory()[1] - before < MOST_MEMORY
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("begin", "end", "pointer"), [(b"{", b"}", ""), (b'{"id": 5, "costs": {', b"}}", "/costs")])
def test_of_too_many_names_the_first_unknown_one_is_told(begin: bytes, end: bytes, pointer: str) -> None:
    def errors(count: int) -> tuple[FieldError, ...]:
        with pytest.raises(InvalidInputError) as refused:
            parse_profile(begin + b",".join(b'"modle/%d": 1' % number for number in range(count)) + end)
        return refused.value.errors

    many = errors(MOST_NAMES)
    assert (len(many), many[-1].code) == (101, "too_many")
    (one,) = errors(MOST_NAMES + 1)
    assert (one.code, one.pointer) == ("unknown_field", f"{pointer}/modle~10")
    assert "has more than 10,000 names" in one.detail
    with pytest.raises(InvalidInputError) as refused:
        parse_profile(begin + b'"x": 1, ' * MOST_NAMES + b"nonsense" + end)
    assert without_places(refused.value) == MALFORMED


@pytest.mark.parametrize("colons", [MOST_NAMES, MOST_NAMES + 1])
def test_what_looks_like_many_names_is_read_like_anything_else(colons: int) -> None:
    text = b'"' + b":" * colons + b'"'
    body = b'{"id": %b, "primary_goal": "cots", "costs": {"model": %b}}' % (text, text)
    assert read_profile(body) == profile_by_reference(body)
    assert read_profile(b'{"id": %b, "id": null, "costs": {"model": "x"}}' % text) == Profile(costs=Costs(model="x"))


def test_a_batch_with_many_commas_is_read_like_any_other() -> None:
    commas = "," * 1000
    data = {"profiles": [{"id": commas}, {}, None, {"id": "c", "x": commas}], "defaults": {"primary_goal": "cost"}}
    for body in (msgspec.json.encode(data), b'{"profiles": [1,2,3,4,5],' + msgspec.json.encode(data)[1:]):
        assert [bytes(one) for one in read_batch(body, 4).profiles] == [
            bytes(one) for one in read_batch(body, 1000).profiles
        ]
        assert read_batch(body, 4).defaults == read_batch(body, 1000).defaults
        with pytest.raises(ProblemError, match="more than 3 profiles") as refused:
            read_batch(body, 3)
        assert refused.value.members["limit"] == 3
    empty = {"profiles": [], "defaults": {"id": commas[:200], "costs": {"model": commas[:200]}}}
    for wrong in (empty, {"profiles": [], "x": commas}, {"profiles": commas}, data | {"defaults": {"id": commas}}):
        with pytest.raises(InvalidInputError) as few:
            read_batch(msgspec.json.encode(wrong), 4)
        with pytest.raises(InvalidInputError) as many:
            read_batch(msgspec.json.encode(wrong), 1000)
        assert few.value.errors == many.value.errors
