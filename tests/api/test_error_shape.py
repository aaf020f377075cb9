"""Whatever is sent, every error is one problem document that names all that is wrong, and never a 500."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api import serving
from api.serving import JSON, OPERATIONS, PATHS, Inside, Live, documented, fill, named, problem, required
from trivium.profile import FIELDS


# Bodies: each with where it is wrong and how.
MALFORMED = {
    "empty": b"",
    "blank": b" \r\n\t",
    "no JSON": b"requests_per_day=1",
    "cut off": b'{"id": "x"',
    "two values": b"{} {}",
    "trailing comma": b'{"id": "x",}',
    "single quotes": b"{'id': 'x'}",
    "NaN": b'{"requests_per_day": NaN}',
    "Infinity": b'{"requests_per_day": Infinity}',
    "minus Infinity": b'{"requests_per_day": -Infinity}',
    "1e400 beside NaN": b'{"requests_per_day": 1e400, "labeled_examples": NaN}',
    "1e400 beside a lone surrogate": b'{"requests_per_day": 1e400, "id": "\\ud800"}',
    "1e400 cut off": b'{"requests_per_day": 1e400',
    "1e400 in the depths": b'{"requests_per_day": 1e400, "id":' + b"[" * 100_000,
    "leading zero": b'{"requests_per_day": 01}',
    "not UTF-8": b"\xff\xfe",
    "a string not UTF-8": b'{"id": "\xff"}',
    "a name not UTF-8": b'{"\xff": 1}',
    "an encoded surrogate": b'{"id": "\xed\xa0\x80"}',
    "a lone surrogate": b'{"id": "\\ud800"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"id": "x"}'.encode("utf-16"),
    "a control character": b'{"id": "\x00"}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"id":' * 100_000,
    "a deep unknown field": b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}
WRONG: dict[bytes, list[tuple[str, str]]] = {
    b"null": [("", "wrong_type")],
    b"[]": [("", "wrong_type")],
    b"[{}]": [("", "wrong_type")],
    b'"x"': [("", "wrong_type")],
    b"1": [("", "wrong_type")],
    b"true": [("", "wrong_type")],
    b'{"requests_per_day": ' + b"9" * 400 + b"}": [("/requests_per_day", "out_of_range")],
    b'{"requests_per_day": -' + b"9" * 5_000 + b"}": [("/requests_per_day", "out_of_range")],
    b'{"labeled_examples": ' + b"9" * 5_000 + b"}": [("/labeled_examples", "out_of_range")],
    b'{"labeled_examples": -1}': [("/labeled_examples", "out_of_range")],
    b'{"labeled_examples": 1.5}': [("/labeled_examples", "wrong_type")],
    b'{"prompt_tokens": 1e13}': [("/prompt_tokens", "out_of_range")],
    b'{"requests_per_day": "1"}': [("/requests_per_day", "wrong_type")],
    b'{"requests_per_day": true}': [("/requests_per_day", "wrong_type")],
    b'{"can_label_more": 1}': [("/can_label_more", "wrong_type")],
    b'{"knowledge_need": "changing"}': [("/knowledge_need", "unknown_value")],
    b'{"knowledge_need": []}': [("/knowledge_need", "wrong_type")],
    b'{"id": {}}': [("/id", "wrong_type")],
    b'{"id": "' + b"x" * 201 + b'"}': [("/id", "too_long")],
    b'{"requests_per_day": 1e400, "knowledge_need": "non"}': [
        ("/knowledge_need", "unknown_value"),
        ("/requests_per_day", "out_of_range"),
    ],
    b'{"prompt_tokens": -1e400, "costs": {"training_price": 1e400}}': [
        ("/costs/training_price", "out_of_range"),
        ("/prompt_tokens", "out_of_range"),
    ],
    b'{"a/b~c": 1, "": 2}': [("/", "unknown_field"), ("/a~1b~0c", "unknown_field")],
    b'{"__proto__": {}}': [("/__proto__", "unknown_field")],
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/policies/1/map"])
def test_what_is_no_json_is_refused_as_a_whole(service: Inside, path: str, body: bytes) -> None:
    response = service.client.post(path, content=body, headers=JSON)
    assert named(problem(response, 400, "invalid_input")) == [("", "malformed")]
    documented(service, response)


@pytest.mark.parametrize(("body", "errors"), WRONG.items(), ids=[repr(body[:40]) for body in WRONG])
def test_what_is_no_profile_is_refused_field_by_field(
    service: Inside, body: bytes, errors: list[tuple[str, str]]
) -> None:
    response = service.client.post("/recommend", content=body, headers=JSON)
    assert named(problem(response, 400, "invalid_input")) == errors
    documented(service, response)


def test_every_bad_field_is_named_at_once_with_what_was_meant(service: Inside) -> None:
    body = {
        "labelled_examples": 5,
        "requests_per_day": -1,
        "knowledge_need": "changing_fact",
        "can_label_more": "yes",
        "primary_goal": "cost",
        "prompt_tokens": 0.5,
        "id": 7,
    }
    found = problem(service.client.post("/recommend", json=body), 400, "invalid_input")
    details = {error["pointer"]: error["detail"] for error in found["errors"]}
    assert set(details) == {f"/{name}" for name in body if name != "primary_goal"}
    assert found["detail"] == "6 things are wrong with the input."
    assert "did you mean `labeled_examples`?" in details["/labelled_examples"]
    assert "did you mean `changing_facts`?" in details["/knowledge_need"]
    assert "true or false" in details["/can_label_more"]
    assert ">= 0" in details["/requests_per_day"]


def test_a_batch_that_is_a_bare_array_is_told_its_form(service: Inside) -> None:
    found = problem(service.client.post("/recommend/batch", json=[{}]), 400, "invalid_input")
    assert found["errors"][0]["detail"] == 'expected an object, got an array: send {"profiles": [...]}'


def test_all_fields_can_be_wrong_together(service: Inside) -> None:
    found = problem(service.client.post("/recommend", json={name: [] for name in FIELDS}), 400, "invalid_input")
    assert named(found) == sorted((f"/{name}", "wrong_type") for name in FIELDS)


@pytest.mark.parametrize("count", [99, 100, 101, 300])
def test_more_than_a_hundred_things_are_not_listed_but_told(service: Inside, count: int) -> None:
    many = {f"unheard_of_{number}": "1" for number in range(count)}
    for response, place in (
        (service.client.post("/recommend", json=many), "pointer"),
        (service.client.post("/recommend", json={}, params=many), "parameter"),
    ):
        found = problem(response, 400, "invalid_input")
        codes = [error["code"] for error in found["errors"]]
        if count <= 100:
            assert (found["detail"], len(codes)) == (f"{count} things are wrong with the input.", count)
        else:
            assert found["detail"] == "More than 100 things are wrong with the input; the first 100 are listed."
            assert codes == ["unknown_field"] * 100 + ["too_many"]
        listed = [error[place].removeprefix("/") for error in found["errors"][:100]]
        assert listed == list(many)[:100]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("", "missing_field")]),
        ({"profiles": []}, [("/profiles", "out_of_range")]),
        ({"profiles": {}}, [("/profiles", "wrong_type")]),
        ({"profiles": None}, [("/profiles", "wrong_type")]),
        ({"profiles": [{}], "default": {}}, [("/default", "unknown_field")]),
        ({"profiles": [{}], "defaults": 1}, [("/defaults", "wrong_type")]),
        (
            {"profiles": 1, "defaults": {"x": 1, "id": 2}, "y": 3},
            [
                ("/defaults/id", "wrong_type"),
                ("/defaults/x", "unknown_field"),
                ("/profiles", "wrong_type"),
                ("/y", "unknown_field"),
            ],
        ),
    ],
)
def test_what_is_no_batch_is_refused(service: Inside, body: Any, errors: list[tuple[str, str]]) -> None:
    response = service.client.post("/recommend/batch", json=body)
    assert named(problem(response, 400, "invalid_input")) == errors
    documented(service, response)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("", "missing_field"), ("", "missing_field")]),
        ({"x": "requests_per_day", "y": "label"}, [("/y", "unknown_value")]),
        (
            {"x": "id", "y": 1, "profile": {"z": 1}},
            [("/profile/z", "unknown_field"), ("/x", "unknown_value"), ("/y", "wrong_type")],
        ),
    ],
)
def test_what_is_no_question_for_a_map_is_refused(service: Inside, body: Any, errors: list[tuple[str, str]]) -> None:
    response = service.client.post("/policies/1.0.0/map", json=body)
    assert named(problem(response, 400, "invalid_input")) == errors
    documented(service, response)


# Parameters

QUERIES: dict[str, list[tuple[str, str]]] = {
    "view=ful": [("view", "unknown_value")],
    "view=": [("view", "unknown_value")],
    "view=%00": [("view", "unknown_value")],
    "view": [("view", "unknown_value")],
    "policy=": [("policy", "unknown_value")],
    "policy=v1": [("policy", "unknown_value")],
    "policy=%zz": [("policy", "unknown_value")],
    "policy=%ff%fe": [("policy", "unknown_value")],
    "policy=" + "1" * 5_000: [("policy", "unknown_value")],
    "polcy=1": [("polcy", "unknown_field")],
    "%ff=1": [("\ufffd", "unknown_field")],
    "=": [("", "unknown_field")],
    "policy=1&policy=1": [("policy", "malformed")],
    "view=brief&x=1&policy=one&view=full": [
        ("policy", "unknown_value"),
        ("view", "malformed"),
        ("x", "unknown_field"),
    ],
}


@pytest.mark.parametrize(("query", "errors"), QUERIES.items(), ids=[query[:40] for query in QUERIES])
@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch"])
def test_wrong_parameters_are_all_named(service: Inside, path: str, query: str, errors: list[tuple[str, str]]) -> None:
    response = service.client.post(f"{path}?{query}", json={"profiles": [{}]} if "batch" in path else {})
    assert named(problem(response, 400, "invalid_input")) == errors
    documented(service, response)


def test_a_wrong_parameter_is_told_what_was_meant(service: Inside) -> None:
    found = problem(service.client.post("/recommend?polcy=1&view=stand", json={}), 400, "invalid_input")
    assert [error["detail"] for error in found["errors"]] == [
        "unknown parameter; did you mean `policy`?",
        "unknown value; did you mean `standard`?",
    ]


def test_a_selector_of_the_wrong_form_is_told_in_words(service: Inside) -> None:
    found = problem(service.client.post("/recommend?policy=v2", json={}), 400, "invalid_input")
    (error,) = found["errors"]
    assert error["detail"].startswith("expected `1.0.0`, `1` or `1.0`")


def test_an_endless_number_in_a_batch_spoils_its_own_item_only(service: Inside) -> None:
    batch = b'{"profiles": [{}, {"requests_per_day": 1e400}, {}]}'
    items = service.client.post("/recommend/batch", content=batch, headers=JSON).json()["items"]
    assert [item["status"] for item in items] == ["ok", "error", "ok"]
    assert [error["pointer"] for error in items[1]["error"]["errors"]] == ["/requests_per_day"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_operation_takes_an_unknown_parameter(service: Inside, method: str, path: str) -> None:
    body: dict[str, Any] = {"x": "requests_per_day", "y": "labeled_examples"} if path.endswith("/map") else {}
    body = {"profiles": [{}]} if path.endswith(("/batch", "/impact")) else body
    query = {"unheard_of": "1", **required(method, path)}
    response = service.client.request(method, fill(path), params=query, json=body if method == "POST" else None)
    assert named(problem(response, 400, "invalid_input")) == [("unheard_of", "unknown_field")]
    documented(service, response)


# Paths, methods, media types


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nope", "not_found"),
        ("/recommend/nope", "not_found"),
        ("/policies/1.0.0/diff", "not_found"),
        ("/policies/..%2f..%2fetc", "not_found"),
        ("/%ff%fe", "not_found"),
        ("/" + "x" * 5_000, "not_found"),
        ("/policies/9.9.9", "unknown_policy"),
        ("/policies/%ff", "not_found"),
        ("/policies/%00", "unknown_policy"),
        ("/policies/1.0.0/diff/9", "unknown_policy"),
        ("/codes/HIGH_VOLUM", "unknown_code"),
        ("/codes/%zz", "unknown_code"),
        ("/problems/too_larg", "unknown_problem"),
    ],
)
def test_what_is_not_there_is_not_found(service: Inside, live: Live, path: str, code: str) -> None:
    response = service.client.get(path)
    problem(response, 404, code)
    documented(service, response)
    problem(httpx.get(live.url + path), 404, code)


@pytest.mark.parametrize(
    "path",
    [
        "//metrics",
        "/%6Detrics",
        "/metrics/",
        "/policies//1.0.0",
        "/policies/%31.0.0",
        "/./metrics",
        "/codes/../metrics",
    ],
)
def test_a_path_has_one_spelling(live: Live, path: str) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as caller:
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"code":"not_found"' in answer


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/policies/v1.0.0", "1.0.0"), ("/codes/HIGH_VOLUM", "HIGH_VOLUME"), ("/problems/too_larg", "too_large")],
)
def test_what_is_nearly_there_is_suggested(service: Inside, path: str, meant: str) -> None:
    assert service.client.get(path).json()["detail"].endswith(f"; did you mean `{meant}`?")


def answered(path: str) -> set[str]:
    declared = {method.upper() for method in PATHS[path]}
    return declared | {"OPTIONS"} | ({"HEAD"} if "GET" in declared else set())


@pytest.mark.parametrize("path", PATHS)
def test_options_names_every_method_of_a_path(service: Inside, path: str) -> None:
    response = service.client.options(fill(path))
    assert (response.status_code, response.content) == (204, b"")
    assert set(response.headers["allow"].split(", ")) == answered(path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_wrong_method_is_told_the_right_ones(service: Inside, path: str, method: str) -> None:
    if method in answered(path):
        return
    response = service.client.request(method, fill(path))
    assert set(response.headers["allow"].split(", ")) == answered(path)
    if method == "HEAD":
        assert (response.status_code, response.content) == (405, b"")
    else:
        problem(response, 405, "method_not_allowed")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("accept", ["application/x-unheard-of", "image/*", "*/*;q=0", "nonsense"])
def test_a_media_type_that_is_not_offered_is_told_what_is(service: Inside, method: str, path: str, accept: str) -> None:
    response = service.client.request(
        method, fill(path), json={} if method == "POST" else None, headers={"Accept": accept}
    )
    offered = list(PATHS[path][method.lower()]["responses"]["200"]["content"])
    assert problem(response, 406, "not_acceptable")["supported"] == offered
    documented(service, response)


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/policies/1.0.0/map"])
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonp",
        "application/problem+json",
        "application/ndjson",
        "application",
        "\xff",
    ],
)
def test_a_body_of_another_type_is_not_read(service: Inside, path: str, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type.encode("latin-1")}
    response = service.client.post(path, content=b"{}", headers=headers)  # type: ignore[arg-type]  # not ASCII
    supported = ["application/json"]
    if path == "/recommend/batch":
        supported += ["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"]
    assert problem(response, 415, "unsupported_media_type")["supported"] == supported
    assert response.headers["accept-post"] == ", ".join(supported)
    documented(service, response)


# Limits


def in_chunks(size: int) -> Iterator[bytes]:
    yield b'{"id": "'
    for _ in range(size // 65_536):
        yield b"x" * 65_536


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/policies/1.0.0/map"])
@pytest.mark.parametrize("size", [(1 << 20) + 1, 10 << 20])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_beyond_the_limit_is_told_the_limit(service: Inside, path: str, size: int, chunked: bool) -> None:
    content = in_chunks(size + 65_536) if chunked else b" " * size
    response = service.client.post(path, content=content, headers=JSON)
    assert problem(response, 413, "too_large")["limit"] == 1 << 20
    documented(service, response)


@pytest.mark.parametrize("query", ["", "?view=full"], ids=["plain", "with-query"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_ten_megabytes_are_refused_by_the_live_service(live: Live, query: str, chunked: bool) -> None:
    content = in_chunks(10 << 20) if chunked else b" " * (10 << 20)
    response = httpx.post(f"{live.url}/recommend{query}", content=content, headers=JSON)
    assert problem(response, 413, "too_large")["limit"] == 1 << 20
    assert httpx.get(f"{live.url}/livez").is_success


def test_a_body_right_at_the_limit_is_read(service: Inside) -> None:
    assert service.client.post("/recommend", content=b"{}".ljust(1 << 20), headers=JSON).is_success


def test_a_batch_beyond_the_limit_is_told_the_limit() -> None:
    with serving.inside(max_batch=3) as served:
        response = served.client.post("/recommend/batch", json={"profiles": [{}] * 4})
        assert problem(response, 413, "too_large")["limit"] == 3
        documented(served, response)
        assert served.client.post("/recommend/batch", json={"profiles": [{}] * 3}).is_success


def test_the_live_service_survives_all_of_it(live: Live) -> None:
    with httpx.Client(base_url=live.url, timeout=10) as client:
        for body in (*MALFORMED.values(), *WRONG):
            problem(client.post("/recommend", content=body, headers=JSON), 400, "invalid_input")
        for query in QUERIES:
            problem(client.post(f"/recommend?{query}", json={}), 400, "invalid_input")
        flaws = [body for body in WRONG if body.startswith(b"{") and len(body) < 400]
        batch = b'{"profiles": [%b]}' % b",".join(flaws)
        answer = client.post("/recommend/batch", content=batch, headers=JSON).json()
        assert answer["summary"]["failed"] == len(flaws)
    assert {line["level"] for line in live.lines()} <= {"info"}
