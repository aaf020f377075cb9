"""One line in the log per request without what callers wrote, and metrics whose labels nobody can multiply."""

import asyncio
import datetime as dt
import re
import socket
import time
from collections import Counter
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolbox
import trivium
from api import serving
from api.serving import OPERATIONS, PATHS, Inside, Live
from trivium.api.openapi.examples import INDEED, SUPPORT


ALWAYS = ["time", "level", "event", "method", "route", "path", "status", "duration_ms"]
ALWAYS += ["request_id", "trace_id", "span_id"]
DECISION = ["decision_id", "policy_version", "policy_digest", "strategy", "recommendation_status", "codes"]
SECRET = {
    "id": "hush-hush",
    "requests_per_day": 987654321,
    "labeled_examples": 123456789,
    "knowledge_need": "changing_facts",
    "can_label_more": True,
    "costs": {"model": "hush-hush"},
}
PROBES = ("/livez", "/readyz", "/metrics")


def test_a_recommendation_leaves_its_line(service: Inside) -> None:
    before = dt.datetime.now(dt.UTC)
    response = service.client.post("/recommend?view=full", json=SECRET)
    line, answer = service.line(response), response.json()
    assert list(line) == [*ALWAYS, *DECISION, "masked"]
    assert (line["level"], line["event"], line["status"]) == ("info", "request", 200)
    assert (line["method"], line["route"], line["path"]) == ("POST", "/recommend", "/recommend")
    assert before <= dt.datetime.fromisoformat(line["time"]) <= dt.datetime.now(dt.UTC)
    assert 0 < line["duration_ms"] < 10_000
    assert f"00-{line['trace_id']}-{line['span_id']}-00" == response.headers["traceparent"]
    assert (line["decision_id"], line["strategy"]) == (answer["decision_id"], answer["strategy"])
    assert line["recommendation_status"] == answer["status"]
    assert (line["policy_version"], line["policy_digest"]) == (answer["policy"]["version"], answer["policy"]["digest"])
    assert line["codes"] == list(dict.fromkeys(reason["code"] for reason in answer["rationale"]))


def test_the_time_is_that_of_the_request_whatever_else_happens_in_its_turn(service: Inside) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def ask() -> float:
        await serving.call(service.app, "/recommend", receive, **{"content-length": "2", "x-request-id": "timed"})
        return time.time()

    async def busy() -> None:
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - as a large batch would

    async def both() -> float:
        return (await asyncio.gather(ask(), busy()))[0]

    ended = asyncio.run(both())
    line = serving.parse(service.log)[-1]
    assert line["request_id"] == "timed"
    assert abs(dt.datetime.fromisoformat(line["time"]).timestamp() - ended) < 0.15


@pytest.mark.parametrize("view", ["full", "standard", "brief"])
def test_the_codes_are_logged_however_short_the_view(service: Inside, view: str) -> None:
    full = service.client.post("/recommend?view=full", json=SUPPORT).json()
    line = service.line(service.client.post(f"/recommend?view={view}", json=SUPPORT))
    assert line["codes"] == list(dict.fromkeys(reason["code"] for reason in full["rationale"]))


def test_values_of_a_profile_are_masked_and_their_places_are_not(service: Inside) -> None:
    line = service.line(service.client.post("/recommend", json=SECRET))
    assert sorted(line["masked"]) == sorted(f"/{name}" for name in SECRET)
    said = str({name: value for name, value in line.items() if name != "codes"})
    for value in ("hush-hush", "987654321", "123456789", "changing_facts"):
        assert value not in said


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/policies/1/map"])
@pytest.mark.parametrize(
    "body",
    [
        {"hush-hush": 1},
        {"id": "hush-hush", "knowledge_need": "hush-hush"},
        {"profiles": ["hush-hush", {"id": "hush-hush"}, {"hush-hush": 1}]},
        {"x": "hush-hush", "y": "requests_per_day", "profile": {"id": "hush-hush"}},
        ["hush-hush"],
    ],
)
def test_nothing_of_a_body_is_ever_logged(service: Inside, path: str, body: object) -> None:
    before = len(service.log)
    service.client.post(path, json=body)
    service.client.post(path, content=msgspec.json.encode(body)[:-1], headers=serving.JSON)
    assert b"hush" not in service.log[before:]


def test_values_are_logged_where_the_operator_wants_them() -> None:
    with serving.inside(log_profiles=True) as served:
        line = served.line(served.client.post("/recommend", json=SECRET))
    assert list(line) == [*ALWAYS, *DECISION, "profile"]
    assert line["profile"] == SECRET


def test_a_batch_is_one_line_that_counts_its_decisions(service: Inside) -> None:
    line = service.line(service.client.post("/recommend/batch", json={"profiles": [INDEED, SUPPORT, {"x": 1}]}))
    assert list(line) == [*ALWAYS, "decisions"]
    assert line["decisions"] == 2


def test_a_refusal_names_its_problem(service: Inside) -> None:
    line = service.line(service.client.post("/recommend", json={"x": 1}))
    assert list(line) == [*ALWAYS, "problem"]
    assert (line["level"], line["status"], line["problem"]) == ("info", 400, "invalid_input")


def test_a_query_is_not_logged_and_a_path_is_cut(service: Inside) -> None:
    line = service.line(service.client.get("/" + "x" * 1_000 + "?hush-hush=1"))
    assert (line["route"], line["path"]) == ("unmatched", "/" + "x" * 199)
    assert "hush" not in str(line)


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8"), max_size=20))
def test_no_path_writes_a_second_line(service: Inside, path: str, query: str) -> None:
    before = service.log.count(b"\n")
    service.client.get("/codes/" + httpx.QueryParams({"": path}).__str__()[1:], params={"x": query})
    log = service.log
    assert log.count(b"\n") == before + 1
    assert serving.parse(log)[-1]["status"] in {400, 404}


@pytest.mark.parametrize("path", PROBES)
def test_probes_are_logged_at_debug_only(service: Inside, live: Live, path: str) -> None:
    assert service.line(service.client.get(path))["level"] == "debug"
    assert live.lines(httpx.get(live.url + path).headers["x-request-id"]) == []
    refused = httpx.get(live.url + path, headers={"Accept": "image/png"})
    assert [line["status"] for line in live.lines(refused.headers["x-request-id"], 1)] == [406]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_higher_level_leaves_the_requests_out(level: str) -> None:
    with serving.inside(log_level=level) as served:
        served.client.post("/recommend", json={})
        served.client.get("/nope")
        assert served.log == b""


# Metrics


def total(served: Inside, name: str, **labels: str) -> float:
    """Return the sum of the samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in served.metrics().items() if found == name and wanted <= has)


def test_requests_are_counted_by_method_template_and_status() -> None:
    with serving.inside() as served:
        for _ in range(3):
            served.client.post("/recommend", json={})
        served.client.post("/recommend", json={"x": 1})
        served.client.get("/policies/1.0.0")
        served.client.get("/policies/1")
        served.client.get("/policies/9")
        counts = {
            tuple(dict(labels)[name] for name in ("method", "route", "status")): value
            for (name, labels), value in served.metrics().items()
            if name == "http_requests_total" and value
        }
        assert counts == {
            ("POST", "/recommend", "200"): 3,
            ("POST", "/recommend", "400"): 1,
            ("GET", "/policies/{version}", "200"): 2,
            ("GET", "/policies/{version}", "404"): 1,
        }
        durations = "http_request_duration_seconds_count"
        assert total(served, durations, method="POST", route="/recommend") == 4
        assert total(served, "http_requests_in_progress") == 1  # this very one


def test_failures_are_counted_from_the_start() -> None:
    with serving.inside() as served:
        samples = served.metrics()
    for method, route in [*OPERATIONS, ("GET", "unmatched")]:
        for status in ("200", "500", "503"):
            series = frozenset({"method": method, "route": route, "status": status}.items())
            assert samples["http_requests_total", series] == 0
        assert ("http_request_duration_seconds_count", frozenset({"method": method, "route": route}.items())) in samples
    for result in ("ok", "failed"):
        assert samples["trivium_policy_reloads_total", frozenset({("result", result)})] == 0
    assert samples["trivium_log_lines_dropped_total", frozenset()] == 0


def test_no_series_tells_when_another_began() -> None:
    with serving.inside() as served:
        assert not [name for name, _ in served.metrics() if name.endswith("_created")]


def test_routes_are_called_as_in_the_contract() -> None:
    with serving.inside() as served:
        for path in PATHS:
            served.client.get(path.format(version="1", a="1", b="1", code="HIGH_VOLUME"))
            served.client.post(path.format(version="1", a="1", b="1", code="HIGH_VOLUME"), json={})
        routes = {dict(labels)["route"] for name, labels in served.metrics() if name == "http_requests_total"}
    assert routes - {"unmatched", "/docs/{asset}"} == set(PATHS)


@settings(max_examples=5)
@given(st.lists(st.text("abcxyz/%.", max_size=8), max_size=8), st.lists(st.text("ABCXYZ", min_size=3, max_size=8)))
def test_nobody_can_multiply_the_series(paths: list[str], methods: list[str]) -> None:
    with serving.inside() as served:
        served.client.get("/nope")
        served.client.request("BREW", "/nope")
        served.client.request("BREW", "/policies")
        served.client.get("/codes/NOPE")
        served.metrics()
        before = served.metrics().keys()
        for path in paths:
            served.client.get(f"/nope/{path}")
            served.client.get(f"/codes/X{path.replace('/', '')}")
        for method in methods:
            served.client.request(method, "/nope")
            served.client.request(f"X{method}", "/policies")
        assert served.metrics().keys() == before


def test_what_is_not_there_or_not_allowed_is_counted_as_well() -> None:
    with serving.inside() as served:
        served.client.get("/nope")
        served.client.get("/other/nope")
        served.client.request("BREW", "/nope")
        served.client.delete("/policies")
        assert total(served, "http_requests_total", route="unmatched", status="404") == 3
        assert total(served, "http_requests_total", method="OTHER", status="404") == 1
        assert total(served, "http_requests_total", method="DELETE", status="405") == 1


def test_decisions_are_counted_as_asked() -> None:
    with serving.inside() as served:
        answers = [
            *(served.client.post("/recommend?view=full", json=one).json() for one in (INDEED, SUPPORT, SUPPORT, {})),
            served.client.post("/recommend?view=full", json=INDEED).json(),
        ]
        batch = served.client.post("/recommend/batch?view=full", json={"profiles": [INDEED, {"x": 1}, SUPPORT]}).json()
        answers += [item["result"] for item in batch["items"] if item["status"] == "ok"]
        served.client.post("/recommend", json={"x": 1})
        served.client.post("/recommend?policy=9", json={})
        strategies = Counter((answer["strategy"], answer["status"]) for answer in answers)
        codes = Counter(code for answer in answers for code in {reason["code"] for reason in answer["rationale"]})
        found = {
            (dict(labels)["strategy"], dict(labels)["status"]): value
            for (name, labels), value in served.metrics().items()
            if name == "trivium_recommendations_total"
        }
        assert found == strategies
        assert total(served, "trivium_recommendations_total", policy_version="3.0.0") == len(answers) == 7
        by_code = {
            dict(labels)["code"]: value
            for (name, labels), value in served.metrics().items()
            if name == "trivium_rationale_codes_total"
        }
        assert by_code == codes


def test_policies_and_build_are_told(aged: Inside) -> None:
    served = {
        tuple(dict(labels)[name] for name in ("version", "status", "digest")): value
        for (name, labels), value in aged.metrics().items()
        if name == "trivium_policy_info"
    }
    listed = aged.client.get("/policies").json()["policies"]
    assert served == {(policy["version"], policy["status"], policy["digest"]): 1 for policy in listed}
    assert total(aged, "trivium_build_info", version=trivium.__version__) == 1


@pytest.mark.tool("promtool")
def test_promtool_finds_nothing_wrong_with_the_metrics(aged: Inside) -> None:
    aged.client.post("/recommend", json=INDEED)
    aged.client.get("/nope")
    assert toolbox.run("promtool", "check", "metrics", stdin=aged.client.get("/metrics").text).stderr == ""


# Callers who leave


@pytest.mark.parametrize("path", ["/recommend", "/recommend?view=full", "/recommend/batch"])
def test_a_caller_who_leaves_while_sending_is_no_defect(live: Live, path: str) -> None:
    name = f"leaving{re.sub(r'[^a-z]', '.', path)}-"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
    with socket.create_connection(("127.0.0.1", live.port)) as caller:
        caller.sendall(f"{head}X-Request-ID: {name}\r\n\r\n{{".encode())
    (line,) = live.lines(name, 1)
    assert (line["level"], line["status"], line["route"]) == ("info", 400, path.partition("?")[0])
    assert line["problem"] == "invalid_input"
    assert "exception" not in line
