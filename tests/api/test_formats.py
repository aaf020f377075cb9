"""Batches in each format, answered in each: the same items and counts for every pair, over HTTP, as they are made."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from api import serving
from api.serving import Inside, Live, documented, problem
from api.streaming import ARROW, CSV, LIMIT, LINE, NDJSON, memory, streaming
from api.test_arrow import ROW, batches, bomb, many, parts_of, stream_of
from portfolio.test_score import PORTFOLIO
from trivium.portfolio.files import as_text, guarded


JSON = "application/json"
MEDIA = [JSON, NDJSON, CSV, ARROW]
PATHS = ["/recommend/batch?policy=2.0.0", "/recommend/impact?from=1.0.0&to=2.0.0"]
COSTS = {"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "output_tokens": 50, "engineering": 6000}
PROFILES: list[Any] = [
    *PORTFOLIO[:20],
    {"id": "wrong", "labeled_examples": -1},
    {"id": "=1+1", "requests_per_day": 20_000, "labeled_examples": 800, "prompt_tokens": 2000, "costs": COSTS},
    {"requests_per_day": 12.5},
    *PORTFOLIO[20:],
]


def flat(profile: Any) -> dict[str, Any]:
    costs = profile.get("costs", {})
    return {**profile, **{f"costs.{name}": value for name, value in costs.items()}, "costs": None}


def as_table(profiles: list[Any]) -> bytes:
    rows = [{name: value for name, value in flat(one).items() if name != "costs"} for one in profiles]
    text = io.StringIO()
    write = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    write.writeheader()
    write.writerows(rows)
    return text.getvalue().encode()


def as_arrow(profiles: list[Any]) -> bytes:
    names = list(dict.fromkeys(name for one in profiles for name in one))
    return stream_of(pa.table({name: [one.get(name) for one in profiles] for name in names}), 7)


BODIES = {
    JSON: json.dumps({"profiles": PROFILES}).encode(),
    NDJSON: "".join(json.dumps(one) + "\n" for one in PROFILES).encode(),
    CSV: as_table(PROFILES),
    ARROW: as_arrow(PROFILES),
}


def post(url: str, path: str, body: bytes, sent: str, wanted: str | None) -> httpx.Response:
    headers = {"Content-Type": sent} | ({"Accept": wanted} if wanted else {})
    return httpx.post(f"{url}{path}", content=body, headers=headers, timeout=LIMIT)


def told(response: httpx.Response, media: str) -> tuple[list[Any], Any]:
    """Return the items, or the rows, and the summary."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == media
    if media == JSON:
        return response.json()["items"], response.json()["summary"]
    if media == NDJSON:
        *items, last = [json.loads(line) for line in response.text.splitlines()]
        return items, last["summary"]
    if media == CSV:
        *rows, last = csv.DictReader(io.StringIO(response.text))
        return rows, json.loads(last["summary"])
    *scored, (last, metadata) = batches(response.content)
    assert last.num_rows == 0
    return [row for batch, _ in scored for row in batch.to_pylist()], metadata["summary"]


def cells(path: str, item: Any) -> list[Any]:
    """Return what a table has of an item: whether it is wrong, and what was decided."""
    if item["status"] == "error":
        return [True, None, None, None]
    if "impact" in path:
        return [False, item["before"], item["after"], item.get("rule")]
    return [False, item["result"]["strategy"], item["result"]["status"], item["result"]["policy"]["version"]]


def cells_of_row(path: str, row: Any) -> list[Any]:
    names = ("strategy_before", "strategy_after", "rule")
    names = names if "impact" in path else ("strategy", "status", "policy_version")
    return [bool(row["error"]), *(row[name] or None for name in names)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wanted", MEDIA)
@pytest.mark.parametrize("sent", MEDIA)
def test_each_pair_of_formats_says_the_same(live: Live, path: str, sent: str, wanted: str) -> None:
    expected, counts = told(post(live.url, path, BODIES[JSON], JSON, JSON), JSON)
    found, summary = told(post(live.url, path, BODIES[sent], sent, wanted), wanted)
    assert summary == counts
    assert len(found) == len(PROFILES)
    if wanted in {JSON, NDJSON}:
        for item, own in zip(found, expected, strict=True):
            if item["status"] == "error" and sent == CSV:  # where the words of errors are those of cells
                assert (item["index"], item["id"], own["status"]) == (own["index"], own["id"], "error")
            else:
                assert item == own
        return
    assert [cells_of_row(path, row) for row in found] == [cells(path, item) for item in expected]
    wrong = found[20]
    assert "labeled_examples: " in wrong["error"]
    if sent == wanted == ARROW and "batch" in path:  # the same record batches, with more columns
        assert [row["id"] for row in found] == [one.get("id") for one in PROFILES]
    else:
        assert [int(row["index"]) for row in found] == list(range(len(PROFILES)))
        assert [(row["id"] or "").removeprefix("'") for row in found] == [one.get("id", "") for one in PROFILES]


def test_an_answer_in_arrow_has_the_columns_of_one_in_csv(live: Live) -> None:
    for path in PATHS:
        rows, _ = told(post(live.url, path, BODIES[NDJSON], NDJSON, ARROW), ARROW)
        texts, _ = told(post(live.url, path, BODIES[NDJSON], NDJSON, CSV), CSV)
        assert [*rows[0], "summary"] == list(texts[0])
        written = [{name: guarded(as_text(value)) for name, value in row.items()} for row in rows]
        assert [{**row, "summary": ""} for row in written] == texts


def test_the_answer_has_the_type_of_the_body_unless_another_is_wanted(service: Inside) -> None:
    def chosen(sent: str, accept: str | None, path: str = "/recommend/batch") -> str:
        headers = {"Content-Type": sent} | ({"Accept": accept} if accept else {})
        response = service.client.post(path, content=BODIES[sent], headers=headers)
        return response.headers["content-type"].partition(";")[0]

    for sent in MEDIA:
        for accept in (None, "*/*", f"{sent}, */*;q=0.5"):
            assert chosen(sent, accept) == sent
            assert chosen(sent, accept, "/recommend/impact?from=3") == sent
    assert chosen(ARROW, "application/*") == ARROW
    assert chosen(ARROW, f"{JSON};q=0.5, {NDJSON}") == NDJSON
    for path in ("/recommend/batch", "/recommend/impact?from=3"):
        response = service.client.post(path, json={"profiles": [{}]}, headers={"Accept": "text/html"})
        assert problem(response, 406, "not_acceptable")["supported"] == MEDIA
        response = service.client.post(path, content=b"x", headers={"Content-Type": "text/plain"})
        assert problem(response, 415, "unsupported_media_type")["supported"] == MEDIA


@pytest.mark.parametrize("view", ["brief", "full"])
def test_a_row_of_arrow_gets_the_view_that_is_asked_for(live: Live, view: str) -> None:
    path = f"/recommend/batch?view={view}"
    items = [told(post(live.url, path, BODIES[sent], sent, JSON), JSON)[0] for sent in (ARROW, JSON)]
    assert items[0] == items[1]


# Columns of any type


WORDS, NUMBERS, FLAGS = ["cost", None, "quality", "cots"], [1, None, 3, 250], [True, None, False, None]

COLUMNS: dict[str, Any] = {
    "plain": (pa.array(WORDS), pa.array(NUMBERS), pa.array(["a", "b", None, "d"])),
    "dictionaries": (
        pa.array(WORDS).dictionary_encode(),
        pa.array(NUMBERS).dictionary_encode(),
        pa.array(["a", "b", None, "d"]).dictionary_encode(),
    ),
    "views and decimals": (
        pa.array(WORDS, pa.string_view()),
        pa.array(NUMBERS, pa.decimal128(9, 2)),
        pa.array(["a", "b", None, "d"], pa.string_view()),
    ),
    "doubles with NaN": (
        pa.array(WORDS, pa.large_string()),
        pa.array([1.0, np.nan, 3.0, 250.0]),
        pa.array(["a", "b", None, "d"], pa.large_string()),
    ),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_any_type_are_read_as_json_is(service: Inside, kind: str) -> None:
    words, numbers, ids = COLUMNS[kind]
    table = pa.table({"id": ids, "primary_goal": words, "labeled_examples": numbers, "can_label_more": pa.array(FLAGS)})
    rows = zip(["a", "b", None, "d"], WORDS, NUMBERS, FLAGS, strict=True)
    profiles = [dict(zip(table.column_names, row, strict=True)) for row in rows]
    headers = {"Content-Type": ARROW, "Accept": JSON}
    found = service.client.post("/recommend/batch?view=full", content=stream_of(table), headers=headers).json()
    assert found == service.client.post("/recommend/batch?view=full", json={"profiles": profiles}).json()


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, None]), ["7", None]),
        (pa.array([1.5, 2.0]), [None, None]),
        (pa.array([[1], [2]]), [None, None]),
        (pa.array([True, False]), [None, None]),
    ],
)
def test_an_id_is_a_text_or_a_whole_number(service: Inside, ids: Any, expected: list[Any]) -> None:
    body = stream_of(pa.table({"id": ids, "labeled_examples": [1, -1]}))
    response = service.client.post("/recommend/batch", content=body, headers={"Content-Type": ARROW, "Accept": JSON})
    assert [item.get("id") for item in response.json()["items"]] == expected
    assert [item["status"] for item in response.json()["items"]] == ["ok", "error"]


@pytest.mark.parametrize("column", [pa.array([b"cost"]), pa.array([1]), pa.array([1], pa.timestamp("s"))])
def test_values_that_no_profile_has_are_errors_of_their_row(service: Inside, column: Any) -> None:
    body = stream_of(pa.table({"primary_goal": column}))
    response = service.client.post("/recommend/batch", content=body, headers={"Content-Type": ARROW, "Accept": NDJSON})
    items, summary = told(response, NDJSON)
    assert [error["pointer"] for error in items[0]["error"]["errors"]] == ["/primary_goal"]
    assert (summary["total"], summary["failed"]) == (1, 1)


@pytest.mark.parametrize("wanted", [JSON, NDJSON, CSV, ARROW])
def test_a_frame_without_rows_is_counted(service: Inside, wanted: str) -> None:
    headers = {"Content-Type": ARROW, "Accept": wanted}
    for path, total in (("/recommend/batch", "total"), ("/recommend/impact?from=3", "projects")):
        response = service.client.post(path, content=stream_of(ROW.slice(0, 0)), headers=headers)
        items, summary = told(response, wanted)
        assert (items, summary[total]) == ([], 0)


@pytest.mark.parametrize("kind", ["dictionary", "view", "runs"])
def test_ids_that_repeat_a_long_text_are_refused(service: Inside, kind: str) -> None:
    headers = {"Content-Type": ARROW, "Accept": NDJSON}
    response = service.client.post("/recommend/batch", content=bomb(900, 1 << 20, kind, "id"), headers=headers)
    assert "`id` has a text of 1048576 bytes" in problem(response, 413, "too_large")["detail"]
    documented(service, response)


@pytest.mark.parametrize("wanted", [JSON, NDJSON, CSV])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"profiles": [{}]}', "this is no Arrow stream"),
        (stream_of(ROW)[:-100], "ends in the middle"),
        (stream_of(pa.table({"a": [1]})), "no column is a field of a profile"),
    ],
)
def test_what_is_no_stream_of_profiles_is_refused(service: Inside, wanted: str, body: bytes, says: str) -> None:
    for path in ("/recommend/batch", "/recommend/impact?from=3"):
        response = service.client.post(path, content=body, headers={"Content-Type": ARROW, "Accept": wanted})
        (error,) = problem(response, 400, "invalid_input")["errors"]
        assert says in error["detail"]
        documented(service, response)


# As they are made


def test_lines_are_answered_in_arrow_while_the_body_is_still_sent(live: Live) -> None:
    async def talk() -> bytes:
        async with streaming(live, NDJSON, accept=ARROW) as stream:
            await stream.send(LINE)
            head = await stream.head()
            assert f"content-type: {ARROW}".encode() in head.lower()
            body = await stream.chunk()
            for _ in range(3):
                await stream.send(LINE)
                body += await stream.chunk()
            await stream.end()
            while part := await stream.chunk():
                body += part
            return body

    *scored, (_, metadata) = batches(asyncio.run(talk()))
    assert [batch["index"].to_pylist() for batch, _ in scored] == [[0], [1], [2], [3]]
    assert metadata["summary"]["succeeded"] == 4


def test_batches_of_arrow_are_answered_in_lines_while_the_body_is_still_sent(live: Live) -> None:
    schema, batch, end = parts_of(stream_of(ROW))

    async def talk() -> None:
        async with streaming(live, ARROW, accept=NDJSON) as stream:
            await stream.send(schema + batch)
            await stream.head()
            answers = stream.lines()
            for index in range(3):
                item = json.loads(await anext(answers))
                assert (item["index"], item["id"]) == (index, "a")
                await stream.send(batch)
            await stream.send(end)
            await stream.end()
            rest = [json.loads(line) async for line in answers]
            assert rest[-1]["summary"]["succeeded"] == 4

    asyncio.run(talk())


async def most_memory(live: Live, sent: str, wanted: str, portions: list[bytes]) -> int:
    """Stream portions, and return the most memory while the answer is read."""
    async with streaming(live, sent, accept=wanted) as stream:

        async def send() -> None:
            for portion in portions:
                await stream.send(portion)
            await stream.end()

        sending = asyncio.ensure_future(send())
        await stream.head()
        most = count = 0
        while await stream.chunk():
            count += 1
            if count % 20 == 1:
                most = max(most, memory(live))
        await sending
        return most


def test_a_long_stream_takes_no_more_memory_than_a_short_one(live: Live) -> None:
    schema, batch, end = parts_of(stream_of(many(1024)))
    portions: dict[tuple[str, str], Callable[[int], list[bytes]]] = {
        (NDJSON, ARROW): lambda count: [LINE * 1024] * count,
        (ARROW, NDJSON): lambda count: [schema, *[batch] * count, end],
    }
    for (sent, wanted), made in portions.items():
        short = asyncio.run(most_memory(live, sent, wanted, made(8)))
        assert asyncio.run(most_memory(live, sent, wanted, made(64))) < short + (24 << 20)


def test_a_caller_who_leaves_stops_the_work(live: Live) -> None:
    schema, batch, _ = parts_of(stream_of(many(4096)))
    count = 100
    bodies = {(ARROW, NDJSON): schema + batch * count, (NDJSON, ARROW): LINE * 4096 * count}

    async def leave(sent: str, wanted: str, request_id: str) -> None:
        async with streaming(live, sent, request_id, accept=wanted) as stream:
            sending = asyncio.ensure_future(stream.send(bodies[sent, wanted]))
            await stream.head()
            await stream.chunk()
            sending.cancel()

    for number, (sent, wanted) in enumerate(bodies):
        asyncio.run(leave(sent, wanted, f"formats-leaver-{number}"))
        (line,) = live.lines(f"formats-leaver-{number}", 1)
        assert line["decisions"] < 4096 * count
        assert line["level"] == "info"


def test_other_requests_are_answered_meanwhile(live: Live) -> None:
    """A record batch is read in a thread, and its rows are answered in turns."""
    schema, batch, end = parts_of(stream_of(many(50_000)))

    async def talk() -> int:
        async with streaming(live, ARROW, accept=NDJSON) as stream:
            sending = asyncio.ensure_future(stream.send(schema + batch))
            await stream.head()
            answered = 0
            async with httpx.AsyncClient() as client:
                for _ in range(5):
                    assert (await client.get(f"{live.url}/livez")).status_code == 200
                    answered += 1
            await sending
            await stream.send(end)
            await stream.end()
            lines = [line async for line in stream.lines()]
            assert json.loads(lines[-1])["summary"]["succeeded"] == 50_000
            return answered

    assert asyncio.run(talk()) == 5


@pytest.mark.parametrize("path", PATHS)
def test_what_breaks_after_the_first_answer_in_arrow_is_told_and_cut_off(live: Live, path: str) -> None:
    """A reader of Arrow takes the end of a response for that of the stream, so there must be none."""
    body = b'id,primary_goal\na,cost\n"b'
    headers = {"Content-Type": CSV, "Accept": ARROW, "X-Request-ID": f"formats-broken-{PATHS.index(path)}"}
    found: list[bytes] = []
    with httpx.stream("POST", f"{live.url}{path}", content=body, headers=headers, timeout=LIMIT) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            found.extend(response.iter_raw())
    (row, _), (last, metadata) = batches(b"".join(found))
    assert (row["id"].to_pylist(), last.num_rows) == (["a"], 0)
    assert metadata["error"]["errors"][0]["detail"] == "a quotation mark is not closed"
    (line,) = live.lines(headers["X-Request-ID"], 1)
    assert (line["problem"], line["level"]) == ("invalid_input", "info")


def test_a_broken_stream_of_arrow_is_told_in_the_last_line(live: Live) -> None:
    schema, batch, _ = parts_of(stream_of(ROW))
    response = post(live.url, "/recommend/batch", schema + batch + batch[:20], ARROW, NDJSON)
    item, last = [json.loads(line) for line in response.text.splitlines()]
    assert item["status"] == "ok"
    assert "ends in the middle" in last["error"]["errors"][0]["detail"]


def test_it_takes_the_slots_of_streams_or_batches() -> None:
    with serving.inside(max_streams=1, max_batches=1) as service:
        services = service.app.state.services

        def ask(sent: str, wanted: str) -> httpx.Response:
            headers = {"Content-Type": sent, "Accept": wanted}
            return service.client.post("/recommend/batch", content=BODIES[sent], headers=headers)

        with services.streams.slot():
            problem(ask(ARROW, JSON), 503, "busy")
            assert ask(JSON, ARROW).status_code == 200
        with services.batches.slot():
            problem(ask(JSON, ARROW), 503, "busy")
            assert ask(ARROW, JSON).status_code == 200


# Without the extra


WITHOUT = """
import json, sys
sys.modules["pyarrow"] = None  # as where it is not installed
from litestar.testing import TestClient
from trivium.api.app import create_app
arrow = "application/vnd.apache.arrow.stream"
with TestClient(create_app()) as client:
    for path in ("/recommend/batch", "/recommend/impact?from=3"):
        sent = client.post(path, content=b"x", headers={"Content-Type": arrow})
        wanted = client.post(path, json={"profiles": [{}]}, headers={"Accept": arrow})
        other = client.post(path, json={"profiles": [{}]}, headers={"Accept": arrow + ", */*;q=0.1"})
        plain = client.post(path, content=b"x", headers={"Content-Type": "text/plain"})
        print(json.dumps([sent.json(), wanted.json(), plain.json(), sent.headers["accept-post"], other.status_code]))
"""


def test_without_the_extra_a_problem_names_it() -> None:
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"TRIVIUM_LOG_LEVEL": "error"})
    served = [JSON, NDJSON, CSV]
    for line in done.stdout.splitlines():
        sent, wanted, plain, accept_post, other = json.loads(line)
        for refused, status in ((sent, 415), (wanted, 406)):
            assert refused["status"] == status
            needs = f"For {ARROW} the service needs the extra `arrow`: pip install '.[arrow]'."
            assert refused["detail"].endswith(needs)
            assert refused["supported"] == served
        assert "extra" not in plain["detail"]
        assert (accept_post, other) == (", ".join(served), 200)
