"""Arrow streams over HTTP: the same answers as elsewhere, while the body is sent; a bomb is refused unopened."""

import asyncio
import io
import json
import random
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trivium
from api import serving
from api.serving import Inside, Live, documented, problem
from api.streaming import ARROW, LIMIT, NDJSON, arriving, memory, streaming
from portfolio.test_score import PORTFOLIO
from trivium.api.batches import arrow
from trivium.portfolio.arrow_messages import MOST_BODY, Message, Messages
from trivium.portfolio.arrow_reader import BatchReader
from trivium.portfolio.ipc import DICTIONARY, RECORDS, SCHEMA
from trivium.portfolio.rows import DEFAULT_COLUMNS
from trivium.portfolio.streams import StreamError, TooLargeError


HEADERS = {"Content-Type": ARROW}
END = b"\xff\xff\xff\xff\0\0\0\0"
FIELDS = list(dict.fromkeys(name for row in PORTFOLIO for name in row))


def table_of(rows: list[Any]) -> Any:
    return pa.table({name: [row.get(name) for row in rows] for name in FIELDS})


TABLE = table_of(PORTFOLIO)
ROW = pa.table({"id": ["a"], "knowledge_need": ["changing_facts"], "requests_per_day": [5000.0]})


def stream_of(table: Any, rows: int | None = None, **options: Any) -> bytes:
    """Return a table as an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, rows)
    return sink.getvalue()


def ask(url: str, body: bytes, query: str = "") -> httpx.Response:
    return httpx.post(f"{url}/recommend/batch{query}", content=body, headers=HEADERS, timeout=LIMIT)


def batches(body: bytes) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the record batches of a stream, each with its metadata."""
    reader = pa.ipc.open_stream(body)
    with suppress(StopIteration):
        while True:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
            yield batch, {} if metadata is None else {key.decode(): json.loads(metadata[key]) for key in metadata}


def told(response: httpx.Response) -> tuple[list[Any], Any]:
    """Return the rows and the summary."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == ARROW
    *scored, (last, metadata) = batches(response.content)
    assert last.num_rows == 0
    assert not any(said for _, said in scored)
    return [row for batch, _ in scored for row in batch.to_pylist()], metadata["summary"]


def by_lines(url: str, rows: list[Any], query: str = "") -> tuple[list[Any], Any]:
    """Return the items and the summary that NDJSON gets."""
    body = "".join(json.dumps(row) + "\n" for row in rows)
    answer = httpx.post(f"{url}/recommend/batch{query}", content=body, headers={"Content-Type": NDJSON}, timeout=LIMIT)
    *items, last = [json.loads(line) for line in answer.text.splitlines()]
    return items, last["summary"]


@pytest.mark.parametrize("version", ["1.0.0", "3.0.0"])
@pytest.mark.parametrize("rows", [None, 7])
def test_every_row_gets_the_answer_of_the_library(live: Live, version: str, rows: int | None) -> None:
    found, summary = told(ask(live.url, stream_of(TABLE, rows), f"?policy={version}"))
    assert len(found) == len(PORTFOLIO)
    for row, own in zip(found, PORTFOLIO, strict=True):
        made = trivium.recommend(own, policy=version)
        assert {name: row[name] for name in own} == own
        assert (row["strategy"], row["status"], row["policy_version"]) == (made.strategy, made.status, version)
        assert row["codes"] == [reason.code for reason in made.rationale]
        assert row["first_question"] == (made.questions[0].input if made.questions else None)
        assert row["error"] is None
    assert summary == by_lines(live.url, PORTFOLIO, f"?policy={version}")[1]


def test_frames_of_pandas_and_polars_are_taken_as_they_write_them(live: Live) -> None:
    expected = [item["result"]["strategy"] for item in by_lines(live.url, PORTFOLIO)[0]]
    polars = io.BytesIO()
    pl.DataFrame(TABLE).write_ipc_stream(polars)
    for body in (polars.getvalue(), stream_of(pa.Table.from_pandas(pd.DataFrame(PORTFOLIO)), 16)):
        found, _ = told(ask(live.url, body))
        assert [row["strategy"] for row in found] == expected
    answer = ask(live.url, polars.getvalue()).content
    assert pl.read_ipc_stream(io.BytesIO(answer))["strategy"].to_list() == expected


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_batches_and_dictionaries_are_read(live: Live, compression: str) -> None:
    words = pa.array([["none", "changing_facts", None][number % 3] for number in range(900)]).dictionary_encode()
    table = pa.table({"knowledge_need": words, "requests_per_day": np.arange(900.0), "note": ["x" * 99] * 900})
    body = stream_of(table, 100, compression=compression)
    found, summary = told(ask(live.url, body))
    assert summary["succeeded"] == 900
    assert [row["note"] for row in found] == ["x" * 99] * 900
    assert [row["strategy"] for row in found[:3]] == [
        trivium.recommend({"knowledge_need": word, "requests_per_day": at}).strategy
        for at, word in enumerate(["none", "changing_facts", None])
    ]


def test_a_dictionary_may_grow_and_be_replaced(live: Live) -> None:
    pieces = [["none"], ["none", "changing_facts"], ["stable_facts"]]
    sink = io.BytesIO()
    schema = pa.schema([("knowledge_need", pa.dictionary(pa.int32(), pa.string()))])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for words in pieces:
            array = pa.DictionaryArray.from_arrays(pa.array(range(len(words)), pa.int32()), pa.array(words))
            writer.write_batch(pa.record_batch([array], schema=schema))
    found, _ = told(ask(live.url, sink.getvalue()))
    assert [row["knowledge_need"] for row in found] == ["none", "none", "changing_facts", "stable_facts"]


def test_a_wrong_row_has_its_error_and_the_others_their_answers(live: Live) -> None:
    rows = [{"id": str(at), "labeled_examples": [5.0, -1.0][at % 2], "primary_goal": "cost"} for at in range(500)]
    rows[0]["primary_goal"] = "cots"
    found, summary = told(ask(live.url, stream_of(pa.Table.from_pylist(rows), 100)))
    assert [row["error"] is None for row in found] == [at % 2 == 0 and at > 0 for at in range(500)]
    assert "did you mean `cost`?" in found[0]["error"]
    assert all((row["strategy"] is None) == (row["error"] is not None) for row in found)
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (500, 249, 251)


def test_a_frame_without_rows_has_columns_and_a_summary(live: Live) -> None:
    for table in (TABLE.slice(0, 0), TABLE.slice(0, 0).combine_chunks()):
        response = ask(live.url, stream_of(table))
        rows, summary = told(response)
        assert (rows, summary["total"]) == ([], 0)
        assert pa.ipc.open_stream(response.content).schema.names == [*TABLE.schema.names, *DEFAULT_COLUMNS]


def test_log_and_metrics_count_what_they_count_for_lines(service: Inside) -> None:
    def counted() -> dict[Any, float]:
        names = {"trivium_recommendations_total", "trivium_rationale_codes_total"}
        return {key: value for key, value in service.metrics().items() if key[0] in names}

    lines = "".join(json.dumps(row) + "\n" for row in PORTFOLIO)
    found = []
    for body, media in ((lines.encode(), NDJSON), (stream_of(TABLE, 9), ARROW)):
        before = counted()
        response = service.client.post("/recommend/batch", content=body, headers={"Content-Type": media})
        assert service.line(response)["decisions"] == len(PORTFOLIO)
        after = counted()
        found.append({key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)})
    assert found[0] == found[1]
    assert found[0]


def parts_of(body: bytes) -> list[bytes]:
    """Return the schema, the batches and the end of a stream."""
    messages = [message.data for message in Messages().feed(body)]
    return [*messages, body[sum(map(len, messages)) :]]


def test_batches_are_answered_while_the_body_is_still_sent(live: Live) -> None:
    schema, batch, end = parts_of(stream_of(ROW))

    async def talk() -> bytes:
        async with streaming(live, ARROW) as stream:
            await stream.send(schema + batch)
            assert (await stream.head()).startswith(b"HTTP/1.1 200")
            body = await stream.chunk()
            for _ in range(3):
                await stream.send(batch[:50])
                await stream.send(batch[50:])
                body += await stream.chunk()
            alive = await asyncio.to_thread(httpx.get, f"{live.url}/livez")
            assert alive.status_code == 200
            await stream.send(end)
            await stream.end()
            while part := await stream.chunk():
                body += part
            return body

    *scored, (_, metadata) = batches(asyncio.run(talk()))
    assert [one.num_rows for one, _ in scored] == [1] * 4
    assert metadata["summary"]["succeeded"] == 4


def many(rows: int) -> Any:
    generator = random.Random(7)  # noqa: S311 - no secret
    return table_of([generator.choice(PORTFOLIO) for _ in range(rows)])


def test_a_caller_who_leaves_stops_the_work(live: Live) -> None:
    schema, batch, _ = parts_of(stream_of(many(4096)))
    count = 200

    async def leave() -> None:
        async with streaming(live, ARROW, request_id="arrow-leaver") as stream:
            sending = asyncio.ensure_future(stream.send(schema + batch * count))
            await stream.head()
            await stream.chunk()
            sending.cancel()

    asyncio.run(leave())
    (line,) = live.lines("arrow-leaver", 1)
    assert line["decisions"] < 4096 * count
    assert line["level"] == "info"


def test_a_caller_who_does_not_read_is_not_read_from_either(live: Live) -> None:
    schema, batch, _ = parts_of(stream_of(many(4096)))

    async def stall() -> int:
        async with streaming(live, ARROW, request_id="arrow-staller") as stream:
            await stream.send(schema + batch)
            await stream.head()
            before, sent = memory(live), 0
            with suppress(TimeoutError):
                while sent < 1000:
                    async with asyncio.timeout(3):
                        await stream.send(batch)
                    sent += 1
            assert sent < 1000  # the buffers of both ends are full
            return memory(live) - before

    assert asyncio.run(stall()) < 48 << 20
    assert httpx.get(f"{live.url}/livez").status_code == 200


def test_a_long_stream_takes_no_more_memory_than_a_short_one(live: Live) -> None:
    schema, batch, end = parts_of(stream_of(many(8192)))

    async def sent_and_read(portions: int) -> int:
        async with streaming(live, ARROW) as stream:

            async def send() -> None:
                await stream.send(schema)
                for _ in range(portions):
                    await stream.send(batch)
                await stream.send(end)
                await stream.end()

            sending = asyncio.ensure_future(send())
            await stream.head()
            most = 0
            while await stream.chunk():
                most = max(most, memory(live))
            await sending
            return most

    short = asyncio.run(sent_and_read(4))
    assert asyncio.run(sent_and_read(60)) < short + (48 << 20)


def huge_body(size: int) -> bytes:
    """Return a stream whose batch claims a body of another size."""
    body = stream_of(pa.table({"labeled_examples": np.arange(1000)}))
    assert body.count(struct.pack("<q", 8000)) == 2  # the message, and its buffer
    return body.replace(struct.pack("<q", 8000), struct.pack("<q", size))


def unpacked(size: int) -> bytes:
    """Return a stream with a compressed buffer that claims another size."""
    body = stream_of(pa.table({"labeled_examples": np.zeros(1000)}), compression="zstd")
    assert body.count(struct.pack("<q", 8000)) == 1
    return body.replace(struct.pack("<q", 8000), struct.pack("<q", size))


def bomb(rows: int, value: int, kind: str, column: str = "primary_goal") -> bytes:
    """Return a small stream that repeats a long text, or a list, in each row."""
    text = pa.array(["x" * value])
    zeros = pa.array(np.zeros(rows, np.int32))
    view = struct.pack("<i4sii", value, b"xxxx", 0, 0)
    array = {
        "dictionary": lambda: pa.DictionaryArray.from_arrays(zeros, text),
        "view": lambda: pa.Array.from_buffers(
            pa.string_view(), rows, [None, pa.py_buffer(view * rows), text.buffers()[2]]
        ),
        "runs": lambda: pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), text),
        "lists": lambda: pa.FixedSizeListArray.from_arrays(pa.nulls(rows * value), value),
        "nulls": lambda: pa.nulls(rows),
    }[kind]()
    return stream_of(pa.table({"labeled_examples": pa.nulls(rows), column: array}))


Made = dict[str, tuple[Callable[[], bytes], str]]

TOO_LARGE: Made = {
    "a huge message": (lambda: huge_body(1 << 50), "1125899906842624 bytes"),
    "a message beyond the limit": (lambda: huge_body(MOST_BODY + 8), "fewer rows in a record batch"),
    "a decompression bomb": (
        lambda: stream_of(pa.table({"labeled_examples": np.zeros(1 << 25, np.int8)}), compression="zstd"),
        "Uncompressed",
    ),
    "a huge claim": (lambda: unpacked(1 << 50), "Uncompressed"),
    "many rows of nothing": (lambda: bomb(1 << 30, 1, "nulls"), "rows"),
    "a dictionary of a long text": (lambda: bomb(1000, 1 << 20, "dictionary"), "`primary_goal` has a text"),
    "views of a long text": (lambda: bomb(1000, 1 << 20, "view"), "`primary_goal` has a text"),
    "a run of a long text": (lambda: bomb(1000, 1 << 20, "runs"), "`primary_goal` has a text"),
    "views that are passed through": (lambda: bomb(100_000, 1 << 20, "view", "note"), "`note` has 104857600000 bytes"),
    "lists that are passed through": (lambda: bomb(1000, 1 << 20, "lists", "note"), "`note` has lists of 1048576000"),
    "endless metadata": (lambda: b"\xff\xff\xff\xff" + struct.pack("<i", 1 << 30), "The metadata of a message"),
}


FEW = ("a huge message", "a decompression bomb", "a dictionary of a long text")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=() if what in FEW else pytest.mark.exhaustive) for what in TOO_LARGE]
)
def test_what_takes_too_much_is_refused_before_it_is_read(live: Live, what: str) -> None:
    make, says = TOO_LARGE[what]
    body = make()
    ask(live.url, stream_of(ROW))  # the extra is loaded now
    before = memory(live)
    assert says in problem(ask(live.url, body), 413, "too_large")["detail"]
    assert memory(live) < before + (32 << 20) + len(body)


MALFORMED: Made = {
    "nothing": (lambda: b"", "no Arrow stream"),
    "the end alone": (lambda: END, "no Arrow stream"),
    "cut off in the schema": (lambda: stream_of(TABLE)[:100], "ends in the middle"),
    "cut off in a batch": (lambda: stream_of(TABLE)[:-100], "ends in the middle"),
    "no schema": (lambda: parts_of(stream_of(TABLE))[1], "one schema, which comes first"),
    "two schemas": (lambda: parts_of(stream_of(TABLE))[0] * 2, "one schema, which comes first"),
    "a claim below zero": (lambda: huge_body(-8), "malformed"),
    "JSON": (lambda: b'{"profiles": [{}]}', "this is no Arrow stream"),
    "more than the end": (lambda: parts_of(stream_of(ROW))[0] + END * 2, "after the end of the Arrow stream"),
    "zeros": (lambda: b"\xff\xff\xff\xff" + struct.pack("<i", 64) + b"\0" * 64, "Arrow stream"),
    "no known column": (lambda: stream_of(pa.table({"a": [1]})), "no column is a field of a profile"),
    "a misspelt column": (
        lambda: stream_of(pa.table({"labeled_exampels": [1]})),
        "looks like `labeled_examples`: rename it",
    ),
    "a column of the answer": (lambda: stream_of(ROW.append_column("strategy", [["x"]])), "of this name too"),
    "lists": (lambda: bomb(9, 1 << 20, "lists"), "expected numbers, texts or flags, got fixed_size_list"),
    "a name that is no text": (
        lambda: stream_of(pa.table({"labeled_examples": [1], "naaame": [1]})).replace(b"naaame", b"na\xff\xffme"),
        "the Arrow stream is damaged",
    ),
    "a misspelt column next to a right one": (
        lambda: stream_of(pa.table({"requests_per_dya": [5], "knowledge_need": ["none"]})),
        "column `requests_per_dya` looks like `requests_per_day`: rename it",
    ),
    "a struct": (lambda: stream_of(pa.table({"primary_goal": [{"x": 1}]})), "got struct"),
    "many columns": (lambda: stream_of(pa.table({f"c{at}": [1] for at in range(1001)})), "more than 1000 columns"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_stream_of_profiles_is_refused(service: Inside, what: str) -> None:
    make, says = MALFORMED[what]
    response = service.client.post("/recommend/batch", content=make(), headers=HEADERS)
    (error, *_) = problem(response, 400, "invalid_input")["errors"]
    assert says in error["detail"]
    documented(service, response)


FAR = {
    "a timestamp": pa.array([2**60], pa.timestamp("s")),
    "a date": pa.array([2**31 - 1], pa.date32()),
    "an unknown time zone": pa.array([0], pa.timestamp("s", tz="Foo/Bar")),
}


@pytest.mark.parametrize("accept", [ARROW, NDJSON])
@pytest.mark.parametrize("what", FAR)
def test_what_python_has_no_type_for_is_an_error_of_its_row(service: Inside, what: str, accept: str) -> None:
    body = stream_of(pa.table({"knowledge_need": FAR[what]}))
    response = service.client.post("/recommend/batch", content=body, headers={**HEADERS, "Accept": accept})
    assert response.status_code == 200
    if accept == NDJSON:
        assert json.loads(response.text.splitlines()[0])["error"]["code"] == "invalid_input"
    else:
        assert (
            next(iter(batches(response.content)))[0]["error"][0].as_py().startswith("/knowledge_need: expected one of")
        )


def test_dictionaries_are_limited_whatever_they_hold() -> None:
    words = pa.array(["none"]).dictionary_encode()
    schema, dictionary, *_ = Messages().feed(stream_of(pa.table({"knowledge_need": words})))

    def read(*dictionaries: int) -> None:
        reader = BatchReader()
        for message in (
            schema,
            *(dictionary._replace(header=dictionary.header._replace(dictionary=at)) for at in dictionaries),
        ):
            reader.read(message)

    many = MOST_BODY // 1024
    read(*[1] * many)  # each replaces the one before
    with pytest.raises(TooLargeError, match="the dictionaries have"):
        read(*range(many))


def test_requests_do_not_wait_for_what_the_threads_of_others_work_on() -> None:
    asyncio.run(arrow.load_arrow())
    done = threading.Event()
    working = [arrow.POOL.submit(done.wait, LIMIT) for _ in range(arrow.THREADS)]
    try:
        asyncio.run(arrow.load_arrow())
        assert not any(one.done() for one in working)
    finally:
        done.set()


def test_a_batch_without_its_dictionary_is_damaged(service: Inside) -> None:
    words = pa.array(["none"]).dictionary_encode()
    schema, _, batch, _ = parts_of(stream_of(pa.table({"knowledge_need": words})))
    response = service.client.post("/recommend/batch", content=schema + batch, headers=HEADERS)
    assert "is damaged" in problem(response, 400, "invalid_input")["errors"][0]["detail"]


def test_what_breaks_after_the_first_answer_is_told_and_cut_off(live: Live) -> None:
    """A reader takes the end of a response for that of the stream, so there must be none."""
    schema, batch, _ = parts_of(stream_of(ROW))

    async def talk() -> bytes:
        async with streaming(live, ARROW, request_id="arrow-broken") as stream:
            await stream.send(schema + batch)
            await stream.head()
            body = await stream.chunk()
            await stream.send(batch[:20])
            await stream.end()
            rest = await asyncio.wait_for(stream.reader.read(), LIMIT)
            assert not rest.endswith(b"0\r\n\r\n")
            size, _, chunk = rest.partition(b"\r\n")
            return body + chunk[: int(size, 16)]

    _, (last, metadata) = batches(asyncio.run(talk()))
    assert last.num_rows == 0
    assert "ends in the middle" in metadata["error"]["errors"][0]["detail"]
    (line,) = live.lines("arrow-broken", 1)
    assert (line["problem"], line["decisions"], line["level"]) == ("invalid_input", 1, "info")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(live.url, schema + batch + batch[:20])


def test_a_stream_that_stops_coming_is_given_up() -> None:
    schema, batch, _ = parts_of(stream_of(ROW))
    with serving.inside(stream_idle_seconds=1) as service:
        pause = arriving(schema, batch, ends=False)
        response = asyncio.run(serving.call(service.app, "/recommend/batch", pause, **{"content-type": ARROW}))
        _, (_, metadata) = batches(response.content)
        assert metadata["error"]["code"] == "request_timeout"


def test_it_takes_the_slots_of_streams() -> None:
    with serving.inside(max_streams=1) as service, service.app.state.services.streams.slot():
        problem(service.client.post("/recommend/batch", content=stream_of(ROW), headers=HEADERS), 503, "busy")


GOOD = stream_of(
    pa.table({"knowledge_need": pa.array(["none", "x", None]).dictionary_encode(), "note": ["a", "b", ""]})
)


@given(st.lists(st.integers(1, 200), max_size=12))
def test_it_does_not_matter_in_which_parts_a_stream_arrives(sizes: list[int]) -> None:
    def cut(parts: list[bytes]) -> list[Message]:
        messages = Messages()
        found = [message for part in parts for message in messages.feed(part)]
        messages.end()
        return found

    parts, at = [], 0
    for size in sizes:
        parts.append(GOOD[at : at + size])
        at += size
    whole = cut([GOOD])
    assert cut([*parts, GOOD[at:]]) == whole
    kinds = [SCHEMA, DICTIONARY, RECORDS]
    assert [message.header.kind for message in whole] == kinds
    assert GOOD.startswith(b"".join(message.data for message in whole))


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_an_error(body: bytes) -> None:
    messages = Messages()
    with suppress(StreamError):
        list(messages.feed(b"\xff\xff\xff\xff" + struct.pack("<i", len(body)) + body))
        messages.end()


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_stream_never_hurts_the_service(service: Inside, damage: list[tuple[int, int]]) -> None:
    body = bytearray(GOOD)
    for at, byte in damage:
        body[at] = byte
    response = service.client.post("/recommend/batch", content=bytes(body), headers=HEADERS)
    assert response.status_code in {200, 400, 413}
    assert serving.parse(service.log)[-1]["level"] == "info"
