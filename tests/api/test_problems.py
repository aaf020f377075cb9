"""Every problem of the API can be met, is what its documentation says, and hides what went wrong inside."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx
import msgspec
import pytest
from litestar import get
from litestar.connection import ASGIConnection
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    TooManyRequestsException,
)
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from api import serving
from api.serving import JSON, OPERATIONS, PATHS, Inside, documented, parse, problem, problems_of, required
from trivium import Advisor, Profile, Recommendation
from trivium.api.app import CONTRACT
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.openapi.examples import PROBLEM_EXAMPLES
from trivium.api.openapi.shared import pascal_case
from trivium.economics import Economics
from trivium.rendering import Renderer


# The service's own failures

SECRET = "hunter2"  # noqa: S105 - it has to look like one


class Broken(Advisor):
    """Fails at each question."""

    def assess(self, profile: Profile) -> Economics | None:
        raise RuntimeError(f"{SECRET} {profile}")


class Lost(Advisor):
    """Recommends what it says cannot be reached."""

    def recommend(self, profile: Profile) -> Recommendation:
        return msgspec.structs.replace(super().recommend(profile), reachable=[])


def with_advisor(served: Inside, kind: type[Advisor]) -> None:
    service = served.app.state.services.policies
    service.default = kind(service.registry.default)
    service.advisors[service.registry.default.version] = service.default
    service.renderers[service.registry.default.version] = Renderer(service.default)


def test_a_defect_is_reported_to_the_log_and_not_to_the_caller() -> None:
    with serving.inside() as served:
        with_advisor(served, Broken)
        for response in (
            served.client.post("/recommend", json={"id": "mine"}),
            served.client.post("/recommend?view=brief", json={"id": "mine"}),
            served.client.post("/recommend/batch", json={"profiles": [{"id": "mine"}]}),
        ):
            problem(response, 500, "internal_error")
            assert SECRET not in response.text + str(response.headers)
            line = served.line(response)
            assert (line["level"], line["status"]) == ("error", 500)
            assert f"RuntimeError: {SECRET}" in line["exception"]
            documented(served, response)


@get("/defects/{name:str}")
async def fail(name: FromPath[str]) -> None:
    """Fail."""
    raise {"key": KeyError, "recursion": RecursionError, "memory": MemoryError}[name](SECRET)


@pytest.mark.parametrize("name", ["key", "recursion", "memory"])
def test_a_defect_of_any_route_is_an_internal_error(name: str) -> None:
    with serving.inside() as served:
        served.app.register(fail)
        response = served.client.get(f"/defects/{name}")
        problem(response, 500, "internal_error")
        assert SECRET not in response.text
        assert SECRET in served.line(response)["exception"]


def unready() -> httpx.Response:
    with serving.inside() as served:
        with_advisor(served, Lost)
        response = served.client.get("/readyz")
        documented(served, response)
        return response


def defective() -> httpx.Response:
    with serving.inside() as served:
        with_advisor(served, Broken)
        return served.client.post("/recommend", json={})


def test_a_service_that_is_not_ready_says_when_to_come_again() -> None:
    response = unready()
    assert "policy 3.0.0" in problem(response, 503, "not_ready")["detail"]
    assert response.headers["retry-after"] == "5"


def refused(error: HTTPException) -> httpx.Response:
    def deny(*_: object) -> None:
        raise error

    with serving.inside(guards=[deny]) as served:
        return served.client.get("/policies")


def too_slow(path: str = "/recommend") -> httpx.Response:
    async def receive() -> None:
        await asyncio.Event().wait()

    with serving.inside(body_seconds=0.05) as served:
        return asyncio.run(serving.call(served.app, path, receive, **{"content-length": "2"}))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_guard_holds_for_every_route(method: str, path: str) -> None:
    asked: list[str] = []

    def deny(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        asked.append(connection.scope["path_template"])
        raise PermissionDeniedException

    body: Any = {} if method == "POST" else None
    with serving.inside(guards=[deny]) as served:
        problem(served.client.request(method, serving.fill(path), json=body), 403, "forbidden")
        assert asked == [path]
        line = parse(served.log)[-1]
    assert (line["status"], line["problem"]) == (403, "forbidden")


def full(path: str = "/recommend/batch", query: dict[str, str] | None = None) -> httpx.Response:
    with serving.inside(max_batches=1) as served, served.app.state.services.batches.slot():
        return served.client.post(path, params=query, json={"profiles": [{}]})


# All together

SAME_AXES = {"x": "requests_per_day", "y": "requests_per_day"}
MET: dict[str, Callable[[Inside], httpx.Response]] = {
    "invalid_input": lambda aged: aged.client.post("/recommend", json={"x": 1}),
    "not_found": lambda aged: aged.client.get("/nope"),
    "unknown_policy": lambda aged: aged.client.post("/recommend?policy=9", json={}),
    "unknown_code": lambda aged: aged.client.get("/codes/NOPE"),
    "unknown_problem": lambda aged: aged.client.get("/problems/nope"),
    "method_not_allowed": lambda aged: aged.client.delete("/recommend"),
    "not_acceptable": lambda aged: aged.client.get("/policies", headers={"Accept": "text/csv"}),
    "not_mappable": lambda aged: aged.client.post("/policies/2/map", json=SAME_AXES),
    "policy_retired": lambda aged: aged.client.post("/recommend?policy=1.0.0", json={}),
    "too_large": lambda aged: aged.client.post("/recommend", content=b" " * (1 << 21), headers=JSON),
    "unsupported_media_type": lambda aged: aged.client.post("/recommend", content=b"{}"),
    "internal_error": lambda _: defective(),
    "not_ready": lambda _: unready(),
    "unauthorized": lambda _: refused(NotAuthorizedException()),
    "forbidden": lambda _: refused(PermissionDeniedException()),
    "too_many_requests": lambda _: refused(TooManyRequestsException(headers={"Retry-After": "7"})),
    "request_timeout": lambda _: too_slow(),
    "headers_too_large": lambda aged: aged.client.get("/policies", headers={"X-Long": "x" * 20_000}),
    "busy": lambda _: full(),
}


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_every_type_of_problem_can_be_met_and_explains_itself(aged: Inside, code: str) -> None:
    found = problem(MET[code](aged), PROBLEM_TYPES[code].status, code)
    explained = aged.client.get(f"/problems/{code}")
    assert explained.status_code == 200
    shared = {name: found[name] for name in ("code", "status", "title")}
    named = {"type": f"../problems/{code}", "description": PROBLEM_TYPES[code].description}
    assert explained.json() == shared | named


def test_the_type_of_a_problem_leads_to_its_description_behind_any_prefix(service: Inside) -> None:
    wrong = {"/policies/9": "unknown_policy", "/policies/9/diff/1": "unknown_policy", "/nope": "not_found"}
    for path, code in wrong.items():
        found = problem(service.client.get(path), 404, code)
        assert urljoin(f"https://gateway.example/llm/v1{path}", found["type"]) == (
            f"https://gateway.example/llm/v1/problems/{code}"
        )


def test_the_type_of_a_problem_stays_short_however_deep_the_path(service: Inside) -> None:
    assert problem(service.client.get("/x" * 1000), 404, "not_found")["type"] == "/problems/not_found"


def documented_problems() -> Iterator[Any]:
    """Yield each operation with the code of each of its problems."""
    for method, path in OPERATIONS:
        for response in PATHS[path][method.lower()]["responses"].values():
            for code in problems_of(response):
                yield pytest.param(method, path, code, id=f"{method} {path} {code}")


WRONG_PROFILE: dict[str, Any] = {"labelled_examples": 120, "knowledge_need": "changing_fact", "requests_per_day": -1}
WRONG_BATCH: dict[str, Any] = {"defaults": {"primary_goal": "qualty"}, "profiles": []}
LARGE_BATCH: dict[str, Any] = {"profiles": [{}] * 2500}
BATCHES = {"/recommend/batch", "/recommend/impact"}
WRONG_MAP: dict[str, Any] = {"x": "requests_per_day", "y": "labelled_examples"}
UNMAPPABLE: dict[str, Any] = {"x": "requests_per_day", "y": "knowledge_tokens"}
BODIES: dict[str, tuple[Any, Any]] = {
    "/recommend": ({}, WRONG_PROFILE),
    "/recommend/batch": ({"profiles": [{}]}, WRONG_BATCH),
    "/recommend/impact": ({"profiles": [{}]}, WRONG_BATCH),
    "/policies/{version}/map": ({"x": "requests_per_day", "y": "labeled_examples"}, WRONG_MAP),
}


def meet(service: Inside, aged: Inside, method: str, path: str, code: str) -> httpx.Response:
    """Ask an operation so that it has a problem."""
    fine, wrong = BODIES.get(path, (None, None))
    selector = next(iter(query := required(method, path)), "policy")
    chosen = {selector: "1.0.0"} if code == "policy_retired" else {} if "{" in path else {selector: "9"}
    asked: dict[str, dict[str, Any]] = {
        "invalid_input": {"json": wrong, "params": query} if wrong else {"params": {"pretty": "true"}},
        "unknown_policy": {"json": fine, "params": chosen},
        "unknown_code": {},
        "unknown_problem": {},
        "not_acceptable": {"json": fine, "headers": {"Accept": "image/png"}},
        "not_mappable": {"json": UNMAPPABLE},
        "policy_retired": {"json": fine, "params": chosen},
        "too_large": {"content": b" " * (1 << 21), "headers": JSON} if path not in BATCHES else {"json": LARGE_BATCH},
        "unsupported_media_type": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        "headers_too_large": {"json": fine, "headers": {"X-Long": "x" * 20_000}},
    }
    if code == "request_timeout":
        return too_slow(f"{path.format(version='1.0.0')}?{urlencode(query)}")
    if code == "busy":
        return full(path, query)
    if code not in asked:
        return MET[code](service)
    version = "9" if code == "unknown_policy" else "1.0.0"
    name = {"unknown_code": "HIGH_VOLUM", "unknown_problem": "too_larg"}.get(code, "HIGH_VOLUME")
    client = (aged if code == "policy_retired" else service).client
    place = path.format(version=version, a=version, b=version, code=name)
    return client.request(method, place, **{"params": query, **asked[code]})


@pytest.mark.parametrize(("method", "path", "code"), list(documented_problems()))
def test_an_operation_has_the_problems_of_the_contract(
    service: Inside, aged: Inside, method: str, path: str, code: str
) -> None:
    problem(meet(service, aged, method, path, code), PROBLEM_TYPES[code].status, code)


@pytest.mark.parametrize("code", PROBLEM_EXAMPLES)
def test_the_example_of_a_problem_is_what_the_service_says(service: Inside, aged: Inside, code: str) -> None:
    response = CONTRACT.document["components"]["responses"][pascal_case(code)]
    example = problems_of(response)[code]
    met = {
        "invalid_input": lambda: service.client.post("/recommend", json=WRONG_PROFILE),
        "unknown_policy": lambda: service.client.post("/recommend?policy=9", json={}),
        "unknown_code": lambda: service.client.get("/codes/HIGH_VOLUM"),
        "unknown_problem": lambda: service.client.get("/problems/too_larg"),
        "too_large": lambda: service.client.post("/recommend/batch", json=LARGE_BATCH),
    }
    found = problem(met.get(code, lambda: MET[code](aged))(), example["status"], code)
    assert example["instance"].endswith(example["request_id"])
    of_the_request = {name: example[name] for name in ("request_id", "instance", "type")}
    assert found | of_the_request == example


@pytest.mark.parametrize(
    "path",
    [
        "/recommend?policy=1.0.0",
        "/recommend/batch?policy=1.0.0",
        "/recommend/impact?from=1.0.0",
        "/recommend/impact?from=2&to=1.0.0",
    ],
)
def test_a_retired_policy_decides_no_more_and_names_its_successor(aged: Inside, path: str) -> None:
    response = aged.client.post(path, json={} if path.startswith("/recommend?") else {"profiles": [{}]})
    assert "use 2.0.0" in problem(response, 410, "policy_retired")["detail"]
    documented(aged, response)
    assert aged.client.get("/policies/1.0.0").json()["version"] == "1.0.0"


def test_an_input_that_the_policy_does_not_read_cannot_be_mapped(service: Inside) -> None:
    entries = service.client.get("/inputs").json()["inputs"]
    unread = {entry["name"] for entry in entries if "1.0.0" not in entry["policies"]}
    assert {"knowledge_tokens", "payback_months"} < unread
    for axis in unread:
        response = service.client.post("/policies/1/map", json={"x": axis, "y": "requests_per_day"})
        assert axis in problem(response, 409, "not_mappable")["detail"]
        documented(service, response)
