"""The API keeps HTTP's rules: HEAD, entity tags, negotiation, ids, traces; and its own: equal bytes, honest batches."""

import base64
import datetime as dt
import hashlib
import os
import re
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import serving
from api.serving import JSON, Inside, Live, problem
from trivium.api.app import CONTRACT
from trivium.api.docs import CONTENT_SECURITY_POLICY
from trivium.api.examples import INDEED, SUPPORT
from trivium.api.problems import PROBLEM_TYPES
from trivium.profile import FIELD_TEXTS, VOCABULARY


READABLE = [
    path.format(version="1.0.0", a="1", b="latest", code="too-large" if "problems" in path else "HIGH_VOLUME")
    for path, methods in CONTRACT.document["paths"].items()
    if "get" in methods
]
TAGGED = [path for path in READABLE if path not in {"/livez", "/readyz", "/metrics", "/version"}]
OWN = {"x-request-id", "traceparent", "server-timing"}  # differ for each request


def stable(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in OWN}


# HEAD, entity tags, caches


@pytest.mark.parametrize("path", READABLE)
def test_head_is_get_without_the_body(service: Inside, path: str) -> None:
    read, asked = service.client.get(path), service.client.head(path)
    assert (read.status_code, asked.status_code, asked.content) == (200, 200, b"")
    if path == "/metrics":  # another length each time
        del read.headers["content-length"], asked.headers["content-length"]
    assert stable(asked) == stable(read)
    assert service.line(asked)["method"] == "HEAD"


@pytest.mark.parametrize("path", TAGGED)
def test_an_entity_tag_saves_the_transfer(service: Inside, path: str) -> None:
    read = service.client.get(path)
    tag = read.headers["etag"]
    assert re.fullmatch('"[0-9a-f]{32,64}"', tag)
    assert read.headers["cache-control"] == "public, no-cache"
    for known in (tag, f"W/{tag}", f'"other", {tag}', f'W/"x",W/{tag}', "*", f"  {tag}  "):
        for method in ("GET", "HEAD"):
            again = service.client.request(method, path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), known
            assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "public, no-cache")
    for other in ('"other"', "", tag.strip('"'), f'"x{tag[1:]}'):
        again = service.client.get(path, headers={"If-None-Match": other})
        assert (again.status_code, again.content) == (200, read.content), other


def test_the_tag_of_a_policy_is_its_digest_by_any_name(service: Inside) -> None:
    for version, names in {"1.0.0": ("1.0.0", "1.0", "1"), "2.0.0": ("2.0.0", "2.0", "2", "latest")}.items():
        document = service.client.get(f"/policies/{version}").json()
        for name in names:
            assert service.client.head(f"/policies/{name}").headers["etag"] == f'"{document["digest"]}"'


def test_decisions_are_never_stored(way: Inside) -> None:
    for response in (
        way.client.post("/recommend", json={}),
        way.client.post("/recommend?explain=none", json={}),
        way.client.post("/recommend/batch", json={"profiles": [{}]}),
        way.client.post("/policies/1/map", json={"x": "requests_per_day", "y": "labeled_examples"}),
    ):
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers


# Negotiation

PREFERENCES = {
    "*/*": 200,
    "application/json": 200,
    "application/*": 200,
    "Application/JSON": 200,
    "application/json; charset=utf-8": 200,
    "text/html, application/xhtml+xml, */*;q=0.8": 200,
    "text/csv;q=0.9, application/json;q=0.001": 200,
    "*/*;q=0, application/json": 200,
    "application/json;q=0": 406,
    "application/json; Q=0.000": 406,
    "application/json;q=0, */*": 406,
    "application/*;q=0, */*": 406,
    "*/*;q=0.0": 406,
    "text/*": 406,
    "application/problem+json": 406,
    "": 200,
}


@pytest.mark.parametrize(("accept", "status"), PREFERENCES.items())
def test_preferences_are_respected(way: Inside, accept: str, status: int) -> None:
    assert way.client.post("/recommend", json={}, headers={"Accept": accept}).status_code == status


CONTENT_TYPES = {
    "application/json": 200,
    "Application/JSON ; Charset=UTF-8": 200,
    'application/json; charset="utf-8"; profile=x': 200,
    "application/json; api-version=1;": 200,
    "application/json; charset=latin-1": 415,
    "application/json; profile=x; charset=utf-16": 415,
    "application/json5": 415,
    "text/json": 415,
}


@pytest.mark.parametrize(("content_type", "status"), CONTENT_TYPES.items())
def test_json_is_json_whatever_its_parameters(way: Inside, content_type: str, status: int) -> None:
    response = way.client.post("/recommend", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == status


@pytest.mark.parametrize(("coding", "status"), [("identity", 200), ("gzip", 415), ("br", 415), ("x", 415)])
def test_a_coded_body_is_refused_and_not_guessed_at(way: Inside, coding: str, status: int) -> None:
    response = way.client.post("/recommend", json={}, headers={"Content-Encoding": coding})
    assert response.status_code == status
    if status == 415:
        assert "Content-Encoding" in problem(response, 415, "unsupported-media-type")["detail"]


def test_no_preference_is_any(way: Inside) -> None:
    request = way.client.build_request("POST", "/recommend", json={})
    del request.headers["accept"]
    assert way.client.send(request).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        "text/plain;version=0.0.4",
        "text/*",
    ],
)
def test_prometheus_gets_its_format(service: Inside, accept: str) -> None:
    response = service.client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


# Ids and traces


@pytest.mark.parametrize("own", ["a", "A-b_c.d:9", "x" * 64, "6f1f0c0b-e0a9-4b3f-b2f7-a1a4fd0c2a55"])
def test_a_safe_request_id_is_kept(way: Inside, own: str) -> None:
    response = way.client.post("/recommend", json={}, headers={"X-Request-ID": own})
    assert response.headers["x-request-id"] == way.line(response)["request_id"] == own


@pytest.mark.parametrize("own", ["", "x" * 65, "a b", "a\tb", "<script>", "a,b", '"', "\xe4", "a/b"])
def test_an_unsafe_request_id_is_replaced(way: Inside, own: str) -> None:
    found = way.client.post("/recommend", json={}, headers=[(b"X-Request-ID", own.encode("latin-1"))])
    assert re.fullmatch("[0-9a-f]{32}", found.headers["x-request-id"])


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def traced(way: Inside, **headers: str) -> tuple[re.Match[str], httpx.Response]:
    response = way.client.post("/recommend", json={}, headers=headers)
    found = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", response.headers["traceparent"])
    assert found
    line = way.line(response)
    assert (line["trace_id"], line["span_id"]) == found.groups()[:2]
    return found, response


@pytest.mark.parametrize(
    ("parent", "flags"),
    [(f"00-{TRACE}-{SPAN}-01", "01"), (f"00-{TRACE}-{SPAN}-00", "00"), (f"cc-{TRACE}-{SPAN}-01-what-comes", "01")],
)
def test_a_trace_goes_on_with_a_span_of_our_own(way: Inside, parent: str, flags: str) -> None:
    found, response = traced(way, traceparent=parent, tracestate="congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert (found[1], found[3]) == (TRACE, flags)
    assert found[2] not in {SPAN, "0" * 16}
    assert response.headers["tracestate"] == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


def test_unknown_flags_of_a_trace_are_not_passed_on(way: Inside) -> None:
    assert traced(way, traceparent=f"00-{TRACE}-{SPAN}-ff")[0][3] == "01"
    assert traced(way, traceparent=f"00-{TRACE}-{SPAN}-fe")[0][3] == "00"


def test_a_state_in_several_lines_is_passed_on_as_one_and_an_endless_one_is_not(way: Inside) -> None:
    parent = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    several = [parent, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    passed_on = way.client.post("/recommend", json={}, headers=several).headers["tracestate"]
    assert passed_on.replace(" ", "") == "a=1,b=2"
    endless = [parent, (b"tracestate", b"a=" + b"1" * 5000)]
    assert "tracestate" not in way.client.post("/recommend", json={}, headers=endless).headers


def test_two_parents_start_a_new_trace(way: Inside) -> None:
    parents = [(b"traceparent", f"00-{one * 32}-{SPAN}-01".encode()) for one in "ab"]
    found = way.client.post("/recommend", json={}, headers=parents).headers["traceparent"]
    assert not {"a" * 32, "b" * 32} & set(found.split("-"))


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
    ],
)
def test_an_invalid_trace_is_not_continued(way: Inside, parent: str) -> None:
    found, response = traced(way, traceparent=parent, tracestate="congo=t61rcWkgMzE")
    assert found[1] not in {TRACE, "0" * 32}
    assert found[3] == "00"
    assert "tracestate" not in response.headers


def test_ids_are_new_for_each_request(way: Inside) -> None:
    responses = [way.client.post("/recommend", json={}) for _ in range(50)]
    assert len({response.headers["x-request-id"] for response in responses}) == 50
    assert len({response.headers["traceparent"] for response in responses}) == 50


@pytest.mark.parametrize("path", [*READABLE, "/nope", "/recommend"])
def test_every_answer_has_the_common_headers(service: Inside, path: str) -> None:
    headers = service.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"app;dur=\d+\.\d{3}", headers["server-timing"])
    assert {"x-request-id", "traceparent", "cache-control"} <= set(headers)


# Recommendations

ASK = """
import sys, httpx
from litestar.testing import TestClient
from trivium.api.app import create_app
from trivium.api.logs import make_logger
with TestClient(create_app(logger=make_logger("error"))) as client:
    answer = client.post(sys.argv[1], content=sys.argv[2], headers={"Content-Type": sys.argv[3]})
    sys.stdout.buffer.write(answer.content)
"""


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch"])
def test_equal_questions_get_equal_bytes_from_any_process(service: Inside, live: Live, path: str) -> None:
    profiles = [INDEED, SUPPORT, {}, {"x": 1, "y": 2}]
    body = msgspec.json.encode({"profiles": profiles} if "batch" in path else INDEED)
    answer = service.client.post(path, content=body, headers=JSON).content
    assert httpx.post(live.url + path, content=body, headers=JSON).content == answer
    command = [sys.executable, "-c", ASK, path, body.decode(), JSON["Content-Type"]]
    for seed in ("1", "2"):
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert done.stdout == answer


@pytest.mark.parametrize("path", ["/policies/1", "/policies/1/diff/1", "/codes", "/inputs", "/openapi.yaml", "/docs"])
def test_what_is_looked_up_is_the_same_bytes_in_any_process(service: Inside, live: Live, path: str) -> None:
    assert httpx.get(live.url + path).content == service.client.get(path).content


def test_errors_come_in_the_order_of_the_query(service: Inside) -> None:
    names = [f"unheard_of_{number}" for number in range(20)]
    found = service.client.post("/recommend", params=dict.fromkeys(names, "1"), json={}).json()
    assert [error["parameter"] for error in found["errors"]] == names


@pytest.mark.parametrize(
    ("explain", "members"),
    [
        ("full", {"code", "lever", "effect", "rule", "message", "inputs", "source"}),
        ("codes", {"code", "lever", "effect", "rule"}),
        ("none", set()),
    ],
)
def test_the_rationale_is_as_long_as_asked(service: Inside, explain: str, members: set[str]) -> None:
    full = service.client.post("/recommend", json=INDEED).json()
    answer = service.client.post(f"/recommend?explain={explain}", json=INDEED).json()
    assert {member for reason in answer["rationale"] for member in reason} == members
    assert answer | {"rationale": full["rationale"]} == full


@pytest.mark.parametrize(
    ("selector", "version"), [("2.0.0", "2.0.0"), ("2", "2.0.0"), ("1", "1.1.0"), ("1.1", "1.1.0"), ("latest", "2.0.0")]
)
def test_a_selector_picks_the_policy(aged: Inside, selector: str, version: str) -> None:
    assert aged.client.post(f"/recommend?policy={selector}", json={}).json()["policy"]["version"] == version
    assert aged.client.get(f"/policies/{selector}").json()["version"] == version


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize(
    ("chosen", "version"), [("", "2.0.0"), ("1", "1.1.0"), ("1.1.0", "1.1.0"), ("latest", "2.0.0")]
)
def test_the_operator_picks_the_default(versions: Path, shortcut: bool, chosen: str, version: str) -> None:
    with serving.inside(versions, shortcut=shortcut, default_policy=chosen) as served:
        response = served.client.post("/recommend", json={})
        assert response.json()["policy"]["version"] == version
        assert ("deprecation" in response.headers) == (version == "1.1.0")
        listed = served.client.get("/policies").json()["policies"]
        assert [policy["version"] for policy in listed if policy["default"]] == [version]


def midnight(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


def test_a_deprecated_policy_answers_and_warns(versions: Path, aged: Inside) -> None:
    with serving.inside(versions, default_policy="1.1.0") as by_default:
        for response in (
            by_default.client.post("/recommend", json={}),
            aged.client.post("/recommend?policy=1", json={}),
            aged.client.post("/recommend/batch?policy=1", json={"profiles": [{}]}),
            aged.client.get("/policies/1.1.0"),
        ):
            assert response.status_code == 200
            assert response.headers["deprecation"] == f"@{midnight(2026, 10, 1).timestamp():.0f}"
            assert parsedate_to_datetime(response.headers["sunset"]) == midnight(2027, 4, 1)
            assert response.headers["sunset"].endswith(" GMT")
            assert response.headers["link"] == '</policies/2.0.0>; rel="successor-version"'
    answer = aged.client.post("/recommend?policy=1", json={}).json()
    assert answer["policy"]["status"] == "deprecated"
    (warning,) = [one for one in answer["warnings"] if one["code"] == "POLICY_DEPRECATED"]
    assert "2027-04-01" in warning["message"]
    assert "2.0.0" in warning["message"]


def test_an_active_policy_does_not_warn(aged: Inside) -> None:
    for response in (aged.client.post("/recommend", json={}), aged.client.get("/policies/2")):
        assert not {"deprecation", "sunset", "link"} & set(response.headers)


# Batches


def test_a_batch_answers_in_order_and_item_by_item(service: Inside) -> None:
    profiles = [INDEED, {"labelled_examples": 1, "id": "typo"}, SUPPORT, [], {"id": 5, "requests_per_day": -1}, {}]
    response = service.client.post("/recommend/batch", json={"profiles": profiles})
    answer = response.json()
    assert [item["index"] for item in answer["items"]] == list(range(6))
    assert [item["status"] for item in answer["items"]] == ["ok", "error", "ok", "error", "error", "ok"]
    assert [item.get("id") for item in answer["items"]] == [INDEED["id"], "typo", SUPPORT["id"], None, None, None]
    assert all(("result" in item) != ("error" in item) for item in answer["items"])
    for item, pointers in ((1, ["/labelled_examples"]), (3, [""]), (4, ["/id", "/requests_per_day"])):
        error = answer["items"][item]["error"]
        assert error["code"] == "invalid-input"
        assert [one["pointer"] for one in error["errors"]] == pointers
    assert response.headers["x-batch-failed"] == "3"
    strategies = [item["result"]["strategy"] for item in answer["items"] if "result" in item]
    summary = answer["summary"]
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (6, 3, 3)
    counts = {name: count for name, count in summary["strategies"].items() if count}
    assert counts == {name: strategies.count(name) for name in strategies}


@given(st.lists(st.sampled_from([INDEED, SUPPORT, {}, {"id": "%"}, {"can_label_more": None}]), min_size=1, max_size=4))
@pytest.mark.parametrize("explain", ["full", "codes", "none"])
def test_each_result_is_the_bytes_of_a_single_answer(
    service: Inside, explain: str, profiles: list[dict[str, Any]]
) -> None:
    batch = service.client.post(f"/recommend/batch?explain={explain}", json={"profiles": profiles}).content
    items = msgspec.json.decode(batch, type=dict[str, msgspec.Raw])["items"]
    results = [bytes(item["result"]) for item in msgspec.json.decode(items, type=list[dict[str, msgspec.Raw]])]
    assert results == [
        service.client.post(f"/recommend?explain={explain}", json=profile).content for profile in profiles
    ]


def test_the_defaults_stand_in_where_a_profile_is_silent(service: Inside) -> None:
    defaults = {"id": "all", "requests_per_day": 50_000, "knowledge_need": "changing_facts"}
    profiles: list[dict[str, Any]] = [{}, {"requests_per_day": 1}, {"knowledge_need": None, "id": None}]
    batch = service.client.post("/recommend/batch", json={"defaults": defaults, "profiles": profiles}).json()
    for item, profile in zip(batch["items"], profiles, strict=True):
        assert item["result"] == service.client.post("/recommend", json=defaults | profile).json()
        assert item.get("id") == (defaults | profile)["id"]


def test_the_default_id_names_failures_too(service: Inside) -> None:
    body = {"defaults": {"id": "all"}, "profiles": [{"x": 1}, {"x": 1, "id": "own"}]}
    items = service.client.post("/recommend/batch", json=body).json()["items"]
    assert [item["id"] for item in items] == ["all", "own"]


def test_a_batch_of_the_largest_size_is_answered(service: Inside) -> None:
    body = {"profiles": [{"requests_per_day": number} for number in range(1000)]}
    assert service.client.post("/recommend/batch?explain=none", json=body).json()["summary"]["succeeded"] == 1000
    problem(service.client.post("/recommend/batch", json={"profiles": [{}] * 1001}), 413, "too-large")


# Maps, differences, lookups


def test_a_map_shows_what_single_answers_say(service: Inside) -> None:
    x, y = "requests_per_day", "labeled_examples"
    made = service.client.post("/policies/1/map", json={"x": x, "y": y, "profile": SUPPORT}).json()
    assert (len(made["rows"]), {len(row) for row in made["rows"]}) == (len(made["y_bands"]), {len(made["x_bands"])})
    for row, y_band in zip(made["rows"], made["y_bands"], strict=True):
        for cell, x_band in zip(row, made["x_bands"], strict=True):
            profile = SUPPORT | {x: x_band.get("at_least") or 0, y: y_band.get("at_least") or 0}
            assert service.client.post("/recommend", json=profile).json()["strategy"] == cell


def test_the_difference_of_equal_policies_is_nothing(aged: Inside) -> None:
    difference = aged.client.get("/policies/1.0.0/diff/2.0.0").json()
    assert (difference["from"], difference["to"], difference["changes"]) == ("1.0.0", "2.0.0", [])
    assert difference["changed_cells"] == 0
    assert difference["cells"] == aged.client.get("/policies").json()["policies"][0]["cells"]


def test_the_versions_are_listed_newest_first(aged: Inside) -> None:
    policies = aged.client.get("/policies").json()["policies"]
    listed = [(policy["version"], policy["status"], policy["default"]) for policy in policies]
    assert listed == [("2.0.0", "active", True), ("1.1.0", "deprecated", False), ("1.0.0", "retired", False)]
    told = aged.client.get("/version").json()["policies"]
    assert sorted((policy["version"], policy["digest"]) for policy in told) == sorted(
        (policy["version"], policy["digest"]) for policy in policies
    )


def test_the_fields_can_be_drawn_as_a_form(service: Inside) -> None:
    document = service.client.get("/policies/2").json()["document"]
    entries = {entry["name"]: entry for entry in service.client.get("/inputs").json()["inputs"]}
    assert list(entries) == list(VOCABULARY)
    for name, entry in entries.items():
        assert entry["description"] == FIELD_TEXTS[name]
        assert entry["question"] == document["inputs"][name]["question"]
        for band in entry["policies"]["2.0.0"]["bands"]:
            value = band["range"].get("at_least", 0) if band["range"] else band["value"]
            answer = service.client.post("/recommend", json={name: value})
            assert answer.is_success == (entry["derived_from"] is None)
    assert entries["payback_months"]["derived_from"] == "costs"


def test_every_code_can_be_looked_up(service: Inside) -> None:
    documents = {
        version: service.client.get(f"/policies/{version}").json()["document"] for version in ("1.0.0", "2.0.0")
    }
    codes = service.client.get("/codes").json()["codes"]
    assert [entry["code"] for entry in codes] == sorted({code for one in documents.values() for code in one["codes"]})
    for entry in codes:
        assert service.client.get(f"/codes/{entry['code']}").json() == entry
        users = [version for version, document in documents.items() if entry["code"] in document["codes"]]
        written = documents[users[-1]]["codes"][entry["code"]]
        assert (entry["message"], entry["lever"]) == (written["message"], written["lever"])
        assert [source["id"] for source in entry["source"]] == written["source"]
        assert entry["policies"] == users


def test_every_problem_can_be_looked_up(service: Inside) -> None:
    problems = service.client.get("/problems").json()["problems"]
    assert [entry["code"] for entry in problems] == list(PROBLEM_TYPES)
    for entry in problems:
        assert service.client.get(entry["type"]).json() == entry


def test_readiness_names_its_checks_when_asked(aged: Inside) -> None:
    assert aged.client.get("/readyz").json() == {"status": "ok"}
    for query in ("verbose", "verbose=true", "verbose="):
        checks = aged.client.get(f"/readyz?{query}").json()["checks"]
        assert checks == {f"policy {version}": "ok" for version in ("1.0.0", "1.1.0", "2.0.0")}


def test_the_documentation_needs_no_network_and_no_scripts(service: Inside) -> None:
    response = service.client.get("/docs")
    page = response.text
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["content-type"].startswith("text/html")
    loaded = re.findall(
        r"<(?:script|link|img|iframe|object|embed|base|form)\b|\ssrc=|@import|url\(|\son\w+=|\sstyle=", page
    )
    assert loaded == []
    anchors = set(re.findall(r'\sid="([^"]+)"', page))
    for target in re.findall(r'href="([^"]+)"', page):
        if target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert service.client.get(f"/{target}").is_success
    assert {
        operation["operationId"] for methods in CONTRACT.document["paths"].values() for operation in methods.values()
    } <= anchors


def test_the_style_of_the_documentation_is_the_one_its_policy_allows(service: Inside) -> None:
    (style,) = re.findall("<style>(.*?)</style>", service.client.get("/docs").text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
