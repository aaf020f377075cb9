"""The API keeps HTTP's rules: HEAD, entity tags, negotiation, ids and traces."""

import re

import httpx
import pytest

from api.serving import PATHS, Inside, fill, problem


READABLE = [fill(path) for path, methods in PATHS.items() if "get" in methods]
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
    assert re.fullmatch('"[0-9a-f]{32,64}(-gzip)?"', tag)
    assert ("-gzip" in tag) == (read.headers.get("content-encoding") == "gzip")
    assert read.headers["cache-control"] == "public, no-cache"
    for known in (tag, f"W/{tag}", f'"other", {tag}', f'W/"x",W/{tag}', "*", f"  {tag}  "):
        for method in ("GET", "HEAD"):
            again = service.client.request(method, path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), known
            assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "public, no-cache")
    for other in ('"other"', "", tag.strip('"'), f'"x{tag[1:]}'):
        again = service.client.get(path, headers={"If-None-Match": other})
        assert (again.status_code, again.content) == (200, read.content), other


@pytest.mark.parametrize(
    ("accept", "coded"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
def test_the_contract_is_compressed_for_those_who_take_it(service: Inside, accept: str, coded: bool) -> None:
    plain = service.client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    asked = service.client.get("/openapi.json", headers={"Accept-Encoding": accept})
    assert (asked.headers.get("content-encoding") == "gzip") == coded
    assert asked.content == plain.content  # the client has decompressed it
    assert asked.headers["vary"] == "Accept, Accept-Encoding"
    assert (asked.headers["etag"] == plain.headers["etag"]) != coded


def test_the_tag_of_a_policy_is_its_digest_by_any_name(service: Inside) -> None:
    for version, names in {"1.0.0": ("1.0.0", "1.0", "1"), "3.0.0": ("3.0.0", "3.0", "3", "latest")}.items():
        document = service.client.get(f"/policies/{version}").json()
        for name in names:
            assert service.client.head(f"/policies/{name}").headers["etag"] == f'"{document["digest"]}"'


def test_decisions_are_never_stored(service: Inside) -> None:
    for response in (
        service.client.post("/recommend", json={}),
        service.client.post("/recommend?view=brief", json={}),
        service.client.post("/recommend/batch", json={"profiles": [{}]}),
        service.client.post("/policies/1/map", json={"x": "requests_per_day", "y": "labeled_examples"}),
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
def test_preferences_are_respected(service: Inside, accept: str, status: int) -> None:
    body = {"x": "requests_per_day", "y": "labeled_examples"}
    assert service.client.post("/policies/1/map", json=body, headers={"Accept": accept}).status_code == status


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
def test_json_is_json_whatever_its_parameters(service: Inside, content_type: str, status: int) -> None:
    response = service.client.post("/recommend", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == status


@pytest.mark.parametrize(("coding", "status"), [("identity", 200), ("gzip", 415), ("br", 415), ("x", 415)])
def test_a_coded_body_is_refused_and_not_guessed_at(service: Inside, coding: str, status: int) -> None:
    response = service.client.post("/recommend", json={}, headers={"Content-Encoding": coding})
    assert response.status_code == status
    if status == 415:
        assert "Content-Encoding" in problem(response, 415, "unsupported_media_type")["detail"]


def test_no_preference_is_any(service: Inside) -> None:
    request = service.client.build_request("POST", "/recommend", json={})
    del request.headers["accept"]
    assert service.client.send(request).status_code == 200


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
def test_a_safe_request_id_is_kept(service: Inside, own: str) -> None:
    response = service.client.post("/recommend", json={}, headers={"X-Request-ID": own})
    assert response.headers["x-request-id"] == service.line(response)["request_id"] == own


@pytest.mark.parametrize("own", ["", "x" * 65, "a b", "a\tb", "<script>", "a,b", '"', "\xe4", "a/b"])
def test_an_unsafe_request_id_is_replaced(service: Inside, own: str) -> None:
    found = service.client.post("/recommend", json={}, headers=[(b"X-Request-ID", own.encode("latin-1"))])
    assert re.fullmatch("[0-9a-f]{32}", found.headers["x-request-id"])


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def traced(service: Inside, **headers: str) -> tuple[re.Match[str], httpx.Response]:
    response = service.client.post("/recommend", json={}, headers=headers)
    found = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", response.headers["traceparent"])
    assert found
    line = service.line(response)
    assert (line["trace_id"], line["span_id"]) == found.groups()[:2]
    return found, response


@pytest.mark.parametrize(
    ("parent", "flags"),
    [(f"00-{TRACE}-{SPAN}-01", "01"), (f"00-{TRACE}-{SPAN}-00", "00"), (f"cc-{TRACE}-{SPAN}-01-what-comes", "01")],
)
def test_a_trace_goes_on_with_a_span_of_our_own(service: Inside, parent: str, flags: str) -> None:
    found, response = traced(service, traceparent=parent, tracestate="congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert (found[1], found[3]) == (TRACE, flags)
    assert found[2] not in {SPAN, "0" * 16}
    assert response.headers["tracestate"] == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


def test_unknown_flags_of_a_trace_are_not_passed_on(service: Inside) -> None:
    assert traced(service, traceparent=f"00-{TRACE}-{SPAN}-ff")[0][3] == "01"
    assert traced(service, traceparent=f"00-{TRACE}-{SPAN}-fe")[0][3] == "00"


def test_a_state_in_several_lines_is_passed_on_as_one_and_an_endless_one_is_not(service: Inside) -> None:
    parent = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    several = [parent, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    passed_on = service.client.post("/recommend", json={}, headers=several).headers["tracestate"]
    assert passed_on.replace(" ", "") == "a=1,b=2"
    endless = [parent, (b"tracestate", b"a=" + b"1" * 5000)]
    assert "tracestate" not in service.client.post("/recommend", json={}, headers=endless).headers


def test_two_parents_start_a_new_trace(service: Inside) -> None:
    parents = [(b"traceparent", f"00-{one * 32}-{SPAN}-01".encode()) for one in "ab"]
    found = service.client.post("/recommend", json={}, headers=parents).headers["traceparent"]
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
def test_an_invalid_trace_is_not_continued(service: Inside, parent: str) -> None:
    found, response = traced(service, traceparent=parent, tracestate="congo=t61rcWkgMzE")
    assert found[1] not in {TRACE, "0" * 32}
    assert found[3] == "00"
    assert "tracestate" not in response.headers


def test_ids_are_new_for_each_request(service: Inside) -> None:
    responses = [service.client.post("/recommend", json={}) for _ in range(50)]
    assert len({response.headers["x-request-id"] for response in responses}) == 50
    assert len({response.headers["traceparent"] for response in responses}) == 50


@pytest.mark.parametrize("path", [*READABLE, "/nope", "/recommend"])
def test_every_answer_has_the_common_headers(service: Inside, path: str) -> None:
    headers = service.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"app;dur=\d+\.\d{3}", headers["server-timing"])
    assert {"x-request-id", "traceparent", "cache-control"} <= set(headers)
