"""The shortcut for plain recommendations changes nothing: not the answer, not the log, not the metrics."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api import serving
from api.serving import JSON, Inside
from trivium.profile import COUNTS, FIELDS, VOCABULARY


Headers = list[tuple[bytes, bytes]]

OWN = {"x-request-id", "traceparent", "server-timing"}  # differ for each request
CLOCKED = {"time", "duration_ms", "span_id"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

words = st.text(st.characters(codec="utf-8"), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def good(name: str) -> st.SearchStrategy[Any]:
    if name == "id":
        return st.text(st.characters(codec="utf-8"), max_size=200)
    if name == "costs":
        return st.fixed_dictionaries(
            {}, optional={"model": st.sampled_from(["gpt-4o", "own"]), "runs": st.integers(0, 9)}
        )
    field = VOCABULARY[name]
    if field.kind == "number":
        counts = st.integers(0, 10**12)
        return counts if name in COUNTS else counts | st.floats(0, 1e12)
    return st.booleans() if field.kind == "flag" else st.sampled_from(field.choices)


profiles = st.fixed_dictionaries({}, optional={name: st.none() | good(name) for name in FIELDS})
flawed = st.dictionaries(st.sampled_from(FIELDS) | words, anything, max_size=4)


class Pair:
    """The same service twice, once with the shortcut and once without."""

    def __init__(self, with_shortcut: Inside, without: Inside) -> None:
        self.ways = (with_shortcut, without)

    def ask(self, body: bytes, headers: Headers, path: str = "/recommend") -> httpx.Response:
        """Ask both, and return the answer that both give."""
        responses = [self._ask(way, body, headers, path) for way in self.ways]
        first, second = (
            (
                response.status_code,
                response.content,
                sorted((name, value) for name, value in response.headers.multi_items() if name not in OWN),
            )
            for response in responses
        )
        assert first == second
        lines = [serving.parse(way.log.getvalue())[-1] for way in self.ways]
        assert list(lines[0]) == list(lines[1])
        first_line, second_line = (
            {name: value for name, value in line.items() if name not in CLOCKED} for line in lines
        )
        assert first_line == second_line
        return responses[0]

    @staticmethod
    def _ask(way: Inside, body: bytes, headers: Headers, path: str) -> httpx.Response:
        given = [(b"x-request-id", b"the-same"), (b"traceparent", TRACE.encode()), *headers]
        return way.client.post(path, content=body, headers=given)


@pytest.fixture(scope="module", params=[False, True], ids=["masked", "with values"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with (
        serving.inside(log_profiles=request.param) as shortcut,
        serving.inside(log_profiles=request.param, shortcut=False) as ordinary,
    ):
        yield Pair(shortcut, ordinary)


PLAIN = [(b"content-type", b"application/json")]


@given(profiles)
@example({})
@example({"id": "100 %(id)b \x00 %"})
@example({"requests_per_day": -0.0, "labeled_examples": 1000.0})
def test_a_profile_is_answered_alike(pair: Pair, fields: dict[str, Any]) -> None:
    assert pair.ask(msgspec.json.encode(fields), PLAIN).status_code == 200


@given(st.binary(max_size=60) | flawed.map(msgspec.json.encode) | anything.map(msgspec.json.encode))
@example(b"")
@example(b"[" * 10_000)
@example(b" " * (1 << 20) + b"{}")
def test_whatever_is_sent_is_answered_alike(pair: Pair, body: bytes) -> None:
    assert pair.ask(body, PLAIN).status_code in {200, 400, 413}


CONTENT_TYPES = [
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=UTF-8",
    b"Application/JSON",
    b" application/json ",
    b"application/json; charset=latin-1",
    b"application/json;",
    b"text/plain",
    b"",
]
ACCEPTS = [
    b"*/*",
    b"application/json",
    b"application/*",
    b"application/json;q=0",
    b"*/*;q=0, application/json",
    b"text/html, */*;q=0.1",
    b"text/csv",
    b"",
]
named = [(b"content-type", CONTENT_TYPES), (b"accept", ACCEPTS)]
headers = st.lists(
    st.one_of(*(st.tuples(st.just(name), st.sampled_from(values)) for name, values in named)), max_size=4
)


@given(headers, st.sampled_from([b"{}", b'{"requests_per_day": 20000}', b"[]"]))
@example([(b"content-type", b"text/plain"), *PLAIN], b"{}")
@example([*PLAIN, (b"content-type", b"text/plain")], b"{}")
@example([*PLAIN, (b"accept", b"text/csv"), (b"accept", b"*/*")], b"{}")
@example([*PLAIN, (b"accept", b"*/*"), (b"accept", b"text/csv")], b"{}")
def test_whatever_the_headers_the_answer_is_alike(pair: Pair, given_headers: Headers, body: bytes) -> None:
    assert pair.ask(body, given_headers).status_code in {200, 400, 406, 415}


@pytest.mark.parametrize("path", ["/recommend", "/recommend/", "/recommend?", "/recommend?explain=full", "//recommend"])
def test_the_ways_of_writing_the_path_are_answered_alike(pair: Pair, path: str) -> None:
    pair.ask(b"{}", PLAIN, path)


def chunks(body: bytes) -> Iterator[bytes]:
    yield body[:5]
    yield body[5:]


def test_a_body_in_chunks_is_answered_alike(service: Inside, ordinary: Inside) -> None:
    body = b'{"id": "mine", "requests_per_day": 1}'
    answers = {
        way.client.post("/recommend", content=content, headers=JSON).content
        for way in (service, ordinary)
        for content in (body, chunks(body))
    }
    assert len(answers) == 1


@settings(max_examples=8)
@given(st.lists(st.tuples(profiles | flawed, st.sampled_from([JSON, {}])), max_size=5))
def test_the_metrics_count_alike(questions: list[tuple[dict[str, Any], dict[str, str]]]) -> None:
    counted = []
    for shortcut in (True, False):
        with serving.inside(shortcut=shortcut) as way:
            for fields, given_headers in questions:
                way.client.post("/recommend", content=msgspec.json.encode(fields), headers=given_headers)
            counts = {
                key: value
                for key, value in way.metrics().items()
                if key[0].startswith(("http_requests_total", "http_request_duration_seconds_count", "trivium_"))
            }
            counted.append(counts)
    assert counted[0] == counted[1]
