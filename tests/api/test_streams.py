"""Batches as streams: answered while they arrive, in bounded memory, and never a line lost."""

import asyncio
import csv
import io
import json
import socket
import tracemalloc
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request

from api import serving
from api.serving import Inside, Live, problem
from api.streaming import CSV, LIMIT, LINE, NDJSON, arriving, memory, streaming
from trivium.api.http.body import BodyStream
from trivium.errors import InvalidInputError
from trivium.portfolio.files import unguarded
from trivium.portfolio.streams import LONGEST_LINE, Case, CsvReader, JsonCases, Lines, NdjsonReader
from trivium.profile import MOST_ID, Profile


def test_items_are_answered_while_the_body_is_still_sent(live: Live) -> None:
    async def talk() -> None:
        async with streaming(live) as stream:
            await stream.send(LINE)
            head = await stream.head()
            assert head.startswith(b"HTTP/1.1 200")
            assert b"content-type: application/x-ndjson" in head.lower()
            answers = stream.lines()
            for index in range(5):
                item = json.loads(await anext(answers))
                assert (item["index"], item["status"], item["id"]) == (index, "ok", "a")
                await stream.send(LINE[:10])
                await stream.send(LINE[10:])
            await stream.end()
            rest = [json.loads(line) async for line in answers]
            assert [item.get("index") for item in rest] == [5, None]
            assert rest[-1]["summary"]["succeeded"] == 6

    asyncio.run(talk())


LEFT_BEHIND: dict[str, tuple[str, bytes, bool, int]] = {
    "while sending NDJSON": (NDJSON, b"{}\n" * 20_000, False, 20_000),
    "while receiving NDJSON": (NDJSON, b"{}\n" * 20_000, True, 20_000),
    "while sending CSV": (CSV, b"id\n" + b"ab\n" * 20_000, False, 20_000),
    "while receiving CSV": (CSV, b"id\n" + b"ab\n" * 20_000, True, 20_000),
    "while receiving JSON": ("application/json", b'{"profiles":[%b]}' % b",".join([b"{}"] * 1000), True, 1000),
}
"""Media type, body, whether it is sent to its end, and number of profiles. They are few bytes, which the service has at
once; their answers in the full view are many times what all buffers between both ends hold."""


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_a_caller_who_leaves_stops_the_work(live: Live, name: str) -> None:
    """Until then the service has made what the buffers hold; of the rest it makes nothing, however fast it is."""
    media, body, whole, total = LEFT_BEHIND[name]
    lines = {"Host": "x", "Content-Type": media, "Accept": NDJSON, "Transfer-Encoding": "chunked"}
    lines["X-Request-ID"] = request_id = name.replace(" ", "-")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    end = b"0\r\n\r\n" if whole else b""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.settimeout(LIMIT)
        caller.connect(("127.0.0.1", live.port))
        caller.sendall(f"POST /recommend/batch?view=full HTTP/1.1\r\n{head}\r\n".encode())
        caller.sendall(b"%x\r\n%b\r\n%b" % (len(body), body, end))
        assert caller.recv(1024).startswith(b"HTTP/1.1 200")
    (line,) = live.lines(request_id, 1)
    assert 0 < line["decisions"] < total / 2
    assert (line["level"], line["status"]) == ("info", 200)


def test_a_caller_who_leaves_is_noticed_behind_parts_that_wait() -> None:
    """The first part takes seconds, and the next one has arrived before the caller leaves."""
    count = 200_000
    messages = [{"type": "http.request", "body": b"{}\n" * lines, "more_body": True} for lines in (count, 1, 1)]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    with serving.inside() as service:
        streamed(service, receive)
        (line,) = [one for one in serving.parse(service.log) if "decisions" in one]
    assert 0 < line["decisions"] < count


def test_parts_that_were_read_ahead_come_in_their_order_once() -> None:
    async def read() -> None:
        sent = [b"%d" % number for number in range(5)]
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in sent]

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": [], "state": {}}
        stream = BodyStream(Request(scope, receive), limit=100, idle_seconds=LIMIT)
        parts = stream.parts()
        found, left = [await anext(parts)], False
        while not left:
            await asyncio.sleep(0)
            left = stream.has_left()
        assert not messages
        found += [await anext(parts) for _ in sent[1:]]
        assert found == sent
        with pytest.raises(InvalidInputError, match="the body ended before"):
            await anext(parts)

    asyncio.run(read())


async def sent_and_read(live: Live, portion: bytes, portions: int) -> tuple[bytes, int, int]:
    """Stream portions; return the last line, the number of lines, and the most memory on the way."""
    async with streaming(live) as stream:

        async def send() -> None:
            for _ in range(portions):
                await stream.send(portion)
            await stream.end()

        sending = asyncio.ensure_future(send())
        await stream.head()
        count, last, most = 0, b"", 0
        async for line in stream.lines():
            count, last = count + 1, line
            if count % 5000 == 0:
                most = max(most, memory(live))
        await sending
        return last, count, most


def test_a_long_stream_takes_no_more_memory_than_a_short_one(live: Live) -> None:
    portion = LINE * 1000
    _, count, short = asyncio.run(sent_and_read(live, portion, 10))
    last, many, long = asyncio.run(sent_and_read(live, portion, 100))
    assert (count, many) == (10_001, 100_001)
    assert json.loads(last)["summary"]["total"] == 100_000
    assert long < short + (24 << 20)


@pytest.mark.exhaustive
@pytest.mark.timeout(3000)
def test_five_million_lines_take_no_more_memory(live: Live) -> None:
    portion = LINE * 1000
    _, _, short = asyncio.run(sent_and_read(live, portion, 10))
    last, many, long = asyncio.run(sent_and_read(live, portion, 5000))
    assert many == 5_000_001
    assert json.loads(last)["summary"]["total"] == 5_000_000
    assert long < short + (24 << 20)


def test_a_caller_who_does_not_read_is_not_read_from_either(live: Live) -> None:
    async def stall() -> int:
        async with streaming(live, request_id="staller") as stream:
            sent = 0
            before = memory(live)
            with suppress(TimeoutError):
                while sent < 2000:
                    async with asyncio.timeout(3):
                        await stream.send(LINE * 1000)
                    sent += 1
            assert sent < 2000  # the buffers of both ends are full
            return memory(live) - before

    assert asyncio.run(stall()) < 32 << 20
    assert httpx.get(f"{live.url}/livez").status_code == 200


@pytest.mark.parametrize("body", [b"a,b,c\n", b"nothing\n1\n"])
def test_a_refused_stream_is_read_to_its_end(live: Live, body: bytes) -> None:
    """Else the service waits in vain for the rest of it, and then closes the connection."""
    with httpx.Client(timeout=LIMIT) as client:
        for _ in range(3):
            response = client.post(f"{live.url}/recommend/batch", content=body, headers={"Content-Type": CSV})
            problem(response, 400, "invalid_input")
            assert response.headers.get("connection") != "close"


def streamed(service: Inside, receive: Any, **headers: str) -> httpx.Response:
    headers = {"content-type": NDJSON, **headers}
    return asyncio.run(serving.call(service.app, "/recommend/batch", receive, **headers))


def test_a_stream_may_take_longer_than_a_body() -> None:
    with serving.inside(body_seconds=0.05) as service:
        response = streamed(service, arriving(LINE, LINE, LINE, pause=0.05))
    assert items_of(response, NDJSON)[1]["succeeded"] == 3


def test_a_stream_that_stops_coming_is_given_up() -> None:
    with serving.inside(stream_idle_seconds=0.1) as service:
        response = streamed(service, arriving(LINE, ends=False))
        assert response.status_code == 200
        item, last = [json.loads(line) for line in response.text.splitlines()]
        assert (item["status"], last["error"]["code"]) == ("ok", "request_timeout")
        (line,) = [one for one in serving.parse(service.log) if one.get("problem")]
        assert (line["problem"], line["decisions"], line["level"]) == ("request_timeout", 1, "info")
        problem(streamed(service, arriving(ends=False)), 408, "request_timeout")


def test_a_stream_that_is_too_large_is_cut_short() -> None:
    with serving.inside(max_stream_bytes=4096) as service:
        response = streamed(service, arriving(LINE, LINE * 100))
        item, last = [json.loads(line) for line in response.text.splitlines()]
        assert (item["status"], last["error"]["code"]) == ("ok", "too_large")
        problem(streamed(service, arriving(LINE * 100)), 413, "too_large")
        refused = streamed(service, arriving(LINE * 100), **{"content-length": str(len(LINE) * 100)})
        assert problem(refused, 413, "too_large")["limit"] == 4096


def test_streams_have_slots_of_their_own() -> None:
    with serving.inside(max_streams=1, max_batches=1) as service:
        services = service.app.state.services
        with services.streams.slot():
            busy = ask(service, LINE, NDJSON)
            assert problem(busy, 503, "busy")
            assert busy.headers["retry-after"] == "1"
            assert ask(service, AS_JSON, "application/json").status_code == 200
        with services.batches.slot():
            for body in (LINE, b"", b"[]"):
                assert ask(service, body, NDJSON).status_code in {200, 400}


def test_a_body_cut_off_has_no_summary(live: Live) -> None:
    async def cut() -> None:
        async with streaming(live, request_id="cut-stream") as stream:
            await stream.send(LINE)
            await stream.head()
            await stream.chunk()
            stream.writer.write(b"zz\r\n")
            stream.writer.write_eof()
            rest = await asyncio.wait_for(stream.reader.read(), LIMIT)
            assert b"summary" not in rest
            assert not rest.endswith(b"\r\n0\r\n\r\n") or b"error" in rest

    asyncio.run(cut())


def ask(service: Inside, body: bytes, sent: str, wanted: str | None = None) -> httpx.Response:
    headers = {"Content-Type": sent} | ({"Accept": wanted} if wanted else {})
    return service.client.post("/recommend/batch", content=body, headers=headers)


PROFILES: list[Any] = [
    {"id": "a", "knowledge_need": "changing_facts"},
    {"id": "=1+1", "requests_per_day": 20_000, "labeled_examples": 800},
    {"id": "b", "primary_goal": "cots"},
    {"id": "c", "citations_required": True, "costs": {"model": "gpt-4o", "output_tokens": 5}},
    {},
]
AS_JSON = json.dumps({"profiles": PROFILES}).encode()
AS_LINES = "".join(json.dumps(one) + "\n" for one in PROFILES).encode()
AS_TABLE = (
    b"id,Knowledge need,requests_per_day,labeled_examples,primary_goal,citations_required,"
    b"costs.model,costs.output_tokens\r\n"
    b"a,changing facts,,,,,,\r\n=1+1,,20k,800,,,,\r\nb,,,,cots,,,\r\nc,,,,,yes,gpt-4o,5\r\n,?,,,,,,\r\n"
)


def items_of(response: httpx.Response, media: str) -> tuple[list[Any], Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == media
    if media == "application/json":
        whole = response.json()
        return whole["items"], whole["summary"]
    *items, last = [json.loads(line) for line in response.text.splitlines()]
    return items, last["summary"]


@pytest.mark.parametrize("sent", [("application/json", AS_JSON), (NDJSON, AS_LINES), (CSV, AS_TABLE)])
def test_each_format_says_the_same(service: Inside, sent: tuple[str, bytes]) -> None:
    expected = items_of(ask(service, AS_JSON, "application/json"), "application/json")
    for wanted in ("application/json", NDJSON):
        items, summary = items_of(ask(service, sent[1], sent[0], wanted), wanted)
        assert summary == expected[1]
        assert [item.get("result") for item in items] == [item.get("result") for item in expected[0]]
        assert [item.get("id") for item in items] == [item.get("id") for item in expected[0]]
        assert [error["pointer"] for item in items if "error" in item for error in item["error"]["errors"]] == [
            "/primary_goal"
        ]
    response = ask(service, sent[1], sent[0], CSV)
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    *rows, last = csv.DictReader(io.StringIO(response.text))
    assert [row["strategy"] for row in rows] == [item.get("result", {}).get("strategy", "") for item in expected[0]]
    assert [row["index"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["id"] for row in rows] == ["a", "'=1+1", "b", "c", ""]
    assert rows[2]["error"] == "primary_goal: unknown value; did you mean `cost`?"
    assert json.loads(last["summary"]) == expected[1]


def test_the_answer_has_the_type_of_the_body_unless_another_is_wanted(service: Inside) -> None:
    for media, body in (("application/json", AS_JSON), (NDJSON, AS_LINES), (CSV, AS_TABLE)):
        for accept in (None, "*/*", f"{media}, */*;q=0.5"):
            assert ask(service, body, media, accept).headers["content-type"].partition(";")[0] == media
    problem(ask(service, AS_LINES, NDJSON, "text/html"), 406, "not_acceptable")
    problem(ask(service, AS_LINES, "text/plain"), 415, "unsupported_media_type")


@pytest.mark.parametrize("view", ["brief", "standard", "full"])
def test_a_line_gets_the_view_that_is_asked_for(service: Inside, view: str) -> None:
    answer = service.client.post(f"/recommend/batch?view={view}", content=LINE, headers={"Content-Type": NDJSON})
    one = service.client.post(f"/recommend?view={view}", content=LINE, headers=serving.JSON)
    assert items_of(answer, NDJSON)[0][0]["result"] == one.json()


@pytest.mark.parametrize(
    ("media", "body", "says"),
    [
        (NDJSON, b"", "the body has no profiles"),
        (NDJSON, b"\n \n", "the body has no profiles"),
        (CSV, b"", "the body has no profiles"),
        (CSV, b"id,primary_goal\n", "the body has no profiles"),
        (CSV, b"a,b\n1,2\n", "no column is a field of the profile"),
        (CSV, b"labeled_exampels\n1\n", "looks like `labeled_examples`: rename it"),
        (CSV, b"id,ID\n1,2\n", "both give `id`"),
        (CSV, b"\xff\xfei\0d\0\n\0", "not UTF-8"),
        (CSV, b'id\n"a', "a quotation mark is not closed"),
        (CSV, b'id\n"' + b"\n" * LONGEST_LINE, "a row has more than 131072 bytes, or a quotation mark is not closed"),
        (CSV, b"id," + b"x" * LONGEST_LINE + b"\na\n", "the line is too long: it has more than 131072 bytes"),
        (CSV, ",".join(f"c{at}" for at in range(10_000)).encode() + b"\n1\n", "more than 1000 columns"),
    ],
)
def test_a_stream_of_nothing_is_refused(service: Inside, media: str, body: bytes, says: str) -> None:
    (error,) = problem(ask(service, body, media), 400, "invalid_input")["errors"]
    assert says in error["detail"]


def test_a_bad_line_is_an_error_and_the_stream_goes_on(service: Inside) -> None:
    lines = [LINE.strip(), b"[]", b"{", b"\xff", b'{"x": 1}', b"[" * 10_000, b'{"id": "' + b"x" * (2 << 20), b"", LINE]
    items, summary = items_of(ask(service, b"\r\n".join(lines), NDJSON), NDJSON)
    assert [item["status"] for item in items] == ["ok", *["error"] * 6, "ok"]
    assert (summary["total"], summary["failed"]) == (8, 6)
    rows = [b"id,note", b'a,"x', b'y"', b"b", b"\xff,", b'"c"d,', b"e,1,2", b"f,"]
    items, summary = items_of(ask(service, b"\n".join(rows), CSV, NDJSON), NDJSON)
    assert [item["status"] for item in items] == ["ok", *["error"] * 4, "ok"]
    assert [item.get("id") for item in items][-2:] == ["e", "f"]


def test_rows_of_empty_cells_are_no_cases(service: Inside) -> None:
    rows = [b"id;note;primary_goal", b"a;;", b";;", b"", b" ; ;", b'"";;', b"b;;", b";;;;"]
    items, summary = items_of(ask(service, b"\r\n".join(rows), CSV, NDJSON), NDJSON)
    assert [(item["index"], item["id"]) for item in items] == [(0, "a"), (1, "b")]
    assert (summary["total"], summary["failed"]) == (2, 0)


@given(st.sampled_from([NDJSON, CSV]), st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_whatever_the_body_is_it_is_answered(service: Inside, media: str, body: bytes) -> None:
    for begin in (b"", b"id,primary_goal\n"):
        response = ask(service, begin + body, media)
        if response.status_code != 200:
            problem(response, 400, "invalid_input")


HOSTILE = {
    "nested lists": (b'{"id": ', b"[", b""),
    "nested objects": (b'{"id": ', b'{"a":', b""),
    "a long list": (b'{"id": [', b"1,", b"1]}"),
    "many lists": (b'{"id": [', b"[],", b"1]}"),
    "many lists in JSON that is decoded twice": (b'{"id": [1e400,', b"[],", b"1]}"),
    "many fields": (b"{", b'"f":1,', b'"f":1}'),
    "a long id": (b'{"id": "', b"x", b'"}'),
    "many digits": (b'{"prompt_tokens": ', b"9", b"}"),
    "no JSON": (b"", b"\0", b""),
}
"""Lines that could take much memory, by name: how they begin, what they repeat, and how they end."""


def hostile(name: str, size: int) -> bytes:
    begin, repeated, end = HOSTILE[name]
    return begin + repeated * ((size - len(begin) - len(end)) // len(repeated)) + end


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("size", "most"), [(LONGEST_LINE, 32 * LONGEST_LINE), (64 * LONGEST_LINE, 3 * LONGEST_LINE)])
def test_a_line_takes_bounded_memory_whatever_is_in_it(name: str, size: int, most: int) -> None:
    body = hostile(name, size) + b"\n"
    lines, reader = Lines(LONGEST_LINE), NdjsonReader()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cases = [reader.read(line) for at in range(0, size, 4096) for line in lines.feed(body[at : at + 4096])]
        cases += [reader.read(line) for line in lines.end()]
        assert tracemalloc.get_traced_memory()[1] - before < most
    finally:
        tracemalloc.stop()
    (case,) = cases
    assert case is not None
    assert case.errors
    assert len(case.id or "") <= MOST_ID


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_that_is_too_long_is_an_error_that_says_so(service: Inside, name: str) -> None:
    body = hostile(name, LONGEST_LINE + 20) + b"\n" + LINE
    items, _ = items_of(ask(service, body, NDJSON), NDJSON)
    assert [item["status"] for item in items] == ["error", "ok"]
    says = f"the line is too long: it has more than {LONGEST_LINE} bytes"
    assert items[0]["error"]["errors"] == [{"code": "malformed", "detail": says, "pointer": ""}]


@pytest.mark.parametrize(("media", "begin"), [(NDJSON, b""), (CSV, b"id,note\n"), (CSV, b'id,note\na,"')])
def test_lines_without_a_profile_leave_others_their_turn(service: Inside, media: str, begin: bytes) -> None:
    async def turns_of_others(body: bytes) -> int:
        asked = serving.call(service.app, "/recommend/batch", arriving(body), **{"content-type": media})
        answering = asyncio.ensure_future(asked)
        turns = 0
        while not answering.done():
            turns += 1
            await asyncio.sleep(0)
        problem(answering.result(), 400, "invalid_input")
        return turns

    few = asyncio.run(turns_of_others(begin + b"\n"))
    assert asyncio.run(turns_of_others(begin + b"\n" * 500_000)) > few + 1


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=8))
def test_it_does_not_matter_in_which_parts_a_stream_arrives(body: bytes, sizes: list[int]) -> None:
    def cut(parts: list[bytes]) -> list[bytes | None]:
        lines = Lines(40)
        return [line for part in parts for line in lines.feed(part)] + list(lines.end())

    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    whole = cut([body])
    assert cut([*parts, body[at:]]) == whole
    kept = body.split(b"\n")
    if kept[-1] == b"":
        kept.pop()
    assert whole == [None if len(line) > 40 else line.removesuffix(b"\r") for line in kept]


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"id": st.text(max_size=5), "labeled_examples": st.integers(-1, 9), "x": st.none()}
        )
    )
)
def test_a_line_of_ndjson_is_read_as_an_item_of_a_batch(profiles: list[Any]) -> None:
    lines, items = NdjsonReader(), JsonCases()
    assert [lines.read(json.dumps(own).encode()) for own in profiles] == [items.case(own) for own in profiles]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6), min_size=1))
def test_a_row_of_a_table_is_read_whatever_is_in_its_cells(ids: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["id", "primary_goal"], *([one, "cost"] for one in ids)])
    lines, reader = Lines(1000), CsvReader(1000)
    read = [reader.read(line) for line in [*lines.feed(text.getvalue().encode()), *lines.end()]]
    found = [case for case in read if case is not None]
    ids = [unguarded(one) for one in ids]
    assert found == [Case(one.strip() or None, Profile(id=one.strip() or None, primary_goal="cost")) for one in ids]
    reader.end()
