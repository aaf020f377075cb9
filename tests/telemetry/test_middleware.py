"""The middleware adds to answers, counts and logs, and cannot fail, whatever a request looks like."""

import asyncio
import json
import os
import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from trivium.api.reloader import PolicyReloader
from trivium.api.settings import Settings
from trivium.api.telemetry.decisions import Decisions
from trivium.api.telemetry.log import make_logger
from trivium.api.telemetry.log_writer import LogWriter
from trivium.api.telemetry.metrics import Metrics
from trivium.api.telemetry.middleware import App, Drain, Message, Scope, TelemetryMiddleware
from trivium.recommendation import PolicyReference
from trivium.rendering import Outcome


class Telemetry:
    """The parts around an application, with what they have noted."""

    def __init__(self, policies: PolicyReloader, file: IO[bytes]) -> None:
        writer = LogWriter(file.fileno())
        self.logger = make_logger("debug", writer)
        self.metrics = Metrics(policies, writer)
        self._file = file

    def call(self, app: App, drain: Drain | None = None, **scope: Any) -> list[Message]:
        """Send one request to an application, and return the messages of its answer."""
        wrapped = TelemetryMiddleware(app, self.metrics, self.logger, drain=drain)
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        request: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], **scope}
        asyncio.run(wrapped(request, receive, send))
        return sent

    def lines(self) -> list[dict[str, Any]]:
        """Return the log."""
        return [json.loads(line) for line in os.pread(self._file.fileno(), 1 << 30, 0).splitlines()]

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a metric by the values of their labels, without those at 0."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
            if sample.name == name and sample.value
        }


@pytest.fixture(scope="module")
def policies() -> PolicyReloader:
    return PolicyReloader(Settings(), None, make_logger("error", LogWriter()))


@pytest.fixture
def telemetry(policies: PolicyReloader) -> Iterator[Telemetry]:
    with tempfile.TemporaryFile(buffering=0) as file:
        yield Telemetry(policies, file)


@pytest.fixture(scope="module")
def shared(policies: PolicyReloader) -> Iterator[Telemetry]:
    with tempfile.TemporaryFile(buffering=0) as file:
        yield Telemetry(policies, file)


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await send({"type": "http.response.body", "body": b"last", "more_body": False})


def test_the_answer_is_passed_on_with_more_headers(telemetry: Telemetry) -> None:
    start, *rest = telemetry.call(answer)
    names = [name for name, _ in start["headers"]]
    assert names == [b"x-own", b"x-request-id", b"traceparent", b"x-content-type-options", b"server-timing"]
    assert re.fullmatch(rb"app;dur=\d+\.\d{3}", dict(start["headers"])[b"server-timing"])
    assert [(message["body"], message["more_body"]) for message in rest] == [(b"first", True), (b"last", False)]


def test_the_request_is_passed_on_untouched(telemetry: Telemetry) -> None:
    seen: list[tuple[Scope, Message]] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.append((dict(scope), await receive()))
        await answer(scope, receive, send)

    headers = [(b"content-length", b"9" * 4301), (b"x-request-id", b"mine")]
    telemetry.call(look, method="HEAD", path="/x", headers=headers, state={"from": "lifespan"})
    ((scope, message),) = seen
    assert scope.pop("state") == {"from": "lifespan", "request_id": "mine"}
    assert scope == {"type": "http", "method": "HEAD", "path": "/x", "headers": headers}
    assert message == {"type": "http.request", "body": b"", "more_body": False}


def test_what_is_no_request_is_passed_on(telemetry: Telemetry) -> None:
    seen: list[Scope] = []

    async def note(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    telemetry.call(note, type="lifespan", state={})
    assert seen[0]["state"] == {}
    assert telemetry.lines() == []


class Stop:
    """A stop of the service."""

    def __init__(self, active: bool) -> None:
        self.active = active


@pytest.mark.parametrize("active", [False, True])
def test_callers_are_asked_to_close_while_the_service_drains(telemetry: Telemetry, active: bool) -> None:
    async def close(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})

    headers = telemetry.call(answer, Stop(active))[0]["headers"]
    assert ((b"connection", b"close") in headers) == active
    assert telemetry.call(close, Stop(active))[0]["headers"].count((b"connection", b"close")) == 1


def test_an_exception_is_logged_counted_and_passed_on(telemetry: Telemetry) -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        telemetry.call(fail)
    (line,) = telemetry.lines()
    assert (line["level"], line["status"]) == ("error", 500)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: a defect")
    assert telemetry.samples("http_requests_total") == {("GET", "unmatched", "500"): 1}
    assert telemetry.samples("http_requests_in_progress") == {}


@pytest.mark.parametrize(("answered", "status"), [(False, 499), (True, 200)])
def test_a_request_given_up_is_logged_and_counted(telemetry: Telemetry, answered: bool, status: int) -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:
        if answered:
            await answer(scope, receive, send)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        telemetry.call(hang)
    (line,) = telemetry.lines()
    assert (line["level"], line["status"]) == ("info", status)
    assert telemetry.samples("http_requests_total") == {("GET", "unmatched", str(status)): 1}


def test_a_batch_counts_what_was_decided_until_its_end(telemetry: Telemetry) -> None:
    outcome = Outcome("rag", "settled", ("ONE", "TWO"), PolicyReference("a-policy", "1.2.3", "digest", "active"))

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        decisions = scope["state"]["decisions"] = Decisions()
        decisions.count(outcome)
        await answer(scope, receive, send)
        decisions.count(outcome)
        decisions.count(outcome)

    telemetry.call(stream)
    telemetry.call(stream)
    assert [line["decisions"] for line in telemetry.lines()] == [3, 3]
    assert telemetry.samples("trivium_recommendations_total") == {("1.2.3", "settled", "rag"): 6}
    assert telemetry.samples("trivium_rationale_codes_total") == {("ONE",): 6, ("TWO",): 6}
    telemetry.call(stream)
    assert telemetry.samples("trivium_recommendations_total") == {("1.2.3", "settled", "rag"): 9}


names = st.one_of(
    st.sampled_from([b"x-request-id", b"traceparent", b"tracestate", b"content-length"]), st.binary(max_size=20)
)
near_traces = st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", fullmatch=True)
values = st.one_of(st.binary(max_size=40), near_traces, st.just(b"9" * 4301))
anything = st.text(st.characters(), max_size=30)  # lone surrogates included


@given(st.lists(st.tuples(names, values), max_size=6), anything, anything)
def test_no_request_makes_it_fail(
    shared: Telemetry, headers: list[tuple[bytes, bytes]], method: str, path: str
) -> None:
    before = len(shared.lines())
    start = shared.call(answer, method=method, path=path, headers=headers)[0]
    (line,) = shared.lines()[before:]
    assert line["path"] == path[:200]
    assert line["method"] == method[:20]
    sent = dict(start["headers"])
    assert sent[b"x-request-id"].decode() == line["request_id"]
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", sent[b"traceparent"])
    assert all(re.fullmatch(rb"[\t\x20-\x7e]*", value) for value in sent.values())
