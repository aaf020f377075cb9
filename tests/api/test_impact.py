"""Two policies compared over a batch: what is counted is the difference of two scorings, whatever the format."""

import asyncio
import csv
import io
import json
from collections import Counter
from typing import Any

import httpx
import pytest

import trivium
from api import serving
from api.serving import Inside, Live, documented, named, problem
from api.streaming import CSV, LINE, NDJSON, streaming
from portfolio.test_score import PORTFOLIO


WRONG = {"id": "wrong", "labeled_exampels": 5}
PROFILES: list[Any] = [*PORTFOLIO[:20], WRONG, *PORTFOLIO[20:]]
AS_JSON = json.dumps({"profiles": PROFILES}).encode()
AS_LINES = "".join(json.dumps(one) + "\n" for one in PROFILES).encode()
BODIES = {"application/json": AS_JSON, NDJSON: AS_LINES}


def compare(url: str, query: str, body: bytes, sent: str, wanted: str) -> httpx.Response:
    headers = {"Content-Type": sent, "Accept": wanted}
    return httpx.post(f"{url}/recommend/impact?{query}", content=body, headers=headers, timeout=60)


def told(response: httpx.Response, media: str) -> tuple[list[Any], Any]:
    """Return the items and the summary."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == media
    if media == "application/json":
        return response.json()["items"], response.json()["summary"]
    *items, last = [json.loads(line) for line in response.text.splitlines()]
    return items, last["summary"]


def scored(live: Live, version: str) -> list[str | None]:
    """Return what a batch by one policy recommends; None for the profile that is wrong."""
    response = httpx.post(f"{live.url}/recommend/batch?policy={version}", json={"profiles": PROFILES}, timeout=60)
    return [item.get("result", {}).get("strategy") for item in response.json()["items"]]


@pytest.mark.parametrize(("older", "newer"), [("1.0.0", "2.0.0"), ("2.0.0", "3.0.0"), ("3.0.0", "1.0.0")])
@pytest.mark.parametrize("sent", BODIES)
@pytest.mark.parametrize("wanted", ["application/json", NDJSON])
def test_it_counts_the_difference_of_two_scorings(live: Live, older: str, newer: str, sent: str, wanted: str) -> None:
    response = compare(live.url, f"from={older}&to={newer}", BODIES[sent], sent, wanted)
    items, summary = told(response, wanted)
    expected = Counter[tuple[str, str, str]]()
    for index, (item, *strategies) in enumerate(zip(items, scored(live, older), scored(live, newer), strict=True)):
        assert (item["index"], item["id"]) == (index, PROFILES[index]["id"])
        if PROFILES[index] is WRONG:
            assert item["status"] == "error"
            assert "labeled_examples" in item["error"]["errors"][0]["detail"]
            continue
        assert (item["status"], item["before"], item["after"]) == ("ok", *strategies)
        assert item["changed"] == ("rule" in item) == (item["before"] != item["after"])
        if item["changed"]:
            reasons = trivium.recommend(PROFILES[index], policy=newer).rationale
            assert item["rule"] in {reason.rule for reason in reasons}
            expected[item["before"], item["after"], item["rule"]] += 1
    assert expected
    assert {(one["before"], one["after"], one["rule"]): one["projects"] for one in summary["changes"]} == expected
    assert (summary["from"], summary["to"]) == (older, newer)
    assert (summary["projects"], summary["failed"]) == (len(PORTFOLIO), 1)
    assert summary["changed"] == expected.total()
    counts = [one["projects"] for one in summary["changes"]]
    assert counts == sorted(counts, reverse=True)


def test_a_table_says_the_same(live: Live) -> None:
    names = list(dict.fromkeys(name for row in PROFILES if row is not WRONG for name in row))
    sent = io.StringIO()
    write = csv.DictWriter(sent, names)
    write.writeheader()
    write.writerows([row if row is not WRONG else {"labeled_examples": "many"} for row in PROFILES])
    response = compare(live.url, "from=2.0.0", sent.getvalue().encode(), CSV, CSV)
    *rows, last = csv.DictReader(io.StringIO(response.text))
    items, summary = told(compare(live.url, "from=2.0.0", AS_LINES, NDJSON, NDJSON), NDJSON)
    assert json.loads(last["summary"]) == summary
    for row, item in zip(rows, items, strict=True):
        assert row["index"] == str(item["index"])
        if item["status"] == "error":
            assert row["error"].startswith("labeled_examples: expected a number")
            continue
        assert (row["id"], row["strategy_before"], row["strategy_after"]) == (item["id"], item["before"], item["after"])
        assert row["changed"] == str(item["changed"]).lower()
        assert (row["rule"], row["error"]) == (item.get("rule", ""), "")


def test_a_policy_changes_nothing_beside_itself(live: Live) -> None:
    items, summary = told(compare(live.url, "from=3&to=latest", AS_LINES, NDJSON, NDJSON), NDJSON)
    assert (summary["from"], summary["to"], summary["changed"], summary["changes"]) == ("3.0.0", "3.0.0", 0, [])
    assert not any(item["changed"] for item in items if item["status"] == "ok")


def test_items_are_compared_while_the_body_is_still_sent(live: Live) -> None:
    async def talk() -> None:
        async with streaming(live, path="/recommend/impact?from=2.0.0&to=3.0.0") as stream:
            await stream.send(LINE)
            assert (await stream.head()).startswith(b"HTTP/1.1 200")
            answers = stream.lines()
            for index in range(3):
                item = json.loads(await anext(answers))
                assert (item["index"], item["id"], item["after"]) == (index, "a", "rag")
                await stream.send(LINE)
            await stream.end()
            rest = [json.loads(line) async for line in answers]
            assert rest[-1]["summary"]["projects"] == 4

    asyncio.run(talk())


def test_a_caller_who_leaves_stops_the_work(live: Live) -> None:
    count = 200_000

    async def leave() -> None:
        async with streaming(live, request_id="comparer", path="/recommend/impact?from=2.0.0") as stream:
            sending = asyncio.ensure_future(stream.send(LINE * count))
            await stream.head()
            await stream.chunk()
            sending.cancel()

    asyncio.run(leave())
    (line,) = live.lines("comparer", 1)
    assert line["compared"] < count
    assert line["level"] == "info"


def test_comparing_makes_no_recommendation(service: Inside) -> None:
    def recommendations() -> float:
        samples = service.metrics().items()
        return sum(value for (name, _), value in samples if name == "trivium_recommendations_total")

    before = recommendations()
    response = service.client.post("/recommend/impact?from=2.0.0", json={"profiles": [{}, 1, {}]})
    line = service.line(response)
    assert (line["route"], line["compared"], "decisions" in line) == ("/recommend/impact", 2, False)
    assert recommendations() == before


@pytest.mark.parametrize("query", ["from=9", "from=3&to=9", "from=latest&to=0.0.1"])
def test_an_unknown_policy_is_said(service: Inside, query: str) -> None:
    response = service.client.post(f"/recommend/impact?{query}", json={"profiles": [{}]})
    assert problem(response, 404, "unknown_policy")["detail"].startswith("no policy `")
    documented(service, response)


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("", [("from", "missing_field")]),
        ("?to=3.0.0", [("from", "missing_field")]),
        ("?form=3.0.0", [("form", "unknown_field"), ("from", "missing_field")]),
        ("?from=three", [("from", "unknown_value")]),
        ("?from=3&from=2", [("from", "malformed")]),
        ("?from=3&older=2&newer=1", [("newer", "unknown_field"), ("older", "unknown_field")]),
    ],
)
def test_what_is_wrong_with_the_versions_is_named(service: Inside, query: str, errors: list[tuple[str, str]]) -> None:
    response = service.client.post(f"/recommend/impact{query}", json={"profiles": [{}]})
    assert named(problem(response, 400, "invalid_input")) == errors
    documented(service, response)


def test_it_takes_the_slots_of_batches_and_streams() -> None:
    with serving.inside(max_streams=1, max_batches=1) as service:
        services = service.app.state.services
        ask = service.client.post
        with services.streams.slot():
            problem(ask("/recommend/impact?from=3", content=LINE, headers={"Content-Type": NDJSON}), 503, "busy")
            assert ask("/recommend/impact?from=3", json={"profiles": [{}]}).status_code == 200
        with services.batches.slot():
            problem(ask("/recommend/impact?from=3", json={"profiles": [{}]}), 503, "busy")
